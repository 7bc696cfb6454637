"""The pretraining corpus: clean and degraded clips in one file of samples."""

import csv
import hashlib
import io
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import List, Optional, Tuple

import numpy as np

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    atomic_path,
    folder_lock,
    write_text,
    write_yaml,
)
from espnet2_distilmos.utils.stamp import is_whole, write_stamp
from espnet2_distilmos.utils.terminal import counted
from mini_mos.corpus.outputs import fingerprint_of
from mini_mos.corpus.signal import Unusable, generator, set_level
from mini_mos.corpus.speech import Prompt, read_clean
from mini_mos.corpus.systems import (
    LEVEL_JITTER_DB,
    System,
    draw_chain,
    family_names,
)
from mini_mos.corpus.work import parallel
from mini_mos.pretrain.config import CorpusConfig
from mini_mos.pretrain.sources import LICENCES, Speech
from mini_mos.tsv import write_tsv

SCALE = 32767  # of int16 samples
PARTS = ("train", "valid")
_COLUMNS = "clip part start samples speaker prompt audio_key families severity".split()


@dataclass(frozen=True)
class Item:
    """One clip to be made.

    Attributes:
        name: `<speaker>-<repeat>-<prompt>`, the seed of all that is drawn for it.
        part: `train` or `valid`.
        prompt: recording.
        lead: family that the chain of degradations must hold; None = clean.
    """

    name: str
    part: str
    prompt: Prompt
    lead: Optional[str]


def plan_corpus(speech: Speech, config: CorpusConfig, seed: int) -> List[Item]:
    """Decide part and degradation of every clip; sorted by name.

    All recordings of a prompt name are in the same part, translations included.
    """
    families = family_names(held_out=False)
    items = []
    for kind, prompts in (("mini_mos", speech.mini_mos), ("more", speech.more)):
        names = generator(seed, "ssl", "valid", kind).permutation(
            sorted({p.name for p in prompts})
        )
        held = set(map(str, names[: round(config.valid_share * len(names))]))
        for repeat in range(config.repeats.get(kind, 1)):
            for p in prompts:
                name = f"{p.speaker}-{repeat}-{p.name}"
                rng = generator(seed, "ssl", "plan", name)
                clean = rng.random() >= config.degraded
                lead = None if clean else str(rng.choice(families))
                items.append(
                    Item(name, "valid" if p.name in held else "train", p, lead)
                )
    return sorted(items, key=lambda item: item.name)


def make_item(item: Item, seed: int) -> Tuple[Optional[np.ndarray], dict]:
    """Return samples (T,) int16 and what is known of them, or None and the reason."""
    try:
        x = read_clean(item.prompt.path)
        rng = generator(seed, "ssl", "clip", item.name)
        if item.lead is None:
            x = set_level(x, -26.0 + LEVEL_JITTER_DB * float(rng.uniform(-1, 1)))
            x = x * min(1.0, 0.99 / float(np.max(np.abs(x))))
            known = {"families": "", "severity": ""}
        else:
            severity = float(rng.uniform(0, 1))
            chain = draw_chain(rng, item.lead)
            system = System(item.name, False, severity, 0.0, 0.0, chain)
            x = system.degrade(x, seed, "ssl")
            known = {
                "families": "+".join(link.family for link in chain),
                "severity": f"{severity:.4f}",
            }
    except Unusable as e:
        return None, {"reason": f"{item.prompt.path}: {e}"}
    return np.round(x * SCALE).astype(np.int16), known


