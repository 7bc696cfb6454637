"""Several predictors on several sets: every pair, tested and corrected for number."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Dict, List, Optional

import numpy as np

from espnet2_distilmos.report.tables import LEVELS, NONE, figure, markdown_table
from espnet2_distilmos.scoring.metrics import (
    METRICS,
    MIN_SYSTEMS,
    group_by_system,
    system_means,
)
from espnet2_distilmos.scoring.significance import PairedTest, holm, paired_tests
from espnet2_distilmos.utils.datadir import require_same_ids


@dataclass(frozen=True)
class Comparison:
    """Two models on one set, by one figure.

    Attributes:
        set_name: The test set.
        level: `utt` or `sys`.
        metric: A key of METRICS.
        value_a: Figure of `test.a`; `value_b` likewise.
        test: The paired test.
        p_holm: Its p-value, corrected over the whole table.
    """

    set_name: str
    level: str
    metric: str
    value_a: Optional[float]
    value_b: Optional[float]
    test: PairedTest
    p_holm: Optional[float] = None

    def to_dict(self) -> Dict[str, Any]:
        """Plain types, for JSON."""
        plain = asdict(self)
        return {**plain.pop("test"), **plain}


def compare_set(
    set_name: str,
    labels: Mapping[str, float],
    systems: Optional[Mapping[str, str]],
    predictions: Mapping[str, Mapping[str, float]],
    metrics: Sequence[str] = ("srcc",),
    n_bootstrap: int = 10000,
    seed: int = 0,
    other_scale: Collection[str] = (),
) -> List[Comparison]:
    """Compare every pair of models on one set, not yet corrected.

    By utterance (utterances are resampled) and, from 10 systems on, by system (systems
    are; their scores are the means of their utterances).

    Args:
        set_name: What the set is called.
        labels: ID -> label.
        systems: ID -> system, or None.
        predictions: Model -> ID -> prediction.
        metrics: Keys of METRICS; all come from the same resamples.
        n_bootstrap: Number of resamples.
        seed: Seed of the resampling.
        other_scale: Models whose scores are not on the labels' scale: their MSE is not
            defined.

    Raises:
        UserError: IDs that are not in all mappings.
    """
    contents: Dict[str, Mapping[str, object]] = {f"the labels of {set_name}": labels}
    contents |= {f"the predictions of {m}": p for m, p in predictions.items()}
    if systems is not None:
        contents[f"the systems of {set_name}"] = systems
    require_same_ids(contents)
    ids = sorted(labels, key=str.encode)
    ref = np.array([labels[u] for u in ids])
    hyps = {m: np.array([p[u] for u in ids]) for m, p in predictions.items()}
    undefined = {f"{model}/mse" for model in other_scale}
    found = _compare(set_name, "utt", ref, hyps, metrics, n_bootstrap, seed, undefined)
    if systems is not None:
        groups = group_by_system([systems[u] for u in ids])
        if len(groups) >= MIN_SYSTEMS:
            ref = system_means(ref, groups)
            hyps = {m: system_means(h, groups) for m, h in hyps.items()}
            found += _compare(
                set_name, "sys", ref, hyps, metrics, n_bootstrap, seed, undefined
            )
    return found


def _compare(
    set_name: str,
    level: str,
    ref: np.ndarray,
    hyps: Mapping[str, np.ndarray],
    metrics: Sequence[str],
    n_bootstrap: int,
    seed: int,
    undefined: Collection[str],
) -> List[Comparison]:
    names = {f"{m}/{k}": (m, k) for k in metrics for m in hyps}

    def statistic(i: np.ndarray) -> Dict[str, Optional[float]]:
        return {
            n: None if n in undefined else METRICS[k](ref[i], hyps[m][i])
            for n, (m, k) in names.items()
        }

    observed = statistic(np.arange(len(ref)))
    pairs = [
        (f"{a}/{k}", f"{b}/{k}") for k in metrics for a, b in combinations(hyps, 2)
    ]
    found = []
    for t in paired_tests(len(ref), statistic, pairs, n_bootstrap, seed):
        (a, metric), (b, _) = names[t.a], names[t.b]
        test = PairedTest(a, b, t.difference, t.ci95, t.p)
        values = observed[t.a], observed[t.b]
        found.append(Comparison(set_name, level, metric, *values, test))
    return found


def correct(comparisons: Sequence[Comparison]) -> List[Comparison]:
    """Return the same with Holm's correction over all of them."""
    corrected = holm([c.test.p for c in comparisons])
    return [
        Comparison(**{**vars(c), "p_holm": p}) for c, p in zip(comparisons, corrected)
    ]


def differences_table(
    comparisons: Sequence[Comparison], n_bootstrap: int, seed: int
) -> str:
    """Write the comparisons as Markdown, with what the columns mean."""
    m = sum(c.test.p is not None for c in comparisons)
    smallest = min(1.0, m * 2 / (n_bootstrap + 1))
    rows = [
        [
            c.set_name,
            LEVELS[c.level],
            c.metric.upper(),
            c.test.a,
            c.test.b,
            number_text(c.value_a),
            number_text(c.value_b),
            figure({"value": c.test.difference, "ci95": c.test.ci95}),
            p_text(c.test.p),
            p_text(c.p_holm),
        ]
        for c in comparisons
    ]
    header = [
        "set",
        "level",
        "figure",
        "A",
        "B",
        "of A",
        "of B",
        "A - B",
        "p",
        "p Holm",
    ]
    return f"""\
Paired bootstrap ({n_bootstrap} resamples, seed {seed}): both models on the same
resamples of utterances (utterance) or systems (system). In brackets: 95% interval of
the difference. p: two-sided, from the share of resamples beyond zero. p Holm: corrected
for the {m} tests of this table; so many resamples allow no less than {smallest:.2g}.

{markdown_table(header, rows)}"""


def number_text(value: Optional[float]) -> str:
    """Return a figure as tables show it."""
    return NONE if value is None else f"{value:.3f}"


def p_text(value: Optional[float]) -> str:
    """Return a p-value as tables show it."""
    if value is None:
        return NONE
    return "<0.001" if value < 0.001 else f"{value:.3f}"
