"""Tracks to pictures and video."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from capture.head import Head
from capture.tracks import Times, Track, facing_camera, most_expressive_s, resample
from firmware_host.errors import ConfigError
from viz.offscreen import Prefer, open_renderer
from viz.scene import Image, Panel, Renderer
from viz.video import VideoWriter, write_png

FPS, SIZE = 30.0, 512
LOST = " · no face"


class Stretch(NamedTuple):
    """The part of a timeline to draw, seconds."""

    start_s: float
    end_s: float

    def times(self, fps: float) -> Times:
        """Moments of the frames; at least one."""
        count = max(1, round((self.end_s - self.start_s) * fps))
        return self.start_s + np.arange(count) / fps


def common_stretch(
    tracks: Sequence[Track], start_s: float | None = None, seconds: float | None = None
) -> Stretch:
    """What all tracks cover, from `start_s` (default its beginning) for `seconds` at most.

    Raises:
        ConfigError: nothing is left.
    """
    first = max(float(track.time_s[0]) for track in tracks)
    last = min(float(track.time_s[-1]) for track in tracks)
    covered = ", ".join(f"{t.name} {t.time_s[0]:.2f}…{t.time_s[-1]:.2f} s" for t in tracks)
    if last < first:
        raise ConfigError(f"the inputs share no moment: {covered}")
    start = first if start_s is None else start_s
    if not first <= start <= last:
        raise ConfigError(f"start {start:g} s is outside of what can be drawn: {covered}")
    return Stretch(start, last if seconds is None else min(last, start + seconds))


def staged(tracks: Sequence[Track]) -> list[Track]:
    """Make tracks fit to stand side by side: headings removed; no head motion unless all have it.

    One head that turns beside one that cannot would hide the difference between the faces.
    """
    if any(track.quats is None for track in tracks):
        return [replace(track, quats=None) for track in tracks]
    return [replace(t, quats=facing_camera(t.quats)) for t in tracks if t.quats is not None]


def panels_at(tracks: Sequence[Track], captions: Sequence[str], row: int) -> list[Panel]:
    """One panel per track, at its row `row`; the caption tells where the face was lost."""
    panels = []
    for track, caption in zip(tracks, captions, strict=True):
        quat = None if track.quats is None else track.quats[row]
        lost = track.tracked is not None and not track.tracked[row]
        panels.append(Panel(track.weights[row], quat, caption + LOST if lost else caption))
    return panels


def pictures(
    renderer: Renderer, tracks: Sequence[Track], captions: Sequence[str], time_s: Times
) -> Iterator[Image]:
    """Yield one picture per moment of `time_s`."""
    sampled = [resample(track, time_s) for track in tracks]
    for row in range(len(time_s)):
        yield renderer.draw(panels_at(sampled, captions, row))


def write_film(
    renderer: Renderer,
    tracks: Sequence[Track],
    captions: Sequence[str],
    out: Path,
    stretch: Stretch,
    fps: float = FPS,
) -> int:
    """Write a video of `tracks` side by side; return the number of frames."""
    moments = stretch.times(fps)
    size = renderer.scene.width, renderer.scene.height
    with VideoWriter(out, fps, size) as video:
        drawn = pictures(renderer, tracks, captions, moments)
        for image in _with_progress(drawn, len(moments), f"drawing {out.name}"):
            video.write(image)
    return len(moments)


def write_still(
    renderer: Renderer, tracks: Sequence[Track], captions: Sequence[str], out: Path, at_s: float
) -> None:
    """Write a PNG of `tracks` side by side at one moment."""
    write_png(out, next(pictures(renderer, tracks, captions, np.array([at_s]))))


def draw_to_file(
    tracks: Sequence[Track],
    captions: Sequence[str],
    out: Path,
    stretch: Stretch,
    *,
    fps: float = FPS,
    size: int = SIZE,
    at_s: float | None = None,
    prefer: Prefer = "auto",
    head: Head | None = None,
) -> None:
    """Draw `tracks` side by side into `out`: a video, or by the suffix `.png` one moment.

    That moment is `at_s`, or by default the first track's most expressive one in `stretch`. The
    head is ours by default.

    Raises:
        ConfigError: `out` cannot have that name.
        EnvironmentMissing: no encoder for the video, or the renderer asked for does not work.
    """
    still = out.suffix.lower() == ".png"
    smooth = 2 if still else 1  # hundreds of frames are waited for, one is looked at
    with closing(open_renderer(size, len(tracks), prefer, head, smooth=smooth)) as renderer:
        if still:
            moment = most_expressive_s(tracks[0], *stretch) if at_s is None else at_s
            write_still(renderer, tracks, captions, out, moment)
        else:
            write_film(renderer, tracks, captions, out, stretch, fps)


def render_comparison(
    left: Track,
    right: Track,
    captions: tuple[str, str],
    out_video: Path | None,
    out_png: Path | None,
    *,
    fps: float = FPS,
    size: int = SIZE,
    start_s: float | None = None,
    seconds: float | None = None,
    prefer: Prefer = "auto",
) -> None:
    """Two faces side by side: a video, and a PNG of the left one's most expressive moment.

    Both tracks are on one clock; what both cover is drawn. An existing file is replaced.

    Raises:
        ConfigError: the tracks share no moment, or an output cannot have that name.
        EnvironmentMissing: no encoder for the video.
    """
    tracks = staged([left, right])
    stretch = common_stretch(tracks, start_s, seconds)
    for out in (out_png, out_video):
        if out is not None:
            draw_to_file(tracks, captions, out, stretch, fps=fps, size=size, prefer=prefer)


def _with_progress(images: Iterator[Image], total: int, label: str) -> Iterator[Image]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    quiet = not console.is_terminal
    yield from track(images, label, total, console=console, transient=True, disable=quiet)
