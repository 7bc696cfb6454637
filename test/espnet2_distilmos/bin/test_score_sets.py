"""The command `score_sets`: figures, pictures and shipped rows of several sets."""

import json

import numpy as np
import pytest
from pages import data_of

from espnet2_distilmos.bin.score_sets import main
from espnet2_distilmos.page.predictions import write_set_page
from espnet2_distilmos.report import shipped
from espnet2_distilmos.report.scored import write_scores
from espnet2_distilmos.utils.arks import write_ark
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import read_floats, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels

SETS = ("test", "more/test", "test@-26dB")


@pytest.fixture
def folder(tmp_path):
    """Labels and predictions of three sets, the second without systems."""
    rng = np.random.default_rng(0)
    for name in SETS:
        labels = {f"u{i:02d}": float(rng.uniform(1, 5)) for i in range(30)}
        guess = {utt: mos + float(rng.normal(0, 0.3)) for utt, mos in labels.items()}
        write_lines(tmp_path / "raw" / name / "utt2mos", labels)
        write_lines(tmp_path / "hyp" / name / "utt2mos", guess)
        if name != "more/test":
            systems = {utt: f"s{i % 10}" for i, utt in enumerate(labels)}
            write_lines(tmp_path / "raw" / name / "utt2sys", systems)
    return tmp_path


def command(folder):
    sets = [str(folder / "raw" / name) for name in SETS]
    root = ("--root", str(folder / "raw"), "--hyp_dir", str(folder / "hyp"))
    return ["--data_dirs", *sets, *root]


def state(folder):
    return {p: p.stat().st_mtime_ns for p in (folder / "hyp").rglob("*.*")}


def test_scores_are_those_of_score_mos_and_nothing_is_made_twice(folder):
    main(command(folder))
    for name in SETS:
        made = folder / "hyp" / name
        systems = folder / "raw" / name / "utt2sys"
        write_scores(
            folder / "raw" / name / "utt2mos",
            made / "utt2mos",
            systems if systems.exists() else None,
            folder / "again.json",
        )
        assert (made / "scores.json").read_bytes() == (
            folder / "again.json"
        ).read_bytes()
        assert (made / "scores.txt").read_text().startswith("95% boot")
        assert (made / "scatter.png").read_bytes()[:4] == b"\x89PNG"
    before = state(folder)
    main(command(folder))
    assert state(folder) == before


def test_what_has_changed_is_made_again_and_nothing_else(folder):
    main(command(folder))
    before = state(folder)
    labels = Labels((LabelInfo("x", "predicted", "UTMOS"),))
    labels.write(folder / "raw/test/labels.yaml")  # on an axis
    write_lines(folder / "hyp/more/test/utt2mos", {f"u{i:02d}": 3.0 for i in range(30)})
    (folder / "hyp/test@-26dB/scores.txt").unlink()
    main(command(folder))
    changed = {
        p.relative_to(folder / "hyp").as_posix()
        for p, time in state(folder).items()
        if before.get(p) != time
    }
    assert changed == {
        *("test/scatter.png", "test/scatter.yaml"),
        *(
            f"more/test/{name}"
            for name in ("scores.json", "scores.txt", "scatter.png", "scatter.yaml")
        ),
        *("test@-26dB/scores.json", "test@-26dB/scores.txt"),
    }


def test_a_prediction_that_is_missing_is_one_line(folder, capsys):
    (folder / "hyp/more/test/utt2mos").unlink()
    assert run(main, command(folder)) == 1
    (line,) = [x for x in capsys.readouterr().err.splitlines() if "error: " in x]
    assert "hyp/more/test/utt2mos: cannot be read" in line


def test_shipped_rows_are_taken_where_the_clips_are_the_same(folder, caplog):
    rows, sets = folder / "rows", {n: folder / "raw" / n for n in SETS[:2]}
    peer = folder / "shipped/peer"
    for name in sets:
        text = (folder / "hyp" / name / "utt2mos").read_text()
        (peer / name).mkdir(parents=True)
        (peer / name / "utt2mos").write_text(text)
    (peer / "NOTE.txt").write_text("a peer")
    shipped.add_shipped_rows(folder / "shipped", rows, sets)
    made = rows / "peer/more/test/utt2mos"
    assert made.read_text() == text
    assert (rows / "peer/NOTE.txt").read_text() == "a peer"
    time = made.stat().st_mtime_ns
    shipped.add_shipped_rows(folder / "shipped", rows, sets)
    assert made.stat().st_mtime_ns == time
    (peer / "more/test/utt2mos").write_text(text.replace("u29 ", "x29 "))
    shipped.add_shipped_rows(folder / "shipped", rows, sets)
    assert "more/test: not shown, made of other clips than" in caplog.text
    assert not made.exists() and (rows / "peer/test/utt2mos").exists()
    with pytest.raises(UserError, match="no such folder of shipped rows"):
        shipped.add_shipped_rows(folder / "none", rows, sets)


