"""Batches that are drawn anew, and corpora in equal shares, without a training."""

import numpy as np
import pytest
import torch
from espnet2.train.distributed_utils import DistributedOption

from espnet2_distilmos.model.loss import ContrastiveLoss
from espnet2_distilmos.tasks.distilmos import DistilMOSTask
from espnet2_distilmos.tasks.from_data import fit_steps
from espnet2_distilmos.train.batches import check_options, fixed_batches, train_batches
from espnet2_distilmos.train.draw import corpus_counts, cut, similar_lengths
from espnet2_distilmos.utils.errors import UserError

N = 60


@pytest.fixture
def arguments(tmp_path):
    """Options of a training on 60 clips of 1 to 4 s: 48 of corpus a, 12 of b."""

    def make(*more, n=N, lengths=None, corpora=lambda i: "b" if i % 5 == 0 else "a"):
        lengths = lengths or [16000 + 800 * (i * 7 % n) for i in range(n)]
        for name, values in {
            "utt2mos": [1 + i % 5 for i in range(n)],
            "shape": lengths,
            "utt2corpus": [corpora(i) for i in range(n)],
        }.items():
            lines = (f"u{i:04d} {value}\n" for i, value in enumerate(values))
            (tmp_path / name).write_text("".join(lines))
        cmd = ["--train_shape_file", str(tmp_path / "shape")]
        for data in ("utt2mos,mos,text_float", "utt2corpus,corpus,text"):
            cmd += ["--train_data_path_and_name_and_type", f"{tmp_path}/{data}"]
        cmd += ["--batch_bins", "300000", "--seed", "3", *more]
        return DistilMOSTask.get_parser().parse_args(cmd)

    return make


def lengths_of(args):
    lines = open(args.train_shape_file[0]).read().splitlines()
    return {line.split()[0]: int(line.split()[1]) for line in lines}


def companions(batches):
    """Pairs of clips that share a batch."""
    return {
        frozenset((a, b)) for batch in batches for a in batch for b in batch if a != b
    }


SPREAD = ("--batch_spread", "0.3")


def test_batches_are_others_in_every_pass_and_the_same_again(arguments):
    args = arguments(*SPREAD)
    sampler, again = (train_batches(args, False) for _ in range(2))
    passes = [sampler.generate(3 + i) for i in (1, 2)]
    assert passes[0] == again.generate(4) and passes[1] == again.generate(5)
    assert companions(passes[0]) != companions(passes[1])
    for batches in passes:
        assert sorted(u for batch in batches for u in batch) == sorted(lengths_of(args))
    # Without, the composition is the same: an epoch draws the order alone.
    fixed = train_batches(arguments(), False)
    assert companions(fixed.generate(4)) == companions(fixed.generate(5))
    assert train_batches(arguments(*SPREAD, "--seed", "4"), False).generate(5) not in (
        *passes,
        [],
    )


def test_batches_are_as_many_as_before_and_of_similar_lengths(arguments):
    args = arguments(*SPREAD)
    before, sizes = fixed_batches(arguments(), 1), lengths_of(args)
    sampler = train_batches(args, False)
    assert len(sampler) == len(before)
    for number in range(1, 6):
        batches = sampler.generate(3 + number)
        assert len(batches) == len(before)
        for batch in batches:
            found = [sizes[utt] for utt in batch]
            assert found == sorted(found, reverse=True)
            assert len(batch) * found[0] <= 1.5 * args.batch_bins
    # The least that can lie together: within a factor of 1.3 / 0.7 of a border.
    rng = np.random.default_rng(0)
    order = similar_lengths(sorted(sizes), sizes, 0.3, rng)
    ranks = np.array([sizes[utt] for utt in order])
    assert (ranks[1:] / ranks[:-1]).max() < (1.3 / 0.7) * 1.1
    # A schedule that is fitted to the number of batches stays as it was.
    steps = []
    for given in (arguments("--min_steps", "900"), arguments("--min_steps", "900")):
        given.batch_spread = 0.3 * len(steps)
        given.scheduler_conf = {"max_steps": "auto"}
        fit_steps(given)
        steps.append((given.num_iters_per_epoch, given.scheduler_conf["max_steps"]))
    assert steps[0] == steps[1]


