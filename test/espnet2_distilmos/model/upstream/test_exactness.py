"""Every family against itself in a padded batch, and against hooks on its blocks.

The table in doc/upstreams.md is made here: DISTILMOS_WRITE_DOC=1 writes it again.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

import pytest
import tiny_upstreams as tiny
import torch

from espnet2_distilmos.model.upstream.adapters import ClipwiseAdapter
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.loader import build_upstream, find_entry
from espnet2_distilmos.tokens.labels import nearest_centroid

DOC = Path(__file__).parents[4] / "doc/upstreams.md"
BOUND = 1e-5
LENGTHS = [16000, 9001, 24123, 400, 12345]
cases = pytest.mark.parametrize("family, style", tiny.CASES)


@dataclass
class Figures:
    """One row of the table; differences are the largest over frames and layers."""

    adapter: str
    batch: float
    hooks: float
    s3prl_batch: float
    n_layers: int
    frames: List[int]


MEASURED: Dict[Tuple[str, str], Figures] = {}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Function: configuration of a family's tiny upstream, its file written once."""
    folder = tmp_path_factory.mktemp("exactness")
    made: Dict[Tuple[str, str], dict] = {}

    def conf(family: str, style: str, **more) -> UpstreamConfig:
        if (family, style) not in made:
            made[family, style] = tiny.make(family, folder, style)
        return UpstreamConfig.from_dict({**made[family, style], **more}, "test")

    return conf


def alone(upstream, clips):
    """Per clip, one (T, D) a layer, computed without company."""
    return [
        [s[0] for s in upstream(clip[None], torch.tensor([len(clip)]))[0]]
        for clip in clips
    ]


def difference(batch, singles, counts) -> float:
    return max(
        float((state[i, :n] - one).abs().max())
        for i, n in enumerate(counts)
        for state, one in zip(batch, singles[i])
    )


class Reference:
    """The model as S3PRL loads and runs it, watched by hooks on its blocks."""

    def __init__(self, conf: UpstreamConfig):
        self.expert = find_entry(conf.upstream)(ckpt=conf.path_or_url).eval()
        self.outputs: list = []
        places = ("encoder.layers", "transformer.layers", "model.layers")
        for name, module in self.expert.named_modules():
            if name.endswith(places):
                for block in module:
                    block.register_forward_hook(self._note)

    def _note(self, _, __, output):
        self.outputs.append(output[0] if isinstance(output, tuple) else output)

    def run(self, clips):
        """S3PRL's hidden states of the batch, (B, T, D) each; notes block outputs."""
        self.outputs.clear()
        if hasattr(self.expert, "extracter"):
            inputs = self.expert.extracter(
                [clip.numpy() for clip in clips],
                return_tensors="pt",
                padding=True,
                return_attention_mask=True,
                sampling_rate=16000,
            )
            return self.expert.model(**inputs, output_hidden_states=True).hidden_states
        return self.expert(clips)["hidden_states"]

    def blocks(self, clip):
        """Raw block outputs of one clip, (T, D) each; T may be longer by a frame."""
        self.run([clip])
        # S3PRL's own models have (T, B, D) inside.
        return [o[0] if o.size(0) == 1 else o[:, 0] for o in self.outputs]


