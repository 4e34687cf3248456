"""A sender that plays Live Link Face on a phone."""

import socket

from capture.livelink import LiveLinkPacket, encode
from firmware_host.closing import Closing
from firmware_host.errors import TransportError


class LiveLinkSender(Closing):
    """Sends packets to `host`:`port` as the app does; whoever is not there misses them."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, packet: LiveLinkPacket) -> None:
        """Send one frame. Raises TransportError where there is no way to the host."""
        try:
            self._socket.sendto(encode(packet), self._address)
        except ConnectionError:  # Windows reports here that the last one found nobody
            return
        except OSError as error:
            host, port = self._address
            raise TransportError(
                f"cannot send to UDP {host}:{port}: {error.strerror or error}",
                "check the host's name and the network",
                f"udp:{host}:{port}",
            ) from error

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
