"""Takes that hold the same minutes, also trimmed, rescaled or with other noise. Pure.

As songs are recognised: moments at which a shape (or, without a face, the turning rate of a slot)
has a peak, taken three at a time: which shapes, and how far apart. Takes of the same minutes share
many such triples at one offset in time, other takes a few, at any offset (Wang, "An Industrial
Strength Audio Search Algorithm", ISMIR 2003).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import INDEX
from capture.resample import TICK_HZ
from dataset_tools.sets.sequences import Rows

Array = NDArray[np.float64]

SHAPES = (
    "jawOpen", "eyeBlinkLeft", "mouthSmileLeft", "mouthFunnel", "mouthPucker", "browInnerUp",
    "browDownLeft", "mouthLowerDownLeft", "mouthUpperUpLeft", "mouthPressLeft", "noseSneerLeft",
    "cheekSquintLeft", "mouthStretchLeft", "mouthShrugLower", "mouthRollLower",
)  # fmt: skip
_SMOOTH = 7  # ticks on both sides of a peak
_FLOOR = 0.05  # of a weight, and rad/s: what stays below is noise
_DISTANCE = 3  # ticks that count as one
_NEXT = 4  # peaks that are put together with each
_MAX_SPAN = 2 * TICK_HZ
_OFFSET = 12  # ticks of offset that count as the same
_OFFSET_BITS = 20  # of offsets up to 29 hours
_COMMON = 50  # triples that more have than this
# Share of the shorter take's triples at one offset, and their number. Other minutes of one person
# share less than 2 %, of virtual people who hardly move 7 %; copies that were cut, scaled, halved
# in rate and made noisy 14 to 55 % where the face is lively (docs/dataset.md).
SAME_SHARE, SAME_TRIPLES = 0.12, 12


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """(K,) triples of peaks and (K,) at which tick each begins."""

    triples: NDArray[np.int64]
    ticks: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.triples)


def fingerprint(rows: Rows) -> Fingerprint:
    """Of rows at 60 Hz: of its faces, or where it has none, of its samples."""
    if np.isfinite(rows.weights[:, 0]).sum() > TICK_HZ:
        signals = rows.weights[:, [INDEX[name] for name in SHAPES]].astype(np.float64)
    else:
        signals = np.linalg.norm(rows.gyro_rad_s.astype(np.float64), axis=2)
    peaks = sorted((int(t), k) for k, column in enumerate(signals.T) for t in _peaks(column))
    triples, ticks = [], []
    for first, (tick, k) in enumerate(peaks):
        near = [p for p in peaks[first + 1 : first + 1 + _NEXT] if p[0] - tick <= _MAX_SPAN]
        for (t1, k1), (t2, k2) in combinations(near, 2):
            apart = ((t1 - tick) // _DISTANCE, (t2 - tick) // _DISTANCE)
            triples.append((((k * 64 + k1) * 64 + k2) * 64 + apart[0]) * 64 + apart[1])
            ticks.append(tick)
    return Fingerprint(np.array(triples, np.int64), np.array(ticks, np.int64))


def _peaks(column: Array) -> NDArray[np.intp]:
    """Ticks at which a smoothed signal is higher than around it, and than it mostly is."""
    known = np.isfinite(column)
    if known.sum() < 4 * _SMOOTH:
        return np.zeros(0, np.intp)
    filled = np.where(known, column, np.nanmedian(column))
    smooth = np.convolve(filled, np.hanning(2 * _SMOOTH + 1) / _SMOOTH, "same")
    inner = smooth[1:-1]
    local = np.flatnonzero((inner > smooth[:-2]) & (inner >= smooth[2:])) + 1
    middle = float(np.median(smooth))
    level = max(0.5 * (middle + float(np.percentile(smooth, 90))), middle + _FLOOR)
    return np.asarray(local[smooth[local] > level])


def same_minutes(prints: Mapping[int, Fingerprint]) -> list[tuple[int, int, float]]:
    """Pairs of sequences that share minutes, with the share of the shorter one's triples."""
    numbers = sorted(prints)
    sizes = [len(prints[number]) for number in numbers]
    if not sum(sizes):
        return []
    triple = np.concatenate([prints[number].triples for number in numbers])
    tick = np.concatenate([prints[number].ticks for number in numbers])
    owner = np.repeat(np.arange(len(numbers)), sizes)
    order = np.lexsort((tick, owner, triple))
    votes, counts = _votes(triple[order], tick[order], owner[order], len(numbers))
    # Offsets are cut into bins: what two copies agree on may lie astride of two.
    after = np.searchsorted(votes, votes + 1)
    follows = votes[np.minimum(after, len(votes) - 1)] == votes + 1
    best = counts + np.where(follows, counts[np.minimum(after, len(counts) - 1)], 0)
    found: dict[tuple[int, int], float] = {}
    for k in np.flatnonzero(best >= SAME_TRIPLES).tolist():
        one, other = divmod(int(votes[k]) >> _OFFSET_BITS, len(numbers))
        share = float(best[k]) / min(sizes[one], sizes[other])
        if share >= SAME_SHARE:
            pair = (numbers[one], numbers[other])
            found[pair] = max(found.get(pair, 0.0), min(share, 1.0))
    return [(*pair, share) for pair, share in sorted(found.items())]


def _votes(
    triple: NDArray[np.int64], tick: NDArray[np.int64], owner: NDArray[np.int64], owners: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sorted votes (pair of owners, offset in time) and how often each was given.

    The arrays (K,) are sorted by triple, then owner, then tick.
    """
    count = np.unique(triple, return_counts=True)[1]
    size = np.repeat(count, count)
    kept = (size > 1) & (size <= _COMMON)  # what everybody does says nothing
    triple, tick, owner = triple[kept], tick[kept], owner[kept]
    given = [np.zeros(0, np.int64)]
    for apart in range(1, _COMMON):
        same = np.flatnonzero(triple[apart:] == triple[:-apart])
        if not len(same):
            break
        one, other = owner[same], owner[same + apart]
        offset = (tick[same + apart] - tick[same]) // _OFFSET + (1 << (_OFFSET_BITS - 1))
        vote = ((one * owners + other) << _OFFSET_BITS) + offset
        given.append(vote[one != other])
    return np.unique(np.concatenate(given), return_counts=True)
