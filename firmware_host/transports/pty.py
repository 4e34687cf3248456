"""A serial line without a cable: a pseudo-terminal pair, for the simulated hub. POSIX only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from firmware_host.errors import EnvironmentMissing


@contextmanager
def open_pty() -> Iterator[tuple[int, str]]:
    """Yield (our descriptor, path of the far end), raw in both directions; closed at the end.

    The far end is held open too, so that a reader may come, go and come back; it sees the cable
    pulled when the block ends.

    Raises:
        EnvironmentMissing: the system has no pseudo-terminals (Windows).
    """
    ours, theirs = raw_pty()
    try:
        yield ours, os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


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
