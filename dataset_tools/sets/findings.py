"""What a check says: which rule, how bad, where, what, and what can be done. No I/O."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dataset_tools.manifest import Manifest
from dataset_tools.sets.tables import Sequence
from firmware_host.layout import SensorLayout

Severity = Literal["fail", "warn"]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    severity: `fail` makes the check fail, `warn` is for eyes to judge. where: the take, and the
    slot, shape or time in it. sequence: its number, None where it is of the set as a whole.
    """

    rule: str
    severity: Severity
    where: str
    what: str
    remedy: str
    sequence: int | None = None


@dataclass(frozen=True)
class Seen:
    """A sequence as its rules see it. layout: of its rows; worn: as its take says it was worn."""

    sequence: Sequence
    layout: SensorLayout
    worn: SensorLayout

    @property
    def facts(self) -> dict[str, Any]:
        """The facts of the sequence."""
        return self.sequence.facts

    @cached_property
    def readings(self) -> NDArray[np.float32]:
        """(N, S, 6) samples as they came."""
        samples = self.sequence.samples
        return np.concatenate((samples.accel_m_s2, samples.gyro_rad_s), axis=2)

    @cached_property
    def heard(self) -> Flags:
        """(N, S) where a slot gave anything."""
        samples = self.sequence.samples
        return np.asarray(
            np.isfinite(samples.accel_m_s2[..., 0]) | np.isfinite(samples.gyro_rad_s[..., 0])
        )

    def stretch(self, label: str) -> tuple[float, float] | None:
        """Start and end in s of the first segment with this label."""
        found = (s for s in self.facts["segments"] if s["label"] == label)
        return next(((s["start_s"], s["end_s"]) for s in found), None)


Rule = Callable[[Seen], Iterator[Finding]]
SetRule = Callable[[Manifest, list[dict[str, Any]]], Iterator[Finding]]


def at(facts: dict[str, Any], place: str = "") -> str:
    """`where` of a finding in a sequence."""
    return f"{facts['take']}, {place}" if place else str(facts["take"])


def span(start_s: float, end_s: float) -> str:
    """A stretch of time for `where`."""
    return f"{start_s:.2f} to {end_s:.2f} s"


def runs(flags: Flags) -> list[tuple[int, int]]:
    """(start, end) of every stretch of True, end exclusive."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
