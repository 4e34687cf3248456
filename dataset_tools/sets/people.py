"""Renaming and forgetting people, in facts, history and, to be forgotten, in every version."""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset_tools.annotations.tables import read_marks
from dataset_tools.manifest import MANIFEST_FILE, Manifest, read_manifest
from dataset_tools.parquet_files import read_table
from dataset_tools.sets.edits import FORGOTTEN, Change, Facts, edit
from dataset_tools.sets.versions import next_version, versions
from dataset_tools.shards import read_facts
from firmware_host.errors import ConfigError, DataError


def rename(manifest: Manifest, facts: Sequence[Facts], old: str, new: str) -> Change:
    """The subject `old` under another name, wherever its name stands in facts.

    Raises:
        ConfigError: nobody is called `old`, or somebody is called `new`.
    """
    people = {row["subject"] for row in facts}
    if old not in people:
        raise ConfigError(f"no subject {old!r}", f"there are {', '.join(sorted(people))}")
    if new in people or not new:
        raise ConfigError(
            f"subject {new!r} is there already" if new else "a subject needs a name",
            "two people become one by relabel subject=…",
        )
    changed = {row["sequence"]: replaced(row, old, new) for row in facts if row["subject"] == old}
    subjects = {new if name == old else name: told for name, told in manifest.subjects.items()}
    note = "versions before still have the old name: `imusic dataset prune` removes them"
    return Change(
        "rename-subject",
        {"new": new},
        facts=changed,
        raters={old: new},
        subjects=subjects,
        told=lambda arguments: replaced(arguments, old, new),
        notes=(note,),
    )


def _word(name: str) -> re.Pattern[str]:
    """A name that is not part of a longer word."""
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")


def replaced(value: Any, old: str, new: str) -> Any:
    """A value with the word `old` replaced by `new` in all its texts."""
    if isinstance(value, str):
        return _word(old).sub(lambda _: new, value)
    if isinstance(value, Mapping):
        return {key: replaced(item, old, new) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [replaced(item, old, new) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What `forget` did. removed: versions that are gone; searched: files that hold no trace."""

    version: Path | None
    sequences: int
    removed: tuple[str, ...]
    searched: int


def forget(folder: Path, subject: str) -> Forgotten:
    """Make a version without a subject, remove all versions with it, and prove that it is gone.

    Killed midway it is finished by running it again.

    Raises:
        ConfigError: nobody of that name is in any version, or nobody else.
        DataError: a trace is left, which is a bug of ours; it is told.
    """
    theirs = _theirs(folder, subject)
    if not any(_has(version, subject) for version in versions(folder)):
        raise ConfigError(f"no version of {folder} has a subject {subject!r}")
    edited = None
    if _has(versions(folder)[-1], subject):
        edited = edit(folder, lambda _, facts: _without(facts, subject)).version
    with next_version(folder) as staging:  # holds others off while versions go
        shutil.rmtree(staging.path)
        hashes = {sha256 for _, sha256 in theirs}
        # Also those in which their takes stand under a name that was changed since.
        gone = [v for v in versions(folder) if _has(v, subject) or _holds(v, hashes)]
        for version in gone:
            _remove(version)
        searched = leave_no_trace(folder, subject, {number for number, _ in theirs}, hashes)
    return Forgotten(edited, len(theirs), tuple(v.name for v in gone), searched)


def _theirs(folder: Path, subject: str) -> set[tuple[int, str]]:
    """(number, hash) of every sequence of a subject, in any version."""
    return {
        (row["sequence"], row["data_sha256"])
        for version in versions(folder)
        for row in read_facts(version, read_manifest(version))
        if row["subject"] == subject
    }


def _has(version: Path, subject: str) -> bool:
    manifest = read_manifest(version)
    people = {row["subject"] for row in read_facts(version, manifest)}
    return subject in people | manifest.subjects.keys() or any(
        mark.rater == subject
        for shard in manifest.shards
        for mark in read_marks(version, shard.name)
    )


def _holds(version: Path, hashes: set[str]) -> bool:
    return not hashes.isdisjoint(s.data_sha256 for s in read_manifest(version).shards)


def _without(facts: Sequence[Facts], subject: str) -> Change:
    removed = frozenset(row["sequence"] for row in facts if row["subject"] == subject)
    return Change(
        "forget",
        {},
        removed,
        raters={subject: FORGOTTEN},
        told=lambda arguments: replaced(arguments, subject, FORGOTTEN),
    )


def _remove(version: Path) -> None:
    """The manifest first: then it is no version any more, and a kill leaves no half of one."""
    (version / MANIFEST_FILE).unlink()
    shutil.rmtree(version)


def leave_no_trace(folder: Path, subject: str, numbers: set[int], hashes: set[str]) -> int:
    """Search every file below for a subject, their sequences and takes; returns how many.

    Raises:
        DataError: naming the first file that holds a trace.
    """
    count = 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        count += 1
        if path.suffix == ".parquet":
            trace = next(_traces(path, subject, numbers, hashes), None)
        elif path.name == MANIFEST_FILE:
            trace = _in_manifest(read_manifest(path.parent), subject, numbers, hashes)
        else:
            trace = "its name" if subject.encode() in path.read_bytes() else None
        if trace is not None:
            raise DataError(f"{path}: {trace} of subject {subject!r} is still there")
    return count


def _traces(path: Path, subject: str, numbers: set[int], hashes: set[str]) -> Iterator[str]:
    table = read_table(path)
    if numbers & set(table["sequence"].unique().to_pylist()):
        yield "a sequence"
    if "rater" in table.column_names and subject in table["rater"].unique().to_pylist():
        yield "its name"
    if "subject" in table.column_names:
        for row in table.to_pylist():
            if row["subject"] == subject or row["person"] == subject:
                yield "its name"
            if row["data_sha256"] in hashes or numbers & set(row["parents"]):
                yield "a take"


def _in_manifest(
    manifest: Manifest, subject: str, numbers: set[int], hashes: set[str]
) -> str | None:
    """A trace that is not the one thing that must stay: the hash that keeps a take away."""
    people: dict[str, Any] = {
        "subjects": list(manifest.subjects),
        "data": [use.person for use in manifest.data],
        "history": [step.arguments for step in manifest.history],
        "statistics": [manifest.statistics[f"seconds_by_{k}"] for k in ("subject", "placement")],
    }
    if any(_word(subject).search(text) for text in _texts(people)):
        return "its name"
    kept = {e.data_sha256 for e in manifest.left_out if e.why != FORGOTTEN}
    kept |= {shard.data_sha256 for shard in manifest.shards} | {u.sha256 for u in manifest.data}
    if hashes & kept:
        return "a take"
    here = {n for split in manifest.splits for part in split.parts.values() for n in part}
    return "a sequence" if numbers & here else None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def prune(folder: Path, keep: int = 1) -> list[str]:
    """Remove all but the newest `keep` versions; returns the names of those removed."""
    with next_version(folder) as staging:
        shutil.rmtree(staging.path)
        gone = versions(folder)[: -max(keep, 1)]
        for version in gone:
            _remove(version)
    return [version.name for version in gone]
