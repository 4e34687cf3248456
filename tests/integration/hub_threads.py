"""Simulated hubs that live in a thread, for tests of programs that run in the foreground."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from firmware_host.simulator import SimulatedHub, run_hub


@contextmanager
def played(hub: SimulatedHub, descriptor: int, speed: float = 1.0) -> Iterator[None]:
    """The hub lives on a descriptor while the block runs, and no longer: one that nobody reads any
    more would wait for ever.
    """
    loop = asyncio.new_event_loop()
    task = loop.create_task(run_hub(hub, descriptor, speed=speed))

    async def until_over() -> None:
        await asyncio.gather(task, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(until_over(),))
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()
