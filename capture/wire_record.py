"""How a recording is doing, as one ZeroMQ message: topic `record/1 `, then msgpack. No I/O.

What `imusic record --console` publishes twice a second, for the console and for whoever else wants
to watch. docs/wire.md is this file for people. Fields are only ever appended.
"""

import math

import msgspec

from capture.meters import DeviceStatus
from capture.record_status import Notice, RecordStatus
from capture.wire import decoded

RECORD_TOPIC = b"record/1 "


class DeviceMessage(msgspec.Struct, frozen=True, array_like=True):
    """One device; as `DeviceStatus`, None where a number is not known."""

    name: str
    state: str
    samples: int
    lost: int
    rate_hz: float
    age_s: float | None
    late_s: float | None
    slots: tuple[str, ...]
    silent: tuple[str, ...]
    battery: float | None = None


class NoticeMessage(msgspec.Struct, frozen=True, array_like=True):
    """Something the operator should know. unix_ns: when it was said."""

    unix_ns: int
    device: str
    text: str
    hint: str


class RecordMessage(msgspec.Struct, frozen=True, array_like=True):
    """The recording; as `RecordStatus`, fields in this order.

    source: name of the rig. notices: the last few, oldest first. phone_age_s: since the phone's
    last face; None where there is no phone, or none came yet. has_phone: whether one is expected.
    """

    source: str
    sequence: int
    unix_ns: int
    state: str
    missing: tuple[str, ...]
    elapsed_s: float
    faces: int
    bytes_on_disk: int
    left_s: float | None
    marks: int
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    devices: tuple[DeviceMessage, ...] = ()
    notices: tuple[NoticeMessage, ...] = ()
    has_phone: bool = False
    phone_age_s: float | None = None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(RecordMessage)


def device_message(device: DeviceStatus, slots: tuple[str, ...]) -> DeviceMessage:
    """Pack one device; `slots` are those that it serves."""
    return DeviceMessage(
        device.name,
        device.state,
        device.samples,
        device.lost,
        device.rate_hz,
        _known(device.age_s),
        _known(device.late_s),
        slots,
        device.silent,
        _known(device.battery),
    )


def record_message(
    status: RecordStatus,
    source: str,
    sequence: int,
    unix_ns: int,
    slots: dict[str, tuple[str, ...]],
    notices: tuple[NoticeMessage, ...] = (),
    phone: tuple[bool, float | None] = (False, None),
) -> RecordMessage:
    """Pack a status; `slots` by device; `phone` whether there should be one, and its age."""
    return RecordMessage(
        source=source,
        sequence=sequence,
        unix_ns=unix_ns,
        state=status.state.value,
        missing=status.missing,
        elapsed_s=status.elapsed_s,
        faces=status.faces,
        bytes_on_disk=status.bytes_on_disk,
        left_s=_known(status.left_s),
        marks=status.marks,
        problems=status.problems,
        warnings=status.warnings,
        devices=tuple(device_message(d, slots.get(d.name, ())) for d in status.devices),
        notices=notices,
        has_phone=phone[0],
        phone_age_s=phone[1],
    )


def notice_message(notice: Notice, unix_ns: int) -> NoticeMessage:
    """Pack what was just said."""
    return NoticeMessage(unix_ns, notice.device, notice.text, notice.hint)


def encode_record(message: RecordMessage) -> bytes:
    """One single-part ZeroMQ message."""
    return RECORD_TOPIC + _ENCODER.encode(message)


def decode_record(data: bytes) -> RecordMessage:
    """Inverse of `encode_record`. Raises ProtocolError if the data is no record/1 message."""
    return decoded(data, RECORD_TOPIC, _DECODER)


def _known(value: float) -> float | None:
    """JSON, JavaScript and people know neither NaN nor infinity."""
    return value if math.isfinite(value) else None
