"""The simulated hub, without a line: what it sends, and what it admits to have lost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_host import commands, frames, messages
from firmware_host.clock import fit_clock
from firmware_host.commands import Identify, Request, SetMode, SetRange, SetRate, SyncPulse
from firmware_host.device import HubDevice
from firmware_host.errors import DataError
from firmware_host.messages import Kind
from firmware_host.samples import (
    Answer,
    Gap,
    Garbage,
    HubEnd,
    HubEvent,
    HubInfo,
    HubMode,
    HubStatus,
    ImuBlock,
    Result,
    RoundTrip,
    SyncEdge,
)
from firmware_host.simulator import MAX_DRIFT_PPM, HubOptions, SimulatedHub

SLOTS = ("brow", "cheek", "jaw")
RATE_HZ = 200.0
COMMANDS = {kind: messages.encode_command(kind) for kind in (Kind.HELLO, Kind.START, Kind.STOP)}


def hub_with(count: int = 500, **options: object) -> SimulatedHub:
    random = np.random.default_rng(5)
    accel = random.normal(0, 20, (count, len(SLOTS), 3))
    gyro = random.normal(0, 4, (count, len(SLOTS), 3))
    return SimulatedHub(np.arange(count) / RATE_HZ, accel, gyro, SLOTS, HubOptions(**options))


def spoken(hub: SimulatedHub, until_s: float = 1e9) -> bytes:
    return hub.receive(COMMANDS[Kind.HELLO] + COMMANDS[Kind.START]) + hub.due(until_s)


def heard(hub: SimulatedHub) -> list[HubEvent]:
    return HubDevice().receive(spoken(hub), 0)


def lost(events: list[HubEvent]) -> int:
    return sum(e.count for e in events if isinstance(e, Gap))


def received(events: list[HubEvent]) -> int:
    return sum(len(e) for e in events if isinstance(e, ImuBlock))


def test_it_waits_for_start_and_answers_hello_at_any_time():
    hub = hub_with()
    assert hub.next_due_s() is None
    assert hub.due(1e9) == b""
    assert hub.receive(COMMANDS[Kind.HELLO]) == hub.boot()
    assert hub.receive(b"noise\0" + COMMANDS[Kind.START]) == b""
    assert hub.next_due_s() == pytest.approx(0, abs=0.05)
    assert hub.due(-1.0) == b""


def test_stop_ends_the_stream_with_what_was_sent_so_far():
    hub = hub_with(jitter_s=0.0)
    wire = spoken(hub, until_s=0.0999) + hub.receive(COMMANDS[Kind.STOP])
    events = HubDevice().receive(wire, 0)
    assert events[-1] == HubEnd(20)
    assert received(events) == 20
    assert hub.finished
    assert hub.due(1e9) == b""


def test_everything_due_is_the_same_however_often_it_is_asked():
    at_once, in_steps = hub_with(seed=3), hub_with(seed=3)
    whole = spoken(at_once)
    parts = spoken(in_steps, 0.0) + b"".join(in_steps.due(t) for t in np.arange(0, 4, 0.013))
    assert parts == whole


def test_the_same_seed_sends_the_same_bytes_and_another_does_not():
    assert spoken(hub_with(seed=1)) == spoken(hub_with(seed=1))
    assert spoken(hub_with(seed=1)) != spoken(hub_with(seed=2))


def test_values_arrive_within_half_a_count_and_clip_at_the_range():
    accel = np.zeros((2, 1, 3))
    accel[0, 0] = [1.2345, -9.81, 1000.0]
    gyro = np.zeros((2, 1, 3))
    gyro[0, 0] = [0.5, -100.0, 3.3]
    options = HubOptions(accel_range_m_s2=40.0, gyro_range_rad_s=20.0)
    events = heard(SimulatedHub(np.array([0.0, 0.005]), accel, gyro, ("jaw",), options))
    (block,) = [e for e in events if isinstance(e, ImuBlock)]
    half_a, half_g = 40 / 65536 + 1e-5, 20 / 65536 + 1e-5
    np.testing.assert_allclose(block.accel_m_s2[0, 0, :2], [1.2345, -9.81], atol=half_a, rtol=0)
    np.testing.assert_allclose(block.gyro_rad_s[0, 0, [0, 2]], [0.5, 3.3], atol=half_g, rtol=0)
    assert block.accel_m_s2[0, 0, 2] == pytest.approx(40 * 32767 / 32768)
    assert block.gyro_rad_s[0, 0, 1] == -20.0


def test_a_slot_that_gave_nothing_is_absent_from_its_tick_only():
    accel = np.ones((3, 2, 3))
    accel[1, 0, 2] = np.nan
    events = heard(SimulatedHub(np.arange(3) / 200, accel, np.ones((3, 2, 3)), ("brow", "jaw")))
    blocks = [e for e in events if isinstance(e, ImuBlock)]
    missing = np.isnan(np.concatenate([b.gyro_rad_s for b in blocks])).all(axis=2)
    np.testing.assert_array_equal(missing, [[False, False], [True, False], [False, False]])


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0, 0.5), st.floats(0, 0.2))
def test_the_host_counts_exactly_what_the_wire_lost(seed, loss, damage):
    hub = hub_with(300, seed=seed, loss=loss, damage=damage)
    events = heard(hub)
    truth = hub.summary(0)
    assert truth.samples_sent == 300
    assert lost(events) == truth.dropped + truth.damaged
    assert received(events) + lost(events) == 300
    assert events[-1] == HubEnd(300)
    assert any(isinstance(e, Garbage) for e in events) == (truth.damaged > 0)


def test_three_percent_loss_is_about_three_percent():
    hub = hub_with(5000, loss=0.03)
    spoken(hub)
    assert hub.summary(0).dropped == pytest.approx(150, abs=40)


def test_a_status_comes_once_a_second():
    counts = [e.samples_sent for e in heard(hub_with(900)) if isinstance(e, HubStatus)]
    assert counts == [201, 401, 601, 801]


def test_ticks_wrap_on_the_wire_and_not_on_the_host():
    events = heard(hub_with(400, epoch_us=2**32 - 1_000_000, drift_ppm=0.0))
    ticks = np.concatenate([e.tick_us for e in events if isinstance(e, ImuBlock)])
    np.testing.assert_array_equal(ticks, 2**32 - 1_000_000 + 5000 * np.arange(400))


def arrivals(hub: SimulatedHub) -> list[ImuBlock]:
    """Blocks as they come from a line that adds no delay; the host clock is 0 at START."""
    device = HubDevice()
    device.receive(hub.boot() + hub.receive(COMMANDS[Kind.START]), 0)
    events: list[HubEvent] = []
    while (due_s := hub.next_due_s()) is not None:
        events += device.receive(hub.due(due_s), round(due_s * 1e9))
    return [e for e in events if isinstance(e, ImuBlock)]


def test_samples_leave_late_never_early_and_in_order():
    blocks = arrivals(hub_with(400, jitter_s=0.02))
    late_s = [b.arrival_ns * 1e-9 - s / RATE_HZ for b in blocks for s in b.sequence]
    assert min(late_s) >= -1e-9
    assert 0.02 < max(late_s) < 0.5
    assert [s for b in blocks for s in b.sequence] == list(range(400))
    assert any(len(b) > 1 for b in blocks)  # a late one holds up those behind it


@pytest.mark.parametrize("seed", range(5))
def test_its_clock_is_found_from_arrivals_alone(seed):
    hub = hub_with(6000, seed=seed, jitter_s=0.002)
    blocks = arrivals(hub)
    device_ns = np.array([b.tick_us[-1] for b in blocks]) * 1000
    fitted = fit_clock(device_ns, np.array([b.arrival_ns for b in blocks]))
    truth = hub.summary(0)
    assert abs(1e6 * (1 / truth.rate - 1)) <= MAX_DRIFT_PPM
    assert 1e6 * (fitted.rate - truth.rate) == pytest.approx(0, abs=5)
    assert abs(fitted.to_host(np.array([truth.start_tick_us * 1000]))[0]) < 200_000


@pytest.mark.parametrize(
    ("time_s", "shape", "slots", "message"),
    [
        (np.arange(3.0), (3, 2, 2), ("a", "b"), r"expected shape \(3, 2, 3\), got \(3, 2, 2\)"),
        (np.zeros(3), (3, 1, 3), ("a",), "time_s: expected at least 2 readings"),
        (np.array([0, np.nan, 1]), (3, 1, 3), ("a",), "time_s: expected at least 2 readings"),
        (np.arange(1.0), (1, 1, 3), ("a",), "time_s: expected at least 2 readings"),
        (np.arange(3.0), (3, 17, 3), tuple("abcdefghijklmnopq"), "1 to 16 slots, got 17"),
    ],
)
def test_samples_that_no_hub_could_send_are_refused(time_s, shape, slots, message):
    with pytest.raises(DataError, match=message):
        SimulatedHub(time_s, np.zeros(shape), np.zeros(shape), slots)


def asked(hub: SimulatedHub, request: Request, elapsed_s: float = 0.0) -> list[HubEvent]:
    device = HubDevice(stream=False)
    device.receive(hub.boot(), 0)
    return device.receive(hub.receive(commands.encode_request(7, request), elapsed_s), 0)


def test_a_ping_is_answered_with_the_clock_of_that_moment_once_it_runs():
    hub = hub_with(epoch_us=2**32 - 1000, drift_ppm=0.0)
    ping = commands.encode_ping(5_000_000)
    assert hub.receive(ping) == b""
    hub.receive(COMMANDS[Kind.START])
    events = HubDevice().receive(hub.boot() + hub.receive(ping, 0.25), 6_000_000)
    assert events[1] == RoundTrip((2**32 - 1000 + 250_000) % 2**32, 5_000_000, 6_000_000)


def test_a_range_can_be_set_before_the_stream_and_scales_what_follows():
    hub = hub_with(20)
    answer, info = asked(hub, SetRange(400.0, 100.0))
    assert answer == Answer(7, Kind.SET_RANGE, Result.DONE)
    assert isinstance(info, HubInfo)
    assert (info.accel_range_m_s2, info.gyro_range_rad_s) == (400.0, 100.0)
    (block,) = [e for e in heard(hub) if isinstance(e, ImuBlock)]
    sent = np.random.default_rng(5).normal(0, 20, (20, len(SLOTS), 3))
    np.testing.assert_allclose(block.accel_m_s2, sent, rtol=0, atol=400 / 65536 + 1e-5)
    (late,) = asked(hub_running(), SetRange(400.0, 100.0))
    assert late == Answer(7, Kind.SET_RANGE, Result.BUSY_STREAMING)


def hub_running() -> SimulatedHub:
    hub = hub_with()
    hub.receive(COMMANDS[Kind.START])
    return hub


def test_a_sync_pulse_comes_with_its_tick():
    hub = hub_with(epoch_us=100, drift_ppm=0.0)
    hub.receive(COMMANDS[Kind.START])
    answer, edge = asked(hub, SyncPulse(50), 0.5)
    assert answer == Answer(7, Kind.SYNC_PULSE, Result.DONE)
    assert edge == SyncEdge(7, 500_100)


@pytest.mark.parametrize("request_", [SetRate(100.0), SetMode(HubMode.FUSED), Identify(0, 9)])
def test_what_a_player_of_samples_cannot_do_is_refused(request_):
    (answer,) = asked(hub_with(), request_)
    assert answer.result == Result.UNKNOWN_COMMAND


def test_a_request_that_makes_no_sense_is_refused_and_a_word_of_a_hub_ignored():
    hub = hub_with()
    wire = hub.receive(frames.encode(Kind.SYNC_PULSE, b"\x09\0\0"))
    assert wire == messages.encode_answer(Answer(9, Kind.SYNC_PULSE, Result.BAD_VALUE))
    assert hub.receive(frames.encode(Kind.END, bytes(4))) == b""
