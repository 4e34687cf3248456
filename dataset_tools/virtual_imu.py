"""Virtual wearers: ARKit weights and head motion → what face IMUs would feel. No I/O.

Each site is a rigid patch of skin: relative to the head it turns by A w and moves by B w (its site
responses), the head turns about the neck, which may itself travel, and gravity acts on everything.
A sensor sits on the patch with its own mounting error; what it then says is its chip's affair
(`dataset_tools/chips.py`), and what else befalls it is in `dataset_tools/disturbances.py`.

Weights are smoothed to what skin can do, then everything is a quintic spline whose derivatives are
exact (`dataset_tools/splines.py`); no differences are taken.

All accuracy measured on these samples is accuracy on simulated IMUs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture import rotations
from capture.blendshapes import INDEX
from capture.calibration import GRAVITY_M_S2
from dataset_tools.chips import Chip, Parts, draw_parts
from dataset_tools.disturbances import CALM, Disturbances, closings, disturb
from dataset_tools.kinematics import HeadMotion, Triple, head_rates, mounted, seen_from_patch
from dataset_tools.kinematics import specific_force as force_on_patches
from dataset_tools.noise import digitise, drift, low_pass, white
from dataset_tools.performance import Performance
from dataset_tools.splines import Path, fit
from dataset_tools.wiring import STRAIGHT, Wiring, wired
from firmware_host.layout import SensorLayout
from firmware_host.samples import Floats

Array = NDArray[np.float64]

# From the head frame's origin down and back to the upper neck joints, about which a head nods.
NECK_PIVOT_M = np.array([0.0, -0.09, -0.02])
# ARKit jitters by some thousandths from frame to frame; skin does not. 12 ms keeps 11 Hz (−3 dB).
SKIN_SMOOTHING_S = 0.012
_KNOT_HZ = 120.0
# Faces and heads have next to nothing above a tenth of it; only knocks need finer steps.
_MOTION_HZ = 200.0
_BLOCK = 1024  # samples at a time: what fits the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class SiteModel:
    """How the sites of one layout on one face answer to weights, in the head frame.

    rotation: (S, 3, 52) rad per unit weight. translation: (S, 3, 52) m per unit weight.
    position: (S, 3) m. normal: (S, 3) unit, out of the skin; None where nobody said.
    """

    rotation: Array
    translation: Array
    position: Array
    normal: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class VirtualWearer:
    """One donning of one face: sites, mounting errors and chips.

    quat_head_from_sensor: (S, 4) true mounting, wxyz. accel_bias, gyro_bias: (S, 3). parts: what
    was drawn for each chip, None for plain chips. disturbances: none unless asked for. wiring:
    which slots deliver nothing, or each other's signal.
    """

    layout: SensorLayout
    sites: SiteModel
    quat_head_from_sensor: Array
    accel_bias_m_s2: Array
    gyro_bias_rad_s: Array
    chip: Chip
    parts: Parts | None = None
    disturbances: Disturbances = CALM
    wiring: Wiring = STRAIGHT


@dataclass(frozen=True, slots=True, eq=False)
class VirtualSamples:
    """time_s: (N,) from the start of the performance.

    accel, gyro: (N, S, 3), sensor frames; NaN in slots that are missing.
    """

    time_s: Array
    accel_m_s2: Floats
    gyro_rad_s: Floats


def put_on(
    layout: SensorLayout,
    sites: SiteModel,
    rng: np.random.Generator,
    mounting_error_rad: float = float(np.radians(7.0)),
    chip: Chip | None = None,
    disturbances: Disturbances = CALM,
    twist_rad: float = 0.0,
) -> VirtualWearer:
    """Glue sensors on: draw mounting errors (per axis, Gaussian), biases and chips' parts.

    Args:
        twist_rad: each sensor is also turned on the skin, about its normal, by up to this much.

    Raises:
        ValueError: a twist is asked for where the sites have no normals.
    """
    chip = chip or Chip()
    count = len(layout.slots)
    nominal = np.array([slot.quat_head_from_sensor for slot in layout.slots], float)
    error = rotations.from_vector(rng.normal(0.0, mounting_error_rad, (count, 3)))
    if twist_rad > 0.0:
        error = rotations.multiply(_twist(sites, rng, twist_rad), error)
    return VirtualWearer(
        layout=layout,
        sites=sites,
        quat_head_from_sensor=rotations.multiply(error, nominal),
        accel_bias_m_s2=rng.normal(0.0, chip.accel_bias_m_s2, (count, 3)),
        gyro_bias_rad_s=rng.normal(0.0, chip.gyro_bias_rad_s, (count, 3)),
        chip=chip,
        parts=draw_parts(chip, count, rng),
        disturbances=disturbances,
    )


def _twist(sites: SiteModel, rng: np.random.Generator, most_rad: float) -> Array:
    """(S, 4) turns about the skin's normals, in the head frame."""
    if sites.normal is None:
        raise ValueError("expected sites with normals to turn sensors about, got none")
    angle = rng.uniform(-most_rad, most_rad, (len(sites.normal), 1))
    return rotations.from_vector(angle * sites.normal)


