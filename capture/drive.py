"""`imusic drive`: faces that somebody publishes, or that a file holds, to sinks; no hub, no model.

So programs can be driven from another process, or another computer, than the one that predicts: a
program that hangs cannot hold up the prediction.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from capture.blendshapes import BlendshapeFrame
from capture.keys import Ticket
from capture.publisher import subscribe
from capture.sinks.config import SinkConfig
from capture.sinks.pump import SinkPump
from capture.tracks import Track, read_track, resample
from capture.wire import decode, frame_from_message
from capture.wire_status import SinkStatus
from firmware_host.clock import NS_PER_S
from firmware_host.errors import ConfigError, ProtocolError

RATE_HZ = 60


@dataclass(slots=True)
class DriveCounts:
    """What happened so far. missed: numbers of faces that never came. odd: messages of others."""

    faces: int = 0
    missed: int = 0
    odd: int = 0


@dataclass(frozen=True, slots=True)
class DriveResult:
    """How it ended."""

    counts: DriveCounts
    sinks: tuple[SinkStatus, ...]


def drive(
    source: str,
    sinks: list[SinkConfig],
    duration_s: float | None = None,
    *,
    loop: bool = False,
    ticket: Ticket | None = None,
    on_counts: Callable[[DriveCounts], None] | None = None,
    on_doubt: Callable[[str], None] | None = None,
) -> DriveResult:
    """Serve `sinks` until the file ends, `duration_s` is over, or Ctrl-C.

    Args:
        source: a ZeroMQ address, or a file or take that holds faces.
        sinks: where they go.
        duration_s: how long, None without limit.
        loop: begin a file again when it ends.
        ticket: keys, for a publisher that wants some.
        on_counts: called twice a second.
        on_doubt: called before the first face of a take whose timeline is not to be trusted.

    Raises:
        ConfigError: no sinks, or one that cannot be.
        DataError: the file holds no faces.
        TransportError: an address is malformed, or cannot be reached.
        ImusicError: a sink's file could not be written.
    """
    if not sinks:
        raise ConfigError("nothing to drive", "name a sink, for example --sink vmc:")
    counts = DriveCounts()
    if "://" in source:
        frames = received(source, counts, duration_s, ticket)
    else:
        track = read_track(Path(source))
        if track.doubt and on_doubt is not None:
            on_doubt(track.doubt)
        frames = played(track, duration_s, loop)
    with SinkPump(sinks) as pump:
        with contextlib.suppress(KeyboardInterrupt):  # the normal end: files are written now
            _show_all(frames, pump, counts, on_counts)
    return DriveResult(counts, pump.states())


def _show_all(
    frames: Iterator[BlendshapeFrame],
    pump: SinkPump,
    counts: DriveCounts,
    on_counts: Callable[[DriveCounts], None] | None,
) -> None:
    told_s = time.monotonic()
    for frame in frames:
        pump.show(frame)
        counts.faces += 1
        if on_counts is not None and time.monotonic() - told_s > 0.5:
            told_s = time.monotonic()
            on_counts(counts)


def received(
    address: str, counts: DriveCounts, duration_s: float | None, ticket: Ticket | None
) -> Iterator[BlendshapeFrame]:
    """Faces as they come; what is no face is counted."""
    total_s = math.inf if duration_s is None else duration_s
    expected = None
    for data in subscribe(address, math.inf, ticket=ticket, total_s=total_s):
        try:
            message = decode(data)
        except ProtocolError:
            counts.odd += 1
            continue
        if expected is not None and message.sequence > expected:
            counts.missed += message.sequence - expected
        expected = message.sequence + 1
        yield frame_from_message(message)


def played(track: Track, duration_s: float | None, loop: bool) -> Iterator[BlendshapeFrame]:
    """Faces of a file at 60 Hz, each when its time has come, stamped with this host's clock."""
    first_s, length_s = float(track.time_s[0]), float(track.time_s[-1] - track.time_s[0])
    count = max(1, int(length_s * RATE_HZ) + 1)
    even = resample(track, first_s + np.arange(count) / RATE_HZ)
    start_ns = time.monotonic_ns()
    tick = 0
    while loop or tick < count:
        due_ns = start_ns + tick * NS_PER_S // RATE_HZ
        if duration_s is not None and due_ns - start_ns > duration_s * NS_PER_S:
            return
        time.sleep(max(0, due_ns - time.monotonic_ns()) / NS_PER_S)
        row = tick % count
        yield BlendshapeFrame(
            due_ns,
            even.weights[row],
            None if even.quats is None else even.quats[row],
            even.tracked is None or bool(even.tracked[row]),
        )
        tick += 1
