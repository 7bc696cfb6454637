"""What the token loss is held against, trained for two epochs: all of it at once."""

import pytest
import torch
from small_trainings import load
from train_options import options

from espnet2_distilmos.tasks.distilmos import DistilMOSTask
from espnet2_distilmos.train.history import read_history
from espnet2_distilmos.train.identity import request_differences
from espnet2_distilmos.utils.errors import UserError

LOSS = {
    "token_weight": 0.3,
    "state_weight": 0.2,
    "l2sp_weight": 0.05,
    "token_layer_weights": [1.0, 0.0, 2.0],
    "token_average": "clip",
    "token_targets": "soft",
    "token_temperature": 0.3,
}
MORE = {
    "loss_conf": LOSS,
    "upstream_conf": "frozen_layers=1",
    "optim_conf": "{lr: 0.003, weight_decay: 0.01}",
}


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """Two epochs, the second of which is resumed; and two in one go."""
    root = tmp_path_factory.mktemp("held")
    for folder, epochs in (("parts", 1), ("parts", 2), ("whole", 2)):
        DistilMOSTask.main(cmd=options(corpus, root / folder, **MORE, max_epoch=epochs))
    return root


def test_a_resumed_training_ends_as_an_uninterrupted_one(trained):
    """The start is the pretrained one, not where the training was resumed."""
    parts, whole = (load(trained / x / "checkpoint.pth") for x in ("parts", "whole"))
    for key in ("model", "optimizers"):
        torch.testing.assert_close(parts[key], whole[key], rtol=0, atol=0)
    names = whole["model"].keys()
    assert all(
        n.startswith(("network.upstream.model.", "network.predictor.")) for n in names
    )
    # The heads' matrices have weight decay, the upstream has none.
    groups = whole["optimizers"][0]["param_groups"]
    decays = {g["weight_decay"]: len(g["params"]) for g in groups}
    shapes = {n: x.dim() for n, x in whole["model"].items() if "predictor" in n}
    assert decays[0.01] == sum(dim > 1 for dim in shapes.values())


def test_the_log_has_each_and_the_loss_is_their_sum(trained):
    history = read_history(trained / "whole/checkpoint.pth")
    for part in ("train", "valid"):
        first, second = (history[epoch][part] for epoch in (1, 2))
        for stats in (first, second):
            assert stats["loss"] == pytest.approx(
                stats["mos_loss"]
                + 0.3 * stats["token_loss"]
                + 0.2 * stats["state_loss"]
                + 0.05 * stats["l2sp"],
                rel=1e-5,
            )
        assert 0 < first["l2sp"] < second["l2sp"]
    # It is measured from the pretrained weights on.
    start = DistilMOSTask.build_model_from_file(trained / "whole/config.yaml")[0]
    now = load(trained / "whole/2epoch.pth")
    moved = sum(
        (now[f"network.upstream.{n}"] - p).square().sum().item() / 2
        for n, p in start.network.upstream.named_parameters()
        if p.requires_grad
    )
    assert history[2]["valid"]["l2sp"] == pytest.approx(moved, rel=1e-4)


def test_the_model_scores_without_what_held_it(trained, noise):
    from espnet2_distilmos.inference.engine import DistilMOSInference

    folder = trained / "whole"
    engine = DistilMOSInference(folder / "config.yaml", folder / "2epoch.pth")
    assert 0 < engine(noise(1), 16000)["mos"] < 6


def test_another_value_is_another_training(corpus, tmp_path):
    from espnet2_distilmos.tasks.begin import _defaults, _request

    def request(loss):
        cmd = options(corpus, tmp_path, loss_conf=loss)
        return _request(DistilMOSTask.get_parser().parse_args(cmd), 1)

    plain = request({"token_weight": 0.3})
    for name, value in LOSS.items():
        if name != "token_weight":
            new = request({"token_weight": 0.3, name: value})
            assert request_differences(plain, new, _defaults()), name


@pytest.mark.parametrize(
    "upstream, message",
    [
        ("frozen_layers=0", "need frozen_layers of 1 or more"),
        ("frozen_layers=1", "soft is for one codebook a layer"),
    ],
)
def test_soft_targets_that_cannot_be_made(
    upstream, message, corpus, tmp_path, monkeypatch
):
    from espnet2_distilmos.train import soft_targets

    monkeypatch.setattr(soft_targets, "n_codebooks_of", lambda provenance: 2)
    more = {"loss_conf": "token_targets=soft", "upstream_conf": upstream}
    with pytest.raises(UserError, match=message):
        DistilMOSTask.main(cmd=options(corpus, tmp_path, **more))


def test_as_many_weights_as_layers(corpus, tmp_path):
    loss = {"token_layer_weights": [1.0, 2.0]}
    cmd = options(corpus, tmp_path, loss_conf=loss)
    with pytest.raises(UserError, match="has 2 weights, but tokens of 3 layers are"):
        DistilMOSTask.main(cmd=cmd)
    assert not (tmp_path / "checkpoint.pth").exists()
