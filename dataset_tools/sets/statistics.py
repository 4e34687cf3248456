"""Figures of a whole data set from the facts of its sequences. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def statistics(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Hours by subject, and mean, standard deviation, least and most of every column at 60 Hz.

    rows: facts of sequences; their order does not matter.
    """
    rows = sorted(rows, key=lambda row: row["sequence"])
    found: dict[str, Any] = {
        "sequences": len(rows),
        "seconds": _total(rows, "seconds"),
        "seconds_with_face": round(sum(row["rows_known"] for row in rows) / 60, 6),
        "samples": sum(row["samples"] for row in rows),
        "samples_lost": sum(row["samples_lost"] for row in rows),
        "faces": sum(row["faces"] for row in rows),
        "faces_lost": sum(row["faces_lost"] for row in rows),
    }
    for key in ("subject", "placement", "language", "script", "emotion", "sync"):
        found[f"seconds_by_{key}"] = _by(rows, key)
    for column, count in (("weights", "rows_known"), ("accel", "rows"), ("gyro", "rows")):
        found[column] = _columns(rows, column, count)
    return found


def _total(rows: Iterable[dict[str, Any]], key: str) -> float:
    return round(float(sum(row[key] for row in rows)), 6)


def _by(rows: Iterable[dict[str, Any]], key: str) -> dict[str, float]:
    groups: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        groups[row[key] or ""] += row["seconds"]
    return {name: round(groups[name], 6) for name in sorted(groups)}


def _columns(rows: Sequence[dict[str, Any]], column: str, count: str) -> dict[str, Any]:
    """Sequences weigh by their rows; a column unknown in all of one leaves that one out."""
    if not rows:
        return {}
    weight = np.array([row[count] for row in rows], np.float64)[:, None]
    mean, std, low, high = (
        np.array([row[f"{column}_{name}"] for row in rows], np.float64)
        for name in ("mean", "std", "min", "max")
    )
    weight = np.where(np.isfinite(mean), weight, 0.0)
    total = np.maximum(weight.sum(axis=0), 1e-12)
    overall = (np.nan_to_num(mean) * weight).sum(axis=0) / total
    spread = np.nan_to_num(std) ** 2 + (np.nan_to_num(mean) - overall) ** 2
    known = weight.sum(axis=0) > 0
    values = {
        "mean": overall,
        "std": np.sqrt((spread * weight).sum(axis=0) / total),
        "min": np.where(np.isfinite(low), low, np.inf).min(axis=0),
        "max": np.where(np.isfinite(high), high, -np.inf).max(axis=0),
    }
    return {name: _plain(column, known) for name, column in values.items()}


def _plain(values: Array, known: NDArray[np.bool_]) -> list[float | None]:
    return [float(f"{v:.7g}") if k else None for v, k in zip(values, known, strict=True)]
