"""Errors that every package raises on purpose.

ImusicError
├── ConfigError(ValueError)      a value the operator wrote is wrong          exit code 2
├── DataError(ValueError)        a file or message is not what it should be   exit code 2
├── ProtocolError(ValueError)    the peer speaks another dialect              exit code 3
├── TransportError(OSError)      the link could not be opened, or was lost    exit code 3
│   └── DeviceNotFound
└── EnvironmentMissing           a library or system package is not installed exit code 3
"""


class ImusicError(Exception):
    """Base of every error this project raises on purpose.

    `hint` is one line telling the user what can be done; empty where nothing can.
    """

    exit_code: int = 3

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(ImusicError, ValueError):
    """A value the operator wrote (an option, a path, a config key) is wrong."""

    exit_code = 2


class DataError(ImusicError, ValueError):
    """A file is not what it was said to be; names expected, found, and where."""

    exit_code = 2


class ProtocolError(ImusicError, ValueError):
    """The peer speaks another dialect."""


class TransportError(ImusicError, OSError):
    """The link could not be opened, or was lost."""

    def __init__(self, message: str, hint: str = "", address: str = "") -> None:
        super().__init__(message, hint)
        self.address = address


class DeviceNotFound(TransportError):
    """No hub, or other device, answered at the given address."""

    def __init__(self, address: str, timeout_s: float, device: str = "sensor hub") -> None:
        link = "network" if address.startswith(("udp:", "tcp:")) else "cable"
        noun = device.split()[-1]
        hint = f"check the {link} and power of the {noun}, and that its address is right"
        if address.startswith("ble:"):
            hint = (
                "is it on, charged, near, and not connected to another program or phone? "
                "`imusic devices` lists what it hears"
            )
        super().__init__(f"no {device} answered at {address} within {timeout_s:g} s", hint, address)
        self.timeout_s = timeout_s


class EnvironmentMissing(ImusicError):
    """A library or system package is not installed; the hint says how to install it."""
