"""`distilmos score`, as a user calls it."""

import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from score_command import rows, score

from espnet2_distilmos.inference.inputs import collect_clips, require_distinct_outputs
from espnet2_distilmos.inference.report import mean_interval
from espnet2_distilmos.utils.errors import UserError

PESQ = (
    "predicts PESQ MOS-LQO (objective, ITU-T P.862.2; scale 1 to 4.64), not human "
    "ratings; trained on mini_mos"
)


def test_what_the_scores_are(wavs, pesq_model, tiny_model, tmp_path, capsys, tools):
    """Said before any number, and in each JSON line; the CSV's columns stay."""
    out = tmp_path / "mos.jsonl"
    args = (wavs / "a", "--output", out, "--format", "jsonl")
    assert score(*args, "--model", pesq_model) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"model: {pesq_model}/model.pth; {PESQ}"
    for line in out.read_text().splitlines():
        row = json.loads(line)
        assert row["model"] == f"{pesq_model}/model.pth"
        assert row["labels"] == tools.pesq_labels
    assert score(*args, "--model", tiny_model) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"model: {tiny_model}/model.pth; labels: not recorded"
    assert json.loads(out.read_text().splitlines()[0])["labels"] is None
    # To stdout goes the table alone.
    assert score(wavs / "a", "--model", pesq_model / "model.pth") == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == "file,mos,seconds,warnings,error"
    assert f"model: {pesq_model}/model.pth; {PESQ}" in shown.err


def test_pictures_name_what_was_predicted(wavs, pesq_model, tmp_path, monkeypatch):
    """Heading and axis, as matplotlib is given them."""
    from matplotlib.axes import Axes

    texts = []
    for name in ("set_title", "set_ylabel"):
        real = getattr(Axes, name)

        def spy(self, text, *args, real=real, **kwargs):
            texts.append(text)
            return real(self, text, *args, **kwargs)

        monkeypatch.setattr(Axes, name, spy)
    wav = wavs / "a/1.wav"
    args = ("--model", pesq_model, "--plot", tmp_path, "--output", tmp_path / "t.csv")
    assert score(wav, *args) == 0
    assert any(t.endswith("(predicted PESQ MOS-LQO, objective)") for t in texts)
    assert "frame PESQ MOS-LQO" in texts


def test_folder_to_csv(wavs, tiny_model, engine, tmp_path, capsys):
    out = tmp_path / "mos.csv"
    assert score(wavs, "--model", tiny_model, "--output", out) == 0
    table = rows(out)
    assert [r["file"] for r in table] == [
        str(wavs / n) for n in ("a/1.wav", "a/2.flac", "b/x y.wav")
    ]
    assert list(table[0]) == ["file", "mos", "seconds", "warnings", "error"]
    for row, result in zip(table, engine.score_files([r["file"] for r in table])):
        assert float(row["mos"]) == pytest.approx(result["mos"], abs=1e-5)
        assert row["error"] == ""
    assert [float(r["seconds"]) for r in table] == [1.0, 0.5, 21.0]
    text = capsys.readouterr().out
    mean = np.mean([float(r["mos"]) for r in table])
    assert re.search(rf"^all +3 +{mean:.3f} ", text, re.M)
    assert re.search(rf"^{wavs / 'a'} +2 ", text, re.M)
    assert re.search(rf"^{wavs / 'b'} +1 ", text, re.M)
    assert "resampled to 16000 Hz: 1 of 24000 Hz" in text
    assert "several channels, averaged: 1 file\n" in text


def test_stdout_is_the_table(wavs, tiny_model, capsys):
    assert score(wavs / "a" / "1.wav", "--model", tiny_model / "model.pth") == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("file,mos,seconds,warnings,error\n")
    assert captured.out.count("\n") == 2
    assert "mean" in captured.err


def test_bad_files_are_listed_and_the_exit_code_says_so(
    wavs, tiny_model, tmp_path, capsys
):
    bad = tmp_path / "bad.wav"
    bad.write_text("no audio")
    out = tmp_path / "mos.csv"
    code = score(wavs / "a", bad, "--model", tiny_model, "--output", out)
    assert code == 1
    table = rows(out)
    assert [r["mos"] != "" for r in table] == [True, True, False]
    assert "cannot be read as audio" in table[2]["error"]
    captured = capsys.readouterr()
    assert f"not scored: {bad}" in captured.out
    assert "error: 1 of 3 files could not be scored" in captured.err


def test_frame_scores_and_pictures(wavs, tiny_model, engine, tmp_path):
    frames, plots = tmp_path / "frames", tmp_path / "plots"
    code = score(wavs, "--model", tiny_model, "--frame_mos", frames, "--plot", plots)
    assert code == 0
    names = ["tts/a/1.wav", "tts/a/2.flac", "tts/b/x y.wav"]
    for name in names:
        assert (plots / f"{name}.png").stat().st_size > 10000
    table = rows(frames / "tts" / "a" / "1.wav.csv")
    (result,) = engine.score_files([wavs / "a" / "1.wav"])
    np.testing.assert_allclose(
        [float(r["mos"]) for r in table], result["frame_mos"], atol=2e-6
    )
    assert [float(r["seconds"]) for r in table[:2]] == [0.01, 0.03]


