"""Faces with shapes that were not sent: what of them may still serve as truth. No I/O.

A lost datagram of Face Cap leaves one shape of one frame unknown; some apps never send all 52. A
take keeps that as NaN. Whoever learns or is judged by it gets whole faces only.
"""

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, OBSERVABLE
from firmware_host.samples import Floats

# A hole this short is bridged as the frames' own rate is: no muscle does anything within it. Ours.
MAX_HOLE_S = 0.1

Flags = NDArray[np.bool_]
Times = NDArray[np.float64]


def whole_faces(time_s: Times, weights: Floats, tracked: Flags) -> tuple[Floats, Flags]:
    """(M, 52) weights and (M,) flags of which rows are whole faces.

    Short holes of a shape are bridged by a line between its neighbours. A shape that no sensor can
    see (gaze and tongue, left out of every figure) is 0 where it is unknown. A row that still lacks
    a shape is no face: it becomes NaN, and its flag False.

    Args:
        time_s: (M,) increasing.
        weights: (M, 52), NaN where unknown.
        tracked: (M,) where there was a face.
    """
    if not np.isnan(weights[tracked]).any():
        return weights, tracked
    filled = weights.copy()
    for shape in np.flatnonzero(np.isnan(weights[tracked]).any(axis=0)):
        _bridge(time_s, filled[:, shape], tracked)
        if not OBSERVABLE[shape]:
            filled[tracked & np.isnan(filled[:, shape]), shape] = 0.0
    whole = tracked & ~np.isnan(filled).any(axis=1)
    filled[~whole] = np.nan
    return filled, whole


def _bridge(time_s: Times, column: Floats, tracked: Flags) -> None:
    """Fill the short holes of one shape, in place."""
    known = np.flatnonzero(np.isfinite(column))
    holes = np.flatnonzero(tracked & np.isnan(column))
    if not len(known) or not len(holes):
        return
    after = np.searchsorted(known, holes)
    inside = (after > 0) & (after < len(known))
    holes, after = holes[inside], after[inside]
    left, right = known[after - 1], known[after]
    short = time_s[right] - time_s[left] <= MAX_HOLE_S
    column[holes[short]] = np.interp(time_s[holes[short]], time_s[known], column[known])


def never_sent(weights: Floats, tracked: Flags) -> list[str]:
    """The shapes a sensor can see that are unknown in every face; none where there is no face."""
    if not tracked.any():
        return []
    absent = np.isnan(weights[tracked]).all(axis=0) & OBSERVABLE
    return [ARKIT_NAMES[i] for i in np.flatnonzero(absent)]
