"""Pages about what mattered for a prediction: amounts by slot, and heads painted with them.

Pure but for drawing heads. Letters: K shapes, R slots, M attributions.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.head import Head, find_sites
from capture.muscles import SHAPE_UNITS
from firmware_host.layout import SensorLayout
from viz.axes import FAINT, INK, SERIES, SMALL, Axes, title
from viz.legends import Key, legend, ramp
from viz.lettering import write
from viz.offscreen import Prefer, open_renderer
from viz.page import Line, Page, Pixels, Rect, Text
from viz.painting import SharePaint, heat
from viz.scene import CAPTION_INK, Image, Panel

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_LEFT, _CELL_WIDE, _CELL_HIGH = 210, 34, 19
_NAMES_HIGH = 132
_BAR_KEYS = (
    Key("attribution", SERIES[0], "bar"),
    Key("slots shuffled", FAINT, "bar"),
    Key("95 % of shuffles", SERIES[5]),
)
_RING, _INNER = (255, 255, 255), (24, 30, 38)
_KEY_HIGH = 0.16  # of a cell: the strip below heads that says what they show


@dataclass(frozen=True, slots=True)
class Bar:
    """A value beside what chance gives. high: chance's 95th percentile."""

    name: str
    value: float
    chance: float
    high: float


def shape_words(shape: str) -> str:
    """A shape with the FACS units that it mainly shows."""
    units = SHAPE_UNITS[shape].units
    return f"{shape} · AU {'+'.join(map(str, units))}" if units else shape


def amounts_page(
    shares: Array, expected: Flags, slots: Sequence[str], about: tuple[str, str]
) -> Page:
    """What share of each shape's change each slot has: a matrix, with what anatomy expects framed.

    Args:
        shares: (52, R), NaN in rows that are left out.
        expected: (52, R).
        slots: their names.
        about: title and the line beneath.
    """
    known = [i for i in range(len(ARKIT_NAMES)) if np.isfinite(shares[i]).any()]
    high = _CELL_HIGH * max(len(known), 1)
    top = 58 + _NAMES_HIGH
    page = Page(_LEFT + _CELL_WIDE * len(slots) + 30, top + high + 24)
    title(page, *about)
    filled = np.nan_to_num(shares[known]) / max(float(np.nanmax(shares, initial=0.0)), 1e-9)
    if known:
        colours = np.rint(255 * _pale_heat(filled)).astype(np.uint8)
        page.add(Pixels(_LEFT, top, _CELL_WIDE * len(slots), high, colours))
    for number, slot in enumerate(slots):
        x = _LEFT + _CELL_WIDE * (number + 0.5) + 4
        page.add(Text(x, top - 8, slot.replace("_", " "), SMALL, INK, upright=True))
    for row, shape in enumerate(known):
        y = top + _CELL_HIGH * row
        words = shape_words(ARKIT_NAMES[shape])
        page.add(Text(_LEFT - 8, y + _CELL_HIGH - 6, words, SMALL, INK, "end"))
        for place in np.flatnonzero(expected[shape]).tolist():
            _frame(page, _LEFT + _CELL_WIDE * place, y)
    scale = np.rint(255 * _pale_heat(np.linspace(0, 1, 64)[None])).astype(np.uint8)
    most = f"{100 * float(np.nanmax(shares, initial=0)):.0f} % of the shape's change"
    ramp(page, scale, "0", most, [Key("by anatomy", INK, "frame")])
    return page


def _pale_heat(amount: Array) -> Array:
    """White for nothing, then as `heat`."""
    cover = np.clip(amount * 5, 0, 1)[..., None]
    return 1.0 * (1 - cover) + heat(np.asarray(amount, np.float32)) * cover


def _frame(page: Page, x: float, y: float) -> None:
    left, right, top, low = x + 1.5, x + _CELL_WIDE - 1.5, y + 1.5, y + _CELL_HIGH - 1.5
    corners = [(left, top), (right, top), (right, low), (left, low), (left, top)]
    page.add(Line(np.array(corners, float), INK, 1.6))


def agreement_page(iou: Sequence[Bar], correlation: Sequence[Bar], beneath: str) -> Page:
    """How far attributions agree with anatomy, each beside what shuffled slots would give."""
    row, top, left, wide, gap = 30, 92, 190, 300, 56
    high = row * len(iou)
    page = Page(left + 2 * wide + gap + 30, top + high + 34)
    title(page, "Agreement with the muscles under the sensors", beneath)
    for number, (words, bars) in enumerate(
        (("IoU, threshold by Otsu", iou), ("normalised correlation", correlation))
    ):
        at = left + number * (wide + gap)
        low = min(0.0, *(min(bar.value, bar.chance) for bar in bars)) if bars else 0.0
        axes = Axes(page, at, top, wide, high, (1.1 * low, 1.0), (0.0, 1.0))
        axes.x_axis("", 5)
        page.add(Text(at, top - 12, words, SMALL + 1, INK))
        for k, bar in enumerate(bars):
            y = top + row * k
            zero, end, chance, most = axes.x(np.array([0.0, bar.value, bar.chance, bar.high]))
            page.add(Rect(min(zero, end), y + 5, max(abs(end - zero), 0.5), 11, SERIES[0]))
            page.add(Rect(min(zero, chance), y + 18, max(abs(chance - zero), 0.5), 5, FAINT))
            page.add(Line(np.array([[most, y + 3], [most, y + 25]]), SERIES[5], 1.6))
            if number == 0:
                page.add(Text(left - 10, y + 18, bar.name, SMALL, INK, "end"))
        axes.upright(0.0, FAINT, dashed=False)
    legend(page, _BAR_KEYS)
    return page


