"""Ctrl-C and SIGTERM as the usual end of something that runs in the event loop."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def signals_set(stop: asyncio.Event) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM set `stop`; a second Ctrl-C interrupts as ever.

    More of SIGTERM change nothing: who shuts a computer down sends it to whoever still runs, and
    ending well takes a moment.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {
        number: signal.getsignal(number) or signal.SIG_DFL
        for number in (signal.SIGINT, signal.SIGTERM)
    }

    def stop_once(number: int, _: object) -> None:
        if loop.is_closed():  # left behind by a loop that was torn down
            signal.signal(number, before[signal.Signals(number)])
            signal.raise_signal(number)
            return
        if number == signal.SIGINT:
            signal.signal(number, before[signal.SIGINT])
        loop.call_soon_threadsafe(stop.set)

    for number in before:
        signal.signal(number, stop_once)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
