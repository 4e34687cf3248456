"""A take played through `imusic live`, its recorded arrival times deciding what each tick knows."""

from collections.abc import AsyncIterator

from capture.recording import read_recording
from capture.take import TAKE_FILE, Take, read_take
from firmware_host.device import HubDevice
from firmware_host.link_events import RigEvent
from firmware_host.rig import Rig
from firmware_host.samples import ImuBlock
from firmware_host.stream import events
from firmware_host.transports.replay import ReplayTransport
from model.live_face import NS_PER_S, LiveFace


async def replay(rig: Rig, face: LiveFace, duration_s: float | None) -> None:
    """Replay with recorded arrival times: the recorded clock decides what each tick knows.

    Rest and routine are the take's, not those of the rig that plays it.
    """
    transport = ReplayTransport(rig.sources[0].url.removeprefix("replay:"))
    await transport.open()
    try:
        take = None
        if (transport.folder / TAKE_FILE).is_file():
            take = read_take(transport.folder)
            face.take_began(take)
        last_ns, end_ns = 0, None
        async for event in _replayed(transport, take, face):
            if isinstance(event, ImuBlock):
                if end_ns is None and duration_s is not None:
                    end_ns = event.arrival_ns + round(duration_s * NS_PER_S)
                if end_ns is not None and event.arrival_ns > end_ns:
                    last_ns = end_ns
                    break
                face.publish_until(event.arrival_ns - 1)
                last_ns = event.arrival_ns
            face.listen(event)
        face.publish_until(last_ns)
    finally:
        await transport.close()


def _replayed(
    transport: ReplayTransport, take: Take | None, face: LiveFace
) -> AsyncIterator[RigEvent]:
    """What the take's device said; of several devices the samples, as they were decoded then."""
    if take is None or not take.devices:
        return events(transport, HubDevice(), clock_ns=transport.recorded_ns)
    face.play(take)
    return _blocks(transport)


async def _blocks(transport: ReplayTransport) -> AsyncIterator[ImuBlock]:
    first_ns = None
    for block in read_recording(transport.folder).blocks():
        first_ns = block.arrival_ns if first_ns is None else first_ns
        await transport.keep_pace(block.arrival_ns - first_ns)
        yield block
