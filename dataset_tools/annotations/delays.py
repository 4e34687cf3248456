"""How late raters are, and ratings without that lateness. Pure.

Who rates while watching is late by some seconds. How late two raters are against each other follows
from their curves alone; how late all of them are does not, and needs what they saw: the lag at
which the face explains a rating best (as Mariooryad and Busso, IEEE Transactions on Affective
Computing 6 (2015), do with mutual information; here by ridge regression, judged on other blocks of
time than it was fitted on).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_tools.annotations.marks import Curve

Array = NDArray[np.float64]

GRID_HZ = 10.0  # ratings hold nothing faster
MAX_DELAY_S = 6.0
BLOCK_S = 20.0
_RIDGE = 1.0  # per row of standardised columns
_FEWEST = 50  # rows on the grid that a lag needs


@dataclass(frozen=True, slots=True)
class Delay:
    """How late a rater is, in s. score: the correlation reached at that lag."""

    delay_s: float
    score: float


def grid(start_s: float, end_s: float) -> Array:
    """Moments GRID_HZ apart, in [start_s, end_s]."""
    count = int(np.floor((end_s - start_s) * GRID_HZ + 1e-9)) + 1
    return start_s + np.arange(max(count, 0)) / GRID_HZ


def delay_of(
    seen: Sequence[tuple[Array, Array]],
    rated: Sequence[Curve],
    max_delay_s: float = MAX_DELAY_S,
) -> Delay:
    """How late a rater is, from what was to be seen in each sequence and what they said of it.

    Args:
        seen: of each sequence times (T,) on a grid of GRID_HZ, and features (T, F).
        rated: the rater's curve of each.

    Returns:
        NaN where there is too little to tell.
    """
    lags = np.arange(0, round(max_delay_s * GRID_HZ) + 1)
    scores = np.array([_explained(seen, rated, lag / GRID_HZ) for lag in lags])
    if not np.isfinite(scores).any():
        return Delay(float("nan"), float("nan"))
    best = int(np.nanargmax(scores))
    return Delay((best + _between(scores, best)) / GRID_HZ, float(scores[best]))


def _explained(seen: Sequence[tuple[Array, Array]], rated: Sequence[Curve], lag_s: float) -> float:
    """Correlation of what was said with what features explain, of blocks they did not see."""
    features, values, blocks = [], [], []
    for number, ((time_s, columns), curve) in enumerate(zip(seen, rated, strict=True)):
        said = curve.at(time_s + lag_s)
        known = np.isfinite(said) & np.isfinite(columns).all(axis=1)
        features.append(columns[known])
        values.append(said[known] - (said[known].mean() if known.any() else 0.0))
        blocks.append(1000 * number + (time_s[known] // BLOCK_S))
    x: Array = np.concatenate(features)
    y: Array = np.concatenate(values)
    half = _halves(np.concatenate(blocks))
    if len(y) < _FEWEST or not 0 < half.sum() < len(half):
        return float("nan")
    x = np.divide(x - x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9), dtype=np.float64)
    told = np.empty(len(y))
    for test in (half, ~half):
        told[test] = x[test] @ ridge(x[~test], y[~test], _RIDGE)
    return correlation(told, y)


def _halves(blocks: Array) -> NDArray[np.bool_]:
    """(N,) every other block."""
    _, number = np.unique(blocks, return_inverse=True)
    return np.asarray(number % 2 == 0)


def ridge(x: Array, y: Array, strength: float) -> Array:
    """(F,) weights; `strength` per row."""
    gram = x.T @ x + strength * len(x) / 100 * np.eye(x.shape[1])
    return np.asarray(np.linalg.solve(gram, x.T @ y), np.float64)


def correlation(x: Array, y: Array) -> float:
    """Pearson's, of what is known of both; NaN where one does not vary."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known] - x[known].mean(), y[known] - y[known].mean()
    below = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / below if below > 1e-12 else float("nan")


def _between(scores: Array, best: int) -> float:
    """Where a parabola through the best and its neighbours is highest, -0.5 to 0.5."""
    if not 0 < best < len(scores) - 1:
        return 0.0
    left, middle, right = scores[best - 1 : best + 2]
    bend = left - 2 * middle + right
    if not np.isfinite(bend) or bend >= 0:
        return 0.0
    return float(np.clip((left - right) / (2 * bend), -0.5, 0.5))


def delays_among(
    rated: Mapping[str, Sequence[Curve]], max_delay_s: float = MAX_DELAY_S
) -> dict[str, Delay]:
    """How much later each rater is than the earliest, from their curves alone.

    rated: rater → curve of each sequence, an empty one where they said nothing.

    Every pair of raters gives a difference; what fits all of them best, weighed by how well the two
    agree, is taken.
    """
    names = sorted(rated)
    if len(names) < 2:
        return {name: Delay(0.0, float("nan")) for name in names}
    rows, right, weight = [], [], []
    for i, one in enumerate(names):
        for j in range(i + 1, len(names)):
            lag, score = _lag_of(rated[one], rated[names[j]], max_delay_s)
            if np.isfinite(score) and score > 0:
                rows.append([(k == j) - (k == i) for k in range(len(names))])
                right.append(lag)
                weight.append(score)
    if not rows:
        return {name: Delay(float("nan"), float("nan")) for name in names}
    scale = np.sqrt(weight)[:, None]
    found = np.linalg.lstsq(scale * np.array(rows, float), scale[:, 0] * right, rcond=None)[0]
    found -= found.min()
    score = float(np.mean(weight))
    return {name: Delay(float(d), score) for name, d in zip(names, found, strict=True)}


def _lag_of(
    first: Sequence[Curve], second: Sequence[Curve], max_delay_s: float
) -> tuple[float, float]:
    """How much later the second says what the first does, and the correlation then."""
    steps = round(max_delay_s * GRID_HZ)
    lags = np.arange(-steps, steps + 1)
    scores = np.array([_alike(first, second, lag / GRID_HZ) for lag in lags])
    if not np.isfinite(scores).any():
        return float("nan"), float("nan")
    best = int(np.nanargmax(scores))
    return float((lags[best] + _between(scores, best)) / GRID_HZ), float(scores[best])


def _alike(first: Sequence[Curve], second: Sequence[Curve], lag_s: float) -> float:
    x, y = [], []
    for a, b in zip(first, second, strict=True):
        if len(a.time_s) < 2 or len(b.time_s) < 2:
            continue
        time_s = grid(a.time_s[0], a.time_s[-1])
        x.append(a.at(time_s))
        y.append(b.at(time_s + lag_s))
    if not x:
        return float("nan")
    one, other = np.concatenate(x), np.concatenate(y)
    known = np.isfinite(one) & np.isfinite(other)
    return correlation(one[known], other[known]) if known.sum() >= _FEWEST else float("nan")


def earlier(curve: Curve, delay_s: float) -> Curve:
    """What the rater said, when it was there to be seen."""
    return Curve(curve.time_s - delay_s, curve.value)
