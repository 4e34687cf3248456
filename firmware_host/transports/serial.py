"""A hub on a serial port: `serial:/dev/ttyACM0`, `serial:COM5,baud=115200`.

A thread blocks in the driver and hands what arrives to the event loop: the one way that works on
Linux, macOS and Windows alike.
"""

import asyncio
import contextlib
import errno
import threading
from collections.abc import AsyncIterator
from typing import Any

from firmware_host.errors import ConfigError, EnvironmentMissing, ImusicError, TransportError
from firmware_host.transports.arrivals import Arrivals

DEFAULT_BAUD = 921_600
_READ_TIMEOUT_S = 0.5  # how long `close` may wait where a blocking read cannot be cancelled
_WRITE_TIMEOUT_S = 1.0


class SerialTransport:
    """Bytes to and from one serial port, opened exclusively.

    Args:
        target: the port, optionally followed by `,baud=N`.
        baud: used where `target` names none; only matters on a real UART.

    Raises:
        ConfigError: an option is unknown or malformed.
    """

    def __init__(self, target: str, baud: int = DEFAULT_BAUD) -> None:
        self.port, self.baud = _parse_target(target, baud)
        self.address = f"serial:{self.port}"
        self._serial: Any = None
        self._thread: threading.Thread | None = None
        self._arrivals = Arrivals(self.address)
        self._closing = threading.Event()
        self._writing = threading.Lock()  # pyserial breaks where a port is closed under a write

    async def open(self) -> None:
        """Open the port and begin to read.

        Raises:
            TransportError: it does not exist, is busy, not permitted, or not a serial port.
            EnvironmentMissing: pyserial is not installed.
        """
        self._serial = await asyncio.to_thread(_open_port, self.port, self.baud)
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=self._read, args=(loop,), name=f"read {self.port}", daemon=True
        )
        self._thread.start()

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield what arrives until `close`. Raises TransportError when the cable is pulled."""
        return self._arrivals.chunks()

    async def send(self, data: bytes) -> None:
        """Write `data`, or give up on it where the line takes nothing for a while.

        A hub that is too busy to listen may still be sending, and what a host says is said again
        until it is answered: a take must not end over it. Raises TransportError when the port is
        closed or lost.
        """
        try:
            await asyncio.to_thread(self._write, self._serial, data)
        except OSError as error:  # SerialException is one
            raise self._lost(error) from error

    def _write(self, port: Any, data: bytes) -> None:
        from serial import SerialTimeoutException

        with self._writing:
            if port is None or self._closing.is_set():
                raise TransportError(f"{self.address} is not open", address=self.address)
            with contextlib.suppress(SerialTimeoutException):
                port.write(data)

    async def close(self) -> None:
        """Close the port and end `chunks`; safe to call twice."""
        port, self._serial = self._serial, None
        if port is None:
            return
        self._closing.set()
        port.cancel_read()
        port.cancel_write()
        if self._thread:
            await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._shut, port)
        self._arrivals.end()

    def _shut(self, port: Any) -> None:
        with self._writing:
            port.close()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """The thread: block for one byte, take all that came with it, hand it over."""
        port = self._serial
        try:
            while not self._closing.is_set():
                data = port.read(1)
                if data and (more := port.in_waiting):  # the frame that the first byte began
                    data += port.read(more)
                if data:
                    loop.call_soon_threadsafe(self._hand_over, data)
        except OSError as error:
            if not self._closing.is_set():
                loop.call_soon_threadsafe(self._arrivals.fail, self._lost(error))

    def _hand_over(self, data: bytes) -> None:
        if (overrun := self._arrivals.put(data)) is not None:
            self._closing.set()
            self._arrivals.fail(overrun)

    def _lost(self, error: OSError) -> TransportError:
        return TransportError(
            f"lost {self.address}: {error}",
            "check the cable and the power of the hub",
            self.address,
        )


def _parse_target(target: str, baud: int) -> tuple[str, int]:
    port, *options = target.split(",")
    for option in options:
        key, _, value = option.partition("=")
        if key != "baud" or not value.isdecimal() or int(value) == 0:
            raise ConfigError(
                f"serial:{target}: expected the option baud=N, got {option!r}",
                "for example serial:/dev/ttyACM0,baud=115200",
            )
        baud = int(value)
    if not port:
        raise ConfigError(f"serial:{target}: expected a port before the comma, got nothing")
    return port, baud


def _open_port(port: str, baud: int) -> Any:
    try:
        import serial
    except ImportError as error:
        raise EnvironmentMissing(
            "reading a serial port needs pyserial, which is not installed",
            'pip install "imusic[serial]"',
        ) from error
    try:
        opened = serial.Serial(
            port, baud, timeout=_READ_TIMEOUT_S, write_timeout=_WRITE_TIMEOUT_S, exclusive=True
        )
    except (OSError, ValueError) as error:
        raise explain_open_error(port, error) from error
    try:
        opened.set_low_latency_mode(True)  # an FTDI otherwise holds bytes back for 16 ms
    except (AttributeError, NotImplementedError, ValueError, OSError):
        return opened  # not Linux, or not a real UART
    return opened


def explain_open_error(port: str, error: OSError | ValueError) -> ImusicError:
    """What pyserial's refusal to open `port` means and what can be done.

    On POSIX the reason is in `errno`, except where the port was opened but is no terminal; on
    Windows only in the text, where "access denied" means that another program has the port.
    """
    address = f"serial:{port}"
    number, text = getattr(error, "errno", None), str(error)
    if number == errno.ENOENT or "FileNotFoundError" in text:
        return TransportError(
            f"{address} does not exist", "run `imusic devices` to list the serial ports", address
        )
    if number in (errno.EBUSY, errno.EAGAIN) or "PermissionError(13, 'Access" in text:
        return TransportError(
            f"{address} is busy: another program has it open",
            "close the other program (a serial monitor, a second recording) and try again",
            address,
        )
    if number in (errno.EACCES, errno.EPERM):
        return TransportError(
            f"{address}: permission denied",
            "on Linux, `sudo usermod -aG dialout $USER`, then log in again",
            address,
        )
    if number == errno.EISDIR or f"({errno.ENOTTY}, " in text:
        return TransportError(
            f"{address} is not a serial port", "run `imusic devices` to list them", address
        )
    if isinstance(error, ValueError):
        return ConfigError(f"{address}: {text}", "check the baud rate")
    return TransportError(
        f"cannot open {address}: {text}", "run `imusic devices` to list the serial ports", address
    )
