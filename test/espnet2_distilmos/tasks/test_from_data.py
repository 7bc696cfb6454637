"""The labels' scale and the number of steps, as the training set has them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from espnet2_distilmos.model.decoder import ScaleOutput
from espnet2_distilmos.model.loss import DistilMOSLoss
from espnet2_distilmos.model.prediction import Prediction
from espnet2_distilmos.model.ratings import Ratings
from espnet2_distilmos.model.regression import LEVELS, REGRESSIONS
from espnet2_distilmos.tasks.from_data import fit_steps, take_label_scale
from espnet2_distilmos.utils.errors import UserError

CONF = Path(__file__).parents[3] / "conf"


@pytest.fixture
def arguments(tmp_path):
    """Options of a training on `n` clips of 2.5 s with labels around 60."""

    def make(n, *more):
        from espnet2_distilmos.tasks.distilmos import DistilMOSTask

        labels = [60 + 10 * (-1) ** i for i in range(n)]
        for name, values in (("utt2mos", labels), ("shape", [40000] * n)):
            lines = (f"u{i:04d} {value}\n" for i, value in enumerate(values))
            (tmp_path / name).write_text("".join(lines))
        data = f"{tmp_path}/utt2mos,mos,text_float"
        cmd = ["--train_data_path_and_name_and_type", data]
        cmd += ["--train_shape_file", str(tmp_path / "shape"), *more]
        return DistilMOSTask.get_parser().parse_args(cmd)

    return make


OWN = [
    CONF / "tuning" / f"train_distilmos_own{name}.yaml"
    for name in ("_mini", "_whisper_tiny", "")
]


@pytest.mark.parametrize("config", OWN, ids=lambda path: path.stem)
@pytest.mark.parametrize("n", [8, 60, 2000])
def test_a_corpus_of_any_size_is_trained_enough(arguments, config, n):
    """The case that failed made 140 steps, of which 50 warmed up."""
    args = arguments(n, "--config", str(config))
    least, bins = args.min_steps, args.batch_bins
    assert least >= 400
    fit_steps(args)
    # ESPnet closes a batch with the clip that goes beyond batch_bins.
    batches = int(np.ceil(n / (bins // 40000 + 1)))
    steps = args.scheduler_conf["max_steps"]
    if batches * args.max_epoch >= least:
        assert args.num_iters_per_epoch is None
        assert steps == batches * args.max_epoch
    else:
        assert steps == args.num_iters_per_epoch * args.max_epoch
        assert least <= steps < least + args.max_epoch
    assert args.scheduler_conf["warmup_ratio"] <= 0.25
    from espnet2.schedulers.tristage_lr import TristageLR

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    assert TristageLR(optimizer, **args.scheduler_conf).warmup_steps <= steps / 4


def test_what_is_given_stays(arguments):
    more = ["--min_steps", "400", "--max_epoch", "10", "--batch_bins", "80000"]
    args = arguments(20, *more, "--num_iters_per_epoch", "7")
    fit_steps(args)
    assert args.num_iters_per_epoch == 7
    args = arguments(20, *more[2:], "--scheduler_conf", "max_steps=99")
    fit_steps(args)
    assert args.scheduler_conf["max_steps"] == 99 and args.num_iters_per_epoch is None


def test_steps_count_batches_that_are_added_up(arguments):
    more = ["--max_epoch", "4", "--batch_bins", "80000", "--accum_grad", "3"]
    more += ["--scheduler_conf", "max_steps=auto"]
    args = arguments(20, *more)  # 7 batches: 2 steps an epoch
    fit_steps(args)
    assert args.scheduler_conf["max_steps"] == 8
    args = arguments(20, *more, "--min_steps", "20")
    fit_steps(args)
    assert args.num_iters_per_epoch == 15
    assert args.scheduler_conf["max_steps"] == 20


def test_other_iterators_are_refused(arguments):
    args = arguments(20, "--min_steps", "20", "--iterator_type", "chunk")
    with pytest.raises(UserError, match="need --iterator_type sequence"):
        fit_steps(args)
    args.num_iters_per_epoch = 7  # then nothing has to be counted
    args.scheduler_conf = {"max_steps": "auto"}
    fit_steps(args)
    assert args.scheduler_conf["max_steps"] == 7 * args.max_epoch


def test_the_label_scale_is_recorded(arguments):
    args = arguments(20, "--standardize_labels", "true", "--loss_conf", "margin=0.5")
    take_label_scale(args)
    assert args.predictor_conf == {"label_mean": 60.0, "label_std": 10.0}
    assert args.loss_conf == {"margin": 0.5, "unit": 10.0}
    # A saved configuration is of its own training set, wherever its data are now.
    args.train_data_path_and_name_and_type = [("gone", "mos", "text_float")]
    take_label_scale(args)
    assert args.predictor_conf["label_mean"] == 60.0


def test_the_label_scale_is_an_option(arguments):
    args = arguments(20)
    take_label_scale(args)
    assert args.predictor_conf == {} and args.loss_conf == {}
    args = arguments(20, "--standardize_labels", "true")
    args.train_data_path_and_name_and_type = [("x", "speech", "sound")]
    with pytest.raises(UserError, match="needs `mos` data"):
        take_label_scale(args)


def test_equal_labels_have_a_scale(arguments, tmp_path):
    args = arguments(3, "--standardize_labels", "true")
    (tmp_path / "utt2mos").write_text("a 3\nb 3\n")
    take_label_scale(args)
    assert args.predictor_conf == {"label_mean": 3.0, "label_std": 1.0}


def test_scores_start_at_the_mean_label():
    x = torch.randn(4, 9, 8)
    torch.manual_seed(0)
    plain = ScaleOutput(8)
    torch.manual_seed(0)
    scaled = ScaleOutput(8, 60.0, 10.0)
    # The same keys, so that checkpoints of both kinds load.
    assert plain.state_dict().keys() == scaled.state_dict().keys() == {"weight", "bias"}
    torch.testing.assert_close(scaled(x), 60 + 10 * (plain(x) - 3))
    scaled.rescale(2.0, -1.0)
    torch.testing.assert_close(scaled(x), -1 + 2 * (60 + 10 * (plain(x) - 3)))
    with pytest.raises(ValueError, match="label_std"):
        ScaleOutput(8, 60.0, 0.0)


@pytest.mark.parametrize("regression", sorted(REGRESSIONS))
@pytest.mark.parametrize("level", LEVELS)
def test_the_loss_weighs_labels_of_any_scale_alike(regression, level):
    """Regression, pairs and ratings; so the token loss counts as much beside them."""
    conf = {"token_weight": 0, "regression": regression, "regression_level": level}
    lengths = torch.tensor([2, 3])
    stats = []
    for unit in (1.0, 20.0):
        frames = unit * torch.tensor([[2.0, 3.0, 9.0], [3.5, 2.5, 4.5]])
        predicted, target = unit * torch.tensor([[2.5, 3.5], [3.5, 2.0]])
        loss = DistilMOSLoss(
            **conf,
            margin=0.25 * unit,
            contrastive_weight=0.5,
            contrastive_margin=0.1 * unit,
            unit=unit,
        )
        made = Prediction(predicted, frames, lengths)
        made.listener_mos, made.listener_frame_mos = predicted[1:], frames[1:]
        one_rating = torch.tensor([[1, 0]]), torch.tensor([4.0 * unit])
        rated = Ratings(*one_rating, torch.tensor([0.5]))
        given = {"ratings": rated, "listener_mos": made.listener_mos, "frames": made}
        stats.append(loss(predicted, target, **given)[1])
    one, many = stats
    torch.testing.assert_close(one["loss"], many["loss"])
    # Stats stay in the units of the labels, as do errors that are shown.
    power = REGRESSIONS[regression].power
    for name in ("mos_loss", "listener_loss"):
        assert one[name] > 0
        torch.testing.assert_close(20.0**power * one[name], many[name])
    torch.testing.assert_close(20 * one["contrastive_loss"], many["contrastive_loss"])


def test_a_unit_is_above_zero():
    with pytest.raises(ValueError, match="unit"):
        DistilMOSLoss(unit=0.0)
