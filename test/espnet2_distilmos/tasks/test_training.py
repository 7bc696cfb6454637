"""Training through the task: what it writes, repeats and resumes."""

import logging

import pytest
import torch
from small_trainings import load
from train_options import options

from espnet2_distilmos.tasks.distilmos import DistilMOSTask
from espnet2_distilmos.train.espnet_model import ESPnetDistilMOSModel
from espnet2_distilmos.train.history import layer_weights_of, read_history
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml


def train(corpus, output_dir, **more):
    """Train in this process; returns the folder."""
    root = logging.getLogger()
    level = root.level
    try:
        DistilMOSTask.main(cmd=options(corpus, output_dir, **more))
    finally:
        root.setLevel(level)
    return output_dir


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """Two epochs, uninterrupted."""
    return train(corpus, tmp_path_factory.mktemp("exp") / "whole")


def same_checkpoint(a, b):
    """Model, optimiser and scheduler states are the same bit by bit."""
    a, b = load(a / "checkpoint.pth"), load(b / "checkpoint.pth")
    assert a["model"].keys() == b["model"].keys()
    different = [k for k in a["model"] if not torch.equal(a["model"][k], b["model"][k])]
    assert different == []
    torch.testing.assert_close(a["optimizers"], b["optimizers"], rtol=0, atol=0)


def test_files(trained):
    names = {p.name for p in trained.iterdir()}
    assert {"config.yaml", "checkpoint.pth", "valid.srcc.best.pth"} <= names
    best = load(trained / "valid.srcc.best.pth")
    assert any(k.startswith("network.upstream.model.encoder") for k in best)


def test_training_changes_upstream_heads_and_layer_weights(trained, corpus):
    first = load(corpus.conf["path_or_url"])["model"]
    last = load(trained / "checkpoint.pth")["model"]
    for name in ("encoder.layers.2.fc1.weight", "post_extract_proj.weight"):
        assert not torch.equal(first[name], last[f"network.upstream.model.{name}"])
    assert last["network.predictor.weighting.logits"].abs().max() > 0
    assert last["network.predictor.frame_encoder.blocks.0.norm.num_batches_tracked"] > 2


def test_history_holds_whole_set_correlations_and_layer_weights(trained):
    history = read_history(trained / "checkpoint.pth")
    assert sorted(history) == [1, 2]
    for parts in history.values():
        valid = parts["valid"]
        assert {"loss", "mos_loss", "token_loss", "token_acc", "srcc", "lcc"} <= set(
            valid
        )
        assert all(-1 <= valid[n] <= 1 for n in ("srcc", "lcc", "sys_srcc"))
        assert valid["loss"] == pytest.approx(
            valid["mos_loss"] + 0.3 * valid["token_loss"], rel=1e-5
        )
        assert parts["train"]["token_loss"] > 0
    layers, weights = layer_weights_of(history)
    assert layers == [1, 2, 3] and len(weights) == 2
    assert all(sum(row) == pytest.approx(1, abs=1e-5) for row in weights)
    assert history[2]["train"]["loss"] < history[1]["train"]["loss"]


def test_srcc_is_that_of_the_whole_set(trained, corpus):
    """Figures of the last epoch against the engine, clip by clip."""
    from scipy.stats import spearmanr

    from espnet2_distilmos.inference.engine import DistilMOSInference
    from espnet2_distilmos.utils.audio import read_audio
    from espnet2_distilmos.utils.datadir import DataDir

    data = DataDir.load(corpus.raw / "valid")
    model = DistilMOSInference(trained / "config.yaml", trained / "checkpoint.pth")
    scores = [model(*read_audio(path))["mos"] for path in data.wavs.values()]
    expected = spearmanr(scores, list(data.mos.values())).statistic
    history = read_history(trained / "checkpoint.pth")
    assert history[2]["valid"]["srcc"] == pytest.approx(expected, abs=1e-6)


