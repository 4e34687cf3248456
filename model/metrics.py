"""The figures of this project, as docs/sensing.md defines them. Pure.

Pooled correlation and plain MAE mostly measure a person's constant ARKit offsets; the figures that
count remove each take's own mean (r) or median (offset-free MAE) from truth and prediction.
"""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import OBSERVABLE, REGIONS
from capture.resample import TICK_HZ

Array = NDArray[np.float64]

ACTIVE_STD = 0.02
# A shape this far above rest is seen to be on; ARKit's own flicker stays below half of it.
ACTIVATED = 0.1
LARGEST_DELAY_TICKS = 30


def active_shapes(truth: Array) -> NDArray[np.bool_]:
    """(52,) observable shapes that move in this take: standard deviation above 0.02."""
    return np.asarray(OBSERVABLE & (truth.std(axis=0) > ACTIVE_STD))


def correlation_per_shape(prediction: Array, truth: Array) -> Array:
    """(52,) Pearson r over a take; NaN for shapes that are not active; 0 for a still prediction."""
    p = prediction - prediction.mean(axis=0)
    t = truth - truth.mean(axis=0)
    size = np.sqrt((p**2).sum(axis=0) * (t**2).sum(axis=0))
    r = np.where(size > 1e-9, (p * t).sum(axis=0) / np.maximum(size, 1e-9), 0.0)
    return np.where(active_shapes(truth), r, np.nan)


def correlation(prediction: Array, truth: Array) -> float:
    """Mean r over active shapes; NaN where no shape is active."""
    r = correlation_per_shape(prediction, truth)
    return float(np.nanmean(r)) if np.isfinite(r).any() else float("nan")


def mae(prediction: Array, truth: Array) -> float:
    """Mean absolute error over observable shapes."""
    return float(np.abs(prediction - truth)[:, OBSERVABLE].mean())


def mae_all(prediction: Array, truth: Array) -> float:
    """Mean absolute error over all 52 shapes, gaze and tongue among them: for the record."""
    return float(np.abs(prediction - truth).mean())


def without_offset(weights: Array) -> Array:
    """(T, 52) with each shape's own median over the take removed."""
    return np.asarray(weights - np.median(weights, axis=0))


def mae_offset_free(prediction: Array, truth: Array) -> float:
    """Mean absolute error over observable shapes after removing each one's median over the take."""
    return mae(without_offset(prediction), without_offset(truth))


def mae_by_region(prediction: Array, truth: Array) -> dict[str, float]:
    """Offset-free mean absolute error per facial region."""
    error = np.abs(without_offset(prediction) - without_offset(truth)).mean(axis=0)
    return {name: float(error[list(shapes)].mean()) for name, shapes in REGIONS.items()}


def jitter(weights: Array) -> float:
    """Mean absolute second difference on the 60 Hz grid over observable shapes."""
    return float(np.abs(np.diff(weights, n=2, axis=0))[:, OBSERVABLE].mean())


def activation_f1(prediction: Array, truth: Array) -> float:
    """How well a track knows which shapes are on: 2 TP / (2 TP + FP + FN); NaN where none ever is.

    Counted over all ticks and observable shapes together. A shape is on while it is more than
    `ACTIVATED` above rest, so both tracks (T, 52) are changes from rest, each from its own.
    """
    on, really = ((change > ACTIVATED)[:, OBSERVABLE] for change in (prediction, truth))
    found = int(on.sum()) + int(really.sum())
    return 2 * int((on & really).sum()) / found if really.any() else float("nan")


def onset_delay_ms(prediction: Array, truth: Array) -> float:
    """How late a track moves, ms; negative where it moves early. NaN where either stands still.

    The shift within ± 0.5 s under which the speeds of prediction and truth correlate best, summed
    over active shapes, refined between ticks by a parabola. Crossings of a threshold would be late
    wherever a movement is only predicted too small.
    """
    active = active_shapes(truth)
    before, after = (np.diff(track[:, active], axis=0) for track in (truth, prediction))
    size = before.std(axis=0) * after.std(axis=0)
    before, after = before[:, size > 1e-9], after[:, size > 1e-9]
    reach = min(LARGEST_DELAY_TICKS, len(before) - 2)
    if not before.size or reach < 1:
        return float("nan")
    before, after = ((v - v.mean(axis=0)) / v.std(axis=0) for v in (before, after))
    likeness = np.array([_overlap(before, after, k) for k in range(-reach, reach + 1)])
    best = int(np.clip(np.argmax(likeness), 1, 2 * reach - 1))
    left, middle, right = likeness[best - 1 : best + 2]
    bend = left - 2 * middle + right
    between = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float((best - reach + np.clip(between, -1, 1)) / TICK_HZ * 1e3)


def _overlap(before: Array, after: Array, ticks: int) -> float:
    """Mean over ticks of the products of `before` and what `after` is `ticks` later, summed."""
    count = len(before) - abs(ticks)
    first, second = max(0, -ticks), max(0, ticks)
    return float((before[first : first + count] * after[second : second + count]).sum()) / count


def coverage(prediction: Array, truth: Array, deviation: Array, share: float = 0.9) -> float:
    """Share of observable truth inside the central interval that a stated deviation promises.

    Calibrated is a track whose coverage is `share`; less is overconfident. All (T, 52); shapes
    about which nothing is stated (deviation 0) do not count. NaN where nothing is stated.
    """
    stated = OBSERVABLE & (deviation > 0)
    inside = np.abs(prediction - truth) <= NormalDist().inv_cdf(0.5 + share / 2) * deviation
    return float(inside[stated].mean()) if stated.any() else float("nan")
