"""Hubs that announce themselves, heard over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from firmware_host.announcements import Announcement, Link, encode_announcement
from firmware_host.discovery import MAX_HUBS, listening
from firmware_host.errors import TransportError
from firmware_host.samples import (
    HubEvent,
)
from firmware_host.transports.udp import UdpTransport
from tests.integration.network_links import (
    free_port,
    hub_with,
    listen,
    run,
    samples,
    served,
)

pytestmark = pytest.mark.integration


def announcement(device_id: str = "hub-7", port: int = 19_711, **changes: object) -> bytes:
    fields = {"link": Link.UDP, "protocol_version": 1, "is_streaming": False, "battery": 0.5}
    return encode_announcement(
        Announcement(device_id=device_id, firmware="f", port=port, **(fields | changes))
    )


@asynccontextmanager
async def announced(port: int, *datagrams: bytes) -> AsyncIterator[None]:
    """Datagrams that reach the port again and again, as announcements do."""

    async def tell() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while True:
                for datagram in datagrams:
                    sender.sendto(datagram, ("127.0.0.1", port))
                await asyncio.sleep(0.05)

    teller = asyncio.create_task(tell())
    try:
        yield
    finally:
        teller.cancel()


def test_a_hub_is_found_by_the_name_that_it_announces():
    async def by_name() -> list[HubEvent]:
        port = free_port()
        how = {"announce_port": port, "device_id": "forehead"}
        async with served(hub_with(200), Link.UDP, **how):
            return await listen(UdpTransport("forehead", announce_port=port, find_s=10))

    assert samples(run(by_name())) == 200


def test_the_only_hub_is_found_without_a_name():
    async def only() -> list[HubEvent]:
        port = free_port()
        async with served(hub_with(200), Link.UDP, announce_port=port):
            return await listen(UdpTransport("*", announce_port=port, find_s=1.5))

    assert samples(run(only())) == 200


@pytest.mark.parametrize(
    ("target", "told", "says"),
    [
        ("*", (), "no hub announced itself"),
        ("chin", (announcement("brow"),), r"as 'chin' within .*heard: brow \(udp:127.0.0.1:19711"),
        ("*", (announcement("a", 1), announcement("b", 2)), r"several hubs .* a \(.* b \("),
        ("a", (announcement("a", is_streaming=True),), "busy: it streams to another host"),
        ("a", (announcement("a", link=Link.TCP),), "no hub announced itself as 'a'"),
    ],
)
def test_hubs_that_are_not_to_be_had_are_explained(target, told, says):
    async def looking() -> None:
        port = free_port()
        async with announced(port, *told):
            await UdpTransport(target, announce_port=port, find_s=0.5).open()

    with pytest.raises(TransportError, match=says) as caught:
        run(looking())
    assert caught.value.hint


def test_two_programs_may_listen_for_announcements():
    async def both() -> list[list[str]]:
        port = free_port()
        async with listening(port) as one, listening(port) as other:
            async with served(hub_with(), Link.UDP, announce_port=port):
                await one.heard.wait()
                await other.heard.wait()
            return [[h.announcement.device_id for h in e.hubs.values()] for e in (one, other)]

    assert run(both()) == 2 * [["simulated-hub"]]


def test_a_program_that_keeps_the_port_for_itself_is_complained_of():
    async def taken() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as greedy:
            greedy.bind(("0.0.0.0", 0))
            async with listening(greedy.getsockname()[1]):
                pass

    with pytest.raises(TransportError, match="is busy: another program listens"):
        run(taken())


def test_an_ear_is_not_filled_by_strangers():
    async def flooded() -> tuple[int, int]:
        port = free_port()
        async with listening(port) as ear:
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with sender:
                for number in range(3 * MAX_HUBS):
                    sender.sendto(announcement("x", 1 + number), ("127.0.0.1", port))
                    sender.sendto(b"noise", ("127.0.0.1", port))
                    await asyncio.sleep(0)
                while ear.ignored < 5 * MAX_HUBS:
                    await asyncio.sleep(0.01)
            return len(ear.hubs), ear.ignored

    assert run(flooded()) == (MAX_HUBS, 5 * MAX_HUBS)
