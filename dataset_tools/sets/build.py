"""`imusic dataset build`: takes become sequences of the next version of a data set.

    take ─► verified (whole, hashed) ─► aligned ─► 60 Hz rows, samples, faces, facts ─► four files

Each take is work of its own, named by a key over all that decides its bytes: its recorded bytes,
`take.toml`, `sync.json` where it was aligned already, and the slots of the set. What has the same
key as in the version before is taken over; what a killed run had finished is found by its note.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from capture.consent import UNTOLD, Subject, consent_problem, newest
from capture.provenance import DataUse, file_sha256
from capture.recording import read_recording
from capture.sync import align, read_alignment
from capture.take import DATA_FILE, SYNC_FILE, TAKE_FILE, Take, read_take, software
from capture.take_folders import find_takes
from dataset_tools.annotations.tables import TRACKS
from dataset_tools.executors import Executor
from dataset_tools.manifest import (
    Edit,
    LeftOut,
    Manifest,
    Shard,
    write_whole,
)
from dataset_tools.parquet_files import arrow
from dataset_tools.sets.facts import doubts_of, told_by_data, told_by_take
from dataset_tools.sets.sequences import (
    faces_of,
    no_faces,
    no_samples,
    rows_at_60_hz,
    samples_of,
)
from dataset_tools.sets.statistics import statistics
from dataset_tools.sets.tables import Sequence as Stored
from dataset_tools.sets.tables import shard_name, write_sequence
from dataset_tools.sets.versions import Staging, link_or_copy, next_version
from dataset_tools.shards import read_facts
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import FACE_12, SensorLayout, layout_from_dict, layout_to_dict

# Raise it when what `build` makes of a take changes: then everything is built anew.
BUILD = 1
_NOTES = "notes"


@dataclass(frozen=True, slots=True)
class Source:
    """A take that was found: its number in the data set, and what its files hash to."""

    folder: Path
    take: Take
    data_sha256: str
    facts_sha256: str

    @property
    def number(self) -> int:
        """48 bits of the recorded bytes: the same take always has the same."""
        return int(self.data_sha256[:12], 16)


@dataclass(frozen=True, slots=True)
class Task:
    """One take to be built, by values that any process understands."""

    folder: Path
    out: Path
    layout: SensorLayout
    number: int
    key: str
    data_sha256: str


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did. version: the folder, also where nothing changed and it is not new."""

    version: Path
    is_new: bool
    added: int
    changed: int
    kept: int
    notes: tuple[str, ...] = ()


def look_at(folder: Path) -> Source:
    """Hash a take. Raises DataError where it is not whole."""
    take = read_take(folder)
    if take.state == "recording":
        raise DataError(f"{folder}: the take was never completed", f"run `imusic recover {folder}`")
    told = hashlib.sha256(file_sha256(folder / TAKE_FILE).encode())
    if (folder / SYNC_FILE).is_file():
        told.update(file_sha256(folder / SYNC_FILE).encode())
    return Source(folder, take, file_sha256(folder / DATA_FILE), told.hexdigest())


def build(
    takes: Sequence[Path],
    out: Path,
    executor_for: Callable[[int], Executor],
    subjects: dict[str, Subject] | None = None,
    report: Callable[[float], None] = lambda _: None,
    today: dt.date | None = None,
) -> Built:
    """Bring takes into the data set `out`, as its next version.

    Sequences of the version before stay, takes that changed are built again, and what an edit
    removed stays away.

    Args:
        takes: folders of takes, or folders of such.
        executor_for: gives the executor for a number of tasks.
        subjects: what people agreed to, beside what their takes and the version before know.
        report: called with the share that is done.
        today: consent is judged by it; None is the day of the computer.

    Raises:
        DataError: a take is damaged or was never completed, or none may be used.
        ConfigError: takes do not fit together or to the data set, or `out` is something else.
        EnvironmentMissing: pyarrow is not installed.
    """
    arrow()  # complains before anything is made
    sources = [look_at(folder) for folder in find_takes(takes)]
    with next_version(out) as staging:
        before = staging.previous[1] if staging.previous else None
        people = _people(before, sources, subjects or {})
        sources, away = _agreed(sources, people, today or dt.date.today())
        sources, notes = _wanted(sources, before.left_out if before else ())
        notes = _left(sources or before, (*away, *notes))
        layout = _layout(sources, before)
        tasks = [_task(source, staging.path, layout) for source in sources]
        known = {shard.name: shard for shard in before.shards} if before else {}
        changed = {t.number for t in tasks if shard_name(t.number) in known}
        tasks = [t for t in tasks if not _is_known(t, known)]
        if before and staging.previous and not tasks and not _told_more(before, people):
            return Built(staging.previous[0], False, 0, 0, len(known), notes)
        made = [_told(staging, s, known.get(s.name)) for s in _run(tasks, executor_for, report)]
        kept = [s for s in known.values() if s.name not in {m.name for m in made}]
        for shard in kept:
            assert staging.previous
            staging.link(shard, staging.previous[0])
        if before and before.splits:
            notes = (*notes, "the splits of the version before do not hold any more: split again")
        manifest = _manifest(staging, before, layout, sorted([*kept, *made], key=_name), people)
        notes = (*notes, *doubts_of(read_facts(staging.path, manifest)))
        again = sum(t.number in changed for t in tasks)
        edit = Edit(verb="build", parent=manifest.parent, added=len(tasks) - again, changed=again)
        manifest = msgspec.structs.replace(
            manifest,
            layouts=(before.layouts if before else {})
            | {_layout_name(s.take.sensor_layout): s.take.layout for s in sources},
            data=_uses(manifest, before, sources),
            history=(*(before.history if before else ()), edit),
        )
        return Built(staging.commit(manifest), True, edit.added, again, len(kept), notes)