def tree_page(joins: Array, names: Sequence[str], beneath: str) -> Page:
    """A dendrogram: (M − 1, 4) joins as SciPy's `linkage` gives them, and the M names."""
    row, top, left, wide = 24, 74, 250, 430
    high = row * len(names)
    page = Page(left + wide + 40, top + high + 56)
    title(page, "Which attributions are alike", beneath)
    furthest = max(float(joins[:, 2].max(initial=0.0)), 1e-6)
    axes = Axes(page, left, top, wide, high, (-0.02 * furthest, 1.05 * furthest), (0.0, 1.0))
    axes.x_axis("1 − correlation of shares", 6)
    places: dict[int, tuple[float, float]] = {}
    for place, leaf in enumerate(_leaves(joins, len(names))):
        y = top + row * (place + 0.5)
        places[leaf] = (0.0, y)
        page.add(Text(left - 10, y + 4, names[leaf], SMALL, INK, "end"))
    for number, (a, b, away, _) in enumerate(joins.tolist()):
        (da, ya), (db, yb) = places[int(a)], places[int(b)]
        xa, xb, x = axes.x(np.array([da, db, away]))
        page.add(Line(np.array([[xa, ya], [x, ya], [x, yb], [xb, yb]]), SERIES[0], 1.6))
        places[len(names) + number] = (away, (ya + yb) / 2)
    axes.frame()
    return page


def _leaves(joins: Array, count: int) -> list[int]:
    """Leaves from top to bottom, so that no two branches cross."""
    below: dict[int, list[int]] = {leaf: [leaf] for leaf in range(count)}
    for number, (a, b, *_) in enumerate(joins.tolist()):
        below[count + number] = below[int(a)] + below[int(b)]
    return below[count + len(joins) - 1] if len(joins) else list(range(count))


def painted_heads(
    shares: Array,
    expected: Flags,
    layout: SensorLayout,
    head: Head,
    shapes: Sequence[str],
    *,
    size: int = 256,
    columns: int = 4,
    notes: Sequence[str] = (),
    prefer: Prefer = "auto",
) -> Image:
    """Heads that wear one shape each, the skin coloured by what each slot brought to it.

    Args:
        shares: (52, R) of the face slots of `layout`; each head's largest is painted hottest.
        expected: (52, R) slots over its muscles, which are ringed.
        shapes: which.
        notes: a line below each; none where empty.
    """
    import cv2

    sites = [find_sites(head, layout)[i] for i in layout.face_indices]
    painter = SharePaint(head, np.array([site.centre for site in sites], np.float32))
    normals = head.normals(head.vertices)
    at = np.array([site.vertices[0] for site in sites])
    cells: list[Image] = []
    with closing(open_renderer(size, 1, prefer, head, captions=False)) as renderer:
        scene = renderer.scene
        for number, shape in enumerate(shapes):
            row = np.nan_to_num(shares[INDEX[shape]])
            weights = np.zeros(len(ARKIT_NAMES), np.float32)
            weights[INDEX[shape]] = 1.0
            paint = painter.paint(np.asarray(row / max(float(row.max()), 1e-9), np.float32))
            panel = Panel(weights, paint=paint)
            image = renderer.draw([panel])
            places, facing = scene.locate(panel, 0, at, normals[at])
            for slot in np.flatnonzero(facing).tolist():
                spot = round(float(places[slot, 0])), round(float(places[slot, 1]))
                radius = max(3, size // 40)
                if expected[INDEX[shape], slot]:
                    cv2.circle(image, spot, radius + 1, _RING, 4, cv2.LINE_AA)
                    cv2.circle(image, spot, radius + 1, _INNER, 2, cv2.LINE_AA)
                else:
                    cv2.circle(image, spot, 2, _INNER, -1, cv2.LINE_AA)
            cells.append(_labelled(image, shape_words(shape), notes[number] if notes else ""))
    return _tiled(cells, columns)


def _labelled(image: Image, words: str, note: str) -> Image:
    size = image.shape[0]
    strip: Image = np.full((round(size * _KEY_HIGH), size, 3), 255, np.uint8)
    letters = size * 0.056
    write(strip, words, (size / 2, 1.15 * letters), letters, CAPTION_INK, "middle")
    write(strip, note, (size / 2, 2.35 * letters), 0.86 * letters, FAINT, "middle")
    return np.concatenate((image, strip))


def _tiled(cells: Sequence[Image], columns: int) -> Image:
    blank = np.full_like(cells[0], 255)
    filled = [*cells, *[blank] * (-len(cells) % columns)]
    rows = [np.hstack(filled[i : i + columns]) for i in range(0, len(filled), columns)]
    return np.vstack(rows)
