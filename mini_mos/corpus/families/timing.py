"""Losses and unsteadiness in time. Times in ms, rates in Hz."""

import numpy as np

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from mini_mos.corpus.families.registry import family, linear, log


@family(
    "packet_loss",
    strength={"loss": log(0.004, 0.6)},
    character=lambda rng: {
        "packet_ms": float(rng.uniform(8, 45)),
        "burst": float(rng.uniform(1, 3)),
        "repeat": float(rng.choice([0.0, rng.uniform(0.3, 1)])),
    },
)
def packet_loss(
    x, rng, *, loss: float, packet_ms: float, burst: float, repeat: float
) -> np.ndarray:
    """Lose packets in bursts of mean length `burst` (Gilbert's two states).

    A missing packet is silent (`repeat` 0) or the last one again, `repeat` times as
    loud at each repetition. At least one packet of the clip goes missing.
    """
    size = round(packet_ms * SAMPLE_RATE / 1000)
    count = -(-len(x) // size)
    recover = 1 / burst
    fail = min(1.0, loss * recover / (1 - loss))
    lost = np.zeros(count, bool)
    state = False
    for i, u in enumerate(rng.random(count)):
        state = u >= recover if state else u < fail
        lost[i] = state
    if not lost.any():
        lost[rng.integers(count)] = True
    y = np.pad(x, (0, count * size - len(x))).reshape(count, size)
    for i in np.flatnonzero(lost):
        y[i] = y[i - 1] * repeat if i else 0.0
    return y.reshape(-1)[: len(x)]


@family(
    "gain_flutter",
    strength={"depth": linear(0.0, 1.0)},
    character=lambda rng: {
        "rate_hz": float(np.exp(rng.uniform(np.log(2), np.log(60)))),
        "sharpness": float(rng.uniform(0.5, 8)),
    },
)
def gain_flutter(
    x, rng, *, depth: float, rate_hz: float, sharpness: float
) -> np.ndarray:
    """Let the gain dip periodically by `depth` (1 = to silence)."""
    phase = 2 * np.pi * (rate_hz * np.arange(len(x)) / SAMPLE_RATE + rng.uniform())
    return x * (1 - depth / (1 + np.exp(-sharpness * np.cos(phase))))


@family(
    "speed_flutter",
    strength={"swing_ms": log(0.002, 6.0)},
    character=lambda rng: {"rate_hz": float(rng.uniform(1.5, 20))},
)
def speed_flutter(x, rng, *, swing_ms: float, rate_hz: float) -> np.ndarray:
    """Read the clip at a moment that swings by `swing_ms`: wow and flutter."""
    n = np.arange(len(x))
    phase = 2 * np.pi * (rate_hz * n / SAMPLE_RATE + rng.uniform())
    return np.interp(n + swing_ms * SAMPLE_RATE / 1000 * np.sin(phase), n, x)
