"""Plain charts for reports: bars, lines and matrices, each as an RGB picture."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from viz.axes import FAINT, GRID, INK, LABEL, SERIES, SMALL, TITLE
from viz.legends import Key, Sign, legend, ramp
from viz.lettering import BOLD
from viz.page import Line, Page, Pixels, Rect, Text
from viz.scene import Image

Array = NDArray[np.float64]

SERIES_INK = SERIES
_MARGIN, _TOP = 16, 62
_FINE = 7.5


def bars(
    title: str, names: Sequence[str], series: Mapping[str, Array], largest: float | None = None
) -> Image:
    """One row per name, one bar per series; values (N,) from 0 up, NaN left out."""
    row, label, wide = 9 * len(series) + 6, 170, 560
    high = _TOP + row * len(names) + 28
    page = _page(title, list(series), "bar", label + wide + 2 * _MARGIN, high)
    scale = largest or _round_up(max(float(np.nanmax(values)) for values in series.values()))
    low = _TOP + row * len(names)
    for number in range(6):
        x = label + wide * number / 5
        _rule(page, (x, _TOP), (x, low))
        page.add(Text(x, low + 16, f"{scale * number / 5:.2g}", SMALL, FAINT, "middle"))
    for i, name in enumerate(names):
        y = _TOP + i * row
        page.add(Text(label - 8, y + row / 2 + 3, name, SMALL, INK, "end"))
        for k, values in enumerate(series.values()):
            if np.isfinite(values[i]):
                long = round(wide * min(float(values[i]) / scale, 1.0))
                page.add(Rect(label, y + 3 + 9 * k, long, 7, SERIES_INK[k % len(SERIES_INK)]))
    return page.image()


def lines(title: str, x: Array, series: Mapping[str, Array], units: tuple[str, str]) -> Image:
    """Curves (N,) over increasing x > 0, both axes logarithmic; only what is positive is drawn."""
    wide, high, left = 420, 260, 56
    page = _page(title, list(series), "line", left + wide + 2 * _MARGIN, _TOP + high + 40)
    seen = np.concatenate([v[np.isfinite(v) & (v > 0)] for v in series.values()])
    if not len(seen):
        return page.image()
    low, up = np.floor(np.log10(seen.min())), np.ceil(np.log10(seen.max()))
    low = max(low, up - 6)
    to_x = _scale(np.log10(x[0]), np.log10(x[-1]), left, left + wide)
    to_y = _scale(low, max(up, low + 1), _TOP + high, _TOP)
    for power in np.arange(low, up + 1):
        _rule(page, (left, to_y(power)), (left + wide, to_y(power)))
        page.add(Text(left - 6, to_y(power) + 4, f"1e{power:.0f}", SMALL, FAINT, "end"))
    for tick in (0.2, 0.5, 1, 2, 5, 10, 20):
        if x[0] <= tick <= x[-1]:
            at = to_x(np.log10(tick))
            _rule(page, (at, _TOP), (at, _TOP + high))
            page.add(Text(at, _TOP + high + 16, f"{tick:g}", SMALL, FAINT, "middle"))
    words = f"{units[1]} over {units[0]}"
    page.add(Text(left + wide / 2, _TOP + high + 34, words, LABEL, INK, "middle"))
    for k, values in enumerate(series.values()):
        usable = np.isfinite(values) & (values > 0)
        points = [
            (to_x(np.log10(a)), to_y(max(np.log10(b), low)))
            for a, b in zip(x[usable], values[usable], strict=True)
        ]
        page.add(Line(np.array(points).reshape(-1, 2), SERIES_INK[k % len(SERIES_INK)], 2.0))
    return page.image()


def matrices(
    title: str,
    names: Sequence[str],
    shown: Mapping[str, Array],
    cell: int = 9,
    ends: tuple[str, str] | None = None,
) -> Image:
    """Matrices (N, N) of values from −1 (blue) over 0 (white) to 1 (red), side by side.

    ends: what 0 and 1 mean where nothing is below 0.
    """
    side, label = cell * len(names), 150
    page = Page(label + (side + 20) * len(shown) + _MARGIN, _TOP + 16 + side + _MARGIN)
    page.add(Text(_MARGIN, 24, title, TITLE, INK, weight=BOLD))
    low, high = ends or ("−1", "+1")
    ramp(page, _diverging(np.linspace(0 if ends else -1, 1, 64)[None]), low, high)
    for i, name in enumerate(names):
        page.add(Text(label - 6, _TOP + 11 + (i + 1) * cell, name, _FINE, INK, "end"))
    for k, (name, values) in enumerate(shown.items()):
        left = label + k * (side + 20)
        page.add(Text(left, _TOP + 2, name, SMALL, INK))
        page.add(Pixels(left, _TOP + 12, side, side, _diverging(values)))
    return page.image()


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


def _scale(low: float, high: float, first: float, last: float) -> Callable[[float], float]:
    return lambda value: first + (float(value) - low) / (high - low) * (last - first)


def _page(title: str, series: Sequence[str], sign: Sign, wide: int, high: int) -> Page:
    """A page with its title and what the colours are."""
    page = Page(wide, high)
    page.add(Text(_MARGIN, 24, title, TITLE, INK, weight=BOLD))
    inks = [SERIES_INK[k % len(SERIES_INK)] for k in range(len(series))]
    legend(page, [Key(*pair, sign) for pair in zip(series, inks, strict=True)])
    return page


def _rule(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.add(Line(np.array([start, end]), GRID, 0.8))
