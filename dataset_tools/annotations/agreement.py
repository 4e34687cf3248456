"""How far raters agree: ICC, CCC, Cohen's and Fleiss' kappa. Pure.

Sources: Shrout and Fleiss, Psychological Bulletin 86 (1979), for ICC; Lin, Biometrics 45 (1989),
for CCC; Cohen, Educational and Psychological Measurement 20 (1960), and Psychological Bulletin 70
(1968) with weights; Fleiss, Psychological Bulletin 76 (1971).
"""

from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Icc = Literal["1,1", "2,1", "3,1", "1,k", "2,k", "3,k"]


def icc(ratings: Array, kind: Icc = "2,1") -> float:
    """Intraclass correlation of (N targets, K raters), in Shrout and Fleiss' names.

    1: other raters for each target; 2: raters drawn from many, who should agree in absolute terms;
    3: these raters only, up to a constant. `,1`: of a single rater, `,k`: of the mean of all. Rows
    with NaN are left out; NaN where fewer than two targets or raters are left.
    """
    known = ratings[np.isfinite(ratings).all(axis=1)]
    n, k = known.shape
    if n < 2 or k < 2:
        return float("nan")
    mean = known.mean()
    rows, columns = known.mean(axis=1), known.mean(axis=0)
    between = k * ((rows - mean) ** 2).sum() / (n - 1)  # BMS
    judges = n * ((columns - mean) ** 2).sum() / (k - 1)  # JMS
    within = ((known - rows[:, None]) ** 2).sum() / (n * (k - 1))  # WMS
    rest = ((known - rows[:, None] - columns + mean) ** 2).sum() / ((n - 1) * (k - 1))  # EMS
    parts = {
        "1,1": (between - within, between + (k - 1) * within),
        "2,1": (between - rest, between + (k - 1) * rest + k * (judges - rest) / n),
        "3,1": (between - rest, between + (k - 1) * rest),
        "1,k": (between - within, between),
        "2,k": (between - rest, between + (judges - rest) / n),
        "3,k": (between - rest, between),
    }
    above, below = parts[kind]
    return float(above / below) if below > 0 else float("nan")


def ccc(x: Array, y: Array) -> float:
    """Lin's concordance of two (N,), with moments over N; NaN where fewer than two are known."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < 2:
        return float("nan")
    shared = ((x - x.mean()) * (y - y.mean())).mean()
    below = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    return float(2 * shared / below) if below > 0 else float("nan")


def cohen_kappa(
    x: Sequence[Hashable],
    y: Sequence[Hashable],
    weights: Literal["none", "linear", "quadratic"] = "none",
    order: Sequence[Hashable] | None = None,
) -> float:
    """Agreement of two raters on N items beyond chance; NaN where chance explains everything.

    order: of the categories, for `linear` and `quadratic`; default sorted.

    Raises:
        ValueError: they did not rate the same number of items.
    """
    if len(x) != len(y):
        raise ValueError(f"expected as many ratings, got {len(x)} and {len(y)}")
    names = list(order) if order is not None else sorted({*x, *y}, key=str)
    index = {name: number for number, name in enumerate(names)}
    table = np.zeros((len(names), len(names)))
    np.add.at(table, ([index[v] for v in x], [index[v] for v in y]), 1.0)
    away = np.abs(np.subtract.outer(np.arange(len(names)), np.arange(len(names)))).astype(float)
    cost = {"none": (away > 0).astype(float), "linear": away, "quadratic": away**2}[weights]
    total = max(table.sum(), 1.0)
    chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
    expected = (cost * chance).sum()
    return float(1 - (cost * table).sum() / expected) if expected > 0 else float("nan")


def fleiss_kappa(counts: Array) -> float:
    """Agreement beyond chance of (N items, C categories), how many raters chose which.

    Items need the same number of raters, two or more.

    Raises:
        ValueError: they have not.
    """
    raters = counts.sum(axis=1)
    if not len(counts) or raters[0] < 2 or np.any(raters != raters[0]):
        raise ValueError("expected the same number of raters, at least two, for every item")
    n = raters[0]
    share = counts.sum(axis=0) / counts.sum()
    agreed = ((counts**2).sum(axis=1) - n) / (n * (n - 1))
    chance = (share**2).sum()
    return float((agreed.mean() - chance) / (1 - chance)) if chance < 1 else float("nan")


def category_counts(said: Sequence[Sequence[str]]) -> tuple[Array, list[str]]:
    """(N, C) counts of what K raters said of N items, (K, N), and the categories."""
    names = sorted({name for rater in said for name in rater})
    index = {name: number for number, name in enumerate(names)}
    counts = np.zeros((len(said[0]) if said else 0, len(names)))
    for rater in said:
        chosen = np.array([index[name] for name in rater], np.intp)
        np.add.at(counts, (np.arange(len(rater)), chosen), 1.0)
    return counts, names