def test_figures_are_finite(folder):
    main(command(folder))
    scores = json.loads((folder / "hyp/test/scores.json").read_text())
    assert scores["n_utt"] == 30 and scores["sys"]["srcc"]["value"] > 0.5


@pytest.mark.parametrize(
    "change, words",
    [
        ({"--root": None}, "are both called test; name the folder"),
        ({"--hyp_dir": "raw"}, "raw/test: is read here and would be written over"),
        ({"--rows_dir": "raw", "--train_dir": "raw/test"}, "raw: is read here"),
        ({"--data_dirs": "raw/absent@x"}, "absent@x: no such folder; stage 1 makes it"),
    ],
)
def test_folders_that_cannot_be_meant_are_refused(folder, capsys, change, words):
    """Before anything is written."""
    asked = {
        "--data_dirs": [folder / "raw/test", folder / "raw/more/test"],
        "--root": [folder / "raw"],
        "--hyp_dir": [folder / "hyp"],
    }
    for option, name in change.items():
        asked[option] = [] if name is None else [folder / name]
    before = sorted(folder.rglob("*"))
    call = [str(w) for option, v in asked.items() if v for w in (option, *v)]
    assert run(main, call) == 1
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_pages_of_sets(folder, tools):
    """Without scoring again; what is current is not made again."""
    for name in SETS[:2]:
        made = folder / "hyp" / name
        wavs, frames = {}, {}
        for i, utt in enumerate(read_floats(made / "utt2mos")):
            wavs[utt] = tools.wav(folder / "audio" / name / f"{utt}.wav", 0.2 + i / 100)
            frames[utt] = np.linspace(1, 3, 10 + i).astype(np.float32)
        write_lines(folder / "raw" / name / "wav.scp", wavs)
        if name == "test":
            offsets = write_ark(made / "frame_mos.ark", frames.items())
            places = {u: f"{made}/frame_mos.ark:{at}" for u, at in offsets.items()}
            write_lines(made / "frame_mos.scp", places)
    shown = [x for x in command(folder) if not x.endswith("@-26dB")]
    main([*shown, "--report"])
    data = data_of(folder / "hyp/test/report.html")
    assert data["title"] == "test" and data["grouped_by"] == "system"
    assert len(data["groups"]) == 10 and data["columns"] == ["label", "minus label"]
    means = [group["mean"] for group in data["groups"]]
    assert means == sorted(means, reverse=True)
    labels = read_floats(folder / "raw/test/utt2mos")
    for clip in data["clips"]:
        label = labels[clip["name"]]
        assert clip["numbers"][0] == pytest.approx(label, abs=1e-4)
        assert clip["numbers"][1] == pytest.approx(clip["score"] - label, abs=2e-4)
        assert clip["src"] == f"../../audio/test/{clip['name']}.wav"
        assert (clip["from"], clip["to"]) == (1, 3)
        assert clip["span"] == pytest.approx(clip["seconds"], abs=1e-3)
    plain = data_of(folder / "hyp/more/test/report.html")
    assert [g["name"] for g in plain["groups"]] == ["more/test"]
    assert not any("frames" in clip for clip in plain["clips"])
    before = state(folder)
    again = (folder / "hyp/test", folder / "raw/test", "test", "m", Labels())
    judge = data["model"]
    write_set_page(*again[:3], judge, Labels())
    assert state(folder) == before
    labels["u00"] = 4.9
    write_lines(folder / "raw/test/utt2mos", labels)
    write_set_page(*again)
    data = data_of(folder / "hyp/test/report.html")
    assert data["clips"][0]["numbers"][0] == 4.9
    write_lines(folder / "hyp/test/utt2mos", dict.fromkeys(labels, 2.5))
    write_set_page(*again, embed_audio=0.01)
    data = data_of(folder / "hyp/test/report.html")
    assert data["clips"][0]["score"] == 2.5
    assert 0 < sum("embedded" in clip for clip in data["clips"]) < 30
    ark = folder / "hyp/test/frame_mos.ark"
    ark.write_bytes(ark.read_bytes()[:100])
    (folder / "hyp/test/report.html").unlink()
    with pytest.raises(UserError, match="no frame scores at .*predict the set again"):
        write_set_page(*again)


def test_a_page_says_what_is_missing(folder, capsys):
    assert run(main, [*command(folder), "--report"]) == 1
    assert "raw/test/wav.scp: cannot be read" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--data_dirs", "x", "--rows_dir", "x", "--train_dir", "x", "--report"])
    assert "--report needs --hyp_dir" in capsys.readouterr().err
