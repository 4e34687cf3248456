"""What a take is: a folder with `data.mcap` (what happened) and `take.toml` (what it means).

Reading and writing `take.toml` only; the MCAP is written by `capture.take_writer` and read by
`capture.recording`.
"""

import os
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import msgspec

from capture.consent import UNTOLD, Subject
from capture.provenance import file_sha256
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import SensorLayout, layout_from_dict, layout_to_dict
from firmware_host.rig import HUB
from firmware_host.sensor_profile import Correction

TAKE_FILE = "take.toml"
DATA_FILE = "data.mcap"
SYNC_FILE, PLOT_FILE = "sync.json", "sync.svg"
PHONE_CSV = "livelink.csv"  # what the phone recorded itself
AUDIO_FILE = "audio.wav"  # what a microphone heard
KEPT_FILES = (PHONE_CSV, AUDIO_FILE)

SCHEMA_VERSION = 2  # 1: one hub, no `devices`


class Segment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A labelled stretch, in seconds after the first IMU sample of the take."""

    label: str
    start_s: float
    end_s: float


class TakeDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device of a take: its channels are `NAME/raw` and `NAME/samples`.

    slots: of the layout, in the order of its samples. kind: as in `rig.toml`; empty where unknown.
    """

    name: str
    slots: tuple[str, ...]
    kind: str = ""


class Take(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of `take.toml`.

    layout: `layout_to_dict` of the sensors recorded. origin: where the data came from, for people
    and for `recording_in_training` (`source_sha256` of an imported or simulated file). simulated
    is true for virtual wearers, and every figure made from the take says so. devices: who gave the
    samples; none where it was one hub. A slot that no device has is missing in all of the take.
    corrections: what readings are to be read by, by slot; the recorded ones are as they came.
    guide: the script that the wearer was shown (`capture.guided`); markers say when. consent: what
    the subject agreed to when it was recorded, or was told since; empty where nobody told. files:
    SHA-256 of each file of the take that is never written to again. timecode: where
    it lies on the timecode of the set (`capture.timecode.Jam`). audio: where its sound lies
    (`capture.sound_file.sound_facts`), empty where none was recorded. rating: "good", "no good",
    "circle" or "", notes: as the operator said, during the take or later.
    """

    name: str
    state: Literal["recording", "complete", "recovered"]
    layout: dict[str, Any]
    created_utc: str
    software: str
    schema_version: int = SCHEMA_VERSION
    subject: str = "anonymous"
    simulated: bool = False
    segments: tuple[Segment, ...] = ()
    origin: dict[str, Any] = {}
    rig: dict[str, Any] = {}
    counts: dict[str, int] = {}
    devices: tuple[TakeDevice, ...] = ()
    corrections: dict[str, Correction] = {}
    guide: dict[str, Any] = {}
    consent: Subject = UNTOLD
    files: dict[str, str] = {}
    rating: str = ""
    notes: tuple[str, ...] = ()
    timecode: dict[str, Any] = {}
    audio: dict[str, Any] = {}

    @property
    def sources(self) -> tuple[TakeDevice, ...]:
        """The devices, also where it was one hub: that has all slots, in their order."""
        return self.devices or (TakeDevice(HUB, self.sensor_layout.names, HUB),)

    @property
    def sensor_layout(self) -> SensorLayout:
        """The slots of this take. Raises ConfigError where the table is malformed."""
        return layout_from_dict(self.layout)

    def segment(self, label: str) -> Segment | None:
        """The first segment labelled `label`, or None."""
        return next((s for s in self.segments if s.label == label), None)


def software() -> str:
    """Name and version of this program, as written into takes and checkpoints."""
    try:
        return f"imusic {metadata.version('imusic')}"
    except metadata.PackageNotFoundError:
        return "imusic"


def opening(start_s: float, rest_s: float, routine_s: float) -> tuple[Segment, ...]:
    """Rest, then the routine where there is one, in seconds after the first sample."""
    rest = Segment("rest", start_s, start_s + rest_s)
    if not routine_s:
        return (rest,)
    return (rest, Segment("routine", rest.end_s, rest.end_s + routine_s))


def new_take(
    name: str,
    layout: SensorLayout,
    origin: dict[str, Any],
    segments: tuple[Segment, ...] = (),
    **facts: Any,
) -> Take:
    """A take that begins now, made by this software; `facts` are further fields of `Take`."""
    return Take(
        name=name,
        state="recording",
        layout=layout_to_dict(layout),
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        software=software(),
        segments=segments,
        origin=origin,
        **facts,
    )


def recover_hint(folder: Path) -> str:
    """What to do about a take that is not whole."""
    return f"run `imusic recover {folder}`"


def read_take(folder: Path) -> Take:
    """Read `take.toml`. Raises DataError naming the file and what is wrong with it."""
    path = folder / TAKE_FILE
    if folder.is_file():
        raise DataError(
            f"{folder} is a file, not a take, which is a folder",
            "make a take of an .npz with `imusic import samples`, of a Live Link Face .csv with "
            "`imusic import livelink`",
        )
    try:
        take = msgspec.toml.decode(path.read_bytes(), type=Take)
    except FileNotFoundError as error:
        has_data = (folder / DATA_FILE).is_file()
        raise DataError(
            f"{folder} is not a take: it has no {TAKE_FILE}",
            f"its {DATA_FILE} is still there: {recover_hint(folder)}"
            if has_data
            else "make one with `imusic record` or `imusic import`",
        ) from error
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from error
    if take.schema_version > SCHEMA_VERSION:
        raise DataError(
            f"{path}: expected schema version up to {SCHEMA_VERSION}, got {take.schema_version}",
            "this take was made by a newer imusic; update",
        )
    try:
        known = layout_from_dict(take.layout).names
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from error
    for device in take.devices:
        for slot in device.slots:
            if slot not in known:
                raise DataError(
                    f"{path}: device {device.name!r} has a slot {slot!r}, which its layout lacks"
                )
    return take


def write_take(take: Take, folder: Path) -> None:
    """Write `take.toml` whole or not at all (temporary name, sync, then rename)."""
    temporary = folder / (TAKE_FILE + ".part")
    with temporary.open("wb") as file:
        file.write(msgspec.toml.encode(take))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / TAKE_FILE)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk; Windows sees to that itself."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def other_files(folder: Path) -> dict[str, str]:
    """SHA-256 of what else a take has that is never written to again."""
    return {name: file_sha256(folder / name) for name in KEPT_FILES if (folder / name).is_file()}
