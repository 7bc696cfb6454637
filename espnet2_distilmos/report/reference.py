"""Reference rows: what a score is worth is seen beside predictors without SSL.

`constant` is the mean label of the training set: a model that does not beat it has
learnt nothing at all. `system_mean` is an oracle that shows how much of a test set is
explained by the systems alone; `spectral_statistics` shows how far simple measurements
get. A model that does not beat the last has learnt nothing that needed it.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.fft
import scipy.signal
from threadpoolctl import threadpool_limits

from espnet2_distilmos.report.constant import CONSTANT, constant
from espnet2_distilmos.report.oracle import SYSTEM_MEAN, system_mean, why_no_oracle
from espnet2_distilmos.report.rows import NOT_SHOWN
from espnet2_distilmos.utils.audio import SAMPLE_RATE, read_16k
from espnet2_distilmos.utils.datadir import (
    DataDir,
    set_name,
    write_lines,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    sha256_file,
    write_text,
    write_yaml,
)
from espnet2_distilmos.utils.progress import progress
from espnet2_distilmos.utils.stamp import audio_request, is_whole, write_stamp

SPECTRAL_STATISTICS = "spectral_statistics"
NOTES = {
    CONSTANT: "The mean label of the training set for every clip: what a predictor "
    "scores that hears nothing.",
    SYSTEM_MEAN: "Oracle, not a prediction: each clip gets the mean label of its "
    "system over this very test set, so it knows the system and the answers' mean.",
    SPECTRAL_STATISTICS: "About a hundred simple statistics of level, spectrum and "
    "modulation, and regression trees (scikit-learn) trained on the training set; "
    "no SSL model.",
}
WINDOW, HOP, BANDS = 512, 160, 24  # samples, samples, mel bands
_FLOOR = 1e-10
_TREES = 400


def _mel_matrix() -> np.ndarray:
    """Triangular filters (BANDS, WINDOW // 2 + 1), 60 Hz to 8 kHz."""
    hz = np.arange(WINDOW // 2 + 1) * SAMPLE_RATE / WINDOW
    ends = 2595 * np.log10(1 + np.array([60.0, SAMPLE_RATE / 2]) / 700)
    edges = 700 * (10 ** (np.linspace(*ends, BANDS + 2) / 2595) - 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (hz - low) / (middle - low), (high - hz) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling))


_MEL = _mel_matrix()


def _db(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, _FLOOR))


def _mean_std(values: np.ndarray) -> list[float]:
    return [float(np.mean(values)), float(np.std(values))]


def _waveform(x: np.ndarray) -> list[float]:
    """Duration (s), level (dB), crest (dB), zero crossings, peaks, holds, kurtosis."""
    square = x * x
    power = float(np.mean(square))
    peak = float(np.max(np.abs(x)))
    crossings = float(np.mean(np.signbit(x[1:]) != np.signbit(x[:-1])))
    return [
        len(x) / SAMPLE_RATE,
        float(_db(power)),
        float(_db(peak**2) - _db(power)),
        crossings,
        float(np.mean(np.abs(x) > 0.98 * peak)),  # clipping piles samples up there
        float(np.mean(x[1:] == x[:-1])),  # muted or held samples
        float(np.mean(square * square)) / max(power, _FLOOR) ** 2,
    ]


def _modulation(envelope: np.ndarray) -> list[float]:
    """Shares of the power of the level contour (N,) in octaves from 1 to 50 Hz."""
    spectrum = np.abs(scipy.fft.rfft(envelope - envelope.mean(), 512)) ** 2
    hz = scipy.fft.rfftfreq(512, HOP / SAMPLE_RATE)
    edges = [1, 2, 4, 8, 16, 32, 50]
    total = max(float(spectrum[hz >= 1].sum()), _FLOOR)
    return [
        float(spectrum[(hz >= a) & (hz < b)].sum() / total)
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]


def spectral_statistics(x: np.ndarray) -> np.ndarray:
    """Simple statistics (F,), F = 114, of a clip (T,) at 16 kHz, float in [-1, 1].

    Spectra are taken relative to the clip's level, which quality does not depend on.
    """
    x = np.asarray(x, np.float64)
    wave = _waveform(np.pad(x, (0, max(0, WINDOW - len(x)))))
    x = np.pad(x, (0, max(0, WINDOW + 2 * HOP - len(x))))  # at least three frames
    x = x / max(float(np.sqrt(np.mean(x**2))), 1e-9)
    view = np.lib.stride_tricks.sliding_window_view(x, WINDOW)[::HOP]
    window = scipy.signal.get_window("hann", WINDOW)
    power = np.abs(scipy.fft.rfft(view * window)) ** 2 + _FLOOR  # (N, bins)
    mel = _db(power @ _MEL.T)  # (N, BANDS)
    hz = np.arange(power.shape[1]) * SAMPLE_RATE / WINDOW
    total = power.sum(1)
    level = _db(total)
    share = np.cumsum(power, 1) / total[:, None]
    centroid = power @ hz / total
    rolloff = [hz[np.argmax(share >= q, axis=1)] for q in (0.5, 0.85, 0.99)]
    flatness = _db(np.exp(np.log(power).mean(1)) / power.mean(1))
    delta = np.diff(mel, axis=0)
    silent = level < np.percentile(level, 95) - 35
    parts = [
        wave,
        mel.mean(0),
        mel.std(0),
        np.percentile(mel, 10, axis=0),
        delta.std(0)[::2],
        _modulation(level),
        np.percentile(level, [1, 5, 25, 75]) - level.max(),
        [float(silent.mean())],
        *(_mean_std(v) for v in (centroid, *rolloff, flatness)),
        _mean_std(np.abs(delta).mean(1)),
    ]
    return np.concatenate([np.ravel(p) for p in parts])


