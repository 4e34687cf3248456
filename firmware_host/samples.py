"""What a sensor hub says, as values: samples, and everything that is not a sample. No I/O.

Specific force in m/s² (a level sensor at rest reads +9.81 up) and angular rate in rad/s, both in
the sensor's own frame. Loss and damage are values in the stream, never exceptions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ImuBlock:
    """Consecutive samples (one per hub tick, all slots) that became complete together.

    tick_us: (N,) device clock in µs, unwrapped, strictly increasing within one device.
    sequence: (N,) sample counter of the hub, unwrapped.
    accel_m_s2, gyro_rad_s: (N, S, 3), NaN where a slot gave nothing.
    arrival_ns: host monotonic time at which the last byte of the block was received.
    """

    tick_us: Ints
    sequence: Ints
    accel_m_s2: Floats
    gyro_rad_s: Floats
    arrival_ns: int

    def __len__(self) -> int:
        return len(self.tick_us)


@dataclass(frozen=True, slots=True)
class HubInfo:
    """The hub's answer to a handshake: who it is and how its numbers are to be read."""

    device_id: str
    firmware: str
    protocol_version: int
    rate_hz: float
    accel_range_m_s2: float
    gyro_range_rad_s: float
    slots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HubStatus:
    """The hub's own count of what it has sent, and its health.

    battery is the charge in [0, 1], NaN where there is none.
    """

    tick_us: int
    samples_sent: int
    battery: float


@dataclass(frozen=True, slots=True)
class HubEnd:
    """The hub's farewell: it will send no more. `samples_sent` is its own count."""

    samples_sent: int


@dataclass(frozen=True, slots=True)
class Gap:
    """`count` samples never arrived between two that did, starting at `sequence`."""

    sequence: int
    count: int


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes skipped while looking for the next intact frame."""

    count: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A sample not newer than the last one; it was dropped."""

    sequence: int


HubEvent = HubInfo | ImuBlock | HubStatus | HubEnd | Gap | Garbage | Duplicate
