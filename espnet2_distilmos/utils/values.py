"""What the values of Kaldi-style files may be: text in, value out, or ValueError."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Dict, List, Optional, Tuple

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.mapping import is_number

# Who, and the score that he or she gave.
Rating = Tuple[str, float]
# Value of a line of `utt2ratings` where nobody's rating is known, and of `utt2scores`
# where a clip has no further label.
NO_RATINGS = "-"
# What the first scale, that of `utt2mos`, is called beside others.
FIRST_SCALE = "MOS"
# Names of scales become names of folders, columns and statistics.
_SCALE = re.compile(r"[A-Za-z][A-Za-z0-9]{0,15}")
# Columns of tables of scores, in small letters: no scale may be called so.
_TAKEN = ("mos", "id", "file", "seconds", "warnings", "error")


def to_float(text: str) -> float:
    """Return a finite number, or ValueError with the reason."""
    try:
        if "_" in text:  # 3_5 would be 35
            raise ValueError(text)
        value = float(text)
    except ValueError as e:
        raise ValueError(f"{text!r} is not a number (as in 3.25)") from e
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite number")
    return value


def to_label(text: str, scale: Tuple[float, float], hint: str = "") -> float:
    """Return a score on a scale, or ValueError with the reason, `hint` behind it."""
    value, (low, high) = to_float(text), scale
    if not low <= value <= high:
        on = f"{low:g} to {high:g}{hint}"
        raise ValueError(f"score {value:g} is outside the scale, {on}")
    return value


def to_word(text: str) -> str:
    """Return one word, or ValueError."""
    if len(text.split()) != 1:
        raise ValueError(f"one word was expected, found {text!r}")
    return text


def to_audio_path(text: str) -> str:
    """Return a plain path; Kaldi pipes are refused, since they would run a command."""
    if text.endswith("|") or text.startswith("|"):
        raise ValueError("pipes are not supported; write the audio to a file first")
    return text


def to_ratings(text: str) -> List[Rating]:
    """Return `listener:score listener:score ...` as pairs (`-` = none).

    What follows a listener's last colon is the score.
    """
    return _to_pairs(text, "listener:score (as in L07:4)")


def _to_pairs(text: str, wanted: str) -> List[Tuple[str, float]]:
    if text == NO_RATINGS:
        return []
    pairs = []
    for word in text.split():
        name, colon, number = word.rpartition(":")
        if not colon or not name:
            raise ValueError(f"{word!r} is not {wanted}")
        pairs.append((name, to_float(number)))
    return pairs


def from_ratings(ratings: List[Rating]) -> str:
    """Return the text of which :func:`to_ratings` makes `ratings`."""
    return " ".join(f"{who}:{score:g}" for who, score in ratings) or NO_RATINGS


def to_scale_name(text: str) -> str:
    """Return the name of a further scale, or ValueError with the reason."""
    if not _SCALE.fullmatch(text):
        raise ValueError(
            f"{text!r} is no name of a scale: a letter, then letters and digits, 16 at "
            "most (as in SIG)"
        )
    if text.lower() in _TAKEN:
        raise ValueError(
            f"{text!r} is no name of a further scale: utt2mos holds the MOS, and "
            f"tables have columns called {', '.join(_TAKEN)}"
        )
    return text


def to_scale_names(names: Iterable[str]) -> Tuple[str, ...]:
    """Return names of further scales, or ValueError: a bad one, or one twice."""
    found = tuple(map(to_scale_name, names))
    seen: Dict[str, str] = {}
    for name in found:
        # SIG and sig would be one folder on some machines.
        if seen.setdefault(name.lower(), name) != name or found.count(name) > 1:
            raise ValueError(f"scale {name} stands there twice")
    return found


def to_scores(text: str) -> Dict[str, float]:
    """Return `SCALE:label SCALE:label ...` as a mapping (`-` = none)."""
    pairs = _to_pairs(text, "SCALE:label (as in SIG:3.4)")
    to_scale_names(name for name, _ in pairs)
    return dict(pairs)


def from_scores(scores: Dict[str, float]) -> str:
    """Return the text of which :func:`to_scores` makes `scores`, to 6 decimals."""
    return " ".join(f"{k}:{v:.6f}" for k, v in scores.items()) or NO_RATINGS


def scales_shown(names: Iterable[str]) -> str:
    """Return the scales of a model as people read them, the first one first."""
    return ", ".join([FIRST_SCALE, *names])


def crop_seconds_of(config: Mapping[str, Any], where: object) -> Optional[float]:
    """Return the length of the crops that a model was trained on; None = whole clips.

    Args:
        config: the training's.
        where: its source, for the error.

    Raises:
        UserError: no length of at most an hour.
    """
    seconds = config.get("crop_seconds")
    if seconds is not None and not (is_number(seconds) and 0 < seconds <= 3600):
        raise UserError(f"{where}: crop_seconds {seconds!r} is no length in seconds")
    return seconds


def crops_shown(seconds: float) -> str:
    """Return what a model was trained on as people read it."""
    return f"random crops of at most {seconds:g} s"
