"""How far a figure would stray with other seconds, or other takes, of the same kind. Pure.

Ticks of 1/60 s are not independent, a ten-second piece of a face nearly is of the next: within a
take pieces are drawn anew, over several takes whole takes. Both say nothing about people who were
not recorded.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from capture.resample import TICK_HZ

Array = NDArray[np.float64]
Interval = tuple[float, float]

PIECE_S = 10.0
# Of three, one draw in nine is a single piece three times over: no tail of 2.5 % is left to cut.
FEWEST = 5
# Of four people one draw in 64 is a single person four times over: a rough interval, but one.
_FEWEST_EACH = 4
_DRAWS = 2000
_SHARE = 95.0


def pieces(ticks: int) -> list[slice]:
    """Cut `ticks` judged ticks into pieces of ten seconds; a last one shorter than half of that
    belongs to the one before.
    """
    length = round(PIECE_S * TICK_HZ)
    starts = list(range(0, ticks, length))
    if len(starts) > 1 and ticks - starts[-1] < length / 2:
        del starts[-1]
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], ticks], strict=True)]


def interval_of_mean(values: Array, cut: Sequence[slice]) -> Interval | None:
    """95 % interval of the mean of (T,) values over pieces; None of fewer than `FEWEST`."""
    if len(cut) < FEWEST:
        return None
    sums = np.array([[values[piece].sum(), piece.stop - piece.start] for piece in cut])
    total, count = (_redrawn(len(cut)) @ sums).T
    return _middle(total / count)


def interval_of_correlation(
    prediction: Array, truth: Array, cut: Sequence[slice]
) -> Interval | None:
    """95 % interval of the mean r over S shapes (T, S) that move; each draw's own mean removed.

    None of fewer than `FEWEST` pieces, or where no shape is given.
    """
    if len(cut) < FEWEST or not truth.shape[1]:
        return None
    p, t = prediction - prediction.mean(axis=0), truth - truth.mean(axis=0)
    products = (np.ones_like(p), p, t, p * p, t * t, p * t)
    sums = np.array([[x[piece].sum(axis=0) for x in products] for piece in cut])  # (P, 6, S)
    drawn = np.tensordot(_redrawn(len(cut)), sums, axes=1)  # (draws, 6, S)
    n, sp, st, pp, tt, pt = drawn.transpose(1, 0, 2)
    size = np.sqrt(np.maximum((pp - sp**2 / n) * (tt - st**2 / n), 0.0))
    r = np.where(size > 1e-9, (pt - sp * st / n) / np.maximum(size, 1e-9), 0.0)
    return _middle(r.mean(axis=1))


def interval_over_takes(values: Sequence[float]) -> Interval | None:
    """95 % interval of the mean of one figure per take; None of fewer than `FEWEST` takes."""
    if len(values) < FEWEST:
        return None
    return _middle(_redrawn(len(values)) @ np.asarray(values, float) / len(values))


def interval_over_grid(values: Array, to: Array | None = None) -> Interval | None:
    """95 % interval of a mean over wearers × people, (W, P), both drawn anew: of other wearers with
    these people, of these wearers with other people, of both. None of fewer than `_FEWEST_EACH`.

    to: (W, P) what the mean is divided by the mean of, drawn alike.
    """
    if min(values.shape) < _FEWEST_EACH:
        return None
    wearers, people = (_redrawn(count, axis) for axis, count in enumerate(values.shape))
    total, base = (
        np.einsum("dw,wp,dp->d", wearers, x, people) for x in (values, _ones(values, to))
    )
    return _middle(total / base)


def _ones(values: Array, to: Array | None) -> Array:
    return np.ones_like(values) if to is None else to


def _redrawn(count: int, stream: int = 0) -> Array:
    """(draws, count) how often each of `count` things is drawn; the same for the same arguments."""
    rng = np.random.default_rng((count, stream) if stream else count)
    return np.asarray(rng.multinomial(count, np.full(count, 1 / count), size=_DRAWS), float)


def _middle(values: Array) -> Interval:
    low, high = np.percentile(values, (50 - _SHARE / 2, 50 + _SHARE / 2))
    return float(low), float(high)
