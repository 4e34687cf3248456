"""A UDP socket that hands each datagram on the moment the event loop hands it over."""

import asyncio
from collections.abc import Callable

Address = tuple[str, int]
Take = Callable[[bytes, Address], None]


async def open_udp(address: Address, take: Take) -> asyncio.DatagramTransport:
    """Listen at `address`, port 0 for a free one. Raises OSError where that is not to be had."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Ear(take), local_addr=address)
    return transport


def address_of(transport: asyncio.DatagramTransport) -> Address:
    """Where it listens."""
    host, port = transport.get_extra_info("sockname")[:2]
    return host, port


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, take: Take) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._take(data, addr)
