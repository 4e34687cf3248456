"""Hybrid capture: what a camera sees where it sees, what sensors feel where it does not. Pure.

    camera  ────tracked────┐ lost, occluded ┌──── tracked ────
    sensors ───────────────┴────────────────┴─────────────────
    face    camera, moved on   sensors, shifted  camera again,
            by the sensors     to where it was   within CATCH_UP_S

Sensors feel how a face moves, and hardly where it rests; a camera sees where it is. So a shape is
what the sensors say plus an offset, learnt while both were there. In a gap the offset goes from
what it was when the camera lost the face (no jump) to what it usually is.

Inpainting known rows into the sampling of the network was tried and did not beat this
(docs/hybrid.md).
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, BlendshapeFrame
from firmware_host.samples import Floats

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
NS_PER_S = 1_000_000_000

# Phones tell what was some time ago: exposure, ARKit, the network. What is believed where no sync
# report of a take says (`imusic align`).
PHONE_LATENCY_S = 0.05
# A shape that was seen so lately counts as seen.
FRESH_S = 0.15
# The offset forgets what it was, and remembers what it usually is, with these time constants.
_RELAX_S, _HABIT_S = 3.0, 10.0
# When the camera sees again, the face goes there within about twice this time.
CATCH_UP_S = 0.08
# How long what was felt is kept, to be compared with what is seen later.
_KEPT_ROWS = 60
# Neighbouring frames further apart than this are the edges of a gap.
_GAP_S = 0.1


class Hybrid:
    """Live: `see` what the camera told, `fuse` every face of the sensors, both in order of time.

    Args:
        latency_s: how long ago a face was that arrives now.
    """

    def __init__(self, latency_s: float = PHONE_LATENCY_S) -> None:
        self.latency_s = latency_s
        count = len(ARKIT_NAMES)
        self._felt: deque[tuple[int, Array]] = deque(maxlen=_KEPT_ROWS)
        self._offset = np.zeros(count)
        self._usual = np.zeros(count)
        self._seen_ns = np.full(count, np.nan)
        self._carried, self._carried_ns = np.zeros(count), 0

    def see(self, time_ns: int, weights: Floats) -> None:
        """Take a tracked face (52,), NaN where a shape is unknown, as it was at `time_ns`."""
        if not self._felt:
            return
        new = np.asarray(weights, float) - self._felt_at(time_ns)
        known = np.isfinite(new) & ~(self._seen_ns >= time_ns)
        now_ns = self._felt[-1][0]
        back = known & np.isfinite(self._seen_ns) & ~self.fresh(now_ns)
        before = self._shift(now_ns)
        since_s = (time_ns - self._seen_ns[known]) / NS_PER_S  # NaN where it was never seen
        share = np.nan_to_num(-np.expm1(-np.minimum(since_s, 1.0) / _HABIT_S), nan=1.0)
        self._usual[known] += share * (new[known] - self._usual[known])
        self._offset[known] = new[known]
        self._seen_ns[known] = time_ns
        if back.any():
            # Where the face is now, it is still when the camera has it again; from there it goes.
            left = self._carry(now_ns)
            self._carried = np.where(back, left + before - self._shift(now_ns), left)
            self._carried_ns = now_ns

    def fuse(self, frame: BlendshapeFrame) -> BlendshapeFrame:
        """The face of both. Its confidence is 1 while the camera sees the face."""
        felt = np.asarray(frame.weights, float)
        self._felt.append((frame.time_ns, felt))
        weights = felt + self._shift(frame.time_ns) + self._carry(frame.time_ns)
        seen = bool(self.fresh(frame.time_ns).any())
        return BlendshapeFrame(
            frame.time_ns,
            np.clip(weights, 0.0, 1.0).astype(np.float32),
            frame.quat_world_from_head,
            seen or frame.tracked,
            1.0 if seen else frame.confidence,
        )

    def fresh(self, time_ns: int) -> Flags:
        """(52,) which shapes the camera saw lately."""
        age_s = (time_ns - self._seen_ns) / NS_PER_S
        return np.asarray(age_s <= FRESH_S + self.latency_s)

    def _felt_at(self, time_ns: int) -> Array:
        times = np.array([at for at, _ in self._felt], float)
        after = int(np.clip(np.searchsorted(times, time_ns), 1, max(len(times) - 1, 1)))
        if len(times) == 1:
            return self._felt[0][1]
        (t0, w0), (t1, w1) = self._felt[after - 1], self._felt[after]
        share = float(np.clip((time_ns - t0) / (t1 - t0), 0.0, 1.0))
        return (1.0 - share) * w0 + share * w1

    def _shift(self, time_ns: int) -> Array:
        """(52,) from what is felt to where the face is."""
        lost_s = (time_ns - self._seen_ns) / NS_PER_S - FRESH_S
        kept = np.exp(-np.maximum(np.nan_to_num(lost_s), 0.0) / _RELAX_S)
        return np.asarray(self._usual + (self._offset - self._usual) * kept)

    def _carry(self, time_ns: int) -> Array:
        since_s = (time_ns - self._carried_ns) / NS_PER_S
        return np.asarray(self._carried * np.exp(-since_s / CATCH_UP_S))


def repaired(time_s: Array, felt: Floats, seen_s: Array, seen: Floats) -> tuple[Floats, Flags]:
    """Offline, with both edges of every gap known.

    Args:
        time_s: (T,) of the result. felt: (T, 52) by sensors. seen_s: (M,) increasing. seen:
            (M, 52) by a camera, NaN where it was lost.

    Returns:
        (T, 52) in [0, 1], and (T,) whether the camera saw the face then. In a gap the offset
        between both goes in a line from one edge to the other.
    """
    tracked = np.isfinite(seen).all(axis=1)
    if not tracked.any():
        return np.asarray(felt), np.zeros(len(time_s), bool)
    seen_s, seen = seen_s[tracked], np.asarray(seen[tracked], float)
    after = np.clip(np.searchsorted(seen_s, time_s), 1, max(len(seen_s) - 1, 1))
    before = np.minimum(after, len(seen_s)) - 1
    after = np.minimum(after, len(seen_s) - 1)
    near = (seen_s[after] - seen_s[before] <= _GAP_S) & (seen_s[before] - _GAP_S <= time_s)
    near &= time_s <= seen_s[after] + _GAP_S
    if not near.any():
        return np.asarray(felt), near
    weights = np.array(felt, float)
    for shape in range(weights.shape[1]):
        camera = np.interp(time_s, seen_s, seen[:, shape])
        offset = np.interp(time_s, time_s[near], (camera - weights[:, shape])[near])
        weights[:, shape] = np.where(near, camera, weights[:, shape] + offset)
    return np.clip(weights, 0.0, 1.0).astype(np.float32), np.asarray(near)
