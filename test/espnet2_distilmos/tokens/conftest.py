"""Sets whose labels the states of an upstream hold."""

import numpy as np
import pytest
import yaml

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.tokens.layer_statistics import (
    layer_statistics,
    load_all_states,
)
from espnet2_distilmos.utils.datadir import DataDir, write_lines


@pytest.fixture(scope="module")
def conf(wavlm_conf):
    return UpstreamConfig.from_dict(wavlm_conf(), "test")


@pytest.fixture(scope="module")
def data(tmp_path_factory, noise, make_set, conf):
    """Sets whose labels are a linear function of the states, and tiny.yaml."""
    folder = tmp_path_factory.mktemp("data")
    upstream = load_all_states(conf, "cpu")
    for name, n, first in (("train", 48, 0), ("test", 16, 100)):
        clips = {}
        for i in range(n):
            rng = np.random.default_rng(first + i)
            clip = noise(first + i, int(rng.integers(4000, 9000)))
            level = 10 ** rng.uniform(-2, 0)
            clips[f"{name}{i:02d}"] = clip * np.float32(level)
        make_set(folder / name, clips)
        data = DataDir.load(folder / name)
        rows = np.stack([row for _, row in layer_statistics(upstream, data.wavs)])
        # The same direction for both sets: of the first channel of layer 2.
        column = upstream.hidden_size
        data.mos = {
            utt: float(3 + 2 * row[column] + row[-1])
            for utt, row in zip(data.wavs, rows, strict=True)
        }
        data.systems = {utt: f"s{i % 8}" for i, utt in enumerate(data.wavs)}
        data.save(folder / name)
        write_lines(
            folder / name / "utt2num_samples", {u: len(c) for u, c in clips.items()}
        )
    (folder / "tiny.yaml").write_text(yaml.safe_dump(conf.to_dict()))
    return folder
