"""What `distilmos score` writes, and what it would write over."""

import json
import shutil

import pytest
from score_command import rows, score


def test_wav_scp_to_kaldi_and_jsonl(wavs, tiny_model, tmp_path, capsys):
    scp = tmp_path / "wav.scp"
    scp.write_text(f"B-1 {wavs / 'b' / 'x y.wav'}\nutt1 {wavs / 'a' / '1.wav'}\n")
    out = tmp_path / "utt2mos"
    arguments = [scp, "--model", tiny_model, "--output"]
    assert score(*arguments, out, "--format", "kaldi") == 0
    pairs = [line.split() for line in out.read_text().splitlines()]
    assert [utt for utt, _ in pairs] == ["B-1", "utt1"]
    assert score(*arguments, tmp_path / "mos.jsonl", "--format", "jsonl") == 0
    lines = [json.loads(x) for x in open(tmp_path / "mos.jsonl", encoding="utf-8")]
    for (utt, mos), line in zip(pairs, lines):
        assert line["id"] == utt
        assert float(mos) == pytest.approx(line["mos"], abs=1e-6)
        assert line["warnings"] == [] or isinstance(line["warnings"][0], str)
        assert (line["rate"], line["channels"]) == (16000, 1)
    assert score(*arguments, tmp_path / "mos.csv") == 0
    assert [r["id"] for r in rows(tmp_path / "mos.csv")] == ["B-1", "utt1"]


def test_kaldi_format_refuses_blanks_before_scoring(wavs, capsys):
    assert score(wavs, "--model", "no-such-model", "--format", "kaldi") == 1
    assert "x y.wav': a Kaldi ID has no spaces" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--output", "--report"])
@pytest.mark.parametrize(
    "model, file",
    [
        ("m/model.pth", "m/model.pth"),
        ("m/model.pth", "m/config.yaml"),
        ("m", "m/model.pth"),
        ("m", "m/../m/config.yaml"),
        ("m.onnx", "m.onnx"),
        ("m.onnx", "link"),
        ("m.zip", "m.zip"),
    ],
)
def test_the_model_is_not_written_over(
    wavs, tiny_model, tmp_path, capsys, monkeypatch, option, model, file
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISTILMOS_CACHE", str(tmp_path / "cache"))
    shutil.copytree(tiny_model, "m")
    shutil.make_archive("m", "zip", "m")
    (tmp_path / "m.onnx").write_bytes(b"weights")
    (tmp_path / "link").symlink_to("m.onnx")
    before = (tmp_path / file).read_bytes()
    assert score(wavs / "a", "--model", model, option, file) == 1
    assert f"error: {file}: is read here and would be lost" in capsys.readouterr().err
    assert (tmp_path / file).read_bytes() == before
    # Beside the model is a place as good as any.
    if model == "m":
        assert score(wavs / "a", "--model", model, option, "m/new") == 0


def test_two_outputs_do_not_share_a_file(wavs, tiny_model, tmp_path, capsys):
    out = tmp_path / "o.csv"
    options = ("--model", tiny_model, "--output", out, "--report", out)
    assert score(wavs / "a", *options) == 1
    shown = capsys.readouterr().err
    assert f"{out}: two outputs would be written to this one file" in shown
    assert not out.exists()


def test_what_was_written_and_how_many(wavs, tiny_model, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ("--model", tiny_model, "--output", "mos.csv", "--frame_mos", "frames")
    assert score(wavs / "a/2.flac", *options) == 0
    told = capsys.readouterr().out
    assert told.endswith("\nwritten: mos.csv, frames\n")
    assert "several channels, averaged: 1 file\n" in told
    (tmp_path / "bad.wav").write_text("no audio")
    assert score("bad.wav", *options) == 1
    assert "error: 1 of 1 file could not be scored" in capsys.readouterr().err


def test_kaldi_format_refuses_intervals(wavs, tiny_model, capsys):
    options = ("--model", tiny_model, "--format", "kaldi", "--interval", "0.9")
    assert score(wavs / "a", *options) == 1
    assert "kaldi has no place for intervals" in capsys.readouterr().err
