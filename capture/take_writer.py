"""Writing a take as it happens: `TakeWriter` appends to `data.mcap`, `take.toml` says its state.

The writer closes a chunk every FLUSH_S and has it on the disk every SYNC_S: a killed process loses
less than 0.3 s, a power cut less than a second.
"""

import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture import livelink, schemas
from capture.blendshapes import ARKIT_NAMES
from capture.channels import (
    CLOCK,
    FACE,
    HEALTH,
    MARKERS,
    PHONE_RAW,
    open_channels,
    raw_topic,
    samples_topic,
    topics_of,
)
from capture.counting import add, count_health
from capture.operating import rated
from capture.phone_faces import Malformed, PhoneFace
from capture.sound_file import SOUND, SoundFile
from capture.take import DATA_FILE, Take, other_files, write_take
from firmware_host.clock import NS_PER_S
from firmware_host.link_events import (
    LinkDown,
    LinkUp,
    Refused,
    RigEvent,
    SettingsChanged,
    SlotsBack,
    SlotsSilent,
    Trouble,
)
from firmware_host.samples import (
    Answer,
    Duplicate,
    Floats,
    Gap,
    Garbage,
    HubEnd,
    HubInfo,
    HubStatus,
    ImuBlock,
    Ints,
    RoundTrip,
    SyncEdge,
)
from firmware_host.vendors.events import (
    Health,
    LineEdge,
    LinkDelay,
    Notice,
    PacketsLost,
    Stranger,
)

FLUSH_S = 0.2
SYNC_S = 0.5
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
    Health: "device_health",
    LineEdge: "line_edge",
    LinkDelay: "link_delay",
    Notice: "notice",
    PacketsLost: "packets_lost",
    Stranger: "stranger",
    LinkUp: "link_up",
    LinkDown: "link_down",
    Refused: "refused",
    Trouble: "trouble",
    SettingsChanged: "settings_changed",
    SlotsSilent: "slots_silent",
    SlotsBack: "slots_back",
}


def new_take_folder(out: Path, slate: str = "take") -> Path:
    """Make and return the next `SLATE-NNN` under `out`; never one that exists."""
    out.mkdir(parents=True, exist_ok=True)
    endings = [path.name[len(slate) + 1 :] for path in out.glob(f"{slate}-*")]
    numbers = [int(ending) for ending in endings if ending.isascii() and ending.isdigit()]
    number = max(numbers, default=0)
    while True:
        number += 1
        folder = out / f"{slate}-{number:03d}"
        try:
            folder.mkdir()
        except FileExistsError:  # another recorder took it between our look and our step
            continue
        return folder


def _create(path: Path) -> BinaryIO:
    return path.open("xb")


