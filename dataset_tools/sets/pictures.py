"""Pictures of a data set for its report: bars, curves, maps. RGB arrays."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from dataset_tools.sets.overview import FREQUENCIES, LEVELS, PIECE_S, Overview
from viz.charts import bars, lines, matrices
from viz.scene import CAPTION_INK, Image

Array = NDArray[np.float64]
Facts = Mapping[str, Any]

_LABEL_PX, _ROW_PX, _CELL_PX = 240, 12, 6
_MOST_ROWS, _MOST_CELLS = 120, 150


def hours(title: str, seconds: Mapping[str, float]) -> Image:
    """Hours of each group."""
    names = [name or "-" for name in seconds]
    return bars(title, names, {"hours": np.array(list(seconds.values())) / 3600})


def histogram(title: str, values: Sequence[float], unit: str, bins: int = 12) -> Image:
    """How many of the values, none below 0, lie in each of `bins` ranges."""
    counts, edges = np.histogram(values, bins, (0.0, max([1.0, *values])))
    names = [f"{a:.3g} to {b:.3g} {unit}" for a, b in pairwise(edges)]
    return bars(title, names, {"sequences": counts.astype(np.float64)})


def spread_of_shapes(seen: Sequence[Overview]) -> Image:
    """Median and 95th percentile of every shape over all rows."""
    levels = np.sum([view.levels for view in seen], axis=0)
    return bars(
        "weights over all rows",
        ARKIT_NAMES,
        {"median": _quantile(levels, 0.5), "95 %": _quantile(levels, 0.95)},
        largest=1.0,
    )


def _quantile(levels: NDArray[np.int64], share: float) -> Array:
    """(52,) upper edge of the level at which `share` of the rows is reached."""
    total = np.cumsum(levels, axis=1)
    at = np.argmax(total >= share * np.maximum(total[:, -1:], 1), axis=1)
    return np.asarray(np.where(total[:, -1] > 0, LEVELS[at + 1], np.nan))


def spectrum(seen: Sequence[Overview]) -> Image:
    """Power of all shapes over frequency."""
    windows = sum(view.windows for view in seen)
    power = np.sum([view.spectrum for view in seen], axis=0) / max(windows, 1)
    return lines("how fast faces move", FREQUENCIES, {"all shapes": power}, ("Hz", "power"))


def noise(seen: Sequence[Overview], slots: Sequence[str]) -> list[Image]:
    """Noise of accelerometers and gyroscopes at rest, median over sequences."""
    told = np.array([view.noise for view in seen])
    found = []
    for column, title in enumerate(("accel noise at rest, m/s²", "gyro noise at rest, rad/s")):
        values = told[..., column]
        known = np.isfinite(values).any(axis=0)
        median = np.full(len(slots), np.nan)
        median[known] = np.nanmedian(values[:, known], axis=0)
        if known.any():
            found.append(bars(title.replace("²", "2"), slots, {"median": median}))
    return found


def together(seen: Sequence[Overview]) -> Image:
    """How often two shapes are active at once: white never, dark red most of the time."""
    rows = max(sum(view.rows for view in seen), 1)
    share = np.sum([view.together for view in seen], axis=0) / rows
    # From one in ten thousand rows to all of them: most of the space is rare.
    shown = np.clip(1 + np.log10(np.maximum(share, 1e-9)) / 4, 0, 1)
    ends = ("one in 10 000 rows", "all")
    return matrices("shapes that are active together", ARKIT_NAMES, {"": shown}, ends=ends)


def heard_over_time(facts: Sequence[Facts], seen: Sequence[Overview]) -> Image:
    """A row per sequence, a cell per 10 s: blue all slots heard, red none, grey no samples."""
    shown = list(zip(facts, seen, strict=True))[:_MOST_ROWS]
    longest = min(max((len(view.heard) for _, view in shown), default=1), _MOST_CELLS)
    high, wide = 46 + _ROW_PX * len(shown) + 10, _LABEL_PX + _CELL_PX * longest + 20
    image = np.full((high, max(wide, 480), 3), 255, np.uint8)
    _text(image, f"samples heard, {PIECE_S:g} s a cell: blue all, red none", (14, 20), 0.45)
    for number, (row, view) in enumerate(shown):
        top = 40 + number * _ROW_PX
        _text(image, str(row["take"])[:34], (14, top + 9), 0.32)
        for k, share in enumerate(view.heard[:longest].tolist()):
            left = _LABEL_PX + k * _CELL_PX
            colour = _colour(share) if row["samples"] else (205, 205, 205)
            image[top : top + _ROW_PX - 2, left : left + _CELL_PX - 1] = colour
    return image


def _colour(share: float) -> tuple[int, int, int]:
    blue, red = np.array([66, 103, 172]), np.array([200, 44, 44])
    mixed = red + (blue - red) * share**4  # a little loss shows
    return (int(mixed[0]), int(mixed[1]), int(mixed[2]))


def _text(image: Image, text: str, at: tuple[int, int], size: float) -> None:
    import cv2

    ascii_only = text.encode("ascii", "replace").decode()
    cv2.putText(image, ascii_only, at, cv2.FONT_HERSHEY_SIMPLEX, size, CAPTION_INK, 1, cv2.LINE_AA)
