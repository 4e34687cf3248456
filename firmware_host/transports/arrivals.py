"""What was heard but not yet asked for: bytes, an error or the end, in order and bounded."""

import asyncio
from collections.abc import AsyncIterator

from firmware_host.errors import TransportError

MAX_BACKLOG = 16 << 20  # bytes the host may fall behind, over a minute of any hub


class Arrivals:
    """The queue between whoever hears a link and `Transport.chunks`. For one event loop."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._queue: asyncio.Queue[bytes | TransportError | None] = asyncio.Queue()
        self._backlog = 0

    def put(self, data: bytes) -> TransportError | None:
        """Hold bytes; where nobody asks for them fast enough, give the error that says so."""
        self._backlog += len(data)
        if self._backlog > MAX_BACKLOG:
            return TransportError(
                f"overrun on {self._address}: the host is more than {MAX_BACKLOG} bytes behind",
                "close other programs, or lower the rate of the hub",
                self._address,
            )
        self._queue.put_nowait(data)
        return None

    def fail(self, error: TransportError) -> None:
        """Let `chunks` raise `error` after what came before it."""
        self._queue.put_nowait(error)

    def end(self) -> None:
        """Let `chunks` end after what came before."""
        self._queue.put_nowait(None)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what was put until `end`. Raises TransportError after `fail`."""
        while (arrived := await self._queue.get()) is not None:
            if isinstance(arrived, TransportError):
                raise arrived
            self._backlog -= len(arrived)
            yield arrived
