"""The messages of docs/wire-vectors.json, as bytes: what any subscriber may rely on."""

import json
import struct
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.blendshapes import BlendshapeFrame
from capture.wire import FaceMessage, decode, encode, frame_from_message, message_from_frame
from capture.wire_minute import MinuteMessage, decode_minute, encode_minute
from capture.wire_status import (
    EventMessage,
    SinkStatus,
    StatusMessage,
    decode_event,
    decode_status,
    encode_event,
    encode_status,
    sink_lines,
)
from firmware_host.errors import ProtocolError

VECTORS = json.loads((Path(__file__).parents[2] / "docs/wire-vectors.json").read_text("utf-8"))
TOPICS = {
    b"face/1 ": (FaceMessage, encode, decode),
    b"status/1 ": (StatusMessage, encode_status, decode_status),
    b"event/1 ": (EventMessage, encode_event, decode_event),
    b"minute/1 ": (MinuteMessage, encode_minute, decode_minute),
}


def message_of(vector, kind):
    fields = {k: bytes.fromhex(v["hex"]) if isinstance(v, dict) and "hex" in v else v
              for k, v in vector["fields"].items()}  # fmt: skip
    if "sinks" in fields:
        fields["sinks"] = tuple(SinkStatus(**sink) for sink in fields["sinks"])
        fields["slots"] = tuple(fields["slots"])
    return kind(**fields)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_vector_is_read_as_its_fields_and_written_as_its_bytes(vector):
    data = bytes.fromhex(vector["message"])
    kind, write, read = next(way for topic, way in TOPICS.items() if data.startswith(topic))
    expected = message_of(vector, kind)
    assert read(data) == expected
    if not vector.get("only_decode"):
        assert write(expected) == data


def test_the_first_vector_is_read_with_nothing_but_its_description():
    # As docs/wire.md describes msgpack: an array of ten, and what stands where.
    data = bytes.fromhex(VECTORS[0]["message"])
    assert data[:8] == b"face/1 \x9a"
    assert data[8:13] == b"\xa4desk"
    assert data[13] == 7
    at = data.index(b"\xc4\xd0") + 2  # bytes of 208
    assert struct.unpack_from("<52f", data, at) == tuple(i / 64 for i in range(52))
    assert data[at + 208 : at + 210] == b"\xc4\x10"
    assert struct.unpack_from("<4f", data, at + 210) == (1, 0, 0, 0)
    assert data[at + 226 :] == b"\xc3\xcb" + struct.pack(">d", 0.5) + b"\xc4\x34" + bytes(
        range(0, 208, 4)
    )


def test_confidence_of_shapes_survives_to_a_half_percent():
    shares = np.linspace(0, 1, 52, dtype=np.float32)
    frame = BlendshapeFrame(0, np.zeros(52, np.float32), shape_confidence=shares)
    message = message_from_frame(frame, "x", 0, 0)
    back = frame_from_message(decode(encode(message)))
    assert np.abs(back.shape_confidence - shares).max() <= 0.5 / 255 + 1e-6
    assert back.shape_confidence[0] == 0
    assert back.shape_confidence[-1] == 1


def test_a_message_with_everything_still_fits_one_packet():
    assert len(bytes.fromhex(VECTORS[0]["message"])) < 400


@pytest.mark.parametrize("size", [1, 51, 53, 208])
def test_another_count_of_confidences_is_refused(size):
    whole = decode(bytes.fromhex(VECTORS[0]["message"]))
    wrong = msgspec.structs.replace(whole, shape_confidence=bytes(size))
    with pytest.raises(
        ProtocolError, match=f"expected 0 or 52 bytes of shape_confidence, got {size}"
    ):
        decode(encode(wrong))


@given(st.binary(max_size=200))
def test_noise_is_no_status_and_no_event(noise):
    for read, topic in ((decode_status, b"status/1 "), (decode_event, b"event/1 ")):
        with pytest.raises(ProtocolError):
            read(b"other/1 " + noise)
        try:
            read(topic + noise)
        except ProtocolError:
            continue
        assert msgspec.msgpack.decode(noise)[:1]  # by chance it was one


@pytest.mark.parametrize("read", [decode, decode_status, decode_event, decode_minute])
def test_a_text_that_is_not_utf8_is_a_protocol_error(read):
    topic = next(topic for topic, way in TOPICS.items() if way[2] is read)
    with pytest.raises(ProtocolError):
        read(topic + b"\x9a\xa2\x00\x80" + bytes(9))


def test_what_a_later_version_appends_is_passed_over():
    data = bytes.fromhex(VECTORS[2]["message"])
    fields = msgspec.msgpack.decode(data[len(b"status/1 ") :])
    longer = b"status/1 " + msgspec.msgpack.encode([*fields, "more"])
    assert decode_status(longer) == decode_status(data)


def test_sinks_are_told_in_a_line_each_with_their_trouble():
    lines = sink_lines([SinkStatus("vmc:", 5, 10, 0, ""), SinkStatus("x:", 5, 2, 8, "nobody")])
    assert lines == ["  vmc:: 5 faces", "  x:: 5 faces, 8 failed (nobody)"]
