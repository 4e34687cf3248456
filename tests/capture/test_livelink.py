import gzip
import struct
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from capture import rotations
from capture.blendshapes import INDEX
from capture.livelink import (
    VALUE_COUNT,
    LiveLinkPacket,
    Malformed,
    decode,
    device_time_ns,
    encode,
    gesichter_datagrams,
    head_angles_from_quat,
    packet_at,
    quat_from_head_angles,
    read_gesichter,
)
from firmware_host.errors import DataError

finite = st.floats(-4, 4, width=32)
values = hnp.arrays(np.float32, VALUE_COUNT, elements=finite).filter(lambda v: bool(v.any()))
texts = st.text(max_size=40).filter(lambda t: len(t.encode("utf-8", "replace")) < 1024)


def packet(values: np.ndarray | None = None, **changes) -> LiveLinkPacket:
    shown = {}
    if values is not None:
        shown = {
            "weights": values[:52],
            "head_yaw_pitch_roll": values[52:55],
            "eyes_yaw_pitch_roll": values[55:].reshape(2, 3),
        }
    facts = {"device_id": "A" * 32, "subject": "Zoë", "frame_number": 5_375_735, "sub_frame": 0.25}
    return LiveLinkPacket(**(facts | shown | changes))


@given(texts, texts, st.integers(0, 2**31 - 1), st.floats(0, 1, width=32), values)
def test_decode_gives_back_what_was_encoded(device, subject, frame, sub_frame, numbers):
    sent = packet(
        numbers, device_id=device, subject=subject, frame_number=frame, sub_frame=sub_frame
    )
    got = decode(encode(sent))
    assert isinstance(got, LiveLinkPacket)
    assert (got.device_id, got.subject, got.frame_number) == (device, subject, frame)
    assert got.sub_frame == sub_frame
    assert np.array_equal(got.weights, numbers[:52])
    assert np.array_equal(got.head_yaw_pitch_roll, numbers[52:55])
    assert np.array_equal(got.eyes_yaw_pitch_roll, numbers[55:].reshape(2, 3))


@given(st.binary(max_size=800))
def test_noise_is_malformed_and_never_an_exception(noise):
    assert isinstance(decode(b"\x05" + noise), Malformed)
    assert isinstance(decode(b"\x06" + noise), Malformed | LiveLinkPacket)


@given(values, st.integers(0, 319), st.integers(0, 255))
def test_a_damaged_packet_never_raises_and_never_gives_what_is_not_finite(numbers, at, byte):
    data = bytearray(encode(packet(numbers)))
    data[at % len(data)] = byte
    got = decode(bytes(data))
    if isinstance(got, LiveLinkPacket) and got.weights is not None:
        assert np.isfinite(got.weights).all()


@given(values, st.integers(1, 300))
def test_a_cut_packet_is_malformed_unless_only_the_header_is_left(numbers, missing):
    data = encode(packet(numbers))
    got = decode(data[:-missing])
    header = len(data) - missing == len(encode(packet()))
    assert isinstance(got, LiveLinkPacket) == header


def test_the_layout_is_that_of_a_recorded_packet():
    data = encode(packet(np.ones(61, np.float32), subject="LLV Default Device"))
    assert len(data) == 320
    assert data[:5].hex() == "0600000020"
    assert data[37:41].hex() == "00000012"
    assert struct.unpack_from(">ifii", data, 59) == (5_375_735, 0.25, 60, 1)
    assert data[75] == 61


def test_a_header_alone_and_all_zero_values_are_no_face():
    header = encode(packet())
    zeros = encode(packet(np.zeros(61, np.float32)))
    for data in (header, header + b"\0", zeros):
        got = decode(data)
        assert isinstance(got, LiveLinkPacket)
        assert got.weights is None
        assert got.head_yaw_pitch_roll is None


def with_values(change) -> bytes:
    numbers = np.ones(61, ">f4")
    change(numbers)
    return encode(packet(np.ones(61, np.float32)))[:-244] + numbers.tobytes()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "got nothing"),
        (b"\x07" + encode(packet())[1:], "expected packet version 6, got 7"),
        (b"\x06" + struct.pack(">i", -1) + bytes(400), "device id: a length of -1"),
        (b"\x06" + struct.pack(">i", 1025) + bytes(2000), "device id: a length of 1025"),
        (encode(packet(np.ones(61, np.float32))) + b"x", "expected 244 bytes of values, got 245"),
        (encode(packet()) + bytes([52]) + bytes(208), "expected 61 values, got a count of 52"),
        (with_values(lambda v: v.__setitem__(3, np.nan)), "not finite"),
        (with_values(lambda v: v.__setitem__(60, np.inf)), "not finite"),
        (encode(packet(rate_numerator=0)), "frame rate 0/1 is not positive"),
        (encode(packet(frame_number=-4)), "frame number -4 is negative"),
        (encode(packet(sub_frame=float("nan"))), "sub-frame"),
    ],
)
def test_what_is_wrong_is_said(data, reason):
    got = decode(data)
    assert isinstance(got, Malformed)
    assert reason in got.reason


