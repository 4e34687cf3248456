"""Lines that virtual devices are put on: a cable that can be pulled, and a TCP port. Shells."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from firmware_host.simulator import Line
from firmware_host.transports.pty import raw_pty
from firmware_host.virtual.motion import VirtualDevice

_LOOK_S = 0.02  # how soon a device notices that it was pulled
_FULL_BYTES = 8192  # what nobody reads is lost beyond this, as on any UART


class _Life:
    """A device, and the time it lives in: that of a hub begins with START."""

    def __init__(self, device: VirtualDevice, clock_ns: Callable[[], int]) -> None:
        self.device = device
        self._clock_ns = clock_ns
        self._start_ns: int | None = None

    def elapsed_s(self) -> float:
        if self._start_ns is None and self.device.running:
            self._start_ns = self._clock_ns()
        return 0.0 if self._start_ns is None else (self._clock_ns() - self._start_ns) * 1e-9

    def wait_s(self) -> float:
        due_s = self.device.next_due_s()
        if due_s is None:
            return _LOOK_S
        return min(_LOOK_S, max(0.0, due_s - self.elapsed_s()))


class Cable:
    """A serial line that can be pulled and put back: a pseudo-terminal behind a symbolic link.

    The device goes on while nobody is there, and what it says then is lost. POSIX only.

    Args:
        device: what hangs on it.
        path: where the port appears, as a link; there is none while the cable is pulled.
        spoil: what the line does to the bytes of the device.
    """

    def __init__(
        self,
        device: VirtualDevice,
        path: Path,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        spoil: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self.path = path
        self.url = f"serial:{path}"
        self.lost_bytes = 0
        self._life = _Life(device, clock_ns)
        self._spoil = spoil
        self._ends: tuple[int, int] | None = None
        self._line: Line | None = None

    def plug(self) -> None:
        """Put the cable in."""
        ours, theirs = raw_pty()
        os.set_blocking(ours, False)
        self._ends, self._line = (ours, theirs), Line(ours)
        self._line.write(self._life.device.boot())
        beside = self.path.with_name(f"{self.path.name}.new")
        beside.symlink_to(os.ttyname(theirs))
        beside.replace(self.path)

    def pull(self) -> None:
        """Pull the cable out; safe to do twice."""
        line, self._line = self._line, None
        ends, self._ends = self._ends, None
        if line is None or ends is None:
            return
        self.path.unlink()
        line.unsent = b""
        line.close()
        for descriptor in ends:
            os.close(descriptor)

    def swap(self, device: VirtualDevice) -> None:
        """Hang another device on it, which is switched on now."""
        self._life = _Life(device, self._life._clock_ns)

    def write(self, data: bytes) -> None:
        """What the line picks up beside what the device says."""
        if self._line is not None:
            self._line.write(data)

    async def run(self) -> None:
        """Let the device live until it has said everything, or the task is cancelled."""
        while not self._life.device.finished:
            self._step()
            if self._line is None:
                await asyncio.sleep(self._life.wait_s())
            else:
                await self._line.ready(self._life.wait_s())
        while self._line is not None and self._line.unsent:
            await self._line.ready(_LOOK_S)

    def _step(self) -> None:
        life, line = self._life, self._line
        heard = line.read() if line is not None else b""
        said = life.device.receive(heard, life.elapsed_s()) + life.device.due(life.elapsed_s())
        if line is None or len(line.unsent) > _FULL_BYTES:
            self.lost_bytes += len(said)
        else:
            line.write(self._spoil(said))


@asynccontextmanager
async def on_cable(
    device: VirtualDevice, path: Path, spoil: Callable[[bytes], bytes] = bytes
) -> AsyncIterator[Cable]:
    """A device on a cable that is plugged in, while the block runs."""
    cable = Cable(device, path, spoil=spoil)
    cable.plug()
    running = asyncio.create_task(cable.run())
    try:
        yield cable
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        cable.pull()


@asynccontextmanager
async def on_tcp(
    device: VirtualDevice, clock_ns: Callable[[], int] = time.monotonic_ns
) -> AsyncIterator[int]:
    """A device behind a TCP port of this computer, for one host at a time; gives the port."""
    life = _Life(device, clock_ns)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):  # the host is gone, which is all that matters
            while not device.finished:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(life.wait_s()):
                        data = await reader.read(4096)
                        if not data:
                            break
                        writer.write(device.receive(data, life.elapsed_s()))
                writer.write(device.due(life.elapsed_s()))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])
