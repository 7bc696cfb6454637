"""`distilmos score --report`: its page holds what its table holds."""

import csv

import numpy as np
import pytest
import soundfile
from pages import data_of
from score_command import score

from espnet2_distilmos.inference.inputs import collect_clips
from espnet2_distilmos.inference.listening_page import ListeningPage, groups_of
from espnet2_distilmos.utils.labels import Labels


@pytest.fixture
def wavs(tmp_path, tools):
    """Two folders of the same clips, one as FLAC, and some that are odd."""
    for i, name in enumerate(("x/1", "x/2", "3 <b>")):
        tools.wav(tmp_path / f"wavs/a/{name}.wav", 0.5 + i / 10, seed=i)
        tools.wav(tmp_path / f"wavs/b/{name}.flac", 0.5 + i / 10, seed=9 + i)
    tools.wav(tmp_path / "wavs/b/4.wav", 0.3, seed=4)
    (tmp_path / "wavs/b/bad.wav").write_text("no audio")
    return tmp_path / "wavs"


def test_page_and_table_say_the_same(wavs, pesq_model, tmp_path, capsys):
    out, report = tmp_path / "mos.csv", tmp_path / "pages" / "report.html"
    options = ("--model", pesq_model, "--output", out, "--report", report)
    assert score(wavs / "a", wavs / "b", *options) == 1  # one file is bad
    assert "1 of 8 files could not be scored" in capsys.readouterr().err
    data = data_of(report)
    rows = list(csv.DictReader(out.open()))
    assert [clip["name"] for clip in data["clips"]] == [row["file"] for row in rows]
    for clip, row in zip(data["clips"], rows):
        if not row["mos"]:
            assert clip["score"] is None and clip["error"] == row["error"]
            continue
        assert clip["score"] == pytest.approx(float(row["mos"]), abs=1e-4)
        assert "; ".join(clip.get("warnings", [])) == row["warnings"]
        assert clip["seconds"] == float(row["seconds"])
        assert clip["from"] <= clip["score"] <= clip["to"]
        assert len(clip["wave"]) >= 40  # 30 values in base64
        assert clip["src"].startswith("../wavs/")
    assert [group["name"] for group in data["groups"]] == [
        str(wavs / "a"),
        str(wavs / "b"),
    ]
    assert [group["failed"] for group in data["groups"]] == [0, 1]
    (pair,) = data["pairs"]
    scores = {}
    for clip in data["clips"]:
        scores.setdefault(clip["key"], []).append(clip["score"])
    differences = [b - a for a, b in (v for v in scores.values() if len(v) == 2)]
    assert pair["n"] == len(differences) == 3
    assert pair["difference"] == pytest.approx(np.mean(differences), abs=2e-4)
    assert data["predicts"].startswith("the model predicts PESQ MOS-LQO")
    assert data["scale"] == [1.0, 4.644]


@pytest.mark.parametrize("report", ["wavs/a/x/1.wav", "mos.csv", "wavs"])
def test_a_page_takes_the_place_of_nothing(wavs, tiny_model, tmp_path, report, capsys):
    before = (wavs / "a/x/1.wav").read_bytes()
    options = ("--model", tiny_model, "--output", tmp_path / "mos.csv")
    assert score(wavs, *options, "--report", tmp_path / report) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / report}: ")
    assert (wavs / "a/x/1.wav").read_bytes() == before


def groups(*paths):
    clips = collect_clips(paths)
    return {clip.name: place for clip, place in zip(clips, groups_of(clips))}


def test_groups_are_the_folders_that_are_given(wavs, tmp_path):
    a, b = str(wavs / "a"), str(wavs / "b")
    both = groups(a, b)
    assert both[f"{a}/x/1.wav"] == (a, "x/1") and both[f"{b}/x/1.flac"] == (b, "x/1")
    # One folder stands for those in it.
    assert groups(wavs) == both
    # A suffix tells apart what nothing else does.
    (wavs / "a/x/1.flac").write_bytes((wavs / "b/x/1.flac").read_bytes())
    assert groups(wavs)[f"{a}/x/1.wav"] == (a, "x/1.wav")
    # Files: those of a folder; lists: by their IDs.
    assert groups(f"{a}/x/2.wav", f"{b}/x/2.flac") == {
        f"{a}/x/2.wav": (f"{a}/x", "2"),
        f"{b}/x/2.flac": (f"{b}/x", "2"),
    }
    for name, folder in (("p", a), ("q", b)):
        (tmp_path / f"{name}.scp").write_text(f"u/1.x {folder}/x/2.wav\n")
    lists = [tmp_path / "p.scp", tmp_path / "q.scp"]
    assert groups_of(collect_clips(lists)) == [(str(x), "u/1.x") for x in lists]


