"""Editing a data set: each edit is planned as values, then written as the next version.

    facts ──(drop, keep, trim, relabel, …)──► Change ──apply──► version n + 1
                 pure                                 what did not change is linked

Nothing else is touched: versions before stay as they are, and takes always.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from capture.consent import Subject
from capture.take import software
from dataset_tools.annotations.marks import Mark, checked
from dataset_tools.annotations.tables import TRACKS, marks_table, read_marks
from dataset_tools.manifest import KINDS, Edit, LeftOut, Manifest, Shard, Split, read_manifest
from dataset_tools.parquet_files import write_table
from dataset_tools.sets.cuts import cut
from dataset_tools.sets.facts import LABELS
from dataset_tools.sets.shifts import shifted
from dataset_tools.sets.statistics import statistics
from dataset_tools.sets.tables import facts_table, read_sequence, shard_name, write_sequence
from dataset_tools.sets.versions import Staging, next_version, version_folder
from dataset_tools.shards import read_facts
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import layout_from_dict

Facts = dict[str, Any]
Stretch = tuple[float, float]

GROUPS = {"subject", "placement"}  # facts that splits go by
FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True)
class Change:
    """What an edit changes. removed: sequences that go. facts: new facts of sequences that stay.

    cuts: sequences that give way to stretches of themselves. marks: all that is said of a sequence
    from now on. raters: new names of those who said it, in all sequences that stay. shifts: by how
    many s the faces of a sequence come later. without_splits: splits that go. subjects: those of
    the manifest, None where they stay. told: what becomes of the history, where it may name
    somebody. notes: for whoever asked for the edit.
    """

    verb: str
    arguments: dict[str, Any]
    removed: frozenset[int] = frozenset()
    facts: Mapping[int, Facts] = field(default_factory=dict)
    cuts: Mapping[int, tuple[Stretch, ...]] = field(default_factory=dict)
    marks: Mapping[int, tuple[Mark, ...]] = field(default_factory=dict)
    raters: Mapping[str, str] = field(default_factory=dict)
    shifts: Mapping[int, float] = field(default_factory=dict)
    without_splits: frozenset[str] = frozenset()
    subjects: dict[str, Subject] | None = None
    told: Callable[[Any], Any] | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it would change nothing."""
        changes = (self.removed, self.facts, self.cuts, self.marks, self.raters, self.shifts)
        return not (any(changes) or self.without_splits)


@dataclass(frozen=True, slots=True)
class Edited:
    """What became of an edit. version: None where it was a dry run, or nothing changed."""

    version: Path | None
    lines: tuple[str, ...]


def edit(
    folder: Path,
    plan: Callable[[Manifest, list[Facts]], Change],
    dry_run: bool = False,
) -> Edited:
    """Write the next version of a data set as planned, or with `dry_run` only tell the plan.

    Raises:
        DataError: no data set, or a synthetic one.
        ConfigError: the plan cannot be, or would leave nothing.
    """
    if dry_run:
        version = version_folder(folder)
        manifest = _editable(version)
        facts = read_facts(version, manifest)
        return Edited(None, tuple(told(plan(manifest, facts), facts)))
    version_folder(folder)  # before a folder is made of nothing
    with next_version(folder) as staging:
        staging.clear()
        assert staging.previous
        version, manifest = staging.previous[0], _editable(staging.previous[0])
        facts = read_facts(version, manifest)
        change = plan(manifest, facts)
        lines = tuple(told(change, facts))
        if change.is_empty and change.subjects is None:
            return Edited(None, lines)
        if len(change.removed) == len(facts):
            raise ConfigError(f"{change.verb}: nothing would be left", "remove the folder instead")
        return Edited(staging.commit(apply(staging, manifest, version, change)), lines)


def _editable(version: Path) -> Manifest:
    manifest = read_manifest(version)
    if not manifest.layouts:
        raise DataError(
            f"{version} is a synthetic data set", "make another with `imusic synth` instead"
        )
    return manifest


