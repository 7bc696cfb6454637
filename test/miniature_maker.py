"""Clips and tables of a miniature corpus: the same seed, the same files."""

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from made_speech import speech_like

from mini_mos.corpus.speech import find_speech, read_clean


@dataclass(frozen=True)
class System:
    """A system: its place in the corpus, and how good it is (MOS)."""

    number: int
    quality: float

    def tag(self, prefix: str, n: int) -> str:
        """`sys8d3e2`: letters and digits that say nothing, always the same."""
        return (
            prefix + hashlib.sha256(f"{prefix}{self.number}".encode()).hexdigest()[:n]
        )


def systems(n: int) -> list[System]:
    """Systems whose qualities spread over the scale, in no order."""
    return [System(i, 1.4 + 3.3 * ((i * 5) % n) / (n - 1)) for i in range(n)]


class Maker:
    """Writes clips and tables below a folder; the same seed, the same files.

    Args:
        folder: where the miniature goes.
        speech_dir: clean speech, one folder a speaker; None for made-up sounds.
        seconds: longest clip.
        seed: of everything.
    """

    def __init__(self, folder: Path, speech_dir=None, seconds=1.1, seed: int = 0):
        self.folder = Path(folder)
        self.seconds = seconds
        self.rng = np.random.default_rng(seed)
        self.n_clips = 0
        self.prompts = [] if speech_dir is None else find_speech(speech_dir)[0]
        self.rng.shuffle(self.prompts)

    def clean(self) -> np.ndarray:
        """(T,) samples at 16 kHz of a clip that no other clip has."""
        self.n_clips += 1
        if self.prompts:
            x = read_clean(self.prompts[self.n_clips % len(self.prompts)].path)
            return x[: int(self.seconds * 16000)]
        length = self.seconds * self.rng.uniform(0.7, 1.0)
        return speech_like(int(self.rng.integers(1 << 31)), length)

    def wav(self, path: str, system: System, rate=16000, level=None) -> None:
        """Speech with as much noise as its system adds; `level` in dB, None: any."""
        x = self.clean()
        snr = 9 * (system.quality - 1)
        noise = self.rng.standard_normal(len(x)) * np.sqrt(np.mean(x**2))
        x = x + noise * 10 ** (-snr / 20)
        level = self.rng.uniform(-36, -20) if level is None else level
        x *= 10 ** (level / 20) / np.sqrt(np.mean(x**2))
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if rate != 16000:
            x = soxr.resample(x, 16000, rate)
        soundfile.write(target, np.clip(x, -1, 1), rate, subtype="PCM_16")

    def score(self, system: System) -> int:
        """One listener's choice, 1 to 5."""
        return int(np.clip(np.round(self.rng.normal(system.quality, 0.7)), 1, 5))

    def text(self, path: str, content: str) -> None:
        """Write a file."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)

    def table(self, path: str, rows: Iterable[Sequence], header=None) -> None:
        """Write a CSV file."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows([header] if header else [])
        writer.writerows(rows)
        self.text(path, out.getvalue())
