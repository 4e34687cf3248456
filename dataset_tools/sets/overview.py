"""What the report draws of one sequence, small enough to keep for hundreds of hours. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.resample import TICK_HZ
from dataset_tools.sets.findings import Seen
from firmware_host.clock import NS_PER_S

Array = NDArray[np.float64]

PIECE_S = 10.0  # of the maps over time
ACTIVE = 0.2  # a shape beyond this takes part in an expression. Ours.
_WINDOW = 256  # rows of one spectrum, about 4 s
FREQUENCIES: Array = np.fft.rfftfreq(_WINDOW, 1 / TICK_HZ)[1:].astype(np.float64)
LEVELS = np.linspace(0.0, 1.0, 21)  # edges of the histograms of weights


@dataclass(frozen=True, slots=True, eq=False)
class Overview:
    """Sums and maps of one sequence; sums of several add up.

    together: (52, 52) rows in which two shapes are active, the diagonal being each alone. levels:
    (52, 20) rows by weight. spectrum: (F,) of the weights' changes, windows: how many. heard:
    (P,) share of samples heard in each piece of PIECE_S. noise: (S, 2) of accel and gyro, NaN
    where nothing rests. liveliest_s: when the face does most. face: (52,) there.
    """

    rows: int
    together: NDArray[np.int64]
    levels: NDArray[np.int64]
    spectrum: Array
    windows: int
    heard: Array
    noise: Array
    liveliest_s: float
    face: NDArray[np.float32] | None


def overview(seen: Seen) -> Overview:
    """Look over a sequence."""
    weights = seen.sequence.rows.weights
    known = weights[np.isfinite(weights).all(axis=1)]
    active = (known > ACTIVE).astype(np.float32)
    spectrum, windows = _spectrum(known)
    liveliest_s, face = _liveliest(seen)
    bins = np.clip((np.clip(known, 0, 0.999) * (len(LEVELS) - 1)).astype(np.int64), 0, None)
    levels = np.stack([np.bincount(column, minlength=len(LEVELS) - 1) for column in bins.T])
    return Overview(
        rows=len(known),
        together=np.asarray(active.T @ active, np.int64),
        levels=levels.astype(np.int64),
        spectrum=spectrum,
        windows=windows,
        heard=_heard(seen),
        noise=_noise(seen),
        liveliest_s=liveliest_s,
        face=face,
    )


def _spectrum(weights: NDArray[np.float32]) -> tuple[Array, int]:
    """(F,) sum of the power of all shapes over windows, and how many windows."""
    windows = len(weights) // _WINDOW
    if not windows:
        return np.zeros(len(FREQUENCIES)), 0
    cut = weights[: windows * _WINDOW].reshape(windows, _WINDOW, -1).astype(np.float64)
    cut -= cut.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(cut * np.hanning(_WINDOW)[:, None], axis=1)[:, 1:]) ** 2
    return np.asarray(power.sum(axis=(0, 2))), windows


def _heard(seen: Seen) -> Array:
    """(P,) share of the ticks in each piece in which every worn slot was heard."""
    rows = seen.sequence.rows
    worn = [seen.layout.names.index(name) for name in seen.worn.names]
    whole = np.isfinite(rows.gyro_rad_s[:, worn, 0]) | np.isfinite(rows.accel_m_s2[:, worn, 0])
    share = whole.mean(axis=1) if worn else np.zeros(len(rows))
    size = round(PIECE_S * TICK_HZ)
    pieces = [share[i : i + size].mean() for i in range(0, len(share), size)]
    return np.array(pieces)


def _noise(seen: Seen) -> Array:
    """(S, 2) standard deviation of accel and gyro at rest, m/s² and rad/s, of single readings."""
    rest, samples = seen.stretch("rest"), seen.sequence.samples
    noise = np.full((len(seen.layout.names), 2), np.nan)
    if rest is None:
        return noise
    time_s = samples.time_ns / NS_PER_S
    inside = (time_s >= rest[0]) & (time_s <= rest[1])
    for column, values in enumerate((samples.accel_m_s2, samples.gyro_rad_s)):
        steps = np.diff(values[inside].astype(np.float64), axis=0)
        count = np.isfinite(steps).sum(axis=(0, 2))
        power = np.nansum(steps**2, axis=(0, 2)) / np.maximum(count, 1) / 2
        noise[:, column] = np.where(count > 20, np.sqrt(power), np.nan)
    return noise


def _liveliest(seen: Seen) -> tuple[float, NDArray[np.float32] | None]:
    """When the face does most, and what it looks like then."""
    rows = seen.sequence.rows
    known = np.flatnonzero(np.isfinite(rows.weights).all(axis=1))
    if not len(known):
        return float(seen.facts["start_s"]), None
    effort = rows.weights[known].sum(axis=1)
    at = int(known[int(np.argmax(effort))])
    return (seen.sequence.first_tick + at + 1) / TICK_HZ, rows.weights[at]
