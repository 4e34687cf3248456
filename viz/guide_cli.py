"""Guided takes: the verb `guide`, and what `imusic enrol` shares with it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capture.options import seconds_option
from firmware_host.errors import EnvironmentMissing

if TYPE_CHECKING:
    from collections.abc import Collection

    from capture.guided import Script
    from firmware_host.rig import Rig
    from viz.prompter import PrompterWindow

app = typer.Typer()
FOUND_PROBLEMS, LOST, INTERRUPTED = 1, 3, 130

RigOption = Annotated[Path, typer.Option(help="The rig: devices, phone and slots, as TOML.")]
OutOption = Annotated[Path, typer.Option(help="Folder of takes; the new one gets the next number.")]
WindowOption = Annotated[
    bool | None,
    typer.Option("--window/--no-window", help="Show the face in a window; default: if any."),
]
MissingOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-missing", help="hub (or another device), phone, or a slot; may be repeated."
    ),
]
TimeoutOption = Annotated[float, seconds_option("How long to wait for every source, in seconds.")]


@app.command()
def guide(
    rig: RigOption,
    out: OutOption,
    script: Annotated[
        str, typer.Option(help="What to do: enrol, dataset, or a file (TOML).")
    ] = "dataset",
    slate: Annotated[
        str, typer.Option(help="What takes are called; default: the script's name.")
    ] = "",
    window: WindowOption = None,
    allow_missing: MissingOption = None,
    start_timeout: TimeoutOption = 10.0,
    console: Annotated[
        bool, typer.Option("--console", help="Show it in a browser, at --console-port.")
    ] = False,
    console_port: Annotated[int, typer.Option(min=1, max=65535, help="Of the page.")] = 8790,
) -> None:
    """Record a take while a performer is guided step by step, each a labelled segment of it.

    Keys: r shows a step once more (the take before counts for nothing), s skips it, space holds, q
    ends. The script `dataset` is a full session of nine minutes.

    Example: imusic guide --rig rig.toml --out takes --script dataset
    """
    from capture.guided import read_script
    from capture.outputs import require_writable_folder
    from capture.record_verb import require_console
    from firmware_host.rig import read_rig

    asked, recorded = read_script(script), read_rig(rig)
    require_writable_folder(out)
    port = require_console(console_port) if console else None
    missing = allow_missing or ()
    folder = guided_take(recorded, out, asked, slate, window, missing, start_timeout, port)
    typer.echo(folder)


def guided_take(
    rig: "Rig",
    out: Path,
    script: "Script",
    slate: str,
    window: bool | None,
    allow_missing: "Collection[str]",
    start_timeout_s: float,
    console_port: int | None = None,
) -> Path:
    """Record a take to the end of a script; returns its folder.

    Raises:
        typer.Exit: it ended early, which is told; the take is kept.
        EnvironmentMissing: a window was asked for, and there can be none.
    """
    from contextlib import ExitStack, closing

    from capture.guided_verb import record_guided

    with ExitStack() as stack:
        shown = _window(script, window)
        if shown is not None:
            stack.enter_context(closing(shown))
        result, is_finished = record_guided(
            rig,
            out,
            script,
            slate=slate or script.name,
            allow_missing=allow_missing,
            start_timeout_s=start_timeout_s,
            also=None if shown is None else shown.show,
            console_port=console_port,
        )
    if result is None:
        raise typer.Exit(INTERRUPTED)
    if result.lost:
        typer.echo(f"imusic: {result.folder}: {result.reason}; the take is kept", err=True)
        raise typer.Exit(LOST)
    if not is_finished:
        typer.echo(
            f"imusic: {result.folder}: ended before the script was over ({result.reason}); the "
            "take is kept",
            err=True,
        )
        raise typer.Exit(FOUND_PROBLEMS)
    return result.folder


def _window(script: "Script", wanted: bool | None) -> "PrompterWindow | None":
    """A window, where one is wanted or can be had. Raises EnvironmentMissing where it cannot."""
    from viz.prompter import PrompterWindow

    if wanted is False:
        return None
    try:
        return PrompterWindow(script)
    except EnvironmentMissing:
        if wanted:
            raise
        return None
