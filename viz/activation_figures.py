"""A page about which shapes are taken for which: the confusion of activations. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, OBSERVABLE
from viz.axes import INK, LABEL, SMALL, title
from viz.legends import Key, ramp
from viz.page import Line, Page, Pixels, Text
from viz.painting import heat

Array = NDArray[np.float64]

ACTIVATED = 0.1  # above rest, as `docs/sensing.md`
_RESTS = 0.1  # of the time a shape is at most at rest
_FEWEST = 6  # rows of 1/60 s: less is a flicker
_CELL, _NAMES, _TOP, _GAP = 13, 150, 190, 34


def activations(weights: Array) -> NDArray[np.bool_]:
    """(T, 52) where a shape is more than ACTIVATED above rest, its lowest tenth."""
    rest = np.nanquantile(weights, _RESTS, axis=0)
    return np.asarray(OBSERVABLE & (weights - rest > ACTIVATED))


def confusion(truth: Array, other: Array) -> tuple[NDArray[np.int64], Array]:
    """Which K shapes the truth (T, 52) switches on, and (K, K): of that time, what share `other`
    has each of them on. The diagonal is what was found; beside it stands what was seen with it.
    """
    both = np.isfinite(truth).all(axis=1) & np.isfinite(other).all(axis=1)
    if not both.any():
        return np.zeros(0, np.int64), np.zeros((0, 0))
    seen, said = activations(truth[both]), activations(other[both])
    shapes = np.flatnonzero(seen.sum(axis=0) >= _FEWEST)
    on = seen[:, shapes].astype(float)
    share = on.T @ said[:, shapes].astype(float) / on.sum(axis=0)[:, None]
    return shapes, np.asarray(share)


def activations_page(truth: Array, others: Sequence[Array], captions: Sequence[str]) -> Page:
    """Confusion of each prediction beside that of the truth with itself.

    Args:
        truth: (T, 52), NaN where there was no face.
        others: (T, 52) each.
        captions: of the truth and of the others.
    """
    found = [confusion(truth, values) for values in (truth, *others)]
    shapes = found[0][0]
    side = _CELL * max(len(shapes), 1)
    page = Page(_NAMES + len(found) * (side + _GAP), _TOP + side + 40)
    title(
        page,
        f"Activations while {captions[0]} shows a shape",
        f"rows: what {captions[0]} shows, more than {ACTIVATED:g} above rest; columns: what is on",
    )
    if not len(shapes):
        page.add(Text(_NAMES, _TOP, "no shape is ever on", SMALL + 2, INK))
        return page
    for row, shape in enumerate(shapes.tolist()):
        y = _TOP + _CELL * row + 10
        page.add(Text(_NAMES - 8, y, ARKIT_NAMES[shape], SMALL - 1, INK, "end"))
    for number, ((_, share), caption) in enumerate(zip(found, captions, strict=True)):
        left = _NAMES + number * (side + _GAP)
        page.add(Pixels(left, _TOP, side, side, _coloured(share)))
        for column, shape in enumerate(shapes.tolist()):
            x = left + _CELL * column + 10
            page.add(Text(x, _TOP - 6, ARKIT_NAMES[shape], SMALL - 1, INK, upright=True))
            at = _CELL * column
            page.add(Line(_box(left + at, _TOP + at), INK, 0.8))
        said = caption if number == 0 else f"{caption}: found {100 * np.diag(share).mean():.0f} %"
        page.add(Text(left, _TOP + side + 20, said, LABEL, INK))
    scale = _coloured(np.linspace(0, 1, 64)[None])
    ramp(page, scale, "never", "all of the time", [Key("the same shape", INK, "frame")])
    return page


def _box(x: float, y: float) -> Array:
    far = _CELL
    return np.array([[x, y], [x + far, y], [x + far, y + far], [x, y + far], [x, y]], float)


def _coloured(share: Array) -> NDArray[np.uint8]:
    amount = np.clip(share, 0.0, 1.0)
    cover = np.clip(amount * 4, 0, 1)[..., None]
    return np.rint(255 * ((1 - cover) + heat(amount.astype(np.float32)) * cover)).astype(np.uint8)
