"""The first pair of arms by speaker, or by family of degradations: descriptive."""

from collections.abc import Mapping
from typing import Dict, List, Tuple

import numpy as np

from espnet2_distilmos.report.tables import figure, markdown_table
from espnet2_distilmos.scoring.jackknife import Clusters
from espnet2_distilmos.scoring.seeds import compare
from mini_mos.experiment.planning import NAMES


def members(groups: List[str]) -> Dict[str, np.ndarray]:
    """Return group -> (N,) whether a clip is in it; `a+b` is in both."""
    parts = [set(group.split("+")) for group in groups]
    names = sorted(set().union(*parts) - {""})
    return {name: np.array([name in p for p in parts]) for name in names}


def table_of_groups(
    sets: Mapping[str, Mapping],
    pair: Tuple[str, str],
    arms: Mapping[str, Mapping[str, np.ndarray]],
) -> str:
    """Return a table: utterance SRCC of both arms in each group, and the difference.

    Args:
        sets: of scores.json.
        pair: two arms.
        arms: set -> arm -> (S, N) predictions, one row a training.
    """
    rows = []
    for name, predictions in arms.items():
        data = sets[name]
        found = members(data.get("groups", []))
        if len(found) < 2:  # the set itself
            continue
        labels, systems, prompts = (
            np.array(data[key]) for key in ("labels", "systems", "prompts")
        )
        for group, kept in found.items():
            clusters = Clusters(labels[kept], [systems[kept], prompts[kept]])
            own = {arm: predictions[arm][:, kept] for arm in pair}
            figures, (d,) = compare(clusters, NAMES, own, pairs=[pair])
            cells = [figure({"value": figures[a].value, "ci95": None}) for a in pair]
            difference = figure({"value": d.value, "ci95": d.ci95})
            counts = [str(int(kept.sum())), str(len(set(systems[kept])))]
            rows.append([name, group, *counts, *cells, difference])
    if not rows:
        return ""
    header = ["set", "group", "clips", "systems", *pair, "difference"]
    return markdown_table(header, rows)
