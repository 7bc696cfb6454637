"""Scores of several decode folders side by side, and which checkpoint is the best."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Dict, List

import numpy as np

from espnet2_distilmos.scoring.significance import holm, paired_difference
from espnet2_distilmos.scoring.student import student_interval
from espnet2_distilmos.tts.decoded import Decoded
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.terminal import counted, one_line

COLUMNS = ("model", "checkpoint", "set", "n", "mean", "95 % interval", "std")
_NUMBERS = ("n", "mean", "std")


def table(folders: Sequence[Decoded], form: str = "text") -> str:
    """Return one row a decode folder, in the given order: mean and its 95 % interval.

    Silent clips, whose scores mean nothing, are left out.

    Under it: which model's scores these are, and what that predicts.

    Args:
        folders: decode folders.
        form: `text` or `markdown`.
    """
    rows = [dict(zip(COLUMNS, COLUMNS)), *map(_cells, folders)]
    if not any(row["checkpoint"] != "-" for row in rows[1:]):
        for row in rows:
            del row["checkpoint"], row["set"]
    names = list(rows[0])
    least = 3 if form == "markdown" else 0  # for the rule below the names
    width = {name: max(least, *(len(row[name]) for row in rows)) for name in names}
    lines = [
        [
            row[name].rjust(width[name])
            if name in _NUMBERS
            else row[name].ljust(width[name])
            for name in names
        ]
        for row in rows
    ]
    if form == "markdown":
        rule = [
            "-" * (width[n] - 1) + ":" if n in _NUMBERS else "-" * width[n]
            for n in names
        ]
        lines.insert(1, rule)
        text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    else:
        text = "".join("  ".join(line).rstrip() + "\n" for line in lines)
    for folder in folders:
        if folder.failed:
            text += f"{one_line(folder.label)}: without a score: "
            text += f"{counted(folder.failed, 'utterance')}\n"
        if folder.silent:
            text += f"{one_line(folder.label)}: silent, left out of the mean: "
            text += f"{counted(len(folder.silent), 'utterance')}\n"
    judge = folders[0]
    return (
        f"{text}\nScores of: {one_line(judge.judge_name)}; "
        f"{one_line(judge.judge_labels.sentence)}\n"
    )


def _cells(folder: Decoded) -> Dict[str, str]:
    values = list(folder.heard.values())
    mean, interval, deviation = "-", "-", "-"
    if values:
        mean = f"{np.mean(values):.3f}"
    if len(values) > 1:
        std, low, high = student_interval(values)
        interval, deviation = f"[{low:.3f}, {high:.3f}]", f"{std:.3f}"
    cells = (*map(one_line, folder.labels), str(len(values)), mean)
    return dict(zip(COLUMNS, (*cells, interval, deviation)))


@dataclass
class Choice:
    """The best of several checkpoints, and how sure that is.

    Attributes:
        order: checkpoints, best mean first.
        means: label -> mean over the shared utterances.
        versus: one a checkpoint after the best: `label`, `difference` (best minus it),
            `ci95`, `p` (of this pair) and `p_holm` (adjusted for all pairs).
        n_utterances: number of shared utterances.
        left_out: label -> utterances of it that others lack.
    """

    order: List[Decoded]
    means: Dict[str, float]
    versus: List[Dict[str, Any]]
    n_utterances: int
    left_out: Dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> Dict[str, Any]:
        """Return plain types, for JSON."""
        return {
            "best": self.order[0].label,
            "second": self.order[1].label,
            "n_utterances": self.n_utterances,
            "left_out": self.left_out,
            "means": self.means,
            "best_versus": self.versus,
            "model": self.order[0].judge_name,
            "labels": self.order[0].judge_labels.as_list() or None,
        }

    def text(self) -> str:
        """Say what to read: the best, the second, and whom it cannot be told from."""
        best, second = self.order[:2]
        first = self.versus[0]
        low, high = first["ci95"]
        judged_by = best.judge_labels.judged_by
        lines = [
            f"best:   {best.label} ({self.means[best.label]:.3f}), {judged_by}",
            f"second: {second.label} ({self.means[second.label]:.3f})",
            f"difference: {first['difference']:.3f}, 95 % interval "
            f"[{low:.3f}, {high:.3f}], p = {first['p']:.4f} "
            f"({self.n_utterances} shared utterances)",
        ]
        alike = [x for x in self.versus if x["p_holm"] >= 0.05]
        if alike:
            names = ", ".join(f"{x['label']} (p = {x['p_holm']:.3f})" for x in alike)
            lines.append(f"not told apart from the best: {names}")
        else:
            lines.append(f"better than every other (p < 0.05, Holm) {judged_by}")
        lines += [
            f"{label}: {counted(n, 'utterance')} left out, others lack them"
            for label, n in self.left_out.items()
        ]
        return "".join(f"{one_line(line)}\n" for line in lines)


def choose(
    folders: Sequence[Decoded], n_bootstrap: int = 10000, seed: int = 0
) -> Choice:
    """Name the best of several checkpoints that decoded the same utterances.

    What is silent in one of them is left out of all.

    The difference to each other one is taken utterance by utterance. The best of many
    is partly the luckiest, so p-values are adjusted for all comparisons (Holm).

    Raises:
        UserError: one folder only, two with one label, or fewer than two utterances
            in common.
    """
    if len(folders) < 2:
        raise UserError("two decode folders or more are needed to choose from")
    labels = [folder.label for folder in folders]
    for label in labels:
        if labels.count(label) > 1:
            raise UserError(f"two decode folders are called {label}; rename one")
    heard = {folder.label: folder.heard for folder in folders}
    shared = [
        utt for utt in folders[0].mos if all(utt in mos for mos in heard.values())
    ]
    if len(shared) < 2:
        raise UserError(
            f"{labels[0]} and the others share {counted(len(shared), 'utterance ID')}; "
            "checkpoints are compared on the same utterances"
        )
    scores = {label: [mos[u] for u in shared] for label, mos in heard.items()}
    means = {label: float(np.mean(values)) for label, values in scores.items()}
    # Stable: of equal ones, the first that was given.
    order = sorted(folders, key=lambda folder: -means[folder.label])
    best = scores[order[0].label]
    versus: List[Dict[str, Any]] = []
    for other in order[1:]:
        difference, low, high, p = paired_difference(
            best, scores[other.label], n_bootstrap, seed
        )
        row = {"label": other.label, "difference": difference, "ci95": [low, high]}
        versus.append({**row, "p": p})
    for row, p_holm in zip(versus, holm([row["p"] for row in versus])):
        row["p_holm"] = p_holm
    left_out = {label: len(mos) - len(shared) for label, mos in heard.items()}
    return Choice(
        order, means, versus, len(shared), {k: n for k, n in left_out.items() if n}
    )
