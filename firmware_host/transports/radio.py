"""The Bluetooth radio of this computer, which all links of this process share.

Bluetooth stacks refuse, or forget, a second scan or connection attempt while one is under way: here
only one of them runs at a time.
"""

import asyncio
import re
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from firmware_host.boards import printable
from firmware_host.errors import EnvironmentMissing

if TYPE_CHECKING:
    from bleak.backends.client import BaseBleakClient
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData, BaseBleakScanner

    Heard = tuple[BLEDevice, AdvertisementData]

_ASK_AGAIN_S = 0.02
_MAC = re.compile(r"(?:[0-9A-F]{2}[:-]){5}[0-9A-F]{2}", re.IGNORECASE)
_UUID = re.compile(r"[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}", re.IGNORECASE)
_busy = threading.Lock()  # not asyncio's: there may be an event loop in each of several threads


@dataclass(frozen=True, slots=True)
class BleBackend:
    """What speaks to the radio in the place of this system's own: another one, or a virtual one."""

    client: "type[BaseBleakClient]"
    scanner: "type[BaseBleakScanner]"


@asynccontextmanager
async def radio_to_ourselves() -> AsyncIterator[None]:
    """Wait until nobody else in this process scans or connects, and keep them waiting meanwhile."""
    while not _busy.acquire(blocking=False):
        await asyncio.sleep(_ASK_AGAIN_S)
    try:
        yield
    finally:
        _busy.release()


def import_bleak() -> ModuleType:
    """The library that speaks to the radio. Raises EnvironmentMissing where there is none."""
    try:
        import bleak
    except ImportError as error:
        raise EnvironmentMissing(
            "Bluetooth LE needs bleak, which is not installed", 'pip install "imusic[ble]"'
        ) from error
    return bleak


def radio_errors() -> tuple[type[Exception], ...]:
    """What bleak raises when the radio, the system or the device is the reason."""
    import_bleak()
    from bleak.exc import BleakError

    return (BleakError, OSError, EOFError)  # EOFError: D-Bus hung up


def spelled(address: str) -> str | None:
    """A Bluetooth address as bleak spells it; None for what is none, and hence a name.

    On Linux and Windows it is six bytes (`AA:BB:CC:DD:EE:FF`, also with dashes), on macOS, which
    tells nobody those, a UUID that only this computer knows.
    """
    if _MAC.fullmatch(address):
        return address.upper().replace("-", ":")
    return address.upper() if _UUID.fullmatch(address) else None


def spelling_hint(address: str, platform: str = sys.platform) -> str:
    """What to do about an address that this system spells otherwise; empty where it does not."""
    if platform == "darwin" and _MAC.fullmatch(address):
        return "macOS tells no such addresses: use the UUID or name that `imusic devices` lists"
    if platform != "darwin" and _UUID.fullmatch(address):
        return "only macOS spells addresses so: use the one that `imusic devices` lists"
    return ""


def is_called(target: str, device: "BLEDevice", told: "AdvertisementData") -> bool:
    """Whether `target` is the address or else the name of what advertises."""
    address = spelled(target)
    if address is not None:
        return device.address.upper() == address
    return target.casefold() in {(name or "").casefold() for name in (told.local_name, device.name)}


async def listen(
    seconds: float,
    is_enough: "Callable[[Heard], bool]" = lambda _: False,
    then_s: float = 0.0,
    backend: BleBackend | None = None,
) -> "list[Heard]":
    """Everything that advertises within `seconds`, each with its newest words. The radio must be
    ours.

    is_enough: ends it early, `then_s` after something that is.

    Raises:
        What `radio_errors` says: there is no radio, or it may not be used.
    """
    heard: dict[str, Heard] = {}
    done = asyncio.Event()

    def take(device: "BLEDevice", told: "AdvertisementData") -> None:
        heard[device.address] = device, told
        if is_enough((device, told)):
            done.set()

    options: dict[str, Any] = {} if backend is None else {"backend": backend.scanner}
    async with import_bleak().BleakScanner(take, **options):
        try:
            async with asyncio.timeout(seconds):
                await done.wait()
            await asyncio.sleep(then_s)
        except TimeoutError:
            pass
    return list(heard.values())


def trouble(error: Exception) -> tuple[str, str]:
    """(What is wrong with the radio, what can be done), one line each."""
    from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason

    why = BleakBluetoothNotAvailableReason
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return (  # the socket of D-Bus, over which Linux speaks to Bluetooth
            "this computer has no service for it",
            "on Linux, install and start BlueZ (`sudo systemctl start bluetooth`)",
        )
    reason = error.reason if isinstance(error, BleakBluetoothNotAvailableError) else None
    if reason is why.NO_BLUETOOTH:
        return "this computer has no adapter", "plug one in, or switch it on in the BIOS"
    if reason is why.NO_BLE_CENTRAL_ROLE:
        return "the adapter is too old for Bluetooth LE", "plug in one of Bluetooth 4.2 or newer"
    if reason is why.POWERED_OFF:
        return "it is switched off", "switch it on (on Linux, `bluetoothctl power on`)"
    if reason in (why.DENIED_BY_USER, why.DENIED_BY_SYSTEM, why.DENIED_BY_UNKNOWN):
        return (
            "this program may not use it",
            "allow it in the privacy settings of the system, on macOS for the terminal",
        )
    text = printable(" ".join(str(error).split())) or type(error).__name__
    return text, "is Bluetooth switched on? `imusic devices` says what it hears"
