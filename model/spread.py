"""How far the truth may lie from the network's answer, shape by shape. Pure.

What the network missed on people that it was judged on says how far it strays: log |error| is
linear in a few cues that are known live (what the filter is unsure of, where it disagrees, how far
the face is from rest, how many sensors are heard). The result is scaled so that the central
interval of a normal distribution that should hold 90 % of the truth did hold it there.
"""

from collections.abc import Sequence as Collection
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from firmware_host.errors import DataError
from firmware_host.samples import Floats

Array = NDArray[np.float64]

SHARE = 0.9
CUES = 6
_SHAPES = len(ARKIT_NAMES)
_LEAST, _MOST = 0.005, 0.5  # of a weight
_SMALL = 0.02  # changes below it are all the same small
_PULL = 0.01  # towards cues that say nothing, per row


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """coefficients: (52, CUES) of log deviation."""

    coefficients: Floats

    def deviation(self, change: Array | Floats, estimates: Array | Floats, heard: Array) -> Floats:
        """(T, 52) standard deviation of the true change from rest about `change` (T, 52).

        Args:
            estimates: (T, 104) of the filter (`model.kalman`).
            heard: (T,) share of the face's sensors that were heard.
        """
        told = np.einsum("tsc,sc->ts", cues(change, estimates, heard), self.coefficients)
        return np.asarray(np.clip(np.exp(told), _LEAST, _MOST), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Missed:
    """One judged stretch. truth, change: (T, 52) from rest. estimates: (T, 104). heard: (T,)."""

    person: str
    truth: Array
    change: Array
    estimates: Array | Floats
    heard: Array


def cues(change: Array | Floats, estimates: Array | Floats, heard: Array) -> Array:
    """(T, 52, CUES) what the deviation is told by."""
    change = np.asarray(change, float)
    believed, unsure = np.split(np.asarray(estimates, float), 2, axis=1)
    busy = np.log(np.abs(change).mean(axis=1, keepdims=True) + _SMALL)
    parts = (
        np.ones_like(change),
        np.log(unsure + _SMALL),
        np.log(np.abs(change) + _SMALL),
        np.log(np.abs(change - believed) + _SMALL),
        np.broadcast_to(busy, change.shape),
        np.broadcast_to(1.0 - np.asarray(heard, float)[:, None], change.shape),
    )
    return np.stack(parts, axis=-1)


def fit_spread(missed: Collection[Missed]) -> Spread:
    """Fit to what was missed; every person weighs the same. Raises ValueError for nobody."""
    if not missed:
        raise ValueError("expected at least one stretch to learn the spread from, got none")
    rows: dict[str, int] = {}
    for item in missed:
        rows[item.person] = rows.get(item.person, 0) + len(item.truth)
    seen = np.concatenate([cues(m.change, m.estimates, m.heard) for m in missed])
    error = np.concatenate([np.abs(m.truth - m.change) for m in missed])
    weight = np.concatenate([np.full(len(m.truth), 1.0 / rows[m.person]) for m in missed])
    weight /= weight.sum()
    out = np.empty((_SHAPES, CUES))
    for shape in range(_SHAPES):
        x, y = seen[:, shape], np.log(error[:, shape] + _LEAST)
        pull = np.diag([0.0, *[_PULL] * (CUES - 1)])
        own = np.linalg.solve(x.T @ (weight[:, None] * x) + pull, x.T @ (weight * y))
        share = error[:, shape] / np.clip(np.exp(x @ own), _LEAST, _MOST)
        own[0] += np.log(_quantile(share, weight) / NormalDist().inv_cdf(0.5 + SHARE / 2))
        out[shape] = own
    return Spread(out.astype(np.float32))


def checked(coefficients: NDArray[np.generic], where: str) -> Spread:
    """The spread that a file holds. Raises DataError where it cannot be one."""
    if coefficients.shape != (_SHAPES, CUES) or not np.isfinite(coefficients).all():
        raise DataError(
            f"{where}: expected {_SHAPES} × {CUES} finite numbers in tensor 'spread', "
            f"got shape {coefficients.shape}"
        )
    return Spread(coefficients.astype(np.float32))


def _quantile(values: Array, weight: Array) -> float:
    """The value below which lies `SHARE` of the weight, at least a thousandth."""
    order = np.argsort(values)
    at = int(np.searchsorted(np.cumsum(weight[order]), SHARE))
    return max(float(values[order[min(at, len(order) - 1)]]), 1e-3)
