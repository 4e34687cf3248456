"""How much later one signal tells what another tells, by cross-correlation with sub-sample peak.

Signals may have any number of columns: they are compared up to any rotation, mirroring or
projection between the two (the sum of singular values of their cross-covariance). Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

GRID_HZ = 240.0
BAND_HZ = (0.25, 8.0)  # slower is drift of either sensor, faster is noise of ARKit
MAX_OFFSET_S = 0.5
MIN_RATE_RAD_S = 0.05  # rms in the band: less is a head that did not move
MIN_CORRELATION = 0.5
MAX_SPREAD_S = 0.008  # of the offsets of thirds: half a frame of the phone
# Nothing is known better than this: how a phone filters what it sees is not told.
LEAST_UNCERTAINTY_S = 0.25 / GRID_HZ


@dataclass(frozen=True, slots=True)
class Offset:
    """The delay of one signal against another, and what speaks for it."""

    offset_s: float
    uncertainty_s: float
    correlation: float
    peak_ratio: float
    thirds_s: tuple[float, ...]


def combined(offsets: Sequence[Offset]) -> Offset | None:
    """Several looks at one delay as one, each by its certainty; the first tells the rest.

    Where they are further apart than they say, the uncertainty grows until they are not.
    """
    if not offsets:
        return None
    values = np.array([one.offset_s for one in offsets])
    worth = np.array([one.uncertainty_s**-2 for one in offsets])
    mean = float(np.average(values, weights=worth))
    own = float(worth.sum() ** -0.5)
    apart = float(np.sqrt(np.average((values - mean) ** 2, weights=worth)))
    thirds = tuple(t + offsets[0].offset_s - mean for t in offsets[0].thirds_s)
    uncertainty = max(own, apart, LEAST_UNCERTAINTY_S)
    return replace(offsets[0], offset_s=mean, uncertainty_s=uncertainty, thirds_s=thirds)


def find_offset(
    reference: Array, delayed: Array, valid: Flags, least_moved: float = MIN_RATE_RAD_S
) -> Offset | None:
    """How much later `delayed` tells what `reference` tells, (N, A) and (N, B) on the GRID_HZ grid.

    None where either hardly moves, or the best offset lies at the end of the range searched.
    """
    a, b = _band(reference, valid), _band(delayed, valid)
    if not valid.any() or min(_rms(a[valid]), _rms(b[valid])) < least_moved:
        return None
    curve = _correlations(a, b, valid)
    peak = int(np.argmax(curve))
    if peak in (0, len(curve) - 1):
        return None
    offset_s = _vertex_s(curve, peak)
    thirds = _thirds(a, b, valid, peak)
    spread = float(np.std(thirds)) if len(thirds) > 1 else MAX_SPREAD_S
    return Offset(
        offset_s=offset_s,
        uncertainty_s=max(spread / np.sqrt(max(len(thirds), 1)), LEAST_UNCERTAINTY_S),
        correlation=float(curve[peak]),
        peak_ratio=_peak_ratio(curve, peak),
        thirds_s=tuple(t - offset_s for t in thirds),
    )


def agreement(reference: Array, delayed: Array, valid: Flags) -> tuple[Array, Array]:
    """(L,) offsets in s, and (L,) how well two signals on the grid agree at each, from 0 to 1."""
    curve = _correlations(_band(reference, valid), _band(delayed, valid), valid)
    lags = np.arange(len(curve), dtype=np.float64) - (len(curve) - 1) / 2
    return np.asarray(lags / GRID_HZ, np.float64), curve


def _rms(rates: Array) -> float:
    return float(np.sqrt(np.mean(np.sum(rates**2, axis=1))))


def _band(signal: Array, valid: Flags) -> Array:
    """(N, C) within BAND_HZ, zero where not valid."""
    from scipy.signal import butter, sosfiltfilt

    mean = signal[valid].mean(axis=0) if valid.any() else 0.0
    centred = np.where(valid[:, None], signal - mean, 0.0)
    sections = butter(2, BAND_HZ, "bandpass", fs=GRID_HZ, output="sos")
    padding = min(len(signal) - 1, int(GRID_HZ))
    smooth = sosfiltfilt(sections, centred, axis=0, padlen=padding)
    filtered: Array = np.where(valid[:, None], smooth, 0.0)
    return filtered


def _correlations(a: Array, b: Array, valid: Flags) -> Array:
    """Correlation of a(t) with b(t + lag), in [0, 1], for every lag within MAX_OFFSET_S."""
    reach = round(MAX_OFFSET_S * GRID_HZ)
    known = valid.astype(np.float64)
    power_a, power_b = np.sum(a**2, axis=1), np.sum(b**2, axis=1)
    curve = np.zeros(2 * reach + 1)
    for i, lag in enumerate(range(-reach, reach + 1)):
        here = slice(max(0, -lag), len(a) - max(0, lag))
        there = slice(max(0, lag), len(a) + min(0, lag))
        power = np.dot(power_a[here], known[there]) * np.dot(power_b[there], known[here])
        if power > 0:
            shared = np.linalg.svd(a[here].T @ b[there], compute_uv=False).sum()
            curve[i] = shared / np.sqrt(power)
    return curve


def _vertex_s(curve: Array, peak: int) -> float:
    """Where the parabola through the peak and its neighbours is highest, as an offset."""
    left, top, right = curve[peak - 1 : peak + 2]
    bend = left - 2 * top + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float((peak + shift - (len(curve) - 1) / 2) / GRID_HZ)


def _peak_ratio(curve: Array, peak: int) -> float:
    """The peak against the highest other local maximum (99 where there is none above zero)."""
    inner = curve[1:-1]
    local = np.flatnonzero((inner >= curve[:-2]) & (inner > curve[2:])) + 1
    others = curve[local[local != peak]]
    rival = float(others.max()) if len(others) else 0.0
    return min(float(curve[peak]) / rival, 99.0) if rival > 0 else 99.0


def _thirds(a: Array, b: Array, valid: Flags, peak: int) -> list[float]:
    """The offset of each third in which the head moved, looked for near the peak of the whole."""
    near = round(0.05 * GRID_HZ)
    found = []
    for part in np.array_split(np.arange(len(a)), 3):
        if _rms(a[part]) < MIN_RATE_RAD_S:
            continue
        curve = _correlations(a[part], b[part], valid[part])
        lowest = max(1, peak - near)
        best = lowest + int(np.argmax(curve[lowest : min(len(curve) - 1, peak + near + 1)]))
        if curve[best] >= MIN_CORRELATION:
            found.append(_vertex_s(curve, best))
    return found
