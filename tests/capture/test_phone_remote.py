"""What the remote control of a phone says, and what it makes of the answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.osc import Message
from capture.phone_remote import (
    AWAY_S,
    MAX_STARTS,
    Condition,
    Lost,
    PhoneRemote,
    Reached,
    RemoteState,
    Started,
    Stopped,
)

S = 1_000_000_000
CONFIRM = Message("/OSCSetSendTargetConfirm")
BATTERY = Message("/Battery", (0.8,))
STARTED = Message("/RecordStartConfirm", ("00:00:00.000",))
STOPPED = Message("/RecordStopConfirm", ("00:00:05.000", "a/b.csv", "a/b.mov"))


def addresses(messages: list[Message]) -> list[str]:
    return [message.address for message in messages]


def reached(now_ns: int = 0) -> PhoneRemote:
    remote = PhoneRemote(("10.0.0.1", 9000))
    remote.due(now_ns)
    assert remote.receive(CONFIRM, now_ns) == [Reached()]
    return remote


def test_a_phone_is_greeted_until_it_answers_and_asked_ever_after():
    remote = PhoneRemote(("10.0.0.1", 9000), ("10.0.0.1", 11111))
    first = remote.due(0)
    assert first[0] == Message("/OSCSetSendTarget", ("10.0.0.1", 9000))
    assert first[1] == Message("/AddLiveLinkAddress", ("10.0.0.1", 11111))
    assert addresses(first)[2:] == ["/LiveLinkStreamStart", "/BatteryQuery", "/ThermalsQuery"]
    assert remote.due(S // 2) == []
    assert "/OSCSetSendTarget" in addresses(remote.due(S))
    assert remote.receive(CONFIRM, S) == [Reached()]
    assert remote.due(3 * S) == []
    assert addresses(remote.due(6 * S)) == ["/BatteryQuery", "/ThermalsQuery"]


def test_a_recording_is_started_and_stopped_once_where_all_is_confirmed():
    remote = reached()
    remote.start("scene", 7)
    assert remote.due(0) == [Message("/RecordStart", ("scene", 7))]
    assert remote.receive(STARTED, S) == [Started("scene", 7, "00:00:00.000")]
    assert remote.state is RemoteState.RECORDING
    assert "/RecordStart" not in addresses(remote.due(60 * S))
    remote.stop()
    assert addresses(remote.due(60 * S)) == ["/RecordStop"]
    (stopped,) = remote.receive(STOPPED, 61 * S)
    assert stopped == Stopped("scene", 7, "00:00:05.000", "a/b.csv", "a/b.mov")
    assert remote.state is RemoteState.READY
    assert remote.receive(STOPPED, 61 * S) == []


def test_a_start_that_is_not_confirmed_is_said_twice_and_then_told_the_operator():
    remote = reached()
    remote.start("scene", 7)
    sent = [m for t in range(0, 100) for m in remote.due(t * S // 10) if "Record" in m.address]
    assert len(sent) == MAX_STARTS
    remote.receive(BATTERY, 10 * S)
    assert remote.warnings(10 * S) == ("the phone has not confirmed that it records",)
    remote.stop()
    assert "/RecordStop" in addresses(remote.due(10 * S))


def test_a_stop_is_said_until_it_is_confirmed():
    remote = reached()
    remote.start("scene", 7)
    remote.due(0)
    remote.receive(STARTED, 0)
    remote.stop()
    sent = [m for t in range(40) for m in remote.due(t * S // 10) if m.address == "/RecordStop"]
    assert len(sent) == 4
    remote.receive(STOPPED, 4 * S)
    assert remote.due(4 * S + S // 2) == []


def test_nothing_is_stopped_that_was_not_started():
    remote = reached()
    remote.stop()
    assert remote.state is RemoteState.READY
    assert not any(m.address == "/RecordStop" for t in range(50) for m in remote.due(t * S))


def test_a_start_waits_for_a_phone_that_is_not_there_yet():
    remote = PhoneRemote(("10.0.0.1", 9000))
    remote.start("scene", 7)
    assert not any("Record" in a for t in range(20) for a in addresses(remote.due(t * S)))
    assert remote.warnings(20 * S) == ("the phone does not answer",)
    remote.receive(CONFIRM, 20 * S)
    assert addresses(remote.due(20 * S)) == ["/RecordStart"]


def test_a_silent_phone_is_lost_once_and_greeted_again():
    remote = reached()
    assert remote.tick(round((AWAY_S - 1) * S)) == []
    (lost,) = remote.tick(round(AWAY_S * S))
    assert isinstance(lost, Lost)
    assert remote.tick(round((AWAY_S + 1) * S)) == []
    assert "/OSCSetSendTarget" in addresses(remote.due(round((AWAY_S + 1) * S)))
    assert remote.receive(BATTERY, 13 * S) == [Reached(), Condition(0.8, None)]


def test_an_app_in_the_background_is_lost_at_once():
    remote = reached()
    (lost,) = remote.receive(Message("/AppDeactivated"), S)
    assert lost.reason == "Live Link Face went into the background"
    assert not remote.answers
    assert remote.receive(Message("/AppActivated"), 2 * S) == [Reached()]


def test_a_phone_that_comes_back_while_recording_is_still_stopped():
    remote = reached()
    remote.start("scene", 7)
    remote.due(0)
    remote.receive(STARTED, 0)
    remote.tick(12 * S)
    remote.stop()
    assert "/RecordStop" not in addresses(remote.due(12 * S))
    remote.receive(BATTERY, 13 * S)
    assert "/RecordStop" in addresses(remote.due(13 * S))


def test_somebody_who_stops_the_phone_by_hand_is_noticed():
    remote = reached()
    remote.start("scene", 7)
    remote.due(0)
    remote.receive(STARTED, 0)
    (stopped,) = remote.receive(STOPPED, 5 * S)
    assert isinstance(stopped, Stopped)
    assert remote.due(6 * S)[0].address != "/RecordStop"


@pytest.mark.parametrize(
    ("battery", "thermal", "warning"),
    [
        (0.8, 1, ""),
        (0.2, 0, "battery is at 20%"),
        (0.05, 0, "battery is at 5%: end the take"),
        (0.9, 2, "too warm (serious)"),
        (0.9, 3, "too warm (critical)"),
        (-1.0, 0, ""),  # iOS gives that where it does not know
    ],
)
def test_what_may_end_a_take_is_told_before_it_does(battery, thermal, warning):
    remote = reached()
    remote.receive(Message("/Battery", (battery,)), S)
    remote.receive(Message("/Thermals", (thermal,)), S)
    told = " ".join(remote.warnings(S))
    assert (warning in told) if warning else told == ""


def test_a_battery_that_falls_fast_is_told_in_minutes():
    remote = reached()
    for minute in range(6):
        remote.receive(Message("/Battery", (0.5 - 0.05 * minute,)), minute * 60 * S)
    assert remote.warnings(300 * S) == ("the phone's battery lasts 5 minutes more",)
    steady = reached()
    for minute in range(6):
        steady.receive(BATTERY, minute * 60 * S)
    assert steady.warnings(300 * S) == ()


def test_what_is_no_answer_of_the_app_changes_nothing():
    remote = PhoneRemote(("10.0.0.1", 9000))
    for message in (
        Message("/other"),
        Message("/Battery", ("full",)),
        Message("/Battery", (7.0,)),
        Message("/Thermals", (9,)),
        Message("/Thermals", (1.5,)),
    ):
        assert remote.receive(message, 0) == []
    assert not remote.answers


messages = st.one_of(
    st.sampled_from([CONFIRM, BATTERY, STARTED, STOPPED, Message("/AppDeactivated")]),
    st.builds(
        Message,
        st.sampled_from(["/Battery", "/Thermals", "/RecordStopConfirm", "/RecordStartConfirm"]),
        st.lists(st.one_of(st.integers(), st.floats(), st.text(), st.none()), max_size=4).map(
            tuple
        ),
    ),
)
steps = st.lists(st.one_of(messages, st.sampled_from(["start", "stop", "wait"])), max_size=40)


@given(steps)
def test_whatever_happens_nothing_raises_and_no_phone_is_asked_to_record_twice(happening):
    remote = PhoneRemote(("10.0.0.1", 9000))
    now_ns, starts, wanted = 0, 0, 0
    for step in happening:
        now_ns += S
        if step == "start":
            remote.start("scene", wanted := wanted + 1)
            starts = 0
        elif step == "stop":
            remote.stop()
        elif step == "wait":
            now_ns += 20 * S
        else:
            remote.receive(step, now_ns)
        remote.tick(now_ns)
        starts += addresses(remote.due(now_ns)).count("/RecordStart")
        assert starts <= MAX_STARTS
        assert all(isinstance(warning, str) for warning in remote.warnings(now_ns))
        assert remote.condition.battery is None or np.isfinite(remote.condition.battery)
