"""What a stranger did who tried to break it: mistaken options, outputs in wrong places,
files that were removed or replaced between two runs."""

import os

import numpy as np
import pytest
import soundfile
import yaml

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import atomic_path, require_output, write_text

DUMP = "dump-layers --data_dir d --output_dir o --upstream_config u"
CLUSTER = "cluster-layers --frames_dir f --output_dir o"
INFER = "inference --model_file m --data_path_and_name_and_type w,speech,sound"
CSV = "prepare-csv --csv in.csv"
# A command, an option, a value that it must refuse, and what the line says.
OPTIONS = [
    ("score a.wav", "--batch_seconds", "inf", "a number is needed"),
    ("score a.wav", "--batch_seconds", "1_0", "a number is needed"),
    ("score a.wav", "--num_workers", "-4", "at least 0"),
    ("score a.wav", "--output", "", "names no file"),
    ("score a.wav", "--model", "", "names no file"),
    (DUMP, "--max_frames", "0", "at least 1"),
    (DUMP, "--max_frames", "-5", "at least 1"),
    (DUMP, "--shard_seconds", "nan", "a number is needed"),
    (DUMP, "--shard_seconds", "0", "above 0"),
    (DUMP, "--batch_seconds", "nan", "a number is needed"),
    (DUMP, "--batch_seconds", "inf", "a number is needed"),
    (DUMP, "--batch_seconds", "-5", "0 or more"),
    (DUMP, "--num_threads", "0", "at least 1"),
    (DUMP, "--ngpu", "-1", "at least 0"),
    (DUMP, "--seed", "-1", "from 0 to 4294967295"),
    (DUMP, "--output_dir", "", "names no file"),
    (CLUSTER, "--n_clusters", "0", "at least 1"),
    (CLUSTER, "--n_clusters", "-3", "at least 1"),
    (CLUSTER, "--n_clusters", "1e9", "a whole number"),
    (CLUSTER, "--seed", "99999999999", "from 0 to"),
    (CLUSTER, "--nj", "0", "at least 1"),
    (CLUSTER, "--job", "0", "at least 1"),
    (f"{INFER} --output_dir o", "--batch_seconds", "nan", "a number is needed"),
    (f"{INFER} --output_dir o", "--num_threads", "0", "at least 1"),
    (f"{INFER} --output_dir o", "--ngpu", "-1", "at least 0"),
    (INFER, "--output_dir", "", "names no file"),
    (CSV, "--valid_fraction", "nan", "a number is needed"),
    (CSV, "--seed", "-1", "from 0 to"),
    (CSV, "--seed", "1e3", "a whole number"),
    (CSV, "--data_dir", "", "names no file"),
    ("format-audio --data_dirs d --output_dir o", "--min_seconds", "nan", "number"),
    ("format-audio --data_dirs d --output_dir o", "--level_db", "inf", "a number"),
    ("format-audio --output_dir o", "--data_dirs", "", "names no file"),
    ("score-mos --ref_utt2mos r --hyp_utt2mos h", "--seed", "9" * 22, "from 0 to"),
]


@pytest.mark.parametrize("command, option, value, words", OPTIONS)
def test_values_that_are_none(refused, command, option, value, words):
    line = refused([*command.split(), option, value], option, words)
    assert repr(value) in line or value == ""


def test_nothing_is_no_name_of_a_file_to_score(refused):
    refused(["score", ""], "'.' is this one")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder with the data directory `d`: four clips, every other one at 8 kHz."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    rng = np.random.default_rng(0)
    for i in range(4):
        samples = 0.1 * rng.standard_normal(4000)
        soundfile.write(tmp_path / f"{i}.wav", samples, (16000, 8000)[i % 2])
    write_text("d/wav.scp", "".join(f"u{i} {i}.wav\n" for i in range(4)))
    write_text("d/utt2mos", "".join(f"u{i} {i + 1}\n" for i in range(4)))
    write_text("h", "".join(f"u{i} {4 - i}\n" for i in range(4)))
    return tmp_path


FORMAT = ["format-audio", "--data_dirs", "d", "--output_dir"]
SCORE = ["score-mos", "--ref_utt2mos", "d/utt2mos", "--hyp_utt2mos", "h", "--output"]


