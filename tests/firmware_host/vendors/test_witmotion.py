"""WitMotion: bytes by the maker's formulas, a public capture, noise, damage, lost frames."""

import math
import struct
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_host.samples import Garbage, HubInfo, ImuBlock
from firmware_host.vendors.blocks import GRAVITY_M_S2
from firmware_host.vendors.witmotion import (
    BLE_FRAME_SIZE,
    FRAME_SIZE,
    WitDecoder,
    WitFrame,
    WitMotionBle,
    WitMotionSerial,
    _ble_starts,
    _has_sum,
    _is_ble_frame,
    _summed_starts,
    settings,
)

# One round, worked out by hand with the formulas of the datasheet "WT901 v20-0702", section 5.1:
# 2026-03-04 05:06:07.890; 1 g up, 25.00 °C; +250, -500, 1000 deg/s; 90 deg about z.
TIME = bytes.fromhex("55 50 1a 03 04 05 06 07 7a 03 55")
ACCEL = bytes.fromhex("55 51 00 00 00 00 00 08 c4 09 7b")
GYRO = bytes.fromhex("55 52 00 10 00 e0 00 40 c4 09 a4")
ANGLE = bytes.fromhex("55 53 00 00 00 00 00 40 00 00 e8")
QUAT = bytes.fromhex("55 59 82 5a 00 00 00 00 82 5a 66")
ROUND = TIME + ACCEL + GYRO + ANGLE + QUAT

# What a sensor of this family sent over its wire, as somebody left it beside his decoder for an
# STM32 (`/*55 51 00 00 … c1 f7*/` in a wt1_imu.c on GitHub): acceleration zero, turning not, roll
# 7.46 and pitch −1.11 degrees.
CAPTURED_WIRE = bytes.fromhex(
    "55 51 00 00 00 00 00 00 b6 01 5d 55 52 00 00 00 00 00 00 c9 89 f9"
    "55 53 4e 05 36 ff 00 00 06 c1 f7"
)

# What a WT901BLE68 at rest notified, as printed (its first 16 bytes) in github.com/obedier/vib,
# analyze_wt901_data.py; pitch and yaw, which the printing cut off, are zero here.
CAPTURED = bytes.fromhex("55 61 35 ff 59 ff 0a 08 00 00 00 00 00 00 b9 fc") + bytes(4)
CAPTURED_MOVING = bytes.fromhex("55 61 9c ff c2 ff d0 07 92 fe 7b ff 20 00 29 fe") + bytes(4)

cuts = st.lists(st.integers(1, 40), max_size=40)


def chunked(data, sizes):
    for size in sizes:
        yield data[:size]
        data = data[size:]
    yield data


def blocks(events):
    return [event for event in events if isinstance(event, ImuBlock)]


def garbage(events):
    return sum(event.count for event in events if isinstance(event, Garbage))


def readings(events):
    """(N, 6) accel and gyro of every sample, whatever blocks they came in."""
    rows = [
        np.concatenate((b.accel_m_s2[:, 0], b.gyro_rad_s[:, 0]), axis=1) for b in blocks(events)
    ]
    return np.concatenate(rows) if rows else np.zeros((0, 6))


def test_bytes_that_somebody_captured_from_a_wire_are_intact_and_a_round():
    found = WitDecoder(FRAME_SIZE, _has_sum, 1, _summed_starts).feed(CAPTURED_WIRE)
    assert [frame.kind for frame in found] == [0x51, 0x52, 0x53]
    assert struct.unpack("<2h", found[2].payload[:4]) == (1358, -202)
    block = blocks(WitMotionSerial().receive(CAPTURED_WIRE * 3, 7_000_000))[0]
    assert not block.accel_m_s2.any()
    assert not block.gyro_rad_s.any()
    assert block.tick_is_arrival


def test_a_round_of_frames_is_one_sample_in_si_units():
    device = WitMotionSerial("desk", "mentalis")
    assert device.receive(ANGLE + QUAT, 1) == []
    events = device.receive(ROUND, 5)
    assert events[0] == Garbage(2 * FRAME_SIZE)  # the round before was joined in its middle
    info, block = events[1:]
    assert isinstance(info, HubInfo)
    assert (info.device_id, info.slots) == ("desk", ("mentalis",))
    np.testing.assert_allclose(block.accel_m_s2[0, 0], [0, 0, GRAVITY_M_S2], rtol=1e-6)
    np.testing.assert_allclose(block.gyro_rad_s[0, 0], np.radians([250, -500, 1000]), rtol=1e-6)
    half = math.sqrt(0.5)
    np.testing.assert_allclose(block.quat_world_from_sensor[0, 0], [half, 0, 0, half], atol=1e-6)
    moment = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC)
    assert block.tick_us.tolist() == [round(moment.timestamp() * 1000) * 1000]
    assert (block.arrival_ns, block.tick_is_arrival) == (5, False)


