"""Types of options, for argparse: what a number has to be, and names that are no name.

A value that is refused is a mistake in the options: one line names it, exit code 2.
"""

import argparse
import math
import re

LARGEST_SEED = 2**32 - 1  # scikit-learn's, and that of numpy's older generators


def _whole(text: str, least: int, most: float = math.inf) -> int:
    # Not int() alone: it takes 1_0 for 10, and any alphabet's digits.
    value = int(text) if re.fullmatch(r"[+-]?[0-9]{1,40}", text) else None
    if value is None or not least <= value <= most:
        ends = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number {ends} is needed")
    return value


def positive_int(text: str) -> int:
    """1, 2, 3..."""
    return _whole(text, 1)


def natural(text: str) -> int:
    """0, 1, 2..."""
    return _whole(text, 0)


def seed(text: str) -> int:
    """What every generator in use takes."""
    return _whole(text, 0, LARGEST_SEED)


def number(text: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if "_" in text or not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r}: a number is needed, as in 2.5")
    return value


def positive(text: str) -> float:
    """A finite number above 0."""
    value = number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: a number above 0 is needed")
    return value


def not_negative(text: str) -> float:
    """A finite number, 0 or more."""
    value = number(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r}: 0 or more is needed")
    return value


def path(text: str) -> str:
    """A name of a file or folder.

    Nothing is no name: it comes from an unset variable ("$DIR") and would mean the
    current folder.
    """
    if not text:
        raise argparse.ArgumentTypeError("'' names no file or folder; '.' is this one")
    return text
