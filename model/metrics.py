"""The figures of this project, as docs/sensing.md defines them. Pure.

Pooled correlation and plain MAE mostly measure a person's constant ARKit offsets; the figures that
count remove each take's own mean (r) or median (offset-free MAE) from truth and prediction.
"""

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import OBSERVABLE, REGIONS

Array = NDArray[np.float64]

ACTIVE_STD = 0.02


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