def test_a_sample_comes_with_its_last_frame_once_a_round_is_known():
    device = WitMotionSerial()
    device.receive(ROUND, 1)
    assert blocks(device.receive(ROUND[:-1], 2)) == []
    assert len(blocks(device.receive(ROUND[-1:], 3))) == 1
    assert len(blocks(device.receive(ROUND, 4))) == 1


def test_without_time_in_its_content_the_samples_carry_their_arrival():
    device = WitMotionSerial()
    events = device.receive((ACCEL + GYRO + ANGLE) * 3, 7_000_000)
    ticks = np.concatenate([b.tick_us for b in blocks(events)])
    assert ticks.tolist() == [7000, 7001]
    assert all(b.tick_is_arrival and b.quat_world_from_sensor is None for b in blocks(events))


def test_a_lost_frame_leaves_only_its_own_readings_unknown():
    device = WitMotionSerial()
    damaged = bytearray(ROUND)
    damaged[2 * FRAME_SIZE + 4] ^= 1  # in the rates
    events = device.receive(ROUND * 2 + bytes(damaged) + ROUND, 1)
    assert Garbage(FRAME_SIZE) in events
    assert np.isnan(readings(events)[:, 3:]).all(axis=1).tolist() == [False, True, False]
    assert np.isfinite(readings(events)[:, :3]).all()


def test_the_answer_to_a_register_request_does_not_split_a_round():
    body = bytes.fromhex("55 5f 08 00 00 00 00 00 00 00")
    answer = body + bytes((sum(body) & 0xFF,))
    device = WitMotionSerial()
    events = device.receive(ROUND * 2 + TIME + ACCEL + answer + GYRO + ANGLE + QUAT, 1)
    assert len(readings(events)) == 2
    assert np.isfinite(readings(events)).all()


def test_an_independent_decoder_reads_the_same_numbers():
    protocol = pytest.importorskip("witmotion.protocol", reason="pip install --pre witmotion")
    device = WitMotionSerial()
    events = device.receive(ROUND * 2, 1)
    accel = protocol.AccelerationMessage.parse(ACCEL[2:-1]).a
    rates = protocol.AngularVelocityMessage.parse(GYRO[2:-1]).w
    # It takes g as 9.8.
    expected = np.concatenate((np.array(accel) * GRAVITY_M_S2 / protocol.G, np.radians(rates)))
    np.testing.assert_allclose(readings(events)[0], expected, rtol=1e-6)


def test_a_lost_last_frame_does_not_join_two_rounds():
    device = WitMotionSerial()
    events = device.receive(ROUND * 2 + ROUND[:-FRAME_SIZE] + ROUND * 2, 1)
    assert len(readings(events)) == 4


def test_time_goes_on_when_the_calendar_of_the_device_is_set_back_or_lost():
    def round_at(second, millisecond):
        body = bytes((0x55, 0x50, 26, 3, 4, 5, 6, second)) + millisecond.to_bytes(2, "little")
        return body + bytes((sum(body) & 0xFF,)) + ACCEL + GYRO

    device = WitMotionSerial()
    stream = [round_at(7, 0)] * 2 + [round_at(7, 10), round_at(3, 0), ACCEL + GYRO, round_at(3, 20)]
    events = device.receive(b"".join(stream) + round_at(3, 30), 1)
    ticks = np.concatenate([b.tick_us for b in blocks(events)])
    assert np.diff(ticks).tolist() == [10_000] * 5


@given(st.binary(max_size=600), cuts)
def test_noise_never_raises_and_every_byte_is_accounted_for(noise, sizes):
    decoder = WitDecoder(FRAME_SIZE, _has_sum, 1, _summed_starts)
    found = [f for chunk in chunked(noise, sizes) for f in decoder.feed(chunk)]
    used = sum(f.count if isinstance(f, Garbage) else FRAME_SIZE for f in found)
    assert used + decoder.pending == len(noise)
    assert decoder.pending < FRAME_SIZE
    for device in (WitMotionSerial(), WitMotionBle()):
        for chunk in chunked(noise, sizes):
            device.receive(chunk, 1)


@given(st.lists(st.sampled_from([ROUND, b"\x55", b"\x55\x51", b"xyz"]), max_size=12), cuts)
def test_any_chunking_gives_the_same_readings(parts, sizes):
    stream = ROUND + b"".join(parts)
    whole, cut = WitMotionSerial(), WitMotionSerial()
    got = [event for chunk in chunked(stream, sizes) for event in cut.receive(chunk, 1)]
    np.testing.assert_array_equal(readings(got), readings(whole.receive(stream, 1)))


