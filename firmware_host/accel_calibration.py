"""Offset, scale and misalignment of an accelerometer, from what it reads at rest. No I/O.

At rest the specific force is gravity, whichever way up the sensor lies: |M (a − b)| = g. With one
rest on each of the six faces that gives the offset b and a scale for each axis (a diagonal M); with
more rests in other positions also how far the axes are from right angles. The model and its upper
triangular M, which leaves the x axis where it is, are those of Tedaldi, Pretto and Menegatti, "A
robust and easy to implement method for IMU calibration without external equipments", ICRA 2014,
equations 1 to 10; the idea of fitting to the length of gravity alone is also in Frosio, Pedersini
and Borghese, "Autocalibration of MEMS accelerometers", IEEE Trans. Instrum. Meas. 58(6), 2009.
How the accelerometer lies to the gyroscope cannot be known from rests.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GRAVITY_M_S2 = 9.80665  # standard gravity; on the ground it is 0.3 % less to 0.3 % more
MIN_RESTS, MIN_RESTS_MISALIGNED = 6, 12
MAX_OFFSET_M_S2 = 2.0  # 200 mg: twice the worst zero-g offset of cheap parts
MAX_SCALE = 0.1  # relative; datasheets promise 3 % and better
MAX_SHEAR = 0.1  # of the axes, as a share; 6 degrees
_MAX_CONDITION = 100.0
_STEPS = 20
_UNITS = np.repeat((1.0, GRAVITY_M_S2), (3, 6))  # so that offsets and shares compare


@dataclass(frozen=True, slots=True, eq=False)
class AccelFit:
    """true = matrix · (reading − offset). offset: (3,). matrix: (3, 3) upper triangular.

    before_m_s2, residual_m_s2: root mean square of |a| − g before and after; the latter is NaN
    where there were no more rests than unknowns, since then it says nothing.
    """

    offset_m_s2: Array
    matrix: Array
    before_m_s2: float
    residual_m_s2: float

    @property
    def objection(self) -> str:
        """Why no sensor of this kind can be like that; empty where one can."""
        scales = np.diag(self.matrix)
        if np.abs(self.offset_m_s2).max() > MAX_OFFSET_M_S2:
            worst = float(self.offset_m_s2[np.abs(self.offset_m_s2).argmax()])
            return f"an offset of {worst:+.1f} m/s²"
        if np.abs(scales - 1.0).max() > MAX_SCALE:
            worst = float(scales[np.abs(scales - 1.0).argmax()])
            return f"a scale of {worst:.2f}"
        if np.abs(np.triu(self.matrix, 1)).max() > MAX_SHEAR:
            return "axes that are far from right angles"
        return ""


def fit_accel(rests: Array, with_misalignment: bool = False) -> AccelFit:
    """Fit (R, 3) mean specific forces at rest, m/s²: Gauss-Newton on |M (a − b)| − g.

    Raises:
        ValueError: too few rests, or their positions do not tell the unknowns apart.
    """
    rests = np.asarray(rests, np.float64)
    needed = MIN_RESTS_MISALIGNED if with_misalignment else MIN_RESTS
    if len(rests) < needed:
        raise ValueError(f"expected at least {needed} rests, got {len(rests)}")
    unknowns = 9 if with_misalignment else 6
    theta = np.zeros(9)
    theta[:3] = 0.5 * (rests.max(axis=0) + rests.min(axis=0))
    half = 0.5 * np.ptp(rests, axis=0)
    if half.min() < 0.5 * GRAVITY_M_S2:
        raise ValueError("an axis was never up or never down")
    theta[3:6] = GRAVITY_M_S2 / half
    for _ in range(_STEPS):
        off, slopes = _residuals(rests, theta)
        slopes = slopes[:, :unknowns]
        if np.linalg.cond(slopes / _UNITS[:unknowns]) > _MAX_CONDITION:
            raise ValueError("the positions are too much alike")
        theta[:unknowns] -= np.linalg.lstsq(slopes, off, rcond=None)[0]
    off, _ = _residuals(rests, theta)
    before = np.linalg.norm(rests, axis=1) - GRAVITY_M_S2
    spare = len(rests) - unknowns
    residual = float(np.sqrt(np.sum(off**2) / spare)) if spare > 0 else float("nan")
    return AccelFit(theta[:3], _matrix(theta), float(np.sqrt(np.mean(before**2))), residual)


def _matrix(theta: Array) -> Array:
    sx, sy, sz, xy, xz, yz = theta[3:]
    return np.array([[sx, xy, xz], [0.0, sy, yz], [0.0, 0.0, sz]])


def _residuals(rests: Array, theta: Array) -> tuple[Array, Array]:
    """(R,) |M (a − b)| − g, and (R, 9) its derivatives by b, scales and shears."""
    matrix = _matrix(theta)
    moved = rests - theta[:3]
    force = moved @ matrix.T
    length = np.linalg.norm(force, axis=1)
    unit = force / length[:, None]
    by_offset = -unit @ matrix
    by_scale = unit * moved
    by_shear = np.stack(
        (unit[:, 0] * moved[:, 1], unit[:, 0] * moved[:, 2], unit[:, 1] * moved[:, 2]), axis=1
    )
    return length - GRAVITY_M_S2, np.concatenate((by_offset, by_scale, by_shear), axis=1)
