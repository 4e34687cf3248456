"""A take read back as arrays: `read_recording` gives a `Recording`."""

import datetime as dt
import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture import schemas
from capture.channels import FACE, HEALTH, MARKERS, samples_topic
from capture.consent import require_usable
from capture.take import DATA_FILE, Take, TakeDevice, read_take, recover_hint
from firmware_host import mcap_chunks
from firmware_host.clock import NS_PER_S
from firmware_host.errors import DataError
from firmware_host.samples import Floats, Gap, HubFeatures, HubInfo, HubMode, ImuBlock, Ints
from firmware_host.transports import replay


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
class DeviceTrack:
    """What one device of a take gave.

    slots: (S,) which of the take's slots its readings are of. tick_us, sequence, arrival_ns: (N,).
    accel_m_s2, gyro_rad_s: (N, S, 3), NaN where a slot gave nothing. block_starts: (B + 1,) where
    blocks begin, N last; the ticks of one block arrived together. samples_sent: the device's own
    count, None where it never said. no_clock_ns: from when on its samples carry their arrival for
    want of a clock; None where they never do.
    """

    name: str
    slots: tuple[int, ...]
    tick_us: Ints
    sequence: Ints
    arrival_ns: Ints
    accel_m_s2: Floats
    gyro_rad_s: Floats
    block_starts: Ints
    info: HubInfo | None = None
    gaps: tuple[Gap, ...] = ()
    garbage_bytes: int = 0
    samples_sent: int | None = None
    no_clock_ns: int | None = None

    def __len__(self) -> int:
        return len(self.tick_us)

    def blocks(self, device: int = 0) -> Iterator[ImuBlock]:
        """The blocks as they arrived, as views; `device` is the place of this track in its take."""
        for start, end in pairwise(self.block_starts.tolist()):
            arrival_ns = int(self.arrival_ns[start])
            yield ImuBlock(
                self.tick_us[start:end],
                self.sequence[start:end],
                self.accel_m_s2[start:end],
                self.gyro_rad_s[start:end],
                arrival_ns,
                tick_is_arrival=self.no_clock_ns is not None and arrival_ns >= self.no_clock_ns,
                device=device,
            )


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """All of a take as arrays.

    tracks: one per device, in the order of `take.sources`. health: every event of the health
    channel, with its `time_ns`. The arrays below are of all tracks together, a row a tick of one
    device, in order of arrival; slots of other devices are NaN there. Of one device they are its
    own, of several they are made anew at each call.
    """

    take: Take
    tracks: tuple[DeviceTrack, ...]
    faces: FaceTrack
    health: tuple[dict[str, Any], ...] = ()
    markers: tuple[tuple[int, str], ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.tracks))

    @property
    def tick_us(self) -> Ints:
        """(N,) ticks, each on the clock of its device."""
        return self.merged([track.tick_us for track in self.tracks])

    @property
    def sequence(self) -> Ints:
        """(N,) sample counters, each of its device."""
        return self.merged([track.sequence for track in self.tracks])

    @property
    def arrival_ns(self) -> Ints:
        """(N,) when they arrived."""
        return self.merged([track.arrival_ns for track in self.tracks])

    @property
    def accel_m_s2(self) -> Floats:
        """(N, S, 3) in all slots of the take."""
        return self._in_all_slots([track.accel_m_s2 for track in self.tracks])

    @property
    def gyro_rad_s(self) -> Floats:
        """(N, S, 3) in all slots of the take."""
        return self._in_all_slots([track.gyro_rad_s for track in self.tracks])

    @property
    def block_starts(self) -> Ints:
        """(B + 1,) where blocks begin, N last."""
        if len(self.tracks) == 1:
            return self.tracks[0].block_starts
        blocks, base = [], 0
        for track in self.tracks:
            counts = np.diff(track.block_starts)
            blocks.append(base + np.repeat(np.arange(len(counts)), counts))
            base += len(counts)
        bounds = np.flatnonzero(np.diff(self.merged(blocks))) + 1
        return np.array([0, *bounds.tolist(), len(self)] if len(self) else [0], np.int64)

    @property
    def info(self) -> HubInfo | None:
        """What the first device said of itself."""
        return self.tracks[0].info

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The gaps of all devices."""
        return tuple(gap for track in self.tracks for gap in track.gaps)

    @property
    def garbage_bytes(self) -> int:
        """Of all devices."""
        return sum(track.garbage_bytes for track in self.tracks)

    @property
    def samples_sent(self) -> int | None:
        """The devices' own counts, of those that have one; None where none has."""
        sent = [track.samples_sent for track in self.tracks if track.samples_sent is not None]
        return sum(sent) if sent else None

    @property
    def samples_lost(self) -> int:
        """Samples that never arrived, by the gaps seen."""
        return sum(gap.count for gap in self.gaps)

    def blocks(self) -> Iterator[ImuBlock]:
        """The blocks of all devices as they arrived, as views, in the slots of their device."""
        tracks = (track.blocks(device) for device, track in enumerate(self.tracks))
        return heapq.merge(*tracks, key=lambda block: block.arrival_ns)

    def merged(self, parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """(N, …) of one array (N_d, …) per track, in order of arrival."""
        if len(parts) == 1:
            return parts[0]
        arrival_ns = np.concatenate([track.arrival_ns for track in self.tracks])
        order = np.argsort(arrival_ns, kind="stable")
        return np.concatenate(parts)[order]

    def _in_all_slots(self, parts: Sequence[Floats]) -> Floats:
        slots = len(self.take.sensor_layout.slots)
        if len(parts) == 1 and self.tracks[0].slots == tuple(range(slots)):
            return parts[0]
        wide = []
        for track, part in zip(self.tracks, parts, strict=True):
            placed = np.full((len(part), slots, 3), np.nan, np.float32)
            placed[:, list(track.slots)] = part
            wide.append(placed)
        return self.merged(wide)


def read_recording(
    folder: Path, today: dt.date | None = None, until_s: float | None = None
) -> Recording:
    """Read a take, where the person in it still agrees.

    Args:
        today: consent is judged by it; None is the day of the computer.
        until_s: read no more than so many seconds after the first message, and look at no damage
            behind them.

    Raises:
        DataError: not a take, still "recording", cut off, or damaged; or its consent was withdrawn
            or has ended. Says what to do.
    """
    take = read_take(folder)
    if not take.simulated:
        day = today or dt.date.today()
        require_usable(take.consent, str(folder), take.subject, day)
    path = folder / DATA_FILE
    if not path.is_file():
        raise DataError(f"{folder}: the take has no {DATA_FILE}")
    reader = _Reader(take)
    topics: dict[int, str] = {}
    with replay.mapped(path) as data:
        for contents in mcap_chunks.chunks(data, str(path), recover_hint(folder)):
            if reader.take_chunk(mcap_chunks.records(contents, topics), until_s):
                break
    if take.state == "recording":
        raise DataError(f"{folder}: the take was never completed", recover_hint(folder))
    return reader.recording()


class _Reader:
    """Collects one chunk at a time, so that messages never pile up beside the arrays."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._devices = {
            samples_topic(device): _DeviceReader(device, take.sensor_layout.names)
            for device in take.sources
        }
        self._faces: list[schemas.Rows] = []
        self._face_arrivals: list[Ints] = []
        self._health: list[dict[str, Any]] = []
        self._markers: list[tuple[int, str]] = []
        self._first_ns = 0

    def take_chunk(
        self, records: Iterator[tuple[str, mcap_chunks.Record]], until_s: float | None
    ) -> bool:
        """Take all of a chunk; whether it is later than what is wanted."""
        samples: dict[str, list[mcap_chunks.Record]] = {topic: [] for topic in self._devices}
        faces: list[mcap_chunks.Record] = []
        newest_ns = 0
        for topic, record in records:
            newest_ns = record.log_time_ns
            self._first_ns = self._first_ns or newest_ns
            if topic in samples:
                samples[topic].append(record)
            elif topic == FACE:
                faces.append(record)
            elif topic == HEALTH:
                facts = msgspec.json.decode(record.payload, type=dict[str, Any])
                self._health.append({**facts, "time_ns": record.log_time_ns})
            elif topic == MARKERS:
                label = msgspec.json.decode(record.payload, type=dict[str, str])["label"]
                self._markers.append((record.log_time_ns, label))
        for topic, found in samples.items():
            if found:
                self._devices[topic].take_samples(found)
        if faces:
            self._faces.append(schemas.FACE.parse([record.payload for record in faces]))
            self._face_arrivals.append(_times(faces))
        return until_s is not None and newest_ns > self._first_ns + until_s * NS_PER_S

    def recording(self) -> Recording:
        first = self._take.sources[0].name  # whose events named no device, before there were more
        return Recording(
            take=self._take,
            tracks=tuple(
                reader.track([f for f in self._health if f.get("device", first) == reader.name])
                for reader in self._devices.values()
            ),
            faces=self._face_track(),
            health=tuple(self._health),
            markers=tuple(self._markers),
        )

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


class _DeviceReader:
    """Collects what one device gave."""

    def __init__(self, device: TakeDevice, slots: Sequence[str]) -> None:
        self.name = device.name
        self._slots = device.slots
        self._places = tuple(slots.index(slot) for slot in device.slots)
        self._counters: list[Ints] = []
        self._readings: list[Floats] = []
        self._arrivals: list[Ints] = []
        self._blocks: list[Ints] = []

    def take_samples(self, records: Sequence[mcap_chunks.Record]) -> None:
        message = schemas.samples_message(self._slots, self.name)
        rows = message.parse([r.payload for r in records])
        counters, readings = schemas.samples_columns(self._slots)
        self._counters.append(counters.get(rows))
        self._readings.append(readings.get(rows))
        self._arrivals.append(_times(records))
        self._blocks.append(np.array([r.sequence for r in records]))

    def track(self, health: Sequence[dict[str, Any]]) -> DeviceTrack:
        """All of it. health: the events of this device."""
        counters = _joined(self._counters, (0, 2), np.int64)
        starts = np.flatnonzero(np.diff(_joined(self._blocks, (0,), np.int64))) + 1
        ends = [0, *starts.tolist(), len(counters)] if len(counters) else [0]
        accel, gyro = self._sensors()
        of_kind = _by_kind(health)
        sent = [int(facts["samples_sent"]) for facts in of_kind("end")]
        infos, no_clock = of_kind("info"), of_kind("no_clock")
        return DeviceTrack(
            name=self.name,
            slots=self._places,
            tick_us=np.ascontiguousarray(counters[:, 0]),
            sequence=np.ascontiguousarray(counters[:, 1]),
            arrival_ns=_joined(self._arrivals, (0,), np.int64),
            accel_m_s2=accel,
            gyro_rad_s=gyro,
            block_starts=np.array(ends, np.int64),
            info=_info(infos[0]) if infos else None,
            gaps=tuple(Gap(int(f["sequence"]), int(f["count"])) for f in of_kind("gap")),
            garbage_bytes=sum(int(f["count"]) for f in of_kind("garbage")),
            samples_sent=sent[-1] if sent else None,
            no_clock_ns=int(no_clock[0]["time_ns"]) if no_clock else None,
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
        rate_hz=_number(facts["rate_hz"]),
        accel_range_m_s2=_number(facts["accel_range_m_s2"]),
        gyro_range_rad_s=_number(facts["gyro_range_rad_s"]),
        slots=tuple(facts["slots"]),
        features=HubFeatures(facts.get("features", 0)),  # takes before these existed lack both
        mode=HubMode(facts.get("mode", 0)),
    )


def _number(value: float | None) -> float:
    """JSON knows no NaN, which is what a device did not say."""
    return math.nan if value is None else float(value)
