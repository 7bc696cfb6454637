"""Simple acoustic classes of frames, to see what tokens stand for."""

import numpy as np
import torch

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from mini_mos.pretrain.targets import HOP, MELS, WINDOW, LogMel

BANDS = 5
SILENCE_DB = 25.0  # below the loud frames of the clip
VOICED = 0.6  # normalised autocorrelation at the pitch period
LOWEST_HZ, HIGHEST_HZ = 80, 400
CLASSES = 1 + 2 * BANDS


def frame_classes(x: np.ndarray, log_mel: LogMel) -> np.ndarray:
    """Return the class of each frame (T,): 0 silent, else 1 + band + 5 if voiced.

    The band is that fifth of the mel bins which is loudest against its mean over the
    clip: the bins of speech fall with frequency, and the lowest would always win.

    Args:
        x: clip (N,) float32 at 16 kHz.
        log_mel: shared, since making it takes time.
    """
    count = (len(x) - WINDOW) // HOP + 1
    frames = np.lib.stride_tricks.sliding_window_view(x, WINDOW)[::HOP][:count]
    frames = frames.astype(np.float64) - frames.mean(axis=1, keepdims=True)
    power = np.square(frames).mean(axis=1) + 1e-12
    level = 10 * np.log10(power)
    silent = level < np.percentile(level, 95) - SILENCE_DB
    lags = np.arange(SAMPLE_RATE // HIGHEST_HZ, SAMPLE_RATE // LOWEST_HZ + 1)
    best = np.zeros(count)
    for lag in lags:
        early, late = frames[:, :-lag], frames[:, lag:]
        norm = np.sqrt(np.square(early).sum(1) * np.square(late).sum(1)) + 1e-12
        best = np.maximum(best, (early * late).sum(1) / norm)
    with torch.no_grad():
        mel = log_mel(torch.from_numpy(x)[None])[0].numpy()
    mel = mel - mel.mean(axis=0)
    band = mel.reshape(count, BANDS, MELS // BANDS).mean(axis=2).argmax(axis=1)
    return np.where(silent, 0, 1 + band + BANDS * (best > VOICED))
