"""How faces move, in numbers that recordings and generated performances can be compared by. Pure.

Everything is computed around each take's own mean, since a phone's constant offsets are the
person's and the phone's. A shape that stays the same all through a take was not recorded there and
does not count.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks, peak_widths, welch

from capture import rotations
from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.curves import Array
from dataset_tools.performance import Performance

RATE_HZ = 30.0  # some recordings hold no more
SEGMENT = 256  # frames of one spectrum, 8.5 s
STILL = 1e-4  # a standard deviation below this is a shape that was not recorded
BLINK_PROMINENCE, BLINK_LONGEST_S = 0.25, 0.5


@dataclass(frozen=True, slots=True, eq=False)
class FaceStatistics:
    """Statistics of several takes, weighted by their length.

    mean, deviation: (52,) NaN where never recorded. correlation: (52, 52). frequency_hz: (F,).
    spectrum: (F, 52) power per Hz, NaN where no take is long enough. blinks_per_min: over all
    takes. blink_s: median duration at half depth. head_rad_s: root mean square of the head's
    angular speed, NaN where none of the heads was recorded.
    """

    takes: int
    minutes: float
    mean: Array
    deviation: Array
    correlation: Array
    frequency_hz: Array
    spectrum: Array
    blinks_per_min: float
    blink_s: float
    head_rad_s: float


def face_statistics(
    takes: Sequence[Performance], with_head: Sequence[Performance] = ()
) -> FaceStatistics:
    """Statistics of `takes`; `with_head` say how heads move. Raises ValueError for none."""
    if not takes:
        raise ValueError("statistics need at least one take")
    faces = [evenly(take) for take in takes]
    count = np.array([len(face) for face in faces], float)
    recorded = np.array([face.std(axis=0) > STILL for face in faces])
    weight = recorded * count[:, None]
    means = np.array([face.mean(axis=0) for face in faces])
    variances = np.array([face.var(axis=0) for face in faces])
    blinks, lengths = _blinks(takes)
    minutes = float(count.sum() / RATE_HZ / 60)
    return FaceStatistics(
        takes=len(takes),
        minutes=minutes,
        mean=_average(means, weight),
        deviation=np.sqrt(_average(variances, weight)),
        correlation=_correlation(faces, recorded),
        frequency_hz=np.arange(SEGMENT // 2 + 1) * RATE_HZ / SEGMENT,
        spectrum=_spectrum(faces, recorded),
        blinks_per_min=blinks / minutes,
        blink_s=float(np.median(lengths)) if len(lengths) else float("nan"),
        head_rad_s=_head_speed(with_head),
    )


def evenly(take: Performance, rate_hz: float = RATE_HZ) -> Array:
    """(N, 52) weights of the tracked frames of a take, at an even rate."""
    time_s, weights = take.time_s[take.tracked], take.weights[take.tracked]
    at = np.arange(time_s[0], time_s[-1], 1 / rate_hz)
    return np.stack([np.interp(at, time_s, column) for column in weights.T], axis=-1)


def band_edge_hz(statistics: FaceStatistics, shapes: NDArray[np.int64], share: float) -> float:
    """Below which frequency `share` of the power of some shapes lies; NaN where unknown."""
    power = np.nansum(statistics.spectrum[1:, shapes], axis=1)
    if power.sum() <= 0:
        return float("nan")
    total = np.cumsum(power) / power.sum()
    return float(statistics.frequency_hz[1 + int(np.searchsorted(total, share))])


def _average(values: Array, weight: Array) -> Array:
    total = weight.sum(axis=0)
    summed = np.sum(np.where(weight > 0, values, 0.0) * weight, axis=0)
    return np.where(total > 0, summed / np.maximum(total, 1e-12), np.nan)


def _correlation(faces: Sequence[Array], recorded: NDArray[np.bool_]) -> Array:
    shapes = len(ARKIT_NAMES)
    product, left = np.zeros((shapes, shapes)), np.zeros((shapes, shapes))
    for face, known in zip(faces, recorded, strict=True):
        around = (face - face.mean(axis=0)) * known
        product += around.T @ around
        left += np.outer((around**2).sum(axis=0), known)  # only where both were recorded
    both = np.sqrt(left * left.T)
    return np.where(both > 0, product / np.maximum(both, 1e-12), np.nan)


def _spectrum(faces: Sequence[Array], recorded: NDArray[np.bool_]) -> Array:
    total = np.zeros((SEGMENT // 2 + 1, len(ARKIT_NAMES)))
    weight = np.zeros(len(ARKIT_NAMES))
    for face, known in zip(faces, recorded, strict=True):
        if len(face) < SEGMENT:
            continue
        _, power = welch(face, RATE_HZ, nperseg=SEGMENT, axis=0)
        total += power * known * len(face)
        weight += known * len(face)
    return np.where(weight > 0, total / np.maximum(weight, 1e-12), np.nan)


def _blinks(takes: Sequence[Performance]) -> tuple[int, Array]:
    """How many blinks there are, and how long each lasts at half depth in s."""
    lengths: list[float] = []
    pair = [INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]
    for take in takes:
        lids = evenly(take, 60.0)[:, pair].mean(axis=1)
        peaks, _ = find_peaks(lids, prominence=BLINK_PROMINENCE, distance=6)
        wide = peak_widths(lids, peaks, 0.5)[0] / 60.0
        lengths += wide[wide < BLINK_LONGEST_S].tolist()
    return len(lengths), np.array(lengths)


def _head_speed(takes: Sequence[Performance]) -> float:
    squares = []
    for take in takes:
        quat = take.quat_world_from_head
        turned = rotations.multiply(rotations.conjugate(quat[:-1]), quat[1:])
        squares.append(np.sum(rotations.to_vector(turned) ** 2, axis=1) / np.diff(take.time_s) ** 2)
    return float(np.sqrt(np.mean(np.concatenate(squares)))) if squares else float("nan")