def feel(
    performance: Performance, wearer: VirtualWearer, rate_hz: float, rng: np.random.Generator
) -> VirtualSamples:
    """Sample what the wearer's sensors feel during a performance, faults included.

    Where the performance says how the neck is carried along, the sensors feel that too.

    Args:
        rate_hz: sensor rate; samples lie at k / rate_hz from the start of the performance.
    """
    time_s, force, rate, finer = _finely(performance, wearer, rate_hz)
    if wearer.disturbances is not CALM:
        jaw = closings(
            performance.time_s - performance.time_s[0], performance.weights[:, INDEX["jawOpen"]]
        )
        force, rate = disturb(
            time_s, force, rate, wearer.disturbances, wearer.sites.position, jaw, rng
        )
    force = low_pass(force, wearer.chip.accel.bandwidth_hz, rate_hz * finer)[::finer]
    rate = low_pass(rate, wearer.chip.gyro.bandwidth_hz, rate_hz * finer)[::finer]
    time_s = time_s[::finer]
    force, rate = _sensed(time_s, force, rate, wearer)
    return _read_out(time_s, force, rate, wearer, rate_hz, rng)


def _finely(
    performance: Performance, wearer: VirtualWearer, rate_hz: float
) -> tuple[Array, Array, Array, int]:
    """Ideal motion as finely as the disturbances ask for; how many of its steps make a sample.

    What faces and heads do is worked out at `_MOTION_HZ` or above and a spline put through it.
    """
    needs_hz = wearer.disturbances.needs_hz
    if needs_hz <= rate_hz:
        return *ideal_motion(performance, wearer, rate_hz), 1
    coarse = int(np.ceil(_MOTION_HZ / rate_hz))
    coarse_hz = rate_hz * coarse
    steps = max(1, int(np.ceil(needs_hz / coarse_hz)))
    _, force, rate = ideal_motion(performance, wearer, coarse_hz)
    count = (len(force) - 1) * steps + 1
    if steps == 1 or len(force) < 2:
        return np.arange(len(force)) / coarse_hz, force, rate, coarse
    time_s = np.arange(count) / (coarse_hz * steps)
    shape = (count, *force.shape[1:])
    force, rate = (
        fit(v.reshape(len(v), -1), coarse_hz).at(time_s)[0].reshape(shape) for v in (force, rate)
    )
    return time_s, force, rate, coarse * steps


def _sensed(time_s: Array, force: Array, rate: Array, wearer: VirtualWearer) -> tuple[Array, Array]:
    """Gains, crosstalk and g-sensitivity of the parts, and what warmth does to these."""
    parts, warming = wearer.parts, wearer.disturbances.warming
    if parts is None:
        return force, rate
    rate = _through(parts.gyro_matrix, rate) + _through(parts.gyro_per_accel, force)
    force = _through(parts.accel_matrix, force)
    if warming is not None:
        rise = warming.rise(time_s)[:, None, None]
        force = force * (1.0 + rise * parts.accel_scale_per_k) + rise * parts.accel_per_k
        rate = rate * (1.0 + rise * parts.gyro_scale_per_k) + rise * parts.gyro_per_k
    return force, rate


def _through(matrices: Array, vectors: Array) -> Array:
    """(S, 3, 3) matrices times (N, S, 3) vectors."""
    return np.stack(mounted(matrices, (vectors[..., 0], vectors[..., 1], vectors[..., 2])), axis=-1)


def _read_out(
    time_s: Array,
    force: Array,
    rate: Array,
    wearer: VirtualWearer,
    rate_hz: float,
    rng: np.random.Generator,
) -> VirtualSamples:
    """Noise, biases that wander, range and steps; and which slot delivers which sensor."""
    chip = wearer.chip
    readings = []
    for ideal, bias, density, kind in (
        (force, wearer.accel_bias_m_s2, chip.accel_noise_m_s2_rthz, chip.accel),
        (rate, wearer.gyro_bias_rad_s, chip.gyro_noise_rad_s_rthz, chip.gyro),
    ):
        reading = white(rng, ideal.shape, density, rate_hz)
        reading = low_pass(reading, kind.bandwidth_hz, rate_hz)
        reading += ideal
        reading += bias
        wander = drift(rng, ideal.shape, kind.bias_instability, kind.random_walk, rate_hz)
        if wander is not None:
            reading += wander
        readings.append(reading)
    accel_bits = chip.bits if chip.accel_bits is None else chip.accel_bits
    accel = digitise(readings[0], chip.accel_range_m_s2, accel_bits)
    gyro = digitise(readings[1], chip.gyro_range_rad_s, chip.bits)
    return VirtualSamples(time_s, wired(accel, wearer.wiring), wired(gyro, wearer.wiring))


