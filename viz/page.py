"""A page of marks that becomes a vector picture (SVG) or pixels: what every chart is drawn on.

Places are in points, x to the right, y down. A mark is a value; nothing is drawn before the end.
"""

from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray

from viz.lettering import REGULAR, Align, Ink, write
from viz.scene import Image

Array = NDArray[np.float64]

WHITE: Ink = (255, 255, 255)
DASH = (5.0, 4.0)  # points: on, off
_SHIFT = 4  # OpenCV draws to a sixteenth of a pixel
_FONT = "Rubik, Inter, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True, slots=True, eq=False)
class Rect:
    """A filled box. opacity: of its ink."""

    x: float
    y: float
    wide: float
    high: float
    ink: Ink
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line through (N, 2) points."""

    points: Array
    ink: Ink
    wide: float = 1.2
    dashed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """What (N, 2) points enclose, filled."""

    points: Array
    ink: Ink
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Dots:
    """A dot at each of (N, 2) points."""

    points: Array
    ink: Ink
    radius: float = 1.2
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """One line; (x, y) is on its base line. upright: turned by a quarter, to be read upwards."""

    x: float
    y: float
    text: str
    size: float
    ink: Ink
    align: Align = "start"
    weight: int = REGULAR
    upright: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """(H, W, 3) colours stretched over a box, each a box of its own."""

    x: float
    y: float
    wide: float
    high: float
    colours: Image


Mark = Rect | Line | Area | Dots | Text | Pixels


@dataclass(slots=True)
class Page:
    """Marks on white, in the order in which they cover each other."""

    wide: int
    high: int
    marks: list[Mark] = field(default_factory=list)

    def add(self, *marks: Mark) -> None:
        """On top of what there is."""
        self.marks += marks

    def svg(self) -> str:
        """The page as an SVG document."""
        size = f'width="{self.wide}" height="{self.high}" viewBox="0 0 {self.wide} {self.high}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{_FONT}">'
        ground = f'<rect width="{self.wide}" height="{self.high}" fill="#fff"/>'
        return "\n".join([head, ground, *map(_as_svg, self.marks), "</svg>\n"])

    def image(self, scale: float = 1.0) -> Image:
        """(H, W, 3) RGB, `scale` pixels to the point."""
        shape = round(self.high * scale), round(self.wide * scale), 3
        image: Image = np.full(shape, 255, np.uint8)
        for mark in self.marks:
            _paint(image, mark, scale)
        return image


def _hex(ink: Ink) -> str:
    return "#{:02x}{:02x}{:02x}".format(*ink)


def _path(points: Array) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points.tolist())


def _as_svg(mark: Mark) -> str:
    match mark:
        case Rect(x, y, wide, high, ink, opacity):
            box = f'x="{x:.2f}" y="{y:.2f}" width="{wide:.2f}" height="{high:.2f}"'
            return f'<rect {box} fill="{_hex(ink)}" fill-opacity="{opacity:g}"/>'
        case Line(points, ink, wide, dashed):
            dash = f' stroke-dasharray="{DASH[0]:g} {DASH[1]:g}"' if dashed else ""
            style = f'stroke="{_hex(ink)}" stroke-width="{wide:g}" stroke-linejoin="round"{dash}'
            return f'<polyline points="{_path(points)}" fill="none" {style}/>'
        case Area(points, ink, opacity):
            style = f'fill="{_hex(ink)}" fill-opacity="{opacity:g}"'
            return f'<polygon points="{_path(points)}" {style}/>'
        case Dots(points, ink, radius, opacity):
            # One path of dots: a line of no length with round ends is a dot.
            path = " ".join(f"M{x:.2f},{y:.2f}h0" for x, y in points.tolist())
            style = f'stroke="{_hex(ink)}" stroke-width="{2 * radius:g}" stroke-linecap="round"'
            return f'<path d="{path}" {style} stroke-opacity="{opacity:g}"/>'
        case Pixels():
            return _pixels_as_svg(mark)
        case Text():
            return _text_as_svg(mark)


def _text_as_svg(mark: Text) -> str:
    turned = f' transform="rotate(-90 {mark.x:.2f} {mark.y:.2f})"' if mark.upright else ""
    where = f'x="{mark.x:.2f}" y="{mark.y:.2f}" text-anchor="{mark.align}"{turned}'
    style = f'font-size="{mark.size:g}" font-weight="{mark.weight}" fill="{_hex(mark.ink)}"'
    return f"<text {where} {style}>{escape(mark.text)}</text>"


def _pixels_as_svg(mark: Pixels) -> str:
    import base64

    import cv2

    _, encoded = cv2.imencode(".png", np.ascontiguousarray(mark.colours[..., ::-1]))
    data = base64.b64encode(encoded.tobytes()).decode()
    box = f'x="{mark.x:.2f}" y="{mark.y:.2f}" width="{mark.wide:.2f}" height="{mark.high:.2f}"'
    kept = 'preserveAspectRatio="none" style="image-rendering:pixelated"'
    return f'<image {box} {kept} href="data:image/png;base64,{data}"/>'


def _paint(image: Image, mark: Mark, scale: float) -> None:
    match mark:
        case Rect(x, y, wide, high, ink, opacity):
            rows, columns = _span(y, high, scale), _span(x, wide, scale)
            _blend(image[rows, columns], ink, opacity)
        case Line(points, ink, wide, dashed):
            for part in _dashes(points * scale, scale, wide) if dashed else [points * scale]:
                _stroke(image, part, ink, wide * scale)
        case Area(points, ink, opacity):
            _fill(image, points * scale, ink, opacity)
        case Dots(points, ink, radius, opacity):
            _spot(image, points * scale, ink, radius * scale, opacity)
        case Pixels():
            _stretch(image, mark, scale)
        case Text():
            _letter(image, mark, scale)


def _span(start: float, length: float, scale: float) -> slice:
    first = max(round(start * scale), 0)
    return slice(first, max(round((start + length) * scale), first))


def _blend(view: Image, ink: Ink, opacity: float) -> None:
    view[:] = np.rint(view * (1 - opacity) + np.array(ink) * opacity).astype(np.uint8)


def _fixed(points: Array) -> NDArray[np.int32]:
    # A pixel's centre is its whole number for OpenCV, and half of one more for a page.
    return np.rint((points - 0.5) * (1 << _SHIFT)).astype(np.int32).reshape(-1, 1, 2)


def _stroke(image: Image, points: Array, ink: Ink, wide: float) -> None:
    import cv2

    if len(points) > 1:
        thick = max(1, round(wide))
        cv2.polylines(image, [_fixed(points)], False, ink, thick, cv2.LINE_AA, _SHIFT)


def _fill(image: Image, points: Array, ink: Ink, opacity: float) -> None:
    import cv2

    if opacity >= 1.0:
        cv2.fillPoly(image, [_fixed(points)], ink, cv2.LINE_AA, _SHIFT)
        return
    low = np.maximum(np.floor(points.min(axis=0)).astype(int) - 1, 0)
    high = np.ceil(points.max(axis=0)).astype(int) + 1
    view = image[low[1] : high[1], low[0] : high[0]]
    if not view.size:
        return
    cover = np.zeros(view.shape[:2], np.uint8)
    cv2.fillPoly(cover, [_fixed(points - low)], 255, cv2.LINE_AA, _SHIFT)
    share = (opacity / 255.0) * cover[..., None]
    view[:] = np.rint(view * (1 - share) + np.array(ink) * share).astype(np.uint8)


def _spot(image: Image, points: Array, ink: Ink, radius: float, opacity: float) -> None:
    import cv2

    target = image if opacity >= 1.0 else image.copy()
    size = max(1, round(radius * (1 << _SHIFT)))
    for x, y in _fixed(points).reshape(-1, 2).tolist():
        cv2.circle(target, (x, y), size, ink, -1, cv2.LINE_AA, _SHIFT)
    if target is not image:
        cv2.addWeighted(target, opacity, image, 1 - opacity, 0, image)


def _dashes(points: Array, scale: float, wide: float) -> list[Array]:
    """The parts of a line that a dashed one keeps, in pixels."""
    # OpenCV's lines have round ends, which make them longer than they are.
    thick = max(1, round(wide * scale))
    on = max(DASH[0] * scale - thick, 1.0)
    off = sum(DASH) * scale - on
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    parts = []
    for start in np.arange(0.0, along[-1], on + off):
        end = min(start + on, along[-1])
        inside = along[(along > start) & (along < end)]
        at = np.concatenate([[start], inside, [end]])
        parts.append(np.column_stack([np.interp(at, along, column) for column in points.T]))
    return parts


def _stretch(image: Image, mark: Pixels, scale: float) -> None:
    import cv2

    rows, columns = _span(mark.y, mark.high, scale), _span(mark.x, mark.wide, scale)
    view = image[rows, columns]
    if view.size:
        size = view.shape[1], view.shape[0]
        view[:] = cv2.resize(mark.colours, size, interpolation=cv2.INTER_NEAREST)


def _letter(image: Image, mark: Text, scale: float) -> None:
    x, y, size = mark.x * scale, mark.y * scale, mark.size * scale
    if not mark.upright:
        write(image, mark.text, (x, y), size, mark.ink, mark.align, mark.weight)
        return
    turned = np.ascontiguousarray(np.rot90(image, -1))  # up becomes to the right
    write(turned, mark.text, (image.shape[0] - y, x), size, mark.ink, mark.align, mark.weight)
    image[:] = np.rot90(turned)