def test_device_time_counts_frames_at_the_nominal_rate_beyond_a_day():
    late = packet(frame_number=5_375_735, sub_frame=0.5)
    assert device_time_ns(late) == pytest.approx(89_595_591_666_667, abs=1)
    assert (
        device_time_ns(
            packet(frame_number=60_000, sub_frame=0.0, rate_denominator=1001, rate_numerator=60_000)
        )
        == 1_001_000_000_000
    )


@given(hnp.arrays(np.float64, 3, elements=st.floats(-1.4, 1.4)))
def test_head_angles_and_quaternions_are_inverse(angles):
    quat = quat_from_head_angles(angles)
    assert np.linalg.norm(quat) == pytest.approx(1, abs=1e-6)
    assert np.allclose(head_angles_from_quat(quat), angles, atol=1e-5)


def test_the_angles_turn_about_y_then_x_then_z():
    yaw, pitch, roll = 0.4, -0.3, 0.2

    def about(axis, angle):
        return np.array([np.cos(angle / 2), *(np.sin(angle / 2) * np.eye(3)[axis])])

    expected = rotations.multiply(
        rotations.multiply(about(1, yaw), about(0, pitch)), about(2, roll)
    )
    assert np.allclose(quat_from_head_angles(np.array([yaw, pitch, roll])), expected, atol=1e-6)


def test_packet_at_splits_a_moment_into_frame_and_sub_frame():
    made = packet_at(10.125, None)
    assert (made.frame_number, made.sub_frame) == (607, 0.5)


def test_recorded_packets_decode_and_encode_to_the_same_bytes(data):
    datagrams = gesichter_datagrams(data / "arkit/llv/dao.gesichter")
    packets = read_gesichter(data / "arkit/llv/dao.gesichter")
    assert {len(d) for d in datagrams} == {320}
    assert len(packets) == 180
    assert packets[-1].frame_number - packets[0].frame_number == 186
    assert all(p.weights is not None for p in packets)
    assert [encode(p) for p in packets] == datagrams
    frames = np.array([p.frame_number for p in packets])
    seconds = np.array([device_time_ns(p) for p in packets]) / 1e9
    rate = np.polyfit(frames, seconds, 1)[0]
    assert 1 / rate == pytest.approx(59.96, abs=0.02)


def test_the_wire_turns_some_angles_the_other_way():
    raw = np.frombuffer(encode(packet(np.arange(61, dtype=np.float32)))[-244:], ">f4")
    assert raw[:52].tolist() == list(range(52))
    assert raw[52:].tolist() == [52, -53, -54, -55, 56, -57, -58, 59, -60]


def test_eyes_of_a_recording_turn_where_their_shapes_say(data):
    """Down is positive pitch, and the subject's left positive yaw."""
    packets = read_gesichter(data / "arkit/llv/dao.gesichter")
    weights = np.array([p.weights for p in packets])
    yaw, pitch, _ = np.array([p.eyes_yaw_pitch_roll for p in packets]).mean(axis=1).T

    def shape(*names):
        return weights[:, [INDEX[name] for name in names]].sum(axis=1)

    left = shape("eyeLookOutLeft", "eyeLookInRight") - shape("eyeLookInLeft", "eyeLookOutRight")
    down = shape("eyeLookDownLeft", "eyeLookDownRight") - shape("eyeLookUpLeft", "eyeLookUpRight")
    assert np.corrcoef(yaw, left)[0, 1] > 0.99
    assert np.corrcoef(pitch, down)[0, 1] > 0.99


def test_of_all_signs_of_the_head_ours_hold_the_gaze_the_stillest(data):
    """Who turns the head before a phone goes on looking at it."""
    packets = read_gesichter(data / "arkit/llv/dao.gesichter")
    head = np.array([p.head_yaw_pitch_roll for p in packets])
    eyes = quat_from_head_angles(np.array([p.eyes_yaw_pitch_roll for p in packets]).mean(axis=1))

    def spread(signs):
        quat = rotations.multiply(quat_from_head_angles(head * signs), eyes)
        gaze = rotations.rotate(quat, np.array([0.0, 0.0, 1.0]))
        return np.sqrt(((gaze - gaze.mean(axis=0)) ** 2).sum(axis=1).mean())

    assert min(product((1, -1), repeat=3), key=lambda s: spread(np.array(s))) == (1, 1, 1)


def test_a_sub_frame_that_grew_past_one_is_taken(data):
    packets = read_gesichter(data / "arkit/llv/debug-all-blendshapes.gesichter")
    assert max(p.sub_frame for p in packets) > 2
    assert np.all(np.diff([device_time_ns(p) for p in packets]) > 0)


# The time in a gzip header would give the test another name in every worker.
CUT = gzip.compress(b"\x06\0\0\0\x02\0\0\0\x01\x06", mtime=0)


@pytest.mark.parametrize("content", [b"", b"junk", CUT], ids=["empty", "junk", "cut"])
def test_what_is_no_recording_of_packets_is_said_in_one_line(tmp_path, content):
    path = tmp_path / "x.gesichter"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_gesichter(path)
    assert "\n" not in str(caught.value)