def told(change: Change, facts: Sequence[Facts]) -> Iterable[str]:
    """The change in lines for people."""
    by_number = {row["sequence"]: row for row in facts}
    for number in sorted(change.removed):
        yield f"- {_name(by_number[number])}"
    for number, stretches in sorted(change.cuts.items()):
        kept = ", ".join(f"{a:g} to {b:g} s" for a, b in stretches)
        yield f"~ {_name(by_number[number])}: keep {kept}"
    for number, row in sorted(change.facts.items()):
        before = by_number[number]
        differing = [key for key in row if row[key] != before[key] and key != "person"]
        changes = ", ".join(f"{key} {before[key]!r} -> {row[key]!r}" for key in differing)
        yield f"~ {_name(before)}: {changes}"
    for number, later_s in sorted(change.shifts.items()):
        yield f"~ {_name(by_number[number])}: faces {1000 * later_s:+g} ms"
    for number, marks in sorted(change.marks.items()):
        tracks = ", ".join(sorted({m.track for m in marks})) or "nothing"
        yield f"~ {_name(by_number[number])}: {len(marks)} marks ({tracks})"
    yield from change.notes


def _name(row: Facts) -> str:
    return (
        f"{row['take']} ({shard_name(row['sequence'])}, {row['subject']}, {row['seconds']:.1f} s)"
    )


def apply(staging: Staging, manifest: Manifest, source: Path, change: Change) -> Manifest:
    """Write the files of the changed set into `staging`; returns its manifest."""
    layout = layout_from_dict(manifest.layout)
    shards: list[Shard] = []
    pieces: dict[int, tuple[int, ...]] = {}
    left_out = {entry.data_sha256: entry for entry in manifest.left_out}
    for shard in manifest.shards:
        number = int(shard.name, 16)
        if number in change.removed:
            why = FORGOTTEN if change.verb == "forget" else change.verb
            left_out[shard.data_sha256] = LeftOut(shard.data_sha256, why)
        elif number in change.cuts:
            whole = read_sequence(source, shard.name, len(layout.slots))
            made = [cut(whole, *stretch, layout.names) for stretch in change.cuts[number]]
            new = [write_sequence(staging.path, m, shard.key, shard.data_sha256) for m in made]
            pieces[number] = tuple(m.number for m in made)
            shards += new
            left_out[shard.data_sha256] = LeftOut(shard.data_sha256, change.verb)
        elif number in change.shifts:
            whole = read_sequence(source, shard.name, len(layout.slots))
            moved = shifted(whole, change.shifts[number], layout.names)
            shards.append(write_sequence(staging.path, moved, shard.key, shard.data_sha256))
        elif number in change.facts:
            staging.link(shard, source, without="sequences")
            told_anew = _with_facts(staging, shard, change.facts[number], len(layout.slots))
            shards.append(_with_marks(staging, source, told_anew, change))
        else:
            staging.link(shard, source)
            shards.append(_with_marks(staging, source, shard, change))
    return concluded(
        staging,
        manifest,
        shards,
        Edit(
            verb=change.verb,
            arguments=change.arguments,
            parent=staging.parent,
            added=sum(map(len, pieces.values())),
            removed=len(change.removed) + len(pieces),
            changed=len(change.facts.keys() | change.marks.keys() | change.shifts.keys()),
        ),
        history=_history(manifest.history, change),
        left_out=tuple(left_out[key] for key in sorted(left_out)),
        splits=_splits(manifest.splits, change, pieces),
        subjects=manifest.subjects if change.subjects is None else change.subjects,
    )


