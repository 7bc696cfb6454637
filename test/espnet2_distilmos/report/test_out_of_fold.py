"""Predictions of all folds as one set: once each, scored by whole systems."""

import numpy as np
import pytest

from espnet2_distilmos.bin.combine_folds import main
from espnet2_distilmos.report.out_of_fold import combine_predictions
from espnet2_distilmos.report.results import write_results
from espnet2_distilmos.report.rows import read_scores
from espnet2_distilmos.scoring.score import score
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import DataDir, read_floats, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import write_text, write_yaml
from espnet2_distilmos.utils.folds import Folds

N = 36
MOS = {f"u{i:02d}": 1.0 + i % 12 / 4 for i in range(N)}
SYSTEMS = {u: f"s{i % 12:02d}" for i, u in enumerate(MOS)}
ROWS = ("constant", "spectral_statistics")


@pytest.fixture
def cv(tmp_path, monkeypatch):
    """Two folds by system, and what two models and two rows say of their tests."""
    monkeypatch.chdir(tmp_path)
    folds = Folds(tmp_path / "cv", 2, "system")
    write_yaml("cv/folds.yaml", {"request": {"n_folds": 2, "by": "system"}})
    whole = DataDir({u: f"{u}.wav" for u in MOS}, MOS, SYSTEMS)
    whole.save(folds.whole)
    rng = np.random.default_rng(0)
    for i in (1, 2):
        utts = [u for u in MOS if int(SYSTEMS[u][1:]) % 2 == i - 1]
        whole.subset(utts).save(folds.part(i, "test"))
        guess = {u: MOS[u] + float(rng.normal(0, 0.3)) for u in utts}
        write_lines(f"exp/fold{i}/mos_x/inf/test/utt2mos", guess)
        for row in ROWS:
            values = dict.fromkeys(utts, 2.5 + 0.2 * i)
            write_lines(f"exp/fold{i}/rows/{row}/test/utt2mos", values)
            write_text(f"exp/fold{i}/rows/{row}/NOTE.txt", f"The {row}.\n")
    return folds


def command(what="both"):
    tags = ["--tag_dirs", *(f"exp/fold{i}/mos_x/inf" for i in (1, 2))]
    rows = ["--rows_dirs", *(f"exp/fold{i}/rows" for i in (1, 2))]
    return [
        *("--folds_dir", "cv", *tags, "--output_dir", "exp/mos_x/inf"),
        *(rows if what == "both" else []),
        *(["--rows_output_dir", "exp/rows"] if what == "both" else []),
    ]


def test_one_table_over_all_clips(cv, tmp_path):
    """With rows of each fold, an oracle of all, and intervals of whole systems."""
    assert run(main, command()) == 0
    joined = read_floats("exp/mos_x/inf/cv/utt2mos")
    assert joined.keys() == MOS.keys()
    scores = read_scores("exp/mos_x/inf/cv/scores.json")
    assert scores["folds"] == {"n": 2, "by": "system"}
    assert (scores["n_utt"], scores["n_sys"]) == (36, 12)
    plain = score(MOS, joined, SYSTEMS)
    by_system = score(MOS, joined, SYSTEMS, units=SYSTEMS)
    assert scores["utt"] == by_system["utt"] and scores["sys"] == plain["sys"]
    assert scores["utt"]["srcc"]["ci95"] != plain["utt"]["srcc"]["ci95"]
    assert scores["utt"]["srcc"]["value"] == plain["utt"]["srcc"]["value"]
    with open("exp/mos_x/inf/cv/scatter.png", "rb") as f:
        assert f.read(4) == b"\x89PNG"
    constant = read_floats("exp/rows/constant/cv/utt2mos")
    assert set(constant.values()) == {2.7, 2.9}
    oracle = read_floats("exp/rows/system_mean/cv/utt2mos")
    assert oracle["u00"] == pytest.approx(np.mean([MOS[u] for u in ("u00", "u12")]))
    write_yaml("notes.yaml", {"cv": "Out of fold."})
    page = write_results(
        "RESULTS.md",
        ["exp/mos_x"],
        reference="exp/rows",
        sets=["cv"],
        labels="cv/raw",
        set_notes="notes.yaml",
    )
    text = " ".join(open("RESULTS.md").read().split())
    assert "seed 0); resampled are whole systems, at every level" in text
    assert "The constant. Out of fold: made anew in every fold" in page
    assert "the mean label of the training part of its fold" in page
    assert "(10000 resamples of systems, seed 0)" in page
    assert "- cv: mos_x is better than the constant: its MSE is lower by" in page
    assert "*system_mean*: Oracle" in page
    # Again, and one fold lacks a row: that goes, and what is current stays.
    scored = [
        tmp_path / f"exp/{x}/cv/scores.json" for x in ("mos_x/inf", "rows/constant")
    ]
    before = [file.stat().st_mtime_ns for file in scored]
    (tmp_path / "exp/fold2/rows/spectral_statistics/test/utt2mos").unlink()
    assert run(main, command()) == 0
    assert [file.stat().st_mtime_ns for file in scored] == before
    assert not (tmp_path / "exp/rows/spectral_statistics").exists()


def test_calibrations_of_the_folds_are_told(cv):
    write_text("exp/fold1/mos_x/inf/NOTE.txt", "Calibrated,\nslope 2.\n")
    write_text("exp/fold2/mos_x/inf/NOTE.txt", "Not calibrated.\n")
    assert run(main, command("tags")) == 0
    told = open("exp/mos_x/inf/NOTE.txt").read()
    assert told == "fold 1: Calibrated, slope 2. fold 2: Not calibrated.\n"


def harmed(fold, edit):
    file = f"exp/fold{fold}/mos_x/inf/test/utt2mos"
    values = read_floats(file)
    edit(values)
    write_lines(file, values)


@pytest.mark.parametrize(
    "harm, message",
    [
        (lambda cv: harmed(1, lambda v: v.pop("u00")), "fold 1 tests u00, but has not"),
        (lambda cv: harmed(2, lambda v: v.update(u00=3.0)), "fold 2 does not test u00"),
        (
            lambda cv: [
                harmed(2, lambda v: v.update(u00=3.0)),
                DataDir.load(cv.whole)
                .subset([u for u in MOS if int(SYSTEMS[u][1:]) % 2 or u == "u00"])
                .save(cv.part(2, "test")),
            ],
            "an earlier fold has predicted u00 too",
        ),
        (
            lambda cv: write_lines(cv.whole / "utt2mos", {**MOS, "u99": 3.0}),
            "no fold has predicted u99; every clip is predicted once",
        ),
        (
            lambda cv: write_lines(
                cv.whole / "utt2mos", {u: m for u, m in MOS.items() if u != "u05"}
            ),
            "has no u05, which a fold has predicted",
        ),
    ],
)  # fmt: skip
def test_every_clip_is_predicted_exactly_once(cv, capsys, harm, message):
    harm(cv)
    assert run(main, command("tags")) == 1
    (line,) = [x for x in capsys.readouterr().err.splitlines() if "error: " in x]
    assert message in line


def test_a_folder_a_fold_is_needed(cv):
    with pytest.raises(UserError, match="1 folders of predictions for 2 folds"):
        combine_predictions(cv, ["exp/fold1/mos_x/inf/test"])
    with pytest.raises(SystemExit):
        main(["--folds_dir", "cv", "--tag_dirs", "exp/fold1"])
