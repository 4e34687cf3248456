"""Movements too small for a camera, as ZeroMQ messages: topic `minute/1 `, then msgpack. No I/O.

docs/wire.md is this file for people, docs/minute.md says what the events are worth. Fields are only
ever appended.
"""

import msgspec

from capture.wire import decoded

MINUTE_TOPIC = b"minute/1 "


class MinuteMessage(msgspec.Struct, frozen=True, array_like=True):
    """One movement of one patch of skin, told when it is over; fields in this order.

    time_ns: when it began, the publisher's monotonic clock. low_hz, high_hz: the band in which it
    stood out most. strength: its rms as a multiple of what rest and the head leave there.
    rate_rad_s, force_m_s2: rms at its peak in that band. visible: the face moved by what a camera
    sees, so this is an ordinary expression or part of one.
    """

    source: str
    sequence: int
    time_ns: int
    unix_ns: int
    slot: str
    low_hz: float
    high_hz: float
    strength: float
    duration_s: float
    rate_rad_s: float
    force_m_s2: float
    visible: bool


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(MinuteMessage)


def encode_minute(message: MinuteMessage) -> bytes:
    """One single-part ZeroMQ message."""
    return MINUTE_TOPIC + _ENCODER.encode(message)


def decode_minute(data: bytes) -> MinuteMessage:
    """Inverse of `encode_minute`. Raises ProtocolError if the data is no minute/1 message."""
    return decoded(data, MINUTE_TOPIC, _DECODER)
