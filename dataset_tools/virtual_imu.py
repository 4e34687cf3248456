"""Virtual wearers: ARKit weights and head motion → what face IMUs would feel. No I/O.

Each site is a rigid patch of skin: relative to the head it turns by A w and moves by B w (its site
responses), the head turns about the neck, and gravity acts on everything. A sensor sits on the
patch with its own mounting error, bias and noise. Derivatives are central differences on a grid of
twice the sample rate, after the weights were smoothed to what skin can do.

All accuracy measured on these samples is accuracy on simulated IMUs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from capture import rotations
from capture.calibration import GRAVITY_M_S2
from dataset_tools.performance import Performance
from firmware_host.layout import SensorLayout
from firmware_host.samples import Floats

Array = NDArray[np.float64]

# From the head frame's origin down and back to the upper neck joints, about which a head nods.
NECK_PIVOT_M = np.array([0.0, -0.09, -0.02])
# ARKit jitters by some thousandths from frame to frame; skin does not. 12 ms keeps 11 Hz (−3 dB).
SKIN_SMOOTHING_S = 0.012
_FINE = 2  # grid points per sample interval for derivatives


@dataclass(frozen=True, slots=True, eq=False)
class SiteModel:
    """How the sites of one layout on one face answer to weights, in the head frame.

    rotation: (S, 3, 52) rad per unit weight. translation: (S, 3, 52) m per unit weight.
    position: (S, 3) m.
    """

    rotation: Array
    translation: Array
    position: Array


@dataclass(frozen=True, slots=True)
class Chip:
    """One IMU chip's faults. Typical sizes of current consumer MEMS parts; not one datasheet's."""

    accel_noise_m_s2_rthz: float = 1.3e-3  # about 130 µg/√Hz
    gyro_noise_rad_s_rthz: float = 1.6e-4  # about 9 mdps/√Hz
    accel_bias_m_s2: float = 0.25  # standard deviation of the constant offset
    gyro_bias_rad_s: float = 0.012
    accel_range_m_s2: float = 8 * GRAVITY_M_S2
    gyro_range_rad_s: float = float(np.radians(1024.0))
    bits: int = 16


@dataclass(frozen=True, slots=True, eq=False)
class VirtualWearer:
    """One donning of one face: sites, mounting errors and chips.

    quat_head_from_sensor: (S, 4) true mounting, wxyz. accel_bias, gyro_bias: (S, 3).
    """

    layout: SensorLayout
    sites: SiteModel
    quat_head_from_sensor: Array
    accel_bias_m_s2: Array
    gyro_bias_rad_s: Array
    chip: Chip


@dataclass(frozen=True, slots=True, eq=False)
class VirtualSamples:
    """time_s: (N,) from the start of the performance. accel, gyro: (N, S, 3), sensor frames."""

    time_s: Array
    accel_m_s2: Floats
    gyro_rad_s: Floats


def put_on(
    layout: SensorLayout,
    sites: SiteModel,
    rng: np.random.Generator,
    mounting_error_rad: float = float(np.radians(7.0)),
    chip: Chip | None = None,
) -> VirtualWearer:
    """Glue sensors on: draw mounting errors (per axis, Gaussian) and biases."""
    chip = chip or Chip()
    count = len(layout.slots)
    nominal = np.array([slot.quat_head_from_sensor for slot in layout.slots], float)
    error = rotations.from_vector(rng.normal(0.0, mounting_error_rad, (count, 3)))
    return VirtualWearer(
        layout=layout,
        sites=sites,
        quat_head_from_sensor=rotations.multiply(error, nominal),
        accel_bias_m_s2=rng.normal(0.0, chip.accel_bias_m_s2, (count, 3)),
        gyro_bias_rad_s=rng.normal(0.0, chip.gyro_bias_rad_s, (count, 3)),
        chip=chip,
    )


def feel(
    performance: Performance, wearer: VirtualWearer, rate_hz: float, rng: np.random.Generator
) -> VirtualSamples:
    """Sample what the wearer's sensors feel during a performance, faults included.

    Args:
        rate_hz: sensor rate; samples lie at k / rate_hz from the start of the performance.
    """
    time_s, accel, gyro = ideal_motion(performance, wearer, rate_hz)
    chip = wearer.chip
    bandwidth = np.sqrt(0.5 * rate_hz)  # white noise up to Nyquist
    accel = (
        accel + wearer.accel_bias_m_s2 + _noise(rng, accel, chip.accel_noise_m_s2_rthz * bandwidth)
    )
    gyro = gyro + wearer.gyro_bias_rad_s + _noise(rng, gyro, chip.gyro_noise_rad_s_rthz * bandwidth)
    return VirtualSamples(
        time_s,
        _digitise(accel, chip.accel_range_m_s2, chip.bits),
        _digitise(gyro, chip.gyro_range_rad_s, chip.bits),
    )


def ideal_motion(
    performance: Performance, wearer: VirtualWearer, rate_hz: float
) -> tuple[Array, Array, Array]:
    """Noiseless (N,) times, (N, S, 3) specific force and (N, S, 3) angular rate, sensor frames."""
    start, end = performance.time_s[0], performance.time_s[-1]
    count = int(np.floor((end - start) * rate_hz)) + 1
    step = 1.0 / (rate_hz * _FINE)
    # One extra grid point on each side, so that differences are central everywhere.
    grid = start + step * np.arange(-1, count * _FINE)
    weights, head_quat, head_position = _motion_at(performance, grid)
    sites = wearer.sites
    turn = np.einsum("sij,nj->nsi", sites.rotation, weights)
    place = sites.position + np.einsum("sij,nj->nsi", sites.translation, weights)
    world_place = head_position[:, None] + rotations.rotate(head_quat[:, None], place)
    quat = rotations.multiply(
        head_quat[:, None],
        rotations.multiply(rotations.from_vector(turn), wearer.quat_head_from_sensor),
    )
    middle = slice(1, None, _FINE)
    before, now, after = _neighbours(quat, count)
    gyro = rotations.to_vector(rotations.multiply(rotations.conjugate(before), after)) / (2 * step)
    p_before, p_now, p_after = _neighbours(world_place, count)
    accel = (p_after - 2.0 * p_now + p_before) / step**2
    force = rotations.rotate(rotations.conjugate(now), accel + np.array([0.0, GRAVITY_M_S2, 0.0]))
    return grid[middle][:count] - start, force, gyro


def _neighbours(values: Array, count: int) -> tuple[Array, Array, Array]:
    last = 1 + _FINE * (count - 1)
    return (
        values[0:last:_FINE],
        values[1 : last + 1 : _FINE],
        values[2 : last + 2 : _FINE],
    )


def _motion_at(performance: Performance, grid: Array) -> tuple[Array, Array, Array]:
    """Smooth weights (N, 52), head quaternion (N, 4) and head position (N, 3) on a fine grid."""
    coarse_hz = 120.0
    start, end = performance.time_s[0], performance.time_s[-1]
    coarse = start + np.arange(int(np.ceil((end - start) * coarse_hz)) + 1) / coarse_hz
    columns = np.concatenate(
        (performance.weights, rotations.unwrap(performance.quat_world_from_head)), axis=1
    )
    even = _interpolate(coarse, performance.time_s, columns)
    smooth = gaussian_filter1d(even, SKIN_SMOOTHING_S * coarse_hz, axis=0, mode="nearest")
    fine = CubicSpline(coarse, smooth, axis=0)(np.clip(grid, coarse[0], coarse[-1]))
    head_quat = rotations.normalise(fine[:, 52:])
    # The pivot stays put: the head's origin swings about it.
    head_position = NECK_PIVOT_M - rotations.rotate(head_quat, NECK_PIVOT_M)
    return fine[:, :52], head_quat, head_position


def _interpolate(at: Array, time_s: Array, columns: Array) -> Array:
    """Linear interpolation of all columns at once; held outside."""
    right = np.clip(np.searchsorted(time_s, at, side="right"), 1, len(time_s) - 1)
    left = right - 1
    span = np.maximum(time_s[right] - time_s[left], 1e-9)
    share = np.clip((at - time_s[left]) / span, 0.0, 1.0)[:, None]
    return np.asarray(columns[left] * (1.0 - share) + columns[right] * share)


def _noise(rng: np.random.Generator, like: Array, deviation: float) -> Array:
    drawn = rng.standard_normal(like.shape, dtype=np.float32)
    return np.asarray(drawn * np.float32(deviation), float)


def _digitise(values: Array, full_scale: float, bits: int) -> Floats:
    """Clip to the range and round to the chip's steps."""
    step = full_scale / 2 ** (bits - 1)
    clipped = np.clip(np.rint(values / step), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return np.asarray(clipped * step, np.float32)
