"""A mark is what one rater says of one stretch or moment of a sequence. No I/O.

    track "smile",   rater "anna":  |--- 1.2 to 2.5 s, "posed" ---|     an interval
    track "valence", rater "ben":   0.1 · 0.1 · 0.2 · 0.4 …             a curve: values at moments

A curve is made of marks whose start is their end. Times are seconds on the take's timeline, which
begins at its first sample. Tracks have free names; `valence`, `arousal` and `liking` (-1 to 1),
`vocalisation`, and action units as `AU12`, `AU12L`, `AU12R` (0 to 1) are those that we use.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_host.errors import DataError

Array = NDArray[np.float64]
MAX_TEXT = 1000
# A curve says nothing across a hole longer than this. Ours.
HOLE_S = 2.0


class Mark(NamedTuple):
    """One statement. value: NaN where it has none; label: free text, or nothing."""

    track: str
    rater: str
    start_s: float
    end_s: float
    value: float = math.nan
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """What one rater says continuously: time_s (K,) increasing, value (K,) finite."""

    time_s: Array
    value: Array

    def at(self, time_s: Array) -> Array:
        """(T,) values by lines between the moments; NaN beyond both ends and in holes."""
        if not len(self.time_s):
            return np.full(len(time_s), np.nan)
        out = np.interp(time_s, self.time_s, self.value, left=np.nan, right=np.nan)
        if len(self.time_s) > 1:
            right = np.clip(np.searchsorted(self.time_s, time_s), 1, len(self.time_s) - 1)
            out[np.diff(self.time_s)[right - 1] > HOLE_S] = np.nan
        return out


def checked(marks: Iterable[Mark], where: str) -> tuple[Mark, ...]:
    """The marks in order of track, rater and time, each once.

    Raises:
        DataError: naming `where` and the mark, of times that cannot be, or without track or rater.
    """
    found = dict.fromkeys(map(comparable, marks))
    for mark in found:
        if not mark.track or not mark.rater:
            raise DataError(f"{where}: {mark}: expected a track and a rater")
        if not (math.isfinite(mark.start_s) and math.isfinite(mark.end_s)):
            raise DataError(f"{where}: {mark}: expected finite times")
        if mark.end_s < mark.start_s:
            raise DataError(f"{where}: {mark}: ends before it starts")
        if math.isinf(mark.value) or len(mark.label) > MAX_TEXT:
            raise DataError(f"{where}: {mark.track}: an infinite value, or a label too long")
        if is_moment(mark) and math.isnan(mark.value):
            raise DataError(f"{where}: {mark}: a moment needs a value", "give it an end")
    return tuple(sorted(found, key=_order))


def comparable(mark: Mark) -> Mark:
    """The mark with the one NaN that is equal to itself in a tuple: `math.nan`."""
    return mark._replace(value=math.nan) if math.isnan(mark.value) else mark


def _order(mark: Mark) -> tuple[str, str, float, float, str]:
    return (mark.track, mark.rater, mark.start_s, mark.end_s, mark.label)


def is_moment(mark: Mark) -> bool:
    """Whether it is a point of a curve rather than an interval."""
    return mark.start_s == mark.end_s


def by_rater(marks: Iterable[Mark], track: str) -> dict[str, list[Mark]]:
    """The marks of a track, each rater's own, in the order given."""
    found: defaultdict[str, list[Mark]] = defaultdict(list)
    for mark in marks:
        if mark.track == track:
            found[mark.rater].append(mark)
    return dict(found)


def curves(marks: Iterable[Mark], track: str) -> dict[str, Curve]:
    """The curve of every rater of a track who gave one; of two values of a moment, the mean."""
    found = {}
    for rater, theirs in sorted(by_rater(marks, track).items()):
        moments = [(m.start_s, m.value) for m in theirs if is_moment(m)]
        if len(moments) > 1:
            time_s, inverse = np.unique([t for t, _ in moments], return_inverse=True)
            total = np.bincount(inverse, [v for _, v in moments])
            found[rater] = Curve(time_s, total / np.bincount(inverse))
    return found


def curve_marks(track: str, rater: str, time_s: Array, value: Array) -> Iterator[Mark]:
    """A curve as marks; moments without a value are left out."""
    for t, v in zip(time_s.tolist(), value.tolist(), strict=True):
        if math.isfinite(v):
            yield Mark(track, rater, t, t, v)


def sampled(intervals: Sequence[Mark], time_s: Array) -> list[str]:
    """(T,) what a rater's intervals say at each moment: label, else "present", else "".

    Where several hold, the one that began last does.
    """
    said = [""] * len(time_s)
    for mark in sorted(intervals, key=lambda m: m.start_s):
        if is_moment(mark):
            continue
        first, last = np.searchsorted(time_s, [mark.start_s, mark.end_s]).tolist()
        said[first:last] = [mark.label or "present"] * (last - first)
    return said


def within(marks: Iterable[Mark], start_s: float, end_s: float) -> tuple[Mark, ...]:
    """What reaches into [start_s, end_s), as far as it does."""
    kept = []
    for mark in marks:
        first, last = max(mark.start_s, start_s), min(mark.end_s, end_s)
        if is_moment(mark):
            if start_s <= mark.start_s < end_s:
                kept.append(mark)
        elif first < last:
            kept.append(mark._replace(start_s=first, end_s=last))
    return tuple(kept)
