"""Compare predictions with labels: the content of `scores.json`."""

from collections.abc import Mapping
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from espnet2_distilmos.scoring.bootstrap import (
    LEVEL,
    Statistic,
    bootstrap_intervals,
    whole_groups,
)
from espnet2_distilmos.scoring.metrics import (
    METRICS,
    MIN_SYSTEMS,
    Values,
    all_metrics,
    average_systems,
    group_by_system,
    per_system,
    system_means,
)
from espnet2_distilmos.utils.datadir import read_floats, read_words, require_same_ids
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

# Far beyond any opinion scale; larger numbers would overflow when squared.
LARGEST = 1e6


def score(
    ref: Mapping[str, float],
    hyp: Mapping[str, float],
    systems: Optional[Mapping[str, str]] = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
    names: Tuple[str, str, str] = ("the labels", "the predictions", "the systems"),
    units: Optional[Mapping[str, str]] = None,
) -> Dict[str, Any]:
    """Score predictions by utterance, by system and within systems.

    - `utt`: over utterances. Its interval resamples utterances, so it answers "what
      if other clips *of these systems* had been drawn", not "other systems".
    - `sys`: over systems, labels and predictions being the means of the system's
      utterances; null under 10 systems. Its interval resamples systems.
    - `within_sys`: mean over systems of each system's own figure, weighted by its
      clips (:func:`~espnet2_distilmos.scoring.metrics.per_system` says which systems
      count and what MSE means here). Its interval resamples systems and is null under
      10 systems.

    Args:
        ref: ID -> label (MOS units).
        hyp: ID -> prediction (MOS units).
        systems: ID -> system; without it everything about systems is null.
        n_bootstrap: Number of resamples; 0 leaves the intervals out (null).
        seed: Seed of the resampling.
        names: What error messages call the three mappings, e.g. file names.
        units: ID -> what is drawn as a whole for the intervals of `utt`, e.g. its
            system: "what if other systems had been drawn". None = single utterances.

    Returns:
        Plain types, ready for JSON: `n_utt`, `n_sys`, then `utt`, `sys` and
        `within_sys`, each `{"mse" | "lcc" | "srcc" | "ktau": {"value": float or None,
        "ci95": [low, high] or None}}`; `n_sys_within` (metric -> number of systems
        that count within) and `bootstrap` (`n`, `seed`, `level`). Does not depend on
        the order of the mappings.

    Raises:
        UserError: no utterances, IDs that are not in all mappings, or values that
            are not finite or beyond +-1e6; lists them.
    """
    contents: Dict[str, Mapping[str, object]] = {names[0]: ref, names[1]: hyp}
    if systems is not None:
        contents[names[2]] = systems
    if units is not None:
        contents["what is drawn"] = units
    require_same_ids(contents)
    if not ref:
        raise UserError(f"{names[0]}: no utterance to score")
    if n_bootstrap < 0 or seed < 0:
        raise UserError("the number of resamples and the seed must not be negative")
    # Fixed order: the resamples must not depend on how the files were written.
    ids = sorted(ref, key=str.encode)
    x, y = to_array(ref, ids, names[0]), to_array(hyp, ids, names[1])

    def block(values: Values, n_units: int, statistic) -> Dict[str, dict]:
        intervals = bootstrap_intervals(n_units, statistic, n_bootstrap, seed)
        return {m: {"value": v, "ci95": intervals[m]} for m, v in values.items()}

    def nothing() -> Dict[str, dict]:
        return {m: {"value": None, "ci95": None} for m in METRICS}

    def of_clips(drawn: np.ndarray) -> Values:
        return all_metrics(x[drawn], y[drawn])

    n_units = len(ids)
    statistic: Statistic = of_clips
    if units is not None:
        drawn_whole = group_by_system([units[u] for u in ids])
        n_units, statistic = len(drawn_whole), whole_groups(drawn_whole, of_clips)
    result: Dict[str, Any] = {
        "n_utt": len(ids),
        "n_sys": None,
        "utt": block(all_metrics(x, y), n_units, statistic),
        "sys": nothing(),
        "within_sys": nothing(),
        "n_sys_within": {m: None for m in METRICS},
        "bootstrap": {"n": n_bootstrap, "seed": seed, "level": LEVEL},
    }
    if systems is None:
        return result

    groups = group_by_system([systems[u] for u in ids])
    n_sys = result["n_sys"] = len(groups)
    if n_sys >= MIN_SYSTEMS:
        sx, sy = system_means(x, groups), system_means(y, groups)
        result["sys"] = block(
            all_metrics(sx, sy), n_sys, lambda i: all_metrics(sx[i], sy[i])
        )
    values, weights = per_system(x, y, groups)
    result["within_sys"] = block(
        average_systems(values, weights),
        n_sys if n_sys >= MIN_SYSTEMS else 0,
        lambda i: average_systems(values[i], weights[i]),
    )
    counts = (weights > 0).sum(axis=0)
    result["n_sys_within"] = {m: int(c) for m, c in zip(METRICS, counts, strict=True)}
    return result


def score_files(
    ref_utt2mos: PathLike,
    hyp_utt2mos: PathLike,
    utt2sys: Optional[PathLike] = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
    utt2unit: Optional[PathLike] = None,
) -> Dict[str, Any]:
    """Apply :func:`score` to files with `ID VALUE` lines, in any order.

    `utt2unit` is a file of its `units`.

    Raises:
        UserError: see :func:`score` and
            :func:`~espnet2_distilmos.utils.datadir.read_lines`.
    """
    return score(
        read_floats(ref_utt2mos, strict=False),
        read_floats(hyp_utt2mos, strict=False),
        None if utt2sys is None else read_words(utt2sys, strict=False),
        n_bootstrap,
        seed,
        names=(str(ref_utt2mos), str(hyp_utt2mos), str(utt2sys)),
        units=None if utt2unit is None else read_words(utt2unit, strict=False),
    )


def to_array(values: Mapping[str, float], ids: List[str], name: str) -> np.ndarray:
    """Return `values` in the order of `ids`: (N,) float64."""
    x = np.array([values[u] for u in ids], dtype=np.float64)
    bad = [u for u, ok in zip(ids, np.abs(x) <= LARGEST, strict=True) if not ok]
    if bad:
        shown = ", ".join(f"{u} ({values[u]})" for u in bad[:5])
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise UserError(
            f"{name}: values must be numbers within +-{LARGEST:.0f}, "
            f"found {shown}{more}"
        )
    return x
