"""Trainings on crops, batches drawn anew and corpora in equal shares."""

import copy
import shutil

import pytest
import torch
from small_trainings import load, options, train

from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.packs.describe import describe_model
from espnet2_distilmos.tasks.distilmos import DistilMOSTask
from espnet2_distilmos.train.history import read_history
from espnet2_distilmos.train.identity import request_differences, training_request
from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.files import read_yaml

DRAWN = ("--batch_spread", "0.3", "--corpus_exponent", "0", "--crop_seconds", "0.4")


@pytest.fixture(scope="module")
def joint(corpus, tmp_path_factory):
    """The corpus as two, of which the second has three clips of twelve."""
    found = copy.copy(corpus)
    found.raw = tmp_path_factory.mktemp("joint")
    for part in ("train", "valid"):
        shutil.copytree(corpus.raw / part, found.raw / part)
        data = DataDir.load(found.raw / part)
        data.corpora = {u: "ab"[i % 4 == 0] for i, u in enumerate(data.wavs)}
        data.save(found.raw / part)
    return found


def with_tokens(joint):
    words = ["--token_provenance", str(joint.provenance)]
    words += ["--loss_conf", "token_weight=0.3", "--loss_conf", "contrastive_weight=1"]
    for part in ("train", "valid"):
        tokens = f"{joint.kmeans}/{part}/tokens.scp,tokens,kaldi_ark"
        words += [f"--{part}_data_path_and_name_and_type", tokens]
    return words


def test_a_resumed_training_is_that_of_one_go(joint, tmp_path):
    """With a worker in the place of none, too: no draw is a worker's."""
    more = [*with_tokens(joint), *DRAWN]
    kwargs = {"data": ("corpus",)}
    train(joint, tmp_path / "one", *more, **kwargs)
    two = tmp_path / "two"
    train(joint, two, *more, "--max_epoch", "1", "--num_workers", "1", **kwargs)
    train(joint, two, *more, "--num_workers", "1", **kwargs)
    a, b = (load(tmp_path / x / "checkpoint.pth")["model"] for x in ("one", "two"))
    assert [k for k in a if not torch.equal(a[k], b[k])] == []
    history = read_history(two / "checkpoint.pth")
    assert history[2]["train"]["contrastive_loss"] > 0
    assert history[2]["train"]["token_loss"] > 0
    # As many batches as ESPnet makes of these crops, in both epochs.
    assert history[2]["train"]["total_count"] == 2 * history[1]["train"]["total_count"]
    config = read_yaml(two / "config.yaml")
    assert (config["crop_seconds"], config["crop_unit"]) == (0.4, 320)
    shown = describe_model(str(two / "valid.srcc.best.pth"))
    assert shown["trained on"] == "random crops of at most 0.4 s"
    # That model scores crops, of the length that it was trained on.
    engine = DistilMOSInference(None, two / "valid.srcc.best.pth", crops=3)
    assert engine.windows.size == 6400


def test_every_option_has_a_part_in_the_weights(joint, tmp_path):
    """And the folder of a training is refused to one with another value."""
    weights, requests = {}, {}
    parser = DistilMOSTask.get_parser()
    defaults = vars(parser.parse_args([]))
    for name in ("", "batch_spread", "corpus_exponent", "crop_seconds"):
        more = [*with_tokens(joint), "--max_epoch", "1"]
        if name:
            more += DRAWN[DRAWN.index(f"--{name}") :][:2]
        cmd = options(joint, tmp_path / name, *more, data=("corpus",))
        requests[name] = training_request(vars(parser.parse_args(cmd)), 1)
        told = request_differences(requests[""], requests[name], defaults)
        assert len(told) == bool(name) and all(name in text for text in told)
        if not name:
            continue
        folder = train(joint, tmp_path / f"m{name}", *more, data=("corpus",))
        states = load(folder / "checkpoint.pth")["model"]
        weights[name] = torch.cat([x.double().flatten() for x in states.values()])
    for name, values in weights.items():
        assert torch.isfinite(values).all()
        for other in weights:
            assert (other == name) == torch.equal(values, weights[other])
