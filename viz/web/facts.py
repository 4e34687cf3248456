"""What the console says, from the messages that arrived. No I/O, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from capture.wire_guide import GuideMessage
from capture.wire_record import DeviceMessage, NoticeMessage, RecordMessage
from capture.wire_status import StatusMessage

Light = Literal["green", "amber", "red"]
SlotState = Literal["heard", "low", "silent", "unknown"]

STALE_S = 1.5  # three heartbeats of a recording
SILENT_S = 0.5  # no source is this slow
MANY_LOST = 0.01
LOW_BATTERY = 0.2
LITTLE_TIME_S = 600.0
PHONE = "phone"
_WORST_FIRST: tuple[Light, ...] = ("red", "amber")


@dataclass(frozen=True, slots=True)
class Source:
    """One source. words: how it is. remedy: what to do, "" where all is well."""

    name: str
    light: Light
    words: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the page shows.

    clock: the time of the recording. disk: what it has written. charges: of the batteries that
    slots hang on, from 0 to 1 in hundredths, where it is known.
    """

    headline: str
    light: Light
    clock: str = "0:00"
    disk: str = ""
    sources: tuple[Source, ...] = ()
    slots: tuple[tuple[str, SlotState], ...] = ()
    charges: tuple[tuple[str, float], ...] = ()
    trouble: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    may_start: bool = False
    may_stop: bool = False
    may_mark: bool = False


def of_nothing(what: str) -> Facts:
    """Before the first message, or long after the last."""
    return Facts(f"no word from the {what}", "red", trouble=("is it still running?",))


def of_record(message: RecordMessage | None, age_s: float, slots: Sequence[str]) -> Facts:
    """Of a recording. age_s: since the message came. slots: all of the layout, in its order."""
    if message is None or age_s > STALE_S:
        return of_nothing("recording")
    sources = [of_device(d, message.notices) for d in message.devices]
    if message.has_phone:
        sources.append(_of_phone(message))
    trouble = [*message.problems, *message.warnings]
    if message.left_s is not None and message.left_s < LITTLE_TIME_S:
        trouble.append(f"the disk has room for {message.left_s / 60:.0f} minutes")
    running, idle = message.state == "recording", message.state in ("waiting", "ready")
    lights = {source.light for source in sources} | ({"amber"} if trouble else set())
    worst: Light = next((light for light in _WORST_FIRST if light in lights), "green")
    return Facts(
        headline=_headline(message),
        light=worst,
        clock=clock_words(message.elapsed_s),
        disk=f"{message.bytes_on_disk / 1e6:.1f} MB" if running else "",
        sources=tuple(sources),
        slots=tuple((slot, slot_state(slot, message.devices)) for slot in slots),
        charges=charges(message.devices),
        trouble=tuple(trouble),
        notices=tuple(f"{n.device}: {n.text}" for n in reversed(message.notices)),
        may_start=idle,
        may_stop=running or idle,
        may_mark=running,
    )


def _headline(message: RecordMessage) -> str:
    if message.state == "waiting" and message.missing:
        return f"waiting for {', '.join(message.missing)}"
    if message.state == "waiting" and message.problems:
        return "not ready"
    if not message.marks:
        return message.state
    return f"{message.state}, {message.marks} marker{'s' if message.marks > 1 else ''}"


