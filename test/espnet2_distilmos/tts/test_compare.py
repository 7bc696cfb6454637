"""Tables over decode folders, and the choice of a checkpoint."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from pages import data_of

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.tts.compare import choose, table
from espnet2_distilmos.tts.decoded import find_decoded, load_decoded
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml, write_yaml


def write_scores(folder, mos, judge="a", failed=(), labels=None):
    """A scored decode folder; `judge` None: of another tool."""
    folder.mkdir(parents=True)
    lines = [f"utt{i:03d} {value:.4f}\n" for i, value in enumerate(mos)]
    (folder / "utt2pmos").write_text("".join(lines))
    if judge is not None:
        request = {"config_sha256": judge, "model_sha256": judge, "audio": "x"}
        made = {"request": request, "model": f"model {judge}", "failed": dict(failed)}
        if labels is not None:  # earlier versions wrote none
            made["labels"] = labels
        write_yaml(folder / "pmos_provenance.yaml", made)
    return folder


@pytest.fixture
def exp(tmp_path):
    """Three checkpoints of a TTS model and two sets; the second and third are alike."""
    rng = np.random.default_rng(0)
    easy = rng.normal(3, 0.5, 100)
    exp = tmp_path / "exp"
    for name, better in (("9epoch", -0.3), ("10epoch", 0.0), ("100epoch", 0.005)):
        noise = rng.normal(0, 0.1, 100)
        write_scores(exp / f"tts_vits/{name}/dev/wav", easy + better + noise)
    write_scores(exp / "tts_vits/10epoch/eval1/wav", easy[:20])
    write_scores(exp / "tts_vits/10epoch/eval1/log/output.1/wav", easy[:20])
    return exp


def test_folders_behind_links_and_lists_in_any_order(exp, tmp_path):
    store = write_scores(tmp_path / "store/dev2/wav", [3.0, 4.0, 2.0])
    lines = (store / "utt2pmos").read_text().splitlines()
    (store / "utt2pmos").write_text("\n".join(reversed(lines)) + "\n")
    (exp / "tts_vits/9epoch/dev2").symlink_to(store.parent)
    (exp / "tts_vits/9epoch/loop").symlink_to(exp)
    found = find_decoded([exp], "utt2pmos")
    assert found[0] == exp / "tts_vits/9epoch/dev2/wav/utt2pmos" and len(found) == 5
    (decoded,) = load_decoded([store])
    assert decoded.mos == {"utt000": 3.0, "utt001": 4.0, "utt002": 2.0}


def test_table_in_the_order_of_names_with_intervals(exp, capsys):
    assert cli(["compare-tts", str(exp)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == "model checkpoint set n mean 95 % interval std".split()
    assert [line.split()[:4] for line in lines[1:5]] == [
        ["tts_vits", "9epoch", "dev", "100"],
        ["tts_vits", "10epoch", "dev", "100"],
        ["tts_vits", "10epoch", "eval1", "20"],
        ["tts_vits", "100epoch", "dev", "100"],
    ]
    assert lines[-1] == "Scores of: model a; labels: not recorded"
    values = [
        float(x.split()[1])
        for x in open(exp / "tts_vits/10epoch/eval1/wav/utt2pmos", encoding="utf-8")
    ]
    half = 2.0930 * np.std(values, ddof=1) / np.sqrt(20)  # t, 19 degrees of freedom
    mean = np.mean(values)
    expected = f"{mean:.3f} [{mean - half:.3f}, {mean + half:.3f}]"
    assert " ".join(lines[3].split()[4:7]) == expected


def test_a_winner_by_pesq_is_called_so(tmp_path, capsys, tools):
    """In the caption of the table, in the sentence and in the JSON."""
    for name, better in (("a", 0.0), ("b", 1.0)):
        mos = np.linspace(2, 3, 20) + better
        write_scores(tmp_path / name, mos, labels=tools.pesq_labels)
    assert cli(["compare-tts", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "Scores of: model a; predicts PESQ MOS-LQO (objective, ITU-T P.862.2; scale 1 "
        "to 4.64), not human ratings; trained on mini_mos"
    )
    choice = choose(load_decoded([tmp_path / "a", tmp_path / "b"]), 100)
    lines = choice.text().splitlines()
    judged = "by predicted PESQ MOS-LQO, which does not measure naturalness"
    assert lines[0] == f"best:   b (3.500), {judged}"
    assert lines[-1] == f"better than every other (p < 0.05, Holm) {judged}"
    assert choice.as_dict()["labels"] == tools.pesq_labels
    assert choice.as_dict()["model"] == "model a"


def test_markdown_of_plain_folders(tmp_path):
    write_scores(tmp_path / "b", [2.0, 3.0], failed={"utt9": "no audio"})
    write_scores(tmp_path / "a", [4.0])
    folders = load_decoded([tmp_path / "b", tmp_path / "a" / "utt2pmos"])
    assert table(folders, "markdown").splitlines() == [
        "| model |   n |  mean | 95 % interval   |   std |",
        "| ----- | --: | ----: | --------------- | ----: |",
        "| b     |   2 | 2.500 | [-3.853, 8.853] | 0.707 |",
        "| a     |   1 | 4.000 | -               |     - |",
        "b: without a score: 1 utterance",
        "",
        "Scores of: model a; labels: not recorded",
    ]


def test_scores_of_different_models_are_not_compared(tmp_path):
    folders = [
        write_scores(tmp_path / name, [2.0, 3.0], judge)
        for name, judge in (("x", "a"), ("y", "b"), ("z", None))
    ]
    for pair in (folders[:2], folders[1:]):
        with pytest.raises(UserError, match="scores of different models"):
            load_decoded(pair)
    (alone,) = load_decoded(folders[2:])
    assert alone.judge_name == "unknown"


def test_best_is_named_with_its_difference(exp):
    folders = [x for x in load_decoded([exp]) if x.labels[2] == "dev"]
    choice = choose(folders)
    best, second, last = choice.order
    assert {best.labels[1], second.labels[1]} == {"10epoch", "100epoch"}
    assert last.labels[1] == "9epoch"
    near, far = choice.versus
    assert near["ci95"][0] < 0 < near["ci95"][1] and near["p_holm"] > 0.05
    assert far["ci95"][0] > 0.2 and far["p_holm"] < 0.001
    assert far["difference"] == pytest.approx(0.3, abs=0.05)
    text = choice.text()
    assert f"best:   {best.label} (" in text
    assert f"not told apart from the best: {second.label} (p = " in text
    assert "9epoch" not in text
    assert "(100 shared utterances)" in text
    clear = choose([best, last])
    assert "better than every other" in clear.text()


def test_only_shared_utterances_count(tmp_path):
    a = write_scores(tmp_path / "a", [3.0, 3.1, 3.2, 5.0])
    b = write_scores(tmp_path / "b", [2.0, 2.1, 2.2])
    choice = choose(load_decoded([b, a]))
    assert choice.means == pytest.approx({"a": 3.1, "b": 2.1})
    assert choice.left_out == {"a": 1}
    assert "a: 1 utterance left out, others lack them" in choice.text()
    (tmp_path / "c").mkdir()
    (tmp_path / "c/utt2pmos").write_text("other 3\n")
    with pytest.raises(UserError, match="share 0 utterance IDs"):
        choose([*load_decoded([a]), *load_decoded([tmp_path / "c"])])
    with pytest.raises(UserError, match="two decode folders or more"):
        choose(load_decoded([a]))
    with pytest.raises(UserError, match="nothing: no utt2pmos"):
        find_decoded([tmp_path / "nothing"], "utt2pmos")


def test_select_scores_and_chooses(tmp_path, tools, tiny_model, capsys):
    for epoch in (1, 2, 3):
        for dset in ("dev", "eval1"):
            folder = tmp_path / f"exp/tts_x/decode_{epoch}epoch/{dset}/wav"
            lines = []
            for i in range(3):
                path = folder / f"{i}.wav"
                # Checkpoints 1 and 2 decode the same.
                tools.wav(path, 0.4 + 0.1 * i, 24000, seed=i + 7 * (epoch == 3))
                lines.append(f"u{i} {path}\n")
            (folder / "wav.scp").write_text("".join(lines))
    exp, out = str(tmp_path / "exp"), tmp_path / "choice.json"
    common = ["--model", str(tiny_model), "--output", str(out)]
    assert cli(["select-tts", exp, *common]) == 1
    assert "choose one with --set" in capsys.readouterr().err
    assert cli(["select-tts", exp, "--set", "none", *common]) == 1
    assert "0 decode folders of none found" in capsys.readouterr().err
    assert not out.exists()
    assert cli(["select-tts", exp, "--set", "dev", *common]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[1].split()[:3] == ["tts_x", "decode_1epoch", "dev"]
    choice = json.loads(out.read_text())
    assert choice["n_utterances"] == 3
    assert len(choice["means"]) == 3
    same = [x for x in choice["best_versus"] if x["difference"] == 0]
    if "3epoch" not in choice["best"]:
        assert choice["best"] == "tts_x/decode_1epoch/dev"
        assert same[0]["label"] == "tts_x/decode_2epoch/dev" and same[0]["p"] == 1
    scored = [p.parent.parent.name for p in tmp_path.rglob("utt2pmos")]
    assert scored == ["dev"] * 3


def test_a_page_of_decode_folders(exp, tmp_path, tools, capsys):
    """Utterances are paired by ID; of what has no audio, only the score is there."""
    folders = [exp / f"tts_vits/{name}/dev/wav" for name in ("9epoch", "10epoch")]
    tools.wav(tmp_path / "a b.wav", 0.5)
    (folders[0] / "wav.scp").write_text(f"utt000 {tmp_path}/a b.wav\nutt001 gone.wav\n")
    made = read_yaml(folders[1] / "pmos_provenance.yaml")
    made["failed"] = {"<b>": "too short"}
    write_yaml(folders[1] / "pmos_provenance.yaml", made)
    report = tmp_path / "report.html"
    command = ["compare-tts", *map(str, folders), "--report", str(report)]
    assert cli(command) == 0
    assert "10epoch" in capsys.readouterr().out  # the table, as without
    data = data_of(report)
    assert [(g["name"], g["n"], g["failed"]) for g in data["groups"]] == [
        ("tts_vits/9epoch/dev", 100, 0),
        ("tts_vits/10epoch/dev", 100, 1),
    ]
    (pair,) = data["pairs"]
    assert pair["n"] == 100 and pair["interval"][0] < 0.3 < pair["interval"][1]
    assert data["grouped_by"] == "decode folder"
    heard, gone, unknown = data["clips"][:3]
    assert (heard["src"], heard["seconds"]) == ("a%20b.wav", 0.5) and heard["wave"]
    assert "no such file" in gone["warnings"][0] and "wave" not in gone
    assert unknown["warnings"] == ["its audio file is not known"]
    assert "src" not in unknown
    assert data["clips"][-1]["error"] == "too short"
    assert cli(["compare-tts", str(report), "--report", str(report)]) == 1


@pytest.mark.parametrize("option", ["--output", "--report"])
def test_scores_and_audio_are_not_written_over(tmp_path, tools, capsys, option):
    folder = write_scores(tmp_path / "e3", [3.0, 4.0])
    tools.wav(folder / "utt000.wav", 0.3)
    names = ["utt2pmos", "pmos_provenance.yaml"]
    names += ["utt000.wav"] if option == "--report" else []
    for name in names:
        before = (folder / name).read_bytes()
        assert cli(["compare-tts", str(folder), option, str(folder / name)]) == 1
        assert f"{name}: is read here and would be lost" in capsys.readouterr().err
        assert (folder / name).read_bytes() == before


def test_its_log_has_the_form_of_all_others(tmp_path):
    folder = write_scores(tmp_path / "e3", [3.0, 4.0])
    command = ["compare-tts", str(folder), "--report", str(tmp_path / "r.html")]
    program = f"from espnet2_distilmos.bin.main import cli; cli({command!r})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert re.search(r"^\d{4}-.* \(page:\d+\) WARNING: .*no audio", done.stderr, re.M)
    assert "WARNING:root:" not in done.stderr
