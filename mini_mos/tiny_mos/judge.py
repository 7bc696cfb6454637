"""How models do on what they were not trained on: human ratings, and known orders."""

from collections.abc import Mapping, Sequence
from typing import Dict, List, Optional, Tuple

import numpy as np

from espnet2_distilmos.report.tables import NONE, figure, markdown_table
from espnet2_distilmos.scoring.bootstrap import (
    Statistic,
    bootstrap_intervals,
    whole_groups,
)
from espnet2_distilmos.scoring.metrics import group_by_system, srcc
from espnet2_distilmos.scoring.significance import paired_tests
from espnet2_distilmos.utils.datadir import DataDir

# Of the IDs of the set human -> what they are.
HUMAN = {
    "p835-fullband-": "P.835 full band",
    "p835-wideband-": "P.835 wide band",
    "codec_mushra-": "codecs, MUSHRA",
}
# Systems of an order from the worst to the best; its name.
ORDERS: Dict[str, Sequence[Sequence[str]]] = {
    "order_noise": [["snr0"], ["snr10"], ["snr20"], ["clean"]],
    "order_voices": [
        ["espeak-ng_en-gb-x-rp"],
        ["festival_kal_diphone"],
        ["kokoro_jf_nezumi", "kokoro_jf_tebukuro"],
        ["human"],
    ],
}
_N = 2000  # resamples

Rows = Mapping[str, Mapping[str, float]]


def human_table(data: DataDir, rows: Rows, units: str = "clips") -> str:
    """Return the SRCC of every row on each part of the set human, as Markdown.

    Args:
        data: the set, with labels and systems.
        rows: name -> utterance -> score. A row without a clip of a part has none there.
        units: `clips` or `systems`: what intervals resample.
    """
    table = [
        [
            name,
            *(
                _cell(data, _ids(data, prefix, scores), scores, units)
                for prefix in HUMAN
            ),
        ]
        for name, scores in rows.items()
    ]
    header = [
        f"{what} ({len(_ids(data, prefix, data.wavs))})"
        for prefix, what in HUMAN.items()
    ]
    return markdown_table(["", *header], table)


def paired_table(data: DataDir, rows: Rows, first: str) -> str:
    """Return how much better in SRCC row `first` is than each other, over clips."""
    table = []
    for name in rows:
        if name == first:
            continue
        cells = []
        for prefix in HUMAN:
            ids = _ids(data, prefix, rows[first])
            if not ids or not set(ids) <= rows[name].keys():
                cells.append(NONE)
                continue
            statistic = _srcc_of(data, ids, {k: rows[k] for k in (first, name)})
            (test,) = paired_tests(len(ids), statistic, [(first, name)], _N)
            cells.append(figure({"value": test.difference, "ci95": test.ci95}))
        table.append([f"{first} - {name}", *cells])
    return markdown_table(["", *HUMAN.values()], table)


def order_table(sets: Mapping[str, DataDir], rows: Rows) -> str:
    """Return the mean score of each step of the orders, and how often steps are kept.

    The share is of pairs of clips of neighbouring steps (in the order of noise, of one
    prompt) whose scores are in the known order, with an interval over clips (prompts).
    """
    header, table = [""], [[name] for name in rows]
    for name, steps in ORDERS.items():
        data = sets[name]
        header += [*(" / ".join(s) for s in steps), f"{name}: in order"]
        for row, scores in zip(table, rows.values()):
            groups = [
                [u for u, s in (data.systems or {}).items() if s in step]
                for step in steps
            ]
            if not {u for group in groups for u in group} <= scores.keys():
                row += [NONE] * (len(steps) + 1)
                continue
            row += [f"{np.mean(_array(scores, g)):.2f}" for g in groups]
            row.append(figure(_in_order(groups, scores, name == "order_noise")))
    return markdown_table(header, table)


def _in_order(
    groups: Sequence[Sequence[str]], scores: Mapping[str, float], by_prompt: bool
) -> Dict[str, object]:
    pairs: List[Tuple[str, float]] = []
    for worse, better in zip(groups, groups[1:]):
        for b in better:
            for w in worse:
                prompt = b.split("-", 2)[2] if by_prompt else b
                if not by_prompt or w.split("-", 2)[2] == prompt:
                    pairs.append((prompt, float(scores[b] > scores[w])))
    kept = np.array([value for _, value in pairs])
    units = group_by_system([prompt for prompt, _ in pairs])

    def share(at: np.ndarray) -> Dict[str, Optional[float]]:
        return {"share": float(kept[at].mean()) if len(at) else None}

    interval = bootstrap_intervals(len(units), whole_groups(units, share), _N)
    return {"value": float(kept.mean()), "ci95": interval["share"]}


def _cell(
    data: DataDir, ids: List[str], scores: Mapping[str, float], units: str
) -> str:
    if not ids:
        return NONE
    statistic = _srcc_of(data, ids, {"srcc": scores})
    n, drawn = len(ids), statistic
    if units == "systems":
        groups = group_by_system([(data.systems or {})[u] for u in ids])
        n, drawn = len(groups), whole_groups(groups, statistic)
    interval = bootstrap_intervals(n, drawn, _N)["srcc"]
    return figure({"value": statistic(np.arange(len(ids)))["srcc"], "ci95": interval})


def _srcc_of(data: DataDir, ids: Sequence[str], rows: Rows) -> Statistic:
    """Return the SRCC of each row as a function of positions of clips."""
    mos = _array(data.mos or {}, ids)
    predicted = {name: _array(scores, ids) for name, scores in rows.items()}

    def of_clips(at: np.ndarray) -> Dict[str, Optional[float]]:
        return {name: srcc(mos[at], values[at]) for name, values in predicted.items()}

    return of_clips


def _ids(data: DataDir, prefix: str, scores: Mapping[str, object]) -> List[str]:
    """Return the clips of a part, all of which must be in `scores`, or none."""
    ids = [u for u in data.wavs if u.startswith(prefix)]
    return ids if set(ids) <= scores.keys() else []


def _array(values: Mapping[str, float], ids: Sequence[str]) -> np.ndarray:
    return np.array([values[u] for u in ids], dtype=np.float64)
