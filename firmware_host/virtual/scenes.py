"""What the sensors of a virtual device feel: a few scenes by name, or arrays from a file.

Not a face: there is no skin here and nobody smiles. For that, `imusic sim`. Seeded.

head    four seconds of rest, then nods, side tilts, turns and rest by turns; meanwhile one slot
        after the other twitches
rest    nothing but gravity, noise and a little bias
taps    rest, and every five seconds a tap on one slot, in their order: for `imusic identify`
turns   a box of sensors that is laid on its six faces: for `imusic calibrate-sensors`
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware_host.errors import DataError
from firmware_host.layout import FACE_12
from firmware_host.virtual.motion import GRAVITY_M_S2, Motion
from firmware_host.virtual.turns import turned

Array = NDArray[np.float64]

REST_S = 4.0
TAP_EVERY_S = 5.0
_MOVE_S = 2.0  # of each nod, tilt, turn and rest
_SWING_RAD = 0.35
_TAP_M_S2 = 30.0
_ACCEL_NOISE_M_S2, _GYRO_NOISE_RAD_S, _BIAS_RAD_S = 0.03, 0.004, 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """time_s: (N,). accel_m_s2, gyro_rad_s: (N, S, 3), each in its sensor's own axes."""

    slots: tuple[str, ...]
    time_s: Array
    accel_m_s2: Array
    gyro_rad_s: Array

    def of(self, sensor: int) -> Motion:
        """What one sensor feels. Raises DataError where there is no such sensor."""
        if not 0 <= sensor < len(self.slots):
            raise DataError(f"sensor {sensor}: the scene has 0 to {len(self.slots) - 1}")
        return Motion(self.time_s, self.accel_m_s2[:, sensor], self.gyro_rad_s[:, sensor])


def scene(
    name: str,
    slots: Sequence[str] = FACE_12.names,
    seconds: float = 120.0,
    rate_hz: float = 200.0,
    seed: int = 0,
) -> Scene:
    """Make the scene of that name.

    Raises:
        DataError: there is no such scene.
    """
    if name not in SCENES:
        raise DataError(f"no scene {name!r}: expected {', '.join(SCENES)} or a file that ends .npz")
    if name == "turns":
        turns = turned(len(slots), seed=seed, rate_hz=rate_hz)
        return Scene(tuple(slots), turns.time_s, turns.accel_m_s2, turns.gyro_rad_s)
    random = np.random.default_rng(seed)
    time_s = np.arange(max(2, round(seconds * rate_hz))) / rate_hz
    accel, gyro = SCENES[name](time_s, tuple(slots))
    shape = accel.shape
    accel = accel + random.normal(0, _ACCEL_NOISE_M_S2, shape)
    gyro = gyro + random.normal(0, _GYRO_NOISE_RAD_S, shape)
    gyro += random.uniform(-_BIAS_RAD_S, _BIAS_RAD_S, shape[1:])
    return Scene(tuple(slots), time_s, accel, gyro)


def read_scene(path: Path) -> Scene:
    """A scene from an NPZ with `time_s`, `accel_m_s2`, `gyro_rad_s` and perhaps `slots`.

    Raises:
        DataError: it cannot be read, or the shapes do not agree.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            time_s, accel, gyro = (
                np.asarray(file[key], np.float64) for key in ("time_s", "accel_m_s2", "gyro_rad_s")
            )
            names = [str(name) for name in file["slots"]] if "slots" in file else None
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: not a scene: {error}") from error
    if accel.ndim != 3 or accel.shape != gyro.shape or accel.shape[::2] != (len(time_s), 3):
        raise DataError(
            f"{path}: expected accel_m_s2 and gyro_rad_s of shape ({len(time_s)}, sensors, 3), got "
            f"{accel.shape} and {gyro.shape}"
        )
    slots = tuple(names or (f"sensor{k}" for k in range(accel.shape[1])))
    if len(slots) != accel.shape[1]:
        raise DataError(f"{path}: {len(slots)} slots for {accel.shape[1]} sensors")
    return Scene(slots, time_s, accel, gyro)


def upright(accel_m_s2: Array) -> tuple[Array, Array]:
    """(N, 4) wxyz and (N, 3) of accel (N, 3): the smallest turn that brings what is felt upright in
    a world with z up, and what is left of it in the sensor's axes without gravity.
    """
    up = accel_m_s2 / np.linalg.norm(accel_m_s2, axis=1, keepdims=True)
    quat = np.column_stack((1 + up[:, 2], up[:, 1], -up[:, 0], np.zeros(len(up))))
    quat[np.abs(quat).max(axis=1) < 1e-6] = (0.0, 1.0, 0.0, 0.0)  # upside down
    quat /= np.linalg.norm(quat, axis=1, keepdims=True)
    return quat, accel_m_s2 - GRAVITY_M_S2 * up


def _rest(time_s: Array, slots: tuple[str, ...]) -> tuple[Array, Array]:
    accel = np.zeros((len(time_s), len(slots), 3))
    accel[..., 1] = GRAVITY_M_S2
    return accel, np.zeros_like(accel)


def _taps(time_s: Array, slots: tuple[str, ...]) -> tuple[Array, Array]:
    accel, gyro = _rest(time_s, slots)
    for slot in range(len(slots)):
        since_s = time_s - TAP_EVERY_S * (slot + 1)
        accel[:, slot, 2] += _TAP_M_S2 * np.exp(-np.abs(since_s) / 0.006) * (np.abs(since_s) < 0.05)
    return accel, gyro


def _head(time_s: Array, slots: tuple[str, ...]) -> tuple[Array, Array]:
    """The head nods (x), tilts (z) and turns (y); sensors sit where the layout has them."""
    moving_s = time_s - REST_S
    step, within_s = np.divmod(np.maximum(moving_s, 0.0), _MOVE_S)
    swing = _SWING_RAD * np.sin(np.pi * within_s / _MOVE_S) ** 2 * np.sin(np.pi * within_s)
    angles = np.zeros((len(time_s), 3))
    for number, axis in enumerate((0, 2, 1)):
        angles[:, axis] = np.where((step % 4 == number) & (moving_s > 0), swing, 0.0)
    # One axis at a time, so rates are those of the angle about it and turns do not mix.
    rate = _slope(angles, time_s)
    speeding = _slope(rate, time_s)
    nod, tilt = angles[:, 0], angles[:, 2]
    up = np.column_stack((np.sin(tilt) * np.cos(nod), np.cos(tilt) * np.cos(nod), -np.sin(nod)))
    places = np.array([_PLACES.get(name, (0.0, 0.0, 0.0)) for name in slots])
    accel = GRAVITY_M_S2 * up[:, None] + np.cross(speeding[:, None], places)
    accel = accel + np.cross(rate[:, None], np.cross(rate[:, None], places))
    gyro = np.repeat(rate[:, None], len(slots), axis=1)
    for slot in range(len(slots)):
        since_s = moving_s % len(slots) - slot - 0.5
        pulse = np.where(moving_s > 0, since_s * np.exp(-((since_s / 0.1) ** 2)) / 0.043, 0.0)
        gyro[:, slot, 0] += 0.5 * pulse
        accel[:, slot, 2] += 0.6 * pulse
    return accel, gyro


def _slope(values: Array, time_s: Array) -> Array:
    return np.asarray(np.gradient(values, time_s, axis=0))


_PLACES = {slot.name: slot.position_m for slot in FACE_12.slots}
_Feeling = Callable[[Array, tuple[str, ...]], tuple[Array, Array]]
SCENES: dict[str, _Feeling] = {"head": _head, "rest": _rest, "taps": _taps, "turns": _rest}