def read_features(wavs: Mapping[str, str]) -> np.ndarray:
    """Features (len(wavs), F) of ID -> audio path.

    Raises:
        UserError: an unreadable or empty file, or not at 16 kHz; names it.
    """
    # Several BLAS threads on matrices this small only get in each other's way.
    with threadpool_limits(1):
        paths = progress(wavs.values(), "spectral statistics, clips")
        return np.stack([spectral_statistics(read_16k(path)) for path in paths])


def fit_trees(
    features: np.ndarray,
    labels: Sequence[float],
    n_jobs: int = 2,
    seed: int = 0,
    min_samples_leaf: int = 2,
    max_features: float = 0.4,
):
    """scikit-learn's ExtraTreesRegressor, fitted to features (N, F) and labels (N,)."""
    from sklearn.ensemble import ExtraTreesRegressor  # a second of import

    model = ExtraTreesRegressor(
        _TREES,
        min_samples_leaf=min_samples_leaf,
        max_features=max_features,
        n_jobs=n_jobs,
        random_state=seed,
    )
    model.fit(features, labels)
    # Trees are added up in the order in which threads finish: with one there is one.
    model.n_jobs = 1
    return model


def predict_from_statistics(
    train: DataDir,
    tests: Mapping[str, DataDir],
    n_jobs: int = 2,
    seed: int = 0,
    min_samples_leaf: int = 2,
    max_features: float = 0.4,
) -> dict[str, dict[str, float]]:
    """Fit trees on `train` (labels needed); return set -> utterance -> MOS.

    The same input and seed give the same numbers, whatever `n_jobs`. The last two
    arguments are scikit-learn's.
    """
    labels = [train.mos[utt] for utt in train.wavs]
    options = (n_jobs, seed, min_samples_leaf, max_features)
    model = fit_trees(read_features(train.wavs), labels, *options)
    predictions = {}
    for name, data in tests.items():
        values = model.predict(read_features(data.wavs))
        predictions[name] = dict(zip(data.wavs, map(float, values), strict=True))
    return predictions


def _load(folder: Path) -> DataDir:
    data = DataDir.load(folder)
    if data.mos is None:
        raise UserError(f"{folder}: utt2mos is missing; reference rows need labels")
    return data


def write_reference_rows(
    train_dir: PathLike,
    test_dirs: Sequence[PathLike],
    output_dir: PathLike,
    n_jobs: int = 2,
    seed: int = 0,
    root: PathLike | None = None,
) -> None:
    """Write `output_dir`/<row>/<set>/utt2mos and `output_dir`/<row>/NOTE.txt.

    Why a set has no row of an oracle is written to `output_dir`/<row>/not_shown.yaml.

    Args:
        train_dir: data directory that the trees and the constant learn from.
        test_dirs: data directories to predict.
        output_dir: one folder a row is made in it.
        n_jobs: threads for the trees; changes no result.
        seed: of the trees.
        root: sets are called by their path below it (:func:`set_name`).

    Raises:
        UserError: a folder without labels, two sets of one name, unreadable audio.
    """
    output_dir = Path(output_dir)
    request: dict = {"seed": seed, "rows": sorted(NOTES), "sets": {}}
    for folder in map(Path, [train_dir, *test_dirs]):
        request["sets"][str(folder)] = {
            name: sha256_file(folder / name)
            for name in ("utt2mos", "utt2sys")
            if (folder / name).exists()
        }
        request["sets"][str(folder)].update(audio_request(folder))
    if is_whole(
        output_dir / "rows.yaml",
        request,
        lambda stamp: (output_dir / name for name in stamp.get("files", [])),
    ):
        return
    tests: dict[str, DataDir] = {}
    for folder in map(Path, test_dirs):
        name = set_name(folder, root)
        if name in tests:
            raise UserError(f"{folder}: another test set is called {name} too")
        tests[name] = _load(folder)
    train = _load(Path(train_dir))
    rows: dict[str, dict] = {
        CONSTANT: {name: constant(train.mos, t.mos) for name, t in tests.items()},
        SPECTRAL_STATISTICS: predict_from_statistics(train, tests, n_jobs, seed),
        SYSTEM_MEAN: {},
    }
    no_oracle = {name: why_no_oracle(t.systems) for name, t in tests.items()}
    for name, data in tests.items():
        if not no_oracle[name]:
            rows[SYSTEM_MEAN][name] = system_mean(data.mos, data.systems)
        else:
            logging.warning(f"{name}: no {SYSTEM_MEAN} row, {no_oracle[name]}")
            shutil.rmtree(output_dir / SYSTEM_MEAN / name, ignore_errors=True)
    write_yaml(
        output_dir / SYSTEM_MEAN / NOT_SHOWN,
        {name: reason for name, reason in no_oracle.items() if reason},
    )
    files = []
    for row, sets in rows.items():
        for name, values in sets.items():
            files.append(f"{row}/{name}/utt2mos")
            write_lines(output_dir / files[-1], values)
        if sets:
            write_text(output_dir / row / "NOTE.txt", NOTES[row] + "\n")
    write_stamp(output_dir / "rows.yaml", request, files=files)
