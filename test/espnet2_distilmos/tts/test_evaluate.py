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
from decoded_folders import evaluate, read
from pages import data_of

from espnet2_distilmos.tts.compare import table
from espnet2_distilmos.tts.decoded import load_decoded
from espnet2_distilmos.tts.page import write_decoded_page
from espnet2_distilmos.utils.files import read_yaml

TEMPLATE = Path(__file__).parents[3] / "egs2/TEMPLATE/tts1"


def model_options(folder):
    return "--model", folder / "model.pth"


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
