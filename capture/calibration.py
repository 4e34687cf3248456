"""What rest and a short routine of head motion say about sensors. Pure, causal. No I/O.

At rest: gyro bias, and two angles of each sensor's mounting from gravity. During nods, side tilts
and turns with a still face every sensor feels the head's own angular rate: the third angle. All of
it is shrunk towards the nominal mounting, because a person's head pitch at rest, the accelerometer
bias and a face that is not quite still disturb it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture import rotations
from firmware_host.layout import SensorLayout

GRAVITY_M_S2 = 9.80665
MOUNTING_PRIOR_RAD = np.radians(8.0)
# A relaxed head is upright to about as much as a reference sensor is glued on straight.
HEAD_PITCH_PRIOR_RAD = np.radians(8.0)
# Accelerometer bias of tens of mg turns gravity at one sensor by this much.
GRAVITY_ANGLE_NOISE_RAD = 0.04
# Rate left over by soft tissue and an imperfectly still face, per row of 1/60 s.
RATE_NOISE_RAD_S = 0.25

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How to read one donning of one layout.

    quat_head_from_sensor: (S, 4) wxyz. gyro_bias_rad_s: (S, 3) in the sensor's frame.
    rest_force_m_s2: (S, 3) specific force at rest minus the reference's, head frame.
    """

    quat_head_from_sensor: Array
    gyro_bias_rad_s: Array
    rest_force_m_s2: Array


def nominal_calibration(layout: SensorLayout) -> Calibration:
    """What is believed before anything was measured."""
    count = len(layout.slots)
    quats = np.array([slot.quat_head_from_sensor for slot in layout.slots], float)
    return Calibration(rotations.normalise(quats), np.zeros((count, 3)), np.zeros((count, 3)))


def calibrate(
    layout: SensorLayout,
    rest_accel: Array,
    rest_gyro: Array,
    routine_gyro: Array | None = None,
) -> Calibration:
    """Estimate bias and mounting.

    Args:
        layout: slots and their nominal mounting.
        rest_accel: (N, S, 3) specific force at rest, sensor frames, NaN where missing.
        rest_gyro: (N, S, 3) angular rate at rest, likewise.
        routine_gyro: (M, S, 3) angular rate during the routine, or None.
    """
    nominal = nominal_calibration(layout)
    bias = _mean_or_zero(rest_gyro)
    gravity = _mean_or_zero(rest_accel)
    quats = nominal.quat_head_from_sensor.copy()
    reference = layout.reference_index
    quats[reference] = _upright(quats[reference], gravity[reference])
    down = rotations.rotate(quats[reference], gravity[reference])
    head_rate = _head_rate(quats[reference], bias[reference], routine_gyro, reference)
    face = list(layout.face_indices)
    rate = None if routine_gyro is None else routine_gyro[:, face] - bias[face]
    quats[face] = _aligned(quats[face], gravity[face], down, rate, head_rate)
    force = rotations.rotate(quats, gravity)
    heard = np.linalg.norm(gravity, axis=-1, keepdims=True) > 0
    return Calibration(quats, bias, np.where(heard, force - force[reference], 0.0))


def rezeroed(
    layout: SensorLayout, known: Calibration, rest_accel: Array, rest_gyro: Array
) -> Calibration:
    """The calibration after a moment in which the face is at rest again, sensors wherever they are.

    A sensor that slipped is turned the shortest way to where gravity says it is, relative to the
    reference; the angle about gravity stays unknown, and as it was. Slots that were not heard stay
    as they were.

    Args:
        rest_accel, rest_gyro: (N, S, 3) at rest, sensor frames, NaN where missing.
    """
    heard = np.asarray(np.isfinite(rest_accel).all(axis=2).any(axis=0))
    heard &= np.isfinite(rest_gyro).all(axis=2).any(axis=0)
    gravity, reference = _mean_or_zero(rest_accel), layout.reference_index
    bias = np.where(heard[:, None], _mean_or_zero(rest_gyro), known.gyro_bias_rad_s)
    quats, force = known.quat_head_from_sensor.copy(), known.rest_force_m_s2.copy()
    down = rotations.rotate(quats[reference], gravity[reference])
    for slot in layout.face_indices:
        if not heard[slot]:
            continue
        seen = rotations.rotate(quats[slot], gravity[slot])
        quats[slot] = rotations.multiply(_shortest(seen, down + force[slot]), quats[slot])
        force[slot] = rotations.rotate(quats[slot], gravity[slot]) - down
    return Calibration(quats, bias, force)