def test_outputs_that_would_destroy_something(data, refused):
    os.mkfifo("pipe")
    os.symlink("pipe", "link")
    refused([*SCORE, "pipe"], "pipe: a device or a pipe")
    refused([*SCORE, "link"], "link: a device or a pipe")
    refused([*SCORE, "/dev/stdout"], "/dev/stdout: a device or a pipe")
    refused([*SCORE, "d"], "d: is a folder")
    refused([*SCORE, "h"], "h: is read here")
    refused([*SCORE, "d/../h"], "is read here")
    refused([*SCORE, "h/x"], "h: no folder can be here")
    refused([*SCORE, "-"], "'-' cannot be written to")
    refused([*FORMAT, "-"], "'-' cannot be written to")
    refused(["score", "0.wav", "--frame_mos", "-"], "'-' cannot be written to")
    refused(["score", "0.wav", "--plot", "-"], "'-' cannot be written to")
    refused(["score", "0.wav", "--output", "0.wav"], "0.wav: is read here")
    refused(["score", ".", "--output", "1.wav"], "1.wav: is read here")
    refused(["score", "0.wav", "--output", "pipe"], "a device or a pipe")
    refused(["score", "0.wav", "--frame_mos", "1.wav"], "1.wav: is a file")
    refused([*FORMAT, "."], "d: is read here")
    pack = ["pack-model", "--train_config", "d/wav.scp", "--model_file", "h"]
    refused([*pack, "--output", "h"], "h: is read here")
    refused([*CLUSTER.split()[:3], "--output_dir", "f"], "f: is read here")


def test_the_package_refuses_devices_too(tmp_path):
    with pytest.raises(UserError, match="a device or a pipe"):
        require_output("/dev/null")
    with pytest.raises(UserError, match="a device or a pipe"), atomic_path("/dev/null"):
        raise AssertionError("must not come here")
    require_output("/dev/shm/x")
    require_output(tmp_path / "new" / "file")


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path):
    path = tmp_path / ("é" * 125 + ".csv")  # 254 bytes
    write_text(path, "x")
    assert path.read_text() == "x"
    assert len(list(tmp_path.iterdir())) == 1


def test_sets_that_are_not_there_are_not_passed_over(data, refused):
    refused([*FORMAT, "o", "--drop_sets", "trian"], "trian", "none of --data_dirs", "d")


def test_levels_that_are_none(data, refused):
    refused([*FORMAT, "o", "--level_db", "1e9"], "--level_db 1e+09", "no level")


def test_a_model_is_no_pipe_and_has_its_configuration(data, refused):
    os.mkfifo("pipe.zip")
    write_text("model.pth", "x")
    refused(["score", "0.wav", "--model", "pipe.zip"], "neither a file nor a folder")
    refused(["score", "0.wav", "--model", "model.pth"], "no config.yaml beside it")


def test_predictions_do_not_take_the_place_of_labels(data):
    from espnet2_distilmos.inference.scp import score_scp

    with pytest.raises(UserError, match="d: is read here"):
        score_scp(None, "d/wav.scp", "d", {})


def test_an_empty_list_of_keys(tmp_path):
    from espnet2_distilmos.inference.scp import _read_keys

    write_text(tmp_path / "keys", "")
    with pytest.raises(UserError, match="keys: is empty"):
        _read_keys(tmp_path / "keys")


def test_a_link_to_itself_in_a_csv_is_a_bad_line(data, refused):
    os.symlink("loop.wav", "loop.wav")
    rows = [f"{i}.wav,{1 + i / 2}" for i in range(4)]
    write_text("in.csv", "\n".join(["wav,mos", *rows, "loop.wav,3"]) + "\n")
    refused([*CSV.split(), "--data_dir", "o"], "line 6", "loop.wav", "--skip_bad")


# --- removed or replaced between two runs


@pytest.fixture
def formatted(data):
    assert cli([*FORMAT, "raw"]) == 0
    return data / "raw/d"


@pytest.mark.parametrize(
    "name", ["wav.scp", "utt2mos", "utt2num_samples", "audio/u1.flac"]
)
def test_what_was_removed_is_made_again(formatted, caplog, name):
    before = (formatted / name).read_bytes()
    (formatted / name).unlink()
    assert cli([*FORMAT, "raw"]) == 0
    assert (formatted / name).read_bytes() == before
    assert f"{name}: is gone" in caplog.text


@pytest.mark.parametrize("clip", [0, 1])  # used where it lies, and converted
def test_other_audio_under_the_old_name_is_noticed(formatted, data, caplog, clip):
    first = yaml.safe_load((formatted / "format.yaml").read_text())
    with caplog.at_level("INFO"):
        assert cli([*FORMAT, "raw"]) == 0
    assert "already whole" in caplog.text
    samples, rate = soundfile.read(f"{clip}.wav")
    soundfile.write(f"{clip}.wav", samples[::-1], rate)
    assert cli([*FORMAT, "raw"]) == 0
    second = yaml.safe_load((formatted / "format.yaml").read_text())
    assert first["request"] == second["request"]
    # Which the stamps of frames, tokens and predictions take over.
    assert first["audio_sha256"] != second["audio_sha256"]
    path = dict(x.split() for x in (formatted / "wav.scp").open())[f"u{clip}"]
    found = soundfile.read(path)[0]
    assert np.corrcoef(found[:: (1, 2)[clip]], samples[::-1])[0, 1] > 0.5


def test_times_alone_change_nothing_that_depends_on_the_audio(formatted, data):
    first = (formatted / "format.yaml").read_bytes()
    os.utime("1.wav", (1, 1))
    assert cli([*FORMAT, "raw"]) == 0
    assert (formatted / "format.yaml").read_bytes() == first
