"""Reads what the operator says: single keys of a terminal, or lines of a pipe, in a thread."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TextIO

from capture.operating import Command, command_of_key, command_of_line

Hand = Callable[[Command], None]
POLL_S = 0.1


@contextlib.contextmanager
def operator_input(hand: Hand, stream: TextIO | None = None) -> Iterator[bool]:
    """Hand commands on, from another thread, while the block runs.

    Gives whether there is anybody to hear: a terminal gives keys at once (it is put back as it was
    afterwards), a pipe lines.
    """
    source = sys.stdin if stream is None else stream
    if source is None or source.closed:
        yield False
        return
    if not source.isatty():
        _in_thread(lambda: _read_lines(source, hand))
        yield True
        return
    if not _is_in_front(source):
        yield False
        return
    keys = _keys_of_windows() if sys.platform == "win32" else _keys_of_terminal(source)
    is_over = threading.Event()
    with keys as read_key:
        thread = _in_thread(lambda: _read_keys(read_key, is_over, hand))
        try:
            yield True
        finally:
            is_over.set()
            thread.join()


def _in_thread(run: Callable[[], None]) -> threading.Thread:
    # A read from a pipe ends only when the pipe does: such a thread dies with the program.
    thread = threading.Thread(target=run, name="operator", daemon=True)
    thread.start()
    return thread


def _read_lines(source: TextIO, hand: Hand) -> None:
    with contextlib.suppress(ValueError, OSError):  # it was closed under us: nobody speaks any more
        for line in source:
            if (command := command_of_line(line)) is not None:
                hand(command)


def _read_keys(read_key: Callable[[], str], is_over: threading.Event, hand: Hand) -> None:
    while not is_over.is_set():
        if (command := command_of_key(read_key())) is not None:
            hand(command)


@contextlib.contextmanager
def _keys_of_windows() -> Iterator[Callable[[], str]]:
    import msvcrt
    import time

    def read_key() -> str:
        if msvcrt.kbhit():  # type: ignore[attr-defined]
            return str(msvcrt.getwch())  # type: ignore[attr-defined]
        time.sleep(POLL_S)
        return ""

    yield read_key


@contextlib.contextmanager
def _keys_of_terminal(source: TextIO) -> Iterator[Callable[[], str]]:
    """Keys without Enter and without echo; Ctrl-C stays a signal."""
    import select
    import termios
    import tty

    descriptor = source.fileno()
    before = termios.tcgetattr(descriptor)

    def read_key() -> str:
        ready, _, _ = select.select([descriptor], [], [], POLL_S)
        return os.read(descriptor, 1).decode("latin-1") if ready else ""

    tty.setcbreak(descriptor)
    try:
        yield read_key
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _is_in_front(source: TextIO) -> bool:
    """Whether the terminal is ours to read: who reads it from the background is stopped."""
    if sys.platform == "win32":
        return True
    try:
        return os.tcgetpgrp(source.fileno()) == os.getpgrp()
    except OSError:  # not the terminal that controls us, so nobody minds
        return True
