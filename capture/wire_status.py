"""What is told beside faces: how things are, once a second, and what happened. No I/O.

Two topics, each on a socket of its own (CONFLATE keeps one message of a socket, whatever its
topic): `status/1 ` is the heartbeat, `event/1 ` comes when something happens. docs/wire.md is this
file for people.
"""

from collections.abc import Sequence

import msgspec

from capture.wire import decoded

STATUS_TOPIC, EVENT_TOPIC = b"status/1 ", b"event/1 "
STATUS_EVERY_S = 1.0

Fact = str | int | float | bool


class SinkStatus(msgspec.Struct, frozen=True, array_like=True):
    """One sink: its name, faces and datagrams so far, how many failed, and why ("" if none)."""

    url: str
    frames: int
    datagrams: int
    failed: int
    trouble: str


class StatusMessage(msgspec.Struct, frozen=True, array_like=True):
    """The heartbeat; an array in msgpack, fields in this order.

    state: `waiting` for samples, `opening` while rest and routine last, then `live`. slots: names
    of those whose sensors are worn. shape_confidence: 52 bytes, as in `face/1`, of a face with
    confidence 1.
    """

    source: str
    sequence: int
    time_ns: int
    unix_ns: int
    state: str
    faces: int
    samples: int
    lost: int
    confidence: float
    slots: tuple[str, ...] = ()
    shape_confidence: bytes = b""
    sinks: tuple[SinkStatus, ...] = ()


class EventMessage(msgspec.Struct, frozen=True, array_like=True):
    """Something happened: `started`, `slots`, `device`, `gap`, `take`, `stopped`; facts by name."""

    source: str
    sequence: int
    time_ns: int
    unix_ns: int
    kind: str
    facts: dict[str, Fact] = {}


def sink_lines(sinks: Sequence[SinkStatus]) -> list[str]:
    """How each sink is doing, for people."""
    return [
        f"  {sink.url}: {sink.frames} faces"
        + (f", {sink.failed} failed ({sink.trouble})" if sink.failed else "")
        for sink in sinks
    ]


def sink_facts(sinks: Sequence[SinkStatus]) -> list[dict[str, str | int]]:
    """The same by name, for machines."""
    return [{name: getattr(sink, name) for name in sink.__struct_fields__} for sink in sinks]


_ENCODER = msgspec.msgpack.Encoder()
_STATUS = msgspec.msgpack.Decoder(StatusMessage)
_EVENT = msgspec.msgpack.Decoder(EventMessage)


def encode_status(message: StatusMessage) -> bytes:
    """One single-part ZeroMQ message."""
    return STATUS_TOPIC + _ENCODER.encode(message)


def encode_event(message: EventMessage) -> bytes:
    """One single-part ZeroMQ message."""
    return EVENT_TOPIC + _ENCODER.encode(message)


def decode_status(data: bytes) -> StatusMessage:
    """Inverse of `encode_status`. Raises ProtocolError if the data is no status/1 message."""
    return decoded(data, STATUS_TOPIC, _STATUS)


def decode_event(data: bytes) -> EventMessage:
    """Inverse of `encode_event`. Raises ProtocolError if the data is no event/1 message."""
    return decoded(data, EVENT_TOPIC, _EVENT)
