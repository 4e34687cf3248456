"""Orientation of one IMU by VQF: a uniform grid, gaps that stay visible, rest, gyro bias. Pure.

VQF (Laidig and Seel, Information Fusion 91, 2023, doi:10.1016/j.inffus.2022.10.014) is a filter of
equidistant samples: its package (`vqf`, MIT) knows one sampling time. Real streams have holes, so
readings are first put on a grid. A short hole is bridged by straight lines. A longer one is not
guessed: its grid rows are NaN, and behind it the filter starts anew with the bias it had learned.
Without a magnetometer heading is then arbitrary anew, so each row carries the number of its run.

    readings ──► grid ──► run 0 ──VQF──► quats   NaN   run 1 ──VQF──► quats …
                              └───────── gyro bias ───────┘
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firmware_host.errors import EnvironmentMissing

Array = NDArray[np.float64]

MAX_GAP_S = 0.1  # nodding once a second at 2 rad/s, a straight line errs by 0.4 degrees
MIN_RUN_S = 0.5  # shorter pieces between two gaps cannot even find the vertical


@dataclass(frozen=True, slots=True, eq=False)
class Orientation:
    """An IMU's orientation on a uniform grid of N rows.

    time_s: (N,). quat_world_from_sensor: (N, 4) wxyz into a world with z up, NaN in gaps. With a
    magnetometer x points east and y north; without one where they point is arbitrary in each run.
    run: (N,) which piece between two gaps, −1 in gaps. at_rest: (N,) VQF's rest detection.
    gyro_bias_rad_s: (N, 3) as believed at each row, in the sensor's frame, NaN in gaps.
    """

    time_s: Array
    quat_world_from_sensor: Array
    run: NDArray[np.int64]
    at_rest: NDArray[np.bool_]
    gyro_bias_rad_s: Array

    @property
    def missing(self) -> float:
        """Share of the rows that lie in gaps."""
        return float(np.mean(self.run < 0)) if len(self.run) else 0.0


def estimate_orientation(
    time_s: ArrayLike,
    accel_m_s2: ArrayLike,
    gyro_rad_s: ArrayLike,
    mag: ArrayLike | None = None,
    rate_hz: float | None = None,
    max_gap_s: float = MAX_GAP_S,
) -> Orientation:
    """Estimate the orientation at every row of a uniform grid, causally.

    Args:
        time_s: (K,) not decreasing, with holes where readings were lost.
        accel_m_s2, gyro_rad_s: (K, 3) specific force and rate, sensor frame; a NaN loses its row.
        mag: (K, 3) magnetic field in any unit, same frame; None without a magnetometer.
        rate_hz: of the grid; None for the median rate of the readings.
        max_gap_s: longer holes are gaps.

    Raises:
        ValueError: fewer than two whole readings, or time decreases.
        EnvironmentMissing: the package `vqf` is not installed.
    """
    readings = [np.asarray(part, np.float64) for part in (gyro_rad_s, accel_m_s2)]
    readings += [] if mag is None else [np.asarray(mag, np.float64)]
    values = np.concatenate(readings, axis=1)  # (K, 6 or 9)
    times, values = _whole(np.asarray(time_s, np.float64), values)
    step_s = float(np.median(np.diff(times))) if rate_hz is None else 1.0 / rate_hz
    grid_s = times[0] + step_s * np.arange(round((times[-1] - times[0]) / step_s) + 1)
    known = on_grid_within(grid_s, times, max_gap_s)
    rows = np.stack([np.interp(grid_s, times, column) for column in values.T], axis=1)
    return _filtered(grid_s, rows, _runs(known, round(MIN_RUN_S / step_s)), step_s)


def _whole(times: Array, values: Array) -> tuple[Array, Array]:
    """The readings without NaN; of several at one time the first."""
    kept = np.isfinite(values).all(axis=1) & np.isfinite(times)
    times, values = times[kept], values[kept]
    if np.any(np.diff(times) < 0):
        raise ValueError("time_s: expected times that do not decrease")
    new = np.diff(times, prepend=-np.inf) > 0
    if new.sum() < 2:
        raise ValueError(f"expected at least 2 whole readings, got {new.sum()}")
    return times[new], values[new]


def on_grid_within(grid_s: Array, times: Array, max_gap_s: float) -> NDArray[np.bool_]:
    """(N,) whether each grid time is at a reading, or between two at most `max_gap_s` apart."""
    after = np.clip(np.searchsorted(times, grid_s), 1, len(times) - 1)
    apart = times[after] - times[after - 1]
    near = np.minimum(np.abs(grid_s - times[after]), np.abs(grid_s - times[after - 1]))
    half_step = 0.5 * (grid_s[1] - grid_s[0]) if len(grid_s) > 1 else 0.0
    return np.asarray((apart <= max_gap_s) | (near <= half_step))


def _runs(known: NDArray[np.bool_], shortest: int) -> NDArray[np.int64]:
    """(N,) the number of each piece of known rows, −1 where unknown or in too short a piece."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], known.astype(np.int64), [0]))))
    run = np.full(len(known), -1, np.int64)
    number = 0
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if end - start >= shortest:
            run[start:end] = number
            number += 1
    return run


