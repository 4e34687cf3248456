"""Keys and lines of the operator, the pre-roll, and screens that never hold anything up."""

import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.operating import Command, Marks, Verb, command_of_key, command_of_line
from capture.operator_input import operator_input
from capture.preroll import PreRoll
from capture.screens import MAX_LINES, Screen

S = 1_000_000_000


@pytest.mark.parametrize(
    ("key", "command"),
    [
        ("m", Command(Verb.MARK)),
        ("M", Command(Verb.MARK)),
        ("3", Command(Verb.MARK, "3")),
        ("g", Command(Verb.MARK, "good")),
        ("n", Command(Verb.MARK, "no good")),
        (" ", Command(Verb.START)),
        ("q", Command(Verb.STOP)),
        ("x", None),
        ("", None),
    ],
)
def test_a_key_is_a_command(key, command):
    assert command_of_key(key) == command


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("mark\n", Command(Verb.MARK)),
        ("MARK  a  smile \n", Command(Verb.MARK, "a smile")),
        ("ng", Command(Verb.MARK, "no good")),
        ("start\r\n", Command(Verb.START)),
        ("stop", Command(Verb.STOP)),
        ("stop it", None),
        ("", None),
        ("remark", None),
    ],
)
def test_a_line_is_a_command(line, command):
    assert command_of_line(line) == command


@given(st.text(max_size=300))
def test_any_text_is_a_command_or_none(text):
    for found in (command_of_key(text), command_of_line(text), command_of_line("mark " + text)):
        assert found is None or len(found.label) <= 200


def test_markers_without_a_label_are_numbered_among_all():
    marks = Marks()
    labels = [marks.label(Command(Verb.MARK, label)) for label in ("", "good", "")]
    assert labels == ["mark 1", "good", "mark 3"]


def call(number: int, method: str = "hub_bytes", device: int = 0):
    return (method, (number, device), {})


def test_a_pre_roll_keeps_its_last_seconds_and_what_later_bytes_need():
    roll = PreRoll(2.0)
    roll.keep(call(0), 0)
    roll.keep(call(0, "hub_event"), 0)
    roll.pin_newest("hub_bytes", 0)
    roll.pin_newest("hub_event", 0)
    roll.pin_newest("hub_event", 1)  # another device, of which nothing was heard
    for second in range(1, 11):
        roll.keep(call(second), second * S)
    assert len(roll) == 5
    assert roll.dropped == 7
    assert [c[1][0] for c in roll.hand_over()] == [0, 0, 8, 9, 10]
    assert len(roll) == 0


def test_bytes_are_pinned_in_as_many_reads_as_they_came():
    roll = PreRoll(1.0)
    for number in range(10):
        roll.keep(("hub_bytes", (b"x" * 30, number, 0), {}), number)
        roll.keep(("hub_bytes", (b"y" * 30, number, 1), {}), number)
    roll.pin_newest("hub_bytes", 0, 100)
    roll.keep(call(0), 10 * S)
    kept = [c[1] for c in roll.hand_over()][:-1]
    assert [number for _, number, _ in kept] == [6, 7, 8, 9]
    assert {device for _, _, device in kept} == {0}


def test_a_pre_roll_without_a_limit_keeps_everything():
    roll = PreRoll(None)
    for second in range(10_000):
        roll.keep(call(second), second * S)
    assert [c[1][0] for c in roll.hand_over()] == list(range(10_000))
    assert roll.dropped == 0


@given(st.lists(st.integers(0, 3 * S), max_size=60), st.floats(0.1, 5))
def test_a_pre_roll_never_holds_more_than_its_seconds(waits, keep_s):
    roll, now_ns, kept = PreRoll(keep_s), 0, []
    for number, wait_ns in enumerate(waits):
        now_ns += wait_ns
        roll.keep(call(number), now_ns)
        kept.append((number, now_ns))
    expected = [n for n, at in kept if now_ns - at <= round(keep_s * S)]
    assert [c[1][0] for c in roll.hand_over()] == expected
    assert roll.dropped == len(kept) - len(expected)


def test_a_screen_that_hangs_holds_nothing_up_and_shows_the_newest_when_it_is_back():
    shown, said, hang = [], [], threading.Event()

    def show(status: str) -> None:
        hang.wait(30)
        shown.append(status)

    with Screen(show, said.append) as screen:
        screen.show("0")
        deadline = time.monotonic() + 30
        while screen._status is not None:  # it is being shown
            assert time.monotonic() < deadline
            time.sleep(0.001)
        for value in range(1, 1001):
            screen.show(str(value))
        for value in range(MAX_LINES + 7):
            screen.say(f"line {value}")
        assert screen.skipped == 999 + 7
        hang.set()
        while shown != ["0", "1000"]:
            assert time.monotonic() < deadline, shown
            time.sleep(0.001)
    lines = "\n".join(said).split("\n")
    assert lines == [f"line {value}" for value in range(7, MAX_LINES + 7)]


def test_what_was_said_last_is_still_written_at_the_end():
    shown, said = [], []
    with Screen(shown.append, said.append) as screen:
        screen.show("status")
        screen.say("goodbye")
    assert shown == ["status"]
    assert said == ["goodbye"]


def test_a_screen_that_never_comes_back_does_not_hold_up_the_end():
    stuck, freed, came_back = threading.Event(), threading.Event(), threading.Event()

    def hang(_):
        stuck.set()
        freed.wait(60)
        came_back.set()

    with Screen(hang, print) as screen:
        screen.show("1")
        assert stuck.wait(30)
    assert not came_back.is_set()
    freed.set()
    assert came_back.wait(30)


class Heard:
    def __init__(self) -> None:
        self.commands: list[Command] = []
        self._changed = threading.Condition()

    def __call__(self, command: Command) -> None:
        with self._changed:
            self.commands.append(command)
            self._changed.notify()

    def wait(self, count: int) -> list[Command]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.commands) >= count, 30)
        return self.commands


def test_keys_of_a_terminal_are_heard_at_once_and_it_is_put_back_as_it_was(cable):
    termios = pytest.importorskip("termios")
    ours, path = cable
    with os.fdopen(os.open(path, os.O_RDWR), "r") as tty:
        before = termios.tcgetattr(tty.fileno())
        heard = Heard()
        with operator_input(heard, tty) as is_heard:
            assert is_heard
            os.write(ours, b"m2?q")
            assert [c.verb for c in heard.wait(3)] == [Verb.MARK, Verb.MARK, Verb.STOP]
        assert termios.tcgetattr(tty.fileno()) == before


def test_lines_of_a_pipe_are_heard():
    reading, writing = os.pipe()
    heard = Heard()
    with os.fdopen(reading) as source, os.fdopen(writing, "w", buffering=1) as sink:
        with operator_input(heard, source) as is_heard:
            assert is_heard
            print("mark smile", file=sink)
            print("what?", file=sink)
            print("stop", file=sink)
            assert heard.wait(2) == [Command(Verb.MARK, "smile"), Command(Verb.STOP)]
        sink.close()


def test_without_anybody_to_hear_nothing_is_waited_for():
    reading, writing = os.pipe()
    os.close(writing)
    source = os.fdopen(reading)
    source.close()
    with operator_input(Heard(), source) as is_heard:
        assert not is_heard
