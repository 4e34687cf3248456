"""What the network must beat: the mean face, and ridge regression with lags on the same features.

Both ship as small arrays, so judging needs no torch.
"""

from collections.abc import Sequence as Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from firmware_host.samples import Floats
from model.sequences import Sequence

Array = NDArray[np.float64]

LAGS = (0, 1, 2, 4, 8, 16, 32)
_STRENGTHS = (1e1, 1e2, 1e3, 1e4, 1e5, 1e6)


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """change = lagged features · coefficients + intercept. coefficients: (L · F, 52)."""

    coefficients: Floats
    intercept: Floats
    strength: float
    lags: tuple[int, ...] = LAGS

    def predict(self, features: Floats) -> Floats:
        """(T, F) features → (T, 52) change from rest."""
        seen = lagged(features, self.lags)
        return np.asarray(seen @ self.coefficients + self.intercept, np.float32)


def lagged(features: Floats, lags: tuple[int, ...] = LAGS) -> Floats:
    """(T, F) → (T, L · F): each row beside earlier ones; the first row repeated at the start."""
    rows = np.arange(len(features))
    return np.concatenate([features[np.maximum(rows - lag, 0)] for lag in lags], axis=1)


def fit_ridge(
    sequences: Collection[Sequence], every: int = 3, lags: tuple[int, ...] = LAGS
) -> Ridge:
    """Fit on every `every`-th row; the strength is chosen by leaving people out in turn."""
    people = sorted({s.person for s in sequences})
    sums = {p: _moments([s for s in sequences if s.person == p], every, lags) for p in people}
    total = _added(list(sums.values()))
    if len(people) < 2:
        return _solve(total, _STRENGTHS[len(_STRENGTHS) // 2], lags)
    errors = np.zeros(len(_STRENGTHS))
    for person in people:
        rest = _added([sums[p] for p in people if p != person])
        for i, strength in enumerate(_STRENGTHS):
            errors[i] += _squared_error(_solve(rest, strength, lags), sums[person])
    return _solve(total, _STRENGTHS[int(np.argmin(errors))], lags)


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Sums over rows of [features 1]ᵀ[features 1], [features 1]ᵀ change and change²."""

    xx: NDArray[np.floating]
    xy: NDArray[np.floating]
    yy: NDArray[np.floating]


def _moments(sequences: Collection[Sequence], every: int, lags: tuple[int, ...]) -> _Moments:
    parts = []
    for sequence in sequences:
        x = lagged(np.asarray(sequence.features, np.float32), lags)[::every]
        x = np.clip(np.concatenate((x, np.ones((len(x), 1), np.float32)), axis=1), -20.0, 20.0)
        y = np.asarray(sequence.change, np.float32)[::every]
        parts.append(_Moments(x.T @ x, x.T @ y, (y**2).sum(axis=0)))
    return _added(parts)


def _added(parts: Collection[_Moments]) -> _Moments:
    return _Moments(
        np.sum([p.xx for p in parts], axis=0, dtype=np.float64),
        np.sum([p.xy for p in parts], axis=0, dtype=np.float64),
        np.sum([p.yy for p in parts], axis=0, dtype=np.float64),
    )


def _solve(moments: _Moments, strength: float, lags: tuple[int, ...]) -> Ridge:
    penalty = np.full(len(moments.xx), strength)
    penalty[-1] = 1e-6  # the intercept is free
    solution = np.linalg.solve(moments.xx + np.diag(penalty), moments.xy)
    slopes, intercept = solution[:-1].astype(np.float32), solution[-1].astype(np.float32)
    return Ridge(slopes, intercept, strength, lags)


def _squared_error(ridge: Ridge, moments: _Moments) -> float:
    b = np.concatenate((ridge.coefficients, ridge.intercept[None])).astype(np.float64)
    fitted = np.einsum("ik,ij,jk->k", b, moments.xx, b)
    return float(np.sum(moments.yy - 2.0 * np.sum(b * moments.xy, axis=0) + fitted))


def mean_change(sequences: Collection[Sequence]) -> Floats:
    """(52,) mean change from rest over all rows."""
    total = np.zeros(len(ARKIT_NAMES))
    count = 0
    for sequence in sequences:
        total += np.asarray(sequence.change, float).sum(axis=0)
        count += len(sequence.change)
    return np.asarray(total / max(count, 1), np.float32)
