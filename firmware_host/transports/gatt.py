"""How each kind of Bluetooth LE device speaks over GATT, as data. No I/O.

A device has services of characteristics, all of them named by a UUID. It speaks by notifications of
some characteristics and listens to what is written to others.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from firmware_host.vendors import dot, witmotion

# "Nordic UART Service (NUS)", docs.nordicsemi.com; RX and TX are the device's.
NUS_SERVICE = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
NUS_RX = "6e400002-b5a3-f393-e0a9-e50e24dcca9e"
NUS_TX = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"
_WITMOTION_PAUSE_S = 0.1  # as in the maker's SDK: what follows sooner may be ignored


@dataclass(frozen=True, slots=True)
class GattWrite:
    """Bytes for one characteristic. pause_s: how long the device needs before the next."""

    characteristic: str
    data: bytes
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GattProfile:
    """How one kind of device speaks over GATT. UUIDs are in lower case.

    Attributes:
        what: what such a device is called.
        service: tells such a device from others; it holds all of `notify` and `write`.
        notify: whose notifications are the device's words.
        write: where to what is sent to it goes.
        is_stream: what is sent is a stream of bytes, to be cut as the link demands. Otherwise it is
            commands, each of them a write of its own.
        start: written once the device is listened to.
        stop: written before the link is closed.
    """

    what: str
    service: str
    notify: tuple[str, ...]
    write: str
    is_stream: bool = False
    start: tuple[GattWrite, ...] = ()
    stop: tuple[GattWrite, ...] = ()


HUB = GattProfile(
    what="hub (Nordic UART service)",
    service=NUS_SERVICE,
    notify=(NUS_TX,),
    write=NUS_RX,
    is_stream=True,
)


def witmotion_profile(rate_hz: int | None = 100) -> GattProfile:
    """A WitMotion sensor with Bluetooth 5, for `vendors.witmotion.WitMotionBle`.

    rate_hz: until it is switched off; None leaves the rate as it is.

    Raises:
        ValueError: a rate that it does not have.
    """
    commands = [] if rate_hz is None else witmotion.ble_settings(rate_hz)
    return GattProfile(
        what="WitMotion sensor",
        service=witmotion.BLE_SERVICE,
        notify=(witmotion.BLE_NOTIFY,),
        write=witmotion.BLE_WRITE,
        start=tuple(
            GattWrite(witmotion.BLE_WRITE, command, _WITMOTION_PAUSE_S) for command in commands
        ),
    )


def dot_profile(rate_hz: int | None = 60) -> GattProfile:
    """A Movella DOT, for `vendors.dot.DotDevice`, which says itself what it is to measure.

    All three payload characteristics are listened to: which of them speaks depends on that.
    rate_hz: it may remember it; None leaves the rate as it is.

    Raises:
        ValueError: a rate at which it does not stream.
    """
    rates = () if rate_hz is None else (dot.rate_setting(rate_hz),)
    return GattProfile(
        what="Movella DOT",
        service=dot.SERVICE,
        notify=(dot.LONG, dot.MEDIUM, dot.SHORT),
        write=dot.CONTROL,
        start=tuple(GattWrite(dot.DEVICE_CONTROL, setting) for setting in rates),
        stop=(GattWrite(dot.CONTROL, dot.STOP),),
    )


PROFILES: Mapping[str, GattProfile] = {
    "hub": HUB,
    "witmotion": witmotion_profile(),
    "dot": dot_profile(),
}
