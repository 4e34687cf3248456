"""The line without a cable, and how it ends."""

import os
import time

import pytest

pytest.importorskip("tty", reason="a pty needs POSIX")

from firmware_host.transports.pty import open_pty


def until(is_so):
    deadline_s = time.monotonic() + 30.0
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_what_waits_for_a_reader_is_told_and_so_is_that_none_is_left():
    with open_pty() as line:
        assert line.unread() == 0
        os.write(line.ours, bytes(3000))
        reader = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
        until(lambda: line.unread() == 3000)
        line.let_go()
        assert not line.hung_up()
        assert len(os.read(reader, 4000)) == 3000
        os.close(reader)
        until(line.hung_up)
