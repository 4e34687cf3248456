"""SlimeVR: bytes of an independent encoder, the approval of strangers, bundles, loss, noise."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_host.samples import Duplicate, Garbage, HubInfo, HubMode, ImuBlock
from firmware_host.vendors.blocks import GRAVITY_M_S2
from firmware_host.vendors.events import Health, LinkDelay, PacketsLost, Stranger
from firmware_host.vendors.slime_packets import (
    MAX_PACKETS,
    Acceleration,
    Handshake,
    Malformed,
    Pong,
    Rotation,
    SensorInfo,
    decode_datagram,
)
from firmware_host.vendors.slimevr import KEEP_ALIVE_NS, SILENT_NS, SlimeTracker

# What the encoder of the SlimeVR-Rust project writes, by its own tests
# (networking/firmware_protocol/src/test_deku.rs at 031a3d6).
HANDSHAKE = bytes.fromhex(
    "00000003 0000000000000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008"
    "04 74657374 7922a4fae7cc"
)
INFO = bytes.fromhex("0000000f 0000000000000001 40 03 05")
ROTATION = bytes.fromhex("00000011 0000000000000001 40 01 00000000 00000000 00000000 3f800000 00")
PING = bytes.fromhex("0000000a 0000000000000001 01020304")
ACCELERATION = bytes.fromhex("00000004 0000000000000010 3dcccccd 3f000000 3f666666 20")
MAC = "79:22:A4:FA:E7:CC"
HALF = 0.5**0.5


def packet(kind, payload, number=None):
    """One packet, by the server's UDPProtocolParser.kt; without a number, as inside a bundle."""
    head = struct.pack(">I", kind)
    return head + (b"" if number is None else struct.pack(">Q", number)) + payload


def rotation(sensor, w, x, y, z, number=None):
    return packet(17, struct.pack(">BB4fB", sensor, 1, x, y, z, w, 0), number)


def acceleration(sensor, x, y, z, number=None):
    return packet(4, struct.pack(">3fB", x, y, z, sensor), number)


def bundle(number, *packets):
    parts = (struct.pack(">H", len(part)) + part for part in packets)
    return packet(100, b"".join(parts), number)


def linked(slots=()):
    tracker = SlimeTracker({MAC}, "192.0.2.7", slots)
    tracker.receive(HANDSHAKE, 0)
    tracker.outgoing()
    return tracker


def blocks(events):
    return [event for event in events if isinstance(event, ImuBlock)]


def test_packets_of_an_independent_encoder():
    assert decode_datagram(HANDSHAKE) == (1, [Handshake(MAC, "test")])
    assert decode_datagram(INFO) == (1, [SensorInfo(64, 3)])
    assert decode_datagram(ROTATION) == (1, [Rotation(64, (1.0, 0.0, 0.0, 0.0))])
    assert decode_datagram(PING) == (1, [Pong(0x01020304)])
    number, (accel,) = decode_datagram(ACCELERATION)
    assert (number, accel.sensor) == (16, 32)
    np.testing.assert_allclose(accel.vector, [0.1, 0.5, 0.9], rtol=1e-6)


def test_old_trackers_and_telephones_are_understood():
    quat = struct.pack(">4f", 0, 0, HALF, HALF)
    assert decode_datagram(packet(1, quat, 5))[1][0].sensor == 0
    assert decode_datagram(packet(16, quat, 5))[1][0].sensor == 1
    assert decode_datagram(packet(4, struct.pack(">3f", 1, 2, 3), 5)) == (
        5,
        [Acceleration(0, (1.0, 2.0, 3.0))],
    )
    for size in range(12, len(HANDSHAKE)):
        (found,) = decode_datagram(HANDSHAKE[:size])[1]
        assert isinstance(found, Handshake)
        assert found.mac == ""


def test_a_stranger_is_reported_not_answered_and_not_heard_until_somebody_approves():
    approved = set()
    tracker = SlimeTracker(approved, "192.0.2.7")
    assert tracker.receive(HANDSHAKE, 0) == [Stranger(MAC, "test")]
    sample = rotation(0, 1, 0, 0, 0, 2)
    assert tracker.receive(sample, 1) == [Garbage(len(sample))]
    tracker.keep_alive(10**10)
    assert tracker.outgoing() == []
    approved.add(MAC)
    (info,) = tracker.receive(HANDSHAKE, 2)
    assert (info.device_id, info.firmware, info.mode) == (MAC, "test", HubMode.FUSED)
    (greeting,) = tracker.outgoing()
    assert greeting == b"\x03Hey OVR =D 5" + bytes(51)
    assert len(blocks(tracker.receive(sample, 3))) == 1


def test_a_tracker_without_a_mac_is_known_by_its_address():
    tracker = SlimeTracker({"192.0.2.7"}, "192.0.2.7")
    (info,) = tracker.receive(HANDSHAKE[:20], 0)
    assert info.device_id == "192.0.2.7"


