"""Live Link Face over UDP, packet version 6 ("ARKit" mode): bytes ⇄ values. No I/O.

Layout (big-endian): u8 version, FString device id, FString subject, i32 frame number, f32
sub-frame, i32 rate numerator, i32 rate denominator, u8 count, count × f32. An FString is an i32
byte length and that many UTF-8 bytes. The 61 values are the 52 weights in canonical order, then
yaw, pitch and roll in radians of the head, the left eye and the right eye. A packet without values,
and one whose 61 values are all zero, mean "no face".

`LiveLinkPacket` holds angles as `capture.phone_faces` defines them. On the wire some have the other
sign: the head's pitch and roll, and the eyes' yaw and roll. Nobody documents that; it is measured
on recordings of the app (`benchmarks/phone_axes.py`). Eyes: in each of them yaw and the shapes
eyeLookIn and eyeLookOut correlate at -1.00, pitch and eyeLookDown at +1.00. Head: who turns the
head before a phone keeps looking at it, and of the eight choices of signs this one holds the gaze
the stillest, in the CSV as in the packets. Not yet seen on a phone by us.
"""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.phone_faces import Malformed as Malformed
from capture.phone_faces import PhoneFace
from firmware_host.clock import NS_PER_S
from firmware_host.errors import DataError
from firmware_host.samples import Floats

VERSION = 6
PORT = 11111
WEIGHT_COUNT = len(ARKIT_NAMES)
VALUE_COUNT = WEIGHT_COUNT + 9
MAX_STRING_BYTES = 1024
# A fraction of a frame in principle; a recorded sender let it grow past 1 (2.4 after a minute).
MAX_SUB_FRAME = 3600.0

