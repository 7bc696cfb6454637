"""Trees on frozen features: they find what the features hold, and only that."""

import numpy as np
import pytest
import soundfile
from made_speech import speech_like
from mini_mos.experiment.features import compare_features
from mini_mos.experiment.tables import features_table

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.utils.datadir import DataDir


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Two sets of clips; the label is how much noise there is."""
    folder = tmp_path_factory.mktemp("features")
    made = {}
    for name, n, first in (("train", 30, 0), ("dev_speaker", 12, 30)):
        wavs, mos = {}, {}
        for i in range(first, first + n):
            rng = np.random.default_rng(i)
            level = float(rng.uniform(0, 1))
            x = speech_like(i, 0.6)
            x = x + 0.5 * level * rng.standard_normal(len(x))
            wavs[f"u{i:02d}"] = str(folder / f"{i}.wav")
            mos[f"u{i:02d}"] = 5 - 4 * level
            soundfile.write(wavs[f"u{i:02d}"], x, 16000)
        made[name] = DataDir(wavs, mos)
    return made


@pytest.fixture
def upstream_conf(wavlm_conf):
    return UpstreamConfig.from_dict(wavlm_conf(), "test")


def test_noise_is_found_where_the_features_show_it(sets, upstream_conf):
    tests = {"dev_speaker": sets["dev_speaker"]}
    found = compare_features({"tiny": upstream_conf}, sets["train"], tests, 1)
    assert list(found) == [
        "spectral statistics",
        "tiny",
        "spectral statistics and tiny",
    ]
    values = {name: v["dev_speaker"] for name, v in found.items()}
    assert values["spectral statistics"] > 0.6
    assert values["spectral statistics and tiny"] > 0.4
    assert -1 < values["tiny"] < values["spectral statistics"]
    again = compare_features({"tiny": upstream_conf}, sets["train"], tests, 2)
    assert again == found
    table = features_table(
        {k: {**v, "tune_valid": None, "dev_system": 0.5} for k, v in found.items()}
    )
    assert table.count("| 0.500") == 3
