"""Options that verbs of drawing share, and what is refused before any work is done."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capture.outputs import require_writable
from firmware_host.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from capture.head import Head
    from capture.tracks import Track

Size = Annotated[int, typer.Option(min=64, max=2048, help="Pixels of one head's square, even.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]
HeadFile = Annotated[
    Path | None,
    typer.Option("--head", metavar="FILE", help="Another head: .glb, .gltf or .npz; default ours."),
]
RendererName = Annotated[
    str, typer.Option(metavar="auto|open3d|software", help="What draws; auto takes what works.")
]


def captioned_tracks(
    paths: "Sequence[Path]", captions: list[str] | None
) -> "tuple[list[Track], list[str]]":
    """The tracks of files and takes, doubtful ones said to be so, and what to call each.

    Raises:
        ConfigError: there are captions, but not one for each. DataError: see `read_track`.
    """
    from capture.tracks import read_track

    tracks = [read_track(path) for path in paths]
    for doubt in dict.fromkeys(track.doubt for track in tracks if track.doubt):
        typer.echo(f"imusic: {doubt}", err=True)
    if captions and len(captions) != len(tracks):
        raise ConfigError(f"expected --caption {len(tracks)} times, got {len(captions)}")
    return tracks, captions or [track.name for track in tracks]


def head_from(path: Path | None) -> "Head":
    """The head to draw on. Raises DataError or ConfigError where `path` is none."""
    from capture.head import standard_head
    from capture.head_check import read_head

    return standard_head() if path is None else read_head(path)


def check_out(path: Path, suffixes: tuple[str, ...], force: bool) -> None:
    """Refuse a name that cannot be written before any work is done. Raises ConfigError."""
    if path.suffix.lower() not in suffixes:
        raise ConfigError(f"{path}: expected a name ending in {' or '.join(suffixes)}")
    require_writable(path)
    if path.exists() and not force:
        raise ConfigError(f"{path} exists already", "give another name, or --force to replace it")


def even(size: int) -> int:
    """The size. Raises ConfigError where it is odd."""
    if size % 2:
        raise ConfigError(f"--size: expected an even number (video needs it), got {size}")
    return size
