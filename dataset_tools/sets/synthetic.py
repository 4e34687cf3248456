"""Sequences of `imusic synth` as those of a set of takes: rows at 60 Hz are all there is of them.

Who checks or sums up such a set sees each row as a sample and as a frame of the face.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from capture.resample import TICK_HZ
from dataset_tools.executors import Executor
from dataset_tools.manifest import Manifest
from dataset_tools.sets.facts import told_by_data
from dataset_tools.sets.sequences import Faces, Rows, Samples
from dataset_tools.sets.statistics import statistics
from dataset_tools.sets.tables import Sequence
from dataset_tools.shards import Stored, read_shard
from firmware_host.clock import NS_PER_S
from firmware_host.layout import layout_from_dict

Facts = dict[str, Any]
LAYOUT = "synthetic"  # all wearers of such a set have one


def is_synthetic(manifest: Manifest) -> bool:
    """Whether a set was made by `imusic synth`, and has no takes behind it."""
    return not manifest.layouts


def sequences_of(
    folder: Path, name: str, slots: tuple[str, ...], statistics: bool = True
) -> Iterator[Sequence]:
    """The sequences of one shard. Raises DataError where it is damaged."""
    for stored in read_shard(folder, name, len(slots)):
        yield sequence_of(stored, slots, statistics)


def sequence_of(stored: Stored, slots: tuple[str, ...], statistics: bool = True) -> Sequence:
    """A synthetic sequence as one of takes; its facts without `statistics` lack those of rows."""
    count = len(stored.weights)
    ends_ns = np.rint(np.arange(1, count + 1) * (NS_PER_S / TICK_HZ)).astype(np.int64)
    quats = np.full((count, 4), np.nan, np.float32)
    samples = Samples(ends_ns, stored.accel_m_s2, stored.gyro_rad_s, np.zeros(count, np.uint8))
    seen = np.isfinite(stored.weights[:, 0]) if count else np.zeros(0, np.bool_)
    faces = Faces(ends_ns, stored.weights, quats, np.asarray(seen, np.bool_))
    rows = Rows(stored.accel_m_s2, stored.gyro_rad_s, stored.weights, quats)
    facts = _told(stored.facts)
    facts |= told_by_data(samples, faces, rows, slots, facts["segments"], statistics)
    return Sequence(samples, faces, rows, facts)


def _told(facts: Facts) -> Facts:
    """What a set of takes tells of a sequence, as far as it can be told of a virtual one."""
    rest_s, routine_s = float(facts["rest_s"]), float(facts["routine_s"])
    segments = [
        {"label": label, "start_s": start_s, "end_s": end_s}
        for label, start_s, end_s in (
            ("rest", 0.0, rest_s),
            ("routine", rest_s, rest_s + routine_s),
        )
        if end_s > start_s
    ]
    subject = f"wearer {facts['wearer']}"
    texts = ("created_utc", "app", "language", "script", "emotion", "licence", "truth")
    counts = ("samples_lost", "gaps", "garbage_bytes", "links_down", "sync_resets")
    return {
        **dict.fromkeys(texts, ""),
        **dict.fromkeys(counts, 0),
        "sequence": int(facts["sequence"]),
        "take": f"sequence {facts['sequence']}",
        "subject": subject,
        "person": str(facts["person"]),
        "placement": subject,
        "simulated": True,
        "kind": "synth",
        "layout": LAYOUT,
        "swapped": str(facts["swapped"]),
        "sync": "good",
        "sync_residual_s": 0.0,
        "sync_correlation": 1.0,
        "phone_latency_s": 0.0,
        "loss": 0.0,
        "segments": segments,
        "markers": [],
        "notes": [],
        "model_error": None,
        "parents": [],
        "data_sha256": "",
    }


@dataclass(frozen=True, slots=True)
class _Task:
    folder: Path
    name: str
    slots: tuple[str, ...]


def _facts(task: _Task) -> list[Facts]:
    return [sequence.facts for sequence in sequences_of(task.folder, task.name, task.slots)]


def read_synthetic_facts(
    version: Path,
    manifest: Manifest,
    executor_for: Callable[[int], Executor],
    report: Callable[[float], None] = lambda _: None,
) -> tuple[dict[str, Any], list[Facts]]:
    """Statistics as a manifest of takes has them, and the facts of every sequence.

    All rows are read: a synthetic set tells neither.
    """
    slots = layout_from_dict(manifest.layout).names
    tasks = [_Task(version, shard.name, slots) for shard in manifest.shards]
    found: dict[int, list[Facts]] = {}
    for index, facts in executor_for(len(tasks)).run(_facts, tasks):
        found[index] = facts
        report(len(found) / len(tasks))
    rows = [row for index in sorted(found) for row in found[index]]
    return statistics(rows), rows
