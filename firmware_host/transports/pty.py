"""A serial line without a cable: a pseudo-terminal pair, for the simulated hub. POSIX only."""

import os
import select
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from firmware_host.errors import EnvironmentMissing


class Pty:
    """Both ends, raw in both directions. ours: our descriptor. path: where a reader opens it.

    The far end is held open too, so that a reader may come, go and come back, until `let_go`.
    """

    def __init__(self) -> None:
        """Raises EnvironmentMissing where the system has no pseudo-terminals (Windows)."""
        self.ours, self._theirs = raw_pty()
        self.path = os.ttyname(self._theirs)
        self._is_held = True

    def unread(self) -> int:
        """Bytes that wait for the reader, before `let_go`: 0, or up to what the system tells.

        Asked at the far end: TIOCOUTQ of ours is always 0 on Linux.
        """
        import fcntl
        import termios

        return int(struct.unpack("i", fcntl.ioctl(self._theirs, termios.FIONREAD, bytes(4)))[0])

    def let_go(self) -> None:
        """Hold the far end no longer; what nobody has read by then is lost with the last reader."""
        if self._is_held:
            self._is_held = False
            os.close(self._theirs)

    def hung_up(self) -> bool:
        """Whether nobody holds the far end any more."""
        poll = select.poll()
        poll.register(self.ours, 0)
        return any(events & select.POLLHUP for _, events in poll.poll(0))

    def close(self) -> None:
        """Pull the cable."""
        self.let_go()
        os.close(self.ours)


@contextmanager
def open_pty() -> Iterator[Pty]:
    """Yield a new pair; a reader sees the cable pulled when the block ends.

    Raises:
        EnvironmentMissing: the system has no pseudo-terminals (Windows).
    """
    line = Pty()
    try:
        yield line
    finally:
        line.close()


def raw_pty() -> tuple[int, int]:
    """Both ends of a new pseudo-terminal, raw in both directions.

    Raises:
        EnvironmentMissing: the system has none (Windows).
    """
    try:
        import tty
    except ImportError as error:
        raise EnvironmentMissing(
            "a simulated serial line needs pseudo-terminals, which this system does not have",
            "run the simulated hub on Linux, macOS or in WSL",
        ) from error
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    return ours, theirs
