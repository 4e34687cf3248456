"""One curve out of several raters': the gold standard. Pure.

Each rater's curves are brought to mean 0 and spread 1 over all sequences, then weighed by how well
the rater agrees with the others (the evaluator-weighted estimator of Grimm and Kroschel, ASRU
2005): who contradicts everybody weighs nothing. The result has the mean and spread that the raters
had on average.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_tools.annotations.delays import GRID_HZ, correlation, grid
from dataset_tools.annotations.marks import Curve, Mark, sampled

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """curves: of each sequence. weights: of each rater, adding up to 1."""

    curves: tuple[Curve, ...]
    weights: dict[str, float]


def fuse(rated: Mapping[str, Sequence[Curve]]) -> Fused:
    """One curve per sequence, on a grid of 10 Hz, where anybody said anything.

    rated: rater → curve of each sequence, without their delays, empty where they said nothing.
    """
    names = sorted(rated)
    grids = [_grid_of([rated[name][k] for name in names]) for k in range(_count(rated))]
    tables = [
        np.array([rated[name][k].at(time_s) for name in names]).T for k, time_s in enumerate(grids)
    ]  # (T, K) of each sequence
    if not tables or not sum(map(len, tables)):
        return Fused(tuple(Curve(t, np.zeros(0)) for t in grids), dict.fromkeys(names, 0.0))
    whole = np.concatenate(tables)
    mean, spread = np.nanmean(whole, axis=0), np.nanstd(whole, axis=0)
    spread = np.where(spread > 1e-9, spread, 1.0)
    weights = _weights((whole - mean) / spread)
    at, by = float(mean @ weights), float(spread @ weights)
    curves = []
    for time_s, table in zip(grids, tables, strict=True):
        known = np.isfinite(table)
        z = np.where(known, (table - mean) / spread, 0.0)
        total = known @ weights
        said = total > 0
        curves.append(Curve(time_s[said], at + by * (z @ weights)[said] / total[said]))
    return Fused(tuple(curves), dict(zip(names, weights.tolist(), strict=True)))


def _count(rated: Mapping[str, Sequence[Curve]]) -> int:
    return len(next(iter(rated.values()), ()))


def _grid_of(curves: Sequence[Curve]) -> Array:
    """Whole tenths of seconds from the first said to the last, so that grids of all raters meet."""
    said = [c.time_s for c in curves if len(c.time_s)]
    if not said:
        return np.zeros(0)
    first = np.ceil(min(t[0] for t in said) * GRID_HZ) / GRID_HZ
    return grid(float(first), max(float(t[-1]) for t in said))


def _weights(z: Array) -> Array:
    """(K,) correlations of each rater with the mean of the others, at least 0, adding up to 1."""
    count = z.shape[1]
    if count == 1:
        return np.ones(1)
    agreed = np.zeros(count)
    for k in range(count):
        others = np.delete(z, k, axis=1)
        known = np.isfinite(others)
        mean = np.where(known, others, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        mean[~known.any(axis=1)] = np.nan
        both = np.isfinite(mean) & np.isfinite(z[:, k])
        agreed[k] = correlation(z[both, k], mean[both]) if both.sum() > 2 else 0.0
    agreed = np.clip(np.nan_to_num(agreed), 0.0, None)
    return agreed / agreed.sum() if agreed.sum() > 0 else np.full(count, 1.0 / count)


def vote(track: str, rater: str, said: Mapping[str, Sequence[Mark]], time_s: Array) -> list[Mark]:
    """Intervals in which most raters say the same; where most say nothing, or nobody wins, none."""
    columns = [sampled(theirs, time_s) for theirs in said.values()]
    winners = []
    for row in zip(*columns, strict=True):
        label, count = Counter(row).most_common(1)[0]
        winners.append(label if 2 * count > len(row) else "")
    marks: list[Mark] = []
    step = 1.0 / GRID_HZ
    for t, label in zip(time_s.tolist(), winners, strict=True):
        text = "" if label == "present" else label
        if not label:
            continue
        last = marks[-1] if marks else None
        if last is not None and last.label == text and abs(last.end_s - t) < step / 2:
            marks[-1] = last._replace(end_s=t + step)
        else:
            marks.append(Mark(track, rater, t, t + step, label=text))
    return marks