def test_the_pairs_of_the_contrastive_loss_change(arguments):
    """It compares the clips of a batch: other companions, other pairs."""
    args = arguments(*SPREAD)
    sampler, sizes = train_batches(args, False), lengths_of(args)

    def losses(batches):
        found = {}
        for batch in batches:
            predicted = torch.tensor([sizes[utt] / 16000 for utt in batch])
            target = torch.tensor([1.0 + int(utt[1:]) % 5 for utt in batch])
            value = ContrastiveLoss(0.1)(predicted, target)
            found.update(dict.fromkeys(batch, round(float(value), 5)))
        return found

    one, two = (losses(sampler.generate(3 + i)) for i in (1, 2))
    assert sum(one[utt] != two[utt] for utt in sizes) > N / 2
    pairs = [companions(sampler.generate(3 + i)) for i in range(1, 31)]
    first = companions(train_batches(arguments(), False).generate(4))
    assert len(set.union(*pairs)) > 2 * len(first)


@pytest.mark.parametrize("more", [SPREAD, ("--corpus_exponent", "0"), ()])
def test_processes_share_the_same_batches(more, arguments, monkeypatch):
    args = arguments(*more, "--crop_seconds", "1.5")
    whole = train_batches(args, False)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 3)
    parts = []
    for rank in range(3):
        monkeypatch.setattr("torch.distributed.get_rank", lambda rank=rank: rank)
        parts.append(train_batches(args, True))
    # As at least three clips are in each, which one process need not have.
    args.min_batch_size = 3
    whole = train_batches(args, False)
    for number in (1, 2):
        batches = [part.generate(3 + number) for part in parts]
        for shares, batch in zip(zip(*batches), whole.generate(3 + number)):
            found = [(u, u.number) for share in shares for u in share]
            assert min(map(len, shares)) >= 1
            assert sorted(found) == sorted((u, u.number) for u in batch)


def test_corpora_give_equal_shares(arguments):
    args = arguments("--corpus_exponent", "0")
    sampler = train_batches(args, False)
    assert len(sampler) == len(fixed_batches(arguments(), 1))
    seen = []
    for number in (1, 2):
        utts = [u for batch in sampler.generate(3 + number) for u in batch]
        b = [u for u in utts if int(u[1:]) % 5 == 0]
        assert abs(2 * len(b) - len(utts)) <= 1
        # Small ones: each clip as often as the others but for one; large ones: once.
        times = [b.count(u) for u in sorted(set(b))]
        assert len(times) == 12 and max(times) - min(times) <= 1 < max(times)
        a = [u for u in utts if u not in b]
        assert len(a) == len(set(a)) < 48
        # As much audio as there is, so that batches are as large as before.
        sizes = lengths_of(args)
        assert sum(sizes[u] for u in utts) == pytest.approx(
            sum(sizes.values()), rel=0.1
        )
        seen.append(sorted(a))
        draws = [(u, u.number) for batch in sampler.generate(3 + number) for u in batch]
        assert len(set(draws)) == len(draws)  # so that crops of one clip differ
    assert seen[0] != seen[1]


@pytest.mark.parametrize("spread", ["0", "0.02", "0.3"])
def test_no_batch_is_filled_with_copies_of_a_clip(spread, arguments):
    """Each of 50 clips comes ten times among 1000 of 1 to 10 s.

    Of the longest a few copies may fill one of four clips: few others are as long.
    """
    n = 1000
    args = arguments(
        *("--corpus_exponent", "0", "--batch_spread", spread),
        n=n,
        lengths=[16000 + 144 * (i * 7 % n) for i in range(n)],
        corpora=lambda i: "b" if i % 20 == 0 else "a",
    )
    args.batch_bins = 700000
    small = {f"u{i:04d}" for i in range(0, n, 20)}
    sampler = train_batches(args, False)
    for number in (1, 2):
        batches = sampler.generate(3 + number)
        shares = [{u: b.count(u) / len(b) for u in b} for b in batches]
        copies = [s for found in shares for u, s in found.items() if u in small]
        assert np.mean(copies) < 0.2
        assert sum(max(found.values()) > 0.5 for found in shares) <= 1
        assert sum(batch.count("u0500") for batch in batches) >= 9


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_shares_follow_the_exponent_and_audio_stays(exponent):
    numbers = {"a": 900, "b": 100, "c": 4}
    lengths = {"a": 2, "b": 10, "c": 5}
    corpus_of = {f"{c}{i}": c for c, n in numbers.items() for i in range(n)}
    sizes = {utt: lengths[c] for utt, c in corpus_of.items()}
    counts = corpus_counts(corpus_of, sizes, exponent)
    weights = {c: n**exponent for c, n in numbers.items()}
    for c in numbers:
        share = counts[c] / sum(counts.values())
        assert share == pytest.approx(weights[c] / sum(weights.values()), abs=2e-3)
    audio = sum(lengths[c] * n for c, n in counts.items())
    assert audio == pytest.approx(sum(sizes.values()), rel=0.01)
    if exponent == 1.0:
        assert counts == numbers