def test_intervals_and_further_numbers_of_a_result_are_shown(wavs, tmp_path):
    (clip,) = collect_clips([wavs / "b/4.wav"])
    page = ListeningPage(tmp_path / "x.html")
    result = {"file": clip.path, "mos": 3.0, "warnings": [], "seconds": 0.3}
    result.update(mos_low=2.5, mos_high=3.5, snr=1.25, rate=16000, channels=1)
    result["scores"] = {"MOS": 3.0, "noisiness": 2.25}
    page.add(clip, {**result, "frame_shift": 0.02}, np.full(15, 3.0))
    page.write("m", Labels())
    data = data_of(tmp_path / "x.html")
    assert data["columns"] == ["snr", "noisiness"]
    assert data["clips"][0]["numbers"] == [1.25, 2.25]
    assert data["clips"][0]["interval"] == [2.5, 3.5]
    assert data["clips"][0]["span"] == 0.3


def test_a_file_that_is_gone_costs_its_waveform_alone(wavs, tmp_path, caplog):
    (clip,) = collect_clips([wavs / "b/4.wav"])
    (wavs / "b/4.wav").unlink()
    page = ListeningPage(tmp_path / "x.html")
    result = {"mos": 3.0, "warnings": [], "seconds": 0.3, "frame_shift": 0.02}
    page.add(clip, result, np.full(15, 3.0))
    page.write("m", Labels())
    (row,) = data_of(tmp_path / "x.html")["clips"]
    assert "wave" not in row and row["span"] == 0.3
    assert "no waveform in the page" in caplog.text


def test_audio_of_no_page_is_refused(wavs, tiny_model, capsys, monkeypatch):
    with pytest.raises(SystemExit):
        score(wavs, "--model", tiny_model, "--embed_audio", "5")
    assert "--embed_audio goes with --report" in capsys.readouterr().err
    monkeypatch.setattr("soundfile.available_subtypes", lambda _: {"VORBIS": ""})
    options = ("--report", wavs / "x.html", "--embed_audio", "5")
    assert score(wavs, "--model", tiny_model, *options) == 1
    assert "writes no Opus" in capsys.readouterr().err


def test_silent_clips_are_in_no_mean(wavs, pesq_model, tmp_path, capsys):
    """They stay in the table; the summary and the page say that they are out."""
    (wavs / "b/bad.wav").unlink()
    soundfile.write(wavs / "a/x/0.wav", np.zeros(16000), 16000)
    soundfile.write(wavs / "b/x/0.wav", np.full(16000, 0.5), 16000)
    soundfile.write(wavs / "b/x/9.wav", np.zeros(16000), 16000)
    out, report = tmp_path / "mos.csv", tmp_path / "report.html"
    options = ("--model", pesq_model, "--output", out, "--report", report)
    assert score(wavs / "a", wavs / "b", *options) == 0
    told = capsys.readouterr().out
    assert "left out of the means: 3 silent files\n" in told
    rows = list(csv.DictReader(out.open()))
    heard = [float(r["mos"]) for r in rows if "silence" not in r["warnings"]]
    assert len(rows) == 10 and len(heard) == 7 and all(r["mos"] for r in rows)
    (line,) = [x for x in told.splitlines() if x.startswith("all")]
    assert line.split()[1:3] == ["7", f"{np.mean(heard):.3f}"]
    data = data_of(report)
    assert [(g["n"], g["silent"], g["failed"]) for g in data["groups"]] == [
        (3, 1, 0),
        (4, 2, 0),
    ]
    assert data["groups"][0]["mean"] == pytest.approx(np.mean(heard[:3]), abs=1e-3)
    assert data["pairs"][0]["n"] == 3
    assert sum("silent" in clip for clip in data["clips"]) == 3

    alone = tmp_path / "alone.html"
    assert score(wavs / "a/x/0.wav", "--model", pesq_model, "--report", alone) == 0
    told = capsys.readouterr().err
    assert "left out of the means: 1 silent file\n" in told and "95 %" not in told
    assert "mean" not in data_of(alone)["groups"][0]


def test_why_nothing_is_side_by_side(wavs, tiny_model, tmp_path, capsys, caplog):
    caplog.set_level("INFO")
    report = tmp_path / "report.html"
    options = ("--model", tiny_model, "--report", report)
    (wavs / "b/bad.wav").unlink()
    for i in "12":
        (wavs / f"b/x/{i}.flac").rename(wavs / f"b/x/other{i}.flac")
    assert score(wavs / "a", wavs / "b", *options) == 0
    reason = "Nothing is side by side: no two folders share the names of two clips"
    (note,) = data_of(report)["notes"]
    assert note.startswith(reason) and reason in caplog.text
    assert f"written: {report}\n" in capsys.readouterr().err
    assert score(wavs / "a", wavs / "b/../a", *options) == 0
    note = data_of(report)["notes"][0]
    assert note == f"{wavs}/b/../a: is the same as {wavs}/a, its clips count once"
    assert note in caplog.text


@pytest.mark.parametrize("size", ["nan", "inf", "0", "-1", "x"])
def test_a_size_of_audio_is_a_number(wavs, size, tmp_path, capsys):
    with pytest.raises(SystemExit) as e:
        score(wavs, "--report", tmp_path / "r.html", "--embed_audio", size)
    assert e.value.code == 2
    assert f"argument --embed_audio: {size!r}: " in capsys.readouterr().err
