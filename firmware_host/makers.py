"""What each kind of device in a rig is: how it is reached and understood, and what to check."""

from collections.abc import Callable
from dataclasses import dataclass

from firmware_host.device import HubDevice
from firmware_host.errors import ConfigError
from firmware_host.rig import HUB, NAMED, DeviceConfig
from firmware_host.samples import HubInfo
from firmware_host.stream import Speaker
from firmware_host.transports.base import Transport, open_transport
from firmware_host.transports.slime import SlimeServers


@dataclass(frozen=True, slots=True)
class Maker:
    """One kind of device.

    what: a word for it. sensors: how many it has, None where it says so itself. says_who: whether
    it tells an id of its own. wait_s: how long it may take to say its first word.
    most_bytes_per_s: that it can send, with room to spare; more is a flood. noise: what to do where
    bytes come that mean nothing.
    """

    what: str
    sensors: int | None
    says_who: bool
    wait_s: float
    most_bytes_per_s: int
    noise: str
    make: Callable[[DeviceConfig], HubDevice | Speaker]


def _hub(_: DeviceConfig) -> HubDevice:
    return HubDevice()


def _witmotion(config: DeviceConfig) -> Speaker:
    from firmware_host.vendors.witmotion import WitMotionSerial

    return WitMotionSerial(config.name)


def _slimevr(config: DeviceConfig) -> Speaker:
    from firmware_host.vendors.slimevr import SlimeTracker

    return SlimeTracker({config.id.upper()}, config.id.upper())


def _witmotion_ble(config: DeviceConfig) -> Speaker:
    from firmware_host.vendors.witmotion import WitMotionBle

    return WitMotionBle(config.name)


def _dot(config: DeviceConfig) -> Speaker:
    from firmware_host.vendors.dot import DotDevice

    return DotDevice(config.name)


def _ximu3(_: DeviceConfig) -> Speaker:
    from firmware_host.vendors.ximu3 import XimuDevice

    return XimuDevice()


def _lsl(_: DeviceConfig) -> Speaker:
    from firmware_host.vendors.lsl import LslDevice

    return LslDevice()


# Over Bluetooth, what answers is chosen by its profile (`firmware_host.transports.gatt`).
_PROFILES = {HUB: "hub", "witmotion-ble": "witmotion", "dot": "dot"}
_BAUD = (
    "is it another kind of device, or set to another baud than {baud}? Write its baud in rig.toml"
)
MAKERS: dict[str, Maker] = {
    HUB: Maker("sensor hub", None, True, 3.0, 4_000_000, _BAUD, _hub),  # 16 at 1 kHz: half
    "witmotion": Maker(
        "WitMotion sensor",
        1,
        False,
        3.0,
        400_000,  # 3 Mbaud are 300,000, and no sensor of theirs has more than 921,600
        _BAUD + " (they come with 9600, and 115200 or 230400 is needed for 200 Hz)",
        _witmotion,
    ),
    "slimevr": Maker(
        "SlimeVR tracker",
        None,
        True,
        10.0,
        1_000_000,
        "does another device send to this port? Restart the tracker",
        _slimevr,
    ),
    "ximu3": Maker("x-IMU3", 1, True, 3.0, 1_000_000, _BAUD, _ximu3),
    "witmotion-ble": Maker(
        "WitMotion sensor", 1, False, 5.0, 400_000, "is it another kind of device?", _witmotion_ble
    ),
    "dot": Maker(
        "Movella DOT",
        1,
        False,
        5.0,
        400_000,
        "does another program set its mode? Switch it off and on",
        _dot,
    ),
    "lsl": Maker(
        "stream of the Lab Streaming Layer",
        None,
        True,
        8.0,
        4_000_000,
        "does it have channels like face.ax and face.gx?",
        _lsl,
    ),
}


def maker_of(config: DeviceConfig) -> Maker:
    """What the kind of a device means. Raises ConfigError where it has fewer sensors than slots."""
    maker = MAKERS[config.kind]
    for sensor, slot in config.assigned:
        if maker.sensors is not None and int(sensor) >= maker.sensors:
            raise ConfigError(
                f"device {config.name!r}: a {maker.what} has {maker.sensors} sensor, and slot "
                f"{slot!r} is given to its sensor {sensor}"
            )
    return maker


def transport_to(config: DeviceConfig, slime: SlimeServers) -> Transport:
    """The (not yet opened) way to a device. It does not reconnect: a supervisor does.

    slime: the ports of all trackers of this rig.

    Raises:
        ConfigError: the url is malformed.
    """
    scheme, _, target = config.url.partition(":")
    if scheme == "sim":
        from firmware_host.transports.sim import SimTransport

        return SimTransport(target, config.kind, config.id)
    if scheme == "ble":
        from firmware_host.transports.gatt import PROFILES

        return open_transport(config.url, profile=PROFILES[_PROFILES[config.kind]])
    if scheme == "tcp":
        from firmware_host.transports.tcp import TcpTransport

        return TcpTransport(target, give_up_s=0.0)
    if scheme == "udp" and config.kind == "slimevr":
        return slime.tracker(target, config.id)
    if scheme == "udp" and config.kind != HUB:
        from firmware_host.transports.datagram import DatagramTransport

        return DatagramTransport(target)
    return open_transport(config.url, config.line_baud)


def sensors_of(config: DeviceConfig, info: HubInfo) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """(which sensors of a device are used, the slots that they are).

    A device without assigned slots is used whole, under the names that it tells.

    Raises:
        ConfigError: a hub has no sensor of that name or number.
    """
    if not config.assigned:
        return tuple(range(len(info.slots))), info.slots
    sensors = []
    for sensor, slot in config.assigned:
        if sensor in info.slots:
            sensors.append(info.slots.index(sensor))
        elif sensor.isdecimal() and (config.kind not in NAMED or int(sensor) < len(info.slots)):
            sensors.append(int(sensor))  # of a tracker: it may tell of that sensor later
        else:
            raise ConfigError(
                f"device {config.name!r}: slot {slot!r} is given to its sensor {sensor!r}, and it "
                f"has {', '.join(info.slots)}",
                "`imusic identify --rig rig.toml` finds which sensor is which",
            )
    return tuple(sensors), tuple(slot for _, slot in config.assigned)
