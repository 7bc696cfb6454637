"""What the values of Kaldi-style files may be: text in, value out, or ValueError."""

import math
from typing import List, Tuple

# Who, and the score that he or she gave.
Rating = Tuple[str, float]
# Value of a line of `utt2ratings` where nobody's rating is known.
NO_RATINGS = "-"


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
    if text == NO_RATINGS:
        return []
    ratings = []
    for word in text.split():
        listener, colon, score = word.rpartition(":")
        if not colon or not listener:
            raise ValueError(f"{word!r} is not listener:score (as in L07:4)")
        ratings.append((listener, to_float(score)))
    return ratings


def from_ratings(ratings: List[Rating]) -> str:
    """Return the text of which :func:`to_ratings` makes `ratings`."""
    return " ".join(f"{who}:{score:g}" for who, score in ratings) or NO_RATINGS
