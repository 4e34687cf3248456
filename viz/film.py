"""Tracks to pictures and video."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from capture.head import Head
from capture.tracks import Times, Track, facing_camera, most_expressive_s, resample
from firmware_host.errors import ConfigError
from viz.offscreen import Prefer, open_renderer
from viz.overlays import SensorDots, draw_heat_key
from viz.painting import ErrorPaint
from viz.scene import Image, Panel, Renderer
from viz.slots import SlotTimes
from viz.video import GIF, STILLS, GifWriter, VideoWriter, write_picture

FPS, SIZE = 30.0, 512
LOST = " · no face"


@dataclass(frozen=True, kw_only=True)
class Look:
    """How tracks are drawn.

    head: None is ours. error: paint every head but the first by its distance from the first, which
    is the truth. sensors: draw them; `slots`, one per track, tell which were heard.
    """

    fps: float = FPS
    size: int = SIZE
    prefer: Prefer = "auto"
    head: Head | None = None
    error: bool = False
    sensors: bool = False
    slots: tuple[SlotTimes | None, ...] = ()


PLAIN = Look()


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


class Stage:
    """Draws one moment after the other of tracks that stand side by side.

    Raises:
        DataError: sensors are wanted, and one has no place on this head.
    """

    def __init__(
        self, renderer: Renderer, tracks: Sequence[Track], captions: Sequence[str], look: Look
    ) -> None:
        self.renderer, self._tracks, self._captions = renderer, tracks, captions
        head = renderer.scene.head
        self._error = ErrorPaint(head) if look.error else None
        self._slots = look.slots or (None,) * len(tracks)
        layouts = [slots.layout for slots in self._slots if slots is not None]
        self._dots = SensorDots(head, *layouts[:1]) if look.sensors else None

    def pictures(self, time_s: Times) -> Iterator[Image]:
        """Yield one picture per moment."""
        sampled = [resample(track, time_s) for track in self._tracks]
        for row, moment in enumerate(time_s.tolist()):
            panels = panels_at(sampled, self._captions, row)
            if self._error is not None:
                panels = _painted(panels, self._error)
            image = self.renderer.draw(panels)
            self._draw_over(image, panels, moment)
            yield image

    def _draw_over(self, image: Image, panels: Sequence[Panel], moment_s: float) -> None:
        scene = self.renderer.scene
        for index, (panel, slots) in enumerate(zip(panels, self._slots, strict=True)):
            if self._dots is not None:
                heard = None if slots is None else slots.heard_at(moment_s)
                self._dots.draw(image, scene, panel, index, heard)
            if self._error is not None and index:
                draw_heat_key(image, scene, index)


def panels_at(tracks: Sequence[Track], captions: Sequence[str], row: int) -> list[Panel]:
    """One panel per track, at its row `row`; the caption tells where the face was lost."""
    panels = []
    for track, caption in zip(tracks, captions, strict=True):
        quat = None if track.quats is None else track.quats[row]
        lost = track.tracked is not None and not track.tracked[row]
        panels.append(Panel(track.weights[row], quat, caption + LOST if lost else caption))
    return panels


def _painted(panels: Sequence[Panel], error: ErrorPaint) -> list[Panel]:
    """All but the first painted by their distance from it, which their captions tell."""
    truth, *others = panels
    painted = [truth]
    for panel in others:
        errors_mm = error.errors_mm(panel.weights, truth.weights)
        caption = f"{panel.caption} · mean {error.mean_mm(errors_mm):.1f} mm"
        painted.append(replace(panel, caption=caption, paint=error.paint(errors_mm)))
    return painted


def write_film(stage: Stage, out: Path, stretch: Stretch, fps: float = FPS) -> int:
    """Write a video, or by the suffix a `.gif`; return the number of frames."""
    moments = stretch.times(fps)
    scene = stage.renderer.scene
    writer = GifWriter if out.suffix.lower() == GIF else VideoWriter
    with writer(out, fps, (scene.width, scene.height)) as video:
        drawn = stage.pictures(moments)
        for image in _with_progress(drawn, len(moments), f"drawing {out.name}"):
            video.write(image)
    return len(moments)


def write_still(stage: Stage, out: Path, at_s: float) -> None:
    """Write a picture of one moment."""
    write_picture(out, next(stage.pictures(np.array([at_s]))))


def draw_to_file(
    tracks: Sequence[Track],
    captions: Sequence[str],
    out: Path,
    stretch: Stretch,
    look: Look = PLAIN,
    at_s: float | None = None,
) -> None:
    """Draw `tracks` side by side into `out`: a video, or by the suffix a picture of one moment.

    That moment is `at_s`, or by default the first track's most expressive one in `stretch`.

    Raises:
        ConfigError: `out` cannot have that name.
        DataError: a sensor has no place on this head.
        EnvironmentMissing: no encoder for the video, or the renderer asked for does not work.
    """
    still = out.suffix.lower() in STILLS
    smooth = 2 if still else 1  # hundreds of frames are waited for, one is looked at
    opened = open_renderer(look.size, len(tracks), look.prefer, look.head, smooth=smooth)
    with closing(opened) as renderer:
        stage = Stage(renderer, tracks, captions, look)
        if still:
            moment = most_expressive_s(tracks[0], *stretch) if at_s is None else at_s
            write_still(stage, out, moment)
        else:
            write_film(stage, out, stretch, look.fps)


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
            look = Look(fps=fps, size=size, prefer=prefer)
            draw_to_file(tracks, captions, out, stretch, look)


def _with_progress(images: Iterator[Image], total: int, label: str) -> Iterator[Image]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    quiet = not console.is_terminal
    yield from track(images, label, total, console=console, transient=True, disable=quiet)
