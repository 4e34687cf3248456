"""Bluetooth LE without a radio: Bumble's virtual controllers, and a backend of bleak on them.

`BleakScanner` and `BleakClient` are the real ones. Everything below them down to the link layer is
Bumble's: advertising, ATT, the MTU exchange, notifications. What is not there: BlueZ, WinRT and
CoreBluetooth, and the timing and losses of a radio.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError, BleakGATTProtocolError
from bumble import att
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.gatt_client import CharacteristicProxy
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink

from firmware_host.transports.radio import BleBackend

ADVERTISE_EVERY_MS = 20.0
DEFAULT_MTU = 247
_BASE = "0000{}-0000-1000-8000-00805f9b34fb"
_PROPERTIES = {
    Characteristic.READ: "read",
    Characteristic.WRITE: "write",
    Characteristic.WRITE_WITHOUT_RESPONSE: "write-without-response",
    Characteristic.NOTIFY: "notify",
}


def device_on(link: LocalLink, name: str, address: str) -> Device:
    """A Bluetooth device with a controller of its own."""
    controller = Controller(name, link=link, public_address=address)
    sink = AsyncPipeSink(controller)
    return Device(name=name, address=Address(address), host=Host(controller, sink))


class Peripheral:
    """A device that advertises and serves one host. Its kind is what a subclass makes of it.

    name: advertised, None for none. advertised: UUIDs of services in the advertisement.
    """

    def __init__(self, address: str, name: str | None, advertised: tuple[str, ...] = ()) -> None:
        self.address, self.name, self.advertised = address, name, advertised
        self.mtu = DEFAULT_MTU
        self.is_dark = False
        self.connection: Connection | None = None
        self.connections = 0
        self.subscribed: set[str] = set()
        self.tasks: list[asyncio.Task[None]] = []

    def services(self) -> list[Service]:
        """What it offers."""
        return []

    async def appear(self, link: LocalLink) -> None:
        """Switch on."""
        self.device = device_on(link, self.name or "nameless", self.address)
        self.device.gatt_server.max_mtu = self.mtu
        self.device.add_services(self.services())
        self.device.on("connection", self._connected)
        await self.device.power_on()
        fields: list[tuple[int, bytes]] = [
            (AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, bytes(UUID(uuid)))
            for uuid in self.advertised
        ]
        if self.name is not None:
            fields.append((AdvertisingData.COMPLETE_LOCAL_NAME, self.name.encode()))
        await self.device.start_advertising(
            auto_restart=True,
            advertising_data=bytes(AdvertisingData(fields)),
            advertising_interval_min=ADVERTISE_EVERY_MS,
            advertising_interval_max=ADVERTISE_EVERY_MS,
        )

    def _connected(self, connection: Connection) -> None:
        self.connection, self.connections = connection, self.connections + 1
        connection.on("disconnection", self._disconnected)

    def _disconnected(self, _: int) -> None:
        self.connection, self.subscribed = None, set()
        for task in self.tasks:
            task.cancel()

    def speaks(self, uuid: str) -> Characteristic[bytes]:
        """A characteristic that notifies; `on_subscribed` hears who wants to know."""
        found = Characteristic[bytes](uuid, Characteristic.NOTIFY, Characteristic.READABLE, b"")

        def changed(_: Connection, notify: bool, __: bool) -> None:
            if notify:
                self.subscribed.add(uuid)
                self.on_subscribed(found)

        found.on("subscription", changed)
        return found

    def listens(
        self,
        uuid: str,
        hear: Callable[[bytes], None],
        properties: Characteristic.Properties = Characteristic.WRITE,
    ) -> Characteristic[bytes]:
        """A characteristic that is written to."""
        value = CharacteristicValue(write=lambda _, data: hear(bytes(data)))
        return Characteristic(uuid, properties, Characteristic.WRITEABLE, value)

    def on_subscribed(self, characteristic: Characteristic[bytes]) -> None:
        """The host listens to `characteristic` now."""

    def play(self, words: Awaitable[None]) -> None:
        """Let the device do something as long as it is connected."""
        self.tasks.append(asyncio.ensure_future(words))

    async def say(self, characteristic: Characteristic[bytes], data: bytes) -> None:
        """One notification."""
        if self.connection is not None:
            await self.device.notify_subscriber(self.connection, characteristic, data)

    async def hang_up(self) -> None:
        """End the connection, as a device does whose battery is empty."""
        assert self.connection is not None
        await self.device.disconnect(self.connection, 0x13)

    def go_dark(self) -> None:
        """Be gone, and let the host's system not notice it."""
        self.is_dark = True
        for task in self.tasks:
            task.cancel()


class VirtualAir:
    """What is near. It comes to be in the event loop that first listens.

    busy: how many scans and connection attempts run now; most_at_once: how many ever did.
    """

    def __init__(self, *peripherals: Peripheral) -> None:
        self.peripherals = peripherals
        self.busy = self.most_at_once = 0
        self.refuse_connections = 0  # how many attempts are still to fail
        self._link: LocalLink | None = None
        self._hosts = itertools.count(1)
        scanner = type("VirtualScanner", (_Scanner,), {"air": self})
        client = type("VirtualClient", (_Client,), {"air": self})
        self.backend = BleBackend(client, scanner)

    async def host(self) -> Device:
        """An adapter of this computer."""
        if self._link is None:
            self._link = LocalLink()
            for peripheral in self.peripherals:
                await peripheral.appear(self._link)
        adapter = device_on(self._link, "host", f"F0:00:00:00:00:{next(self._hosts):02X}")
        await adapter.power_on()
        return adapter

    def begin(self) -> None:
        """A scan or a connection attempt begins."""
        self.busy += 1
        self.most_at_once = max(self.most_at_once, self.busy)

    def at(self, address: str) -> Peripheral:
        """Who is there."""
        return next(one for one in self.peripherals if one.address == address)


