"""The verb `align`: one timeline for a take, its report, and the figure to judge it by."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from capture.recording import Recording
    from capture.sync import Alignment

app = typer.Typer(rich_markup_mode=None)

FOUND_PROBLEMS = 1


@app.command()
def align(
    take: Annotated[Path, typer.Argument(metavar="TAKE", help="Folder of the take.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Map all clocks of a take to one timeline; writes sync.json, and sync.svg to look at.

    The same take gives the same bytes. Exit code 1 where the clocks contradict each other.

    Example: imusic align takes/take-001
    """
    import msgspec

    from capture import sync
    from capture.doubt import doubt_of
    from capture.recording import read_recording

    recording = read_recording(take)
    alignment = sync.align(recording)
    path = sync.write_alignment(alignment, take)
    plot = write_plot(recording, alignment, take)
    if as_json:
        typer.echo(msgspec.json.encode(sync.report(alignment)).decode())
    else:
        for line in alignment_lines(alignment):
            typer.echo(line)
        typer.echo(f"wrote {path} and {plot.name}")
    if doubt := doubt_of(alignment):
        typer.echo(f"imusic: {doubt}", err=True)
    if alignment.verdict == "bad":
        raise typer.Exit(FOUND_PROBLEMS)


def write_plot(recording: "Recording", alignment: "Alignment", folder: Path) -> Path:
    """Draw the sync report into the take, whole or not at all; returns where."""
    from capture.outputs import whole_file
    from capture.take import PLOT_FILE
    from viz.take_figures import sync_page

    path = folder / PLOT_FILE
    with whole_file(path) as unfinished:
        unfinished.write_text(sync_page(recording, alignment).svg(), "utf-8")
    return path


def alignment_lines(alignment: Any) -> list[str]:
    """An alignment for people."""
    lines = [f"sync of {alignment.take}: {alignment.verdict}"]
    clocks = alignment.clocks | {"phone": alignment.phone}
    for name, clock in clocks.items():
        if clock is not None:
            lines.append(
                f"  {name}: offset {clock.offset_s:+.6f} s, drift {clock.drift_ppm:+.1f} ppm "
                f"({clock.drift_range_ppm[0]:+.1f} to {clock.drift_range_ppm[1]:+.1f}), residual "
                f"p50 {1000 * clock.residual_p50_s:.2f} ms, p95 "
                f"{1000 * clock.residual_p95_s:.2f} ms, {clock.readings} readings, "
                f"{clock.resets} resets"
            )
            if clock.late_s:
                least, most = (1000 * bound for bound in clock.late_s)
                lines.append(
                    f"    by its {clock.round_trips} round trips this map is late by "
                    f"{least:.2f} to {most:.2f} ms"
                )
    if alignment.correlation:
        lines.append(
            f"  phone latency {1000 * alignment.phone_latency_s:+.1f} "
            f"± {1000 * alignment.phone_latency_uncertainty_s:.1f} ms (correlation "
            f"{alignment.correlation:.2f}, peak ratio {alignment.peak_ratio:.2f})"
        )
    looks = (("the head", alignment.head_s), ("the jaw", alignment.jaw_s))
    told = [f"by {what} {1000 * seconds:+.1f} ms" for what, seconds in looks if seconds is not None]
    if told:
        lines.append(f"    {', '.join(told)}")
    return lines + [f"  note: {note}" for note in alignment.notes]
