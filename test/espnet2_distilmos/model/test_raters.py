"""Corpus offsets and listener modelling: what they change, and what they leave."""

import pytest
import torch
from rated_clips import COUNTS, RATINGS
from small_predictors import maker_of, two_clips

from espnet2_distilmos.model.corpus_offset import MEAN_CORPUS, CorpusOffset
from espnet2_distilmos.model.listeners import ListenerEmbedding
from espnet2_distilmos.model.loss import DistilMOSLoss
from espnet2_distilmos.model.network import build_network
from espnet2_distilmos.train.espnet_model import ESPnetDistilMOSModel
from espnet2_distilmos.utils.errors import UserError

CORPORA = ["ann", "bob", "cid"]
LISTENERS = ["L1", "L2"]


@pytest.fixture(params=["mean", "attention", "sslmos"])
def make(request):
    return maker_of(request.param)


@pytest.fixture
def states():
    return two_clips()


def stir(predictor):
    """Give offsets and listeners, which start at zero, something to say."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        if predictor.corpus_offset is not None:
            predictor.corpus_offset.raw.copy_(torch.tensor([0.5, -0.25, 1.0]))
        if predictor.listeners is not None:
            table = predictor.listeners.table
            table.copy_(torch.randn(table.shape, generator=generator))
    return predictor


def test_off_there_is_nothing_of_them(make, states):
    predictor = make()
    assert predictor.corpus_offset is None and predictor.listeners is None
    assert not any(k.startswith(("corpus", "listener")) for k in predictor.state_dict())
    prediction = predictor(*states)
    assert prediction.listener_mos is None
    # A corpus has no meaning then.
    other = predictor(*states, corpus=torch.tensor([0, 1]))
    assert torch.equal(prediction.mos, other.mos)


def test_all_else_starts_as_without_them(make, states):
    plain, full = make(), make(corpora=CORPORA, listeners=LISTENERS)
    extra = {k: v for k, v in full.state_dict().items() if k not in plain.state_dict()}
    assert extra.keys() == {"corpus_offset.raw", "listeners.table"}
    assert not any(v.any() for v in extra.values())
    for key, value in plain.state_dict().items():
        assert torch.equal(value, full.state_dict()[key])
    assert torch.equal(plain(*states).frame_mos, full(*states).frame_mos)


def test_offsets_move_scores_and_frames(make, states):
    predictor = stir(make(corpora=CORPORA))
    mean = predictor(*states)
    found = predictor(*states, corpus=torch.tensor([2, 1]))
    offsets = torch.tensor([1.0, -0.25]) - 1.25 / 3
    torch.testing.assert_close(found.mos, mean.mos + offsets)
    torch.testing.assert_close(found.frame_mos, mean.frame_mos + offsets[:, None])
    nobody = predictor(*states, corpus=torch.full((2,), MEAN_CORPUS))
    assert torch.equal(nobody.mos, mean.mos)


def test_offsets_have_mean_zero_and_one_gauge():
    offset = CorpusOffset(CORPORA)
    with torch.no_grad():
        offset.raw.copy_(torch.tensor([3.0, 4.0, 8.0]))
    assert offset.values().tolist() == [-2.0, -1.0, 3.0]
    assert offset(torch.tensor([2, MEAN_CORPUS, 0])).tolist() == [3.0, 0.0, -2.0]
    offset(torch.tensor([0, 0, 1])).sum().backward()
    # What all share has no gradient: it belongs to the bias of the output.
    assert offset.raw.grad.sum().abs() < 1e-6 and offset.raw.grad.abs().max() > 0.5
    with pytest.raises(ValueError, match="at least two corpora"):
        CorpusOffset(["ann"])


def test_a_pair_is_scored_as_by_that_listener(make, states):
    predictor = stir(make(corpora=CORPORA, listeners=LISTENERS))
    corpus = torch.tensor([0, 2])
    pairs = torch.tensor([[1, 2], [0, 1], [1, 1], [1, 0]])
    found = predictor(*states, corpus=corpus, pairs=pairs)
    assert torch.equal(found.mos, predictor(*states, corpus=corpus).mos)
    assert found.frame_mos.shape == (2, 9)
    for (row, listener), score in zip(pairs.tolist(), found.listener_mos):
        alone = stir(make(corpora=CORPORA, listeners=LISTENERS))
        with torch.no_grad():
            alone.listeners.table[0] = predictor.listeners.table[listener]
        layers = [x[row : row + 1, : states[1][row]] for x in states[0]]
        one = slice(row, row + 1)
        expected = alone(layers, states[1][one], corpus=corpus[one]).mos
        torch.testing.assert_close(score, expected[0])
    assert len({round(s, 4) for s in found.listener_mos[:3].tolist()}) == 3


def test_embedding_rows():
    embedding = ListenerEmbedding(LISTENERS, 2)
    with torch.no_grad():
        embedding.table.copy_(torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]))
    assert embedding(2).tolist() == [[0, 1], [0, 1]]
    pairs = torch.tensor([[1, 2], [0, 1]])
    assert embedding(1, pairs).tolist() == [[0, 1], [4, 5], [2, 3]]


@pytest.fixture
def whole(wavlm_conf):
    """Function: the model as ESPnet trains it, on a frozen tiny upstream."""

    def make(**conf):
        torch.manual_seed(0)
        network = build_network(
            wavlm_conf(freeze=True), "distilmos", {"hidden_size": 8, **conf}
        )
        loss = DistilMOSLoss(token_weight=0, ratings_per_clip=2)
        return ESPnetDistilMOSModel(network, loss, corpora=conf.get("corpora", ()))

    return make


@pytest.fixture
def batch(batch_of):
    speech, lengths = batch_of([6000, 4000, 5000])
    return {
        "speech": speech,
        "speech_lengths": lengths,
        "mos": torch.tensor([[2.0], [4.5], [3.0]]),
    }


def test_validation_depends_on_no_draw_of_listeners(whole, batch):
    model = stir_whole(whole(listeners=[f"L{i}" for i in range(1, 6)]))
    rated = {**batch, "ratings": RATINGS, "ratings_lengths": COUNTS}
    found = []
    for seed, given in ((0, batch), (1, rated), (2, rated)):
        torch.manual_seed(seed)
        found.append(model.eval()(**given))
        assert found[-1]["stats"].keys() == {"loss", "mos_loss"}
    assert all(torch.equal(found[0]["predicted"], x["predicted"]) for x in found)
    assert all(torch.equal(found[0]["loss"], x["loss"]) for x in found)
    # In training the ratings count, and which ones is drawn.
    losses = set()
    for seed in range(3):
        torch.manual_seed(seed)
        model.train()
        model.network.predictor.eval()  # no dropout: the draw alone
        losses.add(round(model(**rated)["stats"]["listener_loss"].item(), 5))
    assert len(losses) > 1


def stir_whole(model):
    stir(model.network.predictor)
    return model


def test_every_parameter_has_a_gradient_also_without_ratings(whole, batch):
    """Or DDP stops at a batch that nobody has rated."""
    model = whole(listeners=LISTENERS, corpora=CORPORA).train()
    nothing = {"ratings": torch.zeros(3, 0, 2), "ratings_lengths": torch.zeros(3).int()}
    retval = model(**batch, **nothing, corpus=torch.tensor([[0], [1], [1]]))
    assert retval["stats"]["listener_loss"].item() == 0
    retval["loss"].backward()
    missing = [
        n for n, p in model.named_parameters() if p.requires_grad and p.grad is None
    ]
    assert missing == []


def test_missing_data_are_one_line(whole, batch):
    with pytest.raises(UserError, match="needs `ratings` data.*--listeners false"):
        whole(listeners=LISTENERS).train()(**batch)
    model = whole(corpora=CORPORA)
    with pytest.raises(UserError, match="need `corpus` data.*--corpus_offset false"):
        model.train()(**batch)
    assert model.eval()(**batch)["predicted"].isfinite().all()


def fit(model, batch, steps, lr=0.02):
    """Train the predictor of `model` on one batch; without dropout."""
    model.train()
    with torch.no_grad():
        states = model.network.upstream(batch["speech"], batch["speech_lengths"])
    model.network.upstream.forward = lambda *_: states  # frozen: always the same
    model.network.predictor.decoder.dropout.p = 0.0
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        model(**batch)["loss"].sum().backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def test_offsets_learn_a_planted_bias(whole, batch_of):
    """The same three clips in two corpora, one of which scores 1.2 higher."""
    speech, lengths = batch_of([3000, 4000, 5000])
    mos = torch.tensor([2.0, 3.5, 2.5])
    batch = {
        "speech": speech.repeat(2, 1),
        "speech_lengths": lengths.repeat(2),
        "mos": torch.cat([mos - 0.6, mos + 0.6]).unsqueeze(1),
        "corpus": torch.tensor([0, 0, 0, 1, 1, 1]).unsqueeze(1),
    }
    model = fit(whole(corpora=["low", "high"]), batch, 80)
    low, high = model.network.predictor.corpus_offset.values().tolist()
    assert low == pytest.approx(-0.6, abs=0.1) and high == pytest.approx(-low)
    # Without a corpus: the middle of the two scales.
    predicted = model.network(batch["speech"], batch["speech_lengths"]).mos
    torch.testing.assert_close(predicted, mos.repeat(2), atol=0.25, rtol=0)


def test_listeners_learn_a_planted_bias(whole, batch_of):
    """L1 gives 1 less than the label, L2 as much more; the mean listener neither."""
    speech, lengths = batch_of([3000, 4000, 5000])
    mos = torch.tensor([2.0, 3.5, 2.5])
    ratings = torch.stack(
        [
            torch.stack([torch.full((3,), float(who)), mos + bias], dim=1)
            for who, bias in ((1, -1.0), (2, 1.0))
        ],
        dim=1,
    )
    batch = {
        "speech": speech,
        "speech_lengths": lengths,
        "mos": mos.unsqueeze(1),
        "ratings": ratings,
        "ratings_lengths": torch.tensor([2, 2, 2]),
    }
    model = fit(whole(listeners=LISTENERS), batch, 80)
    pairs = torch.tensor([[row, who] for row in range(3) for who in (1, 2)])
    with torch.no_grad():
        prediction = model.network(speech, lengths, pairs=pairs)
    torch.testing.assert_close(prediction.mos, mos, atol=0.25, rtol=0)
    bias = prediction.listener_mos.view(3, 2) - prediction.mos.unsqueeze(1)
    expected = torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(bias.mean(0), expected, atol=0.2, rtol=0)
