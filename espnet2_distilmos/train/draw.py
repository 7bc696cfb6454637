"""Which clips an epoch has, and which of them share a batch, drawn anew each time."""

from typing import Dict, List, Mapping, Sequence

import numpy as np

# Batches are cut so that the largest is at most this much larger than it need be.
_PRECISION = 0.005
# Spread of clips of which some come several times: sorted by length alone, the copies
# of one would fill batches.
_SPREAD_OF_COPIES = 0.2


def corpus_counts(
    corpus_of: Mapping[str, str], sizes: Mapping[str, int], exponent: float
) -> Dict[str, int]:
    """Return how many clips each corpus gives to an epoch.

    In shares that are proportional to its number of clips to the power of `exponent`;
    together as much audio as the set has, so that batches neither grow nor become more.
    Every corpus gives at least one clip.

    Args:
        corpus_of: ID -> corpus.
        sizes: ID -> samples.
        exponent: 0 = the same share for each corpus, 1 = as they are.
    """
    clips = clips_of(corpus_of)
    number = {name: len(utts) for name, utts in clips.items()}
    weights = np.array([float(n) ** exponent for n in number.values()])
    shares = weights / weights.sum()
    means = np.array([np.mean([sizes[u] for u in utts]) for utts in clips.values()])
    total = round(sum(sizes[utt] for utt in corpus_of) / float(shares @ means))
    exact = total * shares
    counts = np.maximum(np.floor(exact).astype(int), 1)
    # What rounding has left goes to those that it has taken most from.
    for i in np.argsort(counts - exact, kind="stable")[: max(total - counts.sum(), 0)]:
        counts[i] += 1
    return dict(zip(clips, counts.tolist()))


def clips_of(corpus_of: Mapping[str, str]) -> Dict[str, List[str]]:
    """Return corpus -> its clips; both sorted, so that no file's order matters."""
    found: Dict[str, List[str]] = {}
    for name in sorted(set(corpus_of.values()), key=str.encode):
        found[name] = []
    for utt in sorted(corpus_of, key=str.encode):
        found[corpus_of[utt]].append(utt)
    return found


def drawn_clips(
    clips: Mapping[str, Sequence[str]],
    counts: Mapping[str, int],
    rng: np.random.Generator,
) -> List[str]:
    """Draw the clips of an epoch: of each corpus as many as `counts` says.

    A corpus that is too small gives each of its clips equally often but for one, and
    which are those is drawn.
    """
    drawn: List[str] = []
    for name, utts in clips.items():
        times, rest = divmod(counts[name], len(utts))
        drawn += list(utts) * times
        drawn += [utts[i] for i in rng.permutation(len(utts))[:rest]]
    return drawn


def similar_lengths(
    utts: Sequence[str],
    sizes: Mapping[str, int],
    spread: float,
    rng: np.random.Generator,
) -> List[str]:
    """Return clips in an order in which neighbours have similar lengths.

    They are sorted by their length times a factor that is drawn for each between
    1 - spread and 1 + spread: whichever clips lie that near can come to lie together.

    Args:
        utts: IDs, some perhaps several times: then the spread is at least 0.2.
        sizes: ID -> samples.
        spread: in [0, 1).
        rng: draws the factors, and the order of equal lengths.
    """
    if len(set(utts)) < len(utts):
        spread = max(spread, _SPREAD_OF_COPIES)
    shuffled = rng.permutation(len(utts))
    lengths = np.array([sizes[utts[i]] for i in shuffled], np.float64)
    lengths *= rng.uniform(1 - spread, 1 + spread, len(lengths))
    return [utts[shuffled[i]] for i in np.argsort(lengths, kind="stable")]


def cut(
    utts: Sequence[str], sizes: Mapping[str, int], n_batches: int, least: int
) -> List[List[str]]:
    """Cut clips into a given number of batches, of which the largest is small.

    The size of a batch is that of its longest clip times its clips: with padding.

    Args:
        utts: IDs, similar lengths together, the short ones first.
        sizes: ID -> samples.
        n_batches: how many to make; `least` x `n_batches` clips are needed.
        least: clips that each batch has at least.
    """
    utts = list(utts)[::-1]  # what is left over at the end is short
    lengths = [sizes[utt] for utt in utts]
    low = max(lengths)  # fewer samples hold no batch
    high = low * len(lengths)
    while high - low > max(_PRECISION * high, 1):
        middle = (low + high) // 2
        if len(_fill(lengths, middle, least)) <= n_batches:
            high = middle
        else:
            low = middle
    edges = np.linspace(0, len(lengths), n_batches + 1).astype(int).tolist()
    equal = [lengths[a:b] for a, b in zip(edges, edges[1:])]
    filled = _fill(lengths, high, least)
    while len(filled) < n_batches:
        large = [i for i, batch in enumerate(filled) if len(batch) >= 2 * least]
        if not large:  # numbers that do not divide so
            filled = equal
            break
        i = max(large, key=lambda i: _bins(filled[i]))
        middle = len(filled[i]) // 2
        filled[i : i + 1] = [filled[i][:middle], filled[i][middle:]]
    best = min(filled, equal, key=lambda found: max(map(_bins, found)))
    rest = iter(utts)
    return [[next(rest) for _ in batch] for batch in best]


def _bins(lengths: Sequence[int]) -> int:
    return len(lengths) * max(lengths)


def _fill(lengths: Sequence[int], most: int, least: int) -> List[List[int]]:
    """Return lengths in batches of at most so many samples, or of the fewest clips."""
    batches: List[List[int]] = []
    batch: List[int] = []
    longest = 0
    for length in lengths:
        longest = max(longest, length)
        if len(batch) >= least and (len(batch) + 1) * longest > most:
            batches.append(batch)
            batch, longest = [], length
        batch.append(length)
    if batches and len(batch) < least:
        batches[-1] += batch
    else:
        batches.append(batch)
    return batches
