"""The root command: knows every verb by name and imports a package only when its verb is called.

Each package owns its verbs in its `cli.py`, as a `typer.Typer()` called `app`. Here live the table
of verbs, and the border where errors become one line and an exit code: 0 good, 1 checks found
problems, 2 usage or config, 3 device or environment, 130 interrupted, 141 reader went away.
"""

import errno
import io
import os
import sys
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

# The matrices of live inference are small: threads would only wait for each other. Measured on two
# busy cores, one thread is ten times as fast. To be said before numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from firmware_host.errors import ImusicError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

USAGE, DEVICE, INTERRUPTED, READER_GONE = 2, 3, 128 + 2, 128 + 13
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}


class Verb(NamedTuple):
    """Where a verb lives, and the line that `imusic --help` says about it."""

    module: str
    panel: str
    summary: str


# In the order of the road, so that the help reads as a walk along it.
VERBS: dict[str, Verb] = {
    "demo": Verb("imusic.demo", "Start", "Drive a face with virtual sensors, end to end."),
    "sim": Verb("imusic.sim", "Start", "Play a virtual wearer: a sensor hub and a phone."),
    "devices": Verb("firmware_host.cli", "Record", "List the sensor hubs within reach."),
    "stream": Verb("firmware_host.cli", "Record", "Watch a device or a rig, slot by slot."),
    "identify": Verb("firmware_host.cli", "Record", "Find which sensor sits where, by taps."),
    "hub": Verb("firmware_host.cli", "Record", "Tell what a sensor hub is, and configure it."),
    "calibrate-sensors": Verb(
        "firmware_host.calibrate_cli", "Record", "Find what each sensor reads wrong, at rest."
    ),
    "check": Verb("capture.check_cli", "Record", "Tell of each slot whether it is fit to record."),
    "record": Verb("capture.cli", "Record", "Record every source of a rig into a new take."),
    "serve": Verb("capture.serve_cli", "Record", "Record take after take, controlled by ctl."),
    "ctl": Verb("capture.serve_cli", "Record", "Ask or tell a recorder that serves."),
    "webcam": Verb("capture.webcam_cli", "Record", "Send the face that a webcam sees."),
    "guide": Verb("viz.guide_cli", "Record", "Guide a performer step by step, and record it."),
    "recover": Verb("capture.cli", "Record", "Save what a cut-off take still holds."),
    "verify": Verb("capture.keeping_cli", "Record", "Tell whether takes are as they ended."),
    "note": Verb("capture.keeping_cli", "Record", "Rate a take, and add notes to it."),
    "offload": Verb("capture.keeping_cli", "Record", "Copy takes to another disk, and prove it."),
    "align": Verb("viz.align_cli", "Record", "Map all clocks of a take to one timeline."),
    "import": Verb("capture.cli", "Record", "Make takes from recordings made elsewhere."),
    "consent": Verb("capture.consent_cli", "Record", "What people in takes agreed to."),
    "pseudonym": Verb("capture.consent_cli", "Record", "Give a person a name that says nothing."),
    "scrub": Verb("capture.consent_cli", "Record", "Copy a take without names, ids and dates."),
    "info": Verb("capture.cli", "Record", "Tell what is in a take."),
    "list": Verb("capture.cli", "Record", "List the takes in a folder."),
    "performances": Verb("dataset_tools.cli", "Data", "Make faces that move, and compare them."),
    "synth": Verb("dataset_tools.cli", "Data", "Let virtual wearers perform a data set."),
    "dataset": Verb(
        "dataset_tools.sets.cli", "Data", "Build, check and curate data sets of takes."
    ),
    "train": Verb("model.cli", "Model", "Train a network on takes and virtual wearers."),
    "card": Verb("model.cli", "Model", "Write measured figures into a checkpoint's model card."),
    "join": Verb("model.cli", "Model", "Let networks that were trained apart answer together."),
    "enrol": Verb("model.enrol_cli", "Model", "Guide a new wearer, and learn the face."),
    "adapt": Verb("model.enrol_cli", "Model", "Learn one wearer from a take in two minutes."),
    "evaluate": Verb("model.cli", "Model", "Compare predictions with the truth and baselines."),
    "explain": Verb("model.explain_cli", "Model", "Tell which sensors mattered for what."),
    "baselines": Verb(
        "model.track_cli", "Model", "Tell how well what raters said follows from faces."
    ),
    "predict": Verb("model.cli", "Model", "Write the face of a recorded take to a file."),
    "latency": Verb("imusic.latency", "Model", "Measure how late a face is, end to end."),
    "minute": Verb("model.minute_cli", "Model", "List movements too small for a camera."),
    "live": Verb("model.live_cli", "Model", "Publish the face of a live hub over ZeroMQ."),
    "drive": Verb("capture.drive_cli", "Model", "Drive avatars with published or recorded faces."),
    "keys": Verb("capture.drive_cli", "Model", "Make the keys that let faces leave a computer."),
    "export": Verb("model.cli", "Model", "Turn a checkpoint into a network that needs no torch."),
    "render": Verb("viz.render_cli", "See", "Draw blendshapes on a head: pictures and video."),
    "view": Verb("viz.view_cli", "See", "Show faces in a window, live or from files."),
    "console": Verb("viz.console_cli", "See", "Show a recording or a live face in a browser."),
    "plot": Verb("viz.plot_cli", "See", "Draw figures of takes and predictions."),
    "head": Verb("viz.cli", "See", "Look at the head mesh and its 52 shapes."),
}


