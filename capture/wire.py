"""`BlendshapeFrame` as one ZeroMQ message: topic `face/1 `, then msgpack. No I/O.

The version is part of the topic, so a subscriber of another version simply sees nothing. Within a
version fields are only ever appended: who knows fewer passes over the rest. docs/wire.md is this
file for people; docs/wire-vectors.json holds messages as bytes.
"""

from typing import Annotated, TypeVar

import msgspec
import numpy as np

from capture.blendshapes import ARKIT_NAMES, BlendshapeFrame
from firmware_host.errors import ProtocolError
from firmware_host.samples import Floats

T = TypeVar("T")

TOPIC = b"face/1 "
_WEIGHTS_BYTES = 4 * len(ARKIT_NAMES)
FULL_CONFIDENCE = 255


class FaceMessage(msgspec.Struct, frozen=True, array_like=True):
    """What a subscriber gets; an array in msgpack, fields in this order.

    weights: 52 little-endian float32 in canonical order. quat: 4 little-endian float32 wxyz, world
    from head, or empty where unknown. time_ns and newest_ns are the publisher's monotonic clock:
    the tick this face belongs to, and the arrival of the newest sample used (0 where none).
    shape_confidence: 52 bytes in canonical order, 255 for all of a shape, or empty where unknown;
    older senders end without it.
    """

    source: str
    sequence: int
    time_ns: int
    unix_ns: int
    newest_ns: int
    weights: Annotated[bytes, msgspec.Meta(min_length=_WEIGHTS_BYTES, max_length=_WEIGHTS_BYTES)]
    quat: bytes
    tracked: bool
    confidence: float
    shape_confidence: bytes = b""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(FaceMessage)


def message_from_frame(
    frame: BlendshapeFrame, source: str, sequence: int, unix_ns: int, newest_ns: int = 0
) -> FaceMessage:
    """Pack a frame for publishing."""
    quat, trusted = frame.quat_world_from_head, frame.shape_confidence
    return FaceMessage(
        source=source,
        sequence=sequence,
        time_ns=frame.time_ns,
        unix_ns=unix_ns,
        newest_ns=newest_ns,
        weights=np.asarray(frame.weights, "<f4").tobytes(),
        quat=b"" if quat is None else np.asarray(quat, "<f4").tobytes(),
        tracked=frame.tracked,
        confidence=frame.confidence,
        shape_confidence=b"" if trusted is None else to_bytes(trusted),
    )


def frame_from_message(message: FaceMessage) -> BlendshapeFrame:
    """Unpack a received message; weights and quat are copies."""
    return BlendshapeFrame(
        time_ns=message.time_ns,
        weights=np.frombuffer(message.weights, "<f4").astype(np.float32),
        quat_world_from_head=(
            np.frombuffer(message.quat, "<f4").astype(np.float32) if message.quat else None
        ),
        tracked=message.tracked,
        confidence=message.confidence,
        shape_confidence=_from_bytes(message.shape_confidence),
    )


def to_bytes(shares: Floats) -> bytes:
    """(52,) in [0, 1] as one byte each."""
    return np.rint(np.clip(shares, 0.0, 1.0) * FULL_CONFIDENCE).astype(np.uint8).tobytes()


def _from_bytes(data: bytes) -> Floats | None:
    if not data:
        return None
    return np.frombuffer(data, np.uint8).astype(np.float32) / np.float32(FULL_CONFIDENCE)


def encode(message: FaceMessage) -> bytes:
    """One single-part ZeroMQ message."""
    return TOPIC + _ENCODER.encode(message)


def decode(data: bytes) -> FaceMessage:
    """Inverse of `encode`. Raises ProtocolError if the data is not a face/1 message."""
    message = decoded(data, TOPIC, _DECODER)
    if len(message.quat) not in (0, 16):
        raise ProtocolError(f"face/1: expected a quat of 0 or 16 bytes, got {len(message.quat)}")
    if (size := len(message.shape_confidence)) not in (0, len(ARKIT_NAMES)):
        raise ProtocolError(f"face/1: expected 0 or 52 bytes of shape_confidence, got {size}")
    return message


def decoded(data: bytes, topic: bytes, decoder: "msgspec.msgpack.Decoder[T]") -> T:
    """The message behind a topic. Raises ProtocolError if the data is no message of that topic."""
    name = topic.decode().strip()
    if not data.startswith(topic):
        raise ProtocolError(f"not a {name} message: it begins with {data[:8]!r}")
    try:
        return decoder.decode(data[len(topic) :])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"not a {name} message: {error}") from error
