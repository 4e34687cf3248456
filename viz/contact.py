"""A contact sheet: many moments of tracks on one picture, for a look at all of a take at once."""

from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np

from capture.tracks import Track, most_expressive_s
from viz.film import Look, Stage, Stretch
from viz.lettering import write
from viz.offscreen import open_renderer
from viz.scene import CAPTION_INK, Image
from viz.video import write_picture

CELLS = 12
_ACROSS = {1: 4, 2: 2}  # cells in a row by heads in a cell
_GAP_PX = 6


def moments(track: Track, stretch: Stretch, count: int) -> list[float]:
    """The most expressive second of each of `count` equal parts of `stretch`."""
    edges = np.linspace(*stretch, count + 1)
    return [most_expressive_s(track, *part) for part in pairwise(edges.tolist())]


def write_sheet(
    tracks: Sequence[Track],
    captions: Sequence[str],
    out: Path,
    stretch: Stretch,
    look: Look,
    cells: int = CELLS,
) -> None:
    """Write a picture of `cells` moments of `tracks`, each with its time, the captions above.

    Raises:
        ConfigError: `out` is no picture. EnvironmentMissing: the renderer asked for does not work.
    """
    opened = open_renderer(look.size, len(tracks), look.prefer, look.head, smooth=2)
    with closing(opened) as renderer:
        times = moments(tracks[0], stretch, cells)
        drawn = list(Stage(renderer, tracks, captions, look).pictures(np.array(times)))
    for image, time_s in zip(drawn, times, strict=True):
        letters = max(10.0, look.size / 20)
        write(image, f"{time_s:.2f} s", (letters / 2, 1.3 * letters), letters, CAPTION_INK)
    write_picture(out, in_rows(drawn, _ACROSS.get(len(tracks), 2)))


def in_rows(images: Sequence[Image], across: int) -> Image:
    """Pictures of one size in rows, white between them."""
    high, wide = images[0].shape[:2]
    rows = -(-len(images) // across)
    across = min(across, len(images))
    shape = rows * (high + _GAP_PX) - _GAP_PX, across * (wide + _GAP_PX) - _GAP_PX, 3
    sheet = np.full(shape, 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (i // across) * (high + _GAP_PX), (i % across) * (wide + _GAP_PX)
        sheet[top : top + high, left : left + wide] = image
    return sheet
