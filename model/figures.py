"""The figures of a checkpoint over wearers × people: rows in, means with intervals out. Pure.

`benchmarks/figures.py` makes the rows, the model card shows what comes of them. Figures as
docs/sensing.md defines them; every wearer and every person weighs the same.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from firmware_host.errors import ConfigError, DataError
from model.intervals import Interval, interval_over_grid

Array = NDArray[np.float64]

# Lids hardly move a sensor (docs/observability.md), and every face that moves moves them.
_LIDS = tuple(n for n in ARKIT_NAMES if n.startswith(("eyeBlink", "eyeWide", "eyeSquint")))
# Shapes that the musts name, left and right together; lids, and all others that move skin.
_GROUPS = {
    "jawOpen": ("jawOpen",),
    "smile": ("mouthSmileLeft", "mouthSmileRight"),
    "cheek": ("cheekPuff", "cheekSquintLeft", "cheekSquintRight"),
    "brow": ("browDownLeft", "browDownRight", "browOuterUpLeft", "browOuterUpRight", "browInnerUp"),
    "nose": ("noseSneerLeft", "noseSneerRight"),
    "lids": _LIDS,
    "all but lids": tuple(n for n in ARKIT_NAMES if n not in _LIDS),
}


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One method, or condition, on one wearer's performance of one person.

    mae_still: offset-free, of a face that stands still. jitter: ratio to the truth's.
    upper_face_mm: above 0 where the upper face moves too little. shapes: r of those that move.
    """

    part: str
    head: str
    wearer: int
    person: str
    method: str
    r: float
    mae_offset_free: float
    mae_still: float
    mae: float
    jitter: float
    upper_face_mm: float
    shapes: dict[str, float] = {}


class Estimate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mean over wearers × people, and 95 % of what it could have been with others."""

    mean: float
    interval: Interval | None = None

    def __str__(self) -> str:
        if self.interval is None:
            return f"{self.mean:.2f}"
        low, high = self.interval
        return f"{self.mean:.2f} ({low:.2f} … {high:.2f})"


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A method on a head. ratio: offset-free MAE to a still face's. worse: offset-free MAE to that
    of what it is compared with, None of what is compared with nothing. groups: r by `_GROUPS`.
    """

    part: str
    head: str
    method: str
    wearers: int
    people: int
    r: Estimate
    ratio: Estimate
    jitter: Estimate
    mae: Estimate
    upper_face_mm: Estimate
    worse: Estimate | None = None
    groups: dict[str, float] = {}


class Figures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is known of a checkpoint. onnx_sha256: of the network it was measured on."""

    checkpoint: str
    onnx_sha256: str
    command: str
    software: str
    lines: tuple[Line, ...]

    def line(self, head: str, method: str, part: str = "accuracy") -> Line | None:
        """The line of a method; None where it was not measured."""
        wanted = (part, head, method)
        return next((x for x in self.lines if (x.part, x.head, x.method) == wanted), None)

    @property
    def heads(self) -> tuple[str, ...]:
        """Heads that were worn, first to last."""
        return tuple(dict.fromkeys(line.head for line in self.lines))


def summarised(rows: Sequence[Row], bases: dict[str, str]) -> tuple[Line, ...]:
    """Means over wearers × people of every method, in the order of the rows.

    bases: by method, what its error is compared to.
    """
    keys = dict.fromkeys((row.part, row.head, row.method) for row in rows)
    return tuple(_line(rows, *key, bases.get(key[2])) for key in keys)


def _line(rows: Sequence[Row], part: str, head: str, method: str, base: str | None) -> Line:
    there = [row for row in rows if (row.part, row.head) == (part, head)]
    own = [row for row in there if row.method == method]
    compared = [row for row in there if row.method == base]
    return Line(
        part=part,
        head=head,
        method=method,
        wearers=len({row.wearer for row in own}),
        people=len({row.person for row in own}),
        r=_estimate(own, lambda row: row.r),
        ratio=_estimate(own, lambda row: row.mae_offset_free / max(row.mae_still, 1e-9)),
        jitter=_estimate(own, lambda row: row.jitter),
        mae=_estimate(own, lambda row: row.mae),
        upper_face_mm=_estimate(own, lambda row: row.upper_face_mm),
        worse=_estimate(own, lambda row: row.mae_offset_free, compared) if compared else None,
        groups=_by_group(own),
    )


def _estimate(
    rows: Sequence[Row], value: Callable[[Row], float], to: Sequence[Row] | None = None
) -> Estimate:
    grid, base = _grid(rows, value), None if to is None else _grid(to, value)
    mean = grid.mean() if base is None else grid.mean() / base.mean()
    return Estimate(mean=float(mean), interval=interval_over_grid(grid, base))


def _grid(rows: Sequence[Row], value: Callable[[Row], float]) -> Array:
    """(W, P) values. Raises DataError where somebody did not perform somebody."""
    wearers, people = ({key: n for n, key in enumerate(sorted(keys))} for keys in _who(rows))
    grid = np.full((len(wearers), len(people)), np.nan)
    for row in rows:
        grid[wearers[row.wearer], people[row.person]] = value(row)
    if not np.isfinite(grid).all():
        raise DataError(f"{rows[0].method!r} was not judged on every wearer and person")
    return grid


def _who(rows: Sequence[Row]) -> tuple[set[int], set[str]]:
    return {row.wearer for row in rows}, {row.person for row in rows}


def _by_group(rows: Sequence[Row]) -> dict[str, float]:
    """Mean r of the shapes of a group wherever one of them moved; without groups that never do."""
    found = {}
    for group, names in _GROUPS.items():
        values = [row.shapes[name] for row in rows for name in names if name in row.shapes]
        if values:
            found[group] = float(np.mean(values))
    return found


def read_figures(path: Path, onnx_sha256: str) -> Figures:
    """Read what `benchmarks/figures.py --json` printed of a network.

    Raises:
        DataError: it cannot be read, or holds no figures.
        ConfigError: they are of another network.
    """
    try:
        figures = msgspec.json.decode(path.read_bytes(), type=Figures)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise DataError(f"{path}: {error}", "make it: benchmarks/figures.py --json") from error
    if figures.onnx_sha256 != onnx_sha256:
        raise ConfigError(
            f"{path}: figures of network {figures.onnx_sha256[:12]}, not {onnx_sha256[:12]}",
            "measure this one: benchmarks/figures.py --checkpoint DIR --json",
        )
    return figures
