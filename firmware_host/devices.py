"""Looks for sensor hubs: on serial ports, in the network and in the air, all at once."""

import asyncio
import math
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firmware_host.announcements import ANNOUNCE_PORT
from firmware_host.boards import advertised_looks_like, printable, usb_looks_like
from firmware_host.discovery import MAX_HUBS, HeardHub, listening
from firmware_host.errors import EnvironmentMissing, TransportError
from firmware_host.messages import PROTOCOL_VERSION
from firmware_host.transports import radio
from firmware_host.transports.network import explain_bind_error
from firmware_host.transports.radio import BleBackend
from firmware_host.vendors.slime_packets import PORT as SLIME_PORT
from firmware_host.vendors.slime_packets import Handshake, decode_datagram
from firmware_host.vendors.ximu3 import ANNOUNCEMENT_PORT as XIMU_PORT
from firmware_host.vendors.ximu3 import decode_announcement as decode_ximu

if TYPE_CHECKING:
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

Fact = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """Something that may be a hub. kind: serial, udp, tcp or ble. facts: what else is known."""

    kind: str
    address: str
    looks_like: str
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def may_be_hub(self) -> bool:
        """Whether it is worth a try: on USB, announced, or in the air as something we know.

        A bare UART or a phone nearby is not.
        """
        known = self.facts.get("vendor_id"), self.facts.get("profile")
        return self.kind in ("udp", "tcp") or any(fact is not None for fact in known)

    def to_json(self) -> dict[str, Fact]:
        """One flat object."""
        head = {"kind": self.kind, "address": self.address, "looks_like": self.looks_like}
        return head | dict(self.facts)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found, and in one line each, where nobody could look."""

    devices: tuple[FoundDevice, ...]
    notes: tuple[str, ...] = ()


async def find_devices(seconds: float, announce_port: int | None = None) -> Findings:
    """Look everywhere for `seconds`. What is not installed or not there becomes a note."""
    port = ANNOUNCE_PORT if announce_port is None else announce_port
    found = await asyncio.gather(
        asyncio.to_thread(serial_ports),
        hubs_in_network(seconds, port),
        others_in_network(seconds, XIMU_PORT, SLIME_PORT),
        hubs_in_air(seconds),
    )
    return Findings(
        tuple(device for part in found for device in part.devices),
        tuple(note for part in found for note in part.notes),
    )


def serial_ports() -> Findings:
    """The serial ports of this computer, and what each looks to be."""
    try:
        from serial.tools import list_ports
    except ImportError:
        return Findings(
            (), ('serial ports not listed: needs pyserial, pip install "imusic[serial]"',)
        )
    return Findings(
        tuple(
            FoundDevice(
                "serial",
                f"serial:{port.device}",
                usb_looks_like(port.vid, port.pid, port.description),
                {
                    "vendor_id": port.vid,
                    "product_id": port.pid,
                    "serial_number": port.serial_number and printable(port.serial_number),
                },
            )
            for port in sorted(list_ports.comports())
        )
    )


async def hubs_in_network(seconds: float, port: int = ANNOUNCE_PORT) -> Findings:
    """The hubs that announce themselves on UDP `port` within `seconds`."""
    try:
        async with listening(port) as ear:
            await asyncio.sleep(seconds)
            heard = sorted(ear.hubs.values(), key=lambda hub: hub.url)
    except TransportError as error:
        return Findings((), (f"network not listened to: {error}",))
    return Findings(tuple(map(_hub, heard)))


def _hub(hub: HeardHub) -> FoundDevice:
    told = hub.announcement
    looks_like = f"hub {told.device_id} ({told.firmware})"
    if told.protocol_version != PROTOCOL_VERSION:
        looks_like += f", protocol version {told.protocol_version}: too new or too old"
    if told.is_streaming:
        looks_like += ", streaming to a host"
    return FoundDevice(
        told.link.name.lower(),
        hub.url,
        looks_like,
        {
            "device_id": told.device_id,
            "firmware": told.firmware,
            "protocol_version": told.protocol_version,
            "is_streaming": told.is_streaming,
            "battery": None if math.isnan(told.battery) else told.battery,
        },
    )


async def others_in_network(
    seconds: float, ximu_port: int = XIMU_PORT, slime_port: int = SLIME_PORT
) -> Findings:
    """What other makers' devices cry into the network within `seconds`. They are not answered."""
    heard = await asyncio.gather(
        _overheard("x-IMU3", ximu_port, _ximu, seconds),
        _overheard("SlimeVR", slime_port, _tracker, seconds),
    )
    return Findings(
        tuple(device for part in heard for device in part.devices),
        tuple(note for part in heard for note in part.notes),
    )


