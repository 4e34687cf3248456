"""One hub from opening to farewell, for whoever only wants to look: nothing is kept."""

import asyncio
import math
import time
from collections.abc import Callable

from firmware_host import messages
from firmware_host.device import HubDevice
from firmware_host.messages import Kind
from firmware_host.samples import HubEvent
from firmware_host.stream import events
from firmware_host.transports.base import Transport

FAREWELL_S = 1.0  # how long the hub may take to answer STOP: it is asked again when it is quiet


async def watch_stream(
    transport: Transport,
    on_event: Callable[[HubEvent], None],
    seconds: float | None,
    every_s: float,
    on_tick: Callable[[int], None],
) -> None:
    """Open a hub, hand every event on, and let it stop at the end.

    Ends at END, after `seconds`, or when cancelled.

    Args:
        transport: not open yet; closed at the end.
        on_event: called with every event.
        seconds: how long, None without limit.
        every_s: how often `on_tick` is called, with the host's monotonic ns.

    Raises:
        TransportError, ProtocolError: as `events`, or the link cannot be opened.
    """
    device, now = HubDevice(), asyncio.get_running_loop().time
    await transport.open()
    listener = asyncio.create_task(_hand_on(transport, device, on_event))
    end_s = math.inf if seconds is None else now() + seconds
    try:
        while not listener.done() and now() < end_s:
            await asyncio.wait({listener}, timeout=min(every_s, max(0.0, end_s - now())))
            on_tick(time.monotonic_ns())
        if not listener.done():
            device.stop()
            await asyncio.wait({listener}, timeout=FAREWELL_S)
        if listener.done():
            listener.result()  # raises what ended it
    except asyncio.CancelledError:
        await transport.send(messages.encode_command(Kind.STOP))
        raise
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
        await transport.close()


async def _hand_on(
    transport: Transport, device: HubDevice, on_event: Callable[[HubEvent], None]
) -> None:
    async for event in events(transport, device):
        on_event(event)
