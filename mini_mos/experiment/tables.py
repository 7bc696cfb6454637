"""The experiment's tables, from collected scores alone."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from espnet2_distilmos.report.tables import LEVELS as LEVEL_NAMES
from espnet2_distilmos.report.tables import NONE, figure, markdown_table
from espnet2_distilmos.scoring.significance import PairedTest
from mini_mos.experiment.collect import Scores, figure_of, tuning_score
from mini_mos.experiment.confounds import accuracy_cell, beside
from mini_mos.experiment.plan import (
    ABLATE,
    DEV_SETS,
    MAIN,
    TUNE,
    TUNE_VALID,
    TUNED,
)
from mini_mos.experiment.protocol import Protocol
from mini_mos.experiment.settings import shown
from mini_mos.experiment.statistics import (
    LEVELS,
    Figure,
    Labels,
    compare_models,
    corrected,
)

AIM = 0.05  # SRCC that the token loss should gain out of domain
ALPHA = 0.05
SPECTRAL = "spectral statistics"  # among the frozen features
_DEVELOPMENT = (TUNE_VALID, *DEV_SETS)


def _number(value: Optional[float], digits: int = 3) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _cell(found: Figure) -> str:
    return figure({"value": found.value, "ci95": found.ci95})


def _predictions(scores: Scores, name: str, **wanted) -> Dict[str, np.ndarray]:
    """Return model (or ablation) -> (S, N) predictions of set `name`; seeds rise."""
    key = "variant" if wanted["phase"] == ABLATE else "model"
    rows: Dict[str, List[Tuple[int, List[float]]]] = {}
    for run in scores["runs"]:
        if all(run[k] == v for k, v in wanted.items()):
            rows.setdefault(run[key], []).append(
                (run["seed"], run["predictions"][name])
            )
    return {m: np.array([p for _, p in sorted(r)]) for m, r in rows.items()}


def _labels(scores: Scores, name: str) -> Labels:
    data = scores["sets"][name]
    return Labels(data["labels"], data["systems"], data["prompts"])


def tuning_table(scores: Scores, protocol: Protocol) -> str:
    """Return every point of every grid; the best of a model is marked."""
    rows = []
    for name, model in protocol.models.items():
        own = [r for r in scores["runs"] if (r["phase"], r["model"]) == (TUNE, name)]
        if not own:
            continue
        points = []
        for variant, settings in model.variants().items():
            runs = [r for r in own if r["variant"] == variant]
            if runs:
                score = float(np.mean([tuning_score(scores, r) for r in runs]))
                values = [
                    np.mean([figure_of(scores, r, s) or 0.0 for r in runs])
                    for s in _DEVELOPMENT
                ]
                points.append((score, shown(settings), values, accuracy_cell(runs)))
        best = max(point[0] for point in points)
        for score, text, values, accuracy in points:
            mark = "**" if score == best else ""
            cells = [f"{mark}{_number(v)}{mark}" for v in (score, *values)]
            rows.append([name, text, *cells, accuracy])
    header = ["model", "settings", "mean", *_DEVELOPMENT, "token acc."]
    return markdown_table(header, rows)


def main_figures(scores: Scores, protocol: Protocol) -> Dict[str, Any]:
    """Return figures and tests of the final runs.

    Returns:
        `figures`: set -> level -> size (text) -> model -> :class:`Figure`; `tests`:
        list of {set, test, p_holm} at the largest size, by utterance.
    """
    figures: Dict[str, Any] = {}
    tests = []
    largest = protocol.sizes[-1]
    for name in protocol.test_sets:
        data = _labels(scores, name)
        for level in LEVELS:
            for size in protocol.sizes:
                found = _predictions(scores, name, phase=MAIN, size=size)
                if not found:
                    continue
                pairs = []
                if size == largest and level == "utt":
                    pairs = [p for p in protocol.comparisons if set(p) <= set(found)]
                made, compared = compare_models(
                    data, found, pairs, level, **protocol.statistics
                )
                figures.setdefault(name, {}).setdefault(level, {})[str(size)] = made
                tests += [{"set": name, "test": t} for t in compared]
    for entry, p in zip(tests, corrected([t["test"] for t in tests]), strict=True):
        entry["p_holm"] = p
    return {"figures": figures, "tests": tests}


def main_table(found: Mapping, protocol: Protocol) -> str:
    """Return SRCC of every model on every test set at every size."""
    rows = []
    for name, levels in found["figures"].items():
        for level, sizes in levels.items():
            for model in protocol.models:
                cells, spread, seeds = [], NONE, "0"
                for size in map(str, protocol.sizes):
                    own = sizes.get(size, {}).get(model)
                    cells.append(NONE if own is None else _cell(own))
                    if own is not None:
                        values = [v for v in own.by_seed if v is not None]
                        seeds = str(len(own.by_seed))
                        spread = (
                            f"{np.std(values, ddof=1):.3f}" if len(values) > 1 else NONE
                        )
                rows.append([name, LEVEL_NAMES[level], model, seeds, *cells, spread])
    header = ["set", "level", "model", "seeds", *map(str, protocol.sizes)]
    return markdown_table([*header, "sd of seeds"], rows)


def tests_table(scores: Scores, found: Mapping, protocol: Protocol) -> str:
    """Return the comparisons at the largest size, and what stands beside each."""
    rows = []
    for entry in found["tests"]:
        t = entry["test"]
        difference = figure({"value": t.difference, "ci95": t.ci95})
        rows.append(
            [entry["set"], t.a, t.b, difference, _number(t.p, 4)]
            + [_number(entry["p_holm"], 4)]
            + beside(scores, protocol, t.a, t.b, protocol.sizes[-1])
        )
    header = ["set", "A", "B", "A - B", "p", "p Holm", "token acc. of A"]
    return markdown_table([*header, "A and B also differ in"], rows)


def verdicts(scores: Scores, found: Mapping, protocol: Protocol) -> List[str]:
    """Return what became of the aims: a sentence each, by the rule of the protocol.

    A comparison of models that were trained with other rates or schedules is called
    confounded.
    """

    def entries(b: str, sets: Sequence[str]) -> List[Mapping]:
        model = protocol.ablations["model"]
        return [
            e
            for e in found["tests"]
            if (e["test"].a, e["test"].b) == (model, b) and e["set"] in sets
        ]

    def clear(e: Mapping, sign: int) -> bool:
        known = e["p_holm"] is not None and e["p_holm"] < ALPHA
        return known and sign * e["test"].difference > 0

    lines = []
    model = protocol.ablations["model"]
    compared = [pair[1] for pair in protocol.comparisons if pair[0] == model]
    for other in compared:
        won = [e["set"] for e in entries(other, protocol.test_sets) if clear(e, 1)]
        lost = [e["set"] for e in entries(other, protocol.test_sets) if clear(e, -1)]
        if not entries(other, protocol.test_sets):
            lines.append(f"{model} against {other}: not tested yet")
            continue
        differ = beside(scores, protocol, model, other, protocol.sizes[-1])[1]
        lines.append(
            f"{model} against {other}: better on {', '.join(won) or 'no set'}, "
            f"worse on {', '.join(lost) or 'no set'} (corrected p < {ALPHA})"
            + ("" if differ == NONE else f"; **confounded**: {differ}")
        )
    far = entries("nodistil", protocol.out_of_domain)
    if far:
        big = [e["set"] for e in far if clear(e, 1) and e["test"].difference >= AIM]
        differ = beside(scores, protocol, model, "nodistil", protocol.sizes[-1])[1]
        lines.append(
            f"Aim: at least {AIM} SRCC over nodistil out of domain: "
            + (f"met on {', '.join(big)}" if big else "NOT met")
            + ("" if differ == NONE else ", in a confounded comparison")
        )
    return lines


def ablation_table(scores: Scores, protocol: Protocol) -> str:
    """Return each change against what it changes, on the development sets."""
    by_variant: Dict[str, List[float]] = {}
    ablations = [run for run in scores["runs"] if run["phase"] == ABLATE]
    for run in ablations:
        by_variant.setdefault(run["variant"], []).append(tuning_score(scores, run))
    if TUNED not in by_variant:
        return "No ablation has been run yet.\n"
    against = protocol.ablations.get("against", {})
    bases = {v: against.get(v, TUNED) for v in by_variant if v != TUNED}
    rows = {
        v: [v, bases.get(v, NONE), _number(float(np.mean(values))), accuracy_cell(runs)]
        for v, values in by_variant.items()
        if (runs := [r for r in ablations if r["variant"] == v])
    }
    tests: List[Tuple[str, PairedTest]] = []
    for name in _DEVELOPMENT:
        figures, compared = compare_models(
            _labels(scores, name),
            _predictions(scores, name, phase=ABLATE),
            [(v, base) for v, base in bases.items() if base in rows],
            **protocol.statistics,
        )
        tests += [(name, t) for t in compared]
        changes = {
            t.a: figure({"value": t.difference, "ci95": t.ci95}) for t in compared
        }
        for variant, cells in rows.items():
            cells += [_number(figures[variant].value), changes.get(variant, NONE)]
    header = [c for name in _DEVELOPMENT for c in (name, "difference")]
    first = ["change", "against", "mean", "token acc."]
    page = markdown_table([*first, *header], list(rows.values()))
    p_holm = corrected([t for _, t in tests])
    known = [(p, name, t) for p, (name, t) in zip(p_holm, tests) if p is not None]
    clear = [f"{t.a} on {name} ({p:.4f})" for p, name, t in known if p < ALPHA]
    page += f"\nCorrected p < {ALPHA} (Holm, {len(tests)} tests): "
    return page + (", ".join(clear) or "none") + ".\n"


def features_table(found: Mapping[str, Mapping[str, Optional[float]]]) -> str:
    """Return utterance SRCC of trees on frozen features, fitted to `tune_train`."""
    rows = [
        [name, *(_number(values[s]) for s in _DEVELOPMENT)]
        for name, values in found.items()
    ]
    return markdown_table(["features", *_DEVELOPMENT], rows)


def mean_forgetting(
    measured: Mapping,
) -> Dict[str, Dict[str, Dict[str, Optional[float]]]]:
    """Return model -> layer -> measure -> mean over its runs (`<model>-...` names)."""
    groups: Dict[str, List[Mapping]] = {}
    for name, layers in measured.items():
        groups.setdefault(name.split("/")[0], []).append(layers)
    result: Dict[str, Dict] = {}
    for model, runs in groups.items():
        result[model] = {
            layer: {
                measure: None
                if any(r[layer][measure] is None for r in runs)
                else float(np.mean([r[layer][measure] for r in runs]))
                for measure in runs[0][layer]
            }
            for layer in runs[0]
        }
    return result


def forgetting_table(measured: Mapping) -> str:
    """Return probes and tokens of each layer, before and after fine-tuning."""
    means = mean_forgetting(measured)
    measures = list(next(iter(next(iter(means.values())).values())))
    rows = [
        [model, layer, *(_number(values[m]) for m in measures)]
        for model, layers in means.items()
        for layer, values in layers.items()
    ]
    return markdown_table(["model", "layer", *measures], rows)


def plain(found: Mapping) -> Dict[str, Any]:
    """Return figures and tests as plain types, for JSON."""
    return {
        "figures": {
            name: {
                level: {
                    size: {m: asdict(f) for m, f in models.items()}
                    for size, models in sizes.items()
                }
                for level, sizes in levels.items()
            }
            for name, levels in found["figures"].items()
        },
        "tests": [{**e, "test": asdict(e["test"])} for e in found["tests"]],
    }
