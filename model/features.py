"""Rows of raw samples → features with head motion removed. One pure function for live and offline.

For a patch that turns by A w and moves by B w on the head (docs/sensing.md):

    relative rate   ω_i − ω_ref ≈ A ẇ + ω_ref × A w       how weights change
    relative force  f_i − f_ref − lever ≈ f_ref × A w      where weights are (tilt), plus B ẅ

The lever arm (α× + ω×ω×)(r_i − r_ref) is removed with the positions of the layout.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dtbtrs

from capture import rotations
from capture.calibration import GRAVITY_M_S2, Calibration
from capture.resample import TICK_HZ
from firmware_host.layout import SensorLayout
from firmware_host.samples import Floats

Array = NDArray[np.float64]

# The leaky integral of relative rate is the patch's rotation, high-passed at this time constant.
LEAK_S = 0.7
# Rows before the window that the leaky integral and held values need (4 s: e⁻⁵·⁷ of the past).
HISTORY_ROWS = 240
# Final rows are kept so long for whoever reads them.
_UNREAD_ROWS = 600
# A slot is still "heard" this many rows after its last sample.
_STALE_ROWS = 6
# Divisors that bring typical values near one; physical, so that they need no training data.
_RATE_SCALE, _FORCE_SCALE, _ANGLE_SCALE = 0.5, 1.0, 0.1
PER_SLOT = 9
_UP = np.array([0.0, 1.0, 0.0])


def feature_count(layout: SensorLayout) -> int:
    """Width F of the feature rows of a layout."""
    return len(layout.face_indices) * (PER_SLOT + 1) + 6


@dataclass(frozen=True, slots=True, eq=False)
class FeatureState:
    """What the next feature row needs of those before it. S slots, R of them on the face.

    held: (S, 6) the last reading of each slot. silent_rows: (S,) rows since then. angle: (R, 3)
    leaky rotation in rad. head_rate: (3,) of the last row in rad/s, None before the first row.
    """

    held: Array
    silent_rows: NDArray[np.int64]
    angle: Array
    head_rate: Array | None


def features(rows: Array, layout: SensorLayout, calibration: Calibration) -> Floats:
    """Features of consecutive rows.

    Args:
        rows: (T, S, 6) accel then gyro in sensor frames at 60 Hz, NaN where nothing was heard.

    Returns:
        (T, F) float32: per face slot relative rate (3), relative force (3), leaky rotation (3);
        then one "heard" flag per face slot; then the reference's rate (3) and tilt (3).
    """
    return features_after(None, rows, layout, calibration)[0]


def features_after(
    before: FeatureState | None,
    rows: Array,
    layout: SensorLayout,
    calibration: Calibration,
    settled: int | None = None,
) -> tuple[Floats, FeatureState]:
    """Features of rows that follow others.

    Args:
        before: the state after the rows before; None where these are the first.
        settled: so many of `rows` are in the state that is returned; all where None.
    """
    before = before or _first_state(layout)
    held, silent_rows = _hold(rows, before)
    fresh = silent_rows <= _STALE_ROWS
    force = rotations.rotate(calibration.quat_head_from_sensor, held[..., :3])
    rate = rotations.rotate(
        calibration.quat_head_from_sensor, held[..., 3:] - calibration.gyro_bias_rad_s
    )
    face, reference = list(layout.face_indices), layout.reference_index
    head_rate, head_force = rate[:, reference], force[:, reference]
    flags = fresh[:, face] & fresh[:, [reference]]
    relative_rate = np.where(flags[..., None], rate[:, face] - head_rate[:, None], 0.0)
    lever = _lever(head_rate, before.head_rate, layout)
    relative_force = force[:, face] - head_force[:, None] - lever
    relative_force = relative_force - calibration.rest_force_m_s2[face]
    relative_force = np.where(flags[..., None], relative_force, 0.0)
    angle = _leaky_integral(relative_rate, before.angle)
    per_slot = np.concatenate(
        (relative_rate / _RATE_SCALE, relative_force / _FORCE_SCALE, angle / _ANGLE_SCALE), axis=-1
    )
    tilt = head_force / GRAVITY_M_S2 - _UP
    heard = fresh[:, [reference]]
    parts = (
        per_slot.reshape(len(rows), -1),
        flags.astype(float),
        np.where(heard, head_rate / _RATE_SCALE, 0.0),
        np.where(heard, tilt, 0.0),
    )
    out = np.concatenate(parts, axis=-1, dtype=np.float32)
    last = (len(rows) if settled is None else settled) - 1
    if last < 0:
        return out, before
    return out, FeatureState(held[last], silent_rows[last], angle[last], head_rate[last])


class RunningFeatures:
    """`features` live: the last rows again at each tick, for samples that come late; none before.

    Args:
        window: rows that `advance` gives.
        late_rows: a row is final when so many have followed it.
    """

    def __init__(
        self, layout: SensorLayout, calibration: Calibration, window: int, late_rows: int
    ) -> None:
        self._layout, self._calibration = layout, calibration
        self._window, self._late_rows = window, late_rows
        self._state: FeatureState | None = None
        self._tick: int | None = None  # of the last row that is final
        self._settled: deque[Floats] = deque(maxlen=window)
        self._unread: deque[Floats] = deque(maxlen=_UNREAD_ROWS)

    def rows_wanted(self, tick: int) -> int:
        """How many rows up to `tick` to give to `advance`."""
        longest = HISTORY_ROWS + self._window
        return longest if self._tick is None else min(tick - self._tick, longest)

    def advance(self, tick: int, rows: Array) -> Floats:
        """Features (W, F) of the W rows up to `tick`, of `rows_wanted(tick)` rows (T, S, 6)."""
        if self._tick is None or tick - self._tick > len(rows):
            self._state = None
            self._settled.clear()
            self._unread.clear()
        final = max(0, len(rows) - self._late_rows)
        seen, self._state = features_after(
            self._state, rows, self._layout, self._calibration, final
        )
        self._settled.extend(seen[:final])
        self._unread.extend(seen[:final])
        self._tick = tick - (len(rows) - final)
        return np.stack([*self._settled, *seen[final:]][-self._window :])

    def recalibrate(self, calibration: Calibration) -> None:
        """Read rows that are not final yet, and all later ones, by another calibration."""
        self._calibration = calibration

    def settled(self) -> tuple[int, Floats]:
        """The tick of the last row that is final, and the (N, F) final rows since the last call."""
        rows = np.stack(self._unread) if self._unread else np.zeros((0, 0), np.float32)
        self._unread.clear()
        return self._tick or 0, rows


@dataclass(frozen=True, slots=True, eq=False)
class Perceived:
    """Feature rows in physical units, head frame. R face sites.

    rate: (T, R, 3) rad/s relative to the reference. force: (T, R, 3) m/s² relative to it and to
    rest. heard: (T, R). head_rate: (T, 3) rad/s. head_force: (T, 3) m/s².
    """

    rate: Array
    force: Array
    heard: NDArray[np.bool_]
    head_rate: Array
    head_force: Array


def perceived(features: Floats, sites: int) -> Perceived:
    """Take feature rows apart again; `sites` is the number of face slots."""
    rows = np.asarray(features, float)
    per_slot = rows[:, : sites * PER_SLOT].reshape(len(rows), sites, PER_SLOT)
    rest = rows[:, sites * PER_SLOT :]
    return Perceived(
        rate=per_slot[..., :3] * _RATE_SCALE,
        force=per_slot[..., 3:6] * _FORCE_SCALE,
        heard=rest[:, :sites] > 0,
        head_rate=rest[:, sites : sites + 3] * _RATE_SCALE,
        head_force=(rest[:, sites + 3 : sites + 6] + _UP) * GRAVITY_M_S2,
    )


def heard_share(features: Floats, sites: int) -> Array:
    """(T,) share of the face's sensors that were heard."""
    flags = features[:, sites * PER_SLOT : sites * (PER_SLOT + 1)]
    return np.asarray((flags > 0).mean(axis=1), float)


