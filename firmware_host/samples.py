"""What a sensor hub says, as values: samples, and everything that is not a sample. No I/O.

Specific force in m/s² (a level sensor at rest reads +9.81 up) and angular rate in rad/s, both in
the sensor's own frame. Loss and damage are values in the stream, never exceptions.
"""

import math
from dataclasses import dataclass
from enum import IntEnum, IntFlag

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
    quat_world_from_sensor: (N, S, 4) wxyz of unit length, NaN where unknown; None of a hub that
        sends raw readings. Of a hub in FUSED mode, gyro_rad_s was computed from it
        (`firmware_host.fused`), or is NaN where the time of a sample is not known well enough.
    tick_is_arrival: the device tells no time, and tick_us is the host's monotonic clock when the
        sample arrived (one more where two arrived together): jitter of the link included. Of a
        device whose clock failed, it is that clock, shifted.
    device: which of the rig's devices gave it, by its place there.
    """

    tick_us: Ints
    sequence: Ints
    accel_m_s2: Floats
    gyro_rad_s: Floats
    arrival_ns: int
    quat_world_from_sensor: Floats | None = None
    tick_is_arrival: bool = False
    device: int = 0

    def __len__(self) -> int:
        return len(self.tick_us)


class HubFeatures(IntFlag):
    """What a hub can do beside streaming. Bits that are not named here are of later versions."""

    NONE = 0x00
    PING = 0x01
    SET_RATE = 0x02
    SET_RANGE = 0x04
    SET_MODE = 0x08
    IDENTIFY = 0x10
    SYNC_PULSE = 0x20


class HubMode(IntEnum):
    """What the samples of a hub hold: accel and gyro, or orientation and accel."""

    RAW = 0
    FUSED = 1


@dataclass(frozen=True, slots=True)
class HubInfo:
    """The hub's answer to a handshake: who it is and how its numbers are to be read.

    Of another maker's device protocol_version is 0, and what it does not tell is NaN or empty.
    """

    device_id: str
    firmware: str
    protocol_version: int
    rate_hz: float
    accel_range_m_s2: float
    gyro_range_rad_s: float
    slots: tuple[str, ...]
    features: HubFeatures = HubFeatures.NONE
    mode: HubMode = HubMode.RAW


@dataclass(frozen=True, slots=True)
class HubStatus:
    """The hub's own count of what it has sent, and its health.

    battery is the charge in [0, 1], temperature_c the hub's own; NaN where there is none.
    error_mask has bit i set where the sensor of slot i does not work now.
    """

    tick_us: int
    samples_sent: int
    battery: float
    temperature_c: float = math.nan
    error_mask: int = 0


@dataclass(frozen=True, slots=True)
class HubEnd:
    """The hub's farewell: it will send no more. `samples_sent` is its own count."""

    samples_sent: int


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """The hub's clock read `tick_us` at some host time in [sent_ns, received_ns]."""

    tick_us: int
    sent_ns: int
    received_ns: int


class Result(IntEnum):
    """How a hub answers a request."""

    DONE = 0
    UNKNOWN_COMMAND = 1
    BAD_VALUE = 2
    BUSY_STREAMING = 3
    FAILED = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of the request with this number; `command` is its kind on the wire."""

    request: int
    command: int
    result: Result


@dataclass(frozen=True, slots=True)
class SyncEdge:
    """The hub's sync line rose at `tick_us`, because the request with this number asked for it."""

    request: int
    tick_us: int


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


HubEvent = (
    HubInfo
    | ImuBlock
    | HubStatus
    | HubEnd
    | RoundTrip
    | Answer
    | SyncEdge
    | Gap
    | Garbage
    | Duplicate
)