Understood = Callable[[bytes, str], FoundDevice | None]


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, understand: Understood) -> None:
        self.devices: dict[str, FoundDevice] = {}
        self._understand = understand

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take one datagram from anybody."""
        found = self._understand(data, addr[0])
        if found is not None and (len(self.devices) < MAX_HUBS or found.looks_like in self.devices):
            self.devices[found.looks_like] = found


async def _overheard(maker: str, port: int, understand: Understood, seconds: float) -> Findings:
    loop = asyncio.get_running_loop()
    ear = _Ear(understand)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, maker == "x-IMU3")  # broadcasts
        sock.bind(("0.0.0.0", port))
    except OSError as error:
        sock.close()
        told = explain_bind_error(f"udp:{port}", error)
        return Findings((), (f"{maker} devices not listened to: {told}",))
    transport, _ = await loop.create_datagram_endpoint(lambda: ear, sock=sock)
    try:
        await asyncio.sleep(seconds)
    finally:
        transport.close()
    return Findings(tuple(sorted(ear.devices.values(), key=lambda found: found.looks_like)))


def _ximu(data: bytes, host: str) -> FoundDevice | None:
    told = decode_ximu(data)
    if told is None:
        return None
    name = printable(f"{told.name} {told.serial_number}").strip()
    by_udp = f", or udp:{told.udp_port} with kind ximu3" if told.udp_port else ""
    return FoundDevice(
        "tcp",
        f"tcp:{host}:{told.tcp_port}",
        f"x-IMU3 {name.removeprefix('x-IMU3').strip()}: kind ximu3{by_udp}",
        {
            "rig_kind": "ximu3",
            "device_id": printable(told.serial_number),
            "battery": None if math.isnan(told.battery) else told.battery,
        },
    )


def _tracker(data: bytes, host: str) -> FoundDevice | None:
    decoded = decode_datagram(data)
    for packet in decoded[1] if decoded else []:
        if isinstance(packet, Handshake):
            mac = packet.mac or host
            looks_like = f"SlimeVR tracker at {host}: kind slimevr, id {mac}"
            facts: dict[str, Fact] = {"rig_kind": "slimevr", "device_id": mac}
            return FoundDevice("udp", f"udp:{SLIME_PORT}", looks_like, facts)
    return None


async def hubs_in_air(seconds: float, backend: BleBackend | None = None) -> Findings:
    """What advertises over Bluetooth LE with a name, or with a service that sensors have.

    backend: what to use in the place of this system's radio.
    """
    try:
        async with radio.radio_to_ourselves():
            heard = await radio.listen(seconds, backend=backend)
    except EnvironmentMissing as error:
        return Findings((), (f"Bluetooth not listened to: needs bleak, {error.hint}",))
    except radio.radio_errors() as error:  # no adapter, switched off, not permitted
        return Findings((), (f"Bluetooth not listened to: {radio.trouble(error)[0]}",))
    found = [device for pair in heard if (device := _advertised(*pair)) is not None]
    notes: tuple[str, ...] = ()
    if nameless := len(heard) - len(found):
        notes = (f"{nameless} Bluetooth devices without a name are not listed",)
    return Findings(tuple(sorted(found, key=lambda device: device.address)), notes)


def _advertised(device: "BLEDevice", told: "AdvertisementData") -> FoundDevice | None:
    """None for what says neither its name nor that it is a sensor."""
    name = printable(told.local_name or device.name)
    what, profile = advertised_looks_like(told.service_uuids, name)
    if not what and not name:
        return None
    shown = name if what and name.startswith(what) else f"{what or 'Bluetooth device'} {name}"
    looks_like = f"{shown.strip()}, {told.rssi} dBm"
    facts: dict[str, Fact] = {"name": name, "rssi_dbm": told.rssi, "profile": profile or None}
    return FoundDevice("ble", f"ble:{device.address}", looks_like, facts)