def ideal_motion(
    performance: Performance, wearer: VirtualWearer, rate_hz: float
) -> tuple[Array, Array, Array]:
    """Noiseless (N,) times, (N, S, 3) specific force and (N, S, 3) angular rate, sensor frames."""
    count = int(np.floor(performance.duration_s * rate_hz)) + 1
    time_s = np.arange(count) / rate_hz
    slots = len(wearer.sites.position)
    force, rate = np.empty((count, slots, 3)), np.empty((count, slots, 3))
    path = _path(performance, wearer.sites)
    to_sensor = np.swapaxes(rotations.to_matrix(wearer.quat_head_from_sensor), -1, -2)
    for start in range(0, count, _BLOCK):
        block = slice(start, start + _BLOCK)
        at = time_s[block] - wearer.chip.delay_s
        felt, turned = _patches(path, wearer.sites.position - NECK_PIVOT_M, at)
        for axis, (f, r) in enumerate(
            zip(mounted(to_sensor, felt), mounted(to_sensor, turned), strict=True)
        ):
            force[block, :, axis] = f
            rate[block, :, axis] = r
    return time_s, force, rate


def _patches(path: Path, arm_m: Array, at: Array) -> tuple[Triple, Triple]:
    """Force and rate of all patches, in their own frames, at times `at`."""
    value, speed, change = path.at(at, 2)
    spin, turn = head_rates(value[:, :4], speed[:, :4], change[:, :4])
    upright = rotations.conjugate(rotations.normalise(value[:, :4]))
    support = rotations.rotate(upright, change[:, 4:7] + np.array([0.0, GRAVITY_M_S2, 0.0]))
    angle, shift = _split(value)
    angle_rate, shift_rate = _split(speed)
    arm = (shift[0] + arm_m[:, 0], shift[1] + arm_m[:, 1], shift[2] + arm_m[:, 2])
    head = HeadMotion(spin, turn, support)
    force = force_on_patches(head, arm, shift_rate, _split(change)[1])
    return seen_from_patch(angle, angle_rate, force, spin)


def _split(values: Array) -> tuple[Triple, Triple]:
    """The patches' columns as the triples of rotation and translation, (N, S) each."""
    parts = np.split(values[:, 7:], 6, axis=1)
    return (parts[0], parts[1], parts[2]), (parts[3], parts[4], parts[5])


def _path(performance: Performance, sites: SiteModel) -> Path:
    """Everything that moves, as one smooth path of 7 + 6 S columns.

    Head quaternion (4), neck position (3), then for every axis a column per site: rotation about
    x, y, z and translation along them.
    """
    start = performance.time_s[0]
    knots = start + np.arange(int(np.ceil(performance.duration_s * _KNOT_HZ)) + 1) / _KNOT_HZ
    head = rotations.unwrap(performance.quat_world_from_head)
    columns = np.concatenate((head, _neck_position(performance), performance.weights), axis=1)
    path = fit(_interpolate(knots, performance.time_s, columns), _KNOT_HZ, SKIN_SMOOTHING_S)
    # Splines are linear in what they fit: patches may as well be computed from coefficients.
    responses = np.concatenate((sites.rotation, sites.translation), axis=1).transpose(1, 0, 2)
    patches = path.coefficients[:, 7:] @ responses.reshape(-1, responses.shape[-1]).T
    coefficients = np.concatenate((path.coefficients[:, :7], patches), axis=1)
    return Path(coefficients, _KNOT_HZ, path.lead)


def _neck_position(performance: Performance) -> Array:
    """(M, 3) how the neck is carried through the world; zero where it stays put."""
    position = performance.head_position_m
    still = np.zeros((len(performance.time_s), 3))
    return still if position is None else np.asarray(position, float)


def _interpolate(at: Array, time_s: Array, columns: Array) -> Array:
    """Linear interpolation of all columns at once; held outside."""
    right = np.clip(np.searchsorted(time_s, at, side="right"), 1, len(time_s) - 1)
    left = right - 1
    span = np.maximum(time_s[right] - time_s[left], 1e-9)
    share = np.clip((at - time_s[left]) / span, 0.0, 1.0)[:, None]
    return np.asarray(columns[left] * (1.0 - share) + columns[right] * share)
