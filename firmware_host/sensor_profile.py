"""What was measured of the sensors of one device, kept as TOML, and how to read them by it.

A profile belongs to a device by its id, and to its sensors by their names or numbers. It changes no
recorded byte: takes keep the readings as they came, and the corrections beside them.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from firmware_host.errors import ConfigError
from firmware_host.samples import Floats

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]

IDENTITY: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
SCHEMA_VERSION = 1


class Correction(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """How to read one sensor: accel = matrix · (reading − offset), gyro = reading − bias.

    number: which of the device's sensors it is, from 0.
    residual_m_s2: root mean square of what gravity was off by in the rests it was fitted to, None
    where there were no more rests than unknowns. before_m_s2: the same of the readings as they
    come. rests: how many. accel_noise_m_s2, gyro_noise_rad_s: standard deviation of single readings
    at rest, mean of the axes.
    """

    accel_offset_m_s2: Vector = (0.0, 0.0, 0.0)
    accel_matrix: Matrix = IDENTITY
    gyro_bias_rad_s: Vector = (0.0, 0.0, 0.0)
    number: int = 0
    rests: int = 0
    before_m_s2: float = 0.0
    residual_m_s2: float | None = None
    accel_noise_m_s2: float = 0.0
    gyro_noise_rad_s: float = 0.0

    def __post_init__(self) -> None:
        """Raise ValueError where a number cannot correct anything."""
        numbers = (*self.accel_offset_m_s2, *self.gyro_bias_rad_s, *sum(self.accel_matrix, ()))
        if not np.isfinite(numbers).all():
            raise ValueError("a correction holds a number that is not finite")
        if not 0.5 < np.linalg.det(np.array(self.accel_matrix)) < 2.0:
            raise ValueError("accel_matrix is not close to the identity, as that of any sensor is")


class SensorProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sensors of one device, by its own name for each, or by their numbers."""

    device_id: str
    sensors: dict[str, Correction]
    created_utc: str = ""
    method: str = "six positions"
    schema_version: int = SCHEMA_VERSION


def new_profile(device_id: str, sensors: dict[str, Correction], method: str) -> SensorProfile:
    """A profile made now."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return SensorProfile(device_id=device_id, sensors=sensors, created_utc=created, method=method)


def read_profile(path: Path) -> SensorProfile:
    """Read one. Raises ConfigError naming the file, the key and what was expected."""
    try:
        profile = msgspec.toml.decode(path.read_bytes(), type=SensorProfile)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot read the sensor profile: {error.strerror}",
            "make one with `imusic calibrate-sensors --rig rig.toml`",
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if profile.schema_version > SCHEMA_VERSION:
        raise ConfigError(
            f"{path}: expected schema version up to {SCHEMA_VERSION}, got {profile.schema_version}",
            "this profile was made by a newer imusic; update",
        )
    return profile


def write_profile(profile: SensorProfile, folder: Path) -> Path:
    """Write `<device id>.toml` into `folder`, or `-2`, `-3`, … after it; never over a file."""
    folder.mkdir(parents=True, exist_ok=True)
    data = msgspec.toml.encode(profile)
    stem = file_stem(profile.device_id)
    for number in range(1, 10_000):
        path = folder / (f"{stem}.toml" if number == 1 else f"{stem}-{number}.toml")
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError:
            continue
        return path
    raise ConfigError(f"{folder} is full of profiles of {profile.device_id!r}", "tidy it up")


def file_stem(device_id: str) -> str:
    """A name for files on every system: an id may hold colons, slashes or nothing."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in device_id)
    return kept.strip("-")[:64] or "device"


class Corrector:
    """Reads S slots by their corrections; those without one stay as they are."""

    def __init__(self, slots: Sequence[str], corrections: Mapping[str, Correction]) -> None:
        found = [corrections.get(slot, Correction()) for slot in slots]
        self._is_idle = not any(slot in corrections for slot in slots)
        self._offset = np.array([c.accel_offset_m_s2 for c in found], np.float64)  # (S, 3)
        self._matrix = np.array([c.accel_matrix for c in found], np.float64)  # (S, 3, 3)
        self._bias = np.array([c.gyro_bias_rad_s for c in found], np.float64)  # (S, 3)

    def correct(self, accel_m_s2: Floats, gyro_rad_s: Floats) -> tuple[Floats, Floats]:
        """(N, S, 3) and (N, S, 3) read; NaN stays NaN."""
        if self._is_idle:
            return accel_m_s2, gyro_rad_s
        force: NDArray[np.float64] = accel_m_s2 - self._offset
        accel = np.einsum("sij,nsj->nsi", self._matrix, force)
        return accel.astype(np.float32), (gyro_rad_s - self._bias).astype(np.float32)
