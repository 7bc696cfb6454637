#!/usr/bin/env python3
"""Ten small corpora of one's own, made on the spot: does the model beat the constant?

    python test/benchmarks/small_corpora.py --output_dir /tmp/ten            # all ten
    python test/benchmarks/small_corpora.py --output_dir /tmp/ten --only voices

Each corpus is synthetic speech (espeak-ng and flite where they are installed, else
syllables made with numpy), harmed by noise or a low-pass filter. Its labels are a known
function of voice and harm plus a listener's noise. It goes through the two documented
lines, setup.sh and `run.sh --csv FILE --preset mini`; options after `--` are passed on.
What holds for every corpus: the model beats the constant (the mean of the training
labels) in the MSE of the test set, or RESULTS.md says that it does not. A table of the
figures is printed and written to OUTPUT_DIR/small_corpora.md.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import numpy as np
import scipy.signal
import soundfile

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(REPO)]

SETUP = REPO / "egs2/TEMPLATE/distilmos1/setup.sh"
# Voice -> its part of the label, MOS units. Any other order would do.
VOICES = {
    "flite:slt": 3.2,
    "flite:rms": 3.0,
    "flite:awb": 2.7,
    "espeak-ng:en-us": 2.0,
    "espeak-ng:en-us+f3": 2.2,
    "flite:kal": 2.4,
    "espeak-ng:en-gb+m5": 2.1,
    "flite:kal16": 2.6,
}
WORDS = """the a small old green river house boy music paper morning winter stone table
garden ship under over quickly slowly carried found heard left read seven twenty light
water bread never often window road with and from behind people letter story evening
""".split()


@dataclass(frozen=True)
class Corpus:
    """What a corpus is made of.

    Attributes:
        n_clips: clips in all.
        n_voices: of VOICES, from the first on.
        harms: names of :func:`harm`, one drawn for a clip.
        column: `system` (voice and harm), `clip` (a system a clip) or nothing.
        listener: standard deviation of the labels' noise, MOS units.
        voice_share: of the voices' part of the label.
        lift: of all labels, before the harm is taken off.
        scale: ends of the rating scale.
        split: whether the table says which clips train, choose and test.
    """

    n_clips: int
    n_voices: int
    harms: Tuple[str, ...] = ("none",)
    column: str = ""
    listener: float = 0.2
    voice_share: float = 1.0
    lift: float = 0.8
    scale: Tuple[float, float] = (1.0, 5.0)
    split: bool = False


CORPORA = {
    "voices": Corpus(60, 6, column="system", lift=0.0),
    "voices_harmed": Corpus(60, 6, ("none", "noise"), column="system"),
    "noise_40": Corpus(40, 2, ("noise",)),
    "noise_100": Corpus(100, 2, ("noise", "none")),
    "lowpass_70": Corpus(70, 3, ("lowpass", "none"), split=True),
    "ten_systems": Corpus(100, 5, ("none", "lowpass"), column="system"),
    "eight_systems": Corpus(48, 4, ("noise", "none"), column="system"),
    "a_system_a_clip": Corpus(40, 3, ("noise",), column="clip"),
    "of_hundred": Corpus(80, 4, ("noise", "lowpass"), scale=(0.0, 100.0)),
    "only_noise": Corpus(60, 1, column="system", listener=0.4, voice_share=0.0),
}


def speak(voice: str, text: str, seed: int) -> np.ndarray:
    """Speech (T,) at 16 kHz; made-up syllables where the engine is not installed."""
    engine, name = voice.split(":")
    program = shutil.which(engine)
    if program is None:
        from made_speech import speech_like

        # The same voice has the same pitch and resonances, moved a little by the clip.
        return speech_like(sorted(VOICES).index(voice) + 1000 * (seed % 3), 1.5)
    with tempfile.TemporaryDirectory() as tmp:
        path = f"{tmp}/speech.wav"
        option = ["-v", name, "-w", path, text]
        if engine == "flite":
            option = ["-voice", name, "-t", text, "-o", path]
        subprocess.run([program, *option], check=True, capture_output=True)
        x, rate = soundfile.read(path)
    return scipy.signal.resample_poly(x, 16000, rate)


def harm(
    x: np.ndarray, kind: str, rng: np.random.Generator
) -> Tuple[np.ndarray, float]:
    """The harmed clip (T,) and how many MOS units that costs."""
    x = 0.1 * x / max(float(np.sqrt(np.mean(x**2))), 1e-9)
    if kind == "noise":
        snr = rng.uniform(0, 35)  # dB
        x = x + 0.1 * 10 ** (-snr / 20) * rng.standard_normal(len(x))
        return x, 1.6 * (1 - snr / 35)
    if kind == "lowpass":
        hz = np.exp(rng.uniform(np.log(700), np.log(6000)))
        b, a = scipy.signal.butter(6, hz, fs=16000)
        return scipy.signal.lfilter(b, a, x), 1.4 * np.log(6000 / hz) / np.log(
            6000 / 700
        )
    return x, 0.0


def clips(corpus: Corpus, seed: int) -> Iterator[Tuple[np.ndarray, float, str]]:
    """Samples (T,), label and system of every clip."""
    # No two of the ten have the same draws.
    rng = np.random.default_rng(
        [seed, corpus.n_clips, list(CORPORA.values()).index(corpus)]
    )
    voices = list(VOICES)[: corpus.n_voices]
    middle = np.mean([VOICES[v] for v in voices])
    low, high = corpus.scale
    for i in range(corpus.n_clips):
        voice, kind = voices[i % len(voices)], str(rng.choice(corpus.harms))
        text = " ".join(rng.choice(WORDS, rng.integers(6, 12)))
        x, cost = harm(speak(voice, text, i), kind, rng)
        mos = (
            middle + corpus.voice_share * (VOICES[voice] - middle) + corpus.lift - cost
        )
        mos = float(np.clip(mos + corpus.listener * rng.standard_normal(), 1, 5))
        system = f"{voice.replace(':', '_')}_{kind}"
        yield (
            np.clip(x, -1, 1),
            round(low + (mos - 1) / 4 * (high - low), 3),
            f"s{i:03d}" if corpus.column == "clip" else system,
        )


def make_corpus(folder: Path, corpus: Corpus, seed: int = 0) -> Path:
    """Write the clips and `scores.csv` into `folder`; returns the table."""
    (folder / "wavs").mkdir(parents=True, exist_ok=True)
    rows: List[Dict[str, object]] = []
    for i, (x, mos, system) in enumerate(clips(corpus, seed)):
        name = f"wavs/{i:03d}.wav"
        soundfile.write(folder / name, x, 16000)
        row: Dict[str, object] = {"wav": name, "mos": mos}
        if corpus.column:
            row["system"] = system
        if corpus.split:
            row["split"] = {8: "valid", 9: "test"}.get(i % 10, "train")
        rows.append(row)
    with open(folder / "scores.csv", "w", newline="") as f:
        table = csv.DictWriter(f, [*rows[0]])
        table.writeheader()
        table.writerows(rows)
    return folder / "scores.csv"


def run_recipe(folder: Path, corpus: Corpus, more: List[str]) -> float:
    """The two documented lines; returns the seconds that they took."""
    recipe = folder / "egs2/corpus/distilmos1"
    if not recipe.exists():
        subprocess.run([str(SETUP), str(recipe)], check=True, capture_output=True)
    scale = f"--scale={corpus.scale[0]:g},{corpus.scale[1]:g}"
    options = ["--csv", str(folder / "scores.csv"), scale, "--preset", "mini"]
    start = time.time()
    with open(folder / "run.log", "w") as log:
        subprocess.run(
            ["./run.sh", *options, *more],
            cwd=recipe,
            check=True,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return time.time() - start


def figures(folder: Path) -> Dict[str, object]:
    """What RESULTS.md says of the test set: MSEs, and its sentence on the constant."""
    exp = folder / "egs2/corpus/distilmos1/exp"
    (model,) = exp.glob("mos_*/inference_*/test/scores.json")
    found: Dict[str, object] = {}
    rows = exp / "reference_rows"
    for name, path in (
        ("model", model),
        ("constant", rows / "constant/test/scores.json"),
        ("spectral_statistics", rows / "spectral_statistics/test/scores.json"),
    ):
        scores = json.loads(path.read_text())
        found[name] = scores["utt"]["mse"]["value"]
        found[f"{name}_srcc"] = scores["utt"]["srcc"]["value"]
        found["n_test"] = scores["n_utt"]
    text = (exp / "RESULTS.md").read_text()
    said = [x for x in text.splitlines() if "the constant" in x and "mos_" in x]
    found["said"] = said[0] if said else ""
    return found


def main() -> int:
    """Make, train, tabulate; 1 where a corpus failed the rule."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=CORPORA, default=[*CORPORA])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--make_only", action="store_true", help="No training")
    parser.add_argument("more", nargs="*", help="Options for run.sh, after --")
    args = parser.parse_args()
    lines, failed = [], []
    for name in args.only:
        folder, corpus = args.output_dir / name, CORPORA[name]
        if not (folder / "scores.csv").exists():
            make_corpus(folder, corpus, args.seed)
        if args.make_only:
            continue
        seconds = run_recipe(folder, corpus, args.more)
        found = figures(folder)
        better = found["model"] < found["constant"]
        if not better and "not better" not in str(found["said"]):
            failed.append(name)
        srcc = found["model_srcc"]
        lines.append(
            f"| {name} | {corpus.n_clips} | {found['n_test']} | "
            f"{found['constant']:.3f} | {found['spectral_statistics']:.3f} | "
            f"{found['model']:.3f} | {'–' if srcc is None else format(srcc, '.2f')} | "
            f"{'yes' if better else 'no'} | {found['said']} | {seconds:.0f} s |"
        )
        print(lines[-1], flush=True)
    header = "corpus|clips|test clips|constant MSE|spectral_statistics MSE|model MSE|"
    header += "SRCC|beats the constant|RESULTS.md says|time"
    cells = header.split("|")
    table = "\n".join(
        ["| " + " | ".join(cells) + " |", "|---" * len(cells) + "|", *lines]
    )
    if lines:
        (args.output_dir / "small_corpora.md").write_text(table + "\n")
        print(table)
    if failed:
        print(f"neither better nor said: {' '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
