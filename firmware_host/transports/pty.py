"""A serial line without a cable: a pseudo-terminal pair, for the simulated hub. POSIX only."""

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
    try:
        import os
        import tty
    except ImportError as error:
        raise EnvironmentMissing(
            "a simulated serial line needs pseudo-terminals, which this system does not have",
            "run the simulated hub on Linux, macOS or in WSL",
        ) from error
    ours, theirs = os.openpty()
    try:
        tty.setraw(theirs)
        yield ours, os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)