def concluded(
    staging: Staging, manifest: Manifest, shards: Sequence[Shard], step: Edit, **more: Any
) -> Manifest:
    """The manifest of a version whose files lie in `staging`: statistics, people, history."""
    manifest = msgspec.structs.replace(
        manifest, shards=tuple(sorted(shards, key=lambda s: s.name)), software=software(), **more
    )
    facts = read_facts(staging.path, manifest)
    people = {row["subject"] for row in facts}
    present = {shard.data_sha256 for shard in manifest.shards}
    person = {row["data_sha256"]: row["subject"] for row in facts}
    data = [u for u in manifest.data if u.sha256 in present]
    return msgspec.structs.replace(
        manifest,
        statistics=statistics(facts),
        subjects={n: manifest.subjects[n] for n in sorted(manifest.subjects) if n in people},
        layouts={k: v for k, v in manifest.layouts.items() if k in {f["layout"] for f in facts}},
        data=tuple(msgspec.structs.replace(u, person=person[u.sha256]) for u in data),
        simulated=any(row["simulated"] for row in facts),
        history=(*manifest.history, step),
        parent=staging.parent,
    )


def _history(history: Sequence[Edit], change: Change) -> tuple[Edit, ...]:
    if change.told is None:
        return tuple(history)
    return tuple(msgspec.structs.replace(e, arguments=change.told(e.arguments)) for e in history)


def _with_facts(staging: Staging, shard: Shard, facts: Facts, slots: int) -> Shard:
    path = staging.path / "sequences" / f"{shard.name}.parquet"
    digest = write_table(facts_table([facts], slots), path)
    return msgspec.structs.replace(shard, sha256=(shard.sha256[0], digest, *shard.sha256[2:]))


def _with_marks(staging: Staging, source: Path, shard: Shard, change: Change) -> Shard:
    """The shard, linked already, with what is said of it from now on."""
    number = int(shard.name, 16)
    before = read_marks(source, shard.name) if number in change.marks or change.raters else ()
    marks = change.marks.get(number, before)
    marks = checked((m._replace(rater=change.raters.get(m.rater, m.rater)) for m in marks), TRACKS)
    if marks == before:
        return shard
    path = staging.path / TRACKS / f"{shard.name}.parquet"
    path.unlink(missing_ok=True)  # else a link's file, which other versions have, is kept as it is
    four = shard.sha256[: KINDS.index(TRACKS)]
    told = (write_table(marks_table(number, marks), path),) if marks else ()
    return msgspec.structs.replace(shard, sha256=(*four, *told))


def _splits(
    splits: Sequence[Split], change: Change, pieces: Mapping[int, tuple[int, ...]]
) -> tuple[Split, ...]:
    """Splits of what is left; none once a fact changed that they may go by."""
    keys = {key for row in change.facts.values() for key in row}
    if change.facts and change.verb != "rename-subject" and keys & GROUPS & set(change.arguments):
        return ()
    kept = []
    for split in splits:
        if split.name in change.without_splits:
            continue
        parts = {
            part: tuple(
                sorted(m for n in numbers if n not in change.removed for m in pieces.get(n, (n,)))
            )
            for part, numbers in split.parts.items()
        }
        if not split.shares:  # folds: one that lost its group is none
            parts = {part: numbers for part, numbers in parts.items() if numbers}
        kept.append(msgspec.structs.replace(split, parts=parts))
    return tuple(kept)


def drop(query: str, chosen: Sequence[Facts]) -> Change:
    """Without the sequences chosen."""
    return Change("drop", {"query": query}, frozenset(row["sequence"] for row in chosen))


def keep(query: str, chosen: Sequence[Facts], facts: Sequence[Facts]) -> Change:
    """Without all others."""
    removed = {row["sequence"] for row in facts} - {row["sequence"] for row in chosen}
    return Change("keep", {"query": query}, frozenset(removed))


def trim(query: str, chosen: Sequence[Facts], start_s: float | None, end_s: float | None) -> Change:
    """Only what lies from `start_s` to `end_s` of those chosen; None is where they begin or end."""
    cuts = {}
    for row in chosen:
        stretch = (
            max(row["start_s"], row["start_s"] if start_s is None else start_s),
            min(row["end_s"], row["end_s"] if end_s is None else end_s),
        )
        if stretch != (row["start_s"], row["end_s"]):
            cuts[row["sequence"]] = (_forward(stretch, row),)
    return Change("trim", {"query": query, "start_s": start_s, "end_s": end_s}, cuts=cuts)