pieces = st.sampled_from([ROUND, ROUND[:-1], CAPTURED, b"\x55" * 12, b"\x55\x51", b"\x55\x61"])


@given(st.lists(pieces | st.binary(max_size=40), max_size=20))
def test_many_bytes_at_once_are_read_as_one_by_one(parts):
    stream = b"".join(parts)
    for arguments in (
        (FRAME_SIZE, _has_sum, 1, _summed_starts),
        (BLE_FRAME_SIZE, _is_ble_frame, 0, _ble_starts),
    ):
        few, many = WitDecoder(*arguments), WitDecoder(*arguments)
        one_by_one = [found for octet in stream for found in few.feed(bytes((octet,)))]
        at_once = many._feed_many(stream) if len(stream) >= arguments[0] else many.feed(stream)
        assert many.pending == few.pending
        kinds = [found for found in one_by_one if isinstance(found, WitFrame)]
        assert [found for found in at_once if isinstance(found, WitFrame)] == kinds
        assert garbage(at_once) == garbage(one_by_one)


@given(st.integers(0, len(ROUND) - 1), st.integers(1, 255))
def test_damage_to_one_byte_costs_one_frame(at, flip):
    damaged = bytearray(ROUND)
    damaged[at] ^= flip
    decoder = WitDecoder(FRAME_SIZE, _has_sum, 1, _summed_starts)
    found = decoder.feed(ROUND + bytes(damaged) + ROUND)
    kinds = [f.kind for f in found if isinstance(f, WitFrame)]
    intact = [0x50, 0x51, 0x52, 0x53, 0x59]
    rest = [kind for i, kind in enumerate(intact) if i != at // FRAME_SIZE]
    assert kinds == intact + rest + intact


def test_settings_are_the_writes_that_the_maker_describes():
    # "Unlock", "set" and "save" of the maker's manual; content 0x0007 is time, accel and rates.
    assert settings(200) == [
        bytes.fromhex(write)
        for write in ("FF AA 69 88 B5", "FF AA 02 07 00", "FF AA 03 0B 00", "FF AA 00 00 00")
    ]
    assert settings(100, with_quat=True)[1:3] == [
        bytes.fromhex("FF AA 02 07 02"),
        bytes.fromhex("FF AA 03 09 00"),
    ]
    with pytest.raises(ValueError, match="got 60"):
        settings(60)


def test_a_megabyte_of_heads_takes_time_in_proportion_and_no_memory():
    decoder = WitDecoder(FRAME_SIZE, lambda _: False, 1, lambda _: [])
    assert decoder.feed(b"\x55" * 1_000_000) == [Garbage(1_000_000 - FRAME_SIZE + 1)]
    assert decoder.pending == FRAME_SIZE - 1


def test_a_captured_notification_of_a_sensor_at_rest_reads_one_g():
    block = blocks(WitMotionBle().receive(CAPTURED, 8_000))[0]
    np.testing.assert_allclose(
        block.accel_m_s2[0, 0],
        np.array([-203, -167, 2058]) * (16 * GRAVITY_M_S2 / 32768),
        rtol=1e-6,
    )
    assert np.linalg.norm(block.accel_m_s2) == pytest.approx(GRAVITY_M_S2, rel=0.02)
    assert not block.gyro_rad_s.any()
    assert (block.tick_us.tolist(), block.tick_is_arrival) == ([8], True)


def test_a_captured_notification_of_a_turning_sensor_reads_its_rates():
    block = blocks(WitMotionBle().receive(CAPTURED_MOVING, 1))[0]
    np.testing.assert_allclose(
        np.degrees(block.gyro_rad_s[0, 0]), np.array([-366, -133, 32]) * 2000 / 32768, rtol=1e-5
    )


@given(st.binary(max_size=50).filter(lambda noise: 0x55 not in noise), st.integers(1, 4), cuts)
def test_notifications_are_found_behind_noise_however_they_are_cut(noise, count, sizes):
    register = b"\x55\x71\x3a\x00" + struct.pack("<8h", *range(8))
    device = WitMotionBle()
    stream = noise + register + CAPTURED * count
    events = [event for chunk in chunked(stream, sizes) for event in device.receive(chunk, 1)]
    assert len(readings(events)) == count
    assert sum(event.count for event in events if isinstance(event, Garbage)) == len(noise)
    ticks = np.concatenate([b.tick_us for b in blocks(events)])
    assert (np.diff(ticks) > 0).all()
    assert len(register) == BLE_FRAME_SIZE
