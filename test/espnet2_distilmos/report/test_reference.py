"""The reference rows on small made-up data."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from espnet2_distilmos.bin import score_sets as command
from espnet2_distilmos.report.measurements import (
    log_mel_statistics,
    spectral_statistics,
)
from espnet2_distilmos.report.oracle import system_mean, why_no_oracle
from espnet2_distilmos.report.reference import write_reference_rows
from espnet2_distilmos.report.rows import reference_rows
from espnet2_distilmos.report.sets import LabelledSets
from espnet2_distilmos.report.trees import read_features
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import DataDir, read_floats
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml


def make_set(folder, name, n, seed, **without):
    """Noise over a tone; the label is a function of their ratio."""
    rng = np.random.default_rng(seed)
    wavs, mos, systems = {}, {}, {}
    (folder / "wav" / name).mkdir(parents=True)
    for i in range(n):
        utt = f"{name}-{i:03d}"
        level = rng.uniform(0, 1)
        tone = np.sin(2 * np.pi * rng.uniform(200, 400) * np.arange(12000) / 16000)
        x = tone + 10 ** (2 * level - 2) * rng.standard_normal(len(tone))
        wavs[utt] = str(folder / "wav" / name / f"{utt}.wav")
        soundfile.write(wavs[utt], 0.1 * x * rng.uniform(0.3, 1), 16000)
        mos[utt], systems[utt] = 5 - 4 * level, f"sys{i % 3}"
    data = DataDir(wavs, mos, systems, None)
    for field in without:
        setattr(data, field, None)
    data.save(folder / name)
    return folder / name


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    make_set(folder, "train", 60, 0)
    make_set(folder, "test", 24, 1)
    make_set(folder, "other", 5, 2, systems=None)
    return folder


def test_system_mean_is_the_mean_of_the_same_set():
    mos = {"a": 1.0, "b": 2.0, "c": 4.5}
    assert system_mean(mos, {"a": "x", "b": "x", "c": "y"}) == {
        "a": 1.5,
        "b": 1.5,
        "c": 4.5,
    }


def test_rows_are_written_and_learn(folder, tmp_path):
    tests = [str(folder / s) for s in ("test", "other")]
    cmd = ["--train_dir", str(folder / "train"), "--data_dirs", *tests]
    assert run(command.main, [*cmd, "--rows_dir", str(tmp_path)]) == 0
    trees = ("spectral_statistics", "log_mel_statistics")
    for row in ("constant", "system_mean", *trees):
        note = (tmp_path / row / "NOTE.txt").read_text()
        assert note.count("\n") == 1
    assert "Oracle" in (tmp_path / "system_mean/NOTE.txt").read_text()
    # No systems, no row; the table will say why.
    assert not (tmp_path / "system_mean/other").exists()
    assert read_yaml(tmp_path / "system_mean/not_shown.yaml") == {
        "other": "the systems of this set are not known (no utt2sys)"
    }
    mean = np.mean(list(read_floats(folder / "train/utt2mos").values()))
    for name, n in (("test", 24), ("other", 5)):
        values = list(read_floats(tmp_path / "constant" / name / "utt2mos").values())
        assert values == pytest.approx([mean] * n) and len(set(values)) == 1
    labels = read_floats(folder / "test/utt2mos")
    for row in trees:
        assert len(read_floats(tmp_path / row / "other/utt2mos")) == 5
        predicted = read_floats(tmp_path / row / "test/utt2mos")
        assert list(labels) == list(predicted)
        pair = np.array([list(labels.values()), list(predicted.values())])
        assert np.corrcoef(pair)[0, 1] > 0.9
    # Scored, and with a name for tables.
    found = {row.name: row for row in reference_rows(tmp_path)}
    assert set(found) == {
        *("constant", "system_mean"),
        *("spectral_statistics", "log-mel statistics"),
    }
    assert set(found["log-mel statistics"].scores) == {"test", "other"}


@pytest.mark.parametrize(
    "systems, reason",
    [
        ("xxyy", ""),
        (
            "xxy",
            "since 1 of 2 system has one clip in this set, and the mean of such a ",
        ),
        (
            "xyzz",
            "since 2 of 3 systems have one clip in this set, and the mean of such ",
        ),
    ],
)
def test_an_oracle_that_knows_the_very_label_is_not_shown(systems, reason):
    found = why_no_oracle(dict(enumerate(systems)))
    assert found.startswith(reason) and bool(found) == bool(reason)


def test_rows_of_an_earlier_table_go(folder, tmp_path):
    """Systems that have become too small take their oracle with them."""
    data, rows = tmp_path / "test", tmp_path / "rows"
    test = DataDir.load(folder / "test")
    test.save(data)
    write_reference_rows(LabelledSets(folder / "train", [data]), rows)
    assert (rows / "system_mean/test/utt2mos").exists()
    assert read_yaml(rows / "system_mean/not_shown.yaml") == {}
    first, *_ = test.wavs
    test.systems[first] = "alone"
    test.save(data)
    write_reference_rows(LabelledSets(folder / "train", [data]), rows)
    assert not (rows / "system_mean/test").exists()
    assert "since 1 of 4 system has one" in str(
        read_yaml(rows / "system_mean/not_shown.yaml")
    )
    assert (rows / "constant/test/utt2mos").exists()


def test_same_numbers_with_any_number_of_jobs(folder, tmp_path):
    for jobs in (1, 2):
        sets = LabelledSets(folder / "train", [folder / "test"])
        write_reference_rows(sets, tmp_path / str(jobs), n_jobs=jobs)
    one, two = (
        (tmp_path / str(j) / "spectral_statistics/test/utt2mos").read_bytes()
        for j in (1, 2)
    )
    assert one == two


@pytest.mark.parametrize("length", (1, 300, 700, 16000))
@pytest.mark.parametrize("kind", ("zeros", "noise"))
def test_statistics_are_finite(length, kind):
    noise = np.random.default_rng(0).standard_normal(length)
    x = np.zeros(length) if kind == "zeros" else 0.1 * noise
    values = spectral_statistics(x)
    assert values.shape == (114,) and np.all(np.isfinite(values))
    values = log_mel_statistics(x)
    assert values.shape == (6 * 64,) and np.all(np.isfinite(values))


def test_spectrum_does_not_depend_on_level():
    x = 0.1 * np.random.default_rng(0).standard_normal(16000)
    np.testing.assert_allclose(
        spectral_statistics(x)[7:], spectral_statistics(0.1 * x)[7:], atol=1e-6
    )
    np.testing.assert_allclose(
        log_mel_statistics(x), log_mel_statistics(0.1 * x), atol=1e-6
    )


def test_log_mel_statistics_are_those_of_the_bands():
    """Noise that begins half-way: the tenth percentile is silence, the mean between."""
    x = 0.1 * np.random.default_rng(0).standard_normal(16000)
    x[:8000] *= 1e-3
    mean, deviation, low, high, size, spread = log_mel_statistics(x).reshape(6, 64)
    assert np.all(high - low > 50) and np.all(high - low < 75)
    assert np.all((low < mean) & (mean < high)) and np.all(deviation > 20)
    assert np.all(size < spread) and np.all(size > 0)
    # A tone is in its band.
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    mean = log_mel_statistics(tone)[:64]
    edges = np.linspace(*(2595 * np.log10(1 + np.array([60, 8000]) / 700)), 66)
    centre = 700 * (10 ** (edges[1:-1] / 2595) - 1)
    assert abs(centre[mean.argmax()] - 1000) < 60


def test_errors_name_the_culprit(folder, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"bad\.wav: cannot be read as audio"):
        read_features({"u1": str(bad)})
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    with pytest.raises(UserError, match="no samples"):
        read_features({"u1": str(tmp_path / "empty.wav")})
    plain = make_set(tmp_path, "plain", 2, 3, mos=None)
    with pytest.raises(UserError, match="utt2mos is missing"):
        write_reference_rows(LabelledSets(folder / "train", [plain]), tmp_path)
    with pytest.raises(UserError, match="are both called test"):
        LabelledSets(folder / "train", [folder / "test", folder / "test"])
    with pytest.raises(UserError, match="a test set is called train too"):
        make_set(tmp_path / "more", "train", 2, 4)
        LabelledSets(folder / "train", [tmp_path / "more/train"])


def test_torch_is_not_imported():
    code = (
        "import sys, espnet2_distilmos.bin.score_sets, sklearn.ensemble;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
