"""What frames mean: the messages of hub and host. No I/O.

Byte layouts are in `docs/hub-protocol.md`; all numbers are little-endian. Encoders of both sides
live here, because the simulated hub speaks the same bytes as a real one.
"""

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from firmware_host import frames
from firmware_host.errors import ProtocolError
from firmware_host.frames import Frame
from firmware_host.samples import (
    Answer,
    Floats,
    HubEnd,
    HubFeatures,
    HubInfo,
    HubMode,
    HubStatus,
    Result,
    SyncEdge,
)

PROTOCOL_VERSION = 1
MAX_SLOTS = 16  # bits in the slot mask
FULL_SCALE = 32768  # int16 counts at the end of a range
AXES = 6  # accel x y z, gyro x y z
FUSED_AXES = 7  # quaternion w x y z, accel x y z

_INFO = struct.Struct("<BIfff")
_ABILITIES = struct.Struct("<HB")
_STATUS = struct.Struct("<IIB")
_SENSORS = struct.Struct("<hH")
_END = struct.Struct("<I")
_PONG = struct.Struct("<II")
_ANSWER = struct.Struct("<BBB")
_SYNC = struct.Struct("<BI")
_TICK = struct.Struct("<IIH")
_NO_BATTERY = 255
_NO_TEMPERATURE = -32768


class Kind(IntEnum):
    """The first byte of a frame. Commands of the host are below 0x80, words of the hub above."""

    HELLO = 0x01
    START = 0x02
    STOP = 0x03
    PING = 0x04
    SET_RATE = 0x05
    SET_RANGE = 0x06
    SET_MODE = 0x07
    IDENTIFY = 0x08
    SYNC_PULSE = 0x09
    INFO = 0x81
    SAMPLES = 0x82
    STATUS = 0x83
    END = 0x84
    PONG = 0x85
    ANSWER = 0x86
    SYNC = 0x87
    SAMPLES_FUSED = 0x88


# What one present slot takes in a sample of each kind, in int16.
WIDTHS: dict[int, int] = {Kind.SAMPLES: AXES, Kind.SAMPLES_FUSED: FUSED_AXES}


@dataclass(frozen=True, slots=True)
class Info:
    """INFO: who the hub is, and the sequence number that its next sample will carry."""

    hub: HubInfo
    next_sequence: int


@dataclass(frozen=True, slots=True)
class Pong:
    """PONG: the hub's clock when it answered the PING with this token."""

    token: int
    tick_us: int


def encode_command(kind: Kind) -> bytes:
    """HELLO, START or STOP."""
    return frames.encode(kind)


def encode_info(info: Info) -> bytes:
    """INFO. Raises ValueError where a text is longer than 255 bytes or the whole is too long."""
    hub = info.hub
    numbers = _INFO.pack(
        hub.protocol_version,
        info.next_sequence,
        hub.rate_hz,
        hub.accel_range_m_s2,
        hub.gyro_range_rad_s,
    )
    texts = _encode_text(hub.device_id) + _encode_text(hub.firmware)
    slots = bytes((len(hub.slots),)) + b"".join(map(_encode_text, hub.slots))
    abilities = _ABILITIES.pack(hub.features, hub.mode)
    return frames.encode(Kind.INFO, numbers + texts + slots + abilities)


def encode_sample(
    sequence: int,
    tick_us: int,
    mask: int,
    readings: NDArray[np.int16],
    kind: Kind = Kind.SAMPLES,
) -> bytes:
    """SAMPLES or SAMPLES_FUSED: one tick.

    readings: (present slots, 6 or 7) counts, in the order of the mask's bits.
    """
    header = _TICK.pack(sequence, tick_us, mask)
    return frames.encode(kind, header + readings.astype("<i2").tobytes())


def encode_status(status: HubStatus) -> bytes:
    """STATUS; a battery or temperature of NaN says that there is none."""
    battery = _NO_BATTERY if math.isnan(status.battery) else round(100 * status.battery)
    known = not math.isnan(status.temperature_c)
    temperature = round(100 * status.temperature_c) if known else _NO_TEMPERATURE
    counts = _STATUS.pack(status.tick_us, status.samples_sent, battery)
    return frames.encode(Kind.STATUS, counts + _SENSORS.pack(temperature, status.error_mask))


def encode_end(end: HubEnd) -> bytes:
    """END."""
    return frames.encode(Kind.END, _END.pack(end.samples_sent))


def encode_pong(pong: Pong) -> bytes:
    """PONG."""
    return frames.encode(Kind.PONG, _PONG.pack(pong.token, pong.tick_us))


def encode_answer(answer: Answer) -> bytes:
    """ANSWER."""
    fields = _ANSWER.pack(answer.request, answer.command, answer.result)
    return frames.encode(Kind.ANSWER, fields)


def encode_sync(edge: SyncEdge) -> bytes:
    """SYNC."""
    return frames.encode(Kind.SYNC, _SYNC.pack(edge.request, edge.tick_us))


Message = Info | HubStatus | HubEnd | Pong | Answer | SyncEdge


