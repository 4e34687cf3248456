"""Pages about faces: curves of truth and predictions, and the error of every shape. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, INDEX, OBSERVABLE
from capture.tracks import Track, resample
from firmware_host.errors import ConfigError
from viz.axes import FAINT, INK, SERIES, SMALL, TRUTH, Axes, around, title
from viz.film import Stretch
from viz.legends import Key, legend
from viz.page import Page, Rect, Text

Array = NDArray[np.float64]

WIDE, LEFT, RIGHT, HEAD = 900, 150, 24, 62
COMPARE_HZ = 60.0
_Z90 = 1.645  # standard deviations to either side that hold 90 % of a normal distribution
_STILL_STD = 0.02  # as `docs/sensing.md`: less is a shape that does not move in this take


@dataclass(frozen=True, slots=True, eq=False)
class ShapeErrors:
    """By shape (52,): mean absolute error without offset, and correlation; NaN where still.

    As `docs/sensing.md` defines them: medians of a take are removed before the error.
    """

    error: Array
    correlation: Array


def on_one_grid(tracks: Sequence[Track], stretch: Stretch) -> tuple[Array, list[Array]]:
    """(T,) times and (T, 52) weights of every track there, NaN where the first has no face."""
    time_s = stretch.times(COMPARE_HZ)
    sampled = [resample(track, time_s) for track in tracks]
    weights = [np.asarray(track.weights, np.float64) for track in sampled]
    if (seen := sampled[0].tracked) is not None:
        weights = [np.where(seen[:, None], values, np.nan) for values in weights]
    return time_s, weights


def compare(truth: Array, other: Array) -> ShapeErrors:
    """How far `other` (T, 52) is from `truth`, over the rows where both are known."""
    both = np.isfinite(truth).all(axis=1) & np.isfinite(other).all(axis=1)
    a, b = truth[both], other[both]
    if len(a) < 2:
        nothing = np.full(len(ARKIT_NAMES), np.nan)
        return ShapeErrors(nothing, nothing)
    error = np.abs((a - np.median(a, axis=0)) - (b - np.median(b, axis=0))).mean(axis=0)
    p, q = a - a.mean(axis=0), b - b.mean(axis=0)
    size = np.sqrt((p**2).sum(axis=0) * (q**2).sum(axis=0))
    r = np.where(size > 1e-9, (p * q).sum(axis=0) / np.maximum(size, 1e-9), 0.0)
    moves = OBSERVABLE & (a.std(axis=0) > _STILL_STD)
    return ShapeErrors(np.where(moves, error, np.nan), np.where(moves, r, np.nan))


def most_active(truth: Array, count: int) -> list[str]:
    """The shapes that move most, in canonical order."""
    spread = np.where(OBSERVABLE, np.nanstd(truth, axis=0), 0.0)
    return [ARKIT_NAMES[i] for i in sorted(np.argsort(spread)[::-1][:count].tolist())]


def shapes_named(names: Sequence[str]) -> list[str]:
    """The names. Raises ConfigError where one is none of the 52."""
    for name in names:
        if name not in INDEX:
            close = [known for known in ARKIT_NAMES if name.lower() in known.lower()]
            hint = f"did you mean {', '.join(close[:4])}?" if close else "names are as jawOpen"
            raise ConfigError(f"{name!r} is not one of the 52 shapes", hint)
    return list(names)


def curves_page(
    time_s: Array,
    weights: Sequence[Array],
    captions: Sequence[str],
    shapes: Sequence[str],
    together: bool = False,
    spreads: Sequence[Array | None] = (),
) -> Page:
    """Curves of some shapes over time: the truth grey, the others in colour.

    Args:
        time_s: (T,).
        weights: (T, 52) each; the first is the truth.
        captions: their names.
        shapes: which, one row each.
        together: the others are drawn as one: their mean, and a band from lowest to highest.
        spreads: (T, 52) what each states of its own standard deviation, None where nothing; where
            something, a band that should hold 90 % of the truth is drawn around its curve.
    """
    bands = [_band(*pair) for pair in zip(weights, spreads or [None] * len(weights), strict=True)]
    if together and len(weights) > 2:
        others = np.stack(weights[1:])
        bands = [None, (others.min(axis=0), others.max(axis=0))]
        weights = [weights[0], others.mean(axis=0)]
        captions = [captions[0], f"mean and range of {len(others)}"]
    row, gap = 64, 14
    page = Page(WIDE, HEAD + len(shapes) * (row + gap) + 40)
    inks = [TRUTH, *(SERIES[i % len(SERIES)] for i in range(len(weights) - 1))]
    span = float(time_s[0]), float(max(time_s[-1], time_s[0] + 1e-3))
    errors = [compare(weights[0], other) for other in weights[1:]]
    for number, shape in enumerate(shapes):
        column = INDEX[shape]
        edges = [edge for band in bands if band is not None for edge in band]
        drawn = [values[:, column] for values in (*weights, *edges)]
        limits = around(*drawn, margin=0.08)
        limits = min(limits[0], 0.0), max(limits[1], 0.2)
        axes = Axes(page, LEFT, HEAD + number * (row + gap), WIDE - LEFT - RIGHT, row, span, limits)
        is_last = number == len(shapes) - 1
        axes.x_axis("s" if is_last else "", 10, labels=is_last)
        axes.y_axis("", 3)
        for band, ink in zip(bands, inks, strict=True):
            if band is not None:
                axes.band(time_s, band[0][:, column], band[1][:, column], ink)
        for values, ink in zip(weights, inks, strict=True):
            axes.curve(time_s, values[:, column], ink, 1.8 if ink == TRUTH else 1.3)
        axes.frame()
        said = "  ".join(f"r {one.correlation[column]:.2f}" for one in errors)
        page.add(Text(LEFT - 34, axes.top + row / 2, shape, SMALL + 1, INK, "end"))
        page.add(Text(LEFT - 34, axes.top + row / 2 + 14, said, SMALL, FAINT, "end"))
    words = f"{captions[0]} and {_listed(captions[1:])}" if len(captions) > 1 else captions[0]
    stated = any(values is not None for values in spreads) and not together
    title(page, words, "bands: where 90 % of the truth should be" if stated else "")
    legend(page, [Key(*pair) for pair in zip(captions, inks, strict=True)])
    return page


def _band(weights: Array, spread: Array | None) -> tuple[Array, Array] | None:
    """Lowest and highest of an interval of 90 % around weights, within what weights can be."""
    if spread is None or not np.nan_to_num(spread).any():
        return None
    return np.clip(weights - _Z90 * spread, 0.0, 1.0), np.clip(weights + _Z90 * spread, 0.0, 1.0)


def spreads_on(tracks: Sequence[Track], time_s: Array) -> list[Array | None]:
    """(T, 52) what tracks state of their own deviation at these times; None where nothing."""
    return [
        None if track.spread is None else np.asarray(resample(track, time_s).spread, np.float64)
        for track in tracks
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def errors_page(errors: Sequence[ShapeErrors], captions: Sequence[str], about: str) -> Page:
    """Error and correlation of every shape that moves, as bars, worst error on top."""
    mean = np.mean(np.stack([one.error for one in errors]), axis=0)  # what moves, moves for all
    known = [i for i in np.argsort(-np.nan_to_num(mean, nan=-1.0)).tolist() if np.isfinite(mean[i])]
    bar = 9
    row = bar * len(errors) + 6
    page = Page(WIDE, HEAD + 16 + row * max(len(known), 1) + 44)
    inks = [SERIES[i % len(SERIES)] for i in range(len(errors))]
    largest = max((float(np.nanmax(one.error)) for one in errors if known), default=1.0)
    wide, gap = (WIDE - LEFT - RIGHT - 40) // 2, 40
    high = row * max(len(known), 1)
    panels = (
        ("mean absolute error, offsets removed", (0.0, 1.05 * largest), [e.error for e in errors]),
        ("correlation with the truth", (0.0, 1.0), [e.correlation for e in errors]),
    )
    for number, (words, limits, series) in enumerate(panels):
        left = LEFT + number * (wide + gap)
        axes = Axes(page, left, HEAD + 16, wide, high, limits, (0, 1))
        axes.x_axis("", 5)
        page.add(Text(left, HEAD + 6, words, SMALL + 1, INK))
        for place, shape in enumerate(known):
            top = axes.top + place * row + 3
            if number == 0:
                page.add(Text(LEFT - 8, top + row / 2 + 1, ARKIT_NAMES[shape], SMALL, INK, "end"))
            for k, values in enumerate(series):
                end = float(axes.x(np.clip(values[shape : shape + 1], *limits))[0])
                page.add(Rect(left, top + k * bar, max(end - left, 0.5), bar - 2, inks[k]))
    nothing = (
        "no shape moves enough to be judged" if not known else f"{len(known)} shapes that move"
    )
    title(page, about, nothing)
    legend(page, [Key(*pair, "bar") for pair in zip(captions, inks, strict=True)])
    return page
