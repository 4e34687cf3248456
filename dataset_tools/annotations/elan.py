"""Marks as ELAN's `.eaf` (EAF 3.0, https://www.mpi.nl/tools/elan/EAFv3.0.xsd). Times in whole ms.

A tier is what one rater says on one track: `TRACK@RATER`, and `TRACK@RATER#2` for what overlaps,
which a tier may not. An annotation's text is a label, a number, or `label = number`. A curve is a
tier of the type `curve`: each of its values holds until the next.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from pathlib import Path

from dataset_tools.annotations.marks import Mark, checked, is_moment
from firmware_host.errors import DataError

# Expat refuses entities that blow up; ElementTree fetches none from outside.
MAX_BYTES = 64 << 20
_BOTH = re.compile(r"(?P<label>.+?) = (?P<value>[-+0-9.eE]+)")
_COPY = re.compile(r"#[0-9]+$")
LAST_MS = 100  # how long the last value of a curve holds


def read_elan(path: Path, rater: str = "") -> tuple[Mark, ...]:
    """The marks of a file. rater: of tiers that name none.

    Raises:
        DataError: not a file of ELAN, or one whose times do not resolve.
    """
    root = _root(path)
    times = _times(root, path)
    spans: dict[str, tuple[float, float]] = {}
    found: list[Mark] = []
    for tier in root.iter("TIER"):
        name, _, told = _COPY.sub("", tier.get("TIER_ID", "")).partition("@")
        who = tier.get("ANNOTATOR") or told or rater
        is_curve = tier.get("LINGUISTIC_TYPE_REF") == "curve"
        for note in tier.iter():
            if note.tag not in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
                continue
            start_s, end_s = spans[note.get("ANNOTATION_ID", "")] = _span(note, times, spans, path)
            label, value = _said(note.findtext("ANNOTATION_VALUE") or "")
            found.append(Mark(name, who, start_s, start_s if is_curve else end_s, value, label))
    return checked(found, str(path))


def _root(path: Path) -> ET.Element:
    try:
        raw = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        root = ET.fromstring(raw)
    except ET.ParseError as error:
        raise DataError(f"{path}: expected a file of ELAN: {error}") from error
    if root.tag != "ANNOTATION_DOCUMENT":
        raise DataError(f"{path}: expected a file of ELAN, got <{root.tag}>")
    return root


def _times(root: ET.Element, path: Path) -> dict[str, float]:
    """Slot → seconds; slots without a time lie evenly between those that have one."""
    header = root.find("HEADER")
    unit = "milliseconds" if header is None else header.get("TIME_UNITS", "milliseconds")
    if unit != "milliseconds":
        raise DataError(f"{path}: times in {unit!r}; only milliseconds are read")
    slots = [(s.get("TIME_SLOT_ID", ""), s.get("TIME_VALUE")) for s in root.iter("TIME_SLOT")]
    known = [k for k, (_, value) in enumerate(slots) if value is not None]
    if slots and not known:
        raise DataError(f"{path}: none of its time slots has a time")
    found = {}
    for k, (name, value) in enumerate(slots):
        if value is not None:
            found[name] = _ms(value, path) / 1000
            continue
        left = max((j for j in known if j < k), default=known[0])
        right = min((j for j in known if j > k), default=known[-1])
        a, b = (_ms(str(slots[j][1]), path) / 1000 for j in (left, right))
        found[name] = a if right == left else a + (b - a) * (k - left) / (right - left)
    return found


def _ms(text: str, path: Path) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise DataError(f"{path}: TIME_VALUE: expected whole ms, got {text!r}") from error


def _span(
    note: ET.Element, times: dict[str, float], spans: dict[str, tuple[float, float]], path: Path
) -> tuple[float, float]:
    if note.tag == "REF_ANNOTATION":
        parent = note.get("ANNOTATION_REF", "")
        if parent not in spans:
            raise DataError(f"{path}: annotation {parent!r} is referred to before it is there")
        return spans[parent]
    names = (note.get("TIME_SLOT_REF1", ""), note.get("TIME_SLOT_REF2", ""))
    if missing := [name for name in names if name not in times]:
        raise DataError(f"{path}: no time slot {missing[0]!r}")
    return times[names[0]], times[names[1]]


def _said(text: str) -> tuple[str, float]:
    """(label, value) of an annotation's text."""
    text = text.strip()
    both = _BOTH.fullmatch(text)
    label, number = (both["label"], both["value"]) if both else ("", text)
    try:
        value = float(number)
    except ValueError:
        return text, float("nan")
    return (label, value) if value - value == 0 else (text, float("nan"))


