"""What the network transports share: how an address is written, and what its errors mean."""

import errno
import re
import socket

from firmware_host.errors import ConfigError, TransportError

MAX_PORT = 65_535
_ENDPOINT = re.compile(r"(?P<host>\[[^\[\]]+\]|[^:\[\]]+):(?P<port>\d+)")
_REACH = "is the hub on, and in the same network? `imusic devices` lists what announces itself"


def parse_endpoint(scheme: str, target: str) -> tuple[str, int]:
    """(host, port) of `HOST:PORT`; an IPv6 address stands in brackets.

    Raises:
        ConfigError: not of that form, or a port out of range.
    """
    found = _ENDPOINT.fullmatch(target)
    if found is None or not 1 <= int(found["port"]) <= MAX_PORT:
        raise ConfigError(
            f"{scheme}:{target}: expected {scheme}:HOST:PORT with a port from 1 to {MAX_PORT}",
            f"for example {scheme}:192.168.1.40:19711, or {scheme}:[fe80::1%wlan0]:19711",
        )
    return found["host"].strip("[]"), int(found["port"])


def explain_reach_error(address: str, error: OSError) -> TransportError:
    """Why there is no way to `address`, and what can be done."""
    number = error_number(error)
    if isinstance(error, socket.gaierror):
        return TransportError(
            f"{address}: the name of the host is not known",
            "check the spelling, or give its IP address",
            address,
        )
    if number == errno.ECONNREFUSED:
        return TransportError(f"{address} refused: nothing listens on that port", _REACH, address)
    if isinstance(error, TimeoutError) or number == errno.ETIMEDOUT:
        return TransportError(f"{address} did not answer in time", _REACH, address)
    if number in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETDOWN):
        return TransportError(
            f"{address} is unreachable", f"is this computer in the network? {_REACH}", address
        )
    if number in (errno.EACCES, errno.EPERM):
        return TransportError(
            f"{address}: permission denied", "does a firewall forbid it?", address
        )
    return TransportError(f"cannot reach {address}: {error.strerror or error}", _REACH, address)


def explain_bind_error(address: str, error: OSError) -> TransportError:
    """Why the port of this computer that `address` names cannot be listened on."""
    number = error_number(error)
    if number == errno.EADDRINUSE:
        return TransportError(
            f"{address} is busy: another program listens on that port",
            "close the other program, or choose another port",
            address,
        )
    if number in (errno.EACCES, errno.EPERM):
        return TransportError(
            f"{address}: permission denied",
            "choose a port above 1023; on Windows, it may be reserved",
            address,
        )
    if number == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return TransportError(
            f"{address} is no address of this computer", "try 127.0.0.1 or 0.0.0.0", address
        )
    return TransportError(f"cannot listen on {address}: {error.strerror or error}", "", address)


def error_number(error: OSError) -> int | None:
    """`errno`, also where asyncio tried several addresses and kept the numbers in the text only."""
    if error.errno is not None:
        return error.errno
    found = re.search(r"\[Errno (\d+)\]", str(error))
    return int(found[1]) if found else None
