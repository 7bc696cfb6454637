"""Regression trees on plain measurements of clips: how far one gets without a model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Dict

import numpy as np
from threadpoolctl import threadpool_limits

from espnet2_distilmos.report.measurements import (
    log_mel_statistics,
    spectral_statistics,
)
from espnet2_distilmos.report.rows import LOG_MEL_STATISTICS, SPECTRAL_STATISTICS
from espnet2_distilmos.utils.audio import read_16k
from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.progress import progress

# Row -> the measurements (F,) of a clip (T,) at 16 kHz.
MEASUREMENTS: Dict[str, Callable[[np.ndarray], np.ndarray]] = {
    SPECTRAL_STATISTICS: spectral_statistics,
    LOG_MEL_STATISTICS: log_mel_statistics,
}
_TREES = 400


def read_features(
    wavs: Mapping[str, str], row: str = SPECTRAL_STATISTICS
) -> np.ndarray:
    """Measure clips, and return features (len(wavs), F).

    Args:
        wavs: ID -> audio path.
        row: a key of MEASUREMENTS.

    Raises:
        UserError: an unreadable or empty file, or not at 16 kHz; names it.
    """
    measure = MEASUREMENTS[row]
    # Several BLAS threads on matrices this small only get in each other's way.
    with threadpool_limits(1):
        paths = progress(wavs.values(), f"{row.replace('_', ' ')}, clips")
        return np.stack([measure(read_16k(path)) for path in paths])


def fit_trees(
    features: np.ndarray,
    labels: Sequence[float],
    n_jobs: int = 2,
    seed: int = 0,
    min_samples_leaf: int = 2,
    max_features: float = 0.4,
):
    """Fit scikit-learn's ExtraTreesRegressor to features (N, F) and labels (N,)."""
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
    row: str = SPECTRAL_STATISTICS,
) -> Dict[str, Dict[str, float]]:
    """Fit trees on `train` (labels needed); return set -> utterance -> MOS.

    The same input and seed give the same numbers, whatever `n_jobs`.

    Args:
        train: clips to learn from.
        tests: set -> clips to predict.
        n_jobs: threads of the fit.
        seed: of the trees.
        min_samples_leaf: scikit-learn's.
        max_features: likewise.
        row: what is measured, a key of MEASUREMENTS.
    """
    known = train.mos or {}
    labels = [known[utt] for utt in train.wavs]
    options = (n_jobs, seed, min_samples_leaf, max_features)
    model = fit_trees(read_features(train.wavs, row), labels, *options)
    predictions = {}
    for name, data in tests.items():
        values = model.predict(read_features(data.wavs, row))
        predictions[name] = dict(zip(data.wavs, map(float, values), strict=True))
    return predictions
