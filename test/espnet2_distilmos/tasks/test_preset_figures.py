"""What presets and pages say of steps, clips and hours on BVCC, computed again."""

import argparse
import re
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).parents[3]
PRESETS = sorted((REPO / "conf/tuning").glob("train_distilmos_*gb.yaml"))
CLIPS, SECONDS, RATE = 4974, 4.1, 16000  # of BVCC's training set, as published
VALID_CLIPS = 1066


def figures(conf):
    """What a preset comes to on BVCC, if all clips were of one length."""
    # ESPnet closes a batch with the clip that goes beyond batch_bins.
    of_batch = int(conf["batch_bins"] / RATE / SECONDS) + 1
    per_step = of_batch * conf["accum_grad"]
    every = conf["num_iters_per_epoch"] // conf["accum_grad"]
    steps = every * conf["max_epoch"]
    of = conf["scheduler_conf"]
    assert of["max_steps"] == "auto"
    assert of["warmup_ratio"] + of["hold_ratio"] + of["decay_ratio"] == 1
    return {
        "clips a step": per_step,
        "steps": steps,
        "warm-up": of["warmup_ratio"] * steps,
        "share": 100 * of["warmup_ratio"],
        "clips seen": round(per_step * steps, -3),
        "times": round(per_step * steps / CLIPS),
        "validations": conf["max_epoch"],
        "every": every,
    }


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_comments_of_a_preset_are_true(preset):
    text = preset.read_text()
    words = " ".join(line.lstrip("# ") for line in text.splitlines())
    said = re.search(
        r"BVCC \((\d+) training clips of about ([\d.]+) s.*?: +(\d+) clips a step, "
        r"(\d+) steps, (\d+) of them warm-up \((\d+) %\) +(\d+) clips seen, each (\d+) "
        r"times +(\d+) validations, one every (\d+) steps",
        words,
    )
    found = [float(x) for x in said.groups()]
    assert found == [CLIPS, SECONDS, *figures(yaml.safe_load(text)).values()]
    # The length of a batch in seconds.
    bins, seconds = re.search(r"\((\d+) = (\d+) s\)", text).groups()
    assert int(bins) == yaml.safe_load(text)["batch_bins"] == int(seconds) * RATE


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_the_schedule_follows_one_number_that_is_changed(preset):
    """Nothing of the data matters: the length of an epoch is set."""
    from espnet2_distilmos.tasks.from_data import fit_steps

    conf = yaml.safe_load(preset.read_text())
    twice = {name: 2 * conf[name] for name in ("accum_grad", "num_iters_per_epoch")}
    for name, steps in (
        (None, 15000),
        ("accum_grad", 7500),
        ("num_iters_per_epoch", 30000),
    ):
        changed = {name: twice[name]} if name else {}
        args = argparse.Namespace(**{"min_steps": 0, **conf, **changed})
        fit_steps(args)
        assert args.scheduler_conf["max_steps"] == steps


def test_the_sum_of_rates_is_that_of_utmos():
    """Up in 4000 of 15000 steps and down to zero, against what ESPnet does."""
    import torch
    from espnet2.schedulers.tristage_lr import TristageLR

    conf = yaml.safe_load(PRESETS[0].read_text())["scheduler_conf"]
    conf["max_steps"] = 15000  # of `auto`
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = TristageLR(optimizer, **conf)
    steps, ours, theirs = conf["max_steps"], 0.0, 0.0
    for step in range(steps):
        ours += optimizer.param_groups[0]["lr"]
        theirs += min(step / 4000, (steps - step) / (steps - 4000))
        optimizer.step(), schedule.step()
    assert 0.96 < ours / theirs < 1
    assert "within 4 %" in PRESETS[0].read_text()


def test_the_loss_is_that_of_utmos_in_mos_units():
    """Theirs is of scores in [-1, 1]; ours, of the same in 1 to 5, is 4 times that."""
    import torch

    from espnet2_distilmos.model.loss import DistilMOSLoss
    from espnet2_distilmos.model.prediction import Prediction

    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(3, 5, generator=generator) * 2 - 1
    label = torch.rand(3, generator=generator) * 2 - 1
    error = frames - label[:, None]
    theirs = (error.square() * (error.abs() > 0.25)).mean()
    clip = frames.mean(1)
    pairs = (clip[:, None] - clip) - (label[:, None] - label)
    theirs = theirs + 0.5 * (pairs.abs() - 0.1).clamp(min=0).mean() / 2
    conf = yaml.safe_load(PRESETS[0].read_text())["loss_conf"]
    loss = DistilMOSLoss(**{**conf, "token_weight": 0.0})
    frames = 3 + 2 * frames
    made = Prediction(frames.mean(1), frames, torch.tensor([5, 5, 5]))
    ours, _ = loss(made.mos, 3 + 2 * label, frames=made)
    torch.testing.assert_close(ours, 4 * theirs)


def rows(page, heading):
    """The cells of the table under a heading: first cell -> the numbers in the rest."""
    text = (REPO / page).read_text().split(f"# {heading}\n")[1].split("\n#")[0]
    found = {}
    for line in re.findall(r"^\| (.*) \|$", text, re.M):
        first, *rest = [cell.strip() for cell in line.split("|")]
        if all(re.fullmatch(r"[\d.]+", cell) for cell in rest):
            found[first.strip("`")] = [float(cell) for cell in rest]
    return found


def test_the_page_has_the_same_figures():
    found = rows("doc/large_runs.md", "What to expect on BVCC")
    for preset in PRESETS:
        of = figures(yaml.safe_load(preset.read_text()))
        names = ("clips a step", "steps", "warm-up", "clips seen", "validations")
        assert found[preset.stem] == [of[name] for name in names]


@pytest.mark.parametrize("size", ["base", "large"])
def test_hours_are_what_the_operations_make(size):
    text = " ".join((REPO / "doc/large_runs.md").read_text().split())
    forward, backward = map(
        float,
        re.search(rf"{size}: ([\d.]+) \+ ([\d.]+) GFLOP a second", text).groups(),
    )
    found = rows("doc/large_runs.md", "What to expect on BVCC")
    for preset in PRESETS:
        if size not in preset.stem:
            continue
        conf = yaml.safe_load(preset.read_text())
        of = figures(conf)
        seconds = of["steps"] * of["clips a step"] * SECONDS
        again = conf.get("upstream_conf", {}).get("gradient_checkpointing", False)
        work = seconds * ((1 + again) * forward + backward)
        work += of["validations"] * VALID_CLIPS * SECONDS * forward
        # Peak of dense bfloat16 in TFLOP/s, of which 30 % are assumed.
        hours = [work * 1e9 / (0.3 * peak * 1e12) / 3600 for peak in (312, 989)]
        petaflop = round(work * 1e9 / 1e15)
        expected = [petaflop, *(round(x, 2) for x in hours)]
        assert found[preset.stem.removeprefix("train_distilmos_")] == expected
