"""A take on disk: writing it as it happens, and reading it back as arrays.

`data.mcap` has these channels; every log_time is the host monotonic ns at which it arrived.

hub/raw      what the link gave, byte for byte (`firmware_host.transports.replay`)
hub/samples  one protobuf message per tick; all messages of one block share their MCAP sequence
phone/raw    datagrams as received
phone/face   one protobuf message per decoded datagram
clock        device and host time of the newest hub tick or phone frame, a few per second
health       JSON: hub info and status, gaps, garbage, malformed datagrams, lost links, the end
markers      JSON: what the operator marked

The writer closes a chunk every FLUSH_S and has it on the disk every SYNC_S: a killed process loses
less than 0.3 s, a power cut little more than a second.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture import livelink, schemas
from capture.blendshapes import ARKIT_NAMES
from capture.take import DATA_FILE, Take, read_take, write_take
from firmware_host import mcap_chunks
from firmware_host.clock import NS_PER_S
from firmware_host.errors import DataError
from firmware_host.samples import (
    Duplicate,
    Floats,
    Gap,
    Garbage,
    HubEnd,
    HubEvent,
    HubInfo,
    HubStatus,
    ImuBlock,
    Ints,
)
from firmware_host.transports import replay

SAMPLES, PHONE_RAW, FACE = "hub/samples", "phone/raw", "phone/face"
CLOCK, HEALTH, MARKERS = "clock", "health", "markers"

FLUSH_S = 0.2
SYNC_S = 1.0
CLOCK_S = 0.1
CHUNK_BYTES = 64 * 1024

# Kept in this order for good: a rescuer that lost the first chunk knows channels by number.
TOPICS = (replay.RAW_TOPIC, SAMPLES, PHONE_RAW, FACE, CLOCK, HEALTH, MARKERS)

_HEALTH_KINDS: dict[type, str] = {
    HubInfo: "info",
    HubStatus: "status",
    HubEnd: "end",
    Gap: "gap",
    Garbage: "garbage",
    Duplicate: "duplicate",
}


def new_take_folder(out: Path) -> Path:
    """Make and return the next `take-NNN` under `out`; never one that exists."""
    out.mkdir(parents=True, exist_ok=True)
    numbers = [int(p.name[5:]) for p in out.glob("take-*") if p.name[5:].isdigit()]
    number = max(numbers, default=0)
    while True:
        number += 1
        folder = out / f"take-{number:03d}"
        try:
            folder.mkdir()
        except FileExistsError:  # another recorder took it between our look and our step
            continue
        return folder


def _create(path: Path) -> BinaryIO:
    return path.open("xb")


def message_types(slots: tuple[str, ...]) -> dict[str, schemas.FixedMessage]:
    """The channels that carry protobuf, and what."""
    return {SAMPLES: schemas.samples_message(slots), FACE: schemas.FACE, CLOCK: schemas.CLOCK}


def open_channels(stream: BinaryIO, slots: tuple[str, ...], chunk_bytes: int) -> Any:
    """An MCAP writer on `stream` with the channels of a take, numbered from 1 as in TOPICS."""
    from mcap.writer import CompressionType, Writer

    writer = Writer(stream, chunk_size=chunk_bytes, compression=CompressionType.ZSTD)
    writer.start(profile="imusic", library="imusic")
    types = message_types(slots)
    for topic in TOPICS:
        if topic in types:
            message = types[topic]
            name = f"{schemas.PACKAGE}.{message.name}"
            schema = writer.register_schema(name, "protobuf", message.descriptor_set)
            writer.register_channel(topic, "protobuf", schema)
        else:
            json = topic in (HEALTH, MARKERS)
            writer.register_channel(topic, "json" if json else replay.RAW_ENCODING, 0)
    return writer


class TakeWriter:
    """Appends to a new take. Not thread-safe; whatever the disk refuses is raised as OSError.

    Args:
        folder: an existing folder without a take in it.
        take: what `take.toml` says meanwhile; its state is "recording" whatever it says.
        chunk_bytes: the most a chunk holds before it is written.
        create: opens the data file; a seam for tests of failing disks.
    """

    def __init__(
        self,
        folder: Path,
        take: Take,
        chunk_bytes: int = CHUNK_BYTES,
        create: Callable[[Path], BinaryIO] = _create,
    ) -> None:
        self.folder = folder
        self.counts: Counter[str] = Counter()
        self._take = msgspec.structs.replace(take, state="recording")
        self._slots = take.sensor_layout.names
        self._file = create(folder / DATA_FILE)
        write_take(self._take, folder)
        self._writer = open_channels(self._file, self._slots, chunk_bytes)
        self._channels = {topic: number for number, topic in enumerate(TOPICS, 1)}
        self._flushed_ns = self._synced_ns = 0
        self._clocked_ns = dict.fromkeys(schemas.CLOCK_SOURCES, 0)

    @property
    def bytes_written(self) -> int:
        """Bytes handed to the data file so far."""
        return self._file.tell()

    def hub_bytes(self, data: bytes, arrival_ns: int) -> None:
        """Keep what one read of the hub's link gave."""
        self._add(replay.RAW_TOPIC, arrival_ns, data)
        self.counts["raw_bytes"] += len(data)

    def hub_event(self, event: HubEvent, arrival_ns: int) -> None:
        """Keep what the hub's bytes meant. A block keeps its own arrival time."""
        if isinstance(event, ImuBlock):
            self.samples(
                event.tick_us,
                event.sequence,
                event.accel_m_s2,
                event.gyro_rad_s,
                np.full(len(event), event.arrival_ns),
                np.full(len(event), self.counts["blocks"]),
            )
            return
        if isinstance(event, Gap):
            self.counts["samples_lost"] += event.count
        elif isinstance(event, Garbage):
            self.counts["garbage_bytes"] += event.count
        elif isinstance(event, HubEnd):
            self.counts["samples_sent"] = event.samples_sent
        self.health(_HEALTH_KINDS[type(event)], arrival_ns, **asdict(event))

    def samples(
        self,
        tick_us: Ints,
        sequence: Ints,
        accel_m_s2: Floats,
        gyro_rad_s: Floats,
        arrival_ns: Ints,
        block: Ints,
    ) -> None:
        """Keep N ticks; `arrival_ns` and `block` (a running number) are (N,), one per tick."""
        if not len(tick_us):
            return
        rows = schemas.samples_message(self._slots).rows(len(tick_us))
        counters, readings = schemas.samples_columns(self._slots)
        counters.put(rows, np.stack([tick_us, sequence], axis=1))
        readings.put(rows, np.concatenate([accel_m_s2, gyro_rad_s], axis=2))
        for payload, arrived, number in zip(
            schemas.messages(rows), arrival_ns.tolist(), block.tolist(), strict=True
        ):
            self._add(SAMPLES, arrived, payload, number & 0xFFFF_FFFF)
        self.counts["samples"] += len(tick_us)
        self.counts["blocks"] = int(block[-1]) + 1
        self._clock("hub", int(tick_us[-1]) * 1000, int(arrival_ns[-1]))

    def phone_datagram(self, data: bytes, arrival_ns: int) -> None:
        """Keep a datagram, and the face in it or why there is none."""
        self._add(PHONE_RAW, arrival_ns, data)
        self.counts["datagrams"] += 1
        packet = livelink.decode(data)
        if isinstance(packet, livelink.Malformed):
            self.counts["datagrams_malformed"] += 1
            self.health("malformed", arrival_ns, source="phone", reason=packet.reason)
            return
        tracked = packet.weights is not None
        head = eyes = weights = None
        if tracked:
            weights = np.asarray(packet.weights)[None]
            head = np.asarray(packet.head_yaw_pitch_roll)[None]
            eyes = np.asarray(packet.eyes_yaw_pitch_roll)[None]
        self.faces(
            np.array([livelink.device_time_ns(packet)]),
            np.array([arrival_ns]),
            np.full((1, len(ARKIT_NAMES)), np.nan) if weights is None else weights,
            np.array([tracked]),
            head,
            eyes,
            frame=(packet.frame_number, packet.rate_numerator, packet.rate_denominator),
            sub_frame=packet.sub_frame,
        )

    def faces(
        self,
        device_ns: Ints,
        arrival_ns: Ints,
        weights: NDArray[Any],
        tracked: NDArray[np.bool_],
        head_yaw_pitch_roll: NDArray[Any] | None = None,
        eyes_yaw_pitch_roll: NDArray[Any] | None = None,
        *,
        frame: tuple[int, int, int] = (0, 0, 0),
        sub_frame: float = 0.0,
    ) -> None:
        """Keep M faces: weights (M, 52), angles (M, 3) and (M, 2, 3) in rad or None."""
        count = len(device_ns)
        if not count:
            return
        unknown = np.full((count, 3), np.nan)
        head = unknown if head_yaw_pitch_roll is None else head_yaw_pitch_roll
        eyes = np.tile(unknown, 2) if eyes_yaw_pitch_roll is None else eyes_yaw_pitch_roll
        rows = schemas.FACE.rows(count)
        schemas.FACE_TIME.put(rows, device_ns)
        schemas.FACE_FRAME.put(rows, np.tile(np.array(frame), (count, 1)))
        schemas.FACE_SUB_FRAME.put(rows, np.full(count, sub_frame))
        schemas.FACE_TRACKED.put(rows, tracked)
        schemas.FACE_WEIGHTS.put(rows, np.where(tracked[:, None], weights, np.nan))
        schemas.FACE_HEAD.put(rows, head)
        schemas.FACE_EYES.put(rows, eyes)
        schemas.FACE_QUAT.put(rows, livelink.quat_from_head_angles(head))
        for payload, arrived in zip(schemas.messages(rows), arrival_ns.tolist(), strict=True):
            self._add(FACE, arrived, payload)
        self.counts["faces"] += count
        self.counts["faces_tracked"] += int(np.count_nonzero(tracked))
        self._clock("phone", int(device_ns[-1]), int(arrival_ns[-1]))

    def health(self, kind: str, time_ns: int, **facts: Any) -> None:
        """Keep something worth knowing about the take, as JSON."""
        self._add(HEALTH, time_ns, msgspec.json.encode({"kind": kind, **facts}))

    def marker(self, label: str, time_ns: int) -> None:
        """Keep a mark of the operator."""
        self._add(MARKERS, time_ns, msgspec.json.encode({"label": label}))

    def service(self, now_ns: int) -> None:
        """Call often: closes the chunk under way and syncs the disk when it is time."""
        if now_ns - self._flushed_ns >= FLUSH_S * NS_PER_S:
            self._flushed_ns = now_ns
            self._writer.flush()
        if now_ns - self._synced_ns >= SYNC_S * NS_PER_S:
            self._synced_ns = now_ns
            os.fsync(self._file.fileno())

    def close(self, **changes: Any) -> Take:
        """Finish the file, then say in `take.toml` that it is complete. Returns what that says.

        changes: fields of the take to replace, such as `segments`.
        """
        self._writer.finish()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        changes = {"state": "complete", "counts": dict(self.counts)} | changes
        take = msgspec.structs.replace(self._take, **changes)
        write_take(take, self.folder)
        return take

    def abandon(self) -> None:
        """Close the file as it is, for `imusic recover`; after the disk refused something."""
        self._file.close()

    def _add(self, topic: str, log_time: int, payload: bytes, sequence: int = 0) -> None:
        self._writer.add_message(self._channels[topic], log_time, payload, log_time, sequence)

    def _clock(self, source: str, device_ns: int, host_ns: int) -> None:
        if host_ns - self._clocked_ns[source] < CLOCK_S * NS_PER_S:
            return
        self._clocked_ns[source] = host_ns
        row = schemas.CLOCK.rows(1)
        schemas.CLOCK_SOURCE.put(row, np.array([schemas.CLOCK_SOURCES.index(source)]))
        schemas.CLOCK_PAIR.put(row, np.array([device_ns, host_ns]))
        self._add(CLOCK, host_ns, row.tobytes())


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """The phone's frames in order of arrival.

    device_ns: (M,) the phone's clock. arrival_ns: (M,) host monotonic. weights: (M, 52), NaN where
    not tracked. quat_world_from_head: (M, 4) wxyz and head_yaw_pitch_roll: (M, 3) rad, NaN where
    unknown. tracked: (M,).
    """

    device_ns: Ints
    arrival_ns: Ints
    weights: Floats
    quat_world_from_head: Floats
    head_yaw_pitch_roll: Floats
    tracked: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.device_ns)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """All of a take as arrays.

    tick_us, sequence, arrival_ns: (N,). accel_m_s2, gyro_rad_s: (N, S, 3), NaN where a slot gave
    nothing. block_starts: (B + 1,) where blocks begin, N last; the ticks of one block arrived
    together. health: every event of the health channel, with its `time_ns`. samples_sent: the hub's
    own count, None where it never said.
    """

    take: Take
    tick_us: Ints
    sequence: Ints
    arrival_ns: Ints
    accel_m_s2: Floats
    gyro_rad_s: Floats
    block_starts: Ints
    faces: FaceTrack
    info: HubInfo | None
    gaps: tuple[Gap, ...]
    garbage_bytes: int
    samples_sent: int | None
    health: tuple[dict[str, Any], ...]
    markers: tuple[tuple[int, str], ...]

    def __len__(self) -> int:
        return len(self.tick_us)

    @property
    def samples_lost(self) -> int:
        """Samples that never arrived, by the gaps seen."""
        return sum(gap.count for gap in self.gaps)

    def blocks(self) -> Iterator[ImuBlock]:
        """The blocks as they arrived, as views."""
        for start, end in zip(
            self.block_starts[:-1].tolist(), self.block_starts[1:].tolist(), strict=True
        ):
            yield ImuBlock(
                self.tick_us[start:end],
                self.sequence[start:end],
                self.accel_m_s2[start:end],
                self.gyro_rad_s[start:end],
                int(self.arrival_ns[start]),
            )


