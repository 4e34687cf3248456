"""Listens for hubs that announce themselves in the network."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from firmware_host.announcements import ANNOUNCE_PORT, Announcement, decode_announcement
from firmware_host.transports.network import explain_bind_error

MAX_HUBS = 64  # that are remembered: anybody may send announcements


@dataclass(frozen=True, slots=True)
class HeardHub:
    """A hub and where it was heard from."""

    host: str
    announcement: Announcement

    @property
    def url(self) -> str:
        """What `open_transport` takes."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.announcement.link.name.lower()}:{host}:{self.announcement.port}"


class Ear(asyncio.DatagramProtocol):
    """Keeps the newest announcement of each hub. `ignored` counts every other datagram."""

    def __init__(self) -> None:
        self.hubs: dict[str, HeardHub] = {}
        self.ignored = 0
        self.heard = asyncio.Event()  # set whenever a hub said something

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take one datagram from anybody."""
        announcement = decode_announcement(data)
        if announcement is None:
            self.ignored += 1
            return
        hub = HeardHub(addr[0], announcement)
        if hub.url not in self.hubs and len(self.hubs) >= MAX_HUBS:
            self.ignored += 1
            return
        self.hubs[hub.url] = hub
        self.heard.set()


@asynccontextmanager
async def listening(port: int = ANNOUNCE_PORT) -> AsyncIterator[Ear]:
    """Listen for announcements while the block runs; other programs may do the same.

    Raises:
        TransportError: another program keeps the port for itself.
    """
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        # Every program that does this gets a copy of each broadcast.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("0.0.0.0", port))
    except OSError as error:
        sock.close()
        raise explain_bind_error(f"udp:0.0.0.0:{port}", error) from error
    transport, ear = await loop.create_datagram_endpoint(Ear, sock=sock)
    try:
        yield ear
    finally:
        transport.close()


async def find_hub(
    is_wanted: Callable[[HeardHub], bool], seconds: float, port: int = ANNOUNCE_PORT
) -> tuple[HeardHub | None, list[HeardHub]]:
    """(The first hub that `is_wanted`, or None after `seconds`; all that were heard).

    Raises:
        TransportError: another program keeps the port for itself.
    """
    async with listening(port) as ear:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await ear.heard.wait()
                    ear.heard.clear()
                    for hub in ear.hubs.values():
                        if is_wanted(hub):
                            return hub, list(ear.hubs.values())
        except TimeoutError:
            return None, list(ear.hubs.values())
