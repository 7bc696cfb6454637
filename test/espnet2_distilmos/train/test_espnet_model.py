"""The model as the trainer sees it: statistics, and tokens that do not fit."""

import pytest
import torch

from espnet2_distilmos.model.loss import DistilMOSLoss
from espnet2_distilmos.model.network import build_network
from espnet2_distilmos.train.espnet_model import ESPnetDistilMOSModel
from espnet2_distilmos.utils.errors import UserError

LENGTHS = [9000, 6000]  # 27 and 18 frames


@pytest.fixture(scope="module")
def make(wavlm_conf):
    def make(token_weight=0.5, n_tokens=8, columns=(0, 1, 2), n_codebooks=1, **conf):
        torch.manual_seed(0)
        conf = {"hidden_size": 8, **conf}
        network = build_network(
            wavlm_conf(), "distilmos", conf, n_tokens, n_codebooks=n_codebooks
        )
        loss = DistilMOSLoss(token_weight=token_weight)
        return ESPnetDistilMOSModel(
            network, loss, n_tokens, list(columns), 3 * n_codebooks
        )

    return make


@pytest.fixture
def batch(batch_of):
    speech, lengths = batch_of(LENGTHS)
    tokens = torch.arange(27 * 3).view(1, 27, 3).repeat(2, 1, 1) % 8
    tokens[1, 18:] = -1
    return {
        "speech": speech,
        "speech_lengths": lengths,
        "mos": torch.tensor([[2.0], [4.5]]),
        "tokens": tokens,
        "tokens_lengths": torch.tensor([27, 18]),
        "utt_id": ["ann", "bob"],
    }


def test_loss_of_a_batch(make, batch):
    model = make().eval()
    retval = model(**batch)
    assert retval["weight"] == 2
    prediction = model.network(batch["speech"], batch["speech_lengths"], True)
    loss, _ = model.loss(
        prediction.mos,
        torch.tensor([2.0, 4.5]),
        prediction.token_logits,
        batch["tokens"],
    )
    torch.testing.assert_close(retval["loss"][0], loss)
    torch.testing.assert_close(retval["predicted"], prediction.mos)
    assert "predicted" not in model.train()(**batch)


def test_columns_and_strides_choose_the_targets(make, batch):
    """A step takes the token of its first frame."""
    model = make(columns=[2, 0], target_layers=[3, 1], strides=[2, 1, 1]).eval()
    prediction = model.network(batch["speech"], batch["speech_lengths"], True)
    assert prediction.lengths.tolist() == [14, 9]
    targets = batch["tokens"][:, 0:27:2][:, :, [2, 0]]
    _, stats = model.loss(
        prediction.mos, torch.tensor([2.0, 4.5]), prediction.token_logits, targets
    )
    found = model(**batch)["stats"]["token_loss"][0]
    torch.testing.assert_close(found, stats["token_loss"])


def test_the_loss_is_the_mean_over_layers_and_codebooks(make, batch):
    """Cross-entropies taken one by one, of the columns that belong to each head."""
    columns = [0, 1, 4, 5]
    model = make(columns=columns, n_codebooks=2, target_layers=[1, 3]).eval()
    batch["tokens"] = torch.cat([batch["tokens"], batch["tokens"].flip(2)], 2)
    logits = model.network(batch["speech"], batch["speech_lengths"], True).token_logits
    losses, right = [], []
    for head, column in zip(logits, columns):
        ids = batch["tokens"][:, :, column]
        keep = ids >= 0
        scores = head.log_softmax(-1)[keep]
        losses.append(-scores[torch.arange(keep.sum()), ids[keep]].mean())
        right.append((scores.argmax(-1) == ids[keep]).float().mean())
    stats = {k: v[0] for k, v in model(**batch)["stats"].items()}
    torch.testing.assert_close(stats["token_loss"], sum(losses) / 4)
    torch.testing.assert_close(stats["token_acc_01"], (right[0] + right[1]) / 2)
    torch.testing.assert_close(stats["token_acc_03"], (right[2] + right[3]) / 2)
    torch.testing.assert_close(stats["codebook_acc_1"], (right[0] + right[2]) / 2)
    torch.testing.assert_close(stats["codebook_acc_2"], (right[1] + right[3]) / 2)
    assert not any(
        "codebook" in name
        for name in make().eval()(**{**batch, "tokens": batch["tokens"][:, :, :3]})[
            "stats"
        ]
    )


def test_another_number_of_codebooks_is_one_line(make, batch):
    model = make(columns=range(6), n_codebooks=2)
    with pytest.raises(
        UserError, match="^ann: 3 tokens a frame, but 3 layers x 2 codebooks are"
    ):
        model(**batch)


def test_a_clip_without_utt_id_can_be_scored(make, batch):
    del batch["utt_id"]
    assert make().eval()(**batch)["loss"].isfinite()


@pytest.mark.parametrize("frames", [26, 28])
def test_tokens_of_other_frames_than_the_batch_are_one_line(make, batch, frames):
    batch["tokens"] = torch.zeros(2, frames, 3, dtype=torch.int64)
    with pytest.raises(
        UserError, match=f"^a batch with ann: {frames} steps of tokens, but 27 of"
    ):
        make()(**batch)


def test_a_training_step_waits_for_no_value_of_the_tokens(make, batch):
    """Tensors without values, of which nothing but shapes can be asked."""
    model = make(columns=[2, 0], target_layers=[3, 1], strides=[2, 1, 1])
    prediction = model.network(batch["speech"], batch["speech_lengths"], True)
    targets = model._targets(["ann"], batch["tokens"].to("meta"), prediction)
    assert targets.shape == (2, 14, 2)
    with pytest.raises(RuntimeError, match="meta"):
        bool((batch["tokens"].to("meta") < 0).any())


def test_missing_tokens_are_one_line(make, batch):
    del batch["tokens"], batch["tokens_lengths"]
    with pytest.raises(UserError, match="needs `tokens` data.*token_weight to 0"):
        make()(**batch)


def test_without_token_weight_tokens_are_not_looked_at(make, batch):
    model = make(token_weight=0, n_tokens=0, columns=()).eval()
    with_tokens = model(**batch)["loss"]
    del batch["tokens"], batch["tokens_lengths"]
    assert model(**batch)["loss"] == with_tokens
    assert model(**batch)["stats"].keys() == {"loss", "mos_loss"}


def test_statistics_need_no_upstream(make, batch):
    assert make().collect_feats(**batch) == {}
    assert make().extract_feats_in_collect_stats is False
