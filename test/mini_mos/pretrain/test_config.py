"""What the configuration of a pretraining may be."""

from pathlib import Path

import pytest
import yaml
from pretrain_work import CONFIG

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml
from mini_mos.pretrain import trainer
from mini_mos.pretrain.config import TrainConfig, read_config


@pytest.mark.parametrize(
    "change, message",
    [
        ({"speed": 1}, "speed"),
        ({"targets": {"band": 3}}, "band; known"),
        ({"train": {"batch": 2.5}}, "batch must be a whole number"),
        ({"iterations": []}, "must be a list"),
    ],
)
def test_a_wrong_configuration_is_one_line(tmp_path, change, message):
    path = tmp_path / "conf.yaml"
    path.write_text(yaml.safe_dump({**CONFIG, **change}))
    with pytest.raises(UserError, match=message):
        read_config(path)


def test_the_shipped_configuration_has_what_the_upstream_has():
    root = Path(__file__).parents[3]
    config = read_config(root / "egs2/mini_mos/ssl1/conf/pretrain_mini.yaml")
    random = read_yaml(root / "conf/upstream/mini_random.yaml")["random_init"]
    assert random["config"] == config.model
    assert len(config.iterations) == 2


def test_learning_rate_warms_up_and_falls():
    config = TrainConfig(steps=100, lr=1.0, warmup=10, final_lr=0.05)
    rates = [trainer.learning_rate(config, s) for s in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) > 0.95
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.05, abs=0.01)