def prepare_corpus(
    output_dir: PathLike,
    speech: Speech,
    packages: dict,
    config: CorpusConfig,
    seed: int = 0,
    nj: int = 2,
) -> None:
    """Make the corpus; do nothing if it is there.

    Writes::

        <output_dir>/exclusion.yaml   what is not in it
        <output_dir>/samples.npy      (N,) int16, 16 kHz mono, clip after clip
        <output_dir>/clips.tsv        where each clip is, and what was done to it
        <output_dir>/skipped.txt      recordings left out, and why
        <output_dir>/provenance.yaml  written last

    Args:
        output_dir: folder to write.
        speech: of :func:`mini_mos.pretrain.sources.find_sources`.
        packages: where the speech came from, for the provenance.
        config: sizes and shares.
        seed: another seed, other parts and degradations.
        nj: processes; changes nothing but the time.

    Raises:
        UserError: nothing is left for a part, or another run is at work here.
    """
    output_dir = Path(output_dir)
    items = plan_corpus(speech, config, seed)
    speech.exclusion.check(
        [item.prompt for item in items], [i.lead for i in items if i.lead]
    )
    used = [item.prompt for item in items]
    request = {
        "config": asdict(config),
        "seed": seed,
        # Speech, library versions, and the code of the degradations.
        "fingerprint": fingerprint_of({"exclusion": speech.exclusion.to_dict()}, used),
    }
    with folder_lock(output_dir):
        if is_whole(output_dir / "provenance.yaml", request):
            return
        write_yaml(output_dir / "exclusion.yaml", speech.exclusion.to_dict())
        made = list(parallel(make_item, items, nj, "Clips", seed=seed))
        rows, samples, skipped = _table(items, made)
        for part in PARTS:
            if not any(row["part"] == part for row in rows):
                raise UserError(f"{output_dir}: no usable clip for {part}; more speech")
        with atomic_path(output_dir / "samples.npy") as tmp:
            np.save(tmp, np.concatenate(samples), allow_pickle=False)
        values = ([row[column] for column in _COLUMNS] for row in rows)
        write_tsv(output_dir / "clips.tsv", _COLUMNS, values)
        lines = [f"{path}\t{reason}\n" for path, reason in speech.skipped]
        write_text(output_dir / "skipped.txt", "".join(lines + skipped))
        hours = {
            part: sum(r["samples"] for r in rows if r["part"] == part)
            / (3600 * SAMPLE_RATE)
            for part in PARTS
        }
        write_stamp(
            output_dir / "provenance.yaml",
            request,
            licences=LICENCES,
            packages=packages,
            clips=len(rows),
            hours={k: round(v, 3) for k, v in hours.items()},
            recordings_skipped=len(speech.skipped) + len(skipped),
        )
        logging.info(
            f"{output_dir}: {counted(len(rows), 'clip')}, {hours['train']:.2f} h to "
            f"train and {hours['valid']:.2f} h to validate; "
            f"{counted(len(skipped), 'clip')} left out"
        )


def _table(
    items: Sequence[Item], made: Sequence[Tuple[Optional[np.ndarray], dict]]
) -> Tuple[List[dict], List[np.ndarray], List[str]]:
    rows, samples, skipped, start = [], [], [], 0
    for item, (x, known) in zip(items, made, strict=True):
        if x is None:
            skipped.append(f"{item.name}\t{known['reason']}\n")
            continue
        rows.append(
            {
                "clip": item.name,
                "part": item.part,
                "start": start,
                "samples": len(x),
                "speaker": item.prompt.speaker,
                "prompt": item.prompt.name,
                "audio_key": item.prompt.key,
                **known,
            }
        )
        samples.append(x)
        start += len(x)
    return rows, samples, skipped


class SSLCorpus:
    """The corpus on disk.

    Attributes:
        rows: lines of clips.tsv.
        identity: hash of provenance and table.
    """

    def __init__(self, folder: PathLike) -> None:
        """Raise UserError where stage 1 has not ended."""
        folder = Path(folder)
        if not (folder / "provenance.yaml").exists():
            raise UserError(f"{folder}: no provenance.yaml; run stage 1 first")
        text = (folder / "clips.tsv").read_text(encoding="utf-8")
        self.rows = list(csv.DictReader(io.StringIO(text), delimiter="\t"))
        self._samples = np.load(
            folder / "samples.npy", mmap_mode="r", allow_pickle=False
        )
        stamp = [text, (folder / "provenance.yaml").read_text(encoding="utf-8")]
        self.identity = hashlib.sha256(json.dumps(stamp).encode()).hexdigest()

    def part(self, name: str, min_samples: int = 0) -> List[int]:
        """Return clips of a part that have at least `min_samples`.

        Raises:
            UserError: there is none.
        """
        found = [
            i
            for i, row in enumerate(self.rows)
            if row["part"] == name and int(row["samples"]) >= min_samples
        ]
        if not found:
            seconds = min_samples / SAMPLE_RATE
            raise UserError(f"no {name} clip of {seconds:g} s; a shorter crop, please")
        return found

    def clip(self, i: int) -> np.ndarray:
        """Return samples (T,) float32, |x| <= 1."""
        start, n = int(self.rows[i]["start"]), int(self.rows[i]["samples"])
        return self._samples[start : start + n].astype(np.float32) / SCALE

    def crops(
        self, clips: Sequence[int], batch: int, length: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Return (batch, length) float32: random clips, cut or repeated to `length`."""
        out = np.empty((batch, length), np.float32)
        for row in out:
            x = self.clip(clips[int(rng.integers(len(clips)))])
            if len(x) < length:
                row[:] = np.resize(x, length)  # repeats
            else:
                start = int(rng.integers(len(x) - length + 1))
                row[:] = x[start : start + length]
        return out
