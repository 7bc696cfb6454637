"""What large runs may want, trained for two epochs: all of it at once."""

import pytest
import torch
from small_trainings import load
from train_options import options

from espnet2_distilmos.tasks.distilmos import DistilMOSTask
from espnet2_distilmos.train.history import read_history
from espnet2_distilmos.train.identity import request_differences
from espnet2_distilmos.utils.errors import UserError

MORE = {
    "loss_conf": "{token_weight: 0.3, regression: mse, margin: 0.25, "
    "regression_level: frame, contrastive_weight: 0.5}",
    "predictor_conf": "{hidden_size: 8, norm: layer}",
    "upstream_lr": 0.001,
    "upstream_layer_decay": 0.9,
    "upstream_steps": 3,
    "ema_decay": 0.8,
    "token_kept": "true",
}


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """Two epochs, the second of which is resumed; and one of two in one go."""
    root = tmp_path_factory.mktemp("large")
    for folder, epochs in (("parts", 1), ("parts", 2), ("whole", 2)):
        cmd = options(corpus, root / folder, **MORE, max_epoch=epochs)
        DistilMOSTask.main(cmd=cmd)
    return root


def test_a_resumed_training_ends_as_an_uninterrupted_one(trained):
    parts, whole = (load(trained / x / "checkpoint.pth") for x in ("parts", "whole"))
    for key in ("model", "optimizers"):
        torch.testing.assert_close(parts[key], whole[key], rtol=0, atol=0)


def test_models_that_are_saved_are_the_average(trained):
    checkpoint = load(trained / "whole/checkpoint.pth")
    saved = load(trained / "whole/2epoch.pth")
    torch.testing.assert_close(saved, checkpoint["model"], rtol=0, atol=0)
    average = checkpoint["optimizers"][0]["average"]
    assert average["model_has_average"] and average["steps"] > 3
    name = "network.predictor.decoder.output.weight"
    assert not torch.equal(average["other_weights"][name], saved[name])
    assert not any("running" in name or "num_batches" in name for name in saved)


def test_the_upstream_has_come_to_rest_at_the_rates_of_its_blocks(trained):
    groups = load(trained / "whole/checkpoint.pth")["optimizers"][0]["param_groups"]
    falling = [group for group in groups if "falling_steps" in group]
    assert {group["falling_steps_left"] for group in falling} == {0}
    # 3 blocks, what is below them, and the CNN; with weight decay and without.
    rates = sorted({group["lr"] for group in falling}, reverse=True)
    assert rates == pytest.approx([0.001 * 0.9**depth for depth in range(5)])
    assert len(groups) > len(falling)


def test_validation_says_how_many_tokens_are_kept(trained):
    history = read_history(trained / "whole/checkpoint.pth")
    kept = [history[epoch]["valid"]["token_kept"] for epoch in (1, 2)]
    assert all(0 < share <= 1 for share in kept)
    assert "token_kept" not in history[1]["train"]


def test_the_model_scores_without_the_training(trained, noise):
    """Its configuration names no folder of centroids, and needs none."""
    from espnet2_distilmos.inference.engine import DistilMOSInference

    folder = trained / "whole"
    engine = DistilMOSInference(folder / "config.yaml", folder / "2epoch.pth")
    assert 0 < engine(noise(1), 16000)["mos"] < 6
    model, _ = DistilMOSTask.build_model_from_file(
        folder / "config.yaml", folder / "2epoch.pth", "cpu"
    )
    assert model.token_kept is None


def test_another_value_is_another_training(corpus, tmp_path):
    from espnet2_distilmos.tasks.begin import _defaults, _request

    def request(**more):
        cmd = options(corpus, tmp_path, **more)
        return _request(DistilMOSTask.get_parser().parse_args(cmd), 1)

    plain = request()
    for name, value in MORE.items():
        found = request_differences(plain, request(**{name: value}), _defaults())
        # What is measured besides decides no weight.
        assert bool(found) == (name != "token_kept"), name
    # Nor does an option that was not there when the training began.
    old = {**plain, "options": dict(plain["options"])}
    for name in ("upstream_layer_decay", "upstream_steps", "ema_decay"):
        del old["options"][name]
    assert request_differences(old, plain, _defaults()) == []


@pytest.mark.parametrize(
    "more, message",
    [
        (
            {
                "loss_conf": "{regression_level: frame}",
                "predictor_conf": "{hidden_size: 8, pooling: attention}",
            },
            "teaches frames, not the weights of predictor_conf pooling: attention",
        ),
        (
            {"loss_conf": "token_weight=0", "token_kept": "true"},
            "--token_kept true needs the tokens",
        ),
        ({"predictor_conf": "norm=group"}, "norm must be batch or layer, not 'group'"),
        ({"ema_decay": 2}, r"ema_decay must be in \(0, 1\), not 2"),
        ({"upstream_layer_decay": 0.9}, "needs --upstream_lr"),
    ],
)
def test_what_is_refused(corpus, tmp_path, more, message):
    with pytest.raises(UserError, match=message):
        DistilMOSTask.main(cmd=options(corpus, tmp_path, **more))
    assert not (tmp_path / "checkpoint.pth").exists()
