"""What other makers' devices say beside the events of a hub. No I/O."""

import math
from dataclasses import dataclass

from firmware_host.samples import HubEvent


@dataclass(frozen=True, slots=True)
class Health:
    """How the device itself is, NaN where it did not say.

    battery: charge in [0, 1]. rssi_dbm: how well its radio hears, the nearer to 0 the better.
    """

    battery: float = math.nan
    temperature_c: float = math.nan
    rssi_dbm: float = math.nan


@dataclass(frozen=True, slots=True)
class LineEdge:
    """A signal from outside reached the device's sync input at `tick_us` of its clock."""

    tick_us: int
    is_rising: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """A text that the device sent for people to read."""

    text: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class Stranger:
    """A device nobody approved asks to be heard; its readings are refused until somebody does.

    mac names it to people. It is no proof of identity: anybody can send any address.
    """

    mac: str
    firmware: str


@dataclass(frozen=True, slots=True)
class PacketsLost:
    """`count` numbered packets never arrived; nobody knows which of them held readings."""

    count: int


@dataclass(frozen=True, slots=True)
class LinkDelay:
    """The device answered a ping of ours after `round_trip_ns`; it has no clock to tell."""

    round_trip_ns: int


VendorEvent = HubEvent | Health | LineEdge | Notice | Stranger | PacketsLost | LinkDelay