def split_take(query: str, chosen: Sequence[Facts], at_s: Sequence[float]) -> Change:
    """Each of those chosen in pieces, cut at these times."""
    cuts = {}
    for row in chosen:
        inside = sorted({t for t in at_s if row["start_s"] < t < row["end_s"]})
        if inside:
            bounds = [row["start_s"], *inside, row["end_s"]]
            cuts[row["sequence"]] = tuple(pairwise(bounds))
    return Change("split-take", {"query": query, "at_s": list(at_s)}, cuts=cuts)


def _forward(stretch: Stretch, row: Facts) -> Stretch:
    if stretch[0] >= stretch[1]:
        raise ConfigError(
            f"{row['take']}: nothing is left between {stretch[0]:g} and {stretch[1]:g} s",
            f"it lasts from {row['start_s']:.2f} to {row['end_s']:.2f} s; `drop` removes it",
        )
    return stretch


def relabel(query: str, chosen: Sequence[Facts], labels: Mapping[str, str]) -> Change:
    """Other labels for those chosen.

    Raises:
        ConfigError: a label that there is not.
    """
    for key in labels:
        if key not in LABELS:
            raise ConfigError(f"relabel: {key!r} is no label", f"there are {', '.join(LABELS)}")
    changed = {}
    for row in chosen:
        new = {**row, **labels}
        new["person"] = new["subject"]
        if new != row:
            changed[row["sequence"]] = new
    notes = ("splits are gone: split again",) if changed and GROUPS & labels.keys() else ()
    return Change("relabel", {"query": query, **labels}, facts=changed, notes=notes)


def resync(query: str, chosen: Sequence[Facts], later_s: float) -> Change:
    """Another alignment for those chosen: their faces come `later_s` later."""
    shifts = {row["sequence"]: later_s for row in chosen} if later_s else {}
    return Change("resync", {"query": query, "later_s": later_s}, shifts=shifts)


def merge(folder: Path, other: Path, dry_run: bool = False) -> Edited:
    """The next version of `folder`, with the sequences of another data set as well.

    Raises:
        DataError: one of them is no data set of takes.
        ConfigError: their slots differ, or they tell different things of the same take.
    """
    source = version_folder(other)
    theirs = _editable(source)
    facts = {row["sequence"]: row for row in read_facts(source, theirs)}
    version_folder(folder)
    with next_version(folder) as staging:
        staging.clear()
        assert staging.previous
        version, ours = staging.previous[0], _editable(staging.previous[0])
        new = _new_shards(ours, theirs)
        lines = tuple(f"+ {_name(facts[int(shard.name, 16)])}" for shard in new)
        if dry_run or not new:
            return Edited(None, lines)
        for shard in ours.shards:
            staging.link(shard, version)
        for shard in new:
            staging.link(shard, source)
        step = Edit(verb="merge", parent=staging.parent, added=len(new))
        manifest = concluded(
            staging,
            ours,
            [*ours.shards, *new],
            step,
            layouts={**theirs.layouts, **ours.layouts},
            subjects={**theirs.subjects, **ours.subjects},
            data=tuple({u.sha256: u for u in (*theirs.data, *ours.data)}.values()),
            splits=(),
        )
        notes = ("splits are gone: split again",) if ours.splits else ()
        return Edited(staging.commit(manifest), (*lines, *notes))


def _new_shards(ours: Manifest, theirs: Manifest) -> list[Shard]:
    if layout_from_dict(ours.layout).names != layout_from_dict(theirs.layout).names:
        raise ConfigError("merge: their slots differ", "build one data set from all takes")
    known = {shard.name: shard for shard in ours.shards}
    away = {entry.data_sha256 for entry in ours.left_out}
    for shard in theirs.shards:
        if shard.name in known and known[shard.name].sha256 != shard.sha256:
            raise ConfigError(
                f"merge: sequence {shard.name} is in both, and not the same",
                "drop it from one of them first",
            )
    return [s for s in theirs.shards if s.name not in known and s.data_sha256 not in away]
