"""A recorded hub: the raw bytes of a take, given again with their arrival spacing.

`replay:TAKE` or `replay:TAKE,speed=max`. The raw channel is owned here: topic `NAME/raw` (of one
hub: `hub/raw`), one message per read of the link, its payload the bytes themselves, log_time the
host monotonic ns at which they arrived. What is replayed is `hub/raw`.
"""

import asyncio
import mmap
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware_host import mcap_chunks
from firmware_host.clock import NS_PER_S
from firmware_host.errors import ConfigError, TransportError
from firmware_host.rig import HUB

RAW_ENCODING = "application/octet-stream"
DATA_FILE = "data.mcap"


def raw_topic(device: str) -> str:
    """Where the bytes of a device are."""
    return f"{device}/raw"


class ReplayTransport:
    """Gives the bytes of a take as a hub would; what is sent to it goes nowhere.

    speed: 1.0 as recorded, 2.0 twice as fast, None as fast as they are taken.
    """

    def __init__(self, rest: str) -> None:
        self.address = f"replay:{rest}"
        self.folder, self.speed = _parse(rest)
        self._closed = False
        self._began_ns = self._recorded_ns = 0

    def recorded_ns(self) -> int:
        """Arrival of the bytes last given, on the recording host's clock.

        As `clock_ns` of `firmware_host.stream.events` it makes blocks carry their first arrival.
        """
        return self._recorded_ns

    async def open(self) -> None:
        """Check that the take is there. Raises TransportError naming it."""
        self._closed = False
        self._began_ns = time.monotonic_ns()
        path = self.folder / DATA_FILE
        if not path.is_file():
            raise TransportError(
                f"cannot replay {self.folder}: it has no {DATA_FILE}",
                "give the folder of a recorded take, such as replay:takes/take-001",
                self.address,
            )

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the recorded chunks until the take ends.

        Raises:
            DataError: the take is damaged, after what came before the damage was given.
            TransportError: the take holds no bytes of a hub (it was imported).
        """
        first_ns = None
        with mapped(self.folder / DATA_FILE) as data:
            for arrival_ns, payload in raw_chunks(data, self.folder):
                if first_ns is None:
                    first_ns = arrival_ns
                await self.keep_pace(arrival_ns - first_ns)
                if self._closed:
                    return
                self._recorded_ns = arrival_ns
                yield payload
        if first_ns is None:
            raise TransportError(
                f"cannot replay {self.folder}: it holds no bytes of a hub",
                "imported takes have none; use `imusic predict` on them",
                self.address,
            )

    async def keep_pace(self, elapsed_ns: int) -> None:
        """Wait until so much of the recording has passed since `open`, at its speed."""
        if self.speed is None:
            await asyncio.sleep(0)
            return
        due_ns = self._began_ns + elapsed_ns / self.speed
        await asyncio.sleep(max(0.0, (due_ns - time.monotonic_ns()) / NS_PER_S))

    async def send(self, data: bytes) -> None:
        """Take a command, to no effect: what the hub answered is in the recording."""

    async def close(self) -> None:
        """End the replay at its next chunk."""
        self._closed = True


def _parse(rest: str) -> tuple[Path, float | None]:
    folder, separator, option = rest.rpartition(",speed=")
    if not separator:
        return Path(rest), 1.0
    if option == "max":
        return Path(folder), None
    try:
        speed = float(option)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed < float("inf"):
        raise ConfigError(
            f"replay:{rest}: expected speed=max or a positive number, got {option!r}",
            "for example replay:takes/take-001,speed=max",
        )
    return Path(folder), speed


@contextmanager
def mapped(path: Path) -> Iterator[mcap_chunks.Buffer]:
    """The bytes of a file, read only, without loading them all."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:  # an empty file cannot be mapped
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def raw_chunks(
    data: mcap_chunks.Buffer, folder: Path, device: str = HUB
) -> Iterator[tuple[int, bytes]]:
    """(arrival_ns, bytes) of a device, in order. Raises DataError at the first damage."""
    wanted = raw_topic(device)
    topics: dict[int, str] = {}
    hint = f"run `imusic recover {folder}`"
    for contents in mcap_chunks.chunks(data, str(folder / DATA_FILE), hint):
        for topic, record in mcap_chunks.records(contents, topics):
            if topic == wanted:
                yield record.log_time_ns, bytes(record.payload)
