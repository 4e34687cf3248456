"""SlimeVR's datagrams: what trackers say and what a server answers. No I/O.

Source: the makers' tracker firmware (SlimeVR-Tracker-ESP: packets.h, featureflags.h,
SensorFusion.cpp) and server (SlimeVR-Server: UDPPacket.kt, UDPProtocolParser.kt). All numbers are
big-endian. A datagram is `type u32 | number u64 | payload`; a bundle holds several packets without
numbers. Quaternions are x y z w on the wire and turn the sensor's axes into a world with z up;
acceleration is in m/s² along the sensor's axes, gravity taken out by that orientation.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

PORT = 6969
HEARTBEAT, HANDSHAKE, PING, SENSOR_INFO, FEATURES = 1, 3, 10, 15, 22
MAX_SENSORS = 16
MAX_PACKETS = 64  # in one bundle; a tracker's holds two for each sensor

_HEADER = struct.Struct(">IQ")
_QUAT = struct.Struct(">4f")
_VECTOR = struct.Struct(">3f")
_SHORT_SAMPLE = struct.Struct(">B7h")
_TYPE = struct.Struct(">I")
_LENGTH = struct.Struct(">H")
_WORDS = struct.Struct(">7I")
_BUNDLE, _SHORT_BUNDLE = 100, 101
_NORMAL = 1  # what a rotation is; 2 is a correction that the server learns from
_ROTATION_UNIT = 1 / 32768
_ACCEL_UNIT = 1 / 128
_BUNDLES_WELCOME = b"\x01"  # bit 0 of the server's features
_GREETING = b"\x03Hey OVR =D 5".ljust(64, b"\0")


@dataclass(frozen=True, slots=True)
class Handshake:
    """A tracker looks for a server. mac: as `AA:BB:…`, empty where it did not say."""

    mac: str
    firmware: str


@dataclass(frozen=True, slots=True)
class Rotation:
    """Orientation of one sensor, wxyz as sent: perhaps no unit quaternion, perhaps NaN."""

    sensor: int
    quat: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Acceleration:
    """Acceleration of one sensor in m/s² along its own axes, without gravity."""

    sensor: int
    vector: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class SensorInfo:
    """State of one sensor: 0 off, 1 working, 2 broken."""

    sensor: int
    status: int


@dataclass(frozen=True, slots=True)
class Battery:
    """Charge, 1 being full."""

    level: float


@dataclass(frozen=True, slots=True)
class Temperature:
    """Of one sensor, in °C."""

    sensor: int
    celsius: float


@dataclass(frozen=True, slots=True)
class Signal:
    """How well the tracker hears its access point, in dBm."""

    dbm: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to the ping of this number."""

    number: int


@dataclass(frozen=True, slots=True)
class Features:
    """The tracker asks what the server can do."""


@dataclass(frozen=True, slots=True)
class Other:
    """A packet that means nothing to us."""

    kind: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """`size` bytes where a packet should be."""

    size: int


Packet = (
    Handshake
    | Rotation
    | Acceleration
    | SensorInfo
    | Battery
    | Temperature
    | Signal
    | Pong
    | Features
    | Other
    | Malformed
)


def decode_datagram(data: bytes) -> tuple[int, list[Packet]] | None:
    """(number, packets) of one datagram; None where it is too short to be one. Never raises."""
    if len(data) < _HEADER.size:
        return None
    kind, number = _HEADER.unpack_from(data)
    payload = data[_HEADER.size :]
    if kind not in (_BUNDLE, _SHORT_BUNDLE):
        return number, _decode(kind, payload)
    inner = _parts(payload, kind == _SHORT_BUNDLE)
    return number, [packet for part in inner for packet in _decode(*part)]


