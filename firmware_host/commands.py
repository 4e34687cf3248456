"""What a host asks of a hub beyond HELLO, START and STOP. No I/O.

Byte layouts are in `docs/hub-protocol.md`. Every request carries a number that the hub's ANSWER
repeats. Both sides live here, because the simulated hub reads what a real one reads.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import astuple, dataclass

from firmware_host import frames
from firmware_host.errors import ConfigError
from firmware_host.frames import Frame
from firmware_host.messages import MAX_SLOTS, Kind
from firmware_host.samples import HubFeatures, HubMode

WHOLE_HUB = 255  # the slot of an Identify that means the hub itself
_TOKEN = struct.Struct("<I")
_MASK = 0xFFFF_FFFF
_MAX_F32 = 3.4e38


@dataclass(frozen=True, slots=True)
class SetRate:
    """Sample at the possible rate nearest to this one; INFO then says which it is."""

    rate_hz: float

    def __post_init__(self) -> None:
        _check_positive("rate_hz", self.rate_hz)


@dataclass(frozen=True, slots=True)
class SetRange:
    """Measure up to these values, or a little more; INFO then says how far."""

    accel_m_s2: float
    gyro_rad_s: float

    def __post_init__(self) -> None:
        _check_positive("accel_m_s2", self.accel_m_s2)
        _check_positive("gyro_rad_s", self.gyro_rad_s)


@dataclass(frozen=True, slots=True)
class SetMode:
    """Send raw readings, or orientations and accelerations."""

    mode: HubMode

    def __post_init__(self) -> None:
        _check_range("mode", self.mode, 0, max(HubMode))
        object.__setattr__(self, "mode", HubMode(self.mode))


@dataclass(frozen=True, slots=True)
class Identify:
    """Blink or buzz at one slot (WHOLE_HUB: the hub itself), so that a person finds it."""

    slot: int
    duration_ms: int

    def __post_init__(self) -> None:
        if self.slot != WHOLE_HUB:
            _check_range("slot", self.slot, 0, MAX_SLOTS - 1)
        _check_range("duration_ms", self.duration_ms, 0, 0xFFFF)


@dataclass(frozen=True, slots=True)
class SyncPulse:
    """Raise the sync line for this long, and say at which tick it rose."""

    width_us: int

    def __post_init__(self) -> None:
        _check_range("width_us", self.width_us, 1, 0xFFFF)


Request = SetRate | SetRange | SetMode | Identify | SyncPulse

_LAYOUTS: dict[type, tuple[Kind, struct.Struct]] = {
    SetRate: (Kind.SET_RATE, struct.Struct("<f")),
    SetRange: (Kind.SET_RANGE, struct.Struct("<ff")),
    SetMode: (Kind.SET_MODE, struct.Struct("<B")),
    Identify: (Kind.IDENTIFY, struct.Struct("<BH")),
    SyncPulse: (Kind.SYNC_PULSE, struct.Struct("<H")),
}
_MAKERS: dict[int, tuple[Callable[..., Request], struct.Struct]] = {
    kind: (maker, layout) for maker, (kind, layout) in _LAYOUTS.items()
}


def kind_of(request: Request) -> Kind:
    """Its kind on the wire, which an ANSWER names."""
    return _LAYOUTS[type(request)][0]


def is_possible(request: Request, features: HubFeatures) -> bool:
    """Whether a hub with these features may be asked for it."""
    return HubFeatures[kind_of(request).name] in features


def encode_request(number: int, request: Request) -> bytes:
    """One request as a frame; `number` in [0, 255] comes back in the hub's ANSWER."""
    kind, layout = _LAYOUTS[type(request)]
    return frames.encode(kind, bytes((number,)) + layout.pack(*astuple(request)))


def decode_request(frame: Frame) -> tuple[int, Request | None]:
    """(number, request) of a host's frame; None where its kind or a value makes no sense.

    Bytes behind the last field are of a later version and ignored. Without a number it is 0.
    """
    number = frame.payload[0] if frame.payload else 0
    if frame.kind not in _MAKERS:
        return number, None
    maker, layout = _MAKERS[frame.kind]
    try:
        return number, maker(*layout.unpack_from(frame.payload, 1))
    except (struct.error, ConfigError):
        return number, None


def encode_ping(sent_ns: int) -> bytes:
    """PING; its token is the host's clock in µs, so that a recording can tell the round trip."""
    return frames.encode(Kind.PING, _TOKEN.pack(sent_ns // 1000 & _MASK))


def decode_ping(frame: Frame) -> int | None:
    """The token of a PING; None where the frame is none."""
    if frame.kind != Kind.PING or len(frame.payload) < _TOKEN.size:
        return None
    return int(_TOKEN.unpack_from(frame.payload)[0])


def _check_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and 0 < value <= _MAX_F32):
        raise ConfigError(f"{name}: expected a positive finite number, got {value}")


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name}: expected {low} to {high}, got {value}")
