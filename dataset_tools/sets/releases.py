"""Numbered releases of a data set: what it was when it was given away, under which terms."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from capture.consent import UNTOLD
from capture.take import software
from dataset_tools.manifest import Edit, Manifest, Release
from dataset_tools.sets.exports import may_be_published
from dataset_tools.sets.versions import next_version, version_folder
from dataset_tools.shards import read_facts
from firmware_host.errors import ConfigError, DataError

VERB = "release"


@dataclass(frozen=True, slots=True)
class Released:
    """A release and the version that is it."""

    version: Path
    release: Release


def release(folder: Path, notes: str, today: dt.date) -> Released:
    """Make the next version a release of the newest one: the same files, and a number.

    Raises:
        ConfigError: somebody in it did not agree to publication, or has no licence.
        DataError: no data set, or a synthetic one.
    """
    version_folder(folder)
    with next_version(folder) as staging:
        staging.clear()
        if staging.previous is None or not staging.previous[1].layouts:
            raise DataError(f"{folder} is no data set of takes", "release sets of takes")
        version, manifest = staging.previous
        facts = read_facts(version, manifest)
        people = sorted({row["subject"] for row in facts if not row["simulated"]})
        away = {row["subject"] for row in facts if not may_be_published(row, manifest, today)}
        if away:
            raise ConfigError(
                f"release: {', '.join(sorted(away))} did not agree to publication, or no longer do",
                "leave them out with `imusic dataset drop`, as in 'subject == \"p07\"'",
            )
        told = {name: manifest.subjects.get(name, UNTOLD) for name in people}
        bare = {
            row["subject"]
            for row in facts
            if not row["simulated"] and not (row["licence"] or told[row["subject"]].licence)
        }
        if bare:
            raise ConfigError(
                f"release: no licence is told for {', '.join(sorted(bare))}",
                "say it in subjects.toml and build again, or `relabel … licence=CC-BY-4.0`",
            )
        licences = {row["licence"] or told[row["subject"]].licence for row in facts
                    if not row["simulated"]}  # fmt: skip
        scopes = [set(subject.consent) for subject in told.values()]
        made = Release(
            number=len(manifest.releases) + 1,
            date=today,
            licences=tuple(sorted(licences)),
            consent=tuple(sorted(set.intersection(*scopes))) if scopes else (),
            subjects=len({row["subject"] for row in facts}),
            sequences=len(facts),
            hours=round(manifest.seconds / 3600, 4),
            changes=tuple(changes(manifest)),
            notes=notes,
            manifest=staging.parent,
        )
        for shard in manifest.shards:
            staging.link(shard, version)
        step = Edit(verb=VERB, arguments={"number": made.number}, parent=staging.parent)
        named = staging.commit(
            msgspec.structs.replace(
                manifest,
                releases=(*manifest.releases, made),
                history=(*manifest.history, step),
                software=software(),
                parent=staging.parent,
            )
        )
    return Released(named, made)


def changes(manifest: Manifest) -> list[str]:
    """What was done since the last release, a line per step; nobody is named in them."""
    return [_line(step) for step in since_release(manifest.history)]


def since_release(history: Sequence[Edit]) -> Sequence[Edit]:
    """The steps after the last release; all where there is none."""
    last = max((k for k, step in enumerate(history, 1) if step.verb == VERB), default=0)
    return history[last:]


def _line(step: Edit) -> str:
    counts = ((step.added, "added"), (step.removed, "removed"), (step.changed, "changed"))
    told = ", ".join(f"{count} {what}" for count, what in counts if count)
    return f"{step.verb}: {told}" if told else step.verb


def lines(released: Release) -> list[str]:
    """A release for people."""
    found = [
        f"release {released.number}, {released.date}: {released.sequences} sequences of "
        f"{released.subjects} subjects, {released.hours:.3f} h",
        f"  licence: {', '.join(released.licences) or 'none needed: all of it is simulated'}",
        f"  all agreed to: {', '.join(released.consent) or '-'}",
    ]
    found += [f"  {line}" for line in released.changes]
    return [*found, f"  {released.notes}"] if released.notes else found