def of_device(device: DeviceMessage, notices: Sequence[NoticeMessage] = ()) -> Source:
    """One device: red where it gives nothing, amber where it loses much."""
    told = next((n for n in reversed(notices) if n.device == device.name), None)
    hint = told.hint if told is not None and told.hint else "check its cable, power and battery"
    if device.state != "up":
        why = f": {told.text}" if told is not None else ""
        return Source(device.name, "red", device.state.upper() + why, hint)
    if device.age_s is None or device.age_s > SILENT_S:
        age = "yet" if device.age_s is None else f"for {device.age_s:.1f} s"
        return Source(device.name, "red", f"nothing heard {age}", hint)
    words = f"{device.rate_hz:.0f} Hz · {1000 * device.age_s:.0f} ms old · {device.lost} lost"
    if device.battery is not None:
        words += f" · battery {100 * device.battery:.0f} %"
    if device.silent:
        names = ", ".join(slot.replace("_", " ") for slot in device.silent)
        return Source(device.name, "red", f"silent: {names}", "check the plug of that sensor")
    if device.lost > MANY_LOST * max(device.samples, 1):
        words += f" ({100 * device.lost / max(device.samples + device.lost, 1):.1f} %)"
        return Source(device.name, "amber", words, "come closer, or use a cable")
    if device.battery is not None and device.battery < LOW_BATTERY:
        return Source(device.name, "amber", words, "charge it before the next take")
    return Source(device.name, "green", words)


def _of_phone(message: RecordMessage) -> Source:
    age_s = message.phone_age_s
    if age_s is None or age_s > SILENT_S:
        age = "yet" if age_s is None else f"for {age_s:.1f} s"
        remedy = "open the face app, and check that it sends to this computer"
        return Source(PHONE, "red", f"no face heard {age}", remedy)
    return Source(PHONE, "green", f"{message.faces} faces · {1000 * age_s:.0f} ms old")


def slot_state(slot: str, devices: Sequence[DeviceMessage]) -> SlotState:
    """Whether the device that serves a slot hears it, and has enough of a battery."""
    for device in devices:
        if slot in device.slots:
            alive = device.state == "up" and device.age_s is not None and device.age_s <= SILENT_S
            if not alive or slot in device.silent:
                return "silent"
            is_low = device.battery is not None and device.battery < LOW_BATTERY
            return "low" if is_low else "heard"
    return "unknown"


def charges(devices: Sequence[DeviceMessage]) -> tuple[tuple[str, float], ...]:
    """What is left in the battery of each slot's device, of those that tell."""
    return tuple(
        (slot, round(min(max(device.battery, 0.0), 1.0), 2))
        for device in devices
        if device.battery is not None
        for slot in device.slots
    )


def of_live(message: StatusMessage | None, age_s: float, slots: Sequence[str]) -> Facts:
    """Of `imusic live`, by its heartbeat, which comes once a second."""
    if message is None or age_s > 2 * STALE_S:
        return of_nothing("live face")
    share = message.lost / max(message.samples + message.lost, 1)
    words = f"{message.samples} samples · {message.lost} lost · confidence {message.confidence:.2f}"
    waits = message.state == "waiting"
    light: Light = "red" if waits else "amber" if share > MANY_LOST else "green"
    remedy = "is the hub switched on?" if waits else ""
    sinks = [
        Source(s.url, "red" if s.trouble else "green", f"{s.frames} faces", s.trouble)
        for s in message.sinks
    ]
    return Facts(
        headline={"waiting": "waiting for samples", "opening": "keep still"}.get(
            message.state, message.state
        ),
        light=light,
        clock=f"{message.faces} faces",
        sources=(Source(message.source, light, words, remedy), *sinks),
        slots=tuple((slot, "heard" if slot in message.slots else "silent") for slot in slots),
    )


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a guided performer is to do. share: of the step that is over, from 0 to 1."""

    head: str
    words: str
    share: float


def prompt_of(message: GuideMessage | None, age_s: float) -> Prompt | None:
    """What to show of a guided session; None where none is told of late."""
    if message is None or age_s > STALE_S:
        return None
    head = f"{message.number} of {message.count}"
    if message.stage == "over":
        return Prompt(head, "That was all. Thank you.", 1.0)
    if message.since_s < 0 or message.stage == "get ready":
        head += f" · begins in {max(0.0, -message.since_s):.0f} s"
    elif message.stage == "held":
        head += " · held"
    elif message.waits:
        head += " · holds after this step"
    share = message.since_s / message.length_s if message.length_s else 0.0
    return Prompt(head, message.prompt, min(max(share, 0.0), 1.0))


def clock_words(seconds: float) -> str:
    """1:02:03, or 2:03."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
