"""Verbs of `imusic dataset` that look into a data set or make its next version by an edit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from firmware_host.errors import ConfigError

if TYPE_CHECKING:
    from dataset_tools.manifest import Manifest
    from dataset_tools.sets.edits import Change, Edited, Facts

app = typer.Typer(rich_markup_mode=None)

Set = Annotated[Path, typer.Argument(metavar="SET", help="A data set, or one version of it.")]
Query = Annotated[
    str,
    typer.Argument(metavar="QUERY", help="Which sequences: docs/dataset.md, Choosing sequences."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Plan = Callable[["Manifest", "list[Facts]"], "Change"]


def tell_edit(edited: "Edited", as_json: bool) -> None:
    """An edit on stdout: what it changed, and the new version."""
    version = None if edited.version is None else str(edited.version)
    if as_json:
        typer.echo(json.dumps({"version": version, "changes": list(edited.lines)}))
        return
    for line in edited.lines:
        typer.echo(line)
    typer.echo(version or "nothing was changed")


def _edit(dataset: Path, plan: Plan, dry_run: bool, as_json: bool) -> None:
    from dataset_tools.sets.edits import edit

    tell_edit(edit(dataset, plan, dry_run), as_json)


def _chosen(query: str, facts: "list[Facts]") -> "list[Facts]":
    from dataset_tools.sets.queries import query_of

    holds = query_of(query)
    return [row for row in facts if holds(row)]


@app.command()
def drop(dataset: Set, query: Query, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Make a version without the sequences that meet a condition.

    Example: imusic dataset drop sets/faces 'sync == "bad" or loss > 5 %'
    """
    from dataset_tools.sets import edits

    _edit(dataset, lambda _, f: edits.drop(query, _chosen(query, f)), dry_run, as_json)


