"""What a data set tells of a sequence beside its numbers: one row of `sequences/`. Pure.

The same columns in every file, so that all of them open as one table.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.recording import Recording
from capture.resample import TICK_HZ
from capture.sync import Alignment
from dataset_tools.parquet_files import arrow
from dataset_tools.sets.sequences import Faces, Rows, Samples
from firmware_host.clock import NS_PER_S

Array = NDArray[Any]

# What a curator may change with `relabel`.
LABELS = ("subject", "placement", "language", "script", "emotion", "licence", "truth")
_TEXTS = ("take", "created_utc", "app", "kind", "layout", "missing", "swapped", "sync", *LABELS)
_COUNTS = ("samples", "faces", "faces_lost", "samples_lost", "gaps", "garbage_bytes", "links_down")
_NUMBERS = (
    "start_s", "end_s", "seconds", "rate_hz", "face_rate_hz", "loss", "sync_residual_s",
    "phone_latency_s", "sync_correlation", "rest_start_s", "rest_end_s", "routine_start_s",
    "routine_end_s", "rest_s", "routine_s", "model_error",
)  # fmt: skip
STATISTICS = ("mean", "std", "min", "max")


@cache
def schema(slots: int) -> Any:
    """The Arrow schema of the facts of a data set whose rows have so many slots."""
    pa, _ = arrow()
    segment = pa.struct(
        [("label", pa.string()), ("start_s", pa.float64()), ("end_s", pa.float64())]
    )
    marker = pa.struct([("time_s", pa.float64()), ("label", pa.string())])
    fields = [("sequence", pa.int64()), ("person", pa.string()), ("simulated", pa.bool_())]
    fields += [(name, pa.string()) for name in _TEXTS]
    fields += [(name, pa.int64()) for name in (*_COUNTS, "rows", "rows_known", "sync_resets")]
    fields += [(name, pa.float64()) for name in _NUMBERS]
    fields += [("segments", pa.list_(segment)), ("markers", pa.list_(marker))]
    fields += [("notes", pa.list_(pa.string())), ("parents", pa.list_(pa.int64()))]
    fields += [("data_sha256", pa.string())]
    for column, width in (("weights", len(ARKIT_NAMES)), ("accel", 3 * slots), ("gyro", 3 * slots)):
        fields += [(f"{column}_{s}", pa.list_(pa.float32(), width)) for s in STATISTICS]
    return pa.schema(fields)


def told_by_take(recording: Recording, alignment: Alignment) -> dict[str, Any]:
    """The facts that a take and its alignment tell, whatever stretch of it is kept."""
    take, origin = recording.take, recording.take.origin
    clocks = [*alignment.clocks.values(), *([alignment.phone] if alignment.phone else [])]
    lost, heard = recording.samples_lost, len(recording)
    phone = next((f for f in recording.health if f["kind"] == "phone"), {})
    return {
        "take": take.name,
        "subject": take.subject,
        "person": take.subject,
        "simulated": take.simulated,
        "created_utc": take.created_utc,
        # Who says nothing about donning may have worn the same all day: never apart in a split.
        "placement": str(origin.get("placement", f"{take.subject} {take.created_utc[:10]}")),
        "kind": str(origin.get("kind", "recorded")),
        "app": str(phone.get("app", "")),
        "truth": str(origin.get("truth", "")),
        "swapped": str(origin.get("swapped", "")),
        "language": str(origin.get("language", "")),
        "script": str(origin.get("slate", "")),
        "emotion": "",
        "licence": "",
        "samples_lost": lost,
        "loss": lost / (lost + heard) if lost else 0.0,
        "gaps": len(recording.gaps),
        "garbage_bytes": recording.garbage_bytes,
        "links_down": int(take.counts.get("links_down", 0)),
        "sync": alignment.verdict,
        "sync_residual_s": max((c.residual_p95_s for c in clocks), default=0.0),
        "sync_resets": sum(c.resets for c in clocks),
        "sync_correlation": alignment.correlation,
        "phone_latency_s": alignment.phone_latency_s,
        "segments": [
            {"label": s.label, "start_s": s.start_s, "end_s": s.end_s} for s in take.segments
        ],
        "markers": [
            {"time_s": (time_ns - alignment.origin_ns) / NS_PER_S, "label": label}
            for time_ns, label in recording.markers
        ],
        "notes": [*map(str, origin.get("notes", ())), *alignment.notes],
        "model_error": None,
        "parents": [],
    }


def doubts_of(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """A line for each sequence whose clocks were not joined with certainty."""
    return tuple(
        f"WARNING: {row['take']}: its sync is {row['sync'].upper()}: `imusic plot sync` shows why"
        for row in rows
        if row["sync"] not in ("", "good")
    )


def told_by_data(
    samples: Samples,
    faces: Faces,
    rows: Rows,
    slots: tuple[str, ...],
    segments: list[Any],
    statistics: bool = True,
) -> dict[str, Any]:
    """The facts that follow from the numbers of a stretch, and from its segments.

    statistics: those of the rows too, which take the longest.
    """
    readings = np.isfinite(samples.gyro_rad_s) | np.isfinite(samples.accel_m_s2)
    heard = np.asarray(readings.any(axis=(0, 2)), np.bool_)
    ends_s = [t.time_ns[[0, -1]] / NS_PER_S for t in (samples, faces) if len(t)]
    start_s, end_s = (ends_s[0][0], ends_s[0][1]) if ends_s else (0.0, 0.0)
    found = {
        "start_s": float(start_s),
        "end_s": float(end_s),
        "seconds": len(rows) / TICK_HZ,
        "samples": len(samples),
        "rate_hz": _rate_hz(samples),
        "faces": len(faces),
        "faces_lost": int(np.count_nonzero(~faces.tracked)),
        "face_rate_hz": _pace_hz(faces.time_ns),
        "missing": " ".join(n for n, known in zip(slots, heard, strict=True) if not known),
        "rows": len(rows),
        "rows_known": int(np.isfinite(rows.weights).all(axis=1).sum()),
        **_opening(segments),
    }
    if statistics:
        found |= _statistics("weights", rows.weights)
        found |= _statistics("accel", rows.accel_m_s2.reshape(len(rows), -1))
        found |= _statistics("gyro", rows.gyro_rad_s.reshape(len(rows), -1))
    return found


def _rate_hz(samples: Samples) -> float:
    """Of the fastest device."""
    devices = [samples.time_ns[samples.device == d] for d in np.unique(samples.device)]
    return max(map(_pace_hz, devices), default=0.0)


def _pace_hz(time_ns: Array) -> float:
    if len(time_ns) < 2:
        return 0.0
    step_ns = float(np.median(np.diff(time_ns)))
    return NS_PER_S / step_ns if step_ns > 0 else 0.0


def _opening(segments: list[Any]) -> dict[str, float]:
    """Where rest and routine are; lengths too, as synthetic sets tell them."""
    found = {}
    for label in ("rest", "routine"):
        first = next((s for s in segments if s["label"] == label), {"start_s": 0.0, "end_s": 0.0})
        found[f"{label}_start_s"], found[f"{label}_end_s"] = first["start_s"], first["end_s"]
        found[f"{label}_s"] = first["end_s"] - first["start_s"]
    return found


def _statistics(name: str, rows: Array) -> dict[str, list[float | None]]:
    """Mean, standard deviation, least and most of each column (T, K) where known."""
    known = np.isfinite(rows)
    whole = bool(known.all())  # then the same follows without filling holes
    count = known.sum(axis=0)
    values = (rows if whole else np.where(known, rows, 0.0)).astype(np.float64)
    mean = values.sum(axis=0) / np.maximum(count, 1)
    values -= mean
    spread = values if whole else np.where(known, values, 0.0)
    std = np.sqrt(np.square(spread, out=spread).sum(axis=0) / np.maximum(count, 1))
    low = (rows if whole else np.where(known, rows, np.inf)).min(axis=0, initial=np.inf)
    high = (rows if whole else np.where(known, rows, -np.inf)).max(axis=0, initial=-np.inf)
    found = zip(STATISTICS, (mean, std, low, high), strict=True)
    return {
        f"{name}_{statistic}": [
            float(np.float32(v)) if n else float("nan") for v, n in zip(column, count, strict=True)
        ]
        for statistic, column in found
    }
