"""The rig: which devices, which phone, which slots. Read from `rig.toml` at the border.

name = "desk"
layout = "face-12"

[hub]                               # short for one device: a hub that names its slots itself
url = "serial:/dev/ttyACM0"

[[devices]]                         # or, instead of [hub], several devices of any makers
name = "cheek"
kind = "witmotion"
url = "serial:/dev/ttyUSB0"
slots = ["zygomaticus_left"]        # of its sensors, in their order; or { "0" = "…" }

[phone]
app = "livelink"

[session]
subject = "p01"
rest_s = 2.0
routine_s = 6.0

[publish]
faces = "tcp://127.0.0.1:5570"

[timecode]                          # LTC on a sound input
sound = "default"

[control]                           # of `imusic serve`
address = "tcp://127.0.0.1:5573"

[[sinks]]                           # programs to drive, docs/avatars.md
url = "vmc://127.0.0.1:39539"
"""

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from firmware_host.errors import ConfigError
from firmware_host.layout import LAYOUTS, SensorLayout
from firmware_host.phone_rig import PhoneConfig as PhoneConfig

DEFAULT_BAUD = 921_600


class HubConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sensor hub. `baud` only matters on a real UART.

    sensor_profile: file of `imusic calibrate-sensors`, beside rig.toml where no folder is named.
    """

    url: str
    baud: int = DEFAULT_BAUD
    required: bool = True
    sensor_profile: str = ""


HUB = "hub"
SIM = "sim"  # of any kind, made of software
# What a device may be, and the transports that lead to one.
KINDS: dict[str, tuple[str, ...]] = {
    HUB: ("serial", "udp", "tcp", "ble", SIM),
    "witmotion": ("serial", SIM),
    "witmotion-ble": ("ble", SIM),
    "slimevr": ("udp", SIM),
    "ximu3": ("serial", "tcp", "udp", SIM),
    "dot": ("ble", SIM),
    "lsl": ("lsl",),
}
NAMED = (HUB, "lsl")  # kinds whose sensors have names
_BAUDS = {"witmotion": 9600, "ximu3": 115_200}  # as delivered
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")  # it becomes a topic and a protobuf type
_TAKEN_NAMES = ("phone",)
_MAC = re.compile(r"(?:[0-9A-F]{2}:){5}[0-9A-F]{2}")


class DeviceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device of a rig.

    baud: only matters on a real UART; None is what the maker delivers. id: the one that the device
    must tell; of a SlimeVR tracker its MAC address, by which it is approved. slots: which slot of
    the layout each of its sensors is, in the order of its sensors, or by their number (of a hub
    or a stream, also by its own name for it); sensors without a slot are not used. Without any slot
    it can be watched and identified, but not recorded; only the hub of `[hub]` names its slots
    itself.
    sensor_profile: as of a hub.
    """

    name: str
    url: str
    kind: str = HUB
    baud: int | None = None
    id: str = ""
    required: bool = True
    slots: tuple[str, ...] | dict[str, str] = ()
    sensor_profile: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in _TAKEN_NAMES:
            raise ValueError(
                f"device name {self.name!r}: expected a letter, then up to 31 letters, digits or _"
                f" (and not {_TAKEN_NAMES[0]})"
            )
        if self.kind not in KINDS:
            raise ValueError(
                f"device {self.name!r}: kind {self.kind!r} is unknown; known: {', '.join(KINDS)}"
            )
        if self.baud is not None and self.baud <= 0:
            raise ValueError(f"device {self.name!r}: baud must be positive, got {self.baud}")
        if self.kind == "slimevr" and not _MAC.fullmatch(self.id.upper()):
            raise ValueError(
                f"device {self.name!r}: a SlimeVR tracker is approved by its MAC address, "
                f'id = "AA:BB:CC:DD:EE:FF", got {self.id!r}; '
                "`imusic stream udp:6969 --kind slimevr` tells who asks"
            )

    @property
    def line_baud(self) -> int:
        """The rate of its UART."""
        return self.baud or _BAUDS.get(self.kind, DEFAULT_BAUD)

    @property
    def assigned(self) -> tuple[tuple[str, str], ...]:
        """(sensor, slot) in order; a sensor is its number, or a hub's name for it."""
        if isinstance(self.slots, dict):
            return tuple(self.slots.items())
        return tuple((str(sensor), slot) for sensor, slot in enumerate(self.slots))


class SessionConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a take begins: `rest_s` at rest, then `routine_s` of nods, side tilts and turns.

    consents: file that says what the subject agreed to (`capture.consent`), beside rig.toml where
    no folder is named; it is kept in every take. placement: of this donning, the same as long as
    nobody takes the sensors off; "" is the subject and the day.

    lost_after_s: how long a required device or the phone may be silent before the take ends.
    simulated and origin are copied into the take: whether the wearer is virtual, and what performs.
    """

    subject: str = "anonymous"
    rest_s: float = 2.0
    routine_s: float = 6.0
    lost_after_s: float = 10.0
    simulated: bool = False
    origin: dict[str, str | int | float | bool] = {}
    consents: str = ""
    placement: str = ""

    def __post_init__(self) -> None:
        if not (0 < self.rest_s <= 60 and 0 <= self.routine_s <= 120):
            raise ValueError(
                f"session: expected 0 < rest_s <= 60 and 0 <= routine_s <= 120, "
                f"got {self.rest_s} and {self.routine_s}"
            )
        if not 0 < self.lost_after_s <= 3600:
            raise ValueError(f"session: expected 0 < lost_after_s <= 3600, got {self.lost_after_s}")


USUAL_FACES_PORT = 5570


class PublishConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """ZeroMQ addresses, one PUB socket per stream (docs/wire.md).

    status, events, minute: "" takes 5571, 5572 and 5574 where that of faces is the usual 5570, and
    publishes nothing of the kind where it is another. key_file, allow: beyond this computer, our
    keys and the public ones of subscribers.
    """

    faces: str = f"tcp://127.0.0.1:{USUAL_FACES_PORT}"
    status: str = ""
    events: str = ""
    minute: str = ""
    key_file: str = ""
    allow: tuple[str, ...] = ()

    @property
    def status_address(self) -> str:
        """Where the heartbeat is published; "" nowhere."""
        return self.status or self._after(1)

    @property
    def events_address(self) -> str:
        """Where it is told what happened; "" nowhere."""
        return self.events or self._after(2)

    @property
    def minute_address(self) -> str:
        """Where movements too small for a camera are published; "" nowhere."""
        return self.minute or self._after(4)

    def _after(self, ports: int) -> str:
        place, colon, port = self.faces.rpartition(":")
        usual = colon and port == str(USUAL_FACES_PORT)
        return f"{place}:{USUAL_FACES_PORT + ports}" if usual else ""


USUAL_CONTROL = "tcp://127.0.0.1:5573"


class ControlConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where `imusic serve` is controlled (docs/wire.md).

    key_file, allow: beyond this computer, our keys and the public ones of who may ask.
    """

    address: str = USUAL_CONTROL
    key_file: str = ""
    allow: tuple[str, ...] = ()


class TimecodeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where linear timecode (LTC) is heard: a sound input, "default", or file:NAME.wav."""

    sound: str = "default"


class AudioConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where people are heard, recorded only with their consent to "audio"; as `TimecodeConfig`."""

    sound: str = "default"


