"""Rows of raw samples → features with head motion removed. One pure function for live and offline.

For a patch that turns by A w and moves by B w on the head (docs/sensing.md):

    relative rate   ω_i − ω_ref ≈ A ẇ + ω_ref × A w       how weights change
    relative force  f_i − f_ref − lever ≈ f_ref × A w      where weights are (tilt), plus B ẅ

The lever arm (α× + ω×ω×)(r_i − r_ref) is removed with the positions of the layout.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

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
# A slot is still "heard" this many rows after its last sample.
_STALE_ROWS = 6
# Divisors that bring typical values near one; physical, so that they need no training data.
_RATE_SCALE, _FORCE_SCALE, _ANGLE_SCALE = 0.5, 1.0, 0.1
PER_SLOT = 9
_UP = np.array([0.0, 1.0, 0.0])


def feature_count(layout: SensorLayout) -> int:
    """Width F of the feature rows of a layout."""
    return len(layout.face_indices) * (PER_SLOT + 1) + 6


def features(rows: Array, layout: SensorLayout, calibration: Calibration) -> Floats:
    """Features of consecutive rows.

    Args:
        rows: (T, S, 6) accel then gyro in sensor frames at 60 Hz, NaN where nothing was heard.

    Returns:
        (T, F) float32: per face slot relative rate (3), relative force (3), leaky rotation (3);
        then one "heard" flag per face slot; then the reference's rate (3) and tilt (3).
    """
    held, fresh = _hold(rows)
    force = rotations.rotate(calibration.quat_head_from_sensor, held[..., :3])
    rate = rotations.rotate(
        calibration.quat_head_from_sensor, held[..., 3:] - calibration.gyro_bias_rad_s
    )
    face, reference = list(layout.face_indices), layout.reference_index
    head_rate, head_force = rate[:, reference], force[:, reference]
    flags = fresh[:, face] & fresh[:, [reference]]
    relative_rate = np.where(flags[..., None], rate[:, face] - head_rate[:, None], 0.0)
    relative_force = force[:, face] - head_force[:, None] - _lever(head_rate, layout)
    relative_force = relative_force - calibration.rest_force_m_s2[face]
    relative_force = np.where(flags[..., None], relative_force, 0.0)
    keep = np.exp(-1.0 / (LEAK_S * TICK_HZ))
    angle = lfilter([1.0 / TICK_HZ], [1.0, -keep], relative_rate, axis=0)
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
    return np.concatenate(parts, axis=-1, dtype=np.float32)


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


def _hold(rows: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Fill rows where a slot was silent with its last value; say where it was heard lately."""
    heard = np.isfinite(rows).all(axis=-1)  # (T, S)
    index = np.where(heard, np.arange(len(rows))[:, None], -1)
    last = np.maximum.accumulate(index, axis=0)
    held = np.take_along_axis(rows, np.maximum(last, 0)[..., None], axis=0)
    known = last >= 0
    fresh = known & (np.arange(len(rows))[:, None] - last <= _STALE_ROWS)
    return np.where(known[..., None], held, 0.0), fresh


def _lever(head_rate: Array, layout: SensorLayout) -> Array:
    """(T, S−1, 3) acceleration of each site relative to the reference by head rotation alone."""
    place = np.array([slot.position_m for slot in layout.slots])
    arm = place[list(layout.face_indices)] - place[layout.reference_index]
    turn = np.diff(head_rate, axis=0, prepend=head_rate[:1]) * TICK_HZ
    spin = np.cross(head_rate[:, None], np.cross(head_rate[:, None], arm))
    return np.asarray(np.cross(turn[:, None], arm) + spin)