def test_inputs(wavs, tmp_path):
    assert len(collect_clips([wavs, wavs / "a", wavs / "a" / "1.wav"])) == 3
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="none: holds no audio files"):
        collect_clips([tmp_path / "none"])
    with pytest.raises(UserError, match="nowhere: no such file or folder"):
        collect_clips([tmp_path / "nowhere"])
    other = tmp_path / "tts" / "a"
    other.mkdir(parents=True)
    (other / "1.wav").write_text("")
    # Only what is written a clip needs names of its own.
    clips = collect_clips([wavs, tmp_path / "tts"])
    assert len(clips) == 4 and len({clip.name for clip in clips}) == 4
    with pytest.raises(UserError, match="would have one name, tts/a/1.wav; score"):
        require_distinct_outputs(clips)
    with pytest.raises(UserError, match="pipes are not supported"):
        scp = tmp_path / "wav.scp"
        scp.write_text("a sox x.wav -t wav - |\n")
        collect_clips([scp])


def test_one_name_in_two_folders(tools, tiny_model, tmp_path, capsys):
    """The same sentence of two systems: two rows; refused where files would clash."""
    paths = [
        tools.wav(tmp_path / f"{s}/wav/1.wav", 1.0, seed=i) for i, s in enumerate("AB")
    ]
    out = tmp_path / "mos.csv"
    for given in (paths, [path.parent for path in paths]):
        assert score(*given, "--model", tiny_model, "--output", out) == 0
        table = rows(out)
        assert [r["file"] for r in table] == [str(path) for path in paths]
        assert table[0]["mos"] != table[1]["mos"]
        for option in ("--frame_mos", "--plot"):
            assert score(*given, "--model", tiny_model, option, tmp_path / "x") == 1
            assert "would have one name" in capsys.readouterr().err
    for name in "AB":
        (tmp_path / f"{name}.scp").write_text(f"u {tmp_path / name}/wav/1.wav\n")
    lists = [tmp_path / "A.scp", tmp_path / "B.scp"]
    assert score(*lists, "--model", tiny_model, "--output", out) == 0
    assert [r["id"] for r in rows(out)] == ["u", "u"]
    assert score(*lists, "--model", tiny_model, "--format", "kaldi") == 1
    assert "u: 2 clips have this ID; use --format csv" in capsys.readouterr().err


def test_a_list_in_any_order(tools, tiny_model, tmp_path):
    """Of Windows too: only training needs more."""
    wav = tools.wav(tmp_path / "1.wav", 1.0)
    scp, out = tmp_path / "wav.scp", tmp_path / "mos.csv"
    scp.write_text(f"\ufeffz {wav}\r\nb {wav}\r\na {wav}\r\n", encoding="utf-8")
    assert score(scp, "--model", tiny_model, "--output", out) == 0
    assert [(r["id"], r["file"]) for r in rows(out)] == [(u, str(wav)) for u in "zba"]
    scp.write_text(f"z {wav}\nb {wav}\nz {wav}\n")
    with pytest.raises(UserError, match="wav.scp:3: duplicate ID z"):
        collect_clips([scp])


def test_seconds_are_those_that_were_scored(tmp_path, tiny_model, engine, capsys):
    from made_audio import noise, with_total, written

    mp3 = written(tmp_path / "cut.mp3", noise(4), format="MP3")
    (tmp_path / "cut.mp3").write_bytes(mp3[: len(mp3) // 2])
    flac = written(tmp_path / "unknown.flac", noise(2))
    (tmp_path / "unknown.flac").write_bytes(with_total(flac, 0))
    long = written(tmp_path / "long.flac", noise(45))
    (tmp_path / "long.flac").write_bytes(with_total(long, 0))
    written(tmp_path / "known.flac", noise(2))
    written(tmp_path / "long2.flac", noise(45))
    out = tmp_path / "mos.csv"
    assert score(tmp_path, "--model", tiny_model, "--output", out) == 0
    table = {r["file"].rsplit("/")[-1]: r for r in rows(out)}
    assert 1.8 < float(table["cut.mp3"]["seconds"]) < 2.0
    assert table["cut.mp3"]["warnings"].startswith("cut off: 1.9")
    for name, other, seconds in (
        ("unknown.flac", "known.flac", 2.0),
        ("long.flac", "long2.flac", 45.0),
    ):
        assert float(table[name]["seconds"]) == seconds
        assert table[name]["warnings"] == ""
        assert float(table[name]["mos"]) == pytest.approx(
            float(table[other]["mos"]), abs=1e-4
        )


def test_interval():
    """Student's t with 3 degrees of freedom: 3.182 times s / sqrt(n)."""
    assert mean_interval([1.0, 2.0, 3.0, 4.0]).split() == [
        "2.500",
        "1.291",
        "[0.446,",
        "4.554]",
    ]
    assert mean_interval([3.0]).split() == ["3.000", "-", "-"]


@pytest.mark.parametrize("model", ["nowhere.zip", "no/such/model", "nowhere.pth"])
def test_no_such_model(wavs, model, capsys):
    assert score(wavs / "a", "--model", model) == 1
    assert f"error: {model}: no such model" in capsys.readouterr().err


def test_help_is_quick():
    for arguments in (["--help"], ["score", "--help"]):
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "espnet2_distilmos.bin.main", *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        # Half a second is the aim; the machine of a test may be busy.
        assert time.monotonic() - started < 2


def test_scoring_needs_the_light_install_only(wavs, tiny_model):
    """Neither ESPnet nor what only training needs, and not S3PRL's slow hub."""
    program = """
import sys
BANNED = ("espnet", "espnet2", "kaldiio", "sklearn", "threadpoolctl", "tensorboard")
class Ban:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BANNED or name == "s3prl.hub":
            raise ModuleNotFoundError(f"banned: {name}")
sys.meta_path.insert(0, Ban())
from espnet2_distilmos.bin.main import cli
sys.exit(cli(sys.argv[1:]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "score", wavs / "a", "--model", tiny_model],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 3
