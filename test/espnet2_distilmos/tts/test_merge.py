"""Scores of several jobs, joined to those of one."""

import pytest
from decoded_folders import evaluate, read

from espnet2_distilmos.tts.merge import merge
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.files import read_yaml


def merged(scp, *parts, outdir=None):
    """The exit code of a command that joins these parts."""
    return run(lambda _: merge(scp, parts, outdir))


@pytest.mark.parametrize("nj", ("2", "9"))
def test_jobs_make_the_same_as_one_process(decoded, tiny_model, tmp_path, nj):
    """Of a list and of a folder; more jobs than clips do no harm."""
    call = ("--model", tiny_model)
    for path in (decoded / "wav.scp", decoded):
        assert evaluate(path, *call, "--outdir", tmp_path / "whole") == 0
        out = tmp_path / "jobs"
        for job in range(1, int(nj) + 1):
            args = (path, *call, "--outdir", out, "--nj", nj)
            assert evaluate(*args, "--job", job) == 0
        assert not (out / "utt2pmos").exists()
        assert evaluate(*args, "--combine") == 0
        for name in ("utt2pmos", "pmos_avg_result.txt", "pmos_provenance.yaml"):
            made = (out / name).read_text()
            assert made == (tmp_path / "whole" / name).read_text()
            (out / name).unlink()


def test_merged_parts_are_the_same_as_the_whole(decoded, tiny_model, tmp_path):
    scp, call = decoded / "wav.scp", ("--model", tiny_model)
    lines = scp.read_text().splitlines(keepends=True)
    parts = []
    for n in range(2):
        (tmp_path / f"wav.{n}.scp").write_text("".join(lines[n::2]))
        parts.append(tmp_path / f"out.{n}/scores.jsonl")
        out = ("--outdir", tmp_path / f"out.{n}", "--jsonl", parts[-1])
        assert evaluate(tmp_path / f"wav.{n}.scp", *out, *call) == 0
    assert evaluate(scp, *call, "--outdir", tmp_path / "whole") == 0
    assert merged(scp, *parts) == 0
    for name in ("utt2pmos", "pmos_avg_result.txt", "pmos_provenance.yaml"):
        assert (decoded / name).read_text() == (tmp_path / "whole" / name).read_text()


def test_a_part_of_bad_clips_only(decoded, tiny_model, tmp_path, capsys):
    """As many jobs as clips: the others' scores are joined all the same."""
    scp, parts = decoded / "wav.scp", []
    (decoded / "gen_1.wav").write_text("no audio")  # LJ-2
    for n, line in enumerate(scp.read_text().splitlines(keepends=True)):
        (tmp_path / f"{n}.scp").write_text(line)
        out = tmp_path / str(n)
        parts.append(out / "scores.jsonl")
        call = (tmp_path / f"{n}.scp", "--outdir", out, "--jsonl", parts[-1])
        assert evaluate(*call, "--model", tiny_model) == (n == 2)
    assert not (tmp_path / "2/utt2pmos").exists()
    assert merged(scp, *parts) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: 1 of 4 utterances could not be scored, e.g. LJ-2: ")
    assert list(read(decoded / "utt2pmos")) == ["LJ-0", "LJ-1", "LJ-3"]
    assert merged(tmp_path / "2.scp", parts[2], outdir=decoded) == 1
    assert not (decoded / "utt2pmos").exists()


def test_parts_that_do_not_belong_are_refused(
    decoded, tiny_model, tmp_path, tools, capsys
):
    scp = decoded / "wav.scp"
    other = tools.model(tmp_path / "other", seed=5)
    lines = scp.read_text().splitlines(keepends=True)
    parts = []
    for n, model in enumerate((tiny_model, other)):
        (tmp_path / f"{n}.scp").write_text("".join(lines[n::2]))
        parts.append(tmp_path / f"{n}/scores.jsonl")
        out = ("--outdir", tmp_path / str(n), "--jsonl", parts[-1])
        assert evaluate(tmp_path / f"{n}.scp", *out, "--model", model) == 0

    def refused(*given):
        assert merged(scp, *given) == 1
        assert not (decoded / "utt2pmos").exists()
        return capsys.readouterr().err.splitlines()[-1]

    assert "scores of different models" in refused(*parts)
    assert "2 utterances do not match, e.g. LJ-1: in no part" in refused(parts[0])
    assert "LJ-0 is in another part too" in refused(parts[0], parts[0])
    assert "cannot be read" in refused(parts[0], tmp_path / "none.jsonl")
    tools.wav(decoded / "gen_3.wav", 0.7, 24000, seed=9)
    assert "did its job fail?" in refused(parts[0])


def test_the_provenance_says_what_the_scores_are(
    decoded, pesq_model, tools, tmp_path, caplog
):
    """Of one job and of joined ones; utt2pmos and the average stay as ESPnet's."""
    scp = decoded / "wav.scp"
    part = tmp_path / "part.jsonl"
    args = ("--device", "cpu", "--model", pesq_model)
    caplog.set_level("INFO")
    assert evaluate(scp, "--outdir", tmp_path, "--jsonl", part, *args) == 0
    assert "predicts PESQ MOS-LQO (objective, ITU-T P.862.2; scale 1" in caplog.text
    assert merged(scp, part) == 0
    for folder in (tmp_path, decoded):
        made = read_yaml(folder / "pmos_provenance.yaml")
        assert made["labels"] == tools.pesq_labels
        assert all(len(x.split()) == 2 for x in open(folder / "utt2pmos"))
        assert (folder / "pmos_avg_result.txt").read_text().count("\n") == 2


def test_parts_of_another_model_are_not_joined(
    decoded, tiny_model, pesq_model, tmp_path, capsys
):
    """Nor does a part that is missing stand without a word on what to do."""
    jobs = (decoded, "--outdir", tmp_path, "--nj", "2")
    assert evaluate(*jobs, "--model", tiny_model, "--job", "1") == 0
    capsys.readouterr()
    assert evaluate(*jobs, "--model", tiny_model, "--combine") == 1
    assert "output.2/scores.jsonl: no such file; run --job 2" in capsys.readouterr().err
    assert evaluate(*jobs, "--model", tiny_model, "--job", "2") == 0
    assert evaluate(*jobs, "--model", pesq_model, "--combine") == 1
    assert "scores of another model; run --job 1 --nj 2" in capsys.readouterr().err
    assert not (tmp_path / "utt2pmos").exists()


def test_a_bad_clip_does_not_stop_the_others_where_one_process_does_all_jobs(
    decoded, tiny_model, tmp_path
):
    (decoded / "gen_1.wav").write_text("no audio")
    jobs = ("--outdir", tmp_path, "--nj", "2")
    assert evaluate(decoded / "wav.scp", "--model", tiny_model, *jobs) == 1
    scored = (tmp_path / "utt2pmos").read_text().splitlines()
    n_clips = len((decoded / "wav.scp").read_text().splitlines())
    assert len(scored) == n_clips - 1 > 0
