"""Virtual devices are heard as what they felt, by decoders that were written apart from them."""

import math

import numpy as np
import pytest

from firmware_host.samples import Garbage, HubInfo, ImuBlock
from firmware_host.vendors.slimevr import SlimeTracker
from firmware_host.vendors.witmotion import WitMotionSerial, settings
from firmware_host.vendors.ximu3 import XimuDevice
from firmware_host.virtual.motion import GRAVITY_M_S2, DeviceClock, Motion
from firmware_host.virtual.slimevr import SERVER_SILENCE_S, VirtualTracker, still_tracker
from firmware_host.virtual.uart import misread
from firmware_host.virtual.witmotion import VirtualWitMotion
from firmware_host.virtual.ximu3 import VirtualXimu3

MAC = "02:00:00:00:00:07"


def motion(count=50):
    random = np.random.default_rng(3)
    accel, gyro = random.normal(0, 9, (count, 3)), random.normal(0, 3, (count, 3))
    return Motion(np.arange(count) / 100, accel, gyro)


def heard(device, sender):
    """All blocks of a device that is fed a virtual one, instant by instant."""
    found = []
    for at in range(200):
        for reply in device.outgoing():
            found += device.receive(sender.receive(reply, at / 100), at)
        found += device.receive(sender.due(at / 100), at)
    return [event for event in found if isinstance(event, ImuBlock)], found


def joined(blocks, name):
    return np.concatenate([getattr(block, name) for block in blocks])


@pytest.mark.parametrize("binary", [False, True])
def test_an_ximu3_is_heard_as_it_moved_and_says_who_it_is(binary):
    felt, device = motion(), XimuDevice()
    sender = VirtualXimu3(felt, "0042", DeviceClock(epoch_us=7, drift_ppm=50), binary)
    blocks, found = heard(device, sender)
    assert sender.finished
    np.testing.assert_allclose(joined(blocks, "accel_m_s2")[:, 0], felt.accel_m_s2, atol=1e-3)
    np.testing.assert_allclose(joined(blocks, "gyro_rad_s")[:, 0], felt.gyro_rad_s, atol=1e-5)
    elapsed = joined(blocks, "tick_us") - 7
    np.testing.assert_allclose(elapsed, felt.time_s * (1e6 + 50), atol=1)
    assert device.info is not None
    assert device.info.device_id == "0042"
    assert not any(isinstance(event, Garbage) for event in found)


def test_a_witmotion_is_heard_as_it_moved():
    felt, device = motion(), WitMotionSerial()
    sender = VirtualWitMotion(felt)
    blocks, _ = heard(device, sender)
    counts = len(joined(blocks, "accel_m_s2"))
    assert counts >= len(felt.time_s) - 2  # the first round is joined in its middle
    kept = slice(len(felt.time_s) - counts, None)
    one_a, one_g = 16 * GRAVITY_M_S2 / 32768, math.radians(2000) / 32768
    np.testing.assert_allclose(
        joined(blocks, "accel_m_s2")[:, 0], felt.accel_m_s2[kept], rtol=0, atol=one_a
    )
    np.testing.assert_allclose(
        joined(blocks, "gyro_rad_s")[:, 0], felt.gyro_rad_s[kept], rtol=0, atol=one_g
    )
    assert np.diff(joined(blocks, "tick_us")).tolist() == [10_000] * (counts - 1)


def test_a_witmotion_sends_what_its_settings_say():
    sender = VirtualWitMotion(motion(), has_time=False)
    assert b"\x55\x50" not in sender.due(0.05)
    for command in settings(100):
        sender.receive(command)
    assert b"\x55\x50" in sender.due(0.1)


def test_a_frozen_clock_is_counted_by_the_decoders():
    felt, clock = motion(), DeviceClock(frozen_after_s=0.1)
    for device, sender in (
        (WitMotionSerial(), VirtualWitMotion(felt, clock)),
        (XimuDevice(), VirtualXimu3(felt, clock=clock)),
    ):
        blocks, _ = heard(device, sender)
        assert device.stuck_ticks > 30
        assert (np.diff(joined(blocks, "tick_us")) > 0).all()


def test_a_tracker_is_heard_with_gravity_put_back_whether_bundled_or_not():
    half = math.sqrt(0.5)
    quat = np.tile(np.array((half, half, 0.0, 0.0)), (100, 2, 1))  # +y of the sensor is up
    linear = np.zeros((100, 2, 3))
    linear[..., 0] = 0.5
    tracker = VirtualTracker(MAC, np.arange(100) / 100, quat, linear)
    server = SlimeTracker({MAC}, MAC, ("a", "b"))
    blocks, datagrams = [], 0
    for at in range(150):
        now_ns = at * 10_000_000
        server.keep_alive(now_ns)
        sent = tracker.due(at / 100)
        for reply in server.outgoing():
            sent += tracker.receive(reply, at / 100)
        datagrams += len(sent)
        for datagram in sent:
            blocks += [e for e in server.receive(datagram, now_ns) if isinstance(e, ImuBlock)]
    assert tracker.finished
    assert server.info is not None
    assert server.info.slots == ("a", "b")
    accel = blocks[-1].accel_m_s2[-1]
    np.testing.assert_allclose(accel, [[0.5, GRAVITY_M_S2, 0.0]] * 2, atol=1e-3)
    assert np.isnan(blocks[-1].gyro_rad_s).all()
    assert 0 < tracker.delivered <= sum(map(len, blocks)) + 2
    assert datagrams < 2 * tracker.delivered  # one bundle a sample


def test_a_tracker_that_hears_no_server_cries_again():
    tracker = still_tracker(MAC, 10.0)
    first = tracker.due(0.0)
    assert [datagram[3] for datagram in first] == [3]
    tracker.receive(b"\x03Hey OVR =D 5", 0.1)
    assert any(datagram[3] == 17 for datagram in tracker.due(0.5))
    late = tracker.due(0.2 + SERVER_SILENCE_S)
    assert [datagram[3] for datagram in late] == [3]


def test_the_right_rate_reads_what_was_sent_and_wrong_ones_do_not():
    sent = bytes(range(256))
    assert misread(sent, 115_200, 115_200) == sent
    assert misread(sent, 115_200, 117_000) == sent  # within what a UART bears
    for read in (9600, 19_200, 57_600, 230_400, 460_800):
        assert misread(sent, 115_200, read) != sent


def test_a_witmotion_at_another_rate_is_nothing_but_garbage():
    sent = VirtualWitMotion(motion(50)).due(10.0)
    for read in (9600, 57_600, 230_400):
        found = WitMotionSerial().receive(misread(sent, 115_200, read), 1)
        assert not any(isinstance(event, HubInfo | ImuBlock) for event in found)