@app.command()
def keep(dataset: Set, query: Query, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Make a version with only those sequences that meet a condition.

    Example: imusic dataset keep sets/faces 'seconds > 30'
    """
    from dataset_tools.sets import edits

    _edit(dataset, lambda _, f: edits.keep(query, _chosen(query, f), f), dry_run, as_json)


@app.command()
def trim(
    dataset: Set,
    query: Query,
    start: Annotated[float | None, typer.Option(help="Keep from here, s of the take.")] = None,
    end: Annotated[float | None, typer.Option(help="Keep up to here, s of the take.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a version in which sequences begin later or end earlier.

    Example: imusic dataset trim sets/faces 'take == "take-007"' --end 93.5
    """
    from dataset_tools.sets import edits

    if start is None and end is None:
        raise ConfigError("trim: nothing to cut off", "give --start, --end or both")
    _edit(dataset, lambda _, f: edits.trim(query, _chosen(query, f), start, end), dry_run, as_json)


@app.command("split-take")
def split_take(
    dataset: Set,
    query: Query,
    at: Annotated[list[float], typer.Option(help="Where to cut, s of the take; repeatable.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a version in which sequences are cut into several.

    Example: imusic dataset split-take sets/faces 'take == "take-007"' --at 60 --at 120
    """
    from dataset_tools.sets import edits

    _edit(dataset, lambda _, f: edits.split_take(query, _chosen(query, f), at), dry_run, as_json)


@app.command()
def relabel(
    dataset: Set,
    query: Query,
    labels: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="The new labels.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a version in which sequences are labelled otherwise.

    Labels are subject, placement, language, script, emotion, licence and truth.

    Example: imusic dataset relabel sets/faces 'matches(take, "es-*")' language=spanish
    """
    from dataset_tools.sets import edits

    pairs = dict(label.partition("=")[::2] for label in labels)
    if bare := next((label for label in labels if "=" not in label), None):
        raise ConfigError(f"relabel: expected KEY=VALUE, got {bare!r}")
    _edit(dataset, lambda _, f: edits.relabel(query, _chosen(query, f), pairs), dry_run, as_json)


@app.command()
def resync(
    dataset: Set,
    query: Query,
    later_ms: Annotated[float, typer.Option(help="How much later faces come; below 0, earlier.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a version in which faces are aligned otherwise to what was felt.

    What `imusic align` finds anew is taken over by building again; this is for what you know.

    Example: imusic dataset resync sets/faces 'take == "take-007"' --later-ms -35
    """
    from dataset_tools.sets import edits

    _edit(
        dataset,
        lambda _, f: edits.resync(query, _chosen(query, f), later_ms / 1000),
        dry_run,
        as_json,
    )


@app.command("rename-subject")
def rename_subject(
    dataset: Set,
    old: Annotated[str, typer.Argument(help="How the subject is called now.")],
    new: Annotated[str, typer.Argument(help="The new name, of nobody else.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a version in which a subject has another name, in all facts and the history.

    Example: imusic dataset rename-subject sets/faces anna p07
    """
    from dataset_tools.sets.people import rename

    _edit(dataset, lambda m, f: rename(m, f, old, new), dry_run, as_json)


@app.command()
def forget(
    dataset: Set,
    subject: Annotated[str, typer.Argument(help="Who is to be forgotten.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it: versions with them are removed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove a subject from a data set and all its versions, and prove that nothing is left.

    Takes, copies elsewhere and sets made from this one are not touched: see to them too.

    Example: imusic dataset forget sets/faces anna --yes
    """
    from dataset_tools.sets.people import forget as forget_subject

    if not yes:
        raise ConfigError(
            f"forget removes {subject!r} from every version of {dataset}, for good",
            "add --yes to do it",
        )
    done = forget_subject(dataset, subject)
    facts = {
        "version": None if done.version is None else str(done.version),
        "sequences": done.sequences,
        "versions_removed": list(done.removed),
        "files_searched": done.searched,
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    typer.echo(
        f"{done.sequences} sequences gone, with {', '.join(done.removed) or 'no version'}; "
        f"{done.searched} files searched, no trace left"
    )


@app.command()
def prune(
    dataset: Set,
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest versions stay.")] = 1,
    as_json: Json = False,
) -> None:
    """Remove old versions.

    Example: imusic dataset prune sets/faces --keep 2
    """
    from dataset_tools.sets.people import prune as prune_versions

    gone = prune_versions(dataset, keep)
    typer.echo(json.dumps({"removed": gone}) if as_json else f"removed: {', '.join(gone) or '-'}")


@app.command()
def merge(
    dataset: Set,
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="Another data set.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a version with the sequences of another data set as well.

    Example: imusic dataset merge sets/faces sets/more-faces
    """
    from dataset_tools.sets import edits

    tell_edit(edits.merge(dataset, other, dry_run), as_json)


@app.command()
def split(
    dataset: Set,
    by: Annotated[
        Literal["subject", "placement"], typer.Option(help="What never lies in two parts.")
    ] = "subject",
    share: Annotated[
        list[str] | None, typer.Option(metavar="PART=SHARE", help="Repeatable; they add up to 1.")
    ] = None,
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="One fold for each subject, or placement.")
    ] = False,
    stratify: Annotated[
        list[str] | None, typer.Option(help="A fact to spread alike over parts; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same parts.")] = 0,
    name: Annotated[
        str, typer.Option(help="Of the split; one of that name is replaced.")
    ] = "default",
    as_json: Json = False,
) -> None:
    """Make a version with parts that share nobody, such as train, validation and test.

    Example: imusic dataset split sets/faces --share train=0.8 --share test=0.2 --seed 7
    """
    from dataset_tools.sets.splitting import split_set

    made = split_set(
        dataset,
        by=by,
        shares=_shares(share) if share else None,
        one_out=leave_one_out,
        stratify=stratify or (),
        seed=seed,
        name=name,
    )
    if as_json:
        typer.echo(json.dumps({"version": str(made.version), "parts": made.told()}))
        return
    for part, facts in made.told().items():
        groups = ", ".join(facts["groups"])
        typer.echo(f"{part}: {facts['sequences']} sequences, {facts['seconds']:.1f} s ({groups})")
    typer.echo(made.version)


def _shares(texts: list[str]) -> dict[str, float]:
    try:
        return {part: float(share) for part, _, share in (text.partition("=") for text in texts)}
    except ValueError as error:
        raise ConfigError(f"--share: expected PART=SHARE, got {texts}") from error


@app.command()
def release(
    dataset: Set,
    notes: Annotated[str, typer.Option(help="What its users should know.")] = "",
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Also where `check` finds failures.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Give the newest version a number, with its licence, consent and what changed since the last.

    It is checked first: exit code 1 where something fails.

    Example: imusic dataset release sets/faces --notes "ten more subjects"
    """
    import datetime as dt

    import msgspec

    from dataset_tools.executors import executor_of
    from dataset_tools.sets import releases
    from dataset_tools.sets.check import check

    today = dt.datetime.now(dt.UTC).date()
    if not unchecked:
        checked = check(dataset, lambda items: executor_of("auto", None, items), today)
        if not checked.is_good:
            fails = sorted({f.rule for f in checked.findings if f.severity == "fail"})
            typer.echo(f"imusic: {dataset} is not fit: {', '.join(fails)}", err=True)
            typer.echo("  hint: `imusic dataset check` says where and what to do", err=True)
            raise typer.Exit(1)
    made = releases.release(dataset, notes, today)
    if as_json:
        told = {"version": str(made.version), **msgspec.to_builtins(made.release)}
        typer.echo(json.dumps(told))
        return
    for line in releases.lines(made.release):
        typer.echo(line)
    typer.echo(made.version)


@app.command("releases")
def list_releases(dataset: Set, as_json: Json = False) -> None:
    """List the releases of a data set.

    Example: imusic dataset releases sets/faces
    """
    import msgspec

    from dataset_tools.manifest import read_manifest
    from dataset_tools.sets.releases import lines
    from dataset_tools.sets.versions import version_folder

    found = read_manifest(version_folder(dataset)).releases
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(found)))
        return
    for each in found:
        for line in lines(each):
            typer.echo(line)


@app.command()
def query(
    dataset: Set,
    condition: Query,
    stretches: Annotated[
        bool, typer.Option("--stretches", help="Tell the stretches of time in which it holds.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the sequences that meet a condition; or the answer to SQL, with DuckDB.

    SQL sees the tables sequences, rows, native and faces.

    Example: imusic dataset query sets/faces 'jawOpen > 0.8 and loss < 1 %'
    """
    from dataset_tools.sets.asking import find, find_stretches, is_sql, sql

    if is_sql(condition):
        found = sql(dataset, condition)
    else:
        found = find_stretches(dataset, condition) if stretches else find(dataset, condition)
    if as_json:
        typer.echo(json.dumps(found, default=str))
        return
    for row in found:
        typer.echo("  ".join(_cell(value) for value in row.values()))


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(metavar="A", help="A data set or version.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    as_json: Json = False,
) -> None:
    """Tell what differs between two versions, or two data sets. Exit code 1 where something does.

    Example: imusic dataset diff sets/faces/v1 sets/faces
    """
    from dataset_tools.sets.asking import compared, difference_lines

    found = compared(before, after)
    if as_json:
        told = {
            "added": [row["take"] for row in found.added],
            "removed": [row["take"] for row in found.removed],
            "changed": {f"{n:012x}": change for n, change in found.changed.items()},
            "data_changed": [f"{n:012x}" for n in found.data_changed],
            "about": list(found.about),
        }
        typer.echo(json.dumps(told, default=str))
    else:
        for line in difference_lines(found):
            typer.echo(line)
    if not found.is_empty:
        raise typer.Exit(1)
