"""What frames mean: the messages of hub and host. No I/O.

Byte layouts are in `docs/hub-protocol.md`; all numbers are little-endian. Encoders of both sides
live here, because the simulated hub speaks the same bytes as a real one.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from firmware_host import frames
from firmware_host.errors import ProtocolError
from firmware_host.frames import Frame
from firmware_host.samples import Floats, HubEnd, HubInfo, HubStatus

PROTOCOL_VERSION = 1
MAX_SLOTS = 16  # bits in the slot mask
FULL_SCALE = 32768  # int16 counts at the end of a range
AXES = 6  # accel x y z, gyro x y z

_INFO = struct.Struct("<BIfff")
_STATUS = struct.Struct("<IIB")
_END = struct.Struct("<I")
_TICK = struct.Struct("<IIH")
_READING_BYTES = 2 * AXES
_NO_BATTERY = 255


class Kind(IntEnum):
    """The first byte of a frame. Commands of the host are below 0x80, words of the hub above."""

    HELLO = 0x01
    START = 0x02
    STOP = 0x03
    INFO = 0x81
    SAMPLES = 0x82
    STATUS = 0x83
    END = 0x84


@dataclass(frozen=True, slots=True)
class Info:
    """INFO: who the hub is, and the sequence number that its next sample will carry."""

    hub: HubInfo
    next_sequence: int


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
    return frames.encode(Kind.INFO, numbers + texts + slots)


def encode_sample(sequence: int, tick_us: int, mask: int, readings: NDArray[np.int16]) -> bytes:
    """SAMPLES: one tick. readings: (present slots, 6) counts, in the order of the mask's bits."""
    header = _TICK.pack(sequence, tick_us, mask)
    return frames.encode(Kind.SAMPLES, header + readings.astype("<i2").tobytes())


def encode_status(status: HubStatus) -> bytes:
    """STATUS; a NaN battery says that there is none."""
    battery = _NO_BATTERY if math.isnan(status.battery) else round(100 * status.battery)
    return frames.encode(Kind.STATUS, _STATUS.pack(status.tick_us, status.samples_sent, battery))


def encode_end(end: HubEnd) -> bytes:
    """END."""
    return frames.encode(Kind.END, _END.pack(end.samples_sent))


def decode(frame: Frame) -> Info | HubStatus | HubEnd | None:
    """Read a frame of the hub other than SAMPLES; None where it is unknown or malformed.

    `tick_us` of a HubStatus is the bare 32-bit counter. Of an INFO in another protocol version only
    the version is read; the rest is empty, since its layout is not known.
    """
    if frame.kind == Kind.INFO:
        return _decode_info(frame.payload)
    if frame.kind == Kind.STATUS and len(frame.payload) == _STATUS.size:
        tick_us, samples_sent, battery = _STATUS.unpack(frame.payload)
        if battery <= 100:
            return HubStatus(tick_us, samples_sent, battery / 100)
        return HubStatus(tick_us, samples_sent, math.nan) if battery == _NO_BATTERY else None
    if frame.kind == Kind.END and len(frame.payload) == _END.size:
        return HubEnd(*_END.unpack(frame.payload))
    return None


def check_version(info: HubInfo, address: str) -> None:
    """Raise ProtocolError, naming both versions, where the hub speaks another than ours."""
    if info.protocol_version != PROTOCOL_VERSION:
        raise ProtocolError(
            f"the hub at {address} speaks protocol version {info.protocol_version}, "
            f"this host speaks version {PROTOCOL_VERSION}",
            "update the firmware of the hub, or imusic, so that both versions agree",
        )


def sample_header(payload: bytes, slots: int) -> tuple[int, int] | None:
    """(sequence, tick_us) of a SAMPLES payload, bare counters; None where it is malformed."""
    if len(payload) < _TICK.size:
        return None
    sequence, tick_us, mask = _TICK.unpack_from(payload)
    expected = _TICK.size + _READING_BYTES * mask.bit_count()
    return None if mask >> slots or len(payload) != expected else (sequence, tick_us)


def decode_readings(payloads: Sequence[bytes], slots: int) -> Floats:
    """(N, S, 6) counts of N well-formed SAMPLES payloads, NaN where a slot is absent."""
    counts = np.full((len(payloads), slots, AXES), np.nan, np.float32)
    by_mask: dict[bytes, list[int]] = {}
    for row, payload in enumerate(payloads):
        by_mask.setdefault(payload[8:10], []).append(row)
    for mask, rows in by_mask.items():
        bits = int.from_bytes(mask, "little")
        present = [slot for slot in range(slots) if bits >> slot & 1]
        joined = b"".join(payloads[row][_TICK.size :] for row in rows)
        readings = np.frombuffer(joined, "<i2").reshape(len(rows), len(present), AXES)
        if len(present) == slots and len(rows) == len(payloads):
            counts[:] = readings  # the usual case, without fancy indexing
        else:
            counts[np.ix_(rows, present)] = readings
    return counts


def _decode_info(payload: bytes) -> Info | None:
    if payload and payload[0] != PROTOCOL_VERSION:
        return Info(HubInfo("", "", payload[0], math.nan, math.nan, math.nan, ()), 0)
    try:
        version, next_sequence, rate, accel, gyro = _INFO.unpack_from(payload)
        device_id, at = _decode_text(payload, _INFO.size)
        firmware, at = _decode_text(payload, at)
        count, at = payload[at], at + 1
        slots = []
        for _ in range(count):
            name, at = _decode_text(payload, at)
            slots.append(name)
    except (struct.error, IndexError, UnicodeDecodeError):
        return None
    sound = all(math.isfinite(number) and number > 0 for number in (rate, accel, gyro))
    named = 0 < count <= MAX_SLOTS and len(set(slots)) == count
    if not (sound and named and at == len(payload)):
        return None
    return Info(
        HubInfo(device_id, firmware, version, rate, accel, gyro, tuple(slots)), next_sequence
    )


def _encode_text(text: str) -> bytes:
    data = text.encode()
    return bytes((len(data),)) + data


def _decode_text(payload: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + payload[at]
    if end > len(payload):
        raise IndexError(f"text ends at {end} of {len(payload)} bytes")
    return payload[at + 1 : end].decode(), end