def _filtered(grid_s: Array, rows: Array, run: NDArray[np.int64], step_s: float) -> Orientation:
    """VQF over each run; the bias learned in one is where the next begins."""
    quat, bias = np.full((len(rows), 4), np.nan), np.full((len(rows), 3), np.nan)
    at_rest = np.zeros(len(rows), np.bool_)
    known: tuple[Array, float] | None = None
    for number in range(int(run.max(initial=-1)) + 1):
        here = run == number
        vqf = _new_filter(step_s)
        if known is not None:
            vqf.setBiasEstimate(*known)
        parts = [np.ascontiguousarray(part) for part in np.split(rows[here], rows.shape[1] // 3, 1)]
        found = vqf.updateBatch(*parts)
        quat[here] = found["quat6D" if len(parts) == 2 else "quat9D"]
        bias[here], at_rest[here] = found["bias"], found["restDetected"]
        known = vqf.getBiasEstimate()
    return Orientation(grid_s, quat, run, at_rest, bias)


def _new_filter(step_s: float) -> Any:
    try:
        from vqf import VQF
    except ImportError as error:
        raise EnvironmentMissing(
            "orientations need the package vqf", 'pip install "imusic[orientation]"'
        ) from error
    return VQF(step_s)


def gyro_bias_at_rest(orientation: Orientation, time_s: ArrayLike, gyro_rad_s: ArrayLike) -> Array:
    """(3,) the mean rate of the readings (K,), (K, 3) at rest; NaN where there was no rest."""
    times, gyro = np.asarray(time_s, np.float64), np.asarray(gyro_rad_s, np.float64)
    step_s = orientation.time_s[1] - orientation.time_s[0]
    row = np.rint((times - orientation.time_s[0]) / step_s).astype(np.int64)
    inside = (row >= 0) & (row < len(orientation.at_rest))
    resting = inside & orientation.at_rest[np.clip(row, 0, len(orientation.at_rest) - 1)]
    still = gyro[resting & np.isfinite(gyro).all(axis=1)]
    return still.mean(axis=0) if len(still) else np.full(3, np.nan)


@dataclass(frozen=True, slots=True)
class OrientationError:
    """Root mean square errors in degrees."""

    total_deg: float
    heading_deg: float
    inclination_deg: float


def orientation_error(quat: Array, truth: Array, judged: NDArray[np.bool_]) -> OrientationError:
    """Compare (N, 4) and (N, 4) in one world with z up, where `judged` and both are known.

    Errors as BROAD defines them (Laidig et al., Data 6(7):72, 2021, and its example code): of the
    rotation between the two, in the world's axes, the whole, the part about the vertical, the rest.
    """
    from capture import rotations

    known = judged & np.isfinite(quat).all(axis=1) & np.isfinite(truth).all(axis=1)
    off = rotations.multiply(quat[known], rotations.conjugate(truth[known]))
    off = rotations.normalise(off)
    upright = np.hypot(off[:, 0], off[:, 3])
    angles = (
        2 * np.arccos(np.clip(np.abs(off[:, 0]), 0, 1)),
        2 * np.arctan2(np.abs(off[:, 3]), np.abs(off[:, 0])),
        2 * np.arccos(np.clip(upright, 0, 1)),
    )
    return OrientationError(*(float(np.degrees(np.sqrt(np.mean(a**2)))) for a in angles))
