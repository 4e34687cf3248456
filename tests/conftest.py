"""Fixtures shared by all tests."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

# As the command line does, and before numpy is imported: see imusic/cli.py.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# Tests that run in the background may have to ignore Ctrl-C, and the programs that they start would
# inherit that; several of them press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def signals_stay() -> Iterator[None]:
    """What one test leaves behind of Ctrl-C and SIGTERM is no other test's."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        if handler is not None:
            signal.signal(number, handler)


# How long an example takes says more about the machine than about the code.
settings.register_profile("imusic", deadline=None)
settings.load_profile("imusic")

DATA = Path(os.environ.get("IMUSIC_DATA", Path(__file__).parents[1] / "../shared/data")).resolve()


@pytest.fixture(scope="session")
def data() -> Path:
    """The optional folder of real recordings; tests that need it skip where it is missing."""
    if not (DATA / "arkit").is_dir():
        pytest.skip(f"real recordings not found at {DATA} (set IMUSIC_DATA)")
    return DATA


@pytest.fixture
def cable() -> Iterator[tuple[int, str]]:
    """A real serial line: our file descriptor, and the device path of the far end."""
    tty = pytest.importorskip("tty", reason="a pty needs POSIX")
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    yield ours, os.ttyname(theirs)
    for descriptor in (ours, theirs):
        try:
            os.close(descriptor)
        except OSError:  # the test pulled the cable itself
            continue
