"""Resynthesis from a damaged spectrum. Held out: no training system does this."""

import numpy as np

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from mini_mos.corpus.families.registry import family, linear
from mini_mos.corpus.signal import istft, stft


@family(
    "resynthesis",
    strength={"phase_error": linear(0.0, 1.0), "blur": linear(0.0, 1.0)},
    character=lambda rng: {
        "window_ms": float(rng.choice([16, 24, 32, 48, 64])),
        "bands": int(rng.integers(12, 60)),
    },
    held_out=True,
)
def resynthesis(
    x, rng, *, phase_error: float, blur: float, window_ms: float, bands: int
) -> np.ndarray:
    """Resynthesise with wrong phases and magnitudes blurred into `bands`.

    `phase_error` 1 draws phases anew, `blur` 1 keeps only the mean log magnitude of
    each mel-spaced band, which is what a poor vocoder makes of speech.
    """
    size = round(window_ms * SAMPLE_RATE / 1000)
    hop = size // 4
    z = stft(x, size, hop)
    log_magnitude = np.log(np.abs(z) + 1e-7)
    mel = np.log1p(np.arange(z.shape[0]) * (SAMPLE_RATE / size) / 700)
    band = np.minimum((mel / mel[-1] * bands).astype(int), bands - 1)
    member = np.equal.outer(np.arange(bands), band).astype(float)
    means = (member @ log_magnitude) / np.maximum(member.sum(1, keepdims=True), 1)
    log_magnitude += blur * (means[band] - log_magnitude)
    phase = np.angle(z) + phase_error * rng.uniform(-np.pi, np.pi, z.shape)
    return istft(np.exp(log_magnitude + 1j * phase), size, hop, len(x))
