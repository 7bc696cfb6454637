"""What stands beside an effect: did the token heads learn, and what else differed?"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Dict, List, Optional

import numpy as np

from espnet2_distilmos.report.tables import NONE, markdown_table
from mini_mos.experiment.collect import Scores
from mini_mos.experiment.plan import MAIN, Run
from mini_mos.experiment.protocol import Protocol
from mini_mos.experiment.runner import configuration
from mini_mos.experiment.settings import flatten

# Settings of training that two models should share, if one is to say something about
# the other; by the beginning of their dotted names.
TRAINING = (
    "optim",
    "scheduler",
    "upstream_lr",
    "cnn_lr",
    "layer_logits_lr",
    "freeze_upstream",
    "batch",
    "accum_grad",
    "grad_clip",
    "max_epoch",
    "num_iters_per_epoch",
)


def token_accuracy(run: Mapping[str, Any]) -> Optional[float]:
    """Return the share of validation frames whose token the heads tell.

    Of the epoch whose checkpoint is kept (the best validation SRCC). None for a model
    without token heads.
    """
    epochs = [e["valid"] for e in run["history"].values() if "valid" in e]
    if not epochs:
        return None
    kept = max(epochs, key=lambda e: e.get("srcc") or -1.0)
    return kept.get("token_acc")


def accuracy_cell(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the mean token accuracy of runs, and its range over them."""
    values = [v for v in map(token_accuracy, runs) if v is not None]
    if not values:
        return NONE
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return f"{np.mean(values):.2f}" + (f" ({low} to {high})" if low != high else "")


def training_settings(protocol: Protocol, run: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what a saved run was trained with, as far as :data:`TRAINING` names it."""
    known = {f.name: run[f.name] for f in fields(Run)}
    found = flatten(configuration(protocol, Run(**known)))
    return {k: v for k, v in found.items() if k.startswith(TRAINING)}


def apart(protocol: Protocol, a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """Return settings of training in which two runs differ, `name A / B`, or a dash.

    Settings that only one of them has belong to what it is, and are not listed.
    """
    of_a, of_b = training_settings(protocol, a), training_settings(protocol, b)
    both = [k for k in of_a if k in of_b and of_a[k] != of_b[k]]
    return ", ".join(f"{k} {of_a[k]} / {of_b[k]}" for k in both) or NONE


def final_runs(scores: Scores, model: str, size: Any) -> List[Mapping[str, Any]]:
    """Return the final runs of a model with so many training clips."""
    wanted = (MAIN, model, size)
    return [r for r in scores["runs"] if (r["phase"], r["model"], r["size"]) == wanted]


def beside(scores: Scores, protocol: Protocol, a: str, b: str, size: Any) -> List[str]:
    """Return two cells: token accuracy of runs of `a`; how else `b` differs."""
    of_a, of_b = final_runs(scores, a, size), final_runs(scores, b, size)
    other = apart(protocol, of_a[0], of_b[0]) if of_a and of_b else NONE
    return [accuracy_cell(of_a), other]


def gains_table(scores: Scores, found: Mapping[str, Any], protocol: Protocol) -> str:
    """Return differences of means by training size, of the pairs trained at every size.

    Args:
        scores: of :func:`~.collect.collect`.
        found: of :func:`~.tables.main_figures`.
        protocol: names pairs, sets and sizes.
    """
    rows = []
    for a, b in protocol.comparisons:
        for size in protocol.sizes if {a, b} <= set(protocol.small_sizes) else ():
            cells = []
            for name in protocol.test_sets:
                figures = found["figures"].get(name, {}).get("utt", {}).get(str(size))
                values = [f.value for m in (a, b) if (f := (figures or {}).get(m))]
                known = len(values) == 2 and None not in values
                cells.append(f"{values[0] - values[1]:.3f}" if known else NONE)
            if final_runs(scores, a, size):
                rows.append(
                    [a, b, str(size), *cells, *beside(scores, protocol, a, b, size)]
                )
    header = ["A", "B", "clips", *protocol.test_sets, "token acc. of A"]
    return markdown_table([*header, "A and B also differ in"], rows)
