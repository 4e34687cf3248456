"""The verb `view`: faces in a window, live or from files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capture.options import seconds_option
from firmware_host.errors import ConfigError
from viz.options import Force, HeadFile, Size, captioned_tracks, check_out, even, head_from

if TYPE_CHECKING:
    from capture.head import Head
    from capture.recording import Recording
    from capture.sync import Alignment
    from viz.desktop import Screen
    from viz.feeds import Faces
    from viz.state import ViewState

app = typer.Typer(rich_markup_mode=None)

Sources = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[INPUT]...", help="A prediction .npz, Live Link Face .csv or take; default: live."
    ),
]
Addresses = Annotated[
    list[str] | None,
    typer.Option(
        "--address", help="Where faces are published; may be repeated. [tcp://127.0.0.1:5570]"
    ),
]
Captions = Annotated[
    list[str] | None, typer.Option("--caption", help="Text under a head; once per INPUT, in order.")
]
Tinted = Annotated[
    str, typer.Option(metavar="none|confidence|error", help="What colours of the skin say.")
]
SensorsShown = Annotated[bool, typer.Option("--sensors", help="Show sensors; key s.")]
Folder = Annotated[Path, typer.Option("--out", help="Folder for pictures and videos taken by key.")]
Headless = Annotated[bool, typer.Option("--headless", help="Open no window.")]
Seconds = Annotated[float | None, seconds_option("End after so long; default when closed.")]
Screenshot = Annotated[
    Path | None, typer.Option(help="With --headless: write the last picture to this .png.")
]
Keys = Annotated[
    list[str] | None,
    typer.Option("--key", metavar="FRAME:KEY", help="With --headless: press a key, e.g. 30:p."),
]

Rerun = Annotated[
    Path | None,
    typer.Option(help="Open no window: write the inputs for the Rerun viewer to this .rrd."),
]
Layout = Annotated[
    Path | None,
    typer.Option(help="Open no window: write a take's layout for Foxglove or PlotJuggler."),
]


@app.command()
def view(
    source: Sources = None,
    address: Addresses = None,
    caption: Captions = None,
    tint: Tinted = "none",
    sensors: SensorsShown = False,
    head: HeadFile = None,
    size: Size = 640,
    out: Folder = Path(),
    headless: Headless = False,
    seconds: Seconds = None,
    screenshot: Screenshot = None,
    key: Keys = None,
    rerun: Rerun = None,
    layout: Layout = None,
    force: Force = False,
) -> None:
    """Show faces side by side: live ones that somebody publishes, or files. Key h lists the keys.

    Example: imusic view --address tcp://127.0.0.1:5570
    """
    from viz.feeds import LiveFaces
    from viz.viewing import Outputs, Painter, require_signal, watch

    if layout is not None or rerun is not None:
        _for_other_tools(source or [], caption, layout, rerun, head, force)
        return
    if (headless and seconds is None) or ((screenshot or key) and not headless):
        raise ConfigError("--headless needs --seconds; --screenshot and --key need --headless")
    if screenshot is not None:
        check_out(screenshot, (".png", ".webp"), force)
    if not out.is_dir():
        raise ConfigError(f"--out: there is no folder {out}", "make it first")
    mesh, faces = head_from(head), _faces(source or [], address, caption)
    try:
        state = _first_state(faces, sensors, tint)
        screen = _screen(headless, even(size), faces.count, mesh, key or [])
    except BaseException:
        faces.close()
        raise
    outputs = Outputs(out, typer.echo)
    watch(screen, faces, state, Painter(mesh), outputs, seconds)
    if isinstance(faces, LiveFaces):
        for signal in faces.signals:
            typer.echo(signal.summary(), err=True)
        if headless and seconds is not None:
            require_signal(faces, seconds)
    if screenshot is not None:
        from viz.video import write_picture

        write_picture(screenshot, screen.picture())
        typer.echo(screenshot)


def _for_other_tools(
    paths: Sequence[Path],
    captions: list[str] | None,
    layout: Path | None,
    rerun: Path | None,
    head: Path | None,
    force: bool,
) -> None:
    """Write what Foxglove, PlotJuggler or Rerun want. Raises ConfigError, EnvironmentMissing."""
    from viz.rerun_file import SUFFIX, require_rerun, write_rerun
    from viz.timelines import SUFFIXES

    if not paths:
        raise ConfigError("--rerun and --layout are for files", "name a take first")
    if layout is not None:
        check_out(layout, SUFFIXES, force)
    if rerun is not None:
        check_out(rerun, (SUFFIX,), force)
        require_rerun()
    if layout is not None:
        _write_layout(paths[0], layout)
        typer.echo(layout)
    if rerun is not None:
        from viz.film import common_stretch, staged

        tracks, names = captioned_tracks(paths, captions)
        stretch, taken = common_stretch(tracks), _taken(paths)
        write_rerun(rerun, staged(tracks), names, stretch, head_from(head), taken)
        typer.echo(rerun)


def _write_layout(path: Path, out: Path) -> None:
    import json

    from capture.outputs import whole_file
    from capture.take import read_take
    from viz.timelines import foxglove_layout, plotjuggler_layout, plots_of

    plots = plots_of(read_take(path))
    if out.suffix.lower() == ".xml":
        text = plotjuggler_layout(plots)
    else:
        text = json.dumps(foxglove_layout(plots), indent=1) + "\n"
    with whole_file(out) as unfinished:
        unfinished.write_text(text, "utf-8")


def _taken(paths: Sequence[Path]) -> "tuple[Recording, Alignment] | None":
    """The first take among the inputs that has samples, with its alignment."""
    from capture.recording import read_recording
    from capture.sync import align
    from capture.take import TAKE_FILE

    for path in paths:
        if (path / TAKE_FILE).is_file():
            recording = read_recording(path)
            if len(recording):
                return recording, align(recording)
    return None


def _faces(
    paths: Sequence[Path], addresses: list[str] | None, captions: list[str] | None
) -> "Faces":
    """What is to be shown. Raises ConfigError, DataError."""
    from firmware_host.layout import FACE_12
    from viz.feeds import USUAL_ADDRESS, FileFaces, LiveFaces

    if not paths:
        if captions:
            raise ConfigError("--caption: what is live tells its own source")
        return LiveFaces(addresses or [USUAL_ADDRESS], FACE_12.names)
    if addresses:
        raise ConfigError("give files or --address, they have no clock in common")
    from viz.film import common_stretch, staged
    from viz.slots import read_slots

    tracks, names = captioned_tracks(paths, captions)
    slots = [read_slots(path) for path in paths]
    return FileFaces(staged(tracks), names, common_stretch(tracks), slots)


def _first_state(faces: "Faces", sensors: bool, tint: str) -> "ViewState":
    from typing import get_args

    from viz.state import Tint
    from viz.viewing import first_state

    if tint not in get_args(Tint):
        raise ConfigError(f"--tint: expected {', '.join(get_args(Tint))}, got {tint!r}")
    try:
        return first_state(faces, sensors, tint)  # type: ignore[arg-type]
    except ValueError as error:
        raise ConfigError(
            f"--tint: {error}",
            "confidence is told by what is live, an error needs two faces",
        ) from error


def _screen(headless: bool, size: int, panels: int, head: "Head", keys: Sequence[str]) -> "Screen":
    from viz.desktop import Hidden, Window
    from viz.viewing import scripted

    if not headless:
        return Window(size, "imusic view", panels, head)
    try:
        script = scripted(keys)
    except ValueError as error:
        raise ConfigError(f"--key: {error}") from error
    return Hidden(size, panels, head, script)
