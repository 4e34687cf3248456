"""Writing a take as it happens: `TakeWriter` appends to `data.mcap`, `take.toml` says its state.

The writer closes a chunk every FLUSH_S and has it on the disk every SYNC_S: a killed process loses
less than 0.3 s, a power cut little more than a second.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture import livelink, schemas
from capture.blendshapes import ARKIT_NAMES
from capture.channels import CLOCK, FACE, HEALTH, MARKERS, PHONE_RAW, SAMPLES, TOPICS, open_channels
from capture.phone_faces import Malformed, PhoneFace
from capture.take import DATA_FILE, Take, write_take
from firmware_host.clock import NS_PER_S
from firmware_host.samples import (
    Answer,
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
    RoundTrip,
    SyncEdge,
)
from firmware_host.transports import replay

FLUSH_S = 0.2
SYNC_S = 1.0
CLOCK_S = 0.1
CHUNK_BYTES = 64 * 1024

_HEALTH_KINDS: dict[type, str] = {
    HubInfo: "info",
    HubStatus: "status",
    HubEnd: "end",
    RoundTrip: "round_trip",
    Answer: "answer",
    SyncEdge: "sync",
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
        self._sender: tuple[str, bool] | None = None
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

    def phone_bytes(self, data: bytes, arrival_ns: int) -> None:
        """Keep a datagram of the phone, or what one read of its stream gave."""
        self._add(PHONE_RAW, arrival_ns, data)
        self.counts["datagrams"] += 1

    def phone_face(self, found: PhoneFace | Malformed, arrival_ns: int) -> None:
        """Keep what the phone's bytes meant: a face, or why there is none.

        A face whose app sends no time has its arrival in the place of the phone's clock; the take
        says so once, in `health`, as it says who sends.
        """
        if isinstance(found, Malformed):
            self.counts["datagrams_malformed"] += 1
            self.health("malformed", arrival_ns, source="phone", reason=found.reason)
            return
        self._tell_sender(found)
        unknown = np.full((1, len(ARKIT_NAMES)), np.nan)
        head, eyes = found.head_yaw_pitch_roll, found.eyes_yaw_pitch_roll
        self.faces(
            np.array([found.arrival_ns if found.device_ns is None else found.device_ns]),
            np.array([found.arrival_ns]),
            unknown if found.weights is None else found.weights[None],
            np.array([found.tracked]),
            None if head is None else head[None],
            None if eyes is None else eyes[None],
            frame=found.frame,
            sub_frame=found.sub_frame,
        )

    def _tell_sender(self, face: PhoneFace) -> None:
        """Say in `health` who sends faces, at first and whenever it is another."""
        told = (face.sender, face.device_ns is not None)
        if told != self._sender:
            self._sender = told
            self.health("phone", face.arrival_ns, sender=told[0], tells_time=told[1])

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
