"""A byte pipe to one sensor hub, opened by name."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

from firmware_host.errors import ConfigError

if TYPE_CHECKING:
    from firmware_host.transports.gatt import GattProfile


class Transport(Protocol):
    """Bytes in both directions; knows nothing of what they mean."""

    address: str

    async def open(self) -> None:
        """Open the link. Raises TransportError naming the address and what to do."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield what arrives until the link is closed by `close`. Raises TransportError on loss."""
        ...

    async def send(self, data: bytes) -> None:
        """Write `data`; a line that takes nothing for a while may drop it. Raises TransportError on
        loss.
        """
        ...

    async def close(self) -> None:
        """Close the link; safe to call twice."""
        ...


def open_transport(
    url: str, baud: int = 921_600, profile: "GattProfile | None" = None
) -> Transport:
    """Return the (not yet opened) transport that `url` names, such as `serial:/dev/ttyACM0`.

    `baud` is for a serial port whose url names none. `profile` is what answers over Bluetooth LE
    where that is no hub of ours, one of `firmware_host.transports.gatt.PROFILES`.

    Raises:
        ConfigError: no scheme, or one that is not known.
    """
    scheme, separator, rest = url.partition(":")
    if separator and rest and scheme == "serial":
        from firmware_host.transports.serial import SerialTransport

        return SerialTransport(rest, baud)
    if separator and rest and scheme == "udp":
        from firmware_host.transports.udp import UdpTransport

        return UdpTransport(rest)
    if separator and rest and scheme == "tcp":
        from firmware_host.transports.tcp import TcpTransport

        return TcpTransport(rest)
    if separator and rest and scheme == "ble":
        from firmware_host.transports.ble import BleTransport
        from firmware_host.transports.gatt import HUB

        return BleTransport(rest, profile=profile or HUB)
    if separator and rest and scheme == "replay":
        from firmware_host.transports.replay import ReplayTransport

        return ReplayTransport(rest)
    if separator and rest and scheme == "lsl":
        from firmware_host.transports.lsl import LslTransport

        return LslTransport(rest)
    if separator and scheme == "sim":
        from firmware_host.transports.sim import SimTransport

        return SimTransport(rest)
    raise ConfigError(
        f"transport {url!r}: expected serial:PORT, udp:HOST:PORT, udp:HUB, tcp:HOST:PORT, "
        "ble:ADDRESS, ble:NAME, lsl:NAME, replay:TAKE or sim:",
        "for example serial:/dev/ttyACM0, serial:COM5, udp:192.168.1.40:19711, "
        "ble:AA:BB:CC:DD:EE:FF or replay:takes/take-001",
    )
