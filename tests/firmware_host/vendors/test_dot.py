"""Movella DOT: a public capture, payloads by the maker's tables, wrap, restart, noise."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_host.samples import Garbage, HubInfo, HubMode, ImuBlock
from firmware_host.vendors.blocks import GRAVITY_M_S2
from firmware_host.vendors.dot import (
    CONTROL,
    LONG,
    DotDevice,
    DotMode,
    DotPayload,
    decode_payload,
)

# Two notifications in a row that a device sent in the mode of free acceleration, and what numpy
# reads in them, as printed in github.com/protobioengineering/xsens-dot-python-examples,
# stream_free_acceleration_data.py at 3ddc1b2.
CAPTURED = [
    (b'\xd8\x05"D\xaf\x96@@k*\xa7@Z\xdd\x14\xc0\x00\x00\x00\x00', 1143080408),
    (b'\xf3F"D\r\xa5<@\x9c\x13\xa6@\xf0\x10\t\xc0\x00\x00\x00\x00', 1143097075),
]
CAPTURED_NUMBERS = [(3.009197, 5.223928, -2.3260102), (2.947574, 5.1898937, -2.1416588)]

# Custom mode 5 by the table of the specification XD0506P: clock, quaternion wxyz, acceleration,
# rates; worked out by hand: 1 s; turned by 90 deg about x; 9.8125 m/s² along y; 90 deg/s about z.
CUSTOM_5 = bytes.fromhex(
    "40420f00 f304353f f304353f 00000000 00000000 00000000 00001d41 00000000"
    "00000000 00000000 0000b442"
)
HALF = 0.5**0.5


def payload(clock_us, *numbers):
    return struct.pack(f"<I{len(numbers)}f", clock_us, *numbers)


def test_a_capture_of_a_real_device():
    for (data, clock_us), numbers in zip(CAPTURED, CAPTURED_NUMBERS, strict=True):
        found = decode_payload(DotMode.FREE_ACCELERATION, data)
        assert found == DotPayload(clock_us, free_accel=found.free_accel)
        np.testing.assert_allclose(found.free_accel, numbers, rtol=1e-6)
    assert CAPTURED[1][1] - CAPTURED[0][1] == 16667  # 60 Hz: the clock is in µs


def test_custom_mode_5_is_a_whole_sample():
    info, block = DotDevice("D4:CA", "chin").receive(CUSTOM_5, 7)
    assert isinstance(info, HubInfo)
    assert (info.device_id, info.slots, info.mode) == ("D4:CA", ("chin",), HubMode.RAW)
    assert (block.tick_us.tolist(), block.arrival_ns, block.tick_is_arrival) == (
        [1_000_000],
        7,
        False,
    )
    np.testing.assert_allclose(block.quat_world_from_sensor[0, 0], [HALF, HALF, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(block.accel_m_s2[0, 0], [0, 9.8125, 0])
    np.testing.assert_allclose(block.gyro_rad_s[0, 0], [0, 0, np.pi / 2], rtol=1e-6)


def test_the_device_is_told_what_to_measure_and_when_to_stop():
    device = DotDevice()
    assert device.outgoing() == [bytes.fromhex("01 01 1a")]
    assert device.outgoing() == []
    device.stop()
    assert device.outgoing() == [bytes.fromhex("01 00 1a")]
    assert CONTROL == "15172001-4947-11e9-8646-d663bd873d93"
    assert LONG.startswith("15172002")


@pytest.mark.parametrize("padding", [0, 4, 19])
@pytest.mark.parametrize(
    ("mode", "numbers", "known"),
    [
        (DotMode.COMPLETE_QUATERNION, [1, 0, 0, 0, 0, 0, 0], "qa"),
        (DotMode.EXTENDED_QUATERNION, [1, 0, 0, 0, 0, 0, 0, 0], "qa"),
        (DotMode.ORIENTATION_QUATERNION, [1, 0, 0, 0], "q"),
        (DotMode.RATE_QUANTITIES, [1, 2, 3, 4, 5, 6], "ag"),
        (DotMode.CUSTOM_3, [1, 0, 0, 0, 4, 5, 6], "qg"),
    ],
)
def test_every_mode_says_what_it_lacks(mode, numbers, known, padding):
    info, block = DotDevice(mode=mode).receive(payload(5, *numbers) + bytes(padding), 1)
    assert np.isfinite(block.accel_m_s2).all() == ("a" in known)
    assert np.isfinite(block.gyro_rad_s).all() == ("g" in known)
    assert (block.quat_world_from_sensor is not None) == ("q" in known)
    assert (info.mode is HubMode.RAW) == ("g" in known)


def test_free_acceleration_gets_its_gravity_back_along_the_sensors_own_axes():
    device = DotDevice(mode=DotMode.COMPLETE_QUATERNION)
    # Turned by 90 degrees about x: the world's z is the sensor's y, the world's y its −z.
    block = device.receive(payload(5, HALF, HALF, 0, 0, 1, 2, 3), 1)[1]
    np.testing.assert_allclose(
        block.accel_m_s2[0, 0], [1, 3 + GRAVITY_M_S2, -2], rtol=1e-5, atol=1e-6
    )
    unknown = device.receive(payload(9, 0, 0, 0, 0, 1, 2, 3), 1)[0]
    assert np.isnan(unknown.accel_m_s2).all()
    with pytest.raises(ValueError, match="without orientation"):
        DotDevice(mode=DotMode.FREE_ACCELERATION)


def test_ticks_go_on_over_the_wrap_of_the_clock_and_over_a_restart():
    device = DotDevice()
    # Two notifications were lost over the wrap; a restart leaves no trace but a clock that is back.
    clocks = [2**32 - 20_000, 2**32 - 10_000, 20_000, 30_000, 9_000_000, 9_010_000, 100, 10_100]
    blocks = [
        event
        for clock in clocks
        for event in device.receive(payload(clock, *[0] * 10), 1)
        if isinstance(event, ImuBlock)
    ]
    ticks = np.concatenate([block.tick_us for block in blocks])
    assert np.diff(ticks).tolist() == [10_000, 30_000, 10_000, 8_970_000, *[10_000] * 3]
    assert np.concatenate([block.sequence for block in blocks]).tolist() == list(range(8))


@given(st.sampled_from(DotMode), st.lists(st.binary(max_size=70), max_size=8))
def test_noise_never_raises_and_the_next_good_notification_is_read(mode, noise):
    for data in noise:
        found = decode_payload(mode, data)
        assert found is None or len(data) >= 20 or mode is DotMode.FREE_ACCELERATION
    device = DotDevice()
    ticks = [
        tick
        for data in [*noise, CUSTOM_5]
        for event in device.receive(data, 1)
        if isinstance(event, ImuBlock)
        for tick in event.tick_us.tolist()
    ]
    assert ticks == sorted(set(ticks))
    assert len(ticks) == 1 + sum(len(data) >= 44 for data in noise)


def test_a_short_notification_is_garbage():
    assert DotDevice().receive(CUSTOM_5[:-1], 1) == [Garbage(43)]
