"""Rules on what a take tells of itself: alignment, labels, names of people. Pure."""

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from capture.resample import TICK_HZ
from dataset_tools.sets.findings import Finding, Seen, Severity, at, span

# Half a frame of the phone; a link that is later than this half of the time is a bad one. Ours.
RESIDUAL_S = 0.008
SLACK_S = 0.1
# A face at rest keeps its weights within this; a head that nods turns faster than this. Ours.
REST_SPREAD, REST_RAD_S, ROUTINE_RAD_S = 0.15, 0.3, 0.1
# What names a person, or where to find one. Words of a language are left to people.
IDENTIFIERS = {
    "an e-mail address": r"[\w.+-]+@[\w-]+\.[\w.]+",
    "a telephone number": r"(?<![\w.:-])\+?\d[\d ()/-]{8,}\d(?![\w.:])",
    "somebody's device": r"\w+(?:'|\u2019)s?[ _-]?(?:iPhone|iPad|Phone|MacBook|Galaxy|Pixel)",
    "a folder of somebody's": r"(?:/|[A-Z]:\\)(?:Users|home)[/\\]\w+",
    "a hardware address": r"\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b",
    "a network address": r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    "a full name": r"^[A-Z][a-z]+ [A-Z][a-z]+$",
}
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ][\d:]+)?")
_NAMED = ("subject", "person")


def sync(seen: Seen) -> Iterator[Finding]:
    """Whether samples and faces lie on one timeline."""
    facts = seen.facts
    verdict = facts["sync"]
    if verdict != "good":
        yield _finding(
            seen, f"sync_{verdict}", "fail" if verdict == "bad" else "warn", "",
            f"its alignment is {verdict}" + (f": {facts['notes'][-1]}" if facts["notes"] else ""),
            "turn the head more while recording; drop the take, or keep it for samples only",
        )  # fmt: skip
    if facts["sync_residual_s"] > RESIDUAL_S:
        yield _finding(
            seen, "sync_residual", "warn", "",
            f"messages were up to {1000 * facts['sync_residual_s']:.1f} ms late (p95)",
            "a cable, or a radio that is nearer",
        )  # fmt: skip
    if facts["sync_resets"]:
        yield _finding(
            seen, "sync_resets", "warn", "",
            f"{facts['sync_resets']} clock(s) jumped", "look at the take where they did",
        )  # fmt: skip


def labels(seen: Seen) -> Iterator[Finding]:
    """Segments lie within the take, in order, and are what they are called."""
    facts = seen.facts
    known = sorted(facts["segments"], key=lambda s: (s["label"], s["start_s"]))
    for segment in known:
        start_s, end_s = segment["start_s"], segment["end_s"]
        inside = facts["start_s"] - SLACK_S <= start_s and end_s <= facts["end_s"] + SLACK_S
        if not start_s < end_s or not inside:
            yield _finding(
                seen, "label_range", "fail", f"{segment['label']}, {span(start_s, end_s)}",
                f"the take lasts from {span(facts['start_s'], facts['end_s'])}",
                "correct the segment in take.toml",
            )  # fmt: skip
    for one, other in pairwise(known):
        if one["label"] == other["label"] and other["start_s"] < one["end_s"]:
            yield _finding(
                seen, "label_overlap", "warn",
                f"{one['label']}, {span(other['start_s'], one['end_s'])}",
                "marked twice", "correct the segments in take.toml",
            )  # fmt: skip
    if facts["samples"] and not any(s["label"] == "rest" for s in known):
        yield _finding(
            seen, "label_rest", "warn", "", "no rest is marked: the first two seconds stand for it",
            "mark where the wearer rests, as a segment in take.toml",
        )  # fmt: skip


def labels_that_lie(seen: Seen) -> Iterator[Finding]:
    """A rest in which the face or the head moves, a routine in which the head does not."""
    for label in ("rest", "routine"):
        stretch = seen.stretch(label)
        if stretch is None:
            continue
        first, last = (max(round(t * TICK_HZ) - seen.sequence.first_tick, 0) for t in stretch)
        rows = seen.sequence.rows
        rate = np.linalg.norm(rows.gyro_rad_s[first:last, seen.layout.reference_index], axis=1)
        turning = float(np.nanmedian(rate)) if np.isfinite(rate).any() else None
        weights = rows.weights[first:last]
        weights = weights[np.isfinite(weights).all(axis=1)]
        spread = float(weights.std(axis=0).max()) if len(weights) > TICK_HZ // 2 else 0.0
        if label == "rest" and spread > REST_SPREAD:
            yield _lie(seen, label, stretch, f"a weight moves by {spread:.2f} (std)")
        if label == "rest" and turning is not None and turning > REST_RAD_S:
            yield _lie(seen, label, stretch, f"the head turns at {turning:.2f} rad/s")
        if label == "routine" and turning is not None and turning < ROUTINE_RAD_S:
            yield _lie(seen, label, stretch, f"the head turns at {turning:.3f} rad/s only")


def _lie(seen: Seen, label: str, stretch: tuple[float, float], what: str) -> Finding:
    return _finding(
        seen, "label_content", "warn", f"{label}, {span(*stretch)}", what,
        f"mark the {label} where it was, in take.toml; calibration goes by it",
    )  # fmt: skip


def identifiers(seen: Seen) -> Iterator[Finding]:
    """Text that tells who somebody is."""
    facts = seen.facts
    texts = {key: value for key, value in facts.items() if isinstance(value, str)}
    texts |= {f"note {i}": note for i, note in enumerate(facts["notes"])}
    texts |= {f"segment {i}": s["label"] for i, s in enumerate(facts["segments"])}
    texts |= {f"marker {i}": m["label"] for i, m in enumerate(facts["markers"])}
    for key in ("data_sha256", "created_utc", "person"):
        texts.pop(key, None)
    for key, text in texts.items():
        for what, pattern in IDENTIFIERS.items():
            if what == "a full name" and key not in _NAMED:
                continue
            if re.search(pattern, _DATE.sub("", text)):
                yield _finding(
                    seen, "identifier", "fail", key, f"it holds what looks like {what}",
                    "give people pseudonyms (`imusic dataset rename-subject`, `relabel`)",
                )  # fmt: skip
                break


def _finding(
    seen: Seen, rule: str, severity: Severity, place: str, what: str, remedy: str
) -> Finding:
    return Finding(rule, severity, at(seen.facts, place), what, remedy, seen.sequence.number)


FACT_RULES = (sync, labels, labels_that_lie, identifiers)
