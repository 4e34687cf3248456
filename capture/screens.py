"""Showing how a recording is doing, without the recording ever waiting for the screen.

A terminal that is paused (Ctrl-S), or a slow link to it, blocks whoever writes to it. So a thread
of its own shows what is newest; what it had no time for is skipped, and counted.
"""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

_T = TypeVar("_T")
CLOSE_S = 1.0  # how long a screen may still take at the end


class LatestScreen(Generic[_T]):
    """Shows the newest of what it is offered.

    Args:
        show: called in the screen's thread; it may take as long as it likes.
    """

    def __init__(self, show: Callable[[_T], None]) -> None:
        self._show = show
        self._newest: _T | None = None
        self._changed = threading.Condition()
        self._is_over = False
        self.skipped = 0
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)

    def offer(self, value: _T) -> None:
        """Show this next, instead of whatever is not shown yet. Never waits."""
        with self._changed:
            self.skipped += self._newest is not None
            self._newest = value
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._is_over)
                value, self._newest = self._newest, None
            if value is None:
                return
            self._show(value)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join(CLOSE_S)