def recover_hint(folder: Path) -> str:
    """What to do about a take that is not whole."""
    return f"run `imusic recover {folder}`"


def read_recording(folder: Path) -> Recording:
    """Read a take.

    Raises:
        DataError: not a take, still "recording", cut off, or damaged; says what to run.
    """
    take = read_take(folder)
    path = folder / DATA_FILE
    if not path.is_file():
        raise DataError(f"{folder}: the take has no {DATA_FILE}")
    reader = _Reader(take)
    topics: dict[int, str] = {}
    with replay.mapped(path) as data:
        for contents in mcap_chunks.chunks(data, str(path), recover_hint(folder)):
            reader.take_chunk(mcap_chunks.records(contents, topics))
    if take.state == "recording":
        raise DataError(f"{folder}: the take was never completed", recover_hint(folder))
    return reader.recording()


class _Reader:
    """Collects one chunk at a time, so that messages never pile up beside the arrays."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._slots = take.sensor_layout.names
        self._counters: list[Ints] = []
        self._readings: list[Floats] = []
        self._arrivals: list[Ints] = []
        self._blocks: list[Ints] = []
        self._faces: list[schemas.Rows] = []
        self._face_arrivals: list[Ints] = []
        self._health: list[dict[str, Any]] = []
        self._markers: list[tuple[int, str]] = []

    def take_chunk(self, records: Iterator[tuple[str, mcap_chunks.Record]]) -> None:
        samples: list[mcap_chunks.Record] = []
        faces: list[mcap_chunks.Record] = []
        for topic, record in records:
            if topic == SAMPLES:
                samples.append(record)
            elif topic == FACE:
                faces.append(record)
            elif topic == HEALTH:
                facts = msgspec.json.decode(record.payload, type=dict[str, Any])
                self._health.append({**facts, "time_ns": record.log_time_ns})
            elif topic == MARKERS:
                label = msgspec.json.decode(record.payload, type=dict[str, str])["label"]
                self._markers.append((record.log_time_ns, label))
        if samples:
            self._take_samples(samples)
        if faces:
            self._faces.append(schemas.FACE.parse([record.payload for record in faces]))
            self._face_arrivals.append(_times(faces))

    def _take_samples(self, records: Sequence[mcap_chunks.Record]) -> None:
        rows = schemas.samples_message(self._slots).parse([r.payload for r in records])
        counters, readings = schemas.samples_columns(self._slots)
        self._counters.append(counters.get(rows))
        self._readings.append(readings.get(rows))
        self._arrivals.append(_times(records))
        self._blocks.append(np.array([r.sequence for r in records]))

    def recording(self) -> Recording:
        counters = _joined(self._counters, (0, 2), np.int64)
        arrival_ns = _joined(self._arrivals, (0,), np.int64)
        starts = np.flatnonzero(np.diff(_joined(self._blocks, (0,), np.int64))) + 1
        ends = [0, *starts.tolist(), len(counters)] if len(counters) else [0]
        accel, gyro = self._sensors()
        of_kind = _by_kind(self._health)
        sent = [int(facts["samples_sent"]) for facts in of_kind("end")]
        infos = of_kind("info")
        return Recording(
            take=self._take,
            tick_us=np.ascontiguousarray(counters[:, 0]),
            sequence=np.ascontiguousarray(counters[:, 1]),
            arrival_ns=arrival_ns,
            accel_m_s2=accel,
            gyro_rad_s=gyro,
            block_starts=np.array(ends, np.int64),
            faces=self._face_track(),
            info=_info(infos[0]) if infos else None,
            gaps=tuple(Gap(int(f["sequence"]), int(f["count"])) for f in of_kind("gap")),
            garbage_bytes=sum(int(f["count"]) for f in of_kind("garbage")),
            samples_sent=sent[-1] if sent else None,
            health=tuple(self._health),
            markers=tuple(self._markers),
        )

    def _sensors(self) -> tuple[Floats, Floats]:
        """(accel, gyro), each (N, S, 3); empties the parts as it goes, to stay small."""
        count = sum(len(part) for part in self._readings)
        accel = np.empty((count, len(self._slots), 3), np.float32)
        gyro = np.empty_like(accel)
        at = 0
        self._readings.reverse()
        while self._readings:
            part = self._readings.pop().reshape(-1, len(self._slots), 6)
            accel[at : at + len(part)], gyro[at : at + len(part)] = part[..., :3], part[..., 3:]
            at += len(part)
        return accel, gyro

    def _face_track(self) -> FaceTrack:
        rows = _joined(self._faces, (0, len(schemas.FACE.template)), np.uint8)
        return FaceTrack(
            device_ns=schemas.FACE_TIME.get(rows)[:, 0],
            arrival_ns=_joined(self._face_arrivals, (0,), np.int64),
            weights=schemas.FACE_WEIGHTS.get(rows),
            quat_world_from_head=schemas.FACE_QUAT.get(rows),
            head_yaw_pitch_roll=schemas.FACE_HEAD.get(rows),
            tracked=schemas.FACE_TRACKED.get(rows)[:, 0] != 0,
        )


def _times(records: Sequence[mcap_chunks.Record]) -> Ints:
    return np.array([record.log_time_ns for record in records], np.int64)


def _joined(parts: Sequence[NDArray[Any]], empty: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(empty, dtype)


def _by_kind(health: Sequence[dict[str, Any]]) -> Callable[[str], list[dict[str, Any]]]:
    return lambda kind: [facts for facts in health if facts["kind"] == kind]


def _info(facts: dict[str, Any]) -> HubInfo:
    return HubInfo(
        device_id=str(facts["device_id"]),
        firmware=str(facts["firmware"]),
        protocol_version=int(facts["protocol_version"]),
        rate_hz=float(facts["rate_hz"]),
        accel_range_m_s2=float(facts["accel_range_m_s2"]),
        gyro_range_rad_s=float(facts["gyro_range_rad_s"]),
        slots=tuple(facts["slots"]),
    )