def _parts(payload: bytes, is_short: bool) -> Iterator[tuple[int, bytes]]:
    """(type, payload) of every packet in a bundle; type -1 of what is none."""
    head, kind_size = (1, 1) if is_short else (_LENGTH.size, _TYPE.size)
    at = count = 0
    while at + head <= len(payload):
        size = int.from_bytes(payload[at : at + head], "big")
        part = payload[at + head : at + head + size]
        if count == MAX_PACKETS or (size and not kind_size <= size == len(part)):
            yield -1, payload[at:]
            return
        if size:
            count += 1
            yield int.from_bytes(part[:kind_size], "big"), part[kind_size:]
        at += head + size


def _decode(kind: int, payload: bytes) -> list[Packet]:
    if kind < 0:
        return [Malformed(len(payload))]
    try:
        return _read(kind, payload)
    except (struct.error, IndexError):
        return [Malformed(len(payload))]


def _read(kind: int, payload: bytes) -> list[Packet]:
    """One packet. Raises struct.error or IndexError where it is too short."""
    match kind:
        case 1 | 16:  # of old firmware and of telephones: sensor 0 and sensor 1
            return [Rotation(int(kind == 16), _wxyz(payload, 0))]
        case 17:
            is_normal = payload[1] == _NORMAL
            rotation = Rotation(payload[0], _wxyz(payload, 2))
            return [rotation if is_normal else Other(kind)]
        case 4:  # telephones leave the sensor out
            sensor = payload[12] if len(payload) > 12 else 0
            return [Acceleration(sensor, _VECTOR.unpack_from(payload))]
        case 23:
            sensor, x, y, z, w, *accel = _SHORT_SAMPLE.unpack_from(payload)
            w, x, y, z = (count * _ROTATION_UNIT for count in (w, x, y, z))
            ax, ay, az = (count * _ACCEL_UNIT for count in accel)
            return [Rotation(sensor, (w, x, y, z)), Acceleration(sensor, (ax, ay, az))]
        case 3:
            return [_handshake(payload)]
        case 10:
            return [Pong(_TYPE.unpack_from(payload)[0])]
        case 12:  # voltage and level, of old firmware the level alone
            at = 4 if len(payload) >= 8 else 0
            return [Battery(struct.unpack_from(">f", payload, at)[0])]
        case 15:
            return [SensorInfo(payload[0], payload[1])]
        case 19:
            return [Signal(struct.unpack_from(">b", payload, 1)[0])]
        case 20:
            return [Temperature(payload[0], struct.unpack_from(">f", payload, 1)[0])]
        case 22:
            return [Features()]
    return [Other(kind)]


def _wxyz(payload: bytes, at: int) -> tuple[float, float, float, float]:
    x, y, z, w = _QUAT.unpack_from(payload, at)
    if x == y == z == w == 0:
        w = math.nan
    return w, x, y, z


def _handshake(payload: bytes) -> Handshake:
    """Older trackers stop anywhere: what is missing stays empty."""
    if len(payload) <= _WORDS.size:
        return Handshake("", "")
    at = _WORDS.size + 1
    end = at + payload[_WORDS.size]
    mac = payload[end : end + 6]
    firmware = payload[at:end].split(b"\0")[0].decode("ascii", "replace")
    return Handshake(mac.hex(":").upper() if len(mac) == 6 and any(mac) else "", firmware)


def encode_greeting() -> bytes:
    """The server's answer to a handshake; 64 bytes that begin with 3, without the usual header."""
    return _GREETING


def encode_heartbeat() -> bytes:
    """What keeps a tracker from looking for another server; it waits three seconds."""
    return _HEADER.pack(HEARTBEAT, 0)


def encode_ping(number: int) -> bytes:
    """A ping, which the tracker sends back."""
    return _HEADER.pack(PING, 0) + _TYPE.pack(number)


def encode_sensor_info(info: SensorInfo) -> bytes:
    """The acknowledgement of a sensor's state: without a number, unlike everything else."""
    return _TYPE.pack(SENSOR_INFO) + bytes((info.sensor, info.status))


def encode_features() -> bytes:
    """What we can do: bundles, which bring all sensors of one instant in one datagram."""
    return _HEADER.pack(FEATURES, 0) + _BUNDLES_WELCOME