def _told(staging: Staging, shard: Shard, before: Shard | None) -> Shard:
    """A shard with what was said of its sequence before: its timeline begins where it began."""
    tracks = f"{TRACKS}/{shard.name}.parquet"
    if before is None or tracks not in before.files:
        return shard
    assert staging.previous
    target = staging.path / tracks
    target.parent.mkdir(exist_ok=True)
    target.unlink(missing_ok=True)
    link_or_copy(staging.previous[0] / tracks, target)
    return msgspec.structs.replace(shard, sha256=(*shard.sha256, before.files[tracks]))


def _name(shard: Shard) -> str:
    return shard.name


def _people(
    before: Manifest | None, sources: Sequence[Source], told: dict[str, Subject]
) -> dict[str, Subject]:
    """What is known of people's consent: by the set, then by their takes, then by what is told."""
    people = dict(before.subjects) if before else {}
    in_takes = ((s.take.subject, s.take.consent) for s in sources if s.take.consent != UNTOLD)
    for name, consent in (*in_takes, *told.items()):
        people[name] = newest(people.get(name, UNTOLD), consent)
    return people


def _agreed(
    sources: Sequence[Source], people: dict[str, Subject], today: dt.date
) -> tuple[list[Source], tuple[str, ...]]:
    """The takes without those of people who agree no more, and notes on these."""
    found, notes = [], []
    for source in sources:
        problem = consent_problem(people.get(source.take.subject), today)
        if source.take.simulated or problem is None or problem.rule == "consent_missing":
            found.append(source)
        else:
            notes.append(
                f"{source.folder}: left out, {problem.text}; sets that have it: "
                f"`imusic dataset forget SET {source.take.subject}`"
            )
    return found, tuple(notes)


def _left(found: object, notes: tuple[str, ...]) -> tuple[str, ...]:
    """The notes. Raises DataError where nothing was found but these."""
    if not found:
        raise DataError(f"no take is left to build: {'; '.join(notes)}")
    return notes


def _told_more(before: Manifest, subjects: dict[str, Subject]) -> bool:
    """Whether `subjects` says of somebody in the set what it did not know."""
    present = before.statistics["seconds_by_subject"]
    return {n: s for n, s in subjects.items() if n in present} != before.subjects


def _wanted(
    sources: Sequence[Source], left_out: Sequence[LeftOut]
) -> tuple[list[Source], tuple[str, ...]]:
    """The takes to build, and notes on copies and on what an edit removed.

    Raises:
        ConfigError: two different takes have one number, or two copies of one tell other facts.
    """
    away = {entry.data_sha256: entry.why for entry in left_out}
    found: dict[int, Source] = {}
    notes = []
    for source in sources:
        first = found.setdefault(source.number, source)
        if source.data_sha256 in away:
            notes.append(f"{source.folder}: left out, {away[source.data_sha256]}")
            del found[source.number]
        elif first is not source:
            if (first.data_sha256, first.facts_sha256) != (source.data_sha256, source.facts_sha256):
                raise ConfigError(
                    f"{source.folder} and {first.folder} hold the same recording and tell "
                    "different things of it",
                    "give only one of them",
                )
            notes.append(f"{source.folder}: a copy of {first.folder}, left out")
    return list(found.values()), tuple(notes)


