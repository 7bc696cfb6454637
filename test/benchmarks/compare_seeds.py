#!/usr/bin/env python3
"""How often does `distilmos compare-seeds` err? Made-up trainings, many times.

    python test/benchmarks/compare_seeds.py --output seeds.json
    python test/benchmarks/compare_seeds.py --sets 100 --output s.json

For each design and population of test/seed_designs.py, sets and trainings of two
recipes are drawn again and again. Size: share of p below 0.05 where the recipes are
alike; power: where `a` makes smaller errors (told: what `--power_at` says of it, in the
median); coverage: share of the 95 % intervals that hold the true figure. Beside them
what the method would do without two of its steps. The tables are printed, for
doc/comparing.md.
"""

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
from scipy.stats import t as student

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1]), str(HERE)]

from report import table  # noqa: E402
from seed_designs import DESIGNS, POPULATIONS, Design, Population  # noqa: E402

from espnet2_distilmos.scoring import seeds  # noqa: E402
from espnet2_distilmos.scoring.jackknife import Clusters  # noqa: E402
from espnet2_distilmos.scoring.power import power  # noqa: E402
from espnet2_distilmos.utils.files import write_json  # noqa: E402

NAMES = ["systems", "prompts"]
BETTER = 0.25


def one_set(
    design: Design,
    population: Population,
    n_seeds: int,
    true: float,
    rng,
):
    """Return what each method says of one draw, and the power told at `true`."""
    labels, systems, prompts, predictions = population.draw(design, n_seeds, rng)
    clusters = Clusters(labels, [systems, prompts])
    left_out = {m: clusters.leave_out("srcc", p) for m, p in predictions.items()}
    figure = seeds.figure(left_out["b"], NAMES)
    test = seeds.difference("a", "b", left_out, NAMES)
    # Without Fisher's z, and with all of the variance between seeds.
    sides = [seeds._Side(left_out[m], s) for m, s in (("a", 1.0), ("b", -1.0))]
    plain = seeds._variance(sides, NAMES)
    between = sum(x.values.var(ddof=1) / n_seeds for x in left_out.values())
    full = replace(test.variance, parts={**test.variance.parts, seeds.SEEDS: between})
    found: Dict[str, Any] = {
        "difference": test.value,
        "p": test.p,
        "ci": test.ci95,
        "variance": test.variance.total,
        "df": test.variance.freedom,
        "power": power(test.variance, true),
        "p no z": _p(test.value, plain),
        "p full": _p(test.value, full),
        "mean": figure.value,
        "figure ci": figure.ci95,
    }
    half = math.sqrt(figure.variance.total) * student.ppf(
        0.975, figure.variance.freedom
    )
    found["figure ci no z"] = [figure.value - half, figure.value + half]
    return found


def _p(value: float, variance: seeds.Variance) -> float:
    return float(2 * student.sf(abs(value) / variance.total**0.5, variance.freedom))


def summary(draws: List[Dict[str, Any]], true: float, true_b: float) -> Dict[str, Any]:
    """Return shares and means over the draws."""

    def share(key: str) -> Any:
        values = [d[key] < 0.05 for d in draws if key in d]
        return float(np.mean(values)) if values else None

    def holds(key: str, target: float) -> Any:
        values = [d[key][0] <= target <= d[key][1] for d in draws if key in d]
        return float(np.mean(values)) if values else None

    def width(key: str) -> Any:
        values = [d[key][1] - d[key][0] for d in draws if key in d]
        return float(np.mean(values)) if values else None

    return {
        "n": len(draws),
        "true": true,
        "true b": true_b,
        "mean difference": float(np.mean([d["difference"] for d in draws])),
        "sd": float(np.std([d["difference"] for d in draws])),
        "variance": float(np.mean([d["variance"] for d in draws])),
        "df": float(np.median([d["df"] for d in draws])),
        "power": float(np.median([d["power"] for d in draws])),
        "p<.05": {k: share(k) for k in ("p", "p no z", "p full")},
        "holds": {k: holds(k, true) for k in ("ci",)},
        "width": {k: width(k) for k in ("ci", "figure ci")},
        "figure holds": {k: holds(k, true_b) for k in ("figure ci", "figure ci no z")},
    }


def run(design: str, population: str, better: float, n_seeds: int, args) -> Dict:
    """Draw `args.sets` times."""
    who = replace(POPULATIONS[population], better=better)
    rng = np.random.default_rng(args.seed)
    true_b = who.srcc(0.0)
    true = who.srcc(better) - true_b
    draws = [
        one_set(DESIGNS[design], who, n_seeds, true, rng) for _ in range(args.sets)
    ]
    return {
        "design": design,
        "population": population,
        "better": better,
        "seeds": n_seeds,
        **summary(draws, true, true_b),
    }


def _percent(x: Any) -> str:
    return "" if x is None else f"{100 * x:.1f}"


def tables(runs: List[Dict[str, Any]]) -> str:
    """Return the tables of doc/comparing.md."""
    text = ""
    for better in sorted({r["better"] for r in runs}):
        rows = []
        for r in runs:
            if r["better"] != better:
                continue
            rows.append(
                [
                    r["design"],
                    r["population"],
                    r["seeds"],
                    f"{r['true']:.3f}",
                    _percent(r["power"]),
                    *(_percent(x) for x in r["p<.05"].values()),
                    f"{r['variance'] ** 0.5 / r['sd']:.2f}",
                    f"{r['width']['ci']:.3f}",
                    _percent(r["holds"]["ci"]),
                    *(_percent(x) for x in r["figure holds"].values()),
                ]
            )
        header = "design, population, seeds, true, told, p<.05, no z, full seeds, "
        header += "SE/SD, width, holds, mean holds, no z"
        text += table(header.split(", "), rows) + "\n\n"
    return text


def main() -> None:
    """Draw, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", help="parts of names of designs")
    parser.add_argument("--populations", nargs="+", default=[*POPULATIONS])
    parser.add_argument("--better", nargs="+", type=float, default=[0.0, BETTER])
    parser.add_argument("--n_seeds", nargs="+", type=int, default=[5])
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    runs: List[Dict[str, Any]] = []
    for design in DESIGNS:
        if args.only and not any(part in design for part in args.only):
            continue
        for population in args.populations:
            for better in args.better:
                for n_seeds in args.n_seeds:
                    runs.append(run(design, population, better, n_seeds, args))
                    write_json(args.output, runs)
                    print(tables(runs[-1:]), flush=True)
    print(tables(runs))


if __name__ == "__main__":
    main()
