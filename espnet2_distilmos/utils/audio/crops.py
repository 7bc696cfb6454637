"""How long a part of a clip is: one rule for training on crops and for scoring them."""

from espnet2_distilmos.utils.audio.checks import SAMPLE_RATE


def crop_samples(seconds: float) -> int:
    """Return the samples of a crop, at most."""
    return round(seconds * SAMPLE_RATE)


def frames_left_out(n: int, most: int, unit: int) -> int:
    """Return how many frames fewer a crop has than its clip; 0 where it is all of it.

    Args:
        n: samples of the clip.
        most: samples of a crop, at most.
        unit: samples of a frame.
    """
    return -(-max(n - most, 0) // unit)
