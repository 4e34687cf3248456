"""The thread that owns the disk: writes wait in a bounded queue, which fails aloud when full."""

import queue
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from capture.take import recover_hint
from capture.take_writer import TakeWriter
from firmware_host.errors import ImusicError

QUEUE_ITEMS = 50_000  # over a minute of a 200 Hz hub and a phone
Call = tuple[str, tuple[Any, ...], dict[str, Any]]


class Overrun(ImusicError):
    """The disk took data more slowly than it came."""


class DiskThread:
    """Runs a TakeWriter in a thread of its own; errors of the disk wait in `error`.

    Args:
        backlog: what came before there was a writer, however much; written first, and not counted
            against `limit`.
    """

    def __init__(
        self, writer: TakeWriter, limit: int = QUEUE_ITEMS, backlog: Iterable[Call] = ()
    ) -> None:
        self.writer = writer
        self.error: OSError | None = None
        self._backlog = deque(backlog)
        self._items: queue.Queue[Call | None] = queue.Queue(limit)
        self._thread = threading.Thread(target=self._run, name="take writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Writes not yet done."""
        return len(self._backlog) + self._items.qsize()

    @property
    def failed(self) -> bool:
        """Whether the thread is gone, for the disk's reason in `error` or a bug it has printed."""
        return self.error is not None or not self._thread.is_alive()

    def put(self, method: str, *args: Any, **kwargs: Any) -> None:
        """Queue `writer.method(*args)`. Raises Overrun where the queue is full."""
        try:
            self._items.put_nowait((method, args, kwargs))
        except queue.Full:
            raise Overrun(
                f"the disk is too slow: {self._items.maxsize} writes are waiting",
                recover_hint(self.writer.folder),
            ) from None

    def finish(self) -> None:
        """Wait until everything queued is with the writer."""
        if self._thread.is_alive():
            self._items.put(None)
            self._thread.join()

    def _next(self) -> Call | None:
        if self._backlog:
            return self._backlog.popleft()
        try:
            return self._items.get(timeout=0.05)
        except queue.Empty:
            return "service", (time.monotonic_ns(),), {}

    def _run(self) -> None:
        while True:
            item = self._next()
            if item is None:
                return
            method, args, kwargs = item
            try:
                getattr(self.writer, method)(*args, **kwargs)
                self.writer.service(time.monotonic_ns())
            except OSError as error:
                self.error = error
                return


def disk_error(disk: DiskThread) -> ImusicError:
    """Why `disk` failed, and how to save what it has written."""
    error, folder = disk.error, disk.writer.folder
    reason = "the writer broke off" if error is None else error.strerror or str(error)
    return ImusicError(
        f"{folder}: the take could not be written: {reason}",
        f"free some space, then {recover_hint(folder)} to save what was written",
    )
