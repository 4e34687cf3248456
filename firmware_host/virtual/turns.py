"""Sensors that somebody turns through six positions: what `imusic calibrate-sensors` hears. No I/O.

Seeded. Every sensor has an offset, scales and a gyroscope bias of its own, as cheap ones do, and is
laid down by hand: a little askew, differently each time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_host.accel_calibration import GRAVITY_M_S2

Array = NDArray[np.float64]

UP: dict[str, tuple[float, float, float]] = {
    "+z": (0.0, 0.0, 1.0),
    "-z": (0.0, 0.0, -1.0),
    "+x": (1.0, 0.0, 0.0),
    "-x": (-1.0, 0.0, 0.0),
    "+y": (0.0, 1.0, 0.0),
    "-y": (0.0, -1.0, 0.0),
}


@dataclass(frozen=True, slots=True, eq=False)
class Flaws:
    """What is wrong with each of S sensors: reading = true / scale + offset. Each (S, 3)."""

    accel_offset_m_s2: Array
    accel_scale: Array
    gyro_bias_rad_s: Array


@dataclass(frozen=True, slots=True, eq=False)
class Turns:
    """time_s: (N,). accel_m_s2, gyro_rad_s: (N, S, 3) as the sensors read. flaws: the truth."""

    time_s: Array
    accel_m_s2: Array
    gyro_rad_s: Array
    flaws: Flaws


def draw_flaws(sensors: int, random: np.random.Generator) -> Flaws:
    """Offsets of up to 50 mg, scales within 2 %, biases of up to 2 degrees a second."""
    shape = (sensors, 3)
    return Flaws(
        random.uniform(-0.5, 0.5, shape),
        random.uniform(0.98, 1.02, shape),
        random.uniform(-0.035, 0.035, shape),
    )


def turned(
    sensors: int,
    faces: Sequence[str] = tuple(UP),
    seed: int = 0,
    rate_hz: float = 100.0,
    rest_s: float = 2.5,
    turn_s: float = 0.6,
) -> Turns:
    """All sensors in one box, laid on one face after the other; a rest for each.

    faces: which is up in turn; one may come twice.
    """
    random = np.random.default_rng(seed)
    flaws = draw_flaws(sensors, random)
    still, moving = round(rest_s * rate_hz), round(turn_s * rate_hz)
    parts_up: list[Array] = []
    parts_rate: list[Array] = []
    before = np.array(UP[faces[0]])
    for face in faces:
        up = np.array(UP[face]) + random.uniform(-0.1, 0.1, 3)
        up /= np.linalg.norm(up)
        share = np.arange(moving)[:, None] / moving
        between = (1 - share) * before + share * up + 1e-3
        parts_up += [between, np.tile(up, (still, 1))]
        parts_rate += [random.normal(0, 2.0, (moving, 3)), np.zeros((still, 3))]
        before = up
    up, rate = np.concatenate(parts_up), np.concatenate(parts_rate)
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    true = GRAVITY_M_S2 * up[:, None]  # (N, 1, 3): one box
    shape = (len(up), sensors, 3)
    accel = true / flaws.accel_scale + flaws.accel_offset_m_s2 + random.normal(0, 0.03, shape)
    gyro = rate[:, None] + flaws.gyro_bias_rad_s + random.normal(0, 0.003, shape)
    return Turns(np.arange(len(up)) / rate_hz, accel, gyro, flaws)