def test_config_is_complete_without_other_files(trained, corpus):
    """What a model needs to be built is inlined; nothing names the YAML files."""
    config = read_yaml(trained / "config.yaml")
    assert config["upstream_conf"] == corpus.conf
    assert config["upstream_config"] is None and config["token_provenance"] is None
    assert config["token_conf"]["n_clusters"] == 8
    assert config["token_conf"]["layers"] == [1, 2, 3]
    assert config["predictor_conf"] == {"hidden_size": 8}
    text = (trained / "config.yaml").read_text()
    assert "tiny.yaml" not in text and "provenance.yaml" not in text
    assert "!!python" not in text


def test_same_seed_same_checkpoint(trained, corpus, tmp_path):
    same_checkpoint(train(corpus, tmp_path / "again"), trained)


def test_another_seed_another_checkpoint(trained, corpus, tmp_path):
    other = train(corpus, tmp_path / "other", seed=8)
    with pytest.raises(AssertionError):
        same_checkpoint(other, trained)


def test_resumed_training_ends_as_an_uninterrupted_one(trained, corpus, tmp_path):
    train(corpus, tmp_path, max_epoch=1)
    assert sorted(read_history(tmp_path / "checkpoint.pth")) == [1]
    train(corpus, tmp_path)
    same_checkpoint(tmp_path, trained)
    assert read_history(tmp_path / "checkpoint.pth").keys() == {1, 2}


def test_a_stopped_training_ends_as_an_uninterrupted_one(
    trained, corpus, tmp_path, monkeypatch
):
    """Stopped in the middle of epoch 2, then started again."""
    modes, forward = [], ESPnetDistilMOSModel.forward

    def dying(self, *args, **kwargs):
        modes.append(self.training)
        if False in modes and modes[-2:] == [True, True]:
            raise KeyboardInterrupt
        return forward(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(ESPnetDistilMOSModel, "forward", dying)
        with pytest.raises(KeyboardInterrupt):
            train(corpus, tmp_path)
    assert sorted(read_history(tmp_path / "checkpoint.pth")) == [1]
    train(corpus, tmp_path)
    same_checkpoint(tmp_path, trained)


def test_a_gradient_that_made_no_step_is_left_behind(corpus, tmp_path):
    """Three batches, two a step: else a resumed training would lack the third."""
    made = {"accum_grad": 2}
    whole = train(corpus, tmp_path / "whole", **made)
    history = read_history(whole / "checkpoint.pth")
    assert history[1]["train"]["total_count"] == 3
    train(corpus, tmp_path / "parts", **made, max_epoch=1)
    same_checkpoint(train(corpus, tmp_path / "parts", **made), whole)


@pytest.mark.parametrize(
    "words",
    [
        "--best_model_criterion valid,srrc,max",
        "--patience 1 --early_stopping_criterion valid srrc max",
    ],
)
def test_a_misspelt_criterion_ends_the_first_epoch(words, corpus, tmp_path):
    with pytest.raises(UserError, match=r"valid,srrc,max: .* mos_loss, .* sys_srcc"):
        DistilMOSTask.main(cmd=[*options(corpus, tmp_path), *words.split()])
    assert not (tmp_path / "checkpoint.pth").exists()


def test_without_tokens(corpus, tmp_path):
    train(
        corpus,
        tmp_path,
        max_epoch=1,
        token_provenance=None,
        predictor="sslmos",
        predictor_conf=None,
        loss_conf="token_weight=0",
    )
    history = read_history(tmp_path / "checkpoint.pth")
    assert "token_loss" not in history[1]["train"]
    assert layer_weights_of(history) == ([], [])


def test_tokens_of_another_upstream_are_one_line(corpus, tmp_path, capsys):
    cmd = options(corpus, tmp_path, upstream_conf="normalize=true")
    assert run(lambda cmd: DistilMOSTask.main(cmd=cmd), cmd) == 1
    last = capsys.readouterr().err.strip().split("\n")[-1]
    assert last.startswith("error: the tokens were made with another upstream: norm")


def test_tokens_of_other_weights_are_refused(corpus, tmp_path, upstream_of, wavlm_conf):
    upstream_of("post", 0)
    other = f"path_or_url={wavlm_conf('post', 0)['path_or_url']}"
    with pytest.raises(UserError, match="weights_sha256"):
        train(corpus, tmp_path, upstream_conf=other)
    assert not (tmp_path / "config.yaml").exists()
