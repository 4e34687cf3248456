"""A device over Bluetooth LE: `ble:AA:BB:CC:DD:EE:FF`, on macOS `ble:UUID`, or `ble:NAME`.

A hub of ours unless another `GattProfile` is given. Each notification is one chunk, as it came.

            open()                    the device or the system hangs up
closed ───────────────► linked ──────────────────────────────► lost: `chunks` raises,
(find, connect, start)    │ close()                            after what came before
                          ▼
                        closed (stop, disconnect, each only for `close_s`)

A system may notice late, or never, that a device is gone. Whoever listens must notice the silence.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from firmware_host.boards import printable
from firmware_host.errors import ConfigError, DeviceNotFound, ProtocolError, TransportError
from firmware_host.transports import radio
from firmware_host.transports.arrivals import Arrivals
from firmware_host.transports.gatt import HUB, PROFILES, GattProfile, GattWrite
from firmware_host.transports.radio import BleBackend

if TYPE_CHECKING:
    from bleak import BleakClient
    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.device import BLEDevice
    from bleak.backends.service import BleakGATTServiceCollection

FIND_S = 10.0  # devices advertise once in 0.1 to 2 s, and not every one of these is heard
CONNECT_S = 20.0
CLOSE_S = 3.0
_SAME_NAME_S = 1.0  # how long to listen for another device of the same name
_TRIES = 2  # a first attempt often fails for interference, a second seldom
_SEND_S = 1.0


class BleTransport:
    """Chunks of one device, one a notification.

    Args:
        target: address or advertised name.
        profile: what kind of device it is.
        backend: what to use in the place of this system's radio.
        find_s, connect_s, close_s: how long each may take.

    Raises:
        ConfigError: `target` is empty.
    """

    def __init__(
        self,
        target: str,
        *,
        profile: GattProfile = HUB,
        backend: BleBackend | None = None,
        find_s: float = FIND_S,
        connect_s: float = CONNECT_S,
        close_s: float = CLOSE_S,
    ) -> None:
        if not target.strip():
            raise ConfigError("ble: expected an address or a name", "for example ble:imusic-hub")
        self.address = f"ble:{radio.spelled(target) or target}"
        self._target = target
        self._profile = profile
        self._backend = backend
        self._find_s, self._connect_s, self._close_s = find_s, connect_s, close_s
        self._arrivals = Arrivals(self.address)
        self._client: BleakClient | None = None
        self._found: dict[str, BleakGATTCharacteristic] = {}  # what the profile names, by UUID
        self._is_over = False  # lost, overrun or closed: nothing more is heard
        self._sending = asyncio.Lock()  # the pieces of two commands must not mix

    @property
    def write_limit(self) -> int:
        """Bytes that one write carries: what the negotiated MTU leaves. 0 before `open`.

        Some systems learn it only after a while, and tell the smallest one, 20, until then.
        """
        found = self._found.get(self._profile.write)
        return found.max_write_without_response_size if found else 0

    async def open(self) -> None:
        """Find the device, connect and begin to listen; nobody else scans or connects meanwhile.

        Raises:
            DeviceNotFound: nothing of that address or name advertises.
            TransportError: several devices have that name, the connection failed, or this computer
                has no Bluetooth that works.
            ProtocolError: it is a device of another kind.
            EnvironmentMissing: bleak is not installed.
        """
        async with radio.radio_to_ourselves():
            device = await self._find()
            self._client = await self._connect(device)
        try:
            await self._begin(self._client)
        except BaseException:
            await self.close()
            raise

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield notifications until `close`. Raises TransportError when the link is lost."""
        return self._arrivals.chunks()

    async def send(self, data: bytes) -> None:
        """Write `data`, or give up on it where the device takes nothing for a while.

        On a lost link nothing happens: `chunks` is about to say why. Raises TransportError once
        closed, or where the device refuses.
        """
        client = self._client
        if client is None:
            raise TransportError(f"{self.address} is not open", address=self.address)
        if self._is_over or not data:
            return
        size = self.write_limit if self._profile.is_stream else len(data)
        try:
            async with asyncio.timeout(_SEND_S), self._sending:
                for at in range(0, len(data), size):
                    piece = GattWrite(self._profile.write, data[at : at + size])
                    await self._write(client, piece)
        except TimeoutError:
            return
        except TransportError:
            if not self._is_over:
                raise

    async def close(self) -> None:
        """Stop the device, hang up and end `chunks`; safe to call twice, or on a dead link."""
        client, self._client = self._client, None
        if client is None:
            return
        was_lost, self._is_over = self._is_over, True
        try:
            if not was_lost:
                await self._stop(client)
            with contextlib.suppress(*radio.radio_errors()):  # TimeoutError is one
                async with asyncio.timeout(self._close_s):
                    await client.disconnect()
        finally:
            self._arrivals.end()

    async def _stop(self, client: "BleakClient") -> None:
        with contextlib.suppress(TransportError, TimeoutError):
            async with asyncio.timeout(self._close_s):
                for write in self._profile.stop:
                    if write.characteristic in self._found:  # not where it is another device
                        await self._write(client, write)

    async def _find(self) -> "BLEDevice":
        """The one device that is meant. The radio must be ours."""
        is_name = radio.spelled(self._target) is None
        try:
            heard = await radio.listen(
                self._find_s,
                lambda found: radio.is_called(self._target, *found),
                _SAME_NAME_S if is_name else 0.0,
                self._backend,
            )
        except radio.radio_errors() as error:
            reason, hint = radio.trouble(error)
            raise TransportError(
                f"{self.address}: Bluetooth cannot be used: {reason}", hint, self.address
            ) from error
        found = [device for device, told in heard if radio.is_called(self._target, device, told)]
        if not found:
            missing = DeviceNotFound(self.address, self._find_s)
            missing.hint = radio.spelling_hint(self._target) or missing.hint
            raise missing
        if len(found) > 1:
            addresses = ", ".join(sorted(f"ble:{device.address}" for device in found))
            raise TransportError(
                f"{self.address}: several devices have that name", f"use {addresses}", self.address
            )
        return found[0]

    async def _connect(self, device: "BLEDevice") -> "BleakClient":
        """Connect within `connect_s`, all tries together. The radio must be ours."""
        from bleak.exc import BleakError

        options: dict[str, Any] = {} if self._backend is None else {"backend": self._backend.client}
        client: BleakClient = radio.import_bleak().BleakClient(
            device, self._hung_up, timeout=self._connect_s, **options
        )
        reason = ""
        try:
            async with asyncio.timeout(self._connect_s):
                for _ in range(_TRIES):
                    try:
                        await client.connect()
                    except BleakError as error:
                        reason = printable(str(error))
                        continue
                    return client
        except (OSError, EOFError) as error:  # TimeoutError is an OSError
            reason = printable(str(error)) or f"no answer within {self._connect_s:g} s"
        raise TransportError(
            f"{self.address} advertises, but does not let us connect: {reason}",
            "go nearer, switch it off and on, and see that no other program or phone has it",
            self.address,
        )

    async def _begin(self, client: "BleakClient") -> None:
        """Listen, and tell the device to start."""
        try:
            self._found = self._characteristics(client.services)
            for uuid in self._profile.notify:
                await client.start_notify(
                    self._found[uuid], lambda _, data: self._heard(bytes(data))
                )
            async with asyncio.timeout(self._connect_s):
                for write in self._profile.start:
                    await self._write(client, write)
        except TransportError:
            raise
        except radio.radio_errors() as error:
            raise self._lost(error) from error

    def _characteristics(
        self, services: "BleakGATTServiceCollection"
    ) -> "dict[str, BleakGATTCharacteristic]":
        """What the profile names, by UUID. Raises ProtocolError where the device lacks some."""
        profile = self._profile
        settings = (write.characteristic for write in profile.start)
        wanted = (*profile.notify, profile.write, *settings)
        found = {uuid: services.get_characteristic(uuid) for uuid in wanted}
        there = {uuid: one for uuid, one in found.items() if one is not None}
        if len(there) == len(found):
            return there
        lacks = next(uuid for uuid in wanted if uuid not in there)
        alike = [known.what for known in PROFILES.values() if services.get_service(known.service)]
        raise ProtocolError(
            f"{self.address} is no {profile.what}: it has no characteristic {lacks}",
            f"it looks to be a {alike[0]}" if alike else "is it the device that you mean?",
        )

    async def _write(self, client: "BleakClient", write: GattWrite) -> None:
        """Write once. Raises TransportError where the link is lost, or the device refuses."""
        from bleak.exc import BleakGATTProtocolError

        found = self._found[write.characteristic]
        can_ask, can_tell = (
            name in found.properties for name in ("write", "write-without-response")
        )
        # The next command mends a lost piece of a stream; a setting must be known to have arrived.
        asks = not can_tell or (can_ask and not self._profile.is_stream)
        try:
            await client.write_gatt_char(found, write.data, response=asks)
        except BleakGATTProtocolError as error:
            raise TransportError(
                f"{self.address} refused {write.data.hex(' ')}: {error}",
                "switch it off and on; is its firmware up to date?",
                self.address,
            ) from error
        except TimeoutError:
            raise
        except radio.radio_errors() as error:
            lost = self._lost(error)
            self._fail(lost)
            raise lost from error
        await asyncio.sleep(write.pause_s)

    def _heard(self, data: bytes) -> None:
        if not self._is_over and (overrun := self._arrivals.put(data)) is not None:
            self._fail(overrun)

    def _hung_up(self, client: "BleakClient") -> None:
        if client is self._client:  # not one that never came to be, nor one that we closed
            self._fail(self._lost())

    def _fail(self, error: TransportError) -> None:
        """End `chunks` with an error, and listen no more; what ended it first is what is told."""
        if not self._is_over:
            self._is_over = True
            self._arrivals.fail(error)

    def _lost(self, error: Exception | None = None) -> TransportError:
        reason = "the connection broke" if error is None else printable(str(error))
        reason = reason or "it does not answer"
        return TransportError(
            f"lost {self.address}: {reason}",
            "is it charged, and near? Bodies, and USB 3 plugs beside the adapter, shield its radio",
            self.address,
        )
