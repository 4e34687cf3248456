"""Axes on a page: scales, ticks, and curves longer than the page is wide."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viz.lettering import BOLD, Ink
from viz.page import Area, Dots, Line, Page, Rect, Text

Array = NDArray[np.float64]
Limits = tuple[float, float]

# Okabe and Ito's colours: apart for every kind of colour vision. The truth is always the grey.
INK: Ink = (58, 66, 76)
FAINT: Ink = (112, 120, 130)
GRID: Ink = (226, 228, 232)
TRUTH: Ink = (90, 98, 108)
SERIES: tuple[Ink, ...] = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0),
)  # fmt: skip
TROUBLE: Ink = (213, 94, 0)
PALE = 0.25  # of the ink of bands and gaps
SMALL, LABEL, TITLE = 10.0, 11.0, 14.0
MOST_DOTS = 4000


def nice_ticks(limits: Limits, about: int) -> Array:
    """Multiples of 1, 2 or 5 times a power of ten within `limits`, about so many."""
    low, high = limits
    rough = max((high - low) / max(about, 1), 1e-12)
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    return np.asarray(np.arange(first, last + 1) * step, np.float64)


def tick_words(ticks: Array) -> list[str]:
    """Ticks as text, all with as many decimals as the finest needs."""
    step = (
        float(np.diff(ticks).min()) if len(ticks) > 1 else abs(float(ticks[0])) if len(ticks) else 1
    )
    decimals = int(np.clip(np.ceil(-np.log10(step) - 1e-9), 0, 9)) if step > 0 else 0
    return [f"{round(tick, decimals) + 0.0:.{decimals}f}" for tick in ticks.tolist()]


def around(*values: Array, margin: float = 0.05) -> Limits:
    """Limits that hold all finite values, with some room; (0, 1) where there are none."""
    known = [v[np.isfinite(v)] for v in values]
    known = [v for v in known if len(v)]
    if not known:
        return 0.0, 1.0
    low, high = min(float(v.min()) for v in known), max(float(v.max()) for v in known)
    room = margin * (high - low) or max(abs(high), 1.0) * margin
    return low - room, high + room


def envelope(x: Array, y: Array, columns: int) -> tuple[Array, Array, Array]:
    """(K,) middles, lowest and highest of a curve in each of `columns` equal parts that has any.

    A curve of a hundred thousand points looks the same as its envelope, pixel by pixel.
    """
    known = np.isfinite(y)
    x, y = x[known], y[known]
    if not len(x):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    low, high = float(x.min()), float(x.max())
    width = (high - low) / columns or 1.0
    part = np.minimum(((x - low) / width).astype(np.int64), columns - 1)
    starts = np.flatnonzero(np.diff(part, prepend=-1))
    least = np.minimum.reduceat(y, starts)
    most = np.maximum.reduceat(y, starts)
    return low + (part[starts] + 0.5) * width, least, most


def thinned(x: Array, y: Array, most: int = MOST_DOTS) -> NDArray[np.int64]:
    """Which of (N,) dots to draw, about `most`: an even choice, and the highest of stretches."""
    if len(x) <= most:
        return np.arange(len(x))
    even = np.arange(0, len(x), -(-len(x) // most))
    order = np.argsort(x, kind="stable")
    highest = [part[np.argmax(y[part])] for part in np.array_split(order, most // 4)]
    return np.unique(np.concatenate([even, highest]))


@dataclass(slots=True)
class Axes:
    """A box of a page with two linear scales."""

    page: Page
    left: float
    top: float
    wide: float
    high: float
    x_limits: Limits
    y_limits: Limits

    def x(self, values: Array) -> Array:
        """Places on the page of values."""
        low, high = self.x_limits
        return np.asarray(self.left + (values - low) / (high - low) * self.wide)

    def y(self, values: Array) -> Array:
        """Places on the page of values, cut to the box."""
        low, high = self.y_limits
        up = np.clip((values - low) / (high - low), 0.0, 1.0)
        return np.asarray(self.top + (1 - up) * self.high)

    def places(self, x: Array, y: Array) -> Array:
        """(N, 2) on the page."""
        return np.column_stack([self.x(x), self.y(y)])

    def x_axis(self, words: str = "", about: int = 8, labels: bool = True) -> None:
        """Ticks and grid from left to right."""
        ticks = nice_ticks(self.x_limits, about)
        low = self.top + self.high
        for place, label in zip(self.x(ticks).tolist(), tick_words(ticks), strict=True):
            self.page.add(Line(np.array([[place, self.top], [place, low]]), GRID, 0.8))
            if labels:
                self.page.add(Text(place, low + 14, label, SMALL, FAINT, "middle"))
        if words:
            middle = self.left + self.wide / 2
            self.page.add(Text(middle, low + 30, words, LABEL, INK, "middle"))

    def y_axis(self, words: str = "", about: int = 4, labels: bool = True) -> None:
        """Ticks and grid from bottom to top."""
        ticks = nice_ticks(self.y_limits, about)
        right = self.left + self.wide
        for place, label in zip(self.y(ticks).tolist(), tick_words(ticks), strict=True):
            self.page.add(Line(np.array([[self.left, place], [right, place]]), GRID, 0.8))
            if labels:
                self.page.add(Text(self.left - 6, place + 3.5, label, SMALL, FAINT, "end"))
        if words:
            at = self.left - 40, self.top + self.high / 2
            self.page.add(Text(*at, words, LABEL, INK, "middle", upright=True))

    def frame(self) -> None:
        """The line that everything stands on."""
        low, right = self.top + self.high, self.left + self.wide
        self.page.add(Line(np.array([[self.left, low], [right, low]]), FAINT, 1.0))

    def curve(self, x: Array, y: Array, ink: Ink, wide: float = 1.3, dashed: bool = False) -> None:
        """A line, with holes where y is NaN; of very many points only what can be seen of them."""
        if len(x) > 4 * self.wide:
            self._dense(x, y, ink, wide)
            return
        known = np.isfinite(y)
        bounds = np.flatnonzero(np.diff(known.astype(np.int8))) + 1
        for part in np.split(np.arange(len(y)), bounds):
            if len(part) > 1 and known[part[0]]:
                self.page.add(Line(self.places(x[part], y[part]), ink, wide, dashed))

    def _dense(self, x: Array, y: Array, ink: Ink, wide: float) -> None:
        middle, least, most = envelope(x, y, round(self.wide))
        step = (float(x[-1]) - float(x[0])) / round(self.wide) if len(x) else 1.0
        holes = np.flatnonzero(np.diff(middle) > 2.5 * step) + 1
        for part in np.split(np.arange(len(middle)), holes):
            if len(part) > 1:
                there = self.places(middle[part], most[part])
                back = self.places(middle[part], least[part])[::-1]
                self.page.add(Area(np.concatenate([there, back]), ink))
                self.page.add(Line(there, ink, min(wide, 1.0)))

    def band(self, x: Array, low: Array, high: Array, ink: Ink, opacity: float = PALE) -> None:
        """What lies between two curves, shaded; holes where either is NaN."""
        known = np.isfinite(low) & np.isfinite(high)
        bounds = np.flatnonzero(np.diff(known.astype(np.int8))) + 1
        for part in np.split(np.arange(len(x)), bounds):
            if len(part) > 1 and known[part[0]]:
                there, back = self.places(x[part], high[part]), self.places(x[part], low[part])
                self.page.add(Area(np.concatenate([there, back[::-1]]), ink, opacity))

    def spans(self, spans: Sequence[Limits], ink: Ink = TROUBLE, opacity: float = PALE) -> None:
        """Stretches of x, shaded from top to bottom, each wide enough to be seen."""
        for start, end in spans:
            first, last = np.clip(self.x(np.array([start, end])), self.left, self.left + self.wide)
            width = max(float(last - first), 1.0)
            self.page.add(Rect(float(first), self.top, width, self.high, ink, opacity))

    def dots(self, x: Array, y: Array, ink: Ink, radius: float = 1.2, opacity: float = 0.6) -> None:
        """A dot a point; NaN are left out, and of very many some that lie below others."""
        known = np.isfinite(x) & np.isfinite(y)
        if known.any():
            kept = thinned(x[known], y[known])
            self.page.add(Dots(self.places(x[known][kept], y[known][kept]), ink, radius, opacity))

    def upright(self, x: float, ink: Ink, words: str = "", dashed: bool = True) -> None:
        """A line from bottom to top at one x, and what it means."""
        place = float(self.x(np.array([x]))[0])
        ends = np.array([[place, self.top], [place, self.top + self.high]])
        self.page.add(Line(ends, ink, 1.2, dashed))
        if words:
            self.page.add(Text(place + 4, self.top + 10, words, SMALL, ink))

    def columns(self, edges: Array, heights: Array, ink: Ink, opacity: float = 1.0) -> None:
        """A histogram: boxes from zero up between (N + 1,) edges."""
        zero = float(self.y(np.zeros(1))[0])
        rows = zip(self.x(edges[:-1]), self.x(edges[1:]), self.y(heights), strict=True)
        for left, right, top in rows:
            if zero - top > 0:
                wide = max(float(right - left) - 0.6, 0.6)
                self.page.add(Rect(float(left), float(top), wide, zero - float(top), ink, opacity))


def title(page: Page, words: str, beneath: str = "", left: float = 16.0) -> None:
    """What a page is about, and a quieter line that says more."""
    page.add(Text(left, 24, words, TITLE, INK, weight=BOLD))
    if beneath:
        page.add(Text(left, 42, beneath, LABEL, FAINT))
