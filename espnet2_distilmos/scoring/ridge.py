"""Ridge regression whose strength is chosen by cross-validation over groups.

The features may be more than memory holds as float64: where they outnumber the clips,
they are read in blocks of columns, and only a matrix of clips by clips is kept.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import List, Optional, Tuple

import numpy as np
from threadpoolctl import threadpool_limits

FOLDS = 5
# Times the number of features, which is what a standardised clip's square comes to.
STRENGTHS = np.logspace(-4, 2, 13)
_BLOCK = 1024  # columns or rows at a time
_TINY = 1e-6  # deviation of a feature that says nothing
_RANK = 1e-12  # part of the largest eigenvalue that rounding leaves of a zero


@dataclass(frozen=True)
class Ridge:
    """A fitted regression.

    Attributes:
        mean: of each feature over the training clips (F,).
        scale: its deviation there (F,); infinite where it is a constant.
        weights: of each feature as it is given (F,).
        offset: the mean label.
        strength: the chosen one, an element of STRENGTHS.
        errors: mean square error of held-out clips at each of STRENGTHS; empty where
            nothing could be held out.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    offset: float
    strength: float
    errors: Tuple[float, ...]

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict labels (N,) from features (N, F), read in blocks of rows."""
        values = [
            (features[rows].astype(np.float64) - self.mean) @ self.weights
            for rows in _blocks(len(features))
        ]
        return self.offset + np.concatenate(values)


def folds_of(groups: Optional[Sequence[str]], n: int, seed: int = 0) -> np.ndarray:
    """Share `n` clips out over at most FOLDS folds and return the fold (n,) of each.

    Args:
        groups: the group (system) of each clip; clips of one group share a fold. With
            None, or a single group, every clip stands for itself.
        n: number of clips.
        seed: of the order in which groups are dealt out.
    """
    if groups is None or len(set(groups)) < 2:
        groups = [f"{i:09d}" for i in range(n)]
    names = np.random.default_rng(seed).permutation(sorted(set(groups)))
    place = {str(name): i % FOLDS for i, name in enumerate(names)}
    return np.array([place[group] for group in groups], dtype=int)


def fit_ridge(
    features: np.ndarray,
    labels: Sequence[float],
    groups: Optional[Sequence[str]] = None,
    seed: int = 0,
    n_jobs: int = 1,
) -> Ridge:
    """Fit a ridge regression to standardised features.

    Its strength is the one of STRENGTHS (times the number of features) with the least
    mean square error on held-out groups; of equal ones the largest. Nothing but the
    training clips decides. The held-out errors are exact for given means and deviations
    of the features, which are those of all training clips: with the hat matrix H of
    all clips, a fold left out has the errors (I - H_ff)^-1 (y - Hy)_f.

    Memory: two matrices of N x min(N, F) float64.

    Args:
        features: (N, F), any float type; may be mapped from a file.
        labels: (N,).
        groups: the system of each clip (:func:`folds_of`).
        seed: of the folds.
        n_jobs: threads of the matrix products.
    """
    y = np.asarray(labels, np.float64)
    n, size = features.shape
    folds = folds_of(groups, n, seed)
    with threadpool_limits(n_jobs):
        mean, scale = _standard(features)
        basis, power = _decompose(features, mean, scale)
        errors: List[float] = []
        if folds.max() > 0:
            errors = [_held_out(basis, power, s * size, y, folds) for s in STRENGTHS]
            strength = -min(zip(errors, -STRENGTHS, strict=True))[1]
        else:
            strength = STRENGTHS[-1]
        projected = basis.T @ (y - y.mean())
        dual = basis @ (projected / (power + strength * size))
        weights = np.concatenate(
            [
                dual @ (features[:, columns].astype(np.float64) - mean[columns])
                for columns in _blocks(size)
            ]
        )
    if errors and strength in (STRENGTHS[0], STRENGTHS[-1]):
        logging.warning(f"ridge: the strength {strength:g} is at the end of its range")
    return Ridge(
        mean, scale, weights / scale**2, y.mean(), float(strength), tuple(errors)
    )


def _blocks(n: int) -> Iterator[slice]:
    return (slice(i, i + _BLOCK) for i in range(0, n, _BLOCK))


def _standard(features: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Mean and deviation (F,) of each feature; infinite where it is a constant."""
    means, scales = [], []
    for columns in _blocks(features.shape[1]):
        block = features[:, columns].astype(np.float64)
        means.append(block.mean(0))
        deviation = block.std(0)
        scales.append(np.where(deviation > _TINY, deviation, np.inf))
    return np.concatenate(means), np.concatenate(scales)


def _decompose(
    features: np.ndarray, mean: np.ndarray, scale: np.ndarray
) -> Tuple[np.ndarray, np.ndarray]:
    """Left singular vectors (N, R) and squared singular values (R,), standardised."""
    n, size = features.shape
    if size < n:
        x = (features.astype(np.float64) - mean) / scale
        power, vectors = _positive(x.T @ x)
        return x @ vectors / np.sqrt(power), power
    kernel = np.zeros((n, n))
    for columns in _blocks(size):
        x = (features[:, columns].astype(np.float64) - mean[columns]) / scale[columns]
        kernel += x @ x.T
    power, vectors = _positive(kernel)
    return vectors, power


def _positive(matrix: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (R,) above zero of a symmetric matrix, and their vectors (N, R)."""
    values, vectors = np.linalg.eigh(matrix)
    kept = values > _RANK * values[-1]
    return values[kept], vectors[:, kept]


def _held_out(
    basis: np.ndarray,
    power: np.ndarray,
    strength: float,
    y: np.ndarray,
    folds: np.ndarray,
) -> float:
    """Mean square error of clips that are left out, fold by fold."""
    share = power / (power + strength)
    residual = y - y.mean() - basis @ (share * (basis.T @ (y - y.mean())))
    total = 0.0
    for fold in np.unique(folds):
        rows = basis[folds == fold]
        hat = 1 / len(y) + (rows * share) @ rows.T
        left = np.linalg.solve(np.eye(len(rows)) - hat, residual[folds == fold])
        total += float(left @ left)
    return total / len(y)
