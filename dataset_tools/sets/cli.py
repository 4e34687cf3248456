"""Verbs of `imusic dataset`."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dataset_tools.executors import Executor, Kind, executor_of
from dataset_tools.sets.edit_cli import app as edit_app
from dataset_tools.sets.track_cli import app as tracks_app
from firmware_host.errors import ConfigError

if TYPE_CHECKING:
    from dataset_tools.sets.check import Checked

app = typer.Typer(rich_markup_mode=None)
dataset_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(dataset_app, name="dataset", help="Build, check, split and curate data sets.")
dataset_app.add_typer(edit_app)
dataset_app.add_typer(
    tracks_app,
    name="tracks",
    help="What raters said over time, and how far they agree.\n\n"
    "Example: imusic dataset tracks list sets/faces",
)

Set = Annotated[Path, typer.Argument(metavar="SET", help="A data set, or one version of it.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
ExecutorOption = Annotated[Kind, typer.Option(help="Where the work runs.")]
Workers = Annotated[int | None, typer.Option(help="Processes; default: one per core.", min=1)]


def executors(kind: Kind, workers: int | None) -> Callable[[int], Executor]:
    """What gives the executor for a number of items."""
    return lambda items: executor_of(kind, workers, items)


@contextmanager
def bar(label: str) -> Iterator[Callable[[float], None]]:
    """A progress bar on stderr: call it with the share that is done."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=1.0)
        yield lambda share: progress.update(task, completed=share)


def tell(facts: dict[str, Any], line: str, as_json: bool, notes: tuple[str, ...] = ()) -> None:
    """A result on stdout, notes on stderr."""
    typer.echo(json.dumps(facts) if as_json else line)
    for note in notes:
        typer.echo(f"imusic: note: {note}", err=True)