def _layout(sources: Sequence[Source], before: Manifest | None) -> SensorLayout:
    """The slots of the data set: those of `face-12` where they suffice, else of all takes.

    Raises:
        ConfigError: the data set has other slots already, or the takes differ in their reference.
    """
    if before is not None:
        layout = layout_from_dict(before.layout)
        for source in sources:
            if more := set(source.take.sensor_layout.names) - set(layout.names):
                raise ConfigError(
                    f"{source.folder} has slots that the data set lacks: {', '.join(sorted(more))}",
                    "build a new data set from all takes",
                )
        return layout
    slots = {slot.name: slot for s in sources for slot in s.take.sensor_layout.slots}
    references = {source.take.sensor_layout.reference for source in sources}
    if slots.keys() <= set(FACE_12.names) and references <= {FACE_12.reference}:
        return FACE_12
    if len(references) > 1:
        raise ConfigError(
            f"the takes have different references: {', '.join(sorted(references))}",
            "build one data set for each",
        )
    return SensorLayout("union", tuple(slots.values()), references.pop())


def _layout_name(layout: SensorLayout) -> str:
    """A name that only layouts with the same slots and mountings share."""
    digest = hashlib.sha256(msgspec.json.encode(layout_to_dict(layout))).hexdigest()
    return f"{layout.name}-{digest[:8]}"


def _task(source: Source, out: Path, layout: SensorLayout) -> Task:
    parts = (BUILD, source.data_sha256, source.facts_sha256, layout.names)
    key = hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
    return Task(source.folder, out, layout, source.number, key, source.data_sha256)


def _is_known(task: Task, known: dict[str, Shard]) -> bool:
    shard = known.get(shard_name(task.number))
    return shard is not None and shard.key == task.key


def _run(
    tasks: Sequence[Task],
    executor_for: Callable[[int], Executor],
    report: Callable[[float], None],
) -> list[Shard]:
    """The shards of all tasks; those that a killed run finished are not made again."""
    done = [shard for task in tasks if (shard := _finished(task)) is not None]
    finished = {shard.key for shard in done}
    missing = [task for task in tasks if task.key not in finished]
    for _, shard in executor_for(len(missing)).run(build_one, missing):
        done.append(shard)
        report(len(done) / len(tasks))
    return done


def _note(task: Task) -> Path:
    return task.out / _NOTES / f"{task.key}.json"


def _finished(task: Task) -> Shard | None:
    path = _note(task)
    return msgspec.json.decode(path.read_bytes(), type=Shard) if path.is_file() else None


def build_one(task: Task) -> Shard:
    """Read, align and write one take, then the note that it is finished."""
    sequence = sequence_of(task.folder, task.layout, task.number, task.data_sha256)
    shard = write_sequence(task.out, sequence, task.key, task.data_sha256)
    _note(task).parent.mkdir(exist_ok=True)
    write_whole(_note(task), msgspec.json.encode(shard))
    return shard


def sequence_of(folder: Path, layout: SensorLayout, number: int, data_sha256: str) -> Stored:
    """A take as a sequence in the slots of `layout`; aligned by its `sync.json` where it has one.

    Raises:
        DataError: the take is damaged, or holds neither samples nor faces.
    """
    recording = read_recording(folder)
    aligned = (folder / SYNC_FILE).is_file()
    alignment = read_alignment(folder) if aligned else align(recording)
    slots = layout.names
    samples = samples_of(recording, alignment, slots) if len(recording) else no_samples(len(slots))
    faces = faces_of(recording, alignment) if len(recording.faces) else no_faces()
    rows = rows_at_60_hz(samples, faces)
    facts: dict[str, Any] = {"sequence": number, "data_sha256": data_sha256}
    facts |= told_by_take(recording, alignment)
    facts["layout"] = _layout_name(recording.take.sensor_layout)
    facts |= told_by_data(samples, faces, rows, slots, facts["segments"])
    return Stored(samples, faces, rows, facts)


def _manifest(
    staging: Staging,
    before: Manifest | None,
    layout: SensorLayout,
    shards: Sequence[Shard],
    people: dict[str, Subject],
) -> Manifest:
    plan = {"kind": "build", "build": BUILD}
    empty = Manifest(layout=layout_to_dict(layout), plan=plan, shards=())
    manifest = msgspec.structs.replace(before or empty, shards=tuple(shards), software=software())
    rows = read_facts(staging.path, manifest)
    present = {row["subject"] for row in rows}
    return msgspec.structs.replace(
        manifest,
        subjects={name: people[name] for name in sorted(people) if name in present},
        statistics=statistics(rows),
        simulated=any(row["simulated"] for row in rows),
        splits=(),
        parent=staging.parent,
    )


def _uses(
    manifest: Manifest, before: Manifest | None, sources: Sequence[Source]
) -> tuple[DataUse, ...]:
    """Which recordings are in it: of whom, the hash of their bytes, their licence."""
    people = {use.sha256: use.person for use in (before.data if before else ())}
    people |= {source.data_sha256: source.take.subject for source in sources}
    unknown = Subject()
    return tuple(
        DataUse(people[sha256], sha256, manifest.subjects.get(people[sha256], unknown).licence)
        for sha256 in sorted({shard.data_sha256 for shard in manifest.shards})
    )
