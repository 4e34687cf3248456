"""Overlapping Allan deviation, and the noise parameters that it shows. Pure, no I/O."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# The floor that bias instability B leaves is √(2 ln 2/π) B (IEEE Std 952-1997, annex C).
FLOOR = float(np.sqrt(2.0 * np.log(2.0) / np.pi))


def allan_deviation(values: Array, rate_hz: float, per_decade: int = 6) -> tuple[Array, Array]:
    """Averaging times (T,) in s and deviations (T, …) of readings (N, …), overlapping estimate.

    Times run from one sample to a quarter of the record. Source: Riley 2008, "Handbook of Frequency
    Stability Analysis", NIST SP 1065, section 5. Raises ValueError for fewer than 8 samples.
    """
    count = len(values)
    if count < 8:
        raise ValueError(f"an Allan deviation needs at least 8 samples, got {count}")
    longest = count // 4
    sizes = np.unique(
        np.rint(np.geomspace(1, longest, 1 + round(per_decade * np.log10(longest)))).astype(int)
    )
    summed = np.zeros((count + 1, *values.shape[1:]))
    np.cumsum(np.asarray(values, float) - np.mean(values, axis=0), axis=0, out=summed[1:])
    deviations = []
    for m in sizes:
        second = summed[2 * m :] - 2.0 * summed[m:-m] + summed[: -2 * m]
        deviations.append(np.sqrt(0.5 * np.mean(second**2, axis=0)) / m)
    return sizes / rate_hz, np.array(deviations)


def expected_deviation(tau_s: Array, n: float, b: float = 0.0, k: float = 0.0) -> Array:
    """What N (U/√Hz one-sided), B (U) and K (U/√s) leave at averaging times.

    A one-sided density n is √2 times the two-sided N of the standard: white noise gives n/√(2τ).
    """
    return np.asarray(np.sqrt(n**2 / (2.0 * tau_s) + (FLOOR * b) ** 2 + k**2 * tau_s / 3.0))


@dataclass(frozen=True, slots=True)
class NoiseFigures:
    """What an Allan curve shows: one-sided density (U/√Hz) and B (U), the latter an upper bound."""

    density: float
    bias_instability: float


def noise_figures(tau_s: Array, deviation: Array) -> NoiseFigures:
    """Read (T,) curves: the density near one second, the instability from the lowest point."""
    at_one_s = float(np.exp(np.interp(0.0, np.log(tau_s), np.log(deviation))))
    return NoiseFigures(at_one_s * float(np.sqrt(2.0)), float(deviation.min()) / FLOOR)