@dataset_app.command()
def build(
    takes: Annotated[list[Path], typer.Argument(metavar="TAKES...", help="Takes, or folders of.")],
    out: Annotated[Path, typer.Option(help="The data set: new, or one to add to.")],
    subjects: Annotated[
        Path | None, typer.Option(help="What people agreed to, a subjects.toml.")
    ] = None,
    executor: ExecutorOption = "auto",
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Turn takes into the next version of a data set; only new and changed ones are built.

    Example: imusic dataset build takes --out sets/faces
    """
    from capture.consent import read_subjects
    from dataset_tools.sets.build import build as build_set

    people = read_subjects(subjects) if subjects else None
    with bar("takes") as report:
        built = build_set(takes, out, executors(executor, workers), people, report)
    facts = {
        "version": str(built.version),
        "is_new": built.is_new,
        "added": built.added,
        "changed": built.changed,
        "kept": built.kept,
        "notes": list(built.notes),
    }
    counts = f"{built.added} added, {built.changed} changed, {built.kept} kept"
    tell(facts, f"{built.version}: {counts}", as_json, () if as_json else built.notes)


@dataset_app.command()
def check(
    dataset: Set,
    errors: Annotated[
        Path | None, typer.Option(help="What `imusic evaluate TAKES --json` wrote: find outliers.")
    ] = None,
    today: Annotated[
        str | None, typer.Option(help="Judge consent as of this day (YYYY-MM-DD).")
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Put right what is safe, as a new version.")
    ] = False,
    executor: ExecutorOption = "auto",
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Look for what makes a data set unfit: bad sync, gaps, swaps, wrong units, copies, leaks.

    Exit code 1 where something fails. Nothing is changed but with --fix: that cuts labels to the
    take, takes identifiers out of notes and markers, and removes splits that leak.

    Example: imusic dataset check sets/faces
    """
    from dataset_tools.sets.check import check as check_set
    from dataset_tools.sets.check import read_errors

    known = read_errors(errors) if errors else None
    with bar("sequences") as report:
        checked = check_set(dataset, executors(executor, workers), _day(today), known, report)
    fixed = None
    if fix and checked.findings:
        from dataset_tools.sets.edits import edit
        from dataset_tools.sets.fixes import fixes

        fixed = edit(dataset, lambda _, facts: fixes(facts, checked.findings))
        if fixed.version is not None:
            checked = check_set(dataset, executors(executor, workers), _day(today), known)
    if as_json:
        told = {"fixed": list(fixed.lines)} if fixed else {}
        typer.echo(json.dumps(_checked(checked) | told))
    else:
        for line in fixed.lines if fixed else ():
            typer.echo(f"fixed  {line}")
        for line in _lines(checked):
            typer.echo(line)
    if not checked.is_good:
        raise typer.Exit(1)


def _day(text: str | None) -> dt.date:
    try:
        return dt.datetime.now(dt.UTC).date() if text is None else dt.date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--today {text}: expected YYYY-MM-DD") from error


def _checked(checked: "Checked") -> dict[str, Any]:
    return {
        "version": str(checked.version),
        "sequences": checked.sequences,
        "hours": round(checked.seconds / 3600, 4),
        "is_good": checked.is_good,
        "findings": [asdict(finding) for finding in checked.findings],
    }


def _lines(checked: "Checked") -> Iterator[str]:
    for finding in sorted(checked.findings, key=lambda f: (f.severity, f.rule)):
        yield f"{finding.severity}  {finding.rule}  {finding.where}: {finding.what}"
        yield f"      {finding.remedy}"
    fails = sum(finding.severity == "fail" for finding in checked.findings)
    yield (
        f"{checked.version}: {checked.sequences} sequences, {checked.seconds / 3600:.2f} h, "
        f"{fails} failures, {len(checked.findings) - fails} warnings"
    )


@dataset_app.command()
def summary(
    dataset: Set,
    executor: ExecutorOption = "auto",
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Tell what is in a data set: hours, people, rates, losses, what is rare.

    Of a set of virtual wearers all rows are read, on all cores.

    Example: imusic dataset summary sets/faces
    """
    import msgspec

    from dataset_tools.manifest import read_manifest
    from dataset_tools.sets.summary import lines
    from dataset_tools.sets.summary import summary as summary_of
    from dataset_tools.sets.synthetic import is_synthetic, read_synthetic_facts
    from dataset_tools.sets.versions import version_folder
    from dataset_tools.shards import read_facts

    version = version_folder(dataset)
    manifest = read_manifest(version)
    if is_synthetic(manifest):
        with bar("shards") as report:
            ways = executors(executor, workers)
            statistics, facts = read_synthetic_facts(version, manifest, ways, report)
        manifest = msgspec.structs.replace(manifest, statistics=statistics)
    else:
        facts = read_facts(version, manifest)
    told = summary_of(manifest, facts)
    if as_json:
        typer.echo(json.dumps({"version": str(version), **told}))
        return
    typer.echo(version)
    for line in lines(told):
        typer.echo(line)


@dataset_app.command()
def report(
    dataset: Set,
    out: Annotated[Path, typer.Option(help="FILE.html, or FILE.md and its pictures; new.")],
    executor: ExecutorOption = "auto",
    workers: Workers = None,
) -> None:
    """Write a page about a data set: people, timeline, losses, faces, and where to look first.

    Example: imusic dataset report sets/faces --out faces.html
    """
    from dataset_tools.sets.report import write_report

    with bar("sequences") as done:
        write_report(dataset, out, executors(executor, workers), done)
    typer.echo(out)


@dataset_app.command()
def export(
    dataset: Set,
    out: Annotated[Path, typer.Option(help="Folder for the files, new.")],
    kind: Annotated[
        Literal["npz", "livelink", "gltf", "webdataset", "lerobot", "huggingface"],
        typer.Option("--format", help="Of which kind."),
    ],
    everything: Annotated[
        bool,
        typer.Option("--all", help='Also what nobody agreed to have published ("publication").'),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a data set in another format, such as a Hugging Face repository.

    Example: imusic dataset export sets/faces --format huggingface --out hub/faces
    """
    from dataset_tools.sets.exports import export as export_set

    with bar("sequences") as done:
        exported = export_set(dataset, out, kind, everything, done)
    notes = tuple(f"{take}: left out" for take in exported.left_out)
    facts = {"out": str(out), "sequences": exported.sequences, "left_out": list(exported.left_out)}
    notes = exported.doubtful if as_json else (*notes, *exported.doubtful)
    tell(facts, f"{out}: {exported.sequences} sequences", as_json, notes)


@dataset_app.command()
def describe(
    dataset: Set,
    out: Annotated[Path, typer.Option(help="FILE.jsonl, new.")],
    seconds: Annotated[
        float, typer.Option(min=0.5, help="Length of pieces between segments, about.")
    ] = 4.0,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what nobody agreed to have published.")
    ] = False,
    rephrase: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A server with OpenAI's chat protocol, up to /v1."),
    ] = None,
    model: Annotated[str, typer.Option(help="What the server calls its model.")] = "",
    key_file: Annotated[Path | None, typer.Option(help="Holds the server's key.")] = None,
    as_json: Json = False,
) -> None:
    """Describe faces in three parts, as JSONL for training language models, every sentence by rule.

    Example: imusic dataset describe sets/faces --out faces.jsonl
    """
    from dataset_tools.annotations.rephrasing import Endpoint, read_key
    from dataset_tools.sets.instructions import describe_set

    endpoint = None if rephrase is None else Endpoint(rephrase, model, read_key(key_file))
    with bar("sequences") as done:
        made = describe_set(dataset, out, seconds, everything, endpoint, done)
    facts = {"out": str(out), **asdict(made), "left_out": list(made.left_out)}
    notes = tuple(f"{take}: left out" for take in made.left_out)
    if made.kept:
        notes += (f"{made.kept} rephrasings said something else: ours stand",)
    line = f"{out}: {made.lines} descriptions of {made.sequences} sequences"
    tell(facts, line, as_json, () if as_json else notes)


Place = Annotated[
    str, typer.Argument(metavar="URL", help="Such as s3://bucket/faces, or a folder.")
]


@dataset_app.command()
def push(dataset: Set, url: Place, as_json: Json = False) -> None:
    """Put the versions of a data set elsewhere: a folder, S3, or whatever fsspec reaches.

    Example: imusic dataset push sets/faces s3://bucket/faces
    """
    from dataset_tools.sets.remote import push as push_set

    with bar("versions") as done:
        moved = push_set(dataset, url, done)
    facts = {"url": url, **asdict(moved)}
    tell(
        facts, f"{url}: {', '.join(moved.versions) or 'nothing new'}, {moved.files} files", as_json
    )


@dataset_app.command()
def pull(
    url: Place,
    dataset: Annotated[Path, typer.Argument(metavar="SET", help="Folder of the data set.")],
    as_json: Json = False,
) -> None:
    """Bring the newest version of a data set from elsewhere, every file compared with its hash.

    Example: imusic dataset pull s3://bucket/faces sets/faces
    """
    from dataset_tools.sets.remote import pull as pull_set

    with bar("files") as done:
        moved = pull_set(url, dataset, done)
    facts = {"url": url, **asdict(moved)}
    tell(facts, f"{dataset}: {', '.join(moved.versions) or 'nothing new'}, {moved.files} files",
         as_json)  # fmt: skip
