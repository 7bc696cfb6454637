"""The first pair of arms looked at more closely, without tests: by group, by seed."""

from collections.abc import Mapping, Sequence
from typing import Dict, List, Tuple

import numpy as np

from espnet2_distilmos.report.compare import number_text
from espnet2_distilmos.report.tables import figure, markdown_table
from espnet2_distilmos.scoring.jackknife import Clusters
from espnet2_distilmos.scoring.seeds import compare
from mini_mos.experiment.planning import NAMES


def members(groups: List[str]) -> Dict[str, np.ndarray]:
    """Return group -> (N,) whether a clip is in it; `a+b` is in both."""
    parts = [set(group.split("+")) for group in groups]
    names = sorted(set().union(*parts) - {""})
    return {name: np.array([name in p for p in parts]) for name in names}


def _compared(
    data: Mapping[str, List],
    pair: Tuple[str, str],
    predictions: Mapping[str, np.ndarray],
    kept: np.ndarray,
) -> List[str]:
    """Return cells of a table: SRCC of both arms on some clips, and the difference."""
    labels, systems, prompts = (
        np.array(data[key])[kept] for key in ("labels", "systems", "prompts")
    )
    own = {arm: predictions[arm][:, kept] for arm in pair}
    clusters = Clusters(labels, [systems, prompts])
    figures, (d,) = compare(clusters, NAMES, own, pairs=[pair])
    cells = [figure({"value": figures[arm].value, "ci95": None}) for arm in pair]
    return [*cells, figure({"value": d.value, "ci95": d.ci95})]


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
        for group, kept in found.items():
            cells = _compared(data, pair, predictions, kept)
            systems = set(np.array(data["systems"])[kept])
            counts = [str(int(kept.sum())), str(len(systems))]
            rows.append([name, group, *counts, *cells])
    if not rows:
        return ""
    header = ["set", "group", "clips", "systems", *pair, "difference"]
    return markdown_table(header, rows)


def tables_of_seeds(
    sets: Mapping[str, Mapping],
    pair: Tuple[str, str],
    arms: Mapping[str, Mapping[str, np.ndarray]],
    seeds: Mapping[str, Sequence[int]],
    figures: Mapping[str, Mapping[str, Mapping]],
) -> str:
    """Return the SRCC of every training, and the difference without shared seeds.

    Two trainings of one seed have the same first weights and batches, which may tie
    their errors; the tests take trainings for independent.

    Args:
        sets: of scores.json.
        pair: two arms.
        arms: set -> arm -> (S, N) predictions, one row a training.
        seeds: arm -> seed of each row.
        figures: set -> arm -> its figures, of which `by_seed` has one a row.
    """
    a, b = pair
    other = [i for i, seed in enumerate(seeds[b]) if seed not in set(seeds[a])]
    by_seed, without = [], []
    for name, predictions in arms.items():
        for arm in pair:
            of_seed = zip(seeds[arm], figures[name][arm]["by_seed"], strict=True)
            values = [f"{seed}: {number_text(value)}" for seed, value in of_seed]
            by_seed.append([name, arm, ", ".join(values)])
        if len(other) > 1:
            apart = {**predictions, b: predictions[b][other]}
            every = np.ones(len(sets[name]["labels"]), dtype=bool)
            cells = _compared(sets[name], pair, apart, every)
            counts = [str(len(seeds[a])), str(len(other))]
            without.append([name, *counts, *cells])
    text = markdown_table(["set", "arm", "SRCC of each seed"], by_seed)
    if without:
        header = ["set", f"seeds of {a}", f"of {b}", *pair, "difference"]
        text += "\nWithout the seeds that both have:\n\n"
        text += markdown_table(header, without)
    return text
