"""Made-up trainings of two recipes on sets of known design, and their true figures.

Quality, and the errors of a recipe and of each of its trainings, have parts that go
with the system, with the prompt and with the clip. Each training multiplies its errors
by a factor of its own, so that some are better than others on every clip.
"""

import math
from dataclasses import dataclass, replace
from typing import Dict, List, Tuple

import numpy as np

# Standard deviations of what goes with systems, prompts and clips, in MOS.
Parts = Tuple[float, float, float]


@dataclass(frozen=True)
class Design:
    """A set: all systems say all prompts, or `n_clips` of them are drawn."""

    systems: int
    prompts: int
    n_clips: int = 0

    def draw(self, rng) -> Tuple[np.ndarray, np.ndarray]:
        """Return system and prompt of each clip; each system has as many clips."""
        each = (self.n_clips or self.systems * self.prompts) / self.systems
        of = [round(each * (s + 1)) - round(each * s) for s in range(self.systems)]
        prompts = [rng.choice(self.prompts, n, replace=False) for n in of]
        return np.repeat(np.arange(self.systems), of), np.concatenate(prompts)


DESIGNS: Dict[str, Design] = {
    "13 systems x 6 talkers": Design(13, 6),
    "8 codecs x 16 sentences": Design(8, 16),
    "15 systems, 135 prompts, 240 clips": Design(15, 135, 240),
    "45 systems, 135 prompts, 300 clips": Design(45, 135, 300),
}


@dataclass(frozen=True)
class Population:
    """Where sets and trainings are drawn from.

    Attributes:
        quality: of the clips.
        listeners: standard deviation of a label about it.
        shared: errors that both recipes make.
        own: errors that all trainings of one recipe make.
        training: errors of one training.
        spread: standard deviation of the logarithm of a training's factor.
        better: by how much the logarithm of the first recipe's factor is lower.
    """

    quality: Parts = (0.7, 0.15, 0.25)
    listeners: float = 0.25
    shared: Parts = (0.3, 0.1, 0.3)
    own: Parts = (0.15, 0.08, 0.15)
    training: Parts = (0.1, 0.05, 0.15)
    spread: float = 0.2
    better: float = 0.0

    def draw(self, design: Design, n_seeds: int, rng):
        """Return labels (N,), systems, prompts, and predictions of `a` and `b`."""
        systems, prompts = design.draw(rng)

        def made(parts: Parts) -> np.ndarray:
            by_system = parts[0] * rng.normal(size=design.systems)
            by_prompt = parts[1] * rng.normal(size=design.prompts)
            by_clip = parts[2] * rng.normal(size=len(systems))
            return by_system[systems] + by_prompt[prompts] + by_clip

        quality, shared = made(self.quality), made(self.shared)
        labels = quality + self.listeners * rng.normal(size=len(systems))
        predictions: Dict[str, np.ndarray] = {}
        for name, better in (("a", self.better), ("b", 0.0)):
            own = made(self.own)
            rows: List[np.ndarray] = []
            for _ in range(n_seeds):
                factor = math.exp(self.spread * rng.normal() - better)
                rows.append(quality + factor * (shared + own + made(self.training)))
            predictions[name] = np.array(rows)
        return labels, systems.astype(str), prompts.astype(str), predictions

    def srcc(self, better: float) -> float:
        """Return the mean SRCC of trainings over all clips that there could be.

        All is normal, so that Pearson's r is known, and Spearman's is 6/pi asin(r/2).
        """

        def variance(parts: Parts) -> float:
            return sum(x * x for x in parts)

        quality = variance(self.quality)
        errors = sum(map(variance, (self.shared, self.own, self.training)))
        nodes, weights = np.polynomial.hermite_e.hermegauss(40)
        factors = np.exp(self.spread * nodes - better)
        r = quality / np.sqrt(
            (quality + self.listeners**2) * (quality + factors**2 * errors)
        )
        mean = weights @ (6 / math.pi * np.arcsin(r / 2)) / weights.sum()
        return float(mean)


USUAL = Population()
POPULATIONS: Dict[str, Population] = {
    "usual": USUAL,
    "trainings differ little": replace(USUAL, training=(0.03, 0.02, 0.05), spread=0.05),
    "trainings differ much": replace(USUAL, training=(0.25, 0.1, 0.3), spread=0.4),
    "near 1": replace(
        USUAL, quality=(1.2, 0.15, 0.25), listeners=0.1, shared=(0.1, 0.05, 0.1)
    ),
    "no systems, no prompts": replace(
        USUAL, shared=(0, 0, 0.4), own=(0, 0, 0.25), training=(0, 0, 0.2)
    ),
}
