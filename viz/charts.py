"""Plain charts for reports, drawn with OpenCV: bars, lines and matrices. Each is an RGB picture.

Enough for a page that is looked at once; what is to be published deserves a plotting library.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viz.scene import CAPTION_INK, Image

Array = NDArray[np.float64]

SERIES_INK = ((66, 103, 172), (222, 112, 62), (88, 150, 92), (140, 96, 160))
_GRID = (226, 228, 232)
_LETTER = 0.4
_MARGIN = 14


def bars(
    title: str, names: Sequence[str], series: Mapping[str, Array], largest: float | None = None
) -> Image:
    """One row per name, one bar per series; values (N,) from 0 up, NaN left out."""
    row, label, wide = 9 * len(series) + 6, 170, 560
    image = _page(label + wide + 2 * _MARGIN, 44 + row * len(names) + 28)
    top = _headline(image, title, list(series))
    scale = largest or _round_up(max(float(np.nanmax(values)) for values in series.values()))
    for number in range(6):
        x = label + round(wide * number / 5)
        _line(image, (x, top), (x, top + row * len(names)), _GRID)
        _text(image, f"{scale * number / 5:.2g}", (x - 8, top + row * len(names) + 16))
    for i, name in enumerate(names):
        y = top + i * row
        _text(image, name, (_MARGIN, y + row - 8))
        for k, values in enumerate(series.values()):
            if np.isfinite(values[i]):
                end = label + round(wide * min(float(values[i]) / scale, 1.0))
                image[y + 3 + 9 * k : y + 10 + 9 * k, label:end] = SERIES_INK[k % len(SERIES_INK)]
    return image


def lines(title: str, x: Array, series: Mapping[str, Array], units: tuple[str, str]) -> Image:
    """Curves (N,) over increasing x > 0, both axes logarithmic; only what is positive is drawn."""
    wide, high, left = 420, 260, 56
    image = _page(left + wide + 2 * _MARGIN, 44 + high + 40)
    top = _headline(image, title, list(series))
    seen = np.concatenate([v[np.isfinite(v) & (v > 0)] for v in series.values()])
    if not len(seen):
        return image
    low, up = np.floor(np.log10(seen.min())), np.ceil(np.log10(seen.max()))
    low = max(low, up - 6)
    to_x = _scale(np.log10(x[0]), np.log10(x[-1]), left, left + wide)
    to_y = _scale(low, max(up, low + 1), top + high, top)
    for power in np.arange(low, up + 1):
        _line(image, (left, to_y(power)), (left + wide, to_y(power)), _GRID)
        _text(image, f"1e{power:.0f}", (6, to_y(power) + 4))
    for tick in (0.2, 0.5, 1, 2, 5, 10, 20):
        if x[0] <= tick <= x[-1]:
            at = to_x(np.log10(tick))
            _line(image, (at, top), (at, top + high), _GRID)
            _text(image, f"{tick:g}", (at - 8, top + high + 16))
    _text(image, f"{units[1]} over {units[0]}", (left, top + high + 34))
    for k, values in enumerate(series.values()):
        usable = np.isfinite(values) & (values > 0)
        points = [
            (to_x(np.log10(a)), to_y(max(np.log10(b), low)))
            for a, b in zip(x[usable], values[usable], strict=True)
        ]
        _curve(image, points, SERIES_INK[k % len(SERIES_INK)])
    return image


def matrices(title: str, names: Sequence[str], shown: Mapping[str, Array], cell: int = 9) -> Image:
    """Matrices (N, N) of values from −1 (blue) over 0 (white) to 1 (red), side by side."""
    side, label = cell * len(names), 150
    image = _page(label + (side + 20) * len(shown) + _MARGIN, 60 + side + _MARGIN)
    _text(image, title, (_MARGIN, 20))
    for i, name in enumerate(names):
        _text(image, name, (_MARGIN, 56 + (i + 1) * cell), 0.3)
    for k, (name, values) in enumerate(shown.items()):
        left = label + k * (side + 20)
        _text(image, name, (left, 46))
        big = np.kron(_diverging(values), np.ones((cell, cell, 1), np.uint8))
        image[56 : 56 + side, left : left + side] = big
    return image


def beside(images: Sequence[Image], columns: int) -> Image:
    """Several pictures of one size on one page, row by row."""
    empty = np.full_like(images[0], 255)
    filled = [*images, *[empty] * (-len(images) % columns)]
    rows = [np.hstack(filled[i : i + columns]) for i in range(0, len(filled), columns)]
    return np.vstack(rows)


def _round_up(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten; 1 for what is not positive."""
    if value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= value))


def _diverging(values: Array) -> Image:
    known = np.isfinite(values)
    v = np.clip(np.where(known, values, 0.0), -1, 1)[..., None]
    red, blue = np.array([178.0, 42, 52]), np.array([40.0, 90, 170])
    colour = 255 + np.abs(v) * (np.where(v > 0, red, blue) - 255)
    return np.where(known[..., None], colour, 205).astype(np.uint8)


def _scale(low: float, high: float, first: int, last: int) -> Any:
    return lambda value: round(first + (float(value) - low) / (high - low) * (last - first))


def _page(wide: int, high: int) -> Image:
    return np.full((high, wide, 3), 255, np.uint8)


def _headline(image: Image, title: str, series: Sequence[str]) -> int:
    """Write title and legend; return the row below them."""
    _text(image, title, (_MARGIN, 18), 0.45)
    x = _MARGIN
    for k, name in enumerate(series):
        image[26:34, x : x + 16] = SERIES_INK[k % len(SERIES_INK)]
        _text(image, name, (x + 22, 34))
        x += 40 + 8 * len(name)
    return 44


def _text(image: Image, text: str, at: tuple[int, int], size: float = _LETTER) -> None:
    import cv2

    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, CAPTION_INK, 1, cv2.LINE_AA)


def _line(image: Image, start: tuple[int, int], end: tuple[int, int], ink: Any) -> None:
    import cv2

    cv2.line(image, start, end, ink, 1, cv2.LINE_AA)


def _curve(image: Image, points: Sequence[tuple[int, int]], ink: Any) -> None:
    import cv2

    drawn = np.array(points, np.int32).reshape(-1, 1, 2)
    cv2.polylines(image, [drawn], False, ink, 2, cv2.LINE_AA)
