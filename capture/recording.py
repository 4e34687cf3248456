"""A take read back as arrays: `read_recording` gives a `Recording`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture import schemas
from capture.channels import FACE, HEALTH, MARKERS, SAMPLES
from capture.take import DATA_FILE, Take, read_take, recover_hint
from firmware_host import mcap_chunks
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
        features=HubFeatures(facts.get("features", 0)),  # takes before these existed lack both
        mode=HubMode(facts.get("mode", 0)),
    )
