"""Showing how a recording is doing, without the recording ever waiting for the screen.

A terminal that is paused (Ctrl-S), or a slow link to it, blocks whoever writes to it. So a thread
of its own shows what is newest, and says what happened; what it had no time for is skipped, and
counted.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Self

from firmware_host.closing import Closing

CLOSE_S = 1.0  # how long a screen may still take at the end
MAX_LINES = 1000  # that wait to be said


class Screen(Closing):
    """A status that changes, and lines that pass by.

    Args:
        show: shows a status. say: writes lines. while_open: entered before, and left after. All
            happens in the screen's thread, and may take as long as it likes.
    """

    def __init__(
        self,
        show: Callable[[str], None],
        say: Callable[[str], None],
        while_open: AbstractContextManager[object] | None = None,
    ) -> None:
        self._show, self._say = show, say
        self._while_open = nullcontext() if while_open is None else while_open
        self._status: str | None = None
        self._lines: deque[str] = deque()
        self._changed = threading.Condition()
        self._is_over = False
        self.skipped = 0
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)

    def show(self, status: str) -> None:
        """Show this next, instead of whatever is not shown yet. Never waits."""
        with self._changed:
            self.skipped += self._status is not None
            self._status = status
            self._changed.notify()

    def say(self, line: str) -> None:
        """Write this line when there is time; the oldest is skipped where too many wait."""
        with self._changed:
            self._lines.append(line)
            if len(self._lines) > MAX_LINES:
                self._lines.popleft()
                self.skipped += 1
            self._changed.notify()

    def _run(self) -> None:
        with self._while_open:
            self._paint()

    def _paint(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._is_over or self._status is not None or self._lines
                )
                lines, status = "\n".join(self._lines), self._status
                self._lines.clear()
                self._status = None
            if lines:
                self._say(lines)
            if status is not None:
                self._show(status)
            elif not lines:
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def close(self) -> None:
        """Let the screen show what is left, but not for long. Safe to call twice."""
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join(CLOSE_S)