@pytest.mark.parametrize("least", [1, 2, 5])
@pytest.mark.parametrize("n_batches", [1, 7, 12])
def test_cutting_makes_as_many_batches_none_too_small(n_batches, least):
    rng = np.random.default_rng(n_batches)
    sizes = {f"u{i}": int(n) for i, n in enumerate(rng.integers(1, 1000, 61))}
    order = sorted(sizes, key=sizes.__getitem__)
    batches = cut(order, sizes, n_batches, least)
    assert [u for batch in batches for u in batch] == order[::-1]
    assert len(batches) == n_batches and min(map(len, batches)) >= least
    largest = max(len(batch) * max(sizes[u] for u in batch) for batch in batches)
    equal = np.array_split(order, n_batches)
    assert largest <= max(len(b) * max(sizes[u] for u in b) for b in equal)


def test_crops_count_as_they_are_cut(arguments):
    """Else batches of long clips would be small."""
    long = {"lengths": [160000] * N}
    assert len(fixed_batches(arguments(**long), 1)) == 30
    args = arguments("--crop_seconds", "1", **long)
    assert len(fixed_batches(args, 1)) == 4
    assert len(train_batches(args, False)) == 4
    args.batch_spread = 0.1
    assert {len(train_batches(args, False).generate(i)) for i in (4, 5)} == {4}


@pytest.mark.parametrize(
    "more, message",
    [
        (("--batch_spread", "1"), "0 .off. or more, and less than 1"),
        (("--batch_spread", "-0.1"), "0 .off. or more"),
        (("--corpus_exponent", "1.5"), "from 0 .all corpora alike. to 1"),
        (("--crop_seconds", "0"), "more than 0, or null"),
        (("--crop_seconds", "inf"), "more than 0, or null"),
        ((*SPREAD, "--iterator_type", "chunk"), "need --iterator_type sequence"),
        ((*SPREAD, "--batch_type", "sorted"), "--shuffle_within_batch true"),
        ((*SPREAD, "--shuffle_within_batch", "true"), "overrides --batch_spread"),
        (("--crop_seconds", "3", "--max_cache_size", "1GB"), "--max_cache_size 0"),
    ],
)
def test_options_that_cannot_be_are_refused(more, message, arguments):
    with pytest.raises(UserError, match=message):
        check_options(arguments(*more))


def test_what_cannot_be_balanced_is_refused(arguments, tmp_path):
    one = arguments("--corpus_exponent", "0", corpora=lambda i: "only")
    with pytest.raises(UserError, match="at least two corpora .* found only"):
        train_batches(one, False)
    args = arguments("--corpus_exponent", "0")
    lines = (tmp_path / "utt2corpus").read_text().splitlines(keepends=True)
    (tmp_path / "utt2corpus").write_text("".join(lines[1:]))
    with pytest.raises(UserError, match="utt2corpus: has no corpus of u0000"):
        train_batches(args, False)
    args.train_data_path_and_name_and_type = []
    with pytest.raises(UserError, match="found none"):
        train_batches(args, False)


def test_off_the_sampler_is_espnets(arguments):
    """Its own class, with its own batches."""
    from espnet2.iterators.sequence_iter_factory import RawSampler

    args = arguments()
    args.train_data_path_and_name_and_type = args.train_data_path_and_name_and_type[:1]
    option = DistributedOption(distributed=False)
    args.required = []
    factory = DistilMOSTask.build_iter_factory(
        args, option, "train", {"data_path_and_name_and_type": _data(args)}
    )
    assert type(factory.sampler) is RawSampler
    assert factory.sampler.generate(4) == fixed_batches(args, 1)


def _data(args):
    labels = args.train_data_path_and_name_and_type[0]
    return [(labels[0], name, "text_float") for name in ("speech", "mos")]
