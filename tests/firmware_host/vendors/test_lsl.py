"""Motion sensors on the Lab Streaming Layer: labels, units, times, and anything at all."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_host.samples import Garbage, HubInfo, HubMode, ImuBlock
from firmware_host.vendors.events import Notice
from firmware_host.vendors.lsl import (
    Channel,
    Header,
    LslDevice,
    decode_header,
    decode_samples,
    encode_header,
    encode_samples,
    places_of,
)

AXES = ("ax", "ay", "az", "gx", "gy", "gz")


def header(labels, units=(), **facts):
    named = zip(labels, [*units, *[""] * (len(labels) - len(units))], strict=True)
    channels = tuple(Channel(label, unit) for label, unit in named)
    return Header(**({"name": "face", "rate_hz": 100.0, "channels": channels} | facts))


@pytest.mark.parametrize(
    ("labels", "sensors", "fields"),
    [
        (AXES, ("sensor",), range(6)),
        ([f"chin.{axis}" for axis in AXES], ("chin",), range(6)),
        (["accX", "accY", "accZ", "gyroX", "gyroY", "gyroZ"], ("sensor",), range(6)),
        (["L_acc_x", "L_gyr_x", "R_acc_x", "R_gyr_x"], ("L", "R"), (0, 3, 0, 3)),
        (["S1 Accel X", "S1 quat w", "S1 quat z"], ("S1",), (0, 6, 9)),
        (["quat_w", "EMG1", "accw"], (), ()),
    ],
)
def test_sensors_are_found_by_their_labels(labels, sensors, fields):
    found = places_of(header(labels).channels)
    assert found.sensors == sensors
    assert found.fields == tuple(fields)


def test_values_become_si_units_whatever_the_channels_say():
    device = LslDevice()
    units = ["g", "mg", "m/s^2", "deg/s", "rad/s", "mdps"]
    events = device.receive(encode_header(header(AXES, units, source_id="id-7")), 1)
    (info,) = events
    assert isinstance(info, HubInfo)
    assert (info.device_id, info.rate_hz, info.slots) == ("id-7", 100.0, ("sensor",))
    assert info.mode is HubMode.RAW
    values = np.array([[1.0, 1000.0, 2.0, 180.0, 3.0, 180_000.0]])
    (block,) = device.receive(encode_samples(np.array([5.0]), values), 77)
    assert isinstance(block, ImuBlock)
    assert block.arrival_ns == 77
    assert block.tick_us.tolist() == [5_000_000]
    assert block.accel_m_s2[0, 0] == pytest.approx([9.80665, 9.80665, 2.0])
    assert block.gyro_rad_s[0, 0] == pytest.approx([math.pi, 3.0, math.pi])


def test_times_are_the_senders_and_never_go_back():
    device = LslDevice()
    device.receive(encode_header(header(AXES)), 1)
    stamps = np.array([5.0, 5.01, 5.005, math.nan, 5.04])
    (block,) = device.receive(encode_samples(stamps, np.zeros((5, 6))), 2)
    assert block.tick_us[0] == 5_000_000
    assert (np.diff(block.tick_us) > 0).all()
    assert device.stuck_ticks == 1


def test_a_stream_that_says_otherwise_later_is_believed():
    device = LslDevice()
    device.receive(encode_header(header(["face.ax", "face.gx"])), 1)
    assert device.receive(encode_header(header(["face.ax", "face.gx"])), 1) == []
    (info,) = device.receive(encode_header(header([f"chin.{axis}" for axis in AXES])), 2)
    assert info.slots == ("chin",)
    (block,) = device.receive(encode_samples(np.array([5.0]), np.ones((1, 6))), 3)
    assert np.isfinite(block.gyro_rad_s).all()


def test_a_unit_that_nobody_knows_is_told_and_left_out():
    device = LslDevice()
    events = device.receive(encode_header(header(AXES, ["furlongs"])), 1)
    assert [type(event) for event in events] == [Notice, HubInfo]
    assert "ax in furlongs" in events[0].text
    (block,) = device.receive(encode_samples(np.array([5.0]), np.ones((1, 6))), 2)
    assert np.isnan(block.accel_m_s2[0, 0, 0])
    assert block.accel_m_s2[0, 0, 1] == 1.0


def test_a_stream_without_motion_says_so_and_gives_nothing():
    device = LslDevice()
    (notice,) = device.receive(encode_header(header(["EMG1", "EMG2"])), 1)
    assert isinstance(notice, Notice)
    assert "EMG1" in notice.text
    assert device.info is None
    samples = encode_samples(np.array([5.0]), np.ones((1, 2)))
    assert device.receive(samples, 2) == [Garbage(len(samples))]


stamps = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=9)


@given(stamps, st.integers(1, 5))
def test_samples_are_read_back(times, channels):
    values = np.arange(len(times) * channels, dtype=float).reshape(len(times), channels)
    got = decode_samples(encode_samples(np.array(times, float), values), channels)
    assert got is not None
    assert got[0].tolist() == times
    assert np.array_equal(got[1], values)
    assert decode_samples(encode_samples(np.array(times, float), values) + b"x", channels) is None


def test_a_header_is_read_back():
    sent = header(AXES, ["g"], source_id="x")
    assert decode_header(encode_header(sent)) == sent


@given(
    st.lists(st.sampled_from([b"H", b"S", b"{", b'"name":"a"', b"\0\0\0\1", b"\xff"]), max_size=9)
)
def test_anything_is_garbage_and_never_raises(pieces):
    device = LslDevice()
    device.receive(encode_header(header(AXES)), 1)
    data = b"".join(pieces)
    for event in device.receive(data, 2):
        assert isinstance(event, Garbage | ImuBlock)