def decode(frame: Frame) -> Message | None:
    """Read a frame of the hub other than samples; None where it is unknown or malformed.

    Bytes behind the last field are of a later version and ignored; fields that an earlier version
    did not have yet may be absent. Every `tick_us` is the bare 32-bit counter. Of an INFO in
    another protocol version only the version is read; the rest is empty, its layout being unknown.
    """
    reader = _READERS.get(frame.kind)
    try:
        return reader(frame.payload) if reader else None
    except (struct.error, IndexError, UnicodeDecodeError):
        return None


def check_version(info: HubInfo, address: str) -> None:
    """Raise ProtocolError, naming both versions, where the hub speaks another than ours."""
    if info.protocol_version != PROTOCOL_VERSION:
        raise ProtocolError(
            f"the hub at {address} speaks protocol version {info.protocol_version}, "
            f"this host speaks version {PROTOCOL_VERSION}",
            "update the firmware of the hub, or imusic, so that both versions agree",
        )


def sample_header(payload: bytes, slots: int, width: int = AXES) -> tuple[int, int] | None:
    """(sequence, tick_us) of a sample's payload, bare counters; None where it is malformed.

    width: int16 that one slot takes; see WIDTHS.
    """
    if len(payload) < _TICK.size:
        return None
    sequence, tick_us, mask = _TICK.unpack_from(payload)
    expected = _TICK.size + 2 * width * mask.bit_count()
    return None if mask >> slots or len(payload) != expected else (sequence, tick_us)


def decode_readings(payloads: Sequence[bytes], slots: int, width: int = AXES) -> Floats:
    """(N, S, width) counts of N well-formed samples' payloads, NaN where a slot is absent."""
    counts = np.full((len(payloads), slots, width), np.nan, np.float32)
    by_mask: dict[bytes, list[int]] = {}
    for row, payload in enumerate(payloads):
        by_mask.setdefault(payload[8:10], []).append(row)
    for mask, rows in by_mask.items():
        bits = int.from_bytes(mask, "little")
        present = [slot for slot in range(slots) if bits >> slot & 1]
        joined = b"".join(payloads[row][_TICK.size :] for row in rows)
        readings = np.frombuffer(joined, "<i2").reshape(len(rows), len(present), width)
        if len(present) == slots and len(rows) == len(payloads):
            counts[:] = readings  # the usual case, without fancy indexing
        else:
            counts[np.ix_(rows, present)] = readings
    return counts


def _decode_info(payload: bytes) -> Info | None:
    if payload and payload[0] != PROTOCOL_VERSION:
        return Info(HubInfo("", "", payload[0], math.nan, math.nan, math.nan, ()), 0)
    version, next_sequence, rate, accel, gyro = _INFO.unpack_from(payload)
    device_id, at = _decode_text(payload, _INFO.size)
    firmware, at = _decode_text(payload, at)
    count, at = payload[at], at + 1
    slots = []
    for _ in range(count):
        name, at = _decode_text(payload, at)
        slots.append(name)
    features, mode = _ABILITIES.unpack_from(payload, at) if at < len(payload) else (0, 0)
    sound = all(math.isfinite(number) and number > 0 for number in (rate, accel, gyro))
    named = 0 < count <= MAX_SLOTS and len(set(slots)) == count
    if not (sound and named and mode in _MODES):
        return None
    known = HubFeatures(features & _FEATURES)
    hub = HubInfo(
        device_id, firmware, version, rate, accel, gyro, tuple(slots), known, HubMode(mode)
    )
    return Info(hub, next_sequence)


def _decode_status(payload: bytes) -> HubStatus | None:
    tick_us, samples_sent, percent = _STATUS.unpack_from(payload)
    if percent > 100 and percent != _NO_BATTERY:
        return None
    battery = math.nan if percent == _NO_BATTERY else percent / 100
    if len(payload) == _STATUS.size:
        return HubStatus(tick_us, samples_sent, battery)
    hundredths, errors = _SENSORS.unpack_from(payload, _STATUS.size)
    celsius = math.nan if hundredths == _NO_TEMPERATURE else hundredths / 100
    return HubStatus(tick_us, samples_sent, battery, celsius, errors)


def _decode_answer(payload: bytes) -> Answer:
    request, command, result = _ANSWER.unpack_from(payload)
    # Reasons that later versions add are refusals all the same.
    return Answer(request, command, Result(result) if result in _RESULTS else Result.FAILED)


_MODES = frozenset(HubMode)
_RESULTS = frozenset(Result)
_FEATURES = sum(HubFeatures)
_READERS: dict[int, Callable[[bytes], Message | None]] = {
    Kind.INFO: _decode_info,
    Kind.STATUS: _decode_status,
    Kind.END: lambda payload: HubEnd(*_END.unpack_from(payload)),
    Kind.PONG: lambda payload: Pong(*_PONG.unpack_from(payload)),
    Kind.ANSWER: _decode_answer,
    Kind.SYNC: lambda payload: SyncEdge(*_SYNC.unpack_from(payload)),
}


def _encode_text(text: str) -> bytes:
    data = text.encode()
    return bytes((len(data),)) + data


def _decode_text(payload: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + payload[at]
    if end > len(payload):
        raise IndexError(f"text ends at {end} of {len(payload)} bytes")
    return payload[at + 1 : end].decode(), end