class Rig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything `rig.toml` says: either `hub` or `devices`.

    `layout` names one of the built-in layouts.
    """

    hub: HubConfig | None = None
    devices: tuple[DeviceConfig, ...] = ()
    name: str = "rig"
    layout: str = "face-12"
    phone: PhoneConfig | None = None
    session: SessionConfig = SessionConfig()
    publish: PublishConfig = PublishConfig()
    control: ControlConfig = ControlConfig()
    timecode: TimecodeConfig | None = None
    audio: AudioConfig | None = None
    sinks: tuple[dict[str, Any], ...] = ()  # read by capture.sinks.config

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout {self.layout!r} is unknown; known: {', '.join(LAYOUTS)}")
        if (self.hub is None) == (not self.devices):
            raise ValueError(
                "expected either one [hub] or some [[devices]]"
                + (", got both" if self.devices else ", got neither")
            )
        _check_apart(self.devices)
        _check_slots(self.devices, self.sensor_layout)

    @property
    def sensor_layout(self) -> SensorLayout:
        """The layout that `layout` names."""
        return LAYOUTS[self.layout]

    @property
    def sources(self) -> tuple[DeviceConfig, ...]:
        """The devices, in either way of writing them."""
        if self.hub is None:
            return self.devices
        hub = self.hub
        return (
            DeviceConfig(
                name=HUB,
                url=hub.url,
                baud=hub.baud,
                required=hub.required,
                sensor_profile=hub.sensor_profile,
            ),
        )

    @property
    def is_simulated(self) -> bool:
        """Whether what it gives is made up: by its own word, or because a device is software."""
        made_up = any(device.url.startswith(f"{SIM}:") for device in self.sources)
        return self.session.simulated or made_up

    @property
    def unserved(self) -> tuple[str, ...]:
        """Slots of the layout that no device can serve, by what the rig says."""
        if self.hub is not None:
            return ()
        served = {slot for device in self.sources for _, slot in device.assigned}
        return tuple(name for name in self.sensor_layout.names if name not in served)

    def check_assigned(self) -> None:
        """Raise ConfigError where something that a device gives would be used for nothing."""
        for device in self.devices:
            if not device.slots:
                raise ConfigError(
                    f"device {device.name!r} has no slots: nothing that it gives could be used",
                    "write its slots in rig.toml; `imusic identify --rig rig.toml` finds them",
                )


def _check_apart(devices: tuple[DeviceConfig, ...]) -> None:
    """Raise ValueError where two devices have one name or one line, or a line leads nowhere."""
    names: set[str] = set()
    lines: dict[tuple[str, str], str] = {}
    for device in devices:
        if device.name.lower() in names:
            raise ValueError(f"two devices are called {device.name!r}")
        names.add(device.name.lower())
        scheme, _, target = device.url.partition(":")
        if scheme not in KINDS[device.kind] or not (target or scheme == SIM):
            ways = ", ".join(f"{known}:…" for known in KINDS[device.kind] if known != SIM)
            raise ValueError(
                f"device {device.name!r}: a {device.kind} is reached by {ways}, got {device.url!r}"
            )
        # Trackers of SlimeVR all send to one port.
        mac = device.id.upper() if device.kind == "slimevr" else ""
        line = f"{scheme}:{target.split(',')[0]}", mac
        if line in lines and scheme != SIM:
            raise ValueError(
                f"devices {lines[line]!r} and {device.name!r} are both at {' '.join(line).strip()}"
            )
        lines[line] = device.name


def _check_slots(devices: tuple[DeviceConfig, ...], layout: SensorLayout) -> None:
    """Raise ValueError where a slot is unknown or served twice, or a sensor has no such name."""
    served: dict[str, str] = {}
    for device in devices:
        for sensor, slot in device.assigned:
            if device.kind not in NAMED and not (sensor.isascii() and sensor.isdecimal()):
                raise ValueError(
                    f"device {device.name!r}: sensors are numbered from 0, got {sensor!r}"
                )
            if slot not in layout.names:
                raise ValueError(
                    f"device {device.name!r}: slot {slot!r} is unknown to layout {layout.name!r}; "
                    f"known: {', '.join(layout.names)}"
                )
            if slot in served:
                raise ValueError(
                    f"slot {slot!r} is given twice: to {served[slot]!r} and to {device.name!r}"
                )
            served[slot] = device.name


def read_rig(path: Path) -> Rig:
    """Read `rig.toml`. Raises ConfigError naming the file, the key and what was expected.

    Files that it names lie beside it.
    """
    try:
        rig = msgspec.toml.decode(path.read_bytes(), type=Rig)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot read the rig: {error.strerror}", "write one, or try --rig sim.toml"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    hub = None if rig.hub is None else _beside(path, rig.hub)
    devices = tuple(_beside(path, device) for device in rig.devices)
    session = rig.session
    if session.consents:
        consents = str(path.parent / session.consents)
        session = msgspec.structs.replace(session, consents=consents)
    return msgspec.structs.replace(rig, hub=hub, devices=devices, session=session)


Named = TypeVar("Named", HubConfig, DeviceConfig)


def _beside(path: Path, device: Named) -> Named:
    if not device.sensor_profile:
        return device
    profile = str(path.parent / device.sensor_profile)
    return msgspec.structs.replace(device, sensor_profile=profile)


def rig_to_dict(rig: Rig) -> dict[str, Any]:
    """Plain values for TOML, which knows no null: what is None is left out."""
    tables: dict[str, Any] = _without_none(msgspec.to_builtins(rig))
    for key in ("devices", "sinks"):  # an empty list would forbid to add a table by hand
        if not tables[key]:
            del tables[key]
    return tables


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return value


def rig_to_toml(rig: Rig) -> str:
    """The text of a file that `read_rig` reads."""
    return msgspec.toml.encode(rig_to_dict(rig)).decode()


def write_rig(rig: Rig, path: Path) -> None:
    """Write `rig` as TOML; `read_rig` gives it back."""
    path.write_bytes(rig_to_toml(rig).encode())
