"""utt2pmos and pmos_avg_result.txt, as ESPnet's evaluate_pseudomos.py writes them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pages import data_of

from espnet2_distilmos.bin import evaluate_distilmos
from espnet2_distilmos.tts.compare import table
from espnet2_distilmos.tts.decoded import load_decoded
from espnet2_distilmos.tts.merge import merge
from espnet2_distilmos.tts.page import write_decoded_page
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.files import read_yaml

TEMPLATE = Path(__file__).parents[3] / "egs2/TEMPLATE/tts1"


@pytest.fixture
def decoded(tmp_path, tools):
    """A wav folder with a list: IDs unlike file names, three rates."""
    folder = tmp_path / "dev/wav"
    ids = {}
    for i, rate in enumerate((24000, 48000, 16000, 24000)):
        path = tools.wav(folder / f"gen_{i}.wav", 0.5 + 0.2 * i, rate, seed=i)
        ids[f"LJ-{3 - i}"] = path
    lines = [f"{utt} {ids[utt]}\n" for utt in sorted(ids)]
    (folder / "wav.scp").write_text("".join(lines))
    return folder


def evaluate(*arguments):
    return run(evaluate_distilmos.main, list(map(str, arguments)))


def model_options(folder):
    return "--model", folder / "model.pth"


def read(path):
    return dict(line.split() for line in path.read_text().splitlines())


def test_results_lie_beside_the_list_and_have_its_ids(decoded, tiny_model, engine):
    code = evaluate(decoded / "wav.scp", *model_options(tiny_model))
    assert code == 0
    found = read(decoded / "utt2pmos")
    assert list(found) == ["LJ-0", "LJ-1", "LJ-2", "LJ-3"]
    assert all(re.fullmatch(r"-?\d+\.\d{4}", value) for value in found.values())
    paths = [decoded / f"gen_{i}.wav" for i in (3, 2, 1, 0)]
    expected = [result["mos"] for result in engine.score_files(paths)]
    assert [float(x) for x in found.values()] == pytest.approx(expected, abs=1e-4)
    mean, std = np.mean(expected), np.std(expected)
    assert (decoded / "pmos_avg_result.txt").read_text() == (
        f"#utterances: 4\nAverage: {mean:.4f} ± {std:.4f}\n"
    )
    made = read_yaml(decoded / "pmos_provenance.yaml")
    assert made["model"] == str(tiny_model / "model.pth")
    assert made["failed"] == {}


def test_linked_folders_and_lists_in_any_order(decoded, tiny_model, tmp_path, tools):
    tools.wav(tmp_path / "store/more/extra.wav", 0.5, seed=9)
    (decoded / "more").symlink_to(tmp_path / "store/more")
    out = tmp_path / "out"
    assert evaluate(decoded, "--outdir", out, *model_options(tiny_model)) == 0
    of_folder = read(out / "utt2pmos")
    assert list(of_folder) == ["extra", "gen_0", "gen_1", "gen_2", "gen_3"]
    scp = decoded / "wav.scp"
    lines = scp.read_text().splitlines()
    scp.write_text("\n".join(reversed(lines)) + "\n")
    assert evaluate(scp, "--outdir", out, *model_options(tiny_model)) == 0
    assert read(out / "utt2pmos")["LJ-3"] == of_folder["gen_0"]


def test_folder_with_results_elsewhere_and_json_lines(decoded, tiny_model, tmp_path):
    out = tmp_path / "new/out"
    before = sorted(decoded.iterdir())
    code = evaluate(
        *(decoded, "--outdir", out, "--model", tiny_model, "--device", "cpu"),
        *("--jsonl", out / "versa.jsonl", "--batchsize", 3, "--verbose", 0),
    )
    assert code == 0
    assert sorted(decoded.iterdir()) == before
    found = read(out / "utt2pmos")
    assert list(found) == [f"gen_{i}" for i in range(4)]
    lines = [json.loads(x) for x in (out / "versa.jsonl").read_text().splitlines()]
    assert all(list(line) == ["key", "distilmos"] for line in lines)
    assert {x["key"]: f"{x['distilmos']:.4f}" for x in lines} == found


def test_batch_size_is_kept_and_changes_no_score(decoded, tiny_model, tmp_path):
    from espnet2_distilmos.inference.engine import DistilMOSInference

    paths = [decoded / f"gen_{i}.wav" for i in range(4)]
    scores = []
    for batch_size, expected in ((1, [1] * 4), (3, [3, 1]), (None, [4])):
        model = DistilMOSInference(
            tiny_model / "config.yaml", tiny_model / "model.pth", batch_size=batch_size
        )
        forward, sizes = model._forward, []
        model._forward = lambda x, f=forward, s=sizes: (s.append(len(x)), f(x))[1]
        scores.append([result["mos"] for result in model.score_files(paths)])
        assert sizes == expected
    np.testing.assert_allclose(scores[1:], [scores[0]] * 2, atol=1e-5)


def test_whole_results_are_kept_and_stale_ones_are_not(
    decoded, tiny_model, tools, monkeypatch
):
    from espnet2_distilmos.inference.engine import DistilMOSInference

    call = (decoded / "wav.scp", "--model", tiny_model)
    runs = []
    score_files = DistilMOSInference.score_files
    monkeypatch.setattr(
        DistilMOSInference,
        "score_files",
        lambda *args: runs.append(1) or score_files(*args),
    )
    assert evaluate(*call) == 0
    assert evaluate(*call) == 0
    assert len(runs) == 1
    before = (decoded / "utt2pmos").read_text()
    tools.wav(decoded / "gen_0.wav", 0.7, 24000, seed=9)  # decoded again
    assert evaluate(*call) == 0
    assert (decoded / "utt2pmos").read_text() != before
    (decoded / "pmos_avg_result.txt").unlink()
    assert evaluate(*call) == 0
    assert len(runs) == 3
    assert (decoded / "pmos_avg_result.txt").exists()


def test_bad_audio_is_named_left_out_and_tried_again(decoded, tiny_model, capsys):
    (decoded / "gen_1.wav").write_text("no audio")
    call = (decoded / "wav.scp", "--model", tiny_model)
    call += ("--jsonl", decoded / "x.jsonl")
    for _ in range(2):
        assert evaluate(*call) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith(
            "error: 1 of 4 utterances could not be scored, e.g. LJ-2"
        )
        assert list(read(decoded / "utt2pmos")) == ["LJ-0", "LJ-1", "LJ-3"]
    assert "#utterances: 3\n" in (decoded / "pmos_avg_result.txt").read_text()
    assert '{"key": "LJ-2", "distilmos": null}' in (decoded / "x.jsonl").read_text()
    assert list(read_yaml(decoded / "pmos_provenance.yaml")["failed"]) == ["LJ-2"]


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


@pytest.mark.parametrize(
    "prepare, arguments, message",
    [
        (None, ["none"], "none: cannot be read"),
        (None, ["."], ".: holds no audio files"),
        ("a/x.wav b/x.wav", ["."], "both would be x; give a wav.scp"),
        ("a/x y.wav|", ["."], "an ID has no spaces"),
        ("x.wav", [".", "--model", "m.pth"], "m.pth: no such model file, folder"),
        ("x.wav", [".", "--model", "x.wav"], "there is no config.yaml beside it"),
    ],
)
def test_mistakes_are_one_line(
    prepare, arguments, message, tmp_path, tools, tiny_model, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    separator = "|" if prepare and "|" in prepare else None
    for name in filter(None, (prepare or "").split(separator)):
        tools.wav(tmp_path / name, 0.3)
    if "--model" not in arguments:
        arguments = [*arguments, "--model", str(tiny_model)]
    assert evaluate(*arguments) == 1
    lines = [x for x in capsys.readouterr().err.splitlines() if "error: " in x]
    assert len(lines) == 1
    assert message in lines[0]


def test_the_file_in_pyscripts_is_the_same_command(decoded, tiny_model):
    script = TEMPLATE / "pyscripts/utils/evaluate_distilmos.py"
    command = [sys.executable, script, decoded / "wav.scp", "--model", tiny_model]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    assert len(read(decoded / "utt2pmos")) == 4
    # The default device is a GPU; without one the log says that the CPU is taken.
    import torch

    assert ("using the CPU" in done.stderr) == (not torch.cuda.is_available())
    done = subprocess.run([*command[:2], "none"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


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


@pytest.mark.parametrize("job", [(), ("--combine",)])
def test_no_result_replaces_what_is_read(decoded, tiny_model, tmp_path, capsys, job):
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    audio = decoded / "gen_0.wav"
    inputs = [model / "model.pth", model / "config.yaml", audio, decoded / "wav.scp"]
    before = [file.read_bytes() for file in inputs]
    for file in inputs:
        options = (*model_options(model), "--jsonl", file, *job)
        assert evaluate(decoded / "wav.scp", *options) == 1
        assert f"{file}: is read here" in capsys.readouterr().err
    out = tmp_path / "out"
    out.mkdir()
    (out / "utt2pmos").symlink_to(model / "model.pth")
    options = (*model_options(model), "--outdir", out, *job)
    assert evaluate(decoded / "wav.scp", *options) == 1
    assert f"{out}/utt2pmos: is read here" in capsys.readouterr().err
    assert [file.read_bytes() for file in inputs] == before
    jsonl = decoded / "utt2pmos"
    options = (*model_options(model), "--jsonl", jsonl, *job)
    assert evaluate(decoded / "wav.scp", *options) == 1
    assert f"{jsonl}: two outputs would be" in capsys.readouterr().err


@pytest.mark.parametrize("job", [False, True])
def test_silent_clips_are_told_and_in_no_mean_of_the_table(
    decoded, tmp_path, caplog, job
):
    """With the model in the package, which asks for no GPU."""
    soundfile.write(decoded / "gen_0.wav", np.zeros(8000), 16000)
    call = [decoded / "wav.scp", *(("--nj", 2, "--job") if job else ())]
    for part in (1, 2) if job else ((),):
        assert evaluate(*call, *([part] if job else [])) == 0
    if job:
        assert evaluate(decoded / "wav.scp", "--nj", 2, "--combine") == 0
    assert "GPU" not in caplog.text
    assert "#utterances: 4\n" in (decoded / "pmos_avg_result.txt").read_text()
    silent = read_yaml(decoded / "pmos_provenance.yaml")["silent"]
    assert list(silent) == ["LJ-3"] and silent["LJ-3"].startswith("silence")
    (folder,) = load_decoded([decoded])
    assert sorted(folder.heard) == ["LJ-0", "LJ-1", "LJ-2"] and len(folder.mos) == 4
    shown = table([folder])
    assert "silent, left out of the mean: 1 utterance\n" in shown
    assert f"{np.mean(list(folder.heard.values())):.3f}" in shown
    (decoded / "gen_0.wav").unlink()  # the page knows it even so
    write_decoded_page(tmp_path / "report.html", [folder])
    (group,) = data_of(tmp_path / "report.html")["groups"]
    assert (group["n"], group["silent"]) == (3, 1)
