"""`imusic dataset check`: every rule on every sequence, then those on the set as a whole.

Files are compared with their hashes first: what is damaged is told, and not judged further.
"""

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capture.provenance import file_sha256
from dataset_tools.executors import Executor
from dataset_tools.manifest import Manifest, Shard, read_manifest
from dataset_tools.sets.face_rules import FACE_RULES, out_of_range
from dataset_tools.sets.fact_rules import FACT_RULES, labels, labels_that_lie
from dataset_tools.sets.findings import Finding, Rule, Seen
from dataset_tools.sets.fingerprints import Fingerprint, fingerprint, same_minutes
from dataset_tools.sets.sensor_rules import SENSOR_RULES
from dataset_tools.sets.set_rules import consent, copies, leakage, licences, outliers, truths
from dataset_tools.sets.synthetic import is_synthetic, sequences_of
from dataset_tools.sets.tables import read_sequence
from dataset_tools.sets.versions import version_folder
from firmware_host.errors import ConfigError
from firmware_host.layout import layout_from_dict, select

RULES: tuple[Rule, ...] = (*SENSOR_RULES, *FACE_RULES, *FACT_RULES)
# Virtual faces repeat and hold still as whoever made them wanted; nobody is named.
VIRTUAL_RULES: tuple[Rule, ...] = (*SENSOR_RULES, out_of_range, labels, labels_that_lie)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. version: the folder that was checked."""

    version: Path
    sequences: int
    seconds: float
    findings: tuple[Finding, ...]

    @property
    def is_good(self) -> bool:
        """Whether nothing fails; there may be warnings."""
        return not any(finding.severity == "fail" for finding in self.findings)


@dataclass(frozen=True, slots=True)
class _Task:
    folder: Path
    shard: Shard
    layout: dict[str, Any]
    layouts: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Judged:
    facts: tuple[dict[str, Any], ...]
    findings: tuple[Finding, ...]
    prints: dict[int, Fingerprint]


def check(
    folder: Path,
    executor_for: Callable[[int], Executor],
    today: dt.date,
    errors: Mapping[str, float] | None = None,
    report: Callable[[float], None] = lambda _: None,
) -> Checked:
    """Check the newest version of a data set, or the version given.

    Args:
        today: consent is judged by it.
        errors: take → error of a model, for outliers.
        report: called with the share that is done.

    Raises:
        DataError: no data set.
    """
    version = version_folder(folder)
    manifest = read_manifest(version)
    worn = manifest.layouts
    judge_shard = _judge_virtual if is_synthetic(manifest) else _judge
    tasks = [_Task(version, s, manifest.layout, worn) for s in manifest.shards]
    judged: dict[int, _Judged] = {}
    for index, result in executor_for(len(tasks)).run(judge_shard, tasks):
        judged[index] = result
        report(len(judged) / len(tasks))
    results = [judged[index] for index in sorted(judged)]
    facts = [row for result in results for row in result.facts]
    prints = {number: each for result in results for number, each in result.prints.items()}
    findings = [finding for result in results for finding in result.findings]
    findings += as_a_whole(manifest, facts, prints, today, errors or {})
    count = sum(shard.sequences for shard in manifest.shards)
    return Checked(version, count, manifest.seconds, tuple(findings))


def as_a_whole(
    manifest: Manifest,
    facts: Sequence[dict[str, Any]],
    prints: Mapping[int, Fingerprint],
    today: dt.date,
    errors: Mapping[str, float],
) -> Iterator[Finding]:
    """What the rules on the set as a whole find."""
    pairs = same_minutes(prints)
    yield from consent(manifest, facts, today)
    yield from licences(manifest, facts)
    yield from truths(manifest, facts)
    yield from copies(facts, pairs)
    yield from leakage(manifest, facts, pairs)
    yield from outliers(facts, errors)


def judge(seen: Seen) -> Iterator[Finding]:
    """What the rules on one sequence find."""
    for rule in RULES:
        yield from rule(seen)


def _judge(task: _Task) -> _Judged:
    damaged = tuple(_damage(task))
    if damaged:
        return _Judged((), damaged, {})
    layout = layout_from_dict(task.layout)
    sequence = read_sequence(task.folder, task.shard.name, len(layout.slots))
    worn = layout_from_dict(task.layouts[sequence.facts["layout"]])
    findings = tuple(judge(Seen(sequence, layout, worn)))
    return _Judged((sequence.facts,), findings, {sequence.number: fingerprint(sequence.rows)})


def _judge_virtual(task: _Task) -> _Judged:
    """All sequences of a shard of `imusic synth`.

    Several may perform the same minutes by design, and nobody has to agree to anything, so the set
    as a whole has nothing to compare.
    """
    damaged = tuple(_damage(task))
    if damaged:
        return _Judged((), damaged, {})
    layout = layout_from_dict(task.layout)
    found: list[Finding] = []
    for sequence in sequences_of(task.folder, task.shard.name, layout.names, statistics=False):
        away = sequence.facts["missing"].split()  # the set tells which sensors a wearer lacks
        worn = select(layout, tuple(name for name in layout.names if name not in away))
        seen = Seen(sequence, layout, worn)
        found += [f for rule in VIRTUAL_RULES for f in rule(seen) if f.rule != "missing_slot"]
    return _Judged((), tuple(found), {})


def _damage(task: _Task) -> Iterator[Finding]:
    for name, digest in task.shard.files.items():
        path = task.folder / name
        what = None
        if not path.is_file():
            what = "the file is gone"
        elif file_sha256(path) != digest:
            what = "its bytes are not those that were written"
        if what is not None:
            remedy = "build the set again from its takes; versions are not to be edited"
            yield Finding("file", "fail", name, what, remedy, int(task.shard.name, 16))


def read_errors(path: Path) -> dict[str, float]:
    """take → error, as `imusic evaluate --json` wrote it, or as {"take": error}.

    Raises:
        ConfigError: not readable, or nothing in it is such a table.
    """
    try:
        told = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read it: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: expected JSON: {error}") from error
    found = dict(_errors_in(told)) if isinstance(told, dict) else {}
    if not found:
        raise ConfigError(
            f"{path}: no errors of takes in it", "give what `imusic evaluate TAKES --json` wrote"
        )
    return found


def _errors_in(told: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for take, row in told.items():
        error = row.get("mae", {}).get("model") if isinstance(row, dict) else row
        if take != "over_takes" and isinstance(error, int | float):
            yield Path(take).name, float(error)
