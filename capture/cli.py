"""Verbs about takes: record, recover, import, info, list."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from capture.options import seconds_option

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from capture.record_status import RecordResult
    from capture.together import Performer
    from firmware_host.rig import Rig

app = typer.Typer(help="Record takes, and look after them.")
import_app = typer.Typer(help="Make takes from recordings made elsewhere.", no_args_is_help=True)
app.add_typer(import_app, name="import")


LOST = 3
INTERRUPTED = 130

TakeArgument = Annotated[Path, typer.Argument(metavar="TAKE", help="Folder of the take.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]


@app.command()
def record(
    rig: Annotated[
        list[Path], typer.Option(help="The rig, as TOML; one for each performer, begun together.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of takes; the new one gets the next number.")],
    seconds: Annotated[float | None, seconds_option("How long; without it, until Ctrl-C.")] = None,
    allow_missing: Annotated[
        list[str] | None,
        typer.Option(help="hub (or another device), phone, or a slot; may be repeated."),
    ] = None,
    start_timeout: Annotated[
        float, seconds_option("How long to wait for every source, in seconds.")
    ] = 10.0,
    slate: Annotated[str, typer.Option(help="What takes are called, each with a number.")] = "take",
    arm: Annotated[bool, typer.Option("--arm", help="Begin at the space bar.")] = False,
    preroll: Annotated[
        float | None, seconds_option("How much from before the start to keep; armed: 5 s.")
    ] = None,
    phone_records: Annotated[
        bool, typer.Option("--phone-records", help="Let Live Link Face record too.")
    ] = False,
    console: Annotated[
        bool, typer.Option("--console", help="Show it in a browser, at --console-port.")
    ] = False,
    console_port: Annotated[int, typer.Option(min=1, max=65535, help="Of the page.")] = 8790,
) -> None:
    """Record every source of a rig into a new take. Ctrl-C is the normal end.

    A device that is lost is looked for while the others go on, and the take tells when it was away.
    Keys: m a marker, 1 to 9 one with that label, g good, n no good, q the end; a program writes
    lines instead (mark LABEL, good, ng, start, stop).

    Example: imusic record --rig rig.toml --out takes --seconds 60
    """
    from capture.outputs import require_writable_folder
    from capture.record_options import RecordOptions
    from capture.record_verb import (
        record_on_terminal,
        together_on_terminal,
        with_phone_recording,
    )
    from firmware_host.rig import read_rig

    options = RecordOptions(slate=slate, armed=arm, preroll_s=preroll)
    rigs = [read_rig(path) for path in rig]
    rigs = [with_phone_recording(one) if phone_records else one for one in rigs]
    check_missing(allow_missing or (), *rigs)
    require_writable_folder(out)
    port = _page(console_port, len(rigs)) if console else None
    asked = out, seconds, allow_missing or (), start_timeout, options
    if len(rigs) > 1:
        _tell_all(together_on_terminal(rigs, *asked))
        return
    result = record_on_terminal(rigs[0], *asked, port)
    if result is None:
        raise typer.Exit(INTERRUPTED)
    _tell_result(result)


def _page(port: int, rigs: int) -> int:
    """The port of the page. Raises ConfigError, EnvironmentMissing where there can be none."""
    from capture.record_verb import require_console
    from firmware_host.errors import ConfigError

    if rigs > 1:
        raise ConfigError("--console shows one rig", "let each have its own `imusic serve`")
    return require_console(port)


def _tell_all(performers: "Sequence[Performer]") -> None:
    """How it went with each. Raises typer.Exit where one was lost, or none was recorded."""
    lost = False
    for one in performers:
        if one.error is not None:
            typer.echo(f"imusic: {one.name}: {one.error}", err=True)
            if one.error.hint:
                typer.echo(f"  hint: {one.error.hint}", err=True)
            lost = True
        if one.result is not None:
            try:
                _tell_result(one.result)
            except typer.Exit:
                lost = True
    if lost:
        raise typer.Exit(LOST)
    if all(one.result is None for one in performers):
        raise typer.Exit(INTERRUPTED)


def _tell_result(result: "RecordResult") -> None:
    """How a recording went. Raises typer.Exit where something was lost for good."""
    from capture.slips import slip_lines

    counts = result.take.counts
    trouble = [f"{counts[key]} {what}" for key, what in _TROUBLES.items() if counts.get(key)]
    typer.echo(
        f"{result.folder}: {counts.get('samples', 0)} samples, {counts.get('samples_lost', 0)} "
        f"lost, {counts.get('faces', 0)} faces{''.join(f', {told}' for told in trouble)}; "
        f"ended: {result.reason}"
    )
    for line in slip_lines(result.folder):
        typer.echo(f"imusic: {line}", err=True)
    if result.lost:
        why = "disk is nearly full" if result.lost == "disk" else f"{result.lost} was lost"
        typer.echo(f"imusic: the {why}; the take is complete until then", err=True)
        raise typer.Exit(LOST)


def check_missing(names: "Collection[str]", *rigs: "Rig") -> None:
    """Refuse what can never be missing, such as a typo. Raises ConfigError naming what can."""
    from capture.together import names_in
    from firmware_host.errors import ConfigError

    known = dict.fromkeys(name for rig in rigs for name in names_in(rig))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            f"--allow-missing: {unknown[0]!r} is nothing that this rig has",
            f"expected one of: {', '.join(known)}",
        )


# Counts of a take that are told at its end where there are any.
_TROUBLES = {
    "links_down": "links lost",
    "refusals": "devices refused",
    "garbage_bytes": "bytes of garbage",
    "troubles": "other troubles (see `health` of the take)",
}


@app.command()
def recover(take: TakeArgument, as_json: JsonOption = False) -> None:
    """Save what a cut-off or damaged take still holds.

    Exit code 0: the take is whole. 3: something was lost. 1: nothing could be saved. The file as it
    was found stays beside the new one.

    Example: imusic recover takes/take-001
    """
    import dataclasses

    from capture.recover import recover as recover_take

    report = recover_take(take)
    if as_json:
        typer.echo(_json(dataclasses.asdict(report) | {"outcome": report.outcome.name}))
    else:
        typer.echo(report.message)
    raise typer.Exit(int(report.outcome))


@import_app.command()
def samples(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.npz|FILE.csv", help="Samples, maybe weights.")
    ],
    out: Annotated[Path, typer.Option(help="Folder that becomes the take.")],
) -> None:
    """Make a take of IMU samples in an NPZ or CSV file (keys in docs/take-format.md).

    Example: imusic import samples face.npz --out takes/face
    """
    from capture.importers import import_samples

    _tell(import_samples(file, out), out)


@import_app.command()
def livelink(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.csv|DIR", help="A Live Link Face CSV, or a take's folder."),
    ],
    out: Annotated[Path, typer.Option(help="Folder that becomes the take.")],
    truth: Annotated[
        Literal["cal", "raw", "plain"] | None,
        typer.Option(help="Of a folder: with or without the neutral face taken off. Default: cal."),
    ] = None,
    swap_sideways: Annotated[
        bool | None,
        typer.Option(
            "--swap-sideways/--keep-sideways",
            help="Exchange jaw and mouth sideways; by default where the header is PascalCase.",
        ),
    ] = None,
) -> None:
    """Make a take of the faces that Live Link Face recorded on the phone, without samples.

    Example: imusic import livelink MySlate_1_iPhone.csv --out takes/slate-1
    """
    from capture.livelink_import import import_livelink

    _tell(import_livelink(file, out, truth, swap_sideways), out)


@import_app.command()
def beat(
    file: Annotated[Path, typer.Argument(metavar="FILE.json", help="Faces as BEAT has them.")],
    out: Annotated[Path, typer.Option(help="Folder that becomes the take.")],
) -> None:
    """Make a take of faces in JSON: names of shapes, and frames of time and weights.

    Example: imusic import beat 1_wayne_0_1_1.json --out takes/wayne-1
    """
    from capture.beat import import_beat

    _tell(import_beat(file, out), out)


@import_app.command()
def archive(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip|.tar.*", help="From anybody.")],
    out: Annotated[Path, typer.Option(help="Folder for its files, new.")],
) -> None:
    """Unpack an archive without harm: regular files only, nothing outside the folder, no bombs.

    Example: imusic import archive takes.zip --out received
    """
    from capture.archives import unpack
    from capture.take import TAKE_FILE

    files = unpack(file, out)
    takes = sum(path.name == TAKE_FILE for path in files)
    typer.echo(f"{out}: {len(files)} files, {takes} takes")


def _json(value: Any) -> str:
    """One line; what is not a number becomes null, and what JSON does not know becomes text."""
    import msgspec

    return msgspec.json.encode(value, enc_hook=str).decode()


def _tell(take: Any, folder: Path) -> None:
    counts = take.counts
    typer.echo(f"{folder}: {counts.get('samples', 0)} samples, {counts.get('faces', 0)} faces")
    for note in take.origin.get("notes", ()):
        typer.echo(f"imusic: note: {note}", err=True)


@app.command()
def info(take: TakeArgument, as_json: JsonOption = False) -> None:
    """Tell what is in a take.

    Example: imusic info takes/take-001 --json
    """
    facts = take_facts(take)
    if as_json:
        typer.echo(_json(facts))
        return
    for key, value in facts.items():
        shown = _json(value) if isinstance(value, dict | list) else value
        typer.echo(f"{key}: {shown}")


@app.command("list")
def list_takes(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of takes.")],
    as_json: JsonOption = False,
) -> None:
    """List the takes in a folder.

    Exit code 1 where one of them cannot be read; it is listed with what is wrong.

    Example: imusic list takes --json
    """
    from capture.take import TAKE_FILE
    from firmware_host.errors import DataError

    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder")
    found = [_facts_or_error(path.parent) for path in sorted(folder.glob(f"*/{TAKE_FILE}"))]
    if as_json:
        typer.echo(_json(found))
    else:
        for facts in found:
            typer.echo(_row(facts))
    if any("error" in facts for facts in found):
        raise typer.Exit(1)


def _facts_or_error(folder: Path) -> dict[str, Any]:
    from firmware_host.errors import ImusicError

    try:
        return take_facts(folder)
    except ImusicError as error:
        return {"folder": str(folder), "error": str(error)}


def _row(facts: dict[str, Any]) -> str:
    """A take for people, in one line."""
    if "error" in facts:
        return f"{facts['folder']}  broken  {facts['error']}"
    counts = facts["counts"]
    return (
        f"{facts['folder']}  {facts['state']}  {facts['created_utc']}  "
        f"{counts.get('samples', 0)} samples  {counts.get('faces', 0)} faces  "
        f"{facts['bytes'] / 1e6:.1f} MB  {facts['data']}  {facts['rating']}"
    ).rstrip() + _sync_mark(facts["sync"])


def _verdict_in(folder: Path) -> str:
    from capture.sync import read_alignment
    from firmware_host.errors import DataError

    try:
        return read_alignment(folder).verdict
    except DataError:  # the take itself is whole: aligning it again is all that is needed
        return "unreadable"


def _sync_mark(verdict: str) -> str:
    return f"  SYNC {verdict.upper()}" if verdict not in ("", "good") else ""


def take_facts(folder: Path) -> dict[str, Any]:
    """What `take.toml` says, how large the data is and whether it was cut off."""
    import msgspec

    from capture.recover import data_state
    from capture.take import DATA_FILE, SYNC_FILE, read_take

    take = read_take(folder)
    data = folder / DATA_FILE
    facts: dict[str, Any] = msgspec.to_builtins(take)
    facts["slots"] = list(take.sensor_layout.names)
    del facts["layout"]
    size = data.stat().st_size if data.is_file() else 0
    aligned = (folder / SYNC_FILE).is_file()
    sync = _verdict_in(folder) if aligned else ""
    found = {"folder": str(folder), "data": data_state(folder), "bytes": size}
    return found | {"aligned": aligned, "sync": sync} | facts
