"""The tables that models are judged by, on scores whose answer is known."""

import re

import numpy as np
import pytest

from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import DataDir, write_lines
from mini_mos.bin import judge_tiny_mos
from mini_mos.tiny_mos import judge, teacher
from mini_mos.tiny_mos.judge import human_table, order_table, paired_table

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(judge, "_N", 100)


def human_set():
    ids = [f"{p}c{i % 5}_{i:02d}" for p in ("codec_mushra-", "p835-fullband-",
           "p835-wideband-") for i in range(40)]  # fmt: skip
    mos = {u: float(RNG.uniform(1, 5)) for u in ids}
    return DataDir(dict.fromkeys(ids, "x.wav"), mos, {u: u[:-3] for u in ids})


def order_sets():
    noise, voices = {}, {}
    for i in range(6):
        noise.update({f"it-{s}-p{i}": s for s in ("clean", "snr20", "snr10", "snr0")})
        noise_voices = ("human", "kokoro_jf_nezumi", "festival_kal_diphone",
                        "espeak-ng_en-gb-x-rp")  # fmt: skip
        voices.update({f"{s}-{i}": s for s in noise_voices})
    sets = {}
    for name, systems in (("order_noise", noise), ("order_voices", voices)):
        wavs, mos = dict.fromkeys(systems, "x.wav"), dict.fromkeys(systems, 1.0)
        sets[name] = DataDir(wavs, mos, systems)
    return sets


def cells(table, name):
    (line,) = [row for row in table.splitlines() if row.startswith(f"| {name} ")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_srcc_of_each_part_with_intervals_over_clips_and_systems():
    data = human_set()
    noisy = {u: m + RNG.normal(0, 1) for u, m in data.mos.items()}
    part = {u: m for u, m in data.mos.items() if u.startswith("p835")}
    rows = {"same": dict(data.mos), "noisy": noisy, "part": part}
    table = human_table(data, rows)
    assert cells(table, "same") == ["1.000 [1.000, 1.000]"] * 3
    assert cells(table, "part")[2] == "–" and cells(table, "part")[0].startswith("1.0")
    for of_clips, of_systems in zip(
        cells(table, "noisy"), cells(human_table(data, rows, "systems"), "noisy")
    ):
        value, low, high = map(float, re.findall(r"[\d.]+", of_clips))
        assert low < value < high < 1
        assert of_systems.split()[0] == of_clips.split()[0]
    differences = cells(paired_table(data, rows, "same"), "same - noisy")
    for cell in differences:
        value, low, _ = map(float, re.findall(r"-?[\d.]+", cell))
        assert value > low > 0
    assert cells(paired_table(data, rows, "same"), "same - part")[2] == "–"


def test_orders():
    sets = order_sets()
    ranks = {"clean": 4, "snr20": 3, "snr10": 2, "snr0": 1, "human": 4,
             "kokoro_jf_nezumi": 3, "festival_kal_diphone": 2,
             "espeak-ng_en-gb-x-rp": 1}  # fmt: skip
    steps = {u: s for data in sets.values() for u, s in data.systems.items()}
    right = {u: ranks[s] + int(u[-1]) / 100 for u, s in steps.items()}
    wrong = {u: -score for u, score in right.items()}
    one_off = {**right, "it-clean-p0": 2.9}  # below its own 20 dB, of 18 pairs
    table = order_table(sets, {"right": right, "wrong": wrong, "one": one_off})
    assert cells(table, "right")[:4] == ["1.02", "2.02", "3.02", "4.02"]
    assert cells(table, "right")[4] == "1.000 [1.000, 1.000]"
    assert cells(table, "wrong")[4].startswith("0.000")
    assert cells(table, "one")[4].startswith(f"{17 / 18:.3f} [")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(teacher, "teacher_version", lambda: "0.9.1")
    monkeypatch.setattr(
        teacher, "_score", lambda clips: {u: float(i) for i, (u, _) in enumerate(clips)}
    )
    for name, data in {"human": human_set(), **order_sets()}.items():
        data.save(tmp_path / "data" / name)
    return tmp_path


def test_the_command(folder, capsys):
    data = DataDir.load("data/human")
    write_lines("mine", data.mos)
    words = ["--output", "out.md", "--nj", "1", "--row", "mine", "mine"]
    assert run(judge_tiny_mos.main, words) == 0
    text = (folder / "out.md").read_text()
    assert "| mine " in text and "| Distill-MOS " in text
    assert text in capsys.readouterr().out
    assert "| mine - Distill-MOS " in text
    with pytest.raises(SystemExit):
        judge_tiny_mos.main(["--output", "out.md", "--row", "mine"])
