"""What a page shows: clips in groups, and the pairs of two groups."""

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import quote

import numpy as np

from espnet2_distilmos.scoring.significance import FEW, holm, paired_difference
from espnet2_distilmos.scoring.student import student_interval
from espnet2_distilmos.utils.audio import is_silent
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.terminal import one_line

# Every pair of so many groups is tested; of more, the first with each other.
_ALL_PAIRS = 6
_N_BOOTSTRAP = 2000
# What no common browser plays.
_NOT_PLAYED = frozenset(
    ".aif .aiff .aifc .au .snd .caf .w64 .rf64 .sph .nist .wma .amr .spx".split()
)


@dataclass
class PageClip:
    """One clip.

    Attributes:
        name: how it is called.
        group: its folder or system.
        path: the audio file, or None where none is known.
        mos: its score, or None.
        key: clips of two groups with one key are compared; None = with none.
        interval: what the score's interval is, where the model tells.
        seconds: its length, if it is known.
        warnings: what is odd about it.
        error: why it has no score.
        numbers: further columns.
        picture: see :func:`espnet2_distilmos.page.pictures.picture_of`.
    """

    name: str
    group: str
    path: Optional[str]
    mos: Optional[float]
    key: Optional[str] = None
    interval: Optional[Tuple[float, float]] = None
    seconds: Optional[float] = None
    warnings: Sequence[str] = ()
    error: Optional[str] = None
    numbers: Mapping[str, Optional[float]] = field(default_factory=dict)
    picture: Mapping[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether means and tests have it in them: it has a score and is not silent."""
        return self.mos is not None and not is_silent(self.warnings)


@dataclass
class Page:
    """A page.

    Attributes:
        title: its heading.
        model: which model's scores these are.
        labels: what it was trained to predict.
        clips: all of them.
        grouped_by: `folder` or `system`: what the groups are.
        notes: lines under the heading.
    """

    title: str
    model: str
    labels: Labels
    clips: List[PageClip]
    grouped_by: str = "folder"
    notes: Sequence[str] = ()

    def as_data(self, folder: PathLike) -> Dict[str, Any]:
        """Return all of it as plain types, for a page that is written into `folder`."""
        names = list(dict.fromkeys(clip.group for clip in self.clips))
        if self.grouped_by == "system":  # the best first; folders stay as given
            names.sort(key=lambda name: -_mean(name, self.clips))
        columns = list(dict.fromkeys(k for c in self.clips for k in c.numbers))
        places = {name: i for i, name in enumerate(names)}
        # A key that a group has twice tells no two clips of another group apart.
        seen = Counter((clip.group, clip.key) for clip in self.clips)
        keys = {
            i: clip.key if seen[clip.group, clip.key] == 1 else None
            for i, clip in enumerate(self.clips)
        }
        pairs = _pairs(names, self.clips, keys)
        notes = [*self.notes]
        if len(names) > 1 and any(keys.values()) and not pairs:
            notes.append(
                f"Nothing is side by side: no two {self.grouped_by}s share the names "
                "of two clips or more."
            )
            logging.info(notes[-1])
        return {
            "title": one_line(self.title),
            "model": one_line(self.model),
            "predicts": one_line(self._predicts),
            "axis": one_line(self.labels.axis),
            "scale": list(self.labels.scale),
            "grouped_by": self.grouped_by,
            "notes": [one_line(note) for note in notes],
            "columns": [one_line(name) for name in columns],
            "groups": [_group(name, self.clips) for name in names],
            "pairs": pairs,
            "clips": [
                _clip(clip, places[clip.group], keys[i], columns, folder)
                for i, clip in enumerate(self.clips)
            ],
        }

    @property
    def _predicts(self) -> str:
        if not self.labels:
            return "what the model was trained to predict is not recorded"
        return f"the model {self.labels.sentence}"


def link_to(path: PathLike, folder: PathLike) -> str:
    """Return the address of a file for a page in `folder`: relative, every byte kept.

    It has no scheme and no host, whatever the file is called: colons are encoded.
    """
    relative = os.path.relpath(os.path.abspath(path), os.path.abspath(folder))
    return quote(os.fsencode(relative), safe="/")


def _clip(
    clip: PageClip,
    group: int,
    key: Optional[str],
    columns: Sequence[str],
    folder: PathLike,
) -> Dict[str, Any]:
    data: Dict[str, Any] = {
        "name": one_line(clip.name),
        "group": group,
        "score": _rounded(clip.mos),
    }
    if clip.path is not None:
        data["src"] = link_to(clip.path, folder)
    if key is not None:
        data["key"] = one_line(key)
    if clip.interval is not None:
        data["interval"] = [_rounded(end) for end in clip.interval]
    if clip.seconds is not None:
        data["seconds"] = round(clip.seconds, 3)
    if clip.warnings:
        data["warnings"] = [one_line(text) for text in clip.warnings]
    if clip.mos is not None and not clip.counts:
        data["silent"] = True
    if clip.error is not None:
        data["error"] = one_line(clip.error)
    if columns:
        data["numbers"] = [_rounded(clip.numbers.get(name)) for name in columns]
    suffix = Path(clip.path or "").suffix.lower()
    if suffix in _NOT_PLAYED:
        data["note"] = f"browsers do not play {suffix} files"
    return {**data, **clip.picture}


def _rounded(value: Optional[float]) -> Optional[float]:
    return None if value is None or not np.isfinite(value) else round(float(value), 4)


def _mean(name: str, clips: Sequence[PageClip]) -> float:
    own = [c for c in clips if c.group == name and c.counts]
    scores = [c.mos for c in own if c.mos is not None]
    return float(np.mean(scores)) if scores else -np.inf


def _group(name: str, clips: Sequence[PageClip]) -> Dict[str, Any]:
    """Return mean, deviation and the mean's 95 % interval (Student's t) of a group."""
    own = [clip for clip in clips if clip.group == name]
    scores = [clip.mos for clip in own if clip.mos is not None and clip.counts]
    data: Dict[str, Any] = {"name": one_line(name), "n": len(scores)}
    data["failed"] = sum(clip.mos is None for clip in own)
    data["silent"] = len(own) - len(scores) - data["failed"]
    if scores:
        data["mean"] = _rounded(float(np.mean(scores)))
    if len(scores) > 1:
        deviation, low, high = student_interval(scores)
        data["deviation"] = _rounded(deviation)
        data["interval"] = [_rounded(low), _rounded(high)]
    return data


def _pairs(
    names: Sequence[str], clips: Sequence[PageClip], keys: Mapping[int, Optional[str]]
) -> List[Dict[str, Any]]:
    """Return the paired test of every two groups that share two clips or more.

    Differences are second minus first, with their interval over clips; p-values are
    corrected for the number of pairs (Holm).
    """
    scores: Dict[str, Dict[str, float]] = {name: {} for name in names}
    for i, clip in enumerate(clips):
        key = keys[i]
        if clip.mos is not None and clip.counts and key is not None:
            scores[clip.group][key] = clip.mos
    n_first = len(names) if len(names) <= _ALL_PAIRS else 1
    found = []
    for i in range(n_first):
        for j in range(i + 1, len(names)):
            a, b = scores[names[i]], scores[names[j]]
            shared = [key for key in a if key in b]
            if len(shared) > 1:
                found.append((i, j, shared, a, b))
    rows = []
    for i, j, shared, a, b in found:
        difference, low, high, p = paired_difference(
            [b[key] for key in shared], [a[key] for key in shared], _N_BOOTSTRAP
        )
        row: Dict[str, Any] = {
            "a": i,
            "b": j,
            "n": len(shared),
            "difference": _rounded(difference),
            "method": "Student's t" if len(shared) < FEW else "paired bootstrap",
        }
        rows.append({**row, "interval": [_rounded(low), _rounded(high)], "p": p})
    for row, p_holm in zip(rows, holm([row["p"] for row in rows])):
        row["p_holm"] = p_holm
    return rows
