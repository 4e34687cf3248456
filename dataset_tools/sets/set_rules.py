"""Rules on a set as a whole: consent, licences, truths, copies, splits, outliers. Pure."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from capture.consent import consent_problem
from dataset_tools.manifest import Manifest
from dataset_tools.sets.findings import Finding, at

Facts = dict[str, Any]
Pairs = Sequence[tuple[int, int, float]]

OUTLIER = 5.0  # robust standard deviations above the median
FEWEST = 5  # sequences of which outliers can be told


def consent(manifest: Manifest, facts: Sequence[Facts], today: dt.date) -> Iterator[Finding]:
    """Everybody who was recorded agreed, still does, and has not taken it back."""
    for name, rows in _by(facts, "subject").items():
        if all(row["simulated"] for row in rows):
            continue
        told = manifest.subjects.get(name)
        what = consent_problem(told, today)
        if what is not None:
            yield Finding(
                what.rule,
                "fail",
                f"subject {name}, {len(rows)} sequence(s)",
                what.text,
                "ask them, and give subjects.toml to `imusic dataset build`; or "
                "`imusic dataset forget`",
            )


def licences(manifest: Manifest, facts: Sequence[Facts]) -> Iterator[Finding]:
    """Every recording has a licence, its subject's or its own."""
    for name, rows in _by(facts, "subject").items():
        told = manifest.subjects.get(name)
        bare = [r for r in rows if not r["licence"] and not r["simulated"]]
        if bare and (told is None or not told.licence):
            yield Finding(
                "licence_missing",
                "warn",
                f"subject {name}, {len(bare)} sequence(s)",
                "no licence is told: nobody may use them",
                "give `licence` in subjects.toml, or relabel licence=…",
            )


def truths(manifest: Manifest, facts: Sequence[Facts]) -> Iterator[Finding]:  # noqa: ARG001
    """One person's faces are all with, or all without, the neutral face taken off."""
    for name, rows in _by(facts, "subject").items():
        kinds = sorted({row["truth"] for row in rows if row["truth"]} & {"cal", "raw"})
        if len(kinds) > 1:
            yield Finding(
                "truth_mixed",
                "fail",
                f"subject {name}",
                "some of their takes are calibrated (cal), some are not (raw)",
                "import all of them with the same --truth",
            )


def copies(facts: Sequence[Facts], pairs: Pairs) -> Iterator[Finding]:
    """Sequences that hold the same minutes."""
    by_number = {row["sequence"]: row for row in facts}
    for one, other, share in pairs:
        yield Finding(
            "duplicate",
            "fail",
            f"{at(by_number[one])} and {at(by_number[other])}",
            f"they share {100 * share:.0f} % of their moments",
            f"drop one of them: imusic dataset drop SET 'sequence == {other}'",
            other,
        )


def leakage(manifest: Manifest, facts: Sequence[Facts], pairs: Pairs) -> Iterator[Finding]:
    """No subject and no copy lies in two parts of a split, and every part is in the set."""
    by_number = {row["sequence"]: row for row in facts}
    for split in manifest.splits:
        part_of = {number: part for part, numbers in split.parts.items() for number in numbers}
        remedy = f"make it again: imusic dataset split SET --name {split.name}"
        for key in ("subject", "placement"):
            for name, rows in _by(facts, key).items():
                parts = sorted({part_of[r["sequence"]] for r in rows if r["sequence"] in part_of})
                if len(parts) > 1:
                    bad = (key == "subject" and split.by == "subject") or key == "placement"
                    yield Finding(
                        f"leak_{key}",
                        "fail" if bad else "warn",
                        f"split {split.name}, {key} {name}",
                        f"in {' and '.join(parts)}",
                        remedy,
                    )
        for one, other, _ in pairs:
            if part_of.get(one) != part_of.get(other):
                yield Finding(
                    "leak_duplicate",
                    "fail",
                    f"split {split.name}, {at(by_number[one])} and {at(by_number[other])}",
                    "the same minutes in two parts",
                    "drop one of them, then " + remedy,
                    other,
                )
        if missing := part_of.keys() - by_number.keys():
            yield Finding(
                "split_stale",
                "fail",
                f"split {split.name}",
                f"{len(missing)} sequence(s) of it are not in the set",
                remedy,
            )


def outliers(facts: Sequence[Facts], errors: Mapping[str, float]) -> Iterator[Finding]:
    """Sequences of which a model errs far more than of the others.

    errors: take → error, of whatever kind.
    """
    told = {row["sequence"]: errors[row["take"]] for row in facts if row["take"] in errors}
    if len(told) < FEWEST:
        return
    values = np.array(list(told.values()))
    median = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - median)))
    for row in facts:
        error = told.get(row["sequence"])
        if error is not None and error > median + OUTLIER * max(spread, 0.05 * median):
            yield Finding(
                "model_error",
                "warn",
                at(row),
                f"the model errs by {error:.3g} here, by {median:.3g} in the middle",
                "look at it: `imusic render`",
                row["sequence"],
            )


def _by(facts: Sequence[Facts], key: str) -> dict[str, list[Facts]]:
    groups: defaultdict[str, list[Facts]] = defaultdict(list)
    for row in facts:
        groups[row[key]].append(row)
    return dict(sorted(groups.items()))
