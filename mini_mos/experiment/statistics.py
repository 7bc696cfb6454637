"""Intervals and paired tests over training seeds, systems and prompts at once.

A test set is a table of systems x prompts, of which another sample could have been
drawn both ways, and a model is one of many trainings. So a resample draws seeds,
systems and prompts, each with replacement: a clip counts as often as its system times
as often as its prompt was drawn (Owen 2007, Annals of Applied Statistics 1(2): this
errs on the safe side, intervals come out rather too wide). Speakers are not drawn:
there are two or three of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

import numpy as np

from espnet2_distilmos.scoring.bootstrap import Interval, percentile_interval
from espnet2_distilmos.scoring.metrics import is_constant
from espnet2_distilmos.scoring.significance import PairedTest, holm, two_sided_p

LEVELS = ("utt", "sys")


@dataclass(frozen=True)
class Labels:
    """A test set.

    Attributes:
        labels: (N,) MOS.
        systems: (N,) names.
        prompts: (N,) names.
    """

    labels: Sequence[float]
    systems: Sequence[str]
    prompts: Sequence[str]


@dataclass(frozen=True)
class Figure:
    """A figure of a model: mean over its seeds.

    Attributes:
        value: the mean; None where it is undefined for a seed.
        by_seed: figure of each seed.
        ci95: over seeds, systems and prompts.
    """

    value: Optional[float]
    by_seed: List[Optional[float]]
    ci95: Interval


class Values:
    """Values that are ranked again and again, each counted another number of times.

    Args:
        x: (N,).
    """

    def __init__(self, x: np.ndarray):
        self.x = x
        # Sorted once, here: among drawn values, order and ties stay what they are.
        self.codes = np.unique(x, return_inverse=True)[1]

    def ranks(self, times: np.ndarray) -> np.ndarray:
        """Return (N,) ranks, ties averaged, where value i stands `times[i]` times."""
        n = np.bincount(self.codes, times)
        return (np.cumsum(n) - (n - 1) / 2)[self.codes]


def weighted_srcc(x: Values, y: Values, times: np.ndarray) -> Optional[float]:
    """Return Spearman correlation of x (N,) and y (N,), each pair counted `times` (N,).

    None with fewer than two different pairs, or where x or y is constant.
    """
    there = times > 0
    if there.sum() < 2 or is_constant(x.x[there]) or is_constant(y.x[there]):
        return None
    a, b = (v - np.average(v, weights=times) for v in (x.ranks(times), y.ranks(times)))
    return float((times * a) @ b / np.sqrt(((times * a) @ a) * ((times * b) @ b)))


def _codes(names: Sequence[str]) -> Tuple[np.ndarray, int]:
    known, codes = np.unique(np.asarray(names, dtype=str), return_inverse=True)
    return codes, len(known)


class Resampler:
    """SRCCs of several models on the same resamples of one set.

    Args:
        data: the set.
        predictions: model -> (S, N), one row a seed.
        level: `utt`, or `sys`: over systems, labels and predictions averaged over the
            system's (drawn) clips.
    """

    def __init__(self, data: Labels, predictions: Mapping[str, np.ndarray], level: str):
        if level not in LEVELS:
            raise ValueError(f"level must be one of {LEVELS}, not {level!r}")
        self.labels = Values(np.asarray(data.labels, dtype=np.float64))
        rows = {
            m: np.atleast_2d(np.asarray(p, dtype=np.float64))
            for m, p in predictions.items()
        }
        wrong = [m for m, p in rows.items() if p.shape[1:] != (len(self),)]
        if wrong or len(data.systems) != len(self) or len(data.prompts) != len(self):
            raise ValueError(f"not as many values as labels: {wrong or 'names'}")
        self.predictions = {m: [Values(row) for row in p] for m, p in rows.items()}
        self.level = level
        self.system, self.n_systems = _codes(data.systems)
        self.prompt, self.n_prompts = _codes(data.prompts)

    def __len__(self) -> int:
        return len(self.labels.x)

    def srcc(
        self, values: Values, of_system: np.ndarray, of_prompt: np.ndarray
    ) -> Optional[float]:
        """Return SRCC of predictions (N,), systems and prompts counted so often."""
        by_prompt = of_prompt[self.prompt]
        if self.level == "utt":
            return weighted_srcc(
                self.labels, values, of_system[self.system] * by_prompt
            )
        n = np.bincount(self.system, by_prompt, self.n_systems)
        there = n > 0
        x, y = (
            np.bincount(self.system, by_prompt * v.x, self.n_systems)[there] / n[there]
            for v in (self.labels, values)
        )
        # Rounded, so that equal means are tied (scoring/metrics.py).
        x, y = Values(x.round(9)), Values(y.round(9))
        return weighted_srcc(x, y, of_system[there])

    def observed(self) -> Dict[str, List[Optional[float]]]:
        """Return model -> SRCC of each seed, on the set as it is."""
        ones = np.ones(self.n_systems, int), np.ones(self.n_prompts, int)
        return {
            m: [self.srcc(row, *ones) for row in rows]
            for m, rows in self.predictions.items()
        }

    def samples(self, n_bootstrap: int, seed: int) -> Dict[str, List[Optional[float]]]:
        """Return model -> mean SRCC over drawn seeds in each resample.

        Models share the draw of systems and prompts. Seeds are drawn for each model
        alone: nothing ties a seed of one model to the same seed of another. None
        where a drawn seed's is undefined.
        """
        rng = np.random.Generator(np.random.PCG64(seed))
        found: Dict[str, List[Optional[float]]] = {m: [] for m in self.predictions}
        for _ in range(n_bootstrap):
            drawn = [
                np.bincount(rng.integers(n, size=n), minlength=n)
                for n in (self.n_systems, self.n_prompts)
            ]
            for model, rows in self.predictions.items():
                times = np.bincount(rng.integers(len(rows), size=len(rows)))
                values = [
                    (self.srcc(rows[s], *drawn), k) for s, k in enumerate(times) if k
                ]
                defined = all(v is not None for v, _ in values)
                mean = sum(v * k for v, k in values) / len(rows) if defined else None
                found[model].append(mean)
        return found


def _mean(values: Sequence[Optional[float]]) -> Optional[float]:
    if not values or any(v is None for v in values):
        return None
    return float(np.mean(values))


def compare_models(
    data: Labels,
    predictions: Mapping[str, np.ndarray],
    pairs: Sequence[Sequence[str]] = (),
    level: str = "utt",
    n_bootstrap: int = 10000,
    seed: int = 0,
) -> Tuple[Dict[str, Figure], List[PairedTest]]:
    """Return SRCC of every model on a set, and paired tests of `pairs`.

    Args:
        data: the set.
        predictions: model -> (S, N).
        pairs: (a, b): a - b is tested.
        level: `utt` or `sys`.
        n_bootstrap: resamples.
        seed: of the resampling.

    Returns:
        Model -> its figure, and one test a pair (p not yet corrected; None where a
        figure is undefined, or in more than half of the resamples).
    """
    resampler = Resampler(data, predictions, level)
    observed = resampler.observed()
    samples = resampler.samples(n_bootstrap, seed)
    figures = {
        m: Figure(_mean(observed[m]), observed[m], percentile_interval(samples[m]))
        for m in observed
    }
    tests = []
    for a, b in pairs:
        drawn = [
            None if x is None or y is None else x - y
            for x, y in zip(samples[a], samples[b])
        ]
        interval = percentile_interval(drawn)
        values = figures[a].value, figures[b].value
        if None in values or interval is None:
            tests.append(PairedTest(a, b, None, None, None))
        else:
            difference = values[0] - values[1]
            tests.append(PairedTest(a, b, difference, interval, two_sided_p(drawn)))
    return figures, tests


def corrected(tests: Sequence[PairedTest]) -> List[Optional[float]]:
    """Return p-values of all `tests`, by Holm's method."""
    return holm([t.p for t in tests])
