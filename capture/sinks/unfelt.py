"""Shapes that no sensor on the skin can feel: blinks, gaze and the tongue. No I/O.

What is shown instead is a choice: nothing (`rest`), a person's idle blinks and glances (`idle`,
made up and marked so), or what something else sees (`other`: a phone), as long as it sees it.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.curves import RATE_HZ, ticks
from firmware_host.clock import NS_PER_S
from firmware_host.samples import Floats

Unfelt = Literal["rest", "idle", "other"]

# Lids turn under a degree at any site, the rest not at all (docs/sensing.md).
UNFELT: NDArray[np.intp] = np.array(
    [
        INDEX[name]
        for name in ARKIT_NAMES
        if name.startswith(("eyeBlink", "eyeLook")) or name == "tongueOut"
    ]
)
IDLE_S = 600.0  # then it repeats; nobody remembers ten minutes of blinks
STALE_S = 0.5  # what is seen no more for so long is not shown
FADE_S = 0.25
_BLINK_S = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A face that something else saw. time_ns: arrival on the host's clock. weights: (52,)."""

    time_ns: int
    weights: Floats


@cache
def idle_track(seed: int) -> Floats:
    """(M, 11) weights of UNFELT at RATE_HZ: blinks and glances of one made-up person at rest.

    The statistics are those of `capture.gaze`. The same seed blinks at the same times anywhere.
    """
    from capture.gaze import blink_times, gaze, lids  # scipy loads only when somebody idles

    rng = np.random.default_rng(seed)
    time_s = ticks(IDLE_S)
    blinks = blink_times(np.zeros(len(time_s)), rng)
    looked = gaze(time_s, np.zeros((len(time_s), 3)), rng)
    fallen = lids(time_s, blinks[blinks < IDLE_S - _BLINK_S], rng)
    looked[:, [INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]] = fallen
    return looked[:, UNFELT].astype(np.float32)


class UnfeltShapes:
    """Gives the weights of UNFELT for one sink."""

    def __init__(self, choice: Unfelt, seed: int) -> None:
        self._choice = choice
        self._idle = None if choice == "rest" else idle_track(seed)
        self._seen_share = 0.0
        self._last: Floats = np.zeros(len(UNFELT), np.float32)
        self._time_ns: int | None = None

    def at(self, time_ns: int, seen: Seen | None = None) -> tuple[Floats, bool]:
        """(11,) weights for a face of `time_ns`, and whether any of it is made up.

        What is seen fades in, and out once it is stale: no eye jumps because a phone lost a face.
        """
        if self._idle is None:
            return np.zeros(len(UNFELT), np.float32), False
        made_up = self._idle[time_ns * int(RATE_HZ) // NS_PER_S % len(self._idle)]
        if self._choice == "idle":
            return made_up, True
        share = self._fade(time_ns, seen)
        return made_up + np.float32(share) * (self._last - made_up), share < 1.0

    def _fade(self, time_ns: int, seen: Seen | None) -> float:
        fresh = seen is not None and abs(time_ns - seen.time_ns) < STALE_S * NS_PER_S
        if fresh and seen is not None:
            self._last = seen.weights[UNFELT]
        passed_s = 0.0 if self._time_ns is None else (time_ns - self._time_ns) / NS_PER_S
        self._time_ns = time_ns
        step = min(max(passed_s, 0.0) / FADE_S, 1.0)
        self._seen_share = min(max(self._seen_share + (step if fresh else -step), 0.0), 1.0)
        return self._seen_share
