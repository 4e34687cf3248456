"""What happens to the link of a device, as values in its stream beside what it says. No I/O."""

import math
from dataclasses import dataclass

from firmware_host.vendors.events import Stranger, VendorEvent


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The device speaks. tries: links that were tried for it; down_s: NaN the first time."""

    tries: int
    down_s: float = math.nan


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The link was lost (`tries` is 0), or could not be had for so many tries in a row.

    The next try is after `retry_s`.
    """

    reason: str
    hint: str
    retry_s: float
    tries: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Who answered is not who should be there: nothing it says is used."""

    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """The link is there, but what comes over it is of no use. what: noise or clock."""

    what: str
    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """The device came back with other settings, which are used from now on."""

    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SlotsSilent:
    """These slots have given nothing for `silent_s`, though they should."""

    slots: tuple[str, ...]
    silent_s: float


@dataclass(frozen=True, slots=True)
class SlotsBack:
    """These slots, silent before, give readings again."""

    slots: tuple[str, ...]


LinkEvent = LinkUp | LinkDown | Refused | Trouble | SettingsChanged | SlotsSilent | SlotsBack
RigEvent = VendorEvent | LinkEvent


def told(event: RigEvent) -> tuple[str, str] | None:
    """(line, hint) for the operator; None for what is not worth a line. The hint may be empty."""
    match event:
        case LinkUp(tries, down_s) if not math.isnan(down_s):
            return f"back after {down_s:.1f} s ({tries} tries)", ""
        case LinkDown(reason, hint, retry_s, tries) if tries < 2:  # then it is nothing new
            return f"{reason}; trying again in {retry_s:.1f} s", hint
        case Refused(reason, hint):
            return f"refused: {reason}", hint
        case Trouble(_, reason, hint):
            return reason, hint
        case SettingsChanged(changes):
            return f"came back with other settings: {', '.join(changes)}", ""
        case SlotsSilent(slots, silent_s):
            names = ", ".join(slots)
            return f"silent for {silent_s:.1f} s: {names}", "check that sensor and its wires"
        case SlotsBack(slots):
            return f"heard again: {', '.join(slots)}", ""
        case Stranger(mac, firmware):
            asks = f"a SlimeVR tracker that nobody approved asks to be heard: {mac} ({firmware})"
            return asks, f'to approve it: kind = "slimevr", id = "{mac}" in rig.toml'
    return None