def leaky_angles(features: Floats, sites: int) -> Array:
    """(T, R, 3) rad by which each patch turned of late, of feature rows (T, F)."""
    per_slot = np.asarray(features, float)[:, : sites * PER_SLOT]
    return per_slot.reshape(len(features), sites, PER_SLOT)[..., 6:] * _ANGLE_SCALE


def _first_state(layout: SensorLayout) -> FeatureState:
    slots, sites = len(layout.slots), len(layout.face_indices)
    silent_rows = np.full(slots, _STALE_ROWS + 1)
    return FeatureState(np.zeros((slots, 6)), silent_rows, np.zeros((sites, 3)), None)


def _hold(rows: Array, before: FeatureState) -> tuple[Array, NDArray[np.int64]]:
    """Fill rows where a slot was silent with its last value; say for how many rows it has been."""
    number = np.arange(len(rows))[:, None]
    heard = np.isfinite(rows).all(axis=-1)  # (T, S)
    last = np.maximum.accumulate(np.where(heard, number, -1), axis=0)
    known = last >= 0
    held = np.take_along_axis(rows, np.maximum(last, 0)[..., None], axis=0)
    silent_rows = np.where(known, number - last, number + 1 + before.silent_rows)
    return np.where(known[..., None], held, before.held), silent_rows


def _leaky_integral(rate: Array, before: Array) -> Array:
    """(T, R, 3) rotation y[k] = keep y[k−1] + rate[k] / 60 after `before` (R, 3).

    Solved as the bidiagonal system that it is: what scipy.signal would do takes a second to load.
    """
    keep = np.exp(-1.0 / (LEAK_S * TICK_HZ))
    steps = rate.reshape(len(rate), -1) / TICK_HZ
    steps[:1] += keep * before.ravel()
    bands = np.full((2, len(rate)), 1.0)
    bands[1] = -keep
    return np.asarray(dtbtrs(bands, steps, uplo="L")[0]).reshape(rate.shape)


def _lever(head_rate: Array, rate_before: Array | None, layout: SensorLayout) -> Array:
    """(T, S−1, 3) acceleration of each site relative to the reference by head rotation alone."""
    place = np.array([slot.position_m for slot in layout.slots])
    arm = place[list(layout.face_indices)] - place[layout.reference_index]
    first = head_rate[:1] if rate_before is None else rate_before[None]
    turn = np.diff(head_rate, axis=0, prepend=first) * TICK_HZ
    spin = rotations.cross(head_rate[:, None], rotations.cross(head_rate[:, None], arm))
    return rotations.cross(turn[:, None], arm) + spin