def test_a_sensor_nobody_announced_widens_the_rows_behind_it():
    tracker = linked(("mentalis",))
    events = tracker.receive(
        bundle(1, rotation(0, 1, 0, 0, 0), acceleration(0, 1, 2, 3), rotation(1, HALF, HALF, 0, 0)),
        5_000,
    )
    first, info, block = events
    assert first.accel_m_s2.shape[1] == 1
    assert info.slots == ("mentalis", "sensor1")
    assert block.accel_m_s2.shape[1] == 2
    assert np.isnan(block.gyro_rad_s).all()
    assert (block.tick_is_arrival, block.arrival_ns) == (True, 5_000)


def test_once_its_sensors_are_known_a_bundle_is_one_row():
    tracker = linked()
    for sensor in (0, 1):
        tracker.receive(packet(15, bytes((sensor, 1, 8)), sensor + 1), 0)
    one = (rotation(0, 1, 0, 0, 0), acceleration(0, 1, 2, 3), rotation(1, HALF, 0, 0, HALF))
    (block,) = tracker.receive(bundle(3, *one), 5_000)
    np.testing.assert_allclose(
        block.quat_world_from_sensor, [[[1, 0, 0, 0], [HALF, 0, 0, HALF]]], atol=1e-6
    )
    np.testing.assert_allclose(block.accel_m_s2[0, 0], [1, 2, 3 + GRAVITY_M_S2], rtol=1e-6)
    assert np.isnan(block.accel_m_s2[0, 1]).all()
    (twice,) = tracker.receive(bundle(4, *one, *one), 9_000_000)
    assert twice.tick_us.tolist() == [9000, 9001]


def test_gravity_is_put_back_along_the_axis_that_points_up():
    for quat, up in [
        ((1, 0, 0, 0), (0, 0, 1)),
        ((HALF, HALF, 0, 0), (0, 1, 0)),  # turned by 90 degrees about x: y points up
        ((HALF, 0, HALF, 0), (-1, 0, 0)),
        ((0, 1, 0, 0), (0, 0, -1)),
    ]:
        tracker = linked()
        datagram = bundle(1, rotation(0, *quat), acceleration(0, 0, 0, 0))
        (block,) = tracker.receive(datagram, 1)
        np.testing.assert_allclose(block.accel_m_s2[0, 0], np.array(up) * GRAVITY_M_S2, atol=1e-5)


def test_acceleration_is_unknown_without_a_recent_orientation():
    tracker = linked()
    assert blocks(tracker.receive(acceleration(0, 1, 2, 3, 1), 0)) == []
    tracker.receive(rotation(0, 1, 0, 0, 0, 2), 0)
    (fresh,) = tracker.receive(acceleration(0, 1, 2, 3, 3), 50_000_000)
    assert np.isfinite(fresh.accel_m_s2).all()
    assert fresh.quat_world_from_sensor is None
    assert blocks(tracker.receive(acceleration(0, 1, 2, 3, 4), 10**9)) == []


def test_the_short_sample_and_the_short_bundle():
    # By hand from UDPPacket.kt (UDPPacket23): sensor, x y z w of 1/32768, acceleration of 1/128.
    short = bytes.fromhex("00 0000 0000 5a82 5a82 0080 ff80 0000")
    tracker = linked()
    (block,) = tracker.receive(packet(23, short, 1), 1)
    np.testing.assert_allclose(block.quat_world_from_sensor[0, 0], [HALF, 0, 0, HALF], atol=1e-4)
    np.testing.assert_allclose(block.accel_m_s2[0, 0], [1, -1, GRAVITY_M_S2], atol=1e-4)
    inside = bytes((len(short) + 1, 23)) + short
    (again,) = tracker.receive(packet(101, inside, 2), 2)
    np.testing.assert_array_equal(again.accel_m_s2, block.accel_m_s2)


@pytest.mark.parametrize("quat", [(0, 0, 0, 0), (float("nan"), 0, 0, 0), (3, 0, 0, 0)])
def test_an_orientation_that_is_none_is_unknown_not_identity(quat):
    tracker = linked()
    assert blocks(tracker.receive(bundle(1, rotation(0, *quat), acceleration(0, 1, 2, 3)), 1)) == []


def test_a_correction_is_no_orientation_of_the_sensor():
    correction = packet(17, struct.pack(">BB4fB", 0, 2, 0, 0, 0, 1, 0), 1)
    assert linked().receive(correction, 1) == []


