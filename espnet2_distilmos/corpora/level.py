"""Clips at one level: some corpora were levelled (BVCC), others were not (SOMOS)."""

import logging
import math
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np

from espnet2_distilmos.utils.datadir import write_lines
from espnet2_distilmos.utils.terminal import counted


def level_gain(samples: np.ndarray, level_db: float) -> Optional[float]:
    """Return the factor that brings `samples` (N,) to an RMS of `level_db` dB.

    The mean runs over the whole clip, pauses included. ITU-T P.56 (sv56, with which
    BVCC was made) takes it over active speech only: where a share p of a clip is
    pause, a clip levelled here has an active level 10 log10(1 / (1 - p)) dB higher,
    1 dB for a fifth.

    Returns:
        None for a silent clip.
    """
    rms = math.sqrt(float(np.mean(np.square(samples, dtype=np.float64))))
    return 10 ** (level_db / 20) / rms if rms > 0 else None


class Levelling:
    """Bring clips to one level, and remember what that took.

    Args:
        level_db: see :func:`level_gain`; None = leave them alone.
    """

    def __init__(self, level_db: Optional[float]):
        self.level_db = level_db
        self.gains: Dict[str, float] = {}
        self.clipped: List[str] = []
        self.silent: List[str] = []

    def __call__(self, utt: str, samples: np.ndarray) -> np.ndarray:
        """Level one clip (N,)."""
        gain = level_gain(samples, self.level_db)
        if gain is None:
            self.silent.append(utt)
            gain = 1.0
        self.gains[utt] = 20 * math.log10(gain)
        samples = gain * samples
        if np.abs(samples).max() > 1:
            self.clipped.append(utt)
        return np.clip(samples, -1, 1)

    def report(self, output_dir: Path, kept: List[str]) -> None:
        """Write `utt2gain_db`; name the clips that could not be levelled well."""
        if self.level_db is None:
            return
        write_lines(output_dir / "utt2gain_db", {u: self.gains[u] for u in kept})
        for ids, what in (
            (self.silent, "silent, left as they are"),
            (self.clipped, "clipped, since their peaks went over full scale"),
        ):
            if ids:
                logging.warning(
                    f"{output_dir}: {counted(len(ids), 'clip')} {what}: "
                    f"{' '.join(ids[:10])}" + (" ..." if len(ids) > 10 else "")
                )
