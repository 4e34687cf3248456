"""Saving what a cut-off or damaged take still holds: `imusic recover`.

Chunks are looked for everywhere in the file, not only where the one before says the next begins, so
damage costs the chunks it hits and no more. What fails its checksum is left out, the new file is
read back before anything is called saved, and the old one is kept beside it.
"""

import contextlib
import os
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

import msgspec

from capture import schemas
from capture.channels import (
    FACE,
    HEALTH,
    MARKERS,
    PHONE_RAW,
    message_types,
    open_channels,
    samples_topic,
    topics_of,
)
from capture.counting import add, count_health
from capture.guided import performed, script_from_dict, segments_of
from capture.operating import rated
from capture.provenance import file_sha256
from capture.rebuild import rebuilt_take
from capture.sound_file import SOUND, mend_sound, sound_facts
from capture.take import (
    DATA_FILE,
    PLOT_FILE,
    SYNC_FILE,
    TAKE_FILE,
    Take,
    TakeDevice,
    other_files,
    read_take,
    recover_hint,
    write_take,
)
from capture.take_writer import CHUNK_BYTES
from firmware_host import mcap_chunks
from firmware_host.clock import NS_PER_S
from firmware_host.errors import ConfigError, DataError
from firmware_host.transports.replay import mapped

_CODEC = struct.pack("<I", 4) + b"zstd"
_CODEC_AT = 9 + 8 + 8 + 8 + 4  # where the codec's name lies in a chunk record

Record = tuple[str, mcap_chunks.Record]


