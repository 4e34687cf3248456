"""The hub as the host sees it: every sample scaled, ordered and accounted for."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_host import commands, frames, messages
from firmware_host.commands import SyncPulse
from firmware_host.device import HubDevice, unwrap
from firmware_host.frames import encode
from firmware_host.messages import Info, Kind, Pong
from firmware_host.samples import (
    Answer,
    Duplicate,
    Gap,
    Garbage,
    HubEnd,
    HubEvent,
    HubFeatures,
    HubInfo,
    HubStatus,
    ImuBlock,
    Result,
    RoundTrip,
    SyncEdge,
)

WRAP = 2**32
HUB = HubInfo("hub", "fw", 1, 200.0, 64.0, 16.0, ("brow", "jaw", "chin"))
HELLO, START, STOP = (messages.encode_command(k) for k in (Kind.HELLO, Kind.START, Kind.STOP))


def info(next_sequence: int = 0) -> bytes:
    return messages.encode_info(Info(HUB, next_sequence % WRAP))


def sample(sequence: int, tick_us: int | None = None) -> bytes:
    tick_us = 5000 * sequence if tick_us is None else tick_us
    readings = np.full((3, 6), sequence % 100, np.int16)
    return messages.encode_sample(sequence % WRAP, tick_us % WRAP, 0b111, readings)


def samples(*sequences: int) -> bytes:
    return b"".join(map(sample, sequences))


def greeted(next_sequence: int = 0) -> HubDevice:
    device = HubDevice()
    device.receive(info(next_sequence), 0)
    device.outgoing()
    return device


def sequences(events: list[HubEvent]) -> list[int]:
    return [int(s) for e in events if isinstance(e, ImuBlock) for s in e.sequence]


def ticks(events: list[HubEvent]) -> list[int]:
    return [int(t) for e in events if isinstance(e, ImuBlock) for t in e.tick_us]


def lost(events: list[HubEvent]) -> int:
    return sum(e.count for e in events if isinstance(e, Gap))


def test_the_conversation_opens_with_hello_and_answers_info_with_start():
    device = HubDevice()
    assert device.outgoing() == [HELLO]
    assert device.outgoing() == []
    assert device.receive(info(), 0) == [HUB]
    assert device.outgoing() == [START]
    device.hello()
    device.stop()
    assert device.outgoing() == [HELLO, STOP]


def test_an_info_after_stop_is_answered_with_stop_again():
    device = greeted()
    device.stop()
    device.receive(info(), 0)
    assert device.outgoing() == [STOP, STOP]


def test_samples_of_one_chunk_become_one_block_in_si_units():
    device = greeted()
    readings = np.array([[16384, -32768, 0, 1, 2, 32767], [1, 2, 3, 4, 5, 6]], np.int16)
    wire = messages.encode_sample(0, 100, 0b101, readings) + sample(1, 200)
    (block,) = device.receive(wire, 77)
    assert isinstance(block, ImuBlock)
    assert len(block) == 2
    assert block.arrival_ns == 77
    assert block.accel_m_s2.dtype == block.gyro_rad_s.dtype == np.float32
    np.testing.assert_array_equal(block.tick_us, [100, 200])
    np.testing.assert_array_equal(block.accel_m_s2[0, 0], [32.0, -64.0, 0.0])
    np.testing.assert_allclose(block.gyro_rad_s[0, 2], np.array([4, 5, 6]) * 16 / 32768, rtol=1e-6)
    assert np.isnan(block.accel_m_s2[0, 1]).all()
    assert np.isnan(block.gyro_rad_s[0, 1]).all()
    assert np.isfinite(block.accel_m_s2[1]).all()


def test_a_gap_is_counted_exactly_and_stands_where_the_samples_are_missing():
    events = greeted().receive(samples(0, 1, 5, 6), 0)
    assert [type(e) for e in events] == [ImuBlock, Gap, ImuBlock]
    assert events[1] == Gap(sequence=2, count=3)
    assert sequences(events) == [0, 1, 5, 6]


def test_a_loss_right_after_info_and_right_before_the_end_is_seen_too():
    events = greeted(10).receive(samples(12, 13) + messages.encode_end(HubEnd(17)), 0)
    assert [e for e in events if isinstance(e, Gap)] == [Gap(10, 2), Gap(14, 3)]
    assert events[-1] == HubEnd(17)


def test_status_reveals_a_loss_at_once_and_it_is_not_counted_again():
    status = messages.encode_status(HubStatus(12_000, 3, math.nan))
    events = greeted().receive(sample(0) + status + sample(3), 0)
    assert [type(e) for e in events] == [ImuBlock, Gap, HubStatus, ImuBlock]
    assert events[1] == Gap(1, 2)


def test_samples_before_info_are_garbage_because_nothing_says_how_to_scale_them():
    device = HubDevice()
    events = device.receive(sample(41) + sample(42) + info(43) + sample(43), 0)
    assert events[:2] == [Garbage(len(sample(41))), Garbage(len(sample(42)))]
    assert events[2] == HUB
    assert sequences(events) == [43]
    assert lost(events) == 0


def test_a_repeated_sample_is_dropped_visibly_and_hello_asked_once():
    device = greeted()
    events = device.receive(samples(0, 1, 1, 0, 2), 0)
    assert sequences(events) == [0, 1, 2]
    assert [e for e in events if isinstance(e, Duplicate)] == [Duplicate(1), Duplicate(0)]
    assert device.outgoing() == [HELLO]


def test_two_samples_at_one_tick_are_not_both_believed():
    events = greeted().receive(sample(0, 500) + sample(1, 500) + sample(2, 600), 0)
    assert ticks(events) == [500, 600]
    assert Garbage(len(sample(1, 500))) in events
    assert Gap(1, 1) in events


@given(
    st.integers(0, WRAP - 1),
    st.integers(0, WRAP - 1),
    st.lists(st.tuples(st.integers(1, 2**30), st.integers(1, 2**31)), min_size=1, max_size=20),
)
def test_unwrapping_survives_any_loss_across_any_wrap(sequence, tick, steps):
    device = greeted(sequence)
    sent, events = [(sequence, tick)], device.receive(sample(sequence, tick), 0)
    for ahead, later in steps:
        sequence, tick = sequence + ahead, tick + later
        sent.append((sequence, tick))
        events += device.receive(sample(sequence, tick), 0)
    assert list(zip(sequences(events), ticks(events), strict=True)) == sent
    assert lost(events) == sequence - sent[0][0] - len(steps)


@given(st.integers(-(2**40), 2**40), st.integers(-(2**31), 2**31 - 1))
def test_unwrap_finds_the_nearest(near, step):
    assert unwrap(near, (near + step) % WRAP) == near + step


@pytest.mark.parametrize("announced", [True, False], ids=["boots aloud", "found by hello"])
def test_a_restarted_hub_goes_on_above_all_earlier_numbers(announced):
    device = greeted()
    events = device.receive(samples(*range(50)), 0)
    if not announced:
        events += device.receive(sample(0, 17), 0)  # its INFO was lost
        assert events[-1] == Duplicate(0)
        assert device.outgoing() == [HELLO]
    events += device.receive(info(0) + sample(0, 20) + sample(1, 30), 0)
    assert device.outgoing() == [START]
    assert sequences(events) == [*range(50), WRAP, WRAP + 1]
    assert ticks(events)[50:] == [WRAP + 20, WRAP + 30]
    assert lost(events) == 0


def test_a_stream_stopped_and_started_again_is_not_full_of_duplicates():
    device = greeted()
    first = device.receive(samples(0, 1, 2) + messages.encode_end(HubEnd(3)), 0)
    again = device.receive(sample(0, 90_000) + sample(1, 95_000), 0)
    assert sequences(first + again) == [0, 1, 2, WRAP, WRAP + 1]
    assert lost(first + again) == 0
    assert not any(isinstance(e, Duplicate) for e in again)


def test_an_unsupported_version_is_told_and_never_started():
    device = HubDevice()
    device.outgoing()
    (told, unscaled) = device.receive(encode(Kind.INFO, b"\x09whatever") + sample(0), 0)
    assert isinstance(told, HubInfo)
    assert told.protocol_version == 9
    assert isinstance(unscaled, Garbage)
    assert device.outgoing() == []


@given(st.binary(max_size=1500), st.lists(st.integers(1, 200), max_size=12))
def test_noise_between_samples_never_raises_and_loses_no_sample_behind_it(noise, sizes):
    device = greeted()
    stream = sample(0) + noise + b"\0" + samples(1, 2)
    events: list[HubEvent] = []
    for size in [*sizes, len(stream)]:
        events += device.receive(stream[:size], 0)
        stream = stream[size:]
    assert sequences(events) == [0, 1, 2]
    assert sum(e.count for e in events if isinstance(e, Garbage)) == len(noise) + 1


@given(st.lists(st.integers(1, 90), max_size=40))
def test_any_chunking_gives_the_same_samples(sizes):
    stream = info() + samples(0, 1, 2, 5, 6) + messages.encode_end(HubEnd(9))
    whole = HubDevice().receive(stream, 0)
    device, cut = HubDevice(), []
    for size in [*sizes, len(stream)]:
        cut += device.receive(stream[:size], 0)
        stream = stream[size:]
    assert sequences(cut) == sequences(whole)
    assert ticks(cut) == ticks(whole)
    assert [e for e in cut if not isinstance(e, ImuBlock)] == [
        e for e in whole if not isinstance(e, ImuBlock)
    ]


FEATURED = replace(HUB, features=HubFeatures.PING)


def pong(sent_ns: int, tick_us: int) -> bytes:
    return messages.encode_pong(Pong(sent_ns // 1000 % WRAP, tick_us))


def test_a_hub_that_cannot_tell_its_clock_is_not_asked():
    device = greeted()
    device.ping(5)
    assert device.outgoing() == []
    device.receive(messages.encode_info(Info(FEATURED, 0)), 0)
    device.outgoing()
    device.ping(5_000)
    assert device.outgoing() == [commands.encode_ping(5_000)]


@given(
    st.integers(0, 10**18),
    st.integers(0, 2_000_000_000 - 1000),
    st.integers(0, WRAP - 1),
)
def test_a_round_trip_is_known_from_the_answer_alone(sent_ns, took_ns, tick_us):
    (trip,) = greeted().receive(pong(sent_ns, tick_us), sent_ns + took_ns)
    assert trip == RoundTrip(tick_us, sent_ns // 1000 * 1000, sent_ns + took_ns)


def test_a_pong_to_another_host_is_no_evidence():
    assert greeted().receive(pong(5_000_000_000, 7), 7_000_000_001) == []
    assert greeted().receive(pong(5_000_000_000, 7), 4_999_999_000) == []


def test_the_ticks_of_words_are_unwrapped_like_those_of_samples():
    device = greeted()
    device.receive(sample(0, WRAP - 10) + sample(1, WRAP + 10), 0)
    wire = pong(1000, 20) + messages.encode_sync(SyncEdge(3, WRAP - 5))
    trip, edge = device.receive(wire, 2000)
    assert trip == RoundTrip(WRAP + 20, 1000, 2000)
    assert edge == SyncEdge(3, WRAP - 5)


def test_requests_are_numbered_and_answers_come_back_as_they_are():
    device = greeted()
    numbers = [device.request(SyncPulse(9)) for _ in range(257)]
    assert numbers == [*range(256), 0]
    assert device.outgoing()[255] == commands.encode_request(255, SyncPulse(9))
    answer = Answer(255, Kind.SYNC_PULSE, Result.FAILED)
    assert device.receive(messages.encode_answer(answer), 0) == [answer]


def test_a_device_that_shall_not_stream_leaves_the_hub_in_peace():
    device = HubDevice(stream=False)
    assert device.outgoing() == [HELLO]
    assert device.receive(info(), 0) == [HUB]
    assert device.outgoing() == []
    device.stop()
    assert device.outgoing() == [STOP]


def fused(sequence: int, quats: np.ndarray, mask: int = 0b111) -> bytes:
    counts = np.clip(np.rint(quats * 32768), -32768, 32767)
    rows = np.concatenate((counts, np.full((len(quats), 3), 512)), axis=1).astype(np.int16)
    return messages.encode_sample(sequence, 5000 * sequence, mask, rows, Kind.SAMPLES_FUSED)


def test_fused_samples_become_a_block_with_orientations_and_rates():
    still, turned = np.tile([1.0, 0, 0, 0], (3, 1)), np.tile([0, 0, 0, 1.0], (3, 1))
    turned[0] = [math.cos(0.01), 0, math.sin(0.01), 0]  # 0.02 rad around y in 5 ms
    turned[1] = 0  # no orientation at all
    (block,) = greeted().receive(fused(0, still) + fused(1, turned), 77)
    assert isinstance(block, ImuBlock)
    assert block.quat_world_from_sensor is not None
    np.testing.assert_allclose(block.quat_world_from_sensor[0], still, atol=1e-6)
    np.testing.assert_allclose(block.quat_world_from_sensor[1, 0], turned[0], atol=5e-5)
    assert np.isnan(block.quat_world_from_sensor[1, 1]).all()
    np.testing.assert_array_equal(block.accel_m_s2, np.ones((2, 3, 3), np.float32))
    assert np.isnan(block.gyro_rad_s[0]).all()
    np.testing.assert_allclose(block.gyro_rad_s[1, 0], [0, 4.0, 0], atol=0.03)
    assert np.isnan(block.gyro_rad_s[1, 1]).all()
    np.testing.assert_allclose(block.gyro_rad_s[1, 2], [0, 0, math.pi / 5e-3], rtol=1e-3)


def test_raw_and_fused_samples_never_share_a_block():
    still = np.tile([1.0, 0, 0, 0], (2, 1))
    wire = sample(0) + fused(1, still, 0b101) + fused(2, still, 0b101) + sample(3)
    blocks = greeted().receive(wire, 0)
    assert [len(b) for b in blocks if isinstance(b, ImuBlock)] == [1, 2, 1]
    assert [b.quat_world_from_sensor is None for b in blocks] == [True, False, True]
    assert np.isnan(blocks[1].gyro_rad_s[:, 1]).all()
    np.testing.assert_array_equal(blocks[1].gyro_rad_s[1, [0, 2]], 0)


def test_a_fused_sample_with_the_length_of_a_raw_one_is_garbage():
    wire = frames.encode(Kind.SAMPLES_FUSED, frame_payload(sample(0)))
    assert greeted().receive(wire, 0) == [Garbage(len(wire))]


def frame_payload(wire: bytes) -> bytes:
    (frame,) = frames.FrameDecoder().feed(wire)
    assert isinstance(frame, frames.Frame)
    return frame.payload
