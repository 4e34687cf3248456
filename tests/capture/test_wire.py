import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from capture.blendshapes import BlendshapeFrame
from capture.wire import (
    TOPIC,
    FaceMessage,
    decode,
    encode,
    frame_from_message,
    message_from_frame,
)
from firmware_host.errors import ProtocolError

nanoseconds = st.integers(0, 2**63 - 1)
finite = st.floats(-2, 2, width=32)
frames = st.builds(
    BlendshapeFrame,
    time_ns=nanoseconds,
    weights=hnp.arrays(np.float32, 52, elements=finite),
    quat_world_from_head=st.none() | hnp.arrays(np.float32, 4, elements=finite),
    tracked=st.booleans(),
    confidence=st.floats(0, 1),
)
messages = st.builds(
    message_from_frame,
    frames,
    source=st.text(max_size=20),
    sequence=nanoseconds,
    unix_ns=nanoseconds,
    newest_ns=nanoseconds,
)
A_MESSAGE = message_from_frame(
    BlendshapeFrame(5, np.linspace(0, 1, 52, dtype=np.float32), np.eye(4, dtype=np.float32)[0]),
    source="imusic",
    sequence=3,
    unix_ns=7,
    newest_ns=4,
)


@given(messages)
def test_decoding_gives_back_what_was_encoded(message):
    assert decode(encode(message)) == message


@given(frames)
def test_a_frame_survives_the_journey_to_the_last_bit(frame):
    sent = encode(message_from_frame(frame, source="x", sequence=1, unix_ns=2))
    got = frame_from_message(decode(sent))
    assert (got.time_ns, got.tracked, got.confidence) == (
        frame.time_ns,
        frame.tracked,
        frame.confidence,
    )
    assert got.weights.tobytes() == frame.weights.tobytes()
    if frame.quat_world_from_head is None:
        assert got.quat_world_from_head is None
    else:
        assert got.quat_world_from_head.tobytes() == frame.quat_world_from_head.tobytes()


def test_what_was_received_may_be_written_to():
    frame = frame_from_message(decode(encode(A_MESSAGE)))
    frame.weights[0] = 1.0
    assert frame.quat_world_from_head.flags.writeable


def test_the_bytes_on_the_wire_are_those_promised_to_subscribers():
    # Anyone with msgpack and struct can read it: an array of ten, floats little-endian.
    fields = msgspec.msgpack.decode(encode(A_MESSAGE)[len(b"face/1 ") :])
    assert encode(A_MESSAGE).startswith(b"face/1 ")
    assert fields[:5] == ["imusic", 3, 5, 7, 4]
    assert np.array_equal(np.frombuffer(fields[5], "<f4"), np.linspace(0, 1, 52, dtype="f4"))
    assert np.array_equal(np.frombuffer(fields[6], "<f4"), [1, 0, 0, 0])
    assert fields[7:] == [True, 1.0, b""]


def test_one_message_fits_one_network_packet():
    assert len(encode(A_MESSAGE)) < 400


@pytest.mark.parametrize("topic", [b"face/2 ", b"face/1", b"status/1 ", b""])
def test_another_topic_is_refused(topic):
    body = encode(A_MESSAGE)[len(TOPIC) :]
    with pytest.raises(ProtocolError, match="not a face/1 message"):
        decode(topic + body)


@given(st.binary(max_size=400))
def test_noise_under_the_right_topic_is_a_protocol_error(noise):
    with pytest.raises(ProtocolError):
        decode(TOPIC + noise)


@given(st.data())
def test_a_message_cut_anywhere_is_a_protocol_error(data):
    whole = encode(A_MESSAGE)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ProtocolError):
        decode(whole[:cut])


@pytest.mark.parametrize("size", [0, 4 * 51, 4 * 53])
def test_another_count_of_weights_is_refused(size):
    wrong = msgspec.structs.replace(A_MESSAGE, weights=bytes(size))
    with pytest.raises(ProtocolError, match="length"):
        decode(encode(wrong))


@pytest.mark.parametrize("size", [4, 12, 32])
def test_half_a_quaternion_is_refused(size):
    wrong = msgspec.structs.replace(A_MESSAGE, quat=bytes(size))
    with pytest.raises(ProtocolError, match=f"expected a quat of 0 or 16 bytes, got {size}"):
        decode(encode(wrong))


def test_fields_that_a_later_minor_version_appends_are_ignored():
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(A_MESSAGE))
    longer = TOPIC + msgspec.msgpack.encode([*fields, "something new"])
    assert decode(longer) == A_MESSAGE


def test_the_struct_is_immutable():
    with pytest.raises(AttributeError):
        A_MESSAGE.sequence = 4
    assert isinstance(A_MESSAGE, FaceMessage)
