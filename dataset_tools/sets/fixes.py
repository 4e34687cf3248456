"""`imusic dataset check --fix`: what can be put right without judging or changing a number. Pure.

Labels are cut to the take or removed where nothing is left of them, labels that overlap become one,
what identifies somebody is taken out of notes and markers, and splits that leak or name sequences
which are gone are removed. Everything else is for people to decide.
"""

import re
from collections.abc import Sequence
from typing import Any

from dataset_tools.sets.edits import Change, Facts
from dataset_tools.sets.fact_rules import IDENTIFIERS
from dataset_tools.sets.findings import Finding

LEAKS = {"leak_subject", "leak_placement", "leak_duplicate", "split_stale"}
LABELS = {"label_range", "label_overlap"}
REMOVED = "(removed)"


def fixes(facts: Sequence[Facts], findings: Sequence[Finding]) -> Change:
    """The change that puts right what is safe of these findings."""
    rules: dict[int | None, set[str]] = {}
    for finding in findings:
        rules.setdefault(finding.sequence, set()).add(finding.rule)
    changed = {}
    for row in facts:
        found = rules.get(row["sequence"], set())
        new = dict(row)
        if found & LABELS:
            new["segments"] = _segments(row)
        if "identifier" in found:
            new["notes"] = [_anonymous(note) for note in row["notes"]]
            new["markers"] = [{**m, "label": _anonymous(m["label"])} for m in row["markers"]]
        if new != row:
            changed[row["sequence"]] = new
    leaky = frozenset(
        f.where.removeprefix("split ").split(",")[0]
        for f in findings
        if f.rule in LEAKS and f.severity == "fail"
    )
    notes = tuple(f"- split {name}" for name in sorted(leaky))
    return Change("fix", {}, facts=changed, without_splits=leaky, notes=notes)


def _segments(row: Facts) -> list[dict[str, Any]]:
    """Those within the take, in order; two of one label that overlap are one."""
    found: list[dict[str, Any]] = []
    for segment in sorted(row["segments"], key=lambda s: (s["label"], s["start_s"])):
        start_s = max(segment["start_s"], row["start_s"])
        end_s = min(segment["end_s"], row["end_s"])
        if start_s >= end_s:
            continue
        last = found[-1] if found else None
        if last is not None and last["label"] == segment["label"] and start_s < last["end_s"]:
            last["end_s"] = max(last["end_s"], end_s)
        else:
            found.append({"label": segment["label"], "start_s": start_s, "end_s": end_s})
    return sorted(found, key=lambda s: (s["start_s"], s["label"]))


def _anonymous(text: str) -> str:
    for what, pattern in IDENTIFIERS.items():
        if what != "a full name":  # words of a language are left to people
            text = re.sub(pattern, REMOVED, text)
    return text
