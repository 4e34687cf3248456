"""The One-Euro filter, for many weights at once. No I/O.

Casiez, Roussel and Vogel, "1€ Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
Interactive Systems", CHI 2012, doi:10.1145/2207676.2208639, section 3: a first-order low-pass whose
cutoff rises with speed, so that what holds still does not tremble and what moves does not lag.
"""

import math

import numpy as np

from firmware_host.clock import NS_PER_S
from firmware_host.samples import Floats

DERIVATIVE_CUTOFF_HZ = 1.0  # of the paper
_FORGET_S = 0.5  # after a gap as long as this, begin anew. Ours


class OneEuro:
    """Filters columns of weights.

    Args:
        min_cutoff_hz: (K,) at rest: lower is calmer, and slower.
        beta: (K,) by how many Hz the cutoff rises with a speed of one weight a second.
    """

    def __init__(self, min_cutoff_hz: Floats, beta: Floats) -> None:
        self._min_cutoff_hz, self._beta = min_cutoff_hz, beta
        self._time_ns: int | None = None
        self._value = np.zeros_like(min_cutoff_hz)
        self._speed = np.zeros_like(min_cutoff_hz)

    def filter(self, time_ns: int, values: Floats) -> Floats:
        """(K,) filtered values at `time_ns`; times increase, or the filter begins anew."""
        passed_s = math.inf if self._time_ns is None else (time_ns - self._time_ns) / NS_PER_S
        self._time_ns = time_ns
        if not 0.0 < passed_s < _FORGET_S:
            self._value, self._speed = values.copy(), np.zeros_like(values)
            return self._value
        speed = (values - self._value) / np.float32(passed_s)
        self._speed += _share(DERIVATIVE_CUTOFF_HZ, passed_s) * (speed - self._speed)
        cutoff_hz = self._min_cutoff_hz + self._beta * np.abs(self._speed)
        self._value = self._value + _share(cutoff_hz, passed_s) * (values - self._value)
        return self._value


def _share(cutoff_hz: "float | Floats", passed_s: float) -> Floats:
    """How much of the new value counts: alpha of the paper's equation 4."""
    turned = np.float32(2.0 * math.pi * passed_s) * np.asarray(cutoff_hz, np.float32)
    return np.asarray(turned / (1.0 + turned), np.float32)
