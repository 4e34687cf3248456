"""A stretch of a sequence as a sequence of its own. Pure."""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np

from capture.resample import TICK_HZ
from dataset_tools.annotations.marks import within
from dataset_tools.sets.facts import told_by_data
from dataset_tools.sets.sequences import Faces, Rows, Samples
from dataset_tools.sets.tables import Sequence
from firmware_host.clock import NS_PER_S
from firmware_host.errors import ConfigError


def cut(sequence: Sequence, start_s: float, end_s: float, slots: tuple[str, ...]) -> Sequence:
    """What lies in [start_s, end_s) of the take's timeline; times stay as they are.

    Its number follows from that of the whole and the stretch. What was lost on the way is told of
    the whole take.

    Raises:
        ConfigError: nothing of the sequence lies there.
    """
    facts = sequence.facts
    # What ends with the sequence takes its last sample along.
    until_s = end_s if end_s < facts["end_s"] else end_s + 1.0
    samples = _samples(sequence.samples, start_s, until_s)
    faces = _faces(sequence.faces, start_s, until_s)
    first = max(round(start_s * TICK_HZ), sequence.first_tick)
    last = min(round(end_s * TICK_HZ), sequence.first_tick + len(sequence.rows))
    if last <= first:
        raise ConfigError(
            f"{facts['take']}: nothing between {start_s:g} and {end_s:g} s",
            f"it lasts from {facts['start_s']:.2f} to {facts['end_s']:.2f} s",
        )
    rows = _rows(sequence.rows, slice(first - sequence.first_tick, last - sequence.first_tick))
    told = f"{sequence.number} {start_s:.9f} {end_s:.9f}"
    number = int(hashlib.sha256(told.encode()).hexdigest()[:12], 16)
    segments = _segments(facts["segments"], start_s, end_s)
    markers = [m for m in facts["markers"] if start_s <= m["time_s"] < end_s]
    more: dict[str, Any] = {
        **facts,
        "sequence": number,
        "take": f"{facts['take']} {start_s:g}-{end_s:g} s",
        "segments": segments,
        "markers": markers,
        "parents": [*facts["parents"], sequence.number],
        **told_by_data(samples, faces, rows, slots, segments),
    }
    marks = within(sequence.marks, start_s, until_s)
    return Sequence(samples, faces, rows, more, first, marks)


def _samples(samples: Samples, start_s: float, end_s: float) -> Samples:
    kept = slice(*np.searchsorted(samples.time_ns, _in_ns(start_s, end_s)).tolist())
    return Samples(
        samples.time_ns[kept],
        samples.accel_m_s2[kept],
        samples.gyro_rad_s[kept],
        samples.device[kept],
    )


def _faces(faces: Faces, start_s: float, end_s: float) -> Faces:
    kept = slice(*np.searchsorted(faces.time_ns, _in_ns(start_s, end_s)).tolist())
    return replace(
        faces,
        time_ns=faces.time_ns[kept],
        weights=faces.weights[kept],
        quats=faces.quats[kept],
        tracked=faces.tracked[kept],
    )


def _rows(rows: Rows, kept: slice) -> Rows:
    return Rows(rows.accel_m_s2[kept], rows.gyro_rad_s[kept], rows.weights[kept], rows.quats[kept])


def _segments(segments: list[Any], start_s: float, end_s: float) -> list[Any]:
    """Those that reach into the stretch, as far as they do."""
    cut_off = [
        {**s, "start_s": max(s["start_s"], start_s), "end_s": min(s["end_s"], end_s)}
        for s in segments
    ]
    return [s for s in cut_off if s["start_s"] < s["end_s"]]


def _in_ns(start_s: float, end_s: float) -> list[int]:
    return [round(start_s * NS_PER_S), round(end_s * NS_PER_S)]