class _Hashed:
    """A file that only grows, and the SHA-256 of all that it was given."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest = file, hashlib.sha256()
        self.tell, self.flush, self.fileno = file.tell, file.flush, file.fileno
        self.close = file.close

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return self._file.write(data)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


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
        self._devices = take.sources
        self._several = len(self._devices) > 1
        self._sound: SoundFile | None = None
        self._file = _Hashed(create(folder / DATA_FILE))
        stream = cast("BinaryIO", self._file)
        try:
            write_take(self._take, folder)
            self._writer = open_channels(stream, self._devices, chunk_bytes)
        except OSError:
            self.abandon()
            raise
        self._channels = {topic: number for number, topic in enumerate(topics_of(self._devices), 1)}
        self._flushed_ns = self._synced_ns = 0
        self._sender: tuple[str, bool] | None = None
        self._clocked_ns = [0] * (len(self._devices) + 1)  # by number of the clock
        self._blocks = [0] * len(self._devices)
        self._told_no_clock: set[int] = set()
        self._labels: list[str] = []
        self._first_block_ns: int | None = None

    @property
    def take(self) -> Take:
        """What `take.toml` says meanwhile."""
        return self._take

    @property
    def bytes_written(self) -> int:
        """Bytes handed to the data file so far."""
        return self._file.tell()

    def hub_bytes(self, data: bytes, arrival_ns: int, device: int = 0) -> None:
        """Keep what one read of the link of a device gave; `device` is its place in the take."""
        self._add(raw_topic(self._devices[device]), arrival_ns, data)
        self._count("raw_bytes", len(data), device)

    def hub_event(self, event: RigEvent, arrival_ns: int, device: int = 0) -> None:
        """Keep what the bytes of a device meant, or what became of its link.

        A block keeps its own arrival time and device.
        """
        if isinstance(event, ImuBlock):
            if event.tick_is_arrival and event.device not in self._told_no_clock:
                self._told_no_clock.add(event.device)
                self.health("no_clock", event.arrival_ns, device=self._devices[event.device].name)
            self.samples(
                event.tick_us,
                event.sequence,
                event.accel_m_s2,
                event.gyro_rad_s,
                np.full(len(event), event.arrival_ns),
                np.full(len(event), self._blocks[event.device]),
                event.device,
            )
            return
        name = self._devices[device].name
        self.health(_HEALTH_KINDS[type(event)], arrival_ns, device=name, **asdict(event))

    def samples(
        self,
        tick_us: Ints,
        sequence: Ints,
        accel_m_s2: Floats,
        gyro_rad_s: Floats,
        arrival_ns: Ints,
        block: Ints,
        device: int = 0,
    ) -> None:
        """Keep N ticks; `arrival_ns` and `block` (a running number) are (N,), one per tick."""
        source = self._devices[device]
        if not len(tick_us):
            return
        if self._first_block_ns is None:
            self._first_block_ns = int(arrival_ns[0])
        rows = schemas.samples_message(source.slots, source.name).rows(len(tick_us))
        counters, readings = schemas.samples_columns(source.slots)
        counters.put(rows, np.stack([tick_us, sequence], axis=1))
        readings.put(rows, np.concatenate([accel_m_s2, gyro_rad_s], axis=2))
        for payload, arrived, number in zip(
            schemas.messages(rows), arrival_ns.tolist(), block.tolist(), strict=True
        ):
            self._add(samples_topic(source), arrived, payload, number & 0xFFFF_FFFF)
        self._count("samples", len(tick_us), device)
        self._count("blocks", int(block[-1]) + 1 - self._blocks[device], device)
        self._blocks[device] = int(block[-1]) + 1
        clock = device if device < schemas.PHONE_CLOCK else device + 1
        self._clock(clock, int(tick_us[-1]) * 1000, int(arrival_ns[-1]))

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
        self._clock(schemas.PHONE_CLOCK, int(device_ns[-1]), int(arrival_ns[-1]))

    def health(self, kind: str, time_ns: int, **facts: Any) -> None:
        """Keep something worth knowing about the take, as JSON."""
        known = {"kind": kind, **facts}
        self._add(HEALTH, time_ns, msgspec.json.encode(known))
        count_health(self.counts, known, self._several)

    def marker(self, label: str, time_ns: int) -> None:
        """Keep a mark of the operator."""
        self._labels.append(label)
        self._add(MARKERS, time_ns, msgspec.json.encode({"label": label}))

    def sound(self, pcm: bytes, first_ns: int, rate_hz: int, lost: bool = False) -> None:
        """Keep what a microphone heard, 16 bit, beside the data; see `SoundFile.write`."""
        if self._sound is None:
            self._sound = SoundFile(self.folder, rate_hz)
        if (told := self._sound.write(pcm, first_ns, lost)) is not None:
            self.health(SOUND, first_ns, **told)

    def service(self, now_ns: int) -> None:
        """Call often: closes the chunk under way and syncs the disk when it is time."""
        if now_ns - self._flushed_ns >= FLUSH_S * NS_PER_S:
            self._flushed_ns = now_ns
            self._writer.flush()
        if now_ns - self._synced_ns >= SYNC_S * NS_PER_S:
            self._synced_ns = now_ns
            os.fsync(self._file.fileno())
            if self._sound is not None:
                self._sound.sync()

    def close(self, **changes: Any) -> Take:
        """Finish the file, then say in `take.toml` that it is complete. Returns what that says.

        changes: fields of the take to replace, such as `segments`.
        """
        self._writer.finish()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        audio = {} if self._sound is None else self._sound.close(self._first_block_ns)
        files = {DATA_FILE: self._file.hexdigest()} | other_files(self.folder)
        rating, notes = rated(self._labels)
        known = {"rating": rating, "notes": notes, "files": files, "counts": dict(self.counts)}
        known["audio"] = audio
        changes = {"state": "complete"} | known | changes
        take = msgspec.structs.replace(self._take, **changes)
        write_take(take, self.folder)
        return take

    def abandon(self) -> None:
        """Close the file as it is, for `imusic recover`; after the disk refused something.

        What was not written by then, the disk may refuse again: `recover` tells what is missing.
        """
        for file in (self._file.close, None if self._sound is None else self._sound.abandon):
            with contextlib.suppress(OSError):
                if file is not None:
                    file()

    def _add(self, topic: str, log_time: int, payload: bytes, sequence: int = 0) -> None:
        self._writer.add_message(self._channels[topic], log_time, payload, log_time, sequence)

    def _count(self, what: str, number: int, device: int) -> None:
        add(self.counts, what, number, self._devices[device].name, self._several)

    def _clock(self, source: int, device_ns: int, host_ns: int) -> None:
        if host_ns - self._clocked_ns[source] < CLOCK_S * NS_PER_S:
            return
        self._clocked_ns[source] = host_ns
        row = schemas.CLOCK.rows(1)
        schemas.CLOCK_SOURCE.put(row, np.array([source]))
        schemas.CLOCK_PAIR.put(row, np.array([device_ns, host_ns]))
        self._add(CLOCK, host_ns, row.tobytes())
