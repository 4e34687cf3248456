"""How far attributions agree with anatomy, with chance, and with each other. Pure.

The truth is which slots sit over a muscle of a shape (`capture.muscles.slots_of`): correspondence
by FACS tables, not a measurement. The control shuffles which slot an amount is of, shape by shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.muscles import slots_of

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

SHUFFLES = 999


def anatomy(slots: Sequence[str]) -> Flags:
    """(52, R) whether a slot sits over a muscle of a shape; rows without any are of no use here."""
    rows = [[slot in slots_of(shape, slots) for slot in slots] for shape in ARKIT_NAMES]
    return np.array(rows, bool).reshape(len(ARKIT_NAMES), len(slots))


def otsu(values: Array) -> Array:
    """The thresholds (…,) that split values (…, N) into the two classes farthest apart.

    Otsu 1979, IEEE Trans. SMC 9(1): the greatest variance between classes. Where all are equal,
    none is above it.
    """
    ordered = np.sort(values, axis=-1)
    count = ordered.shape[-1]
    if count < 2:
        return np.asarray(ordered[..., -1])
    below = np.arange(1, count)
    left = np.cumsum(ordered, axis=-1)[..., :-1]
    high = (ordered.sum(axis=-1, keepdims=True) - left) / (count - below)
    between = below * (count - below) * (high - left / below) ** 2
    # Between equal values there is nothing to split.
    between = np.where(ordered[..., 1:] > ordered[..., :-1], between, -1.0)
    split = np.argmax(between, axis=-1)[..., None]
    pair = np.take_along_axis(ordered, split, -1), np.take_along_axis(ordered, split + 1, -1)
    middle = np.where(ordered[..., :1] == ordered[..., -1:], ordered[..., -1:], sum(pair) / 2)
    return np.asarray(middle[..., 0])


def overlap(amount: Array, truth: Flags) -> Array:
    """(…,) intersection over union of truth (…, R) and of what Otsu leaves of amounts (…, R)."""
    chosen = amount > otsu(amount)[..., None]
    both, either = (chosen & truth).sum(axis=-1), (chosen | truth).sum(axis=-1)
    return np.asarray(both / np.maximum(either, 1))


def likeness(amount: Array, truth: Flags) -> Array:
    """(…,) normalised correlation of amounts and truth (…, R): both without their mean and of
    length 1; 0 where one is constant.
    """
    a = amount - amount.mean(axis=-1, keepdims=True)
    b = truth - truth.mean(axis=-1, keepdims=True)
    size = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    return np.asarray(np.where(size > 1e-12, (a * b).sum(axis=-1) / np.maximum(size, 1e-12), 0.0))


@dataclass(frozen=True, slots=True)
class Score:
    """A mean over shapes, beside the same of shuffled slots.

    control, control_95: their mean and 95th percentile. p: share of shuffles that reach the value,
    itself counted.
    """

    value: float
    control: float
    control_95: float
    p: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of one attribution with anatomy. shapes: which were judged. by_shape: (IoU, correlation)."""

    iou: Score
    correlation: Score
    by_shape: dict[str, tuple[float, float]]


def agreement(
    amount: Array, truth: Flags, seed: int = 0, shuffles: int = SHUFFLES
) -> Agreement | None:
    """Compare amounts (52, R) with anatomy (52, R); None where no shape can be judged.

    Judged are shapes that moved and have a slot of their own among those worn.
    """
    worn = np.isfinite(amount).any(axis=0)
    known = np.isfinite(amount[:, worn]).all(axis=1) & truth[:, worn].any(axis=1)
    judged = np.flatnonzero(known)
    if not len(judged) or worn.sum() < 2:
        return None
    given, expected = amount[np.ix_(known, worn)], truth[np.ix_(known, worn)]
    found = _both(given, expected)
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(np.broadcast_to(given, (shuffles, *given.shape)), axis=-1)
    chance = _both(shuffled, expected).mean(axis=1)  # (shuffles, 2)
    scores = [_score(float(found[:, k].mean()), chance[:, k]) for k in range(2)]
    by_shape = {
        ARKIT_NAMES[shape]: (float(iou), float(r))
        for shape, (iou, r) in zip(judged.tolist(), found.tolist(), strict=True)
    }
    return Agreement(scores[0], scores[1], by_shape)


def _both(amount: Array, truth: Flags) -> Array:
    """(…, K, 2) overlap and likeness of rows (…, K, R)."""
    return np.stack((overlap(amount, truth), likeness(amount, truth)), axis=-1)


def _score(value: float, chance: Array) -> Score:
    reached = 1 + int((chance >= value - 1e-12).sum())
    return Score(
        value, float(chance.mean()), float(np.quantile(chance, 0.95)), reached / (1 + len(chance))
    )


def shares(amount: Array) -> Array:
    """(52, R) what share of each row each slot has; NaN in rows that are unknown, 0 off the set."""
    known = np.isfinite(amount).any(axis=1, keepdims=True)
    filled = np.where(np.isfinite(amount), amount, 0.0)
    total = filled.sum(axis=1, keepdims=True)
    return np.where(known, filled / np.maximum(total, 1e-12), np.nan)


def tree(amounts: Sequence[Array]) -> Array:
    """(M − 1, 4) average linkage of M attributions by 1 − correlation of their shares.

    As SciPy gives it: the two that join, their distance, how many leaves are below. M ≥ 2.

    Raises:
        ValueError: they have no shape in common.
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    parts = np.stack([shares(amount) for amount in amounts])  # (M, 52, R)
    common = np.isfinite(parts).all(axis=(0, 2))
    if not common.any():
        raise ValueError("the attributions have no shape in common")
    rows = parts[:, common].reshape(len(parts), -1)
    away = np.clip(1.0 - np.corrcoef(rows), 0.0, 2.0)
    np.fill_diagonal(away, 0.0)
    return np.asarray(linkage(squareform(away, checks=False), "average", optimal_ordering=True))