def _shortest(start: Array, end: Array) -> Array:
    """(4,) the smallest rotation that turns one direction into another."""
    axis = np.cross(start, end)
    norm = float(np.linalg.norm(axis))
    if norm < 1e-12:
        return np.array([1.0, 0.0, 0.0, 0.0])
    angle = float(np.arctan2(norm, start @ end))
    return rotations.from_vector(angle * axis / norm)


def _mean_or_zero(values: Array) -> Array:
    heard = np.isfinite(values)
    total = np.where(heard, values, 0.0).sum(axis=0)
    return np.asarray(total / np.maximum(heard.sum(axis=0), 1))


def _upright(quat: Array, gravity: Array) -> Array:
    """Turn the reference part of the way to where gravity at rest would be straight up."""
    length = np.linalg.norm(gravity)
    if length == 0:
        return quat
    seen = rotations.rotate(quat, gravity / length)
    axis = np.cross(seen, [0.0, 1.0, 0.0])
    norm = np.linalg.norm(axis)
    if norm < 1e-9:
        return quat
    angle = np.arctan2(norm, seen[1])
    share = MOUNTING_PRIOR_RAD**2 / (MOUNTING_PRIOR_RAD**2 + HEAD_PITCH_PRIOR_RAD**2)
    return rotations.multiply(rotations.from_vector(share * angle * axis / norm), quat)


def _head_rate(
    quat: Array, bias: Array, routine_gyro: Array | None, reference: int
) -> Array | None:
    if routine_gyro is None:
        return None
    return rotations.rotate(quat, routine_gyro[:, reference] - bias)


def _aligned(
    quats: Array, gravity: Array, down: Array, rate: Array | None, head_rate: Array | None
) -> Array:
    """Gauss-Newton on small rotations δ of (S, 4): R(δ) q v ≈ target, with a Gaussian prior on δ.

    All that counts of the pairs are their moments: Σ v vᵀ and Σ v tᵀ, which turn with q. With
    v = R s: Σ [v]ₓᵀ[v]ₓ = tr(V) I − V where V = Σ v vᵀ, and −Σ [v]ₓᵀ (t − v) = Σ v × t.
    """
    force = 1.0 / (GRAVITY_ANGLE_NOISE_RAD * GRAVITY_M_S2) ** 2
    own = force * gravity[:, :, None] * gravity[:, None, :]  # (S, 3, 3)
    shared = force * gravity[:, :, None] * down
    if rate is not None and head_rate is not None:
        heard = np.asarray(np.isfinite(rate).all(axis=-1), np.bool_)
        heard &= np.isfinite(head_rate).all(axis=-1, keepdims=True)
        felt = np.where(heard[..., None], rate, 0.0).transpose(1, 2, 0)  # (S, 3, N)
        head = np.nan_to_num(head_rate)
        own = own + felt @ felt.swapaxes(1, 2) / RATE_NOISE_RAD_S**2
        shared = shared + felt @ head / RATE_NOISE_RAD_S**2
    nominal = quats
    for _ in range(3):
        turn = rotations.to_matrix(quats)
        v, crossed = turn @ own @ turn.swapaxes(1, 2), turn @ shared
        trace = np.trace(v, axis1=1, axis2=2)[:, None, None]
        information = (trace + 1.0 / MOUNTING_PRIOR_RAD**2) * np.eye(3) - v
        strayed = rotations.to_vector(rotations.multiply(quats, rotations.conjugate(nominal)))
        pull = np.stack(
            [crossed[:, i, j] - crossed[:, j, i] for i, j in ((1, 2), (2, 0), (0, 1))], axis=1
        )
        pull = pull - strayed / MOUNTING_PRIOR_RAD**2
        step = np.linalg.solve(information, pull[..., None])[..., 0]
        quats = rotations.multiply(rotations.from_vector(step), quats)
    return rotations.normalise(quats)


def cross_matrices(v: Array) -> Array:
    """(N, 3, 3) matrices [v]ₓ of (N, 3) vectors: [v]ₓ u = v × u."""
    zero = np.zeros(len(v))
    x, y, z = v[:, 0], v[:, 1], v[:, 2]
    rows = np.stack((zero, -z, y, z, zero, -x, -y, x, zero), axis=-1)
    return rows.reshape(-1, 3, 3)
