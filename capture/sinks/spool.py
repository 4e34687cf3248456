"""Faces on their way into a file: a thread writes them to disk as they come, in constant memory.

The file that was asked for is made at the end, from all of them. Whoever needs what was captured to
survive a kill records a take: this is an export.
"""

import struct
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from capture.outputs import require_writable, whole_file
from capture.sinks.shaping import Shaped
from capture.sinks.shells import SinkCounts
from firmware_host.clock import NS_PER_S
from firmware_host.errors import ConfigError
from firmware_host.samples import Floats

QUEUE_FACES = 1200  # twenty seconds of a disk that does not answer
_DRAIN_S = 0.25
ROW = np.dtype(
    [
        ("time_ns", "<i8"),
        ("weights", "<f4", 52),
        ("quat", "<f4", 4),
        ("confidence", "<f4"),
        ("tracked", "?"),
        ("made_up", "?", 52),
    ]
)
_TIME, _STATE = struct.Struct("<q"), struct.Struct("<f?")
_UNKNOWN = np.full(4, np.nan, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """What is written into a file.

    host_ns: (M,) increasing. weights: (M, 52). quats: (M, 4) wxyz, NaN where unknown. confidence:
    (M,). tracked: (M,). made_up: (M, 52), which shapes nobody felt or saw.
    """

    host_ns: NDArray[np.int64]
    weights: Floats
    quats: Floats
    confidence: Floats
    tracked: NDArray[np.bool_]
    made_up: NDArray[np.bool_]

    @property
    def time_s(self) -> NDArray[np.float64]:
        """(M,) seconds since the first face."""
        return np.asarray((self.host_ns - self.host_ns[:1]) / NS_PER_S)


Write = Callable[[Path, Faces], None]


class FileSink:
    """Takes every face; `close` writes the file, or none where there was no face.

    Raises:
        ConfigError: the file exists, or could not be written.
    """

    every_face = True

    def __init__(self, path: Path, write: Write) -> None:
        if path.exists():
            raise ConfigError(f"{path} exists already", "choose another name for this sink")
        require_writable(path)
        self.counts = SinkCounts()
        self._path, self._write = path, write
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - kept
        self._rows: deque[bytes] = deque()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"sink {path.name}", daemon=True)
        self._open, self._broken = True, False
        self._thread.start()

    def show(self, shaped: Shaped) -> None:
        """Queue one face; where the disk does not keep up, it is counted as failed."""
        if self._broken or len(self._rows) >= QUEUE_FACES:
            self.counts.failed += 1
            self.counts.trouble = self.counts.trouble or "the disk is too slow"
            return
        self._rows.append(_row(shaped))
        self.counts.frames += 1

    def _run(self) -> None:
        # A wake now and then costs less than one for every face.
        while not self._ending.wait(_DRAIN_S) and not self._broken:
            self._drain()
        self._drain()

    def _drain(self) -> None:
        rows = [self._rows.popleft() for _ in range(len(self._rows))]
        try:
            self._file.write(b"".join(rows))
            self._file.flush()
        except OSError as error:  # half a row may be written: what follows would not be found
            self._broken = True
            self.counts.failed += len(rows)
            self.counts.trouble = error.strerror or str(error)

    def close(self) -> None:
        """Make the file of what came. Safe to call twice.

        Raises:
            OSError: it could not be written, for example because the disk is full.
        """
        if not self._open:
            return
        self._open = False
        self._ending.set()
        self._thread.join()
        with self._file:
            self._file.seek(0)
            faces = _faces(self._file.read())
        if len(faces.host_ns):
            with whole_file(self._path) as beside:
                self._write(beside, faces)


def _row(shaped: Shaped) -> bytes:
    """One ROW, packed by hand: that is quicker than an array of one."""
    frame = shaped.frame
    quat = _UNKNOWN if frame.quat_world_from_head is None else frame.quat_world_from_head
    numbers = np.concatenate([frame.weights, quat]).astype("<f4", copy=False)
    return b"".join(
        (
            _TIME.pack(frame.time_ns),
            numbers.tobytes(),
            _STATE.pack(frame.confidence, frame.tracked),
            shaped.made_up.tobytes(),
        )
    )


def _faces(data: bytes) -> Faces:
    """What was spooled; repeated times are left out, and what the disk took only half of."""
    rows = np.frombuffer(data, ROW, len(data) // ROW.itemsize)
    newest = np.concatenate([[-1], np.maximum.accumulate(rows["time_ns"])[:-1]])
    rows = rows[rows["time_ns"] > newest] if len(rows) else rows
    return Faces(
        rows["time_ns"].astype(np.int64),
        rows["weights"],
        rows["quat"],
        rows["confidence"],
        rows["tracked"],
        rows["made_up"],
    )
