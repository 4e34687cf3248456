"""A sequence with another alignment: its faces earlier or later, samples as they were. Pure."""

from dataclasses import replace
from typing import Any

from dataset_tools.annotations.marks import Mark
from dataset_tools.sets.facts import told_by_data
from dataset_tools.sets.sequences import rows_at_60_hz
from dataset_tools.sets.tables import Sequence
from firmware_host.clock import NS_PER_S
from firmware_host.errors import ConfigError

MOST_S = 5.0


def shifted(sequence: Sequence, later_s: float, slots: tuple[str, ...]) -> Sequence:
    """The sequence with its faces, and what raters saw in them, `later_s` later.

    Raises:
        ConfigError: it has no samples and faces to be aligned, was cut, or is shifted by too much.
    """
    facts = sequence.facts
    if not len(sequence.samples) or not len(sequence.faces):
        raise ConfigError(f"{facts['take']}: without samples and faces nothing is to be aligned")
    if sequence.first_tick:
        raise ConfigError(
            f"{facts['take']}: it was cut at its beginning", "resync before `trim` or `split-take`"
        )
    if abs(later_s) > MOST_S:
        raise ConfigError(f"resync: {later_s:g} s; expected at most {MOST_S:g} s", "is it in ms?")
    step_ns = round(later_s * NS_PER_S)
    faces = replace(sequence.faces, time_ns=sequence.faces.time_ns + step_ns)
    rows = rows_at_60_hz(sequence.samples, faces)
    more: dict[str, Any] = {
        **facts,
        "phone_latency_s": (facts["phone_latency_s"] or 0.0) - later_s,
        "notes": [*facts["notes"], f"faces moved by {1000 * later_s:+g} ms by hand"],
        **told_by_data(sequence.samples, faces, rows, slots, facts["segments"]),
    }
    marks = tuple(_moved(mark, later_s) for mark in sequence.marks)
    return Sequence(sequence.samples, faces, rows, more, 0, marks)


def _moved(mark: Mark, later_s: float) -> Mark:
    return mark._replace(start_s=mark.start_s + later_s, end_s=mark.end_s + later_s)
