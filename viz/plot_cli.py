"""The verb `plot`: takes and predictions as figures, vector or pixels."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firmware_host.errors import ConfigError, DataError, TransportError
from viz.options import Force, captioned_tracks, check_out

if TYPE_CHECKING:
    from capture.recording import Recording
    from capture.sync import Alignment
    from viz.page import Page
    from viz.take_figures import Lateness

app = typer.Typer(rich_markup_mode=None)
plot_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(
    plot_app, name="plot", help="Figures of takes and predictions: .svg, .pdf, .png or .webp."
)

SUFFIXES = (".svg", ".pdf", ".png", ".webp")
PIXELS_PER_POINT = 2.0
_OLDEST_S = 10.0  # a sample older than this was stamped by another computer's clock

TakeFolder = Annotated[Path, typer.Argument(metavar="TAKE", help="A take folder.")]
Out = Annotated[Path, typer.Option(help="The .svg, .pdf, .png or .webp to write.")]
Quantity = Annotated[
    str, typer.Option(metavar="gyro|accel", help="Turning rate or specific force.")
]
Truth = Annotated[
    Path, typer.Argument(metavar="TRUTH", help="A take, a Live Link Face .csv or an .npz.")
]
Others = Annotated[
    list[Path], typer.Argument(metavar="OTHER...", help="Predictions to be compared with it.")
]
Captions = Annotated[
    list[str] | None, typer.Option("--caption", help="Names; once per input, in order.")
]
Start = Annotated[float | None, typer.Option(help="Begin at this second.")]
Seconds = Annotated[float | None, typer.Option(min=0.1, help="Show at most so many.")]


@plot_app.command()
def traces(
    take: TakeFolder,
    out: Out,
    quantity: Quantity = "gyro",
    force: Force = False,
) -> None:
    """What every sensor gave over time, its gaps shaded, and where the phone lost the face.

    Example: imusic plot traces takes/take-001 --out traces.svg
    """
    from viz.take_figures import traces_page

    check_out(out, SUFFIXES, force)
    _check_quantity(quantity)
    recording, alignment = _aligned(take)
    _require_samples(recording, take)
    _write(traces_page(recording, alignment, quantity), out)


@plot_app.command()
def clocks(take: TakeFolder, out: Out, force: Force = False) -> None:
    """How late every message came over its clock's map, and how the clocks drift.

    Example: imusic plot clocks takes/take-001 --out clocks.svg
    """
    from viz.take_figures import clocks_page

    check_out(out, SUFFIXES, force)
    _write(clocks_page(*_aligned(take)), out)


@plot_app.command()
def sync(take: TakeFolder, out: Out, force: Force = False) -> None:
    """How sensors and phone were joined: the peak, its thirds, the verdict and its notes.

    Example: imusic plot sync takes/take-001 --out sync.svg
    """
    from viz.take_figures import sync_page

    check_out(out, SUFFIXES, force)
    recording, alignment = _aligned(take)
    _write(sync_page(recording, alignment), out)


@plot_app.command()
def latency(
    out: Out,
    take: Annotated[
        Path | None, typer.Argument(metavar="[TAKE]", help="A take folder; default: live.")
    ] = None,
    address: Annotated[
        str, typer.Option(help="Where faces are published.")
    ] = "tcp://127.0.0.1:5570",
    seconds: Annotated[float, typer.Option(min=0.5, help="How long to listen.")] = 10.0,
    force: Force = False,
) -> None:
    """Histograms of how late messages came: those of a take, or live faces.

    Example: imusic plot latency takes/take-001 --out latency.svg
    """
    from viz.take_figures import latency_page, lateness

    check_out(out, SUFFIXES, force)
    if take is None:
        _write(latency_page(_heard(address, seconds), address), out)
    else:
        recording, alignment = _aligned(take)
        _write(latency_page(lateness(recording, alignment), recording.take.name), out)


@plot_app.command()
def curves(
    truth: Truth,
    other: Others,
    out: Out,
    shape: Annotated[
        list[str] | None, typer.Option(help="Which shapes; default those that move most.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=52, help="How many of those.")] = 8,
    caption: Captions = None,
    start: Start = None,
    seconds: Seconds = None,
    together: Annotated[
        bool, typer.Option("--together", help="Predictions as one: their mean and range.")
    ] = False,
    force: Force = False,
) -> None:
    """Blendshapes over time, truth against predictions, with the band that these state.

    Example: imusic plot curves takes/take-001 face.npz --seconds 20 --out curves.svg
    """
    from viz.face_figures import (
        curves_page,
        most_active,
        on_one_grid,
        shapes_named,
        spreads_on,
    )
    from viz.film import common_stretch

    check_out(out, SUFFIXES, force)
    wanted = shapes_named(shape or [])
    tracks, captions = captioned_tracks([truth, *other], caption)
    time_s, weights = on_one_grid(tracks, common_stretch(tracks, start, seconds))
    if together and len(other) < 2:
        raise ConfigError("--together needs two predictions or more", "or leave it out")
    shapes = wanted or most_active(weights[0], count)
    spreads = spreads_on(tracks, time_s)
    page = curves_page(time_s, weights, captions, shapes, together, spreads)
    _write(page, out)


@plot_app.command()
def errors(
    truth: Truth, other: Others, out: Out, caption: Captions = None, force: Force = False
) -> None:
    """Error and correlation of every shape that moves, as bars.

    Example: imusic plot errors takes/take-001 face.npz --out errors.svg
    """
    from viz.face_figures import compare, errors_page, on_one_grid
    from viz.film import common_stretch

    check_out(out, SUFFIXES, force)
    tracks, captions = captioned_tracks([truth, *other], caption)
    _, weights = on_one_grid(tracks, common_stretch(tracks))
    found = [compare(weights[0], values) for values in weights[1:]]
    about = f"Error by shape against {captions[0]}"
    _write(errors_page(found, captions[1:], about), out)


@plot_app.command()
def activations(
    truth: Truth, other: Others, out: Out, caption: Captions = None, force: Force = False
) -> None:
    """Which shapes are on while another is: the confusion of activations.

    Example: imusic plot activations takes/take-001 face.npz --out activations.svg
    """
    from viz.activation_figures import activations_page
    from viz.face_figures import on_one_grid
    from viz.film import common_stretch

    check_out(out, SUFFIXES, force)
    tracks, captions = captioned_tracks([truth, *other], caption)
    _, weights = on_one_grid(tracks, common_stretch(tracks))
    _write(activations_page(weights[0], weights[1:], captions), out)


@plot_app.command()
def spectrogram(
    take: TakeFolder,
    out: Out,
    slot: Annotated[
        list[str] | None, typer.Option(help="Of these slots; may be repeated; default: all.")
    ] = None,
    quantity: Quantity = "gyro",
    force: Force = False,
) -> None:
    """Which frequencies every sensor felt, over time.

    Example: imusic plot spectrogram takes/take-001 --slot mentalis --out mentalis.png
    """
    from viz.signal_figures import spectrogram_page

    check_out(out, SUFFIXES, force)
    _check_quantity(quantity)
    recording, alignment = _aligned(take)
    _require_samples(recording, take)
    names = recording.take.sensor_layout.names
    for name in slot or []:
        if name not in names:
            raise ConfigError(f"--slot: the take has no {name!r}", f"it has {', '.join(names)}")
    _write(spectrogram_page(recording, alignment, quantity, slot or names), out)


@plot_app.command()
def allan(
    take: TakeFolder,
    out: Out,
    quantity: Quantity = "gyro",
    start: Start = None,
    seconds: Seconds = None,
    force: Force = False,
) -> None:
    """Allan deviations of every sensor at rest: its noise, and how steady its bias is.

    By default of the rest that the take is labelled with; an hour on a table tells more.

    Example: imusic plot allan takes/still --start 0 --seconds 3600 --out allan.svg
    """
    from viz.signal_figures import allan_page

    check_out(out, SUFFIXES, force)
    _check_quantity(quantity)
    recording, alignment = _aligned(take)
    _require_samples(recording, take)
    rest = recording.take.segment("rest")
    begin = start if start is not None else rest.start_s if rest else 0.0
    end = rest.end_s if rest and start is None else float("inf")
    stretch = begin, min(end, begin + seconds) if seconds else end
    if stretch[1] == float("inf"):
        stretch = begin, _last_s(recording, alignment)
    _write(allan_page(recording, alignment, quantity, stretch), out)


def _last_s(recording: "Recording", alignment: "Alignment") -> float:
    from capture.sync import sample_times_s

    return float(sample_times_s(recording, alignment).max())


def _check_quantity(quantity: str) -> None:
    from viz.take_figures import QUANTITIES

    if quantity not in QUANTITIES:
        raise ConfigError(f"--quantity: expected {' or '.join(QUANTITIES)}, got {quantity!r}")


def _aligned(take: Path) -> "tuple[Recording, Alignment]":
    from capture.doubt import doubt_of
    from capture.recording import read_recording
    from capture.sync import align

    recording = read_recording(take)
    alignment = align(recording)
    if doubt := doubt_of(alignment):
        typer.echo(f"imusic: {doubt}", err=True)
    return recording, alignment


def _require_samples(recording: "Recording", take: Path) -> None:
    if not len(recording):
        raise DataError(f"{take}: the take has no samples to draw")


def _heard(address: str, seconds: float) -> "list[Lateness]":
    """How late faces come here. Raises TransportError where none does."""
    import numpy as np

    from capture.publisher import subscribe
    from capture.wire import decode
    from viz.take_figures import Lateness

    rows = []
    for data in subscribe(address, seconds, total_s=seconds):
        now_ns, unix_ns, message = time.monotonic_ns(), time.time_ns(), decode(data)
        sample_s = (now_ns - message.newest_ns) / 1e9 if message.newest_ns else np.nan
        rows.append((now_ns / 1e9, (unix_ns - message.unix_ns) / 1e9, sample_s))
    if not rows:
        raise TransportError(
            f"no face arrived from {address} within {seconds:g} s",
            "is `imusic live` publishing there?",
            address,
        )
    at_s, published_s, sample_s = np.array(rows, np.float64).T
    heard = [Lateness("published to here", at_s - at_s[0], published_s)]
    # Monotonic clocks of two computers have nothing to do with each other.
    if np.isfinite(sample_s).any() and 0 <= float(np.nanmedian(sample_s)) < _OLDEST_S:
        heard.append(Lateness("newest sample to here", at_s - at_s[0], sample_s))
    return heard


def _write(page: "Page", out: Path) -> None:
    from capture.outputs import whole_file
    from viz.video import write_picture

    if out.suffix.lower() == ".svg":
        with whole_file(out) as unfinished:
            unfinished.write_text(page.svg(), "utf-8")
    elif out.suffix.lower() == ".pdf":
        from viz.pdf import as_pdf

        with whole_file(out) as unfinished:
            unfinished.write_bytes(as_pdf(page))
    else:
        write_picture(out, page.image(PIXELS_PER_POINT))
    typer.echo(out)
