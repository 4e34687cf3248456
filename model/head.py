"""Head rotation from the one sensor on bone: its rate integrated, its tilt pulled upright. Pure.

A row of samples is final some ticks after its own: what is late by a few milliseconds fills it
afterwards. So the rotation up to the last final row is kept, and the rows after it are integrated
on top anew for every frame.
"""

from math import atan2, cos, hypot, isfinite, sin, sqrt

import numpy as np
from numpy.typing import NDArray

from capture import rotations
from capture.resample import TICK_HZ

Array = NDArray[np.float64]
Vector = tuple[float, float, float]
Quat = tuple[float, float, float, float]

# Ours: gravity corrects tilt, and heading leaks back to straight ahead.
_TILT_GAIN, _HEADING_LEAK_S = 0.02, 20.0
# Ours: an empty row turns on at the rate of the last one heard, for so many rows (0.25 s).
_HELD_ROWS = 15


class HeadRotation:
    """Integrates the reference's rows; (4,) wxyz, straight ahead where it starts.

    Args:
        late_rows: how long after its tick a row may still change.
    """

    def __init__(self, late_rows: int) -> None:
        self._late_rows = late_rows
        self._quat: Quat = (1.0, 0.0, 0.0, 0.0)  # at tick _settled, like the two below
        self._held: tuple[Vector, Vector] = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
        self._silent_rows = _HELD_ROWS
        self._settled: int | None = None

    def wait(self, tick: int) -> Array:
        """Stay at (4,) where it is; rows that are final at `tick` will never be integrated."""
        self._settled = tick - self._late_rows
        return np.array(self._quat)

    def rows_wanted(self, tick: int) -> int:
        """How many rows up to `tick` are still to be integrated."""
        settled = tick - self._late_rows
        return tick - (settled if self._settled is None else self._settled)

    def at(self, tick: int, rows: Array, quat: Array, bias_rad_s: Array) -> Array:
        """The rotation at `tick`; ask ticks in increasing order.

        Args:
            rows: (T, 6) of the reference up to `tick`: accel m/s² then gyro rad/s, sensor frame.
            quat: (4,) head from sensor. bias_rad_s: (3,) of the gyro.
        """
        settled = tick - self._late_rows
        before = settled if self._settled is None else self._settled
        count = min(tick - before, len(rows))
        turning = rows[len(rows) - count :]
        rate = rotations.rotate(quat, turning[:, 3:] - bias_rad_s).tolist()
        force = rotations.rotate(quat, turning[:, :3]).tolist()
        for row in range(count - self._late_rows):
            self._step(rate[row], force[row])
        self._settled = max(before, settled)
        kept = self._quat, self._held, self._silent_rows
        for row in range(max(count - self._late_rows, 0), count):
            self._step(rate[row], force[row])
        now = np.array(self._quat)
        self._quat, self._held, self._silent_rows = kept
        return now

    def _step(self, rate: Vector, force: Vector) -> None:
        if all(map(isfinite, (*rate, *force))):
            self._held, self._silent_rows = (rate, force), 0
        else:
            self._silent_rows += 1
        if self._silent_rows <= _HELD_ROWS:
            self._quat = turned(self._quat, *self._held)


def turned(head: Quat, rate: Vector, force: Vector) -> Quat:
    """One tick of head rotation (4,) wxyz by rate (3,) rad/s, pulled upright by force (3,) m/s².

    In plain numbers: arrays of four are far slower, and every frame takes several steps.
    """
    step = 1.0 / TICK_HZ
    head = _times(head, _of_vector((rate[0] * step, rate[1] * step, rate[2] * step)))
    up = _rotated(head, force)
    pull = _TILT_GAIN / max(hypot(*up), 1e-6)
    # The tilt is up × (0, 1, 0), which has no part along y: there the heading leaks.
    leak = _heading(head) / (_HEADING_LEAK_S * TICK_HZ)
    head = _times(_of_vector((-up[2] * pull, -leak, up[0] * pull)), head)
    length = sqrt(sum(part * part for part in head))
    return (head[0] / length, head[1] / length, head[2] / length, head[3] / length)


def _heading(head: Quat) -> float:
    """The part along y of the rotation vector, rad."""
    w, x, y, z = head if head[0] >= 0 else (-head[0], -head[1], -head[2], -head[3])
    norm = hypot(x, y, z)
    return 2.0 * y if norm < 1e-12 else 2.0 * atan2(norm, w) * y / norm


def _of_vector(vector: Vector) -> Quat:
    angle = hypot(*vector)
    scale = 0.5 if angle < 1e-9 else sin(0.5 * angle) / angle
    return (cos(0.5 * angle), scale * vector[0], scale * vector[1], scale * vector[2])


def _times(p: Quat, q: Quat) -> Quat:
    pw, px, py, pz = p
    qw, qx, qy, qz = q
    return (
        pw * qw - px * qx - py * qy - pz * qz,
        pw * qx + px * qw + py * qz - pz * qy,
        pw * qy - px * qz + py * qw + pz * qx,
        pw * qz + px * qy - py * qx + pz * qw,
    )


def _rotated(q: Quat, vector: Vector) -> Vector:
    _, x, y, z = _times(_times(q, (0.0, *vector)), (q[0], -q[1], -q[2], -q[3]))
    return (x, y, z)