class Outcome(IntEnum):
    """Exit codes of `imusic recover`."""

    WHOLE = 0
    NOTHING = 1
    LOSSY = 3


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What was found and done.

    lost_s: stretches where records are or may be missing, in seconds after the first record; the
    end is None where the file just stops.
    """

    outcome: Outcome
    message: str
    samples: int = 0
    faces: int = 0
    duration_s: float = 0.0
    lost_s: tuple[tuple[float, float | None], ...] = ()


@dataclass
class _Tally:
    """What a rescue found, as it goes.

    counts: messages by topic. kept: what `counts` of `take.toml` says, as `TakeWriter` counts it.
    blocks: the newest of each device. markers: times and labels.
    """

    devices: tuple[TakeDevice, ...]
    counts: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    blocks: dict[str, int] = field(default_factory=dict)
    first_ns: int = 0
    last_ns: int = 0
    lost_ns: list[tuple[int, int | None]] = field(default_factory=list)
    markers: list[tuple[int, str]] = field(default_factory=list)
    first_sample_ns: int | None = None
    sound: list[tuple[int, int]] = field(default_factory=list)
    sound_lost: int = 0
    sound_hz: int = 0

    def add(self, topic: str, time_ns: int) -> None:
        self.counts[topic] += 1
        self.first_ns = self.first_ns or time_ns
        self.last_ns = time_ns

    def keep(self, topic: str, record: mcap_chunks.Record) -> None:
        """Count what a verified message holds."""
        name, _, channel = topic.partition("/")
        is_device = any(name == device.name for device in self.devices)
        if is_device and channel == "raw":
            self._add("raw_bytes", len(record.payload), name)
        elif is_device:
            self._add("samples", 1, name)
            self._add("blocks", int(record.sequence != self.blocks.get(name)), name)
            self.blocks[name] = record.sequence
            if self.first_sample_ns is None:
                self.first_sample_ns = record.log_time_ns
        elif topic == PHONE_RAW:
            self.kept["datagrams"] += 1
        elif topic == FACE:
            self.kept["faces"] += 1
            tracked = schemas.FACE_TRACKED.get(schemas.FACE.parse([record.payload]))
            self.kept["faces_tracked"] += int(tracked.sum())
        elif topic == HEALTH:
            facts = msgspec.json.decode(record.payload, type=dict[str, Any])
            count_health(self.kept, facts, len(self.devices) > 1)
            if facts["kind"] == SOUND:
                self.sound.append((facts["sample"], record.log_time_ns))
                self.sound_lost, self.sound_hz = self.sound_lost + facts["lost"], facts["rate_hz"]
        elif topic == MARKERS:
            label = msgspec.json.decode(record.payload, type=dict[str, str])["label"]
            self.markers.append((record.log_time_ns, label))

    @property
    def samples(self) -> int:
        """Samples of all devices."""
        return sum(self.counts[samples_topic(device)] for device in self.devices)

    def sound_facts(self) -> dict[str, Any]:
        """`audio` of the take."""
        return sound_facts(self.sound, self.first_sample_ns, self.sound_hz, self.sound_lost)

    def _add(self, what: str, number: int, device: str) -> None:
        add(self.kept, what, number, device, len(self.devices) > 1)

    def seconds(self, time_ns: int) -> float:
        return max(0.0, round((time_ns - self.first_ns) / NS_PER_S, 3))


def data_state(folder: Path) -> str:
    """Whether the data of a take has a beginning and an end, by its first and last bytes alone.

    "whole", "cut off, run `imusic recover …`" or "missing". Damage in between is not looked for.
    """
    path = folder / DATA_FILE
    if not path.is_file():
        return "missing"
    with mapped(path) as data:
        if mcap_chunks.is_closed(data):
            return "whole"
    return f"cut off, {recover_hint(folder)}"


def recover(folder: Path) -> RecoveryReport:
    """Make the take in `folder` readable again, where there is anything to save.

    A whole take is left as it is. Otherwise `data.mcap` becomes what could be verified, and the
    file as it was found stays as `data.mcap.damaged`. A `take.toml` that is missing or no TOML is
    made anew. Running it twice changes nothing more.

    Raises:
        DataError: not a take, its sensors are nowhere to be read, or the disk does not give back
            what was written to it.
    """
    if not (folder / DATA_FILE).is_file() or _says_anything(folder / TAKE_FILE):
        return _recover(folder)
    _rebuild(folder)
    report = _recover(folder)
    return replace(report, message=f"{report.message}; {TAKE_FILE} was made anew, see its origin")


def _recover(folder: Path) -> RecoveryReport:
    take = read_take(folder)
    path = folder / DATA_FILE
    if not path.is_file():
        raise DataError(f"{folder}: the take has no {DATA_FILE}")
    if (whole := _whole(path, take)) is not None:
        return _settle(folder, take, whole)
    part = folder / (DATA_FILE + ".part")
    tally = _rescue(path, part, take)
    if not tally.counts:
        part.unlink()
        return RecoveryReport(Outcome.NOTHING, f"{path}: not one intact record was found")
    saved = _check(part, take, tally)
    path.replace(_unused(path))
    part.replace(path)
    for name in (SYNC_FILE, PLOT_FILE):  # they told of what was there before
        (folder / name).unlink(missing_ok=True)
    _mark(folder, take, saved)
    return _report(folder, tally)


def _says_anything(path: Path) -> bool:
    """Whether there is a TOML file with something in it; what it says may still be wrong."""
    try:
        return bool(msgspec.toml.decode(path.read_bytes()))
    except (FileNotFoundError, UnicodeDecodeError, msgspec.DecodeError):
        return False


def _rebuild(folder: Path) -> None:
    """Make `take.toml` anew; what was there stays beside it."""
    data_path, path = folder / DATA_FILE, folder / TAKE_FILE
    written = datetime.fromtimestamp(data_path.stat().st_mtime, UTC)
    with mapped(data_path) as data:
        take = rebuilt_take(
            folder.resolve().name,
            written.isoformat(timespec="seconds"),
            (contents for contents, _, _ in _intact(data)),
        )
    if path.is_file():
        path.replace(_unused(path))
    write_take(take, folder)


def _whole(path: Path, take: Take) -> _Tally | None:
    """The tally of a file without any damage, else None."""
    try:
        return read_all(path, take)
    except DataError:
        return None


def read_all(path: Path, take: Take) -> _Tally:
    """Read every message of a file, as strictly as can be. Raises DataError at any damage."""
    tally = _Tally(take.sources)
    topics: dict[int, str] = {}
    types = message_types(take.sources)
    with mapped(path) as data:
        for contents in mcap_chunks.chunks(data, str(path), ""):
            for topic, record in mcap_chunks.records(contents, topics):
                if topic in types:
                    types[topic].parse([record.payload])
                tally.add(topic, record.log_time_ns)
                tally.keep(topic, record)
    return tally


def _settle(folder: Path, take: Take, tally: _Tally) -> RecoveryReport:
    """A whole file: at most `take.toml` was not brought up to date."""
    text = "the take is whole; nothing to do"
    if take.state == "recording":
        _mark(folder, take, tally)
        text = "the data is whole; the take is now marked as recovered"
    return _report(folder, tally, text)


def _mark(folder: Path, take: Take, tally: _Tally) -> None:
    """Say in `take.toml` what is there now; what the writer once counted may be lost."""
    mend_sound(folder)
    rating, notes = rated(label for _, label in tally.markers)
    changes: dict[str, Any] = {
        "rating": take.rating or rating,
        "notes": take.notes or notes,
        "state": "recovered",
        "counts": dict(tally.kept),
        "audio": tally.sound_facts(),
        "segments": take.segments,
        "files": {DATA_FILE: file_sha256(folder / DATA_FILE)} | other_files(folder),
    }
    if take.guide and tally.first_sample_ns is not None:  # its segments come at the end only
        with contextlib.suppress(ConfigError):
            script = script_from_dict(take.guide)
            steps = performed(script, tally.markers, tally.first_sample_ns)
            changes["segments"] = segments_of(steps)
    write_take(msgspec.structs.replace(take, **changes), folder)


def _rescue(path: Path, part: Path, take: Take) -> _Tally:
    """Write every message of every intact chunk of `path` to the new file `part`."""
    tally = _Tally(take.sources)
    known = topics_of(take.sources)
    topics = dict(enumerate(known, 1))
    with mapped(path) as data, part.open("wb") as stream:
        writer = open_channels(stream, take.sources, CHUNK_BYTES)
        at = len(mcap_chunks.MAGIC)
        for contents, start, end in _intact(data):
            found = _sound(contents, topics)
            if found and not _is_clean(data, at, start):
                tally.lost_ns.append((tally.last_ns, found[0][1].log_time_ns))
            _copy(found, writer, tally, known)
            at = end
        if not _is_clean(data, at, None):
            tally.lost_ns.append((tally.last_ns, None))
        writer.finish()
        stream.flush()
        os.fsync(stream.fileno())
    return tally


def _intact(data: mcap_chunks.Buffer) -> Iterator[tuple[bytes, int, int]]:
    """(contents, start, end) of every intact chunk, wherever it lies."""
    searched = 0
    while (found := data.find(_CODEC, searched)) >= 0:
        searched = found + 1
        start = found - _CODEC_AT
        chunk = mcap_chunks.chunk_at(data, start) if start >= 0 else None
        if chunk is not None:
            contents, searched = chunk
            yield contents, start, searched


def _sound(contents: bytes, topics: dict[int, str]) -> list[Record]:
    """The messages of a chunk on our channels; none where it was not written by the rules."""
    try:
        known = set(topics.values())
        return [r for r in mcap_chunks.records(contents, dict(topics)) if r[0] in known]
    except DataError:
        return []


def _is_clean(data: mcap_chunks.Buffer, at: int, end: int | None) -> bool:
    """Whether no chunk can have been between `at` and `end` (None: the end of all data).

    True only for what our writer puts there: the header, indexes, and DataEnd as the last.
    """
    while at != end:
        if at + 15 > len(data):
            return False
        opcode, length = struct.unpack_from("<BQ", data, at)
        if opcode == mcap_chunks.OP_DATA_END:
            return end is None
        (entries,) = struct.unpack_from("<I", data, at + 11)
        is_header = opcode == mcap_chunks.OP_HEADER and at == len(mcap_chunks.MAGIC)
        is_index = opcode == mcap_chunks.OP_MESSAGE_INDEX and length == 6 + entries
        if not (is_header or is_index):
            return False
        at += 9 + length
    return True


def _copy(found: list[Record], writer: Any, tally: _Tally, known: tuple[str, ...]) -> None:
    for topic, record in found:
        time_ns, payload = record.log_time_ns, bytes(record.payload)
        channel = known.index(topic) + 1
        writer.add_message(channel, time_ns, payload, time_ns, record.sequence)
        tally.add(topic, time_ns)


def _check(part: Path, take: Take, tally: _Tally) -> _Tally:
    """Read back what was written; the tally of that. Raises DataError where it differs."""
    again = read_all(part, take)
    if again.counts != tally.counts:
        raise DataError(
            f"{part}: wrote {tally.counts.total()} records, read back {again.counts.total()}",
            "the disk does not give back what it took; copy the take elsewhere and try again",
        )
    return again


def _unused(path: Path) -> Path:
    """A name for the file as it was found that no earlier rescue has used."""
    name, number = path.with_name(path.name + ".damaged"), 1
    while name.exists():
        number += 1
        name = path.with_name(f"{path.name}.damaged-{number}")
    return name


def _report(folder: Path, tally: _Tally, text: str = "") -> RecoveryReport:
    samples, faces = tally.samples, tally.counts[FACE]
    duration_s = tally.seconds(tally.last_ns)
    lost = tuple(
        (tally.seconds(a), None if b is None else tally.seconds(b)) for a, b in tally.lost_ns
    )
    places = ", ".join(f"{a:g} s to {'the end' if b is None else f'{b:g} s'}" for a, b in lost)
    saved = f"saved {samples} samples and {faces} faces over {duration_s:g} s"
    if not text:
        text = f"{saved}; records may be missing from {places}" if lost else f"{saved}, all of it"
    return RecoveryReport(
        outcome=Outcome.LOSSY if lost else Outcome.WHOLE,
        message=f"{folder}: {text}",
        samples=samples,
        faces=faces,
        duration_s=duration_s,
        lost_s=lost,
    )
