"""`imusic dataset report`: a page about a data set, for whoever curates it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from dataset_tools.executors import Executor
from dataset_tools.manifest import Manifest, read_manifest
from dataset_tools.sets import pictures
from dataset_tools.sets.check import judge
from dataset_tools.sets.findings import Finding, Seen
from dataset_tools.sets.overview import Overview, overview
from dataset_tools.sets.summary import lines, summary
from dataset_tools.sets.tables import read_sequence, shard_name
from dataset_tools.sets.versions import version_folder
from firmware_host.errors import DataError
from firmware_host.layout import layout_from_dict
from viz.pages import Block, Heading, Paragraph, Picture, Table, check_page, write_page

if TYPE_CHECKING:
    from viz.scene import Renderer

Facts = dict[str, Any]

_WORST = 8
_FACE_PX = 240
_RAREST = 20


@dataclass(frozen=True, slots=True)
class _Task:
    folder: Path
    name: str
    layout: dict[str, Any]
    layouts: dict[str, dict[str, Any]]


def write_report(
    folder: Path,
    out: Path,
    executor_for: Callable[[int], Executor],
    report: Callable[[float], None] = lambda _: None,
) -> None:
    """Write the report of a data set's newest version, or of the version given.

    Raises:
        ConfigError: `out` exists, or is neither HTML nor Markdown.
        DataError: no data set of takes.
    """
    check_page(out)
    version = version_folder(folder)
    manifest = read_manifest(version)
    if not manifest.layouts:
        raise DataError(f"{version} is a synthetic data set", "report on sets of takes")
    tasks = [_Task(version, s.name, manifest.layout, manifest.layouts) for s in manifest.shards]
    looked: dict[int, tuple[Facts, tuple[Finding, ...], Overview]] = {}
    for index, result in executor_for(len(tasks)).run(_look, tasks):
        looked[index] = result
        report(len(looked) / len(tasks))
    results = [looked[index] for index in sorted(looked)]
    facts = [result[0] for result in results]
    findings = [finding for result in results for finding in result[1]]
    seen = [result[2] for result in results]
    from viz.offscreen import open_renderer

    renderer = open_renderer(_FACE_PX, 1, "software")
    try:
        write_page(blocks(version.name, manifest, facts, findings, seen, renderer), out)
    finally:
        renderer.close()


def _look(task: _Task) -> tuple[Facts, tuple[Finding, ...], Overview]:
    layout = layout_from_dict(task.layout)
    sequence = read_sequence(task.folder, task.name, len(layout.slots))
    seen = Seen(sequence, layout, layout_from_dict(task.layouts[sequence.facts["layout"]]))
    return sequence.facts, tuple(judge(seen)), overview(seen)


def blocks(
    name: str,
    manifest: Manifest,
    facts: Sequence[Facts],
    findings: Sequence[Finding],
    seen: Sequence[Overview],
    renderer: "Renderer",
) -> list[Block]:
    """The page, from what is known of every sequence."""
    found: list[Block] = [Heading(1, f"Data set, {name}")]
    found += [Paragraph(line) for line in lines(summary(manifest, facts))]
    if manifest.simulated:
        found.append(Paragraph("All or part of it is of simulated IMUs."))
    found += [Heading(2, "Who and what"), *_who(manifest)]
    found += [Heading(2, "How well it was recorded"), *_recorded(manifest, facts, seen)]
    found += [Heading(2, "What the faces do"), *_faces(seen)]
    found += [Heading(2, "Where to look first"), *_worst(facts, findings, seen, renderer)]
    found += [Heading(2, "History"), _history(manifest)]
    return found


def _who(manifest: Manifest) -> list[Block]:
    told = manifest.statistics
    return [
        Picture(f"hours-{key}", pictures.hours(f"hours by {key}", seconds), f"hours by {key}")
        for key in ("subject", "script", "language", "emotion")
        if set(seconds := told[f"seconds_by_{key}"]) - {""}
    ]


def _recorded(manifest: Manifest, facts: Sequence[Facts], seen: Sequence[Overview]) -> list[Block]:
    residuals = [1e3 * row["sync_residual_s"] for row in facts]
    verdicts = Counter(row["sync"] for row in facts)
    slots = layout_from_dict(manifest.layout).names
    found: list[Block] = [
        Paragraph("Timeline: " + ", ".join(f"{n} {verdict}" for verdict, n in verdicts.items())),
        Picture(
            "sync",
            pictures.histogram("how late messages were (p95)", residuals, "ms"),
            "residuals of the clocks",
        ),
    ]
    if any(row["samples"] for row in facts):
        heard = pictures.heard_over_time(facts, seen)
        found.append(Picture("heard", heard, "samples heard over time"))
    for number, image in enumerate(pictures.noise(seen, slots)):
        found.append(Picture(f"noise-{number}", image, "sensor noise at rest"))
    return found


def _faces(seen: Sequence[Overview]) -> list[Block]:
    if not any(view.rows for view in seen):
        return [Paragraph("There is no face in it.")]
    return [
        Picture("shapes", pictures.spread_of_shapes(seen), "median and 95 % of each weight"),
        Picture("spectrum", pictures.spectrum(seen), "spectrum of the weights"),
        Picture("together", pictures.together(seen), "shapes that are active together"),
        Paragraph(f"The rarest shapes and pairs of shapes that occur at all, of {_RAREST}:"),
        _rarest(seen),
    ]


def _rarest(seen: Sequence[Overview]) -> Table:
    """Shapes and pairs with the smallest share of the rows above nothing."""
    rows = max(sum(view.rows for view in seen), 1)
    share = np.triu(np.sum([view.together for view in seen], axis=0) / rows)
    order = np.argsort(np.where(share > 0, share, np.inf), axis=None)[:_RAREST]
    found = []
    for one, other in zip(*np.unravel_index(order, share.shape), strict=True):
        if share[one, other] > 0:
            pair = (
                ARKIT_NAMES[one]
                if one == other
                else f"{ARKIT_NAMES[one]} with {ARKIT_NAMES[other]}"
            )
            found.append((pair, f"{100 * share[one, other]:.3f} %"))
    never = [ARKIT_NAMES[i] for i in range(len(share)) if share[i, i] == 0]
    found += [(name, "never") for name in never]
    return Table(("shape", "of the rows"), tuple(found))


def _worst(
    facts: Sequence[Facts],
    findings: Sequence[Finding],
    seen: Sequence[Overview],
    renderer: "Renderer",
) -> list[Block]:
    """The sequences with most findings, what was found, and their faces."""
    from viz.scene import Panel

    weight = Counter[int]()
    for finding in findings:
        if finding.sequence is not None:
            weight[finding.sequence] += 10 if finding.severity == "fail" else 1
    if not weight:
        return [Paragraph("Nothing was found in any sequence (`imusic dataset check`).")]
    by_number = {row["sequence"]: (row, view) for row, view in zip(facts, seen, strict=True)}
    found: list[Block] = []
    for number, _ in weight.most_common(_WORST):
        row, view = by_number[number]
        theirs = [f for f in findings if f.sequence == number]
        found.append(Heading(3, f"{row['take']} ({shard_name(number)}, {row['seconds']:.1f} s)"))
        told = tuple((f"{f.severity} {f.rule}", f"{f.where}: {f.what}") for f in theirs[:12])
        found.append(Table(("rule", "where and what"), told))
        if view.face is not None:
            caption = f"{view.liveliest_s:.1f} s"
            image = renderer.draw([Panel(np.nan_to_num(view.face), caption=caption)])
            name = f"face-{shard_name(number)}"
            found.append(Picture(name, image, f"{row['take']} at {caption}, when it does most"))
    return found


def _history(manifest: Manifest) -> Table:
    rows = tuple(
        (
            step.verb,
            str(step.added),
            str(step.removed),
            str(step.changed),
            ", ".join(f"{key} {value}" for key, value in step.arguments.items())[:80],
        )
        for step in manifest.history
    )
    return Table(("edit", "added", "removed", "changed", "how"), rows)