def encode_elan(marks: Sequence[Mark], author: str, date: str) -> bytes:
    """A file of these marks. date: ISO 8601, as ELAN writes the day it was made."""
    xsi = "{http://www.w3.org/2001/XMLSchema-instance}"
    ET.register_namespace("xsi", xsi[1:-1])
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": author,
            "DATE": date,
            "FORMAT": "3.0",
            "VERSION": "3.0",
            f"{xsi}noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
        },
    )
    ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    order = ET.SubElement(root, "TIME_ORDER")
    tiers, slots = _tiers(marks), _Slots()
    number = 0
    for (name, who, kind), spans in tiers.items():
        about = {"LINGUISTIC_TYPE_REF": kind, "TIER_ID": name, "ANNOTATOR": who}
        tier = ET.SubElement(root, "TIER", about)
        for start_ms, end_ms, text in spans:
            number += 1
            note = ET.SubElement(
                ET.SubElement(tier, "ANNOTATION"),
                "ALIGNABLE_ANNOTATION",
                {
                    "ANNOTATION_ID": f"a{number}",
                    "TIME_SLOT_REF1": slots.at(start_ms),
                    "TIME_SLOT_REF2": slots.at(end_ms),
                },
            )
            ET.SubElement(note, "ANNOTATION_VALUE").text = text
    for name, ms in slots.in_order():
        ET.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": name, "TIME_VALUE": str(ms)})
    for kind in ("interval", "curve"):
        ET.SubElement(
            root,
            "LINGUISTIC_TYPE",
            {
                "GRAPHIC_REFERENCES": "false",
                "LINGUISTIC_TYPE_ID": kind,
                "TIME_ALIGNABLE": "true",
            },
        )
    ET.indent(root)
    return bytes(ET.tostring(root, "utf-8", xml_declaration=True)) + b"\n"


class _Slots:
    """Time slots, each time once."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def at(self, ms: int) -> str:
        return self._names.setdefault(ms, f"ts{len(self._names) + 1}")

    def in_order(self) -> list[tuple[str, int]]:
        return [(self._names[ms], ms) for ms in sorted(self._names)]


Span = tuple[int, int, str]


def _tiers(marks: Iterable[Mark]) -> dict[tuple[str, str, str], list[Span]]:
    """(tier, rater, type) → spans in ms that do not overlap."""
    found: dict[tuple[str, str, str], list[Span]] = {}
    used: dict[tuple[str, str], int] = {}
    grouped: dict[tuple[str, str, bool], list[Mark]] = {}
    for mark in sorted(marks, key=lambda m: (m.track, m.rater, m.start_s, m.end_s)):
        if round(1000 * mark.start_s) < 0:
            raise DataError(f"{mark.track}: {mark.start_s:g} s: ELAN knows no time before 0")
        grouped.setdefault((mark.track, mark.rater, is_moment(mark)), []).append(mark)
    for (track, rater, curve), theirs in grouped.items():
        spans = _held(theirs) if curve else [_interval(mark) for mark in theirs]
        lanes: list[list[Span]] = []
        for span in spans:
            free = next((lane for lane in lanes if lane[-1][1] <= span[0]), None)
            if free is None:
                lanes.append(free := [])
            free.append(span)
        for lane in lanes:
            number = used[track, rater] = used.get((track, rater), 0) + 1
            name = f"{track}@{rater}" + (f"#{number}" if number > 1 else "")
            found[name, rater, "curve" if curve else "interval"] = lane
    return found


def _interval(mark: Mark) -> Span:
    start_ms = round(1000 * mark.start_s)
    return start_ms, max(round(1000 * mark.end_s), start_ms + 1), _text(mark)


def _held(moments: Sequence[Mark]) -> list[Span]:
    at_ms = [round(1000 * mark.start_s) for mark in moments]
    ends = [*at_ms[1:], at_ms[-1] + LAST_MS]
    return [
        (start, end, _text(mark))
        for start, end, mark in zip(at_ms, ends, moments, strict=True)
        if end > start
    ]


def _text(mark: Mark) -> str:
    if mark.value != mark.value:
        return mark.label
    number = repr(float(mark.value))
    return f"{mark.label} = {number}" if mark.label else number
