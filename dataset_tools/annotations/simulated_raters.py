"""Raters whose lateness, scale and noise are known: what the tools of this folder are tested on.

No person rated anything here, and nothing that comes of it says how well people are followed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import INDEX
from dataset_tools.annotations.delays import GRID_HZ, grid
from dataset_tools.annotations.marks import Curve

Array = NDArray[np.float64]

# What a simulated rater goes by: a made-up feeling that the face shows, not a theory of any.
SHOWN: dict[str, dict[str, float]] = {
    "valence": {
        "mouthSmileLeft": 0.7, "mouthSmileRight": 0.7, "mouthFrownLeft": -0.8,
        "mouthFrownRight": -0.8, "browDownLeft": -0.3, "browDownRight": -0.3,
    },
    "arousal": {
        "jawOpen": 0.8, "browInnerUp": 0.5, "eyeWideLeft": 0.5, "eyeWideRight": 0.5,
        "mouthSmileLeft": 0.2, "mouthSmileRight": 0.2,
    },
}  # fmt: skip
_SMOOTH_S = 1.0


@dataclass(frozen=True, slots=True)
class SimulatedRater:
    """delay_s: how late. gain, offset: their use of the scale. noise: standard deviation of a
    wandering error that forgets in 2 s."""

    name: str
    delay_s: float
    gain: float = 1.0
    offset: float = 0.0
    noise: float = 0.05


def truth(track: str, weights: Array, time_s: Array) -> Curve:
    """What is to be felt: (T, 52) weights at time_s as one smooth curve on the grid, about -1 to 1.

    Rows with NaN are read as what was there before.
    """
    known = np.isfinite(weights).all(axis=1)
    moments = grid(float(time_s[0]), float(time_s[-1]))
    total = np.zeros(len(moments))
    if known.any():
        for shape, gain in SHOWN[track].items():
            total += gain * np.interp(moments, time_s[known], weights[known, INDEX[shape]])
    return Curve(moments, smooth(total, _SMOOTH_S))


def smooth(values: Array, width_s: float) -> Array:
    """A curve on the grid without what is faster than `width_s`; its ends stay where they are."""
    half = max(1, round(width_s * GRID_HZ))
    kernel = np.hanning(2 * half + 1)
    padded = np.pad(values, half, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")


def rate(rater: SimulatedRater, felt: Curve, seed: int) -> Curve:
    """What a rater says of a truth: late, on their own scale, with their own noise."""
    rng = np.random.default_rng((seed, *rater.name.encode()))
    keep = np.exp(-1.0 / (2.0 * GRID_HZ))
    error, wandering = 0.0, np.empty(len(felt.time_s))
    steps = rng.normal(0.0, rater.noise * np.sqrt(1 - keep**2), len(wandering))
    for k, step in enumerate(steps):
        error = keep * error + step
        wandering[k] = error
    late = np.interp(felt.time_s - rater.delay_s, felt.time_s, felt.value)
    return Curve(felt.time_s, rater.gain * late + rater.offset + wandering)
