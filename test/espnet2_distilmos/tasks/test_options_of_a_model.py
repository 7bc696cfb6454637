"""Options that are looked at where the model is known: of processes, of schedules."""

import pytest

from espnet2_distilmos.tasks.distilmos import DistilMOSTask
from espnet2_distilmos.utils.errors import UserError


@pytest.fixture(scope="module")
def parse(corpus):
    """Function: options to arguments of an SSL-MOS on the corpus' upstream."""
    parser = DistilMOSTask.get_parser()
    given = ["--upstream_config", str(corpus.upstream), "--output_dir", "unused"]
    given += ["--loss_conf", "token_weight=0", "--predictor", "sslmos"]
    return lambda *options: parser.parse_args([*given, *options])


@pytest.mark.parametrize(
    "conf, processes, expected",
    [
        ("{layerdrop: 0.1}", 2, True),
        ("{layerdrop: 0.1}", 1, False),
        ("{layerdrop: 0.0}", 2, False),
        ("{layerdrop: 0.1, freeze: true}", 2, False),
        ("{layerdrop: 0.1, frozen_layers: 2, layers: [1, 2]}", 2, False),
    ],
)
def test_processes_do_not_wait_for_skipped_blocks(
    conf, processes, expected, parse, monkeypatch
):
    monkeypatch.setattr(
        "espnet2_distilmos.tasks.options.many_processes", lambda: processes > 1
    )
    args = parse("--upstream_conf", conf)
    DistilMOSTask.build_optimizers(args, DistilMOSTask.build_model(args))
    assert args.unused_parameters is expected


TRISTAGE = "{max_steps: 9, warmup_ratio: 0.2, hold_ratio: 0.3, decay_ratio: 0.5}"


@pytest.mark.parametrize(
    "name, conf, message",
    [
        ("tristagelr", "warmup_ratio=0.9", "AssertionError: The sum of warmup_ratio"),
        ("tristagelr", "warmup_steps=9", "TypeError: .* 'warmup_steps'"),
        ("tristagelr", "max_steps=many", "max_steps"),
        ("warmuplr", TRISTAGE, "TypeError: .* 'max_steps'"),
    ],
)
def test_a_schedule_that_cannot_be_is_one_line(name, conf, message, parse):
    model = DistilMOSTask.build_model(parse())

    def optimizers(name, conf):
        schedule = ("--scheduler", name, "--scheduler_conf", conf)
        return DistilMOSTask.build_optimizers(parse(*schedule), model)

    with pytest.raises(UserError, match=f"^scheduler_conf .*{message}"):
        optimizers(name, conf)
    # The one that is trained with has seen no scheduler yet.
    (optimizer,) = optimizers("tristagelr", TRISTAGE)
    assert all("initial_lr" not in group for group in optimizer.param_groups)