@cases
@torch.no_grad()
def test_alone_in_a_batch_and_in_hooks(family, style, checkpoints):
    conf = checkpoints(family, style)
    upstream = build_upstream(conf).eval()
    assert not isinstance(upstream, ClipwiseAdapter)
    clips, expected = tiny.noise(LENGTHS), tiny.frames_of(family, LENGTHS)
    states, frames = upstream(*tiny.padded(clips))
    assert frames.tolist() == expected
    assert len(states) == len(upstream.layers) == upstream.n_blocks == 3
    for state in states:
        assert state.shape == (5, 75, 16) == (5, 75, upstream.hidden_size)
        for row, n in zip(state, expected):
            assert (row[n:] == 0).all() and row[:n].abs().mean() > 0.1

    singles = alone(upstream, clips)
    reference = Reference(conf)
    hooks = 0.0
    for single, clip in zip(singles, clips):
        blocks = reference.blocks(clip)
        assert len(blocks) == 3
        for state, block in zip(single, blocks):
            hooks = max(hooks, float((state - block[: len(state)]).abs().max()))
    # S3PRL's batches for comparison: the last state of each clip.
    together = reference.run(clips)[-1]
    apart = [reference.run([clip])[-1] for clip in clips]
    s3prl_batch = difference([together], apart, expected)

    figures = Figures(
        type(upstream).__name__,
        difference(states, singles, expected),
        hooks,
        s3prl_batch,
        upstream.n_blocks,
        frames.tolist(),
    )
    MEASURED[family, style] = figures
    assert figures.batch <= BOUND
    assert figures.hooks <= BOUND
    if style == "post":  # or else the noise and its padding test nothing
        assert s3prl_batch > 0.1


@cases
@torch.no_grad()
def test_cnn_on_the_batch_is_exact_too(family, style, checkpoints):
    """The way of a GPU, here on the CPU."""
    upstream = build_upstream(checkpoints(family, style)).eval()
    clips = tiny.noise(LENGTHS)
    expected, _ = upstream(*tiny.padded(clips))
    upstream.cnn_on_batch = True
    states, frames = upstream(*tiny.padded(clips))
    assert frames.tolist() == tiny.frames_of(family, LENGTHS)
    for state, one in zip(states, expected):
        torch.testing.assert_close(state, one, rtol=0, atol=2 * BOUND)


@cases
@torch.no_grad()
def test_tokens_are_the_same_however_clips_are_batched(family, style, checkpoints):
    upstream = build_upstream(checkpoints(family, style)).eval()
    clips = tiny.noise(LENGTHS)
    singles = alone(upstream, clips)
    # Frames of the longest clip, moved a little.
    centroids = [s[::4] + 0.01 * s[1::4].mean(0) for s in singles[2]]
    expected = [
        [nearest_centroid(s, c) for s, c in zip(single, centroids)]
        for single in singles
    ]
    assert len({int(t) for tokens in expected for t in tokens[0]}) > 3
    for order in ([0, 1, 2, 3, 4], [3, 2], [4, 0, 3]):
        states, frames = upstream(*tiny.padded([clips[i] for i in order]))
        for row, (i, n) in enumerate(zip(order, frames.tolist())):
            for state, c, tokens in zip(states, centroids, expected[i]):
                assert torch.equal(nearest_centroid(state[row, :n], c), tokens)


def _table() -> str:
    lines = [
        "| model | adapter | layers | frames | batch | hooks | S3PRL's batch |",
        "| --- | --- | ---: | --- | ---: | ---: | ---: |",
    ]
    for (family, style), f in MEASURED.items():
        frames = " ".join(map(str, f.frames))
        lines.append(
            f"| {family}, {style}-norm | {f.adapter} | {f.n_layers} | {frames} "
            f"| {f.batch:.0e} | {f.hooks:.0e} | {f.s3prl_batch:.1g} |"
        )
    return "\n".join(lines)


def test_the_table_in_the_docs():
    """Runs last; the figures differ a little from machine to machine, the rest not."""
    if len(MEASURED) < len(tiny.CASES):
        pytest.skip("the table is of all families; some were not run")
    text = DOC.read_text()
    begin, end = "<!-- exactness: made by test_exactness.py -->\n", "\n<!-- end -->"
    head, rest = text.split(begin)
    table, tail = rest.split(end)
    if os.environ.get("DISTILMOS_WRITE_DOC"):
        table = _table()
        DOC.write_text(head + begin + table + end + tail)

    def plain(lines):  # without the three figures at the end
        return [re.split(r" *\| *", line)[:-4] for line in lines.splitlines()]

    assert plain(table) == plain(_table())
    for line in table.splitlines()[2:]:
        batch, hooks = map(float, re.split(r" *\| *", line)[5:7])
        assert batch <= BOUND and hooks <= BOUND
