"""The verb `render`: tracks to pictures and video."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firmware_host.errors import ConfigError
from viz.options import (
    Force,
    HeadFile,
    RendererName,
    Size,
    captioned_tracks,
    check_out,
    even,
    head_from,
)

if TYPE_CHECKING:
    from capture.tracks import Track
    from viz.film import Look, Stretch

app = typer.Typer(rich_markup_mode=None)

Source = Annotated[
    Path,
    typer.Argument(
        metavar="INPUT", help="A prediction .npz, a Live Link Face .csv, or a take folder."
    ),
]
Out = Annotated[Path, typer.Option(help="The .webm, .mp4, .gif, .png or .webp to write.")]
Compare = Annotated[
    list[Path] | None,
    typer.Option(help="Another input, drawn to the right on the same clock; may be repeated."),
]
Captions = Annotated[
    list[str] | None, typer.Option(help="Text under a head; once per head, in order.")
]
Tint = Annotated[
    str | None,
    typer.Option(metavar="error", help="Paint how far the others' skin is from the first's."),
]
Sensors = Annotated[
    bool, typer.Option("--sensors", help="Draw sensors; of a take, hollow where not heard.")
]
Sheet = Annotated[
    int | None,
    typer.Option(
        min=1, max=60, metavar="CELLS", help="A .png or .webp of so many moments instead."
    ),
]
Audio = Annotated[
    Path | None,
    typer.Option(
        help="A WAV that begins with the input, or TAKE/audio.wav: into or beside a video."
    ),
]
Fps = Annotated[float, typer.Option(min=1, max=120, help="Frames per second.")]
Start = Annotated[float | None, typer.Option(help="Begin at this second of the input.")]
Seconds = Annotated[float | None, typer.Option(min=0, help="Draw at most so many.")]
At = Annotated[
    float | None,
    typer.Option(help="The second that a .png shows; default the most expressive moment."),
]


@app.command()
def render(
    source: Source,
    out: Out,
    compare: Compare = None,
    caption: Captions = None,
    tint: Tint = None,
    sensors: Sensors = False,
    sheet: Sheet = None,
    audio: Audio = None,
    fps: Fps = 30.0,
    size: Size = 512,
    start: Start = None,
    seconds: Seconds = None,
    at: At = None,
    head: HeadFile = None,
    renderer: RendererName = "auto",
    force: Force = False,
) -> None:
    """Draw blendshapes on a head: a picture (.png, .webp, .gif) or a video (.webm, .mp4).

    Example: imusic render truth.csv --compare face.npz --tint error --out both.webm
    """
    from viz.film import Look, common_stretch, staged
    from viz.offscreen import prefer_named
    from viz.slots import read_slots
    from viz.video import CODECS, GIF, STILLS

    begins_s = 0.0 if audio is None else _begins_s(audio, source)
    check_out(out, STILLS if sheet else (*STILLS, GIF, *CODECS), force)
    _check_audio(audio, out, force)
    paths = [source, *(compare or [])]
    _check_tint(tint, len(paths))
    tracks, captions = captioned_tracks(paths, caption)
    stretch = common_stretch(tracks, start if at is None else at, seconds)
    look = Look(
        fps=fps,
        size=even(size),
        prefer=prefer_named(renderer),
        head=head_from(head),
        error=tint is not None,
        sensors=sensors,
        slots=tuple(map(read_slots, paths)) if sensors else (),
    )
    _draw(staged(tracks), captions, out, stretch, look, at, sheet)
    typer.echo(out)
    if audio is not None:
        _add_audio(audio, out, stretch, fps, begins_s)


def _check_tint(tint: str | None, inputs: int) -> None:
    if tint not in (None, "error"):
        raise ConfigError(f"--tint: expected error, got {tint!r}")
    if tint and inputs < 2:
        raise ConfigError(
            "--tint error paints the distance to the first input, and there is no other",
            "give the truth first, and what to paint with --compare",
        )


def _draw(
    tracks: "Sequence[Track]",
    captions: Sequence[str],
    out: Path,
    stretch: "Stretch",
    look: "Look",
    at_s: float | None,
    cells: int | None,
) -> None:
    from viz.contact import write_sheet
    from viz.film import draw_to_file

    if cells:
        write_sheet(tracks, captions, out, stretch, look, cells)
    else:
        draw_to_file(tracks, captions, out, stretch, look, at_s)


def _check_audio(audio: Path | None, out: Path, force: bool) -> None:
    """Refuse sound that cannot be added before any work is done. Raises ConfigError."""
    if audio is None:
        return
    from viz.sound import wav_beside

    if out.suffix.lower() not in (".webm", ".mp4"):
        raise ConfigError(f"--audio: {out} is no video", "name it .webm or .mp4")
    if not audio.is_file():
        raise ConfigError(f"--audio: {audio}: no such file")
    wav = wav_beside(out)
    if audio.resolve() == wav.resolve():
        raise ConfigError(f"--audio: the sound of {out} would replace {audio}", "rename one")
    check_out(wav, (".wav",), force)


def _begins_s(audio: Path, source: Path) -> float:
    """When a sound begins on the clock of the input; that of a take says so.

    Raises:
        ConfigError: it is of a take whose subject does not agree to "audio" (any more).
    """
    from capture.consent import AUDIO
    from capture.take import AUDIO_FILE, read_take

    if audio.resolve() != (source / AUDIO_FILE).resolve():
        return 0.0
    take = read_take(source)
    if AUDIO not in take.consent.consent:
        raise ConfigError(
            f'--audio: {take.subject} does not agree to "{AUDIO}" in {source}',
            "`imusic consent keep` writes what they agreed to since into their takes",
        )
    return float(take.audio.get("start_s", 0.0))


def _add_audio(audio: Path, out: Path, stretch: "Stretch", fps: float, begins_s: float) -> None:
    from viz.sound import add_sound, cut_wav, wav_beside

    wav = wav_beside(out)
    cut_wav(audio, wav, stretch.start_s - begins_s, len(stretch.times(fps)) / fps)
    if trouble := add_sound(out, wav):
        typer.echo(wav)
        typer.echo(f"imusic: {trouble}", err=True)
