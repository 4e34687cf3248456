"""Verbs of a recorder that is controlled from elsewhere: serve, ctl."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from capture.options import seconds_option

if TYPE_CHECKING:
    from capture.wire_control import ControlReply

app = typer.Typer(rich_markup_mode=None)

REFUSED = 1


@app.command()
def serve(
    rig: Annotated[Path, typer.Option(help="The rig: devices, phone, slots, and [control].")],
    out: Annotated[Path, typer.Option(help="Folder of takes; each gets the next number.")],
    slate: Annotated[str, typer.Option(help="What takes are called at first.")] = "take",
    preroll: Annotated[
        float | None, seconds_option("How much from before each start to keep; 5 s.")
    ] = None,
    allow_missing: Annotated[
        list[str] | None, typer.Option(help="As of `imusic record`; may be repeated.")
    ] = None,
    control: Annotated[
        str, typer.Option(help="Where to be controlled, instead of control.address of the rig.")
    ] = "",
    console: Annotated[
        bool, typer.Option("--console", help="Show it in a browser, at --console-port.")
    ] = False,
    console_port: Annotated[int, typer.Option(min=1, max=65535, help="Of the page.")] = 8790,
) -> None:
    """Stay, and record take after take by the hand of `imusic ctl`. Ctrl-C and SIGTERM end it.

    What happens is told on stderr, for a journal too (docs/systemd/imusic.service).

    Example: imusic serve --rig rig.toml --out takes
    """
    import asyncio

    from capture.awake import kept_awake
    from capture.cli import check_missing
    from capture.control_socket import ControlSocket
    from capture.keys import guard_for
    from capture.outputs import require_writable_folder
    from capture.record_options import Control, RecordOptions
    from capture.record_verb import console_page, require_console, rig_notes
    from capture.serving import Server
    from capture.status_lines import notice_lines
    from firmware_host.rig import read_rig

    recorded = read_rig(rig)
    check_missing(allow_missing or (), recorded)
    require_writable_folder(out)
    address = control or recorded.control.address
    guard = guard_for((address,), recorded.control.key_file, recorded.control.allow, "control")
    port, hands = require_console(console_port) if console else None, Control()
    with console_page(recorded, hands, port, _say) as page:
        server = Server(
            recorded,
            out,
            RecordOptions(slate=slate, preroll_s=preroll),
            hands,
            _say,
            allow_missing=allow_missing or (),
            on_status=(lambda _: None) if page is None else page.status,
            on_notice=lambda notice: _say(*notice_lines(notice)),
            on_face=None if page is None else page.face,
            listeners=() if page is None else (page.event,),
        )
        with ControlSocket(hands, server.facts, address, guard) as socket, kept_awake(_say):
            _say(f"controlled at {socket.address}", *rig_notes(recorded))
            asyncio.run(server.run())
    _say(f"{server.takes} takes")


def _say(*lines: str) -> None:
    for line in lines:
        typer.echo(line if line.startswith(("imusic:", " ")) else f"imusic: {line}", err=True)


@app.command()
def ctl(
    verb: Annotated[
        str,
        typer.Argument(
            help="status, arm, start, stop, mark or slate; guided: again, skip; of live: rezero, "
            "undo or wearer."
        ),
    ],
    label: Annotated[str, typer.Argument(help="Of a mark, the new slate, or wearer.")] = "",
    address: Annotated[
        list[str] | None,
        typer.Option(help="Of the recorder, tcp://127.0.0.1:5573; of several, repeat it."),
    ] = None,
    server_key: Annotated[
        str, typer.Option(help="Public key of a recorder on another computer.")
    ] = "",
    key_file: Annotated[
        Path | None, typer.Option(help="Our own keys for it; see `imusic keys`.")
    ] = None,
    timeout: Annotated[float, seconds_option("How long to wait for an answer.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Ask a recorder that `imusic serve` runs, or tell it what to do; or several at once.

    Exit code 1 where one refuses, with the reason; 3 where one does not answer.

    Example: imusic ctl start
    """
    from concurrent.futures import ThreadPoolExecutor

    import msgspec

    from capture.control_socket import ask
    from capture.keys import ticket_of
    from capture.wire_control import CONTROL_VERBS, ControlRequest
    from firmware_host.errors import ConfigError
    from firmware_host.rig import USUAL_CONTROL

    if verb not in CONTROL_VERBS:
        raise ConfigError(f"ctl: expected {', '.join(CONTROL_VERBS)}, got {verb!r}")
    named = verb in ("slate", "wearer")
    if bool(label) != named and verb != "mark":
        what = "needs a name" if named else "takes no label"
        raise ConfigError(f"ctl {verb}: {what}")
    request = ControlRequest(verb=verb, label=label)
    ticket = ticket_of(server_key, key_file, "--server-key")
    asked = address or [USUAL_CONTROL]
    with ThreadPoolExecutor(len(asked)) as pool:  # all at once: takes of two rigs begin together
        replies = list(pool.map(lambda one: ask(one, request, timeout, ticket), asked))
    for one, reply in zip(asked, replies, strict=True):
        if as_json:
            typer.echo(msgspec.json.encode(reply).decode())
        else:
            _tell(reply, verb, one if len(asked) > 1 else "")
    if not all(reply.ok for reply in replies):
        raise typer.Exit(REFUSED)


def _tell(reply: "ControlReply", verb: str, who: str) -> None:
    if not reply.ok:
        typer.echo(f"imusic: {who + ': ' if who else ''}{reply.error}", err=True)
        if reply.hint:
            typer.echo(f"  hint: {reply.hint}", err=True)
    elif verb == "status":
        if who:
            typer.echo(f"{who}:")
        for line in status_text(reply.status):
            typer.echo(line)


def status_text(status: "dict[str, object]") -> list[str]:
    """A status for people: what is known of it, a line each."""
    shown = ("rig", "state", "slate", "elapsed_s", "faces", "bytes_on_disk", "left_s", "marks")
    lines = [f"{key}: {status[key]}" for key in shown if status.get(key) is not None]
    devices = cast("list[dict[str, object]]", status.get("devices") or [])
    for device in devices:
        lines.append(
            f"  {device['name']}: {device['state']}, {device['samples']} samples, "
            f"{device['lost']} lost"
        )
    for key in ("missing", "problems", "warnings"):
        if said := cast("list[str]", status.get(key) or []):
            lines.append(f"{key}: {'; '.join(said)}")
    past = ("takes", "last_take", "last_end", "last_error")
    return lines + [f"{key}: {status[key]}" for key in past if status.get(key)]
