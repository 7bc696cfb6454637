"""Several crops in the place of the whole clip."""

import csv

import numpy as np
import pytest
import yaml

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.inference.crops import Crops
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.inference.export import export_model
from espnet2_distilmos.packs.onnx_record import read_record
from espnet2_distilmos.utils.datadir import read_floats
from espnet2_distilmos.utils.errors import UserError


@pytest.mark.parametrize("n", [5, 100, 101, 109, 130, 500, 1234])
@pytest.mark.parametrize("number", [2, 3, 5])
def test_crops_are_evenly_spaced_from_end_to_end(n, number):
    clip = np.arange(n, dtype=np.float32)
    blocks = [clip[i : i + 7] for i in range(0, n, 7)]
    pieces = list(Crops(unit=10, size=100, number=number).split(blocks))
    starts = [first for first, _ in pieces]
    assert len(starts) == len(set(starts)) <= number
    for first, samples in pieces:
        start = 10 * first
        np.testing.assert_array_equal(samples, clip[start : start + len(samples)])
        assert len(samples) == len(pieces[0][1]) <= 100
    assert starts[0] == 0 and 10 * starts[-1] + len(pieces[-1][1]) == n
    if n <= 100:
        assert len(pieces) == 1 and len(pieces[0][1]) == n
    if n >= 500:
        gaps = np.diff(starts)
        assert len(starts) == number and gaps.max() - gaps.min() <= 1
        assert len(pieces[0][1]) > 90


@pytest.fixture(scope="module")
def model(tiny_model, tmp_path_factory):
    """A model that says of itself that it was trained on crops."""
    import shutil

    folder = tmp_path_factory.mktemp("crops") / "exp"
    shutil.copytree(tiny_model, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["crop_seconds"] = 1.0
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def exported(model):
    """The same as a graph."""
    path = model.parent / "model.onnx"
    export_model(str(model), path)
    return path


def test_the_score_is_the_mean_of_the_crops(model, exported, tools):
    clip, short = tools.speech(7.3), tools.speech(0.9, seed=1)
    whole = DistilMOSInference(None, model / "model.pth")
    engines = [
        DistilMOSInference(None, file, crops=5, crop_seconds=seconds)
        for file in (model / "model.pth", exported)
        for seconds in (None, 1.0)  # of its record, and given
    ]
    pieces = list(engines[0].windows.split([clip]))
    scores = [whole(piece) for _, piece in pieces]
    frames = len(whole(clip)["frame_mos"])
    found = [engine.score_batch([clip, short]) for engine in engines]
    for long, other in found:
        mean = np.mean([score["mos"] for score in scores])
        assert long["mos"] == pytest.approx(mean, abs=1e-4)
        assert len(long["frame_mos"]) == frames
        for (first, _), score in zip(pieces, scores):
            part = long["frame_mos"][first:][: len(score["frame_mos"])]
            np.testing.assert_allclose(part, score["frame_mos"], atol=1e-4)
        scored = np.isfinite(long["frame_mos"]).sum()
        assert scored == sum(len(score["frame_mos"]) for score in scores) < frames
        assert other["mos"] == pytest.approx(whole(short)["mos"], abs=1e-4)
    assert found[0][0]["mos"] == found[1][0]["mos"] != whole(clip)["mos"]
    # As a stream, and frames that several crops have are their mean.
    stream = engines[0].score_stream(np.array_split(clip, 9))
    assert stream.mos == pytest.approx(found[0][0]["mos"], abs=1e-5)
    dense = DistilMOSInference(None, model / "model.pth", crops=20)(clip)
    assert np.isfinite(dense["frame_mos"]).all()
    first, second = list(Crops(320, 16000, 20).split([clip]))[:2]
    one, two = (whole(piece)["frame_mos"] for _, piece in (first, second))
    both = (one[second[0]] + two[0]) / 2
    assert dense["frame_mos"][second[0]] == pytest.approx(both, abs=1e-4)


def test_an_exported_model_tells_only_crops(model, exported, tiny_model, capsys):
    assert read_record(exported).crop_seconds == 1.0
    assert "crop_seconds" in read_record(exported).to_text()
    assert cli(["info", "--model", str(exported)]) == 0
    assert "random crops of at most 1 s" in capsys.readouterr().out
    export_model(str(tiny_model), model.parent / "whole.onnx")
    record = read_record(model.parent / "whole.onnx")
    assert record.crop_seconds == 0 and "crop_seconds" not in record.to_text()


def test_what_cannot_be_is_refused(model, tiny_model):
    for file, more, message in (
        (model, {"crop_seconds": 1.0}, "give crops, their number, too"),
        (model, {"crops": 1}, "at least 2 are needed"),
        (model, {"crops": 3, "crop_seconds": 30.0}, "longer than a window of 20 s"),
        (model, {"crops": 3, "crop_seconds": 0.03}, "too short; the model needs"),
        (tiny_model, {"crops": 3}, "was trained on whole clips; give crop_seconds"),
    ):
        with pytest.raises(UserError, match=message):
            DistilMOSInference(None, file / "model.pth", **more)
    with pytest.raises(UserError, match="hold for scores of whole clips"):
        from espnet2_distilmos.inference.crops import crops_for

        crops_for(None, None, 3, 1.0, 0.9)


def test_commands(model, tools, tmp_path, capsys):
    wav = tools.wav(tmp_path / "wav/a.wav", 4.0)
    engine = DistilMOSInference(None, model / "model.pth", crops=3)
    (expected,) = engine.score_files([wav])
    files = ["--model", str(model), "--device", "cpu", "--crops", "3"]
    out = [
        "--frame_mos",
        str(tmp_path / "frames"),
        "--report",
        str(tmp_path / "r.html"),
    ]
    out += ["--plot", str(tmp_path / "plots")]
    assert cli(["score", str(tmp_path / "wav"), *files, *out]) == 0
    shown = capsys.readouterr()
    (row,) = csv.DictReader(shown.out.splitlines())
    assert float(row["mos"]) == pytest.approx(expected["mos"], abs=1e-5)
    assert "of longer clips, the mean of 3 crops of 1 s" in shown.err
    (frames,) = (tmp_path / "frames").rglob("*.csv")
    scored = np.isfinite(expected["frame_mos"])
    lines = frames.read_text().splitlines()[1:]
    assert len(lines) == scored.sum() < len(scored)
    assert float(lines[-1].split(",")[0]) == pytest.approx(
        (len(scored) - 0.5) * 0.02, abs=1e-4
    )
    assert "NaN" not in (tmp_path / "r.html").read_text()
    # Stage 6: a folder is of its settings.
    (tmp_path / "wav.scp").write_text(f"a {wav}\n")
    command = ["inference", "--model_file", str(model / "model.pth")]
    command += ["--output_dir", str(tmp_path / "hyp")]
    command += ["--data_path_and_name_and_type", f"{tmp_path}/wav.scp,speech,sound"]
    assert cli(command) == 0
    whole = read_floats(tmp_path / "hyp/utt2mos")
    assert cli([*command, "--crops", "3"]) == 0
    again = read_floats(tmp_path / "hyp/utt2mos")
    assert again["a"] == pytest.approx(expected["mos"], abs=1e-5) != whole["a"]