_TIMING = struct.Struct(">ifii")
_LENGTH = struct.Struct(">i")
_VALUES = struct.Struct(f">{VALUE_COUNT}f")
# Signs of yaw, pitch and roll on the wire and in the app's files, see the module.
HEAD_SIGNS = np.array([1.0, -1.0, -1.0], np.float32)
EYE_SIGNS = np.array([-1.0, 1.0, -1.0], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class LiveLinkPacket:
    """One datagram of the phone.

    frame_number + sub_frame count frames of the phone's time of day at rate_numerator /
    rate_denominator Hz; the number can exceed 24 h. weights: (52,), or None where the phone saw no
    face. head_yaw_pitch_roll: (3,) rad. eyes_yaw_pitch_roll: (2, 3) left and right eye likewise;
    both are None together with the weights.
    """

    device_id: str
    subject: str
    frame_number: int
    sub_frame: float
    rate_numerator: int = 60
    rate_denominator: int = 1
    weights: Floats | None = None
    head_yaw_pitch_roll: Floats | None = None
    eyes_yaw_pitch_roll: Floats | None = None

    @property
    def rate_hz(self) -> float:
        """The nominal frame rate."""
        return self.rate_numerator / self.rate_denominator


def decode(data: bytes) -> LiveLinkPacket | Malformed:
    """Read one datagram. Never raises, whatever arrives."""
    if not data or data[0] != VERSION:
        found = data[0] if data else "nothing"
        return Malformed(f"expected packet version {VERSION}, got {found}")
    device_id, at = _string(data, 1, "device id")
    if isinstance(device_id, Malformed):
        return device_id
    subject, at = _string(data, at, "subject name")
    if isinstance(subject, Malformed):
        return subject
    if len(data) < at + _TIMING.size:
        return Malformed(f"expected {_TIMING.size} bytes of timing, got {len(data) - at}")
    frame, sub_frame, numerator, denominator = _TIMING.unpack_from(data, at)
    if problem := _timing_problem(frame, sub_frame, numerator, denominator):
        return Malformed(problem)
    values = _values(data[at + _TIMING.size :])
    if isinstance(values, Malformed):
        return values
    return LiveLinkPacket(
        device_id,
        subject,
        frame,
        sub_frame,
        numerator,
        denominator,
        weights=values[:WEIGHT_COUNT] if values is not None else None,
        head_yaw_pitch_roll=None if values is None else _head(values),
        eyes_yaw_pitch_roll=None if values is None else _eyes(values),
    )


def _head(values: Floats) -> Floats:
    return values[WEIGHT_COUNT : WEIGHT_COUNT + 3] * HEAD_SIGNS


def _eyes(values: Floats) -> Floats:
    return values[WEIGHT_COUNT + 3 :].reshape(2, 3) * EYE_SIGNS


def face_of(packet: LiveLinkPacket, arrival_ns: int) -> PhoneFace:
    """The face in a packet that arrived at `arrival_ns`."""
    return PhoneFace(
        arrival_ns,
        device_time_ns(packet),
        packet.weights,
        packet.head_yaw_pitch_roll,
        packet.eyes_yaw_pitch_roll,
        (packet.frame_number, packet.rate_numerator, packet.rate_denominator),
        packet.sub_frame,
        f"{packet.subject} {packet.device_id}",
    )


def device_time_ns(packet: LiveLinkPacket) -> int:
    """Time on the phone's own clock: frames at the nominal rate, in ns."""
    whole = packet.frame_number * packet.rate_denominator * NS_PER_S // packet.rate_numerator
    return whole + round(packet.sub_frame * NS_PER_S / packet.rate_hz)


def _string(data: bytes, at: int, what: str) -> tuple[str | Malformed, int]:
    if len(data) < at + _LENGTH.size:
        return Malformed(f"cut off before the {what}"), at
    (length,) = _LENGTH.unpack_from(data, at)
    start, end = at + _LENGTH.size, at + _LENGTH.size + length
    if not 0 <= length <= MAX_STRING_BYTES or end > len(data):
        return Malformed(f"{what}: a length of {length} bytes does not fit"), at
    try:
        return data[start:end].decode("utf-8"), end
    except UnicodeDecodeError:
        return Malformed(f"{what}: not UTF-8"), at


def _timing_problem(frame: int, sub_frame: float, numerator: int, denominator: int) -> str:
    if frame < 0:
        return f"frame number {frame} is negative"
    if not 0.0 <= sub_frame <= MAX_SUB_FRAME:  # also false for NaN
        return f"expected a sub-frame in [0, {MAX_SUB_FRAME:g}], got {sub_frame}"
    if numerator <= 0 or denominator <= 0:
        return f"frame rate {numerator}/{denominator} is not positive"
    return ""


def _values(body: bytes) -> Floats | Malformed | None:
    """The 61 values, or None for "no face"."""
    if not body or body == b"\0":
        return None
    if body[0] != VALUE_COUNT:
        return Malformed(f"expected {VALUE_COUNT} values, got a count of {body[0]}")
    if len(body) != 1 + _VALUES.size:
        return Malformed(f"expected {_VALUES.size} bytes of values, got {len(body) - 1}")
    values = np.frombuffer(body, ">f4", VALUE_COUNT, 1).astype(np.float32)
    if not np.isfinite(values).all():
        return Malformed("a value is not finite")
    return values if values.any() else None


def encode(packet: LiveLinkPacket) -> bytes:
    """Inverse of `decode`; a packet without weights becomes a header alone.

    Raises:
        ValueError: the arrays have the wrong shape.
    """
    parts = [bytes([VERSION])]
    for text in (packet.device_id, packet.subject):
        raw = text.encode("utf-8")
        parts += [_LENGTH.pack(len(raw)), raw]
    parts.append(
        _TIMING.pack(
            packet.frame_number,
            packet.sub_frame,
            packet.rate_numerator,
            packet.rate_denominator,
        )
    )
    if packet.weights is not None:
        head = np.zeros(3) if packet.head_yaw_pitch_roll is None else packet.head_yaw_pitch_roll
        eyes = (
            np.zeros((2, 3)) if packet.eyes_yaw_pitch_roll is None else packet.eyes_yaw_pitch_roll
        )
        values = np.concatenate(
            [packet.weights, np.ravel(head * HEAD_SIGNS), np.ravel(eyes * EYE_SIGNS)]
        )
        if len(values) != VALUE_COUNT:
            raise ValueError(f"expected {VALUE_COUNT} values, got {len(values)}")
        parts += [bytes([VALUE_COUNT]), values.astype(">f4").tobytes()]
    return b"".join(parts)


def quat_from_head_angles(head_yaw_pitch_roll: NDArray[np.floating]) -> Floats:
    """(…, 3) yaw, pitch, roll in rad → (…, 4) quat world from head, wxyz (see the module)."""
    half = np.asarray(head_yaw_pitch_roll, np.float64) / 2
    cy, cx, cz = np.moveaxis(np.cos(half), -1, 0)
    sy, sx, sz = np.moveaxis(np.sin(half), -1, 0)
    quat = np.stack(
        [
            cy * cx * cz + sy * sx * sz,
            cy * sx * cz + sy * cx * sz,
            sy * cx * cz - cy * sx * sz,
            cy * cx * sz - sy * sx * cz,
        ],
        axis=-1,
    )
    return quat.astype(np.float32)


def head_angles_from_quat(quat: NDArray[np.floating]) -> Floats:
    """Inverse of `quat_from_head_angles`: (…, 4) → (…, 3) rad, with |pitch| ≤ π/2."""
    w, x, y, z = np.moveaxis(np.asarray(quat, np.float64), -1, 0)
    yaw = np.arctan2(2 * (x * z + w * y), 1 - 2 * (x * x + y * y))
    pitch = np.arcsin(np.clip(2 * (w * x - y * z), -1.0, 1.0))
    roll = np.arctan2(2 * (x * y + w * z), 1 - 2 * (x * x + z * z))
    return np.stack([yaw, pitch, roll], axis=-1).astype(np.float32)


def packet_at(
    device_s: float,
    weights: Floats | None,
    head_yaw_pitch_roll: Floats | None = None,
    *,
    subject: str = "imusic",
    device_id: str = "00000000000000000000000000000000",
    rate_hz: int = 60,
) -> LiveLinkPacket:
    """The packet a phone would send for the moment `device_s` of its own clock."""
    frames = device_s * rate_hz
    whole = math.floor(frames)
    return LiveLinkPacket(
        device_id, subject, whole, frames - whole, rate_hz, 1, weights, head_yaw_pitch_roll, None
    )


def read_gesichter(path: Path) -> list[LiveLinkPacket]:
    """The packets of an LLV recording, decoded.

    Raises:
        DataError: not such a file, cut short, or a packet in it is malformed.
    """
    packets = []
    for number, data in enumerate(gesichter_datagrams(path)):
        packet = decode(data)
        if isinstance(packet, Malformed):
            raise DataError(f"{path}: packet {number}: {packet.reason}")
        packets.append(packet)
    return packets


def gesichter_datagrams(path: Path) -> list[bytes]:
    """The datagrams of an LLV recording: gzip of u8 version, u32 count, then u32 size + datagram.

    Raises:
        DataError: not such a file, or cut short.
    """
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not a recording of packets: {error}") from error
    if len(data) < 5 or data[0] != VERSION:
        raise DataError(f"{path}: expected a recording of version {VERSION} packets")
    (count,) = struct.unpack_from(">I", data, 1)
    packets, at = [], 5
    for number in range(count):
        size = int.from_bytes(data[at : at + 4], "big")
        packet = data[at + 4 : at + 4 + size]
        if len(packet) != size or size == 0:
            raise DataError(f"{path}: expected {count} packets, the file ends in number {number}")
        packets.append(packet)
        at += 4 + size
    return packets
