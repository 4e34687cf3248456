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


def otsu(values: Array) -> float:
    """The threshold that splits values (N,) into the two classes farthest apart.

    Otsu 1979, IEEE Trans. SMC 9(1): the greatest variance between classes. Where all are equal,
    none is above it.
    """
    sorted_values = np.sort(values)
    count = len(values)
    if count < 2 or sorted_values[0] == sorted_values[-1]:
        return float(sorted_values[-1])
    below = np.arange(1, count)
    low = np.cumsum(sorted_values)[:-1] / below
    high = (sorted_values.sum() - np.cumsum(sorted_values)[:-1]) / (count - below)
    between = below * (count - below) * (high - low) ** 2
    split = int(np.argmax(between))
    return float((sorted_values[split] + sorted_values[split + 1]) / 2)


def overlap(amount: Array, truth: Flags) -> float:
    """Intersection over union of truth (R,) and of what Otsu's threshold leaves of amounts (R,)."""
    chosen = amount > otsu(amount)
    return float((chosen & truth).sum() / max(int((chosen | truth).sum()), 1))


def likeness(amount: Array, truth: Flags) -> float:
    """Normalised correlation: both without their mean and of length 1; 0 where one is constant."""
    a, b = amount - amount.mean(), truth - truth.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 1e-12 else 0.0


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
    chance = np.stack(
        [_both(rng.permuted(given, axis=1), expected).mean(axis=0) for _ in range(shuffles)]
    )
    scores = [_score(float(found[:, k].mean()), chance[:, k]) for k in range(2)]
    by_shape = {
        ARKIT_NAMES[shape]: (float(iou), float(r))
        for shape, (iou, r) in zip(judged.tolist(), found.tolist(), strict=True)
    }
    return Agreement(scores[0], scores[1], by_shape)


def _both(amount: Array, truth: Flags) -> Array:
    """(K, 2) overlap and likeness of rows."""
    rows = zip(amount, truth, strict=True)
    return np.array([(overlap(a, t), likeness(a, t)) for a, t in rows])


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
