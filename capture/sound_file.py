"""The sound of a take: `audio.wav`, which grows as it is recorded, and where it lies in time.

The sizes in a WAV's head are written at its end; after a kill `mend_sound` writes them. Every
second, and wherever the driver lost sound, the take's `health` says which sample came when.
"""

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from capture.take import AUDIO_FILE
from firmware_host.clock import NS_PER_S

SOUND = "audio"  # kind of health event
BYTES = 2  # of a sample: 16 bit, one channel
HEAD_BYTES = 44
MOST_BYTES = 0xFFFF_FFFF - HEAD_BYTES  # a WAV counts in 32 bits: twelve hours
_EVERY_NS = NS_PER_S
_HEAD = struct.Struct("<4sI4s4sIHHIIHH4sI")

Anchor = tuple[int, int]  # number of a sample, and when it was at the input: host monotonic ns


def _head(rate_hz: int, size: int) -> bytes:
    told = (b"WAVE", b"fmt ", 16, 1, 1, rate_hz, rate_hz * BYTES, BYTES, 8 * BYTES, b"data", size)
    return _HEAD.pack(b"RIFF", size + HEAD_BYTES - 8, *told)


class SoundFile:
    """Appends to a new `audio.wav`; whatever the disk refuses is raised as OSError."""

    def __init__(self, folder: Path, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.samples = 0
        self._anchors: list[Anchor] = []
        self._lost = 0
        self._file = (folder / AUDIO_FILE).open("xb")
        self._file.write(_head(rate_hz, 0))

    def write(self, sound: bytes, first_ns: int, lost: bool) -> dict[str, Any] | None:
        """Append whole samples, of which the first was at the input at `first_ns`.

        lost: whether the driver lost sound before it. Returns what `health` is to be told.
        """
        if self.samples * BYTES + len(sound) > MOST_BYTES:
            return None
        due = not self._anchors or first_ns - self._anchors[-1][1] >= _EVERY_NS
        at = self.samples
        if due or lost:
            self._anchors.append((at, first_ns))
        self._lost += lost
        self._file.write(sound)
        self._file.flush()  # what the system has, no kill takes away
        self.samples += len(sound) // BYTES
        return {"sample": at, "rate_hz": self.rate_hz, "lost": lost} if due or lost else None

    def sync(self) -> None:
        """Have it on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self, start_ns: int | None) -> dict[str, Any]:
        """Finish the file; `audio` for the `take.toml` of a take whose first sample came then."""
        self._file.seek(0)
        self._file.write(_head(self.rate_hz, self.samples * BYTES))
        self.sync()
        self._file.close()
        return sound_facts(self._anchors, start_ns, self.rate_hz, self._lost)

    def abandon(self) -> None:
        """Close it as it is, for `mend_sound`."""
        self._file.close()


def sound_facts(
    anchors: Sequence[Anchor], start_ns: int | None, rate_hz: int, lost: int
) -> dict[str, Any]:
    """Where the sound lies: `start_s` of its first sample after the take's first IMU sample, its
    true rate by our clock, and how far anchors lie from that line. {} where nothing tells.
    """
    if not anchors or start_ns is None:
        return {}
    at = np.array([sample for sample, _ in anchors], float)
    heard_s = np.array([(host_ns - start_ns) / NS_PER_S for _, host_ns in anchors])
    slope, start_s = 1.0 / rate_hz, float(np.mean(heard_s - at / rate_hz))
    if heard_s[-1] - heard_s[0] >= 10.0:  # less tells the delays of the driver, not a rate
        slope, start_s = (float(found) for found in np.polyfit(at, heard_s, 1))
    spread = float(np.abs(heard_s - (start_s + slope * at)).max())
    return {
        "file": AUDIO_FILE,
        "rate_hz": rate_hz,
        "true_rate_hz": round(1.0 / slope, 3),
        "start_s": round(start_s, 6),
        "spread_s": round(spread, 6),
        "lost": lost,
    }


def mend_sound(folder: Path) -> bool:
    """Write the sizes of an `audio.wav` that was cut off; False where there is nothing to mend.

    Half a sample at its end goes. Of a file shorter than its head nothing is known.
    """
    path = folder / AUDIO_FILE
    if not path.is_file() or path.stat().st_size < HEAD_BYTES:
        return False
    with path.open("r+b") as file:
        told = _HEAD.unpack(file.read(HEAD_BYTES))
        size = (path.stat().st_size - HEAD_BYTES) // BYTES * BYTES
        if told[-1] == size or told[0] != b"RIFF":
            return False
        file.truncate(HEAD_BYTES + size)
        file.seek(0)
        file.write(_head(told[7], size))
        file.flush()
        os.fsync(file.fileno())
    return True