class _Scanner(BaseBleakScanner):
    air: ClassVar[VirtualAir]

    def __init__(self, callback: Any, service_uuids: Any, scanning_mode: str, **_: Any) -> None:
        super().__init__(callback, service_uuids)

    async def start(self) -> None:
        self.seen_devices = {}
        self._adapter = await self.air.host()
        self._adapter.on("advertisement", self._heard)
        await self._adapter.start_scanning(active=False)
        self.air.begin()

    async def stop(self) -> None:
        self.air.busy -= 1
        await self._adapter.stop_scanning()

    def _heard(self, heard: Advertisement) -> None:
        address = heard.address.to_string(with_type_qualifier=False)
        data = heard.data
        name = data.get(AdvertisingData.COMPLETE_LOCAL_NAME, raw=True)
        uuids = data.get_all(AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, raw=True)
        told = AdvertisementData(
            name.decode() if name else None,
            {},
            {},
            [_spelled(UUID.from_bytes(uuid)) for uuid in uuids],
            None,
            heard.rssi,
            (),
        )
        device = self.create_or_update_device(address, address, told.local_name, None, told)
        self.call_detection_callbacks(device, told)


class _Client(BaseBleakClient):
    air: ClassVar[VirtualAir]

    def __init__(self, device: Any, services: Any = None, **options: Any) -> None:
        super().__init__(
            device,
            disconnected_callback=options["disconnected_callback"],
            timeout=options["timeout"],
        )
        self._peer: Peer | None = None

    @property
    def name(self) -> str:
        return self.air.at(self.address).name or self.address

    @property
    def mtu_size(self) -> int:
        return self._peer.gatt_client.mtu if self._peer else 23

    @property
    def is_connected(self) -> bool:
        return self._peer is not None

    async def connect(self, pair: bool, **_: Any) -> None:
        adapter = await self.air.host()
        self.air.begin()
        try:
            if self.air.refuse_connections:
                self.air.refuse_connections -= 1
                raise BleakError("le-connection-abort-by-local")
            connection = await adapter.connect(Address(self.address))
            connection.on("disconnection", self._disconnected)
            self._peer = Peer(connection)
            await self._peer.request_mtu(DEFAULT_MTU)
            await self._peer.discover_all()
            self.services = _collected(self._peer)
        finally:
            self.air.busy -= 1

    def _disconnected(self, _: int) -> None:
        if self._peer is not None:
            self._peer = None
            if self._disconnected_callback is not None:
                self._disconnected_callback()

    async def disconnect(self) -> None:
        if self.air.at(self.address).is_dark:
            await asyncio.Event().wait()  # an answer that never comes
        if self._peer is not None:
            await self._peer.connection.disconnect()

    async def pair(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError

    async def unpair(self) -> None:
        raise NotImplementedError

    async def read_gatt_char(self, characteristic: BleakGATTCharacteristic, **_: Any) -> bytearray:
        raise NotImplementedError

    async def read_gatt_descriptor(self, descriptor: Any, **_: Any) -> bytearray:
        raise NotImplementedError

    async def write_gatt_descriptor(self, descriptor: Any, data: Any) -> None:
        raise NotImplementedError

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: Any, response: bool
    ) -> None:
        if self._peer is None:
            raise BleakError("Not connected")
        if self.air.at(self.address).is_dark:
            if response:
                await asyncio.Event().wait()
            return
        if not response and len(data) > self.mtu_size - 3:
            raise BleakError(f"a write of {len(data)} bytes over an MTU of {self.mtu_size}")
        try:
            await characteristic.obj.write_value(bytes(data), with_response=response)
        except att.ATT_Error as error:
            raise BleakGATTProtocolError(error.error_code) from error

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: Any, **_: Any
    ) -> None:
        await characteristic.obj.subscribe(lambda value: callback(bytearray(value)))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        await characteristic.obj.unsubscribe()


def _collected(peer: Peer) -> BleakGATTServiceCollection:
    found = BleakGATTServiceCollection()
    for theirs in peer.services:
        service = BleakGATTService(theirs, theirs.handle, _spelled(theirs.uuid))
        found.add_service(service)
        for one in theirs.characteristics:
            found.add_characteristic(_characteristic(peer, one, service))
    return found


def _characteristic(
    peer: Peer, theirs: CharacteristicProxy[bytes], service: BleakGATTService
) -> BleakGATTCharacteristic:
    properties: Any = [name for flag, name in _PROPERTIES.items() if flag in theirs.properties]
    return BleakGATTCharacteristic(
        theirs,
        theirs.handle,
        _spelled(theirs.uuid),
        properties,
        lambda: peer.gatt_client.mtu - 3,
        service,
    )


def _spelled(uuid: UUID) -> str:
    text = uuid.to_hex_str("-").lower()
    return _BASE.format(text) if len(text) == 4 else text
