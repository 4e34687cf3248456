"""`manifest.json`: what a data set is, which files it has, and what it was made from.

Versions of the schema: 1 was synthetic sets only; 2 added all that has a default below, but for
what 3 added: `tracks` as a fifth kind of file, and releases. Older ones are read as if they had
been written today.
"""

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec

from capture.blendshapes import ARKIT_NAMES
from capture.consent import Subject
from capture.provenance import DataUse
from firmware_host.errors import DataError

SCHEMA_VERSION = 3
MANIFEST_FILE = "manifest.json"
UNITS = {
    "accel": "m/s^2, specific force",
    "gyro": "rad/s",
    "tick": "1/60 s",
    "time_ns": "ns",
    "quat_world_from_head": "wxyz",
    "weights": "ARKit coefficients, about 0 to 1",
}
# Folders of a data set, each with one file per shard. Sets of `imusic synth` have the first two,
# and `tracks` is there where somebody said something of the sequence.
KINDS = ("shards", "sequences", "native", "faces", "tracks")


class Shard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One shard and what it weighs.

    sha256: of its files, in the order of KINDS. key: of all that decided its bytes, data_sha256: of
    the recorded bytes of its take; both empty where it is synthetic.
    """

    name: str
    sequences: int
    rows: int
    seconds: float
    sha256: tuple[str, ...]
    key: str = ""
    data_sha256: str = ""

    @property
    def files(self) -> dict[str, str]:
        """Path below the data set → sha256, of every file."""
        kinds = KINDS[: len(self.sha256)]
        return {
            f"{kind}/{self.name}.parquet": digest
            for kind, digest in zip(kinds, self.sha256, strict=True)
        }


class Edit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of the history: what was done, to which manifest (sha256), and what it changed."""

    verb: str
    arguments: dict[str, Any] = {}
    parent: str = ""
    added: int = 0
    removed: int = 0
    changed: int = 0


class LeftOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A take that an edit removed or replaced: building again does not bring it back."""

    data_sha256: str
    why: str


class Split(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parts of a data set that share no group.

    by: the fact that never crosses. parts: name → sequence numbers, in order.
    """

    name: str
    by: str
    seed: int
    shares: dict[str, float]
    parts: dict[str, tuple[int, ...]]


class Release(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version that was given away.

    licences: of all in it. consent: purposes that everybody recorded agreed to. changes: since the
    release before. manifest: sha256 of that of the version it was made of.
    """

    number: int
    date: dt.date
    licences: tuple[str, ...]
    consent: tuple[str, ...]
    subjects: int
    sequences: int
    hours: float
    changes: tuple[str, ...] = ()
    notes: str = ""
    manifest: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of `manifest.json`.

    plan: what made it, enough to make it again. layout: slots in the order of every row; layouts:
    as they were worn, by the name that the facts of a sequence give. parent: sha256 of the manifest
    of the version before.
    """

    layout: dict[str, Any]
    plan: dict[str, Any]
    shards: tuple[Shard, ...]
    data: tuple[DataUse, ...] = ()
    rate_hz: int = 60
    units: dict[str, str] = msgspec.field(default_factory=lambda: dict(UNITS))
    weight_names: tuple[str, ...] = ARKIT_NAMES
    simulated: bool = True
    software: str = ""
    schema_version: int = SCHEMA_VERSION
    layouts: dict[str, dict[str, Any]] = {}
    subjects: dict[str, Subject] = {}
    statistics: dict[str, Any] = {}
    splits: tuple[Split, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    history: tuple[Edit, ...] = ()
    parent: str = ""
    releases: tuple[Release, ...] = ()

    @property
    def seconds(self) -> float:
        """Seconds of all sequences together."""
        return sum(shard.seconds for shard in self.shards)

    def part(self, name: str) -> frozenset[int]:
        """The sequences of a part of the first split. Raises DataError where there is none."""
        parts = self.splits[0].parts if self.splits else {}
        if name not in parts:
            raise DataError(
                f"the data set has no part {name!r}; it has {', '.join(parts) or 'none'}",
                "make parts with `imusic dataset split`",
            )
        return frozenset(parts[name])


def read_manifest(folder: Path) -> Manifest:
    """Read `manifest.json`. Raises DataError naming the file and what is wrong with it."""
    path = folder / MANIFEST_FILE
    try:
        raw = path.read_bytes()
        version = msgspec.json.decode(raw, type=_Version).schema_version
        if version > SCHEMA_VERSION:
            raise DataError(
                f"{path}: expected schema version up to {SCHEMA_VERSION}, got {version}",
                "this data set was made by a newer imusic; update",
            )
        manifest = msgspec.json.decode(raw, type=Manifest)
    except FileNotFoundError as error:
        raise DataError(
            f"{folder} is not a finished data set: it has no {MANIFEST_FILE}",
            "make or finish one with `imusic dataset build` or `imusic synth`",
        ) from error
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(f"{path}: {error}") from error
    return msgspec.structs.replace(manifest, schema_version=SCHEMA_VERSION)


def encode_manifest(manifest: Manifest) -> bytes:
    """The bytes of `manifest.json`; the same manifest gives the same ones."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic")) + b"\n"


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write `manifest.json` whole or not at all: from then on the data set is finished."""
    write_whole(folder / MANIFEST_FILE, encode_manifest(manifest))


def write_whole(path: Path, data: bytes) -> None:
    """Under a temporary name first, then renamed."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(data)
    temporary.replace(path)


class _Version(msgspec.Struct, frozen=True):
    schema_version: int = 1