def test_numbers_tell_loss_and_repetition_and_a_restarted_tracker_counts_anew():
    tracker = linked()
    assert len(blocks(tracker.receive(rotation(0, 1, 0, 0, 0, 7), 1))) == 1
    assert tracker.receive(rotation(0, 1, 0, 0, 0, 7), 1) == [Duplicate(7)]
    assert tracker.receive(rotation(0, 1, 0, 0, 0, 10), 1)[0] == PacketsLost(2)
    wild = rotation(0, 1, 0, 0, 0, 2**63)
    assert tracker.receive(wild, 1) == [Garbage(len(wild))]
    assert tracker.receive(rotation(0, 1, 0, 0, 0, 9), 1) == [Duplicate(9)]
    assert isinstance(tracker.receive(HANDSHAKE, 1)[0], HubInfo)
    assert len(blocks(tracker.receive(rotation(0, 1, 0, 0, 0, 1), 1))) == 1


def test_heartbeats_keep_the_link_and_an_echoed_ping_tells_its_delay():
    tracker = linked()
    for time_ns in range(0, 10 * KEEP_ALIVE_NS, KEEP_ALIVE_NS // 4):
        tracker.keep_alive(time_ns)
    sent = tracker.outgoing()
    assert len(sent) == 20
    assert sent[0] == bytes.fromhex("00000001 0000000000000000")
    assert sent[1] == bytes.fromhex("0000000a 0000000000000000 00000001")
    last_sent_ns = 9 * KEEP_ALIVE_NS
    echo = sent[-1][:4] + struct.pack(">Q", 1) + sent[-1][12:]
    assert tracker.receive(echo, last_sent_ns + 7) == [LinkDelay(7)]
    assert tracker.receive(PING[:4] + struct.pack(">Q", 2) + PING[12:], 1) == []
    assert not tracker.is_silent(1 + SILENT_NS)
    assert tracker.is_silent(2 + SILENT_NS)


def test_state_features_battery_and_temperature():
    tracker = linked()
    tracker.receive(packet(15, b"\x00\x01\x08", 1), 1)
    tracker.receive(packet(22, b"\x00", 2), 1)
    assert tracker.outgoing() == [
        bytes.fromhex("0000000f 00 01"),
        bytes.fromhex("00000016 0000000000000000 01"),
    ]
    assert tracker.receive(packet(12, struct.pack(">2f", 4.0, 0.5), 3), 1) == [Health(battery=0.5)]
    assert tracker.receive(packet(12, struct.pack(">f", 0.25), 4), 1) == [Health(battery=0.25)]
    (health,) = tracker.receive(packet(20, struct.pack(">Bf", 0, 31.5), 5), 1)
    assert health.temperature_c == 31.5
    assert tracker.receive(packet(19, b"\xff\xc3", 6), 1) == [Health(rssi_dbm=-61)]


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_noise_never_raises_and_a_good_datagram_behind_it_is_heard(noise):
    tracker = linked()
    for time_ns, datagram in enumerate(noise):
        tracker.receive(datagram, time_ns)
    tracker.receive(HANDSHAKE, 100)
    assert tracker.info is not None
    assert len(blocks(tracker.receive(rotation(0, 1, 0, 0, 0, 2), 101))) == 1


@given(st.data())
def test_damage_anywhere_in_a_bundle_never_raises_and_never_widens_beyond_the_limit(data):
    good = bundle(
        5, rotation(0, 1, 0, 0, 0), acceleration(0, 1, 2, 3), rotation(1, HALF, HALF, 0, 0)
    )
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    tracker = linked()
    tracker.receive(bytes(damaged[: data.draw(st.integers(0, len(good)))]), 1)
    assert tracker.info is None or len(tracker.info.slots) <= 16


def test_a_bundle_of_empty_or_endless_packets_is_bounded():
    assert decode_datagram(packet(100, bytes(60_000), 1)) == (1, [])
    tiny = (b"\x00\x05" + packet(22, b"\x00")) * 5000
    packets = decode_datagram(packet(100, tiny, 1))[1]
    assert len(packets) == MAX_PACKETS + 1
    assert packets[-1] == Malformed(len(tiny) - MAX_PACKETS * 7)
    cut = decode_datagram(bundle(1, rotation(0, 1, 0, 0, 0))[:-3])
    assert SlimeTracker({MAC}, "").receive(b"\0" * 11, 1) == [Garbage(11)]
    assert cut == (1, [Malformed(2 + len(rotation(0, 1, 0, 0, 0)) - 3)])


def test_a_number_that_damage_raised_does_not_silence_a_tracker_for_good():
    tracker = linked()
    tracker.receive(rotation(0, 1, 0, 0, 0, 10), 1)
    tracker.receive(rotation(0, 1, 0, 0, 0, 90_000), 2)
    heard = [tracker.receive(rotation(0, 1, 0, 0, 0, 11 + k), 3 + k) for k in range(70)]
    blocks = [any(isinstance(event, ImuBlock) for event in found) for found in heard]
    assert heard[0] == [Duplicate(11)]
    assert blocks == [False] * 63 + [True] * 7
    assert tracker.receive(rotation(0, 1, 0, 0, 0, 40), 99) == [Duplicate(40)]
