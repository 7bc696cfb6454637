"""Ratings of single listeners, and the file that holds them.

`utt2ratings`, in a data directory, has one line a clip, sorted like all its files:

    utt listener:score listener:score ...

Listeners' IDs hold neither blanks nor colons, and a listener stands once in a line (the
mean of their scores if they heard the clip twice). Scores are on the scale of
`utt2mos`, sorted by listener.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Dict, List, Tuple

from espnet2_distilmos.corpora.checks import Clip, Finding
from espnet2_distilmos.utils.datadir import write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.values import from_ratings, to_label

Ratings = Dict[str, Dict[str, List[float]]]  # clip -> listener -> scores


def gather_ratings(
    rows: Iterable[Tuple[str, str, str, str]],
    scale: Tuple[float, float],
    dset: str,
    findings: List[Finding],
) -> Ratings:
    """Return ratings by clip and listener.

    Args:
        rows: FILE:LINE, ID of the clip, listener, score as text.
        scale: lowest and highest score.
        dset: set, for findings.
        findings: what is left out (a score that is no number or outside the scale) is
            added here.

    Raises:
        UserError: two listeners' IDs differ only in blanks and colons.
    """
    ratings: Ratings = {}
    original: Dict[str, str] = {}
    for where, utt, listener, text in rows:
        name = re.sub(r"[\s:]+", "_", listener)
        if original.setdefault(name, listener) != listener:
            raise UserError(
                f"{where}: listeners {original[name]!r} and {listener!r} would both be "
                f"called {name}; rename one"
            )
        try:
            if not name:
                raise ValueError("no listener")
            score = to_label(text, scale)
        except ValueError as e:
            findings.append(Finding(dset, utt, "rating of no use", f"{e}; {where}"))
            continue
        ratings.setdefault(utt, {}).setdefault(name, []).append(score)
    return ratings


def write_ratings(
    path: PathLike,
    dset: str,
    clips: Iterable[Clip],
    ratings: Ratings,
    findings: List[Finding],
) -> None:
    """Write `utt2ratings` of the clips of a set.

    Clips without ratings are not in the file; they, clips that one listener rated
    twice, and clips whose label is not the mean of their ratings are added to
    `findings`.
    """
    lines: Dict[str, str] = {}
    for clip in clips:
        own = ratings.get(clip.utt)
        if not own:
            findings.append(Finding(dset, clip.utt, "no ratings", kept=True))
            continue
        for listener in (x for x, scores in own.items() if len(scores) > 1):
            findings.append(
                Finding(
                    dset, clip.utt, "rated twice by a listener", listener, kept=True
                )
            )
        mean = mean_of(own)
        if abs(mean - clip.mos) > 0.01:
            detail = f"label {clip.mos:g}, mean {mean:g}"
            findings.append(
                Finding(dset, clip.utt, "ratings of another mean", detail, kept=True)
            )
        lines[clip.utt] = from_ratings(
            [(listener, sum(s) / len(s)) for listener, s in sorted(own.items())]
        )
    if not lines:
        raise UserError(f"{dset}: --listeners: no rating of any of its clips was found")
    write_lines(path, lines)


def mean_of(own: Mapping[str, List[float]]) -> float:
    """Return the mean of all scores of one clip."""
    scores = [s for of_listener in own.values() for s in of_listener]
    return sum(scores) / len(scores)