class LazyVerbs(TyperGroup):
    """Lists verbs from stubs; the stub gives way to the real command once it is called."""

    # Any below: typer 0.29 keeps the types of a context and a formatter private.
    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the verbs by stretch of the road."""
        for panel in dict.fromkeys(verb.panel for verb in VERBS.values()):
            with formatter.section(panel):
                formatter.write_dl(
                    [(name, verb.summary) for name, verb in VERBS.items() if verb.panel == panel]
                )

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Let typer find the verb (and suggest one for a typo), then import what it stands for."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, load(str(name)), rest


def load(name: str) -> Any:
    """Import the package that owns the verb `name` and return its command.

    Raises:
        LookupError: its `app` has no such verb, which is a bug of ours.
    """
    module = VERBS[name].module
    # Always as a group: typer would unwrap an app with a single verb into that verb.
    command = get_group(import_module(module).app).commands.get(name)
    if command is None:
        raise LookupError(f"{module}.app has no verb {name!r}")
    return command


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"imusic {version()}")
        raise typer.Exit


def version() -> str:
    """The installed version, or `unknown` when run from a source tree nobody installed."""
    try:
        return metadata.version("imusic")
    except metadata.PackageNotFoundError:
        return "unknown"


def _root(
    ctx: typer.Context,
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Facial motion capture without a camera: face IMUs to the 52 ARKit blendshapes, live.

    Try it without hardware: imusic demo
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def root() -> LazyVerbs:
    """The root command, every verb a stub."""
    # Plain help: drawing it with Rich takes longer than all the rest of `imusic --help`.
    app = typer.Typer(cls=LazyVerbs, add_completion=False, rich_markup_mode=None)
    app.callback(invoke_without_command=True)(_root)
    group = get_group(app)
    assert isinstance(group, LazyVerbs)
    for name, verb in VERBS.items():
        group.add_command(TyperCommand(name, short_help=verb.summary))
    return group


def run(argv: "Sequence[str]") -> int:
    """Run one verb. Lets errors through; `main` turns them into lines."""
    command = root()
    try:
        with command.make_context("imusic", list(argv)) as context:
            command.invoke(context)
    except typer.Exit as exit_:
        return exit_.exit_code
    return 0


def main(argv: "Sequence[str] | None" = None) -> int:
    """Run `imusic` with `argv` (default: the process's own) and return the exit code.

    What the operator or the world did wrong becomes one line and a hint on stderr. What we did
    wrong keeps its traceback.
    """
    return _guarded(lambda: run(sys.argv[1:] if argv is None else argv))


def _guarded(action: "Callable[[], int]") -> int:
    try:
        return action()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except ImusicError as error:
        _complain(str(error), error.hint)
        return error.exit_code
    except typer.TyperException as error:
        _complain_of_usage(error)
        return USAGE
    except BrokenPipeError:
        return READER_GONE
    except OSError as error:
        # A path that cannot be read or written and a full disk are the world's doing.
        if error.filename is None and error.errno not in _DISK_FULL:
            raise
        where = "" if error.filename is None else f"{error.filename}: "
        _complain(f"{where}{error.strerror}")
        return DEVICE


def _complain_of_usage(error: typer.TyperException) -> None:
    text = error.format_message()
    if "\n" in text or not text:  # typer's way of saying "no arguments: here is the help"
        typer.echo(text, err=True)
        return
    context = getattr(error, "ctx", None)
    path = "imusic" if context is None else context.command_path
    _complain(text, f"see `{path} --help`")


def _complain(message: str, hint: str = "") -> None:
    typer.echo(f"imusic: {message}", err=True)
    if hint:
        typer.echo(f"  hint: {hint}", err=True)


def script() -> None:
    """The console entry point: `main`, then flush, then exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a Windows pipe is not UTF-8
            stream.reconfigure(errors="replace")
    code = main()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = READER_GONE
    if code == READER_GONE:
        # Python flushes stdout once more at exit; give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
