"""Curves over time from which performances are made. Pure; randomness is an argument."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RATE_HZ = 60.0


def ticks(duration_s: float) -> Array:
    """(M,) times of a performance, k / RATE_HZ."""
    return np.arange(round(duration_s * RATE_HZ)) / RATE_HZ


def near(time_s: Array, start_s: float, end_s: float) -> slice:
    """Rows of increasing times that lie within [start, end]."""
    first, last = np.searchsorted(time_s, (start_s, end_s))
    return slice(int(first), int(last))


def rise_and_fall(time_s: Array, rise_s: float, hold_s: float, fall_s: float) -> Array:
    """0 before time 0, up to 1 as half a cosine, held, and down again; once differentiable."""
    up = np.clip(time_s / rise_s, 0.0, 1.0)
    down = np.clip((rise_s + hold_s + fall_s - time_s) / fall_s, 0.0, 1.0)
    return np.asarray(0.25 * (1 - np.cos(np.pi * up)) * (1 - np.cos(np.pi * down)))


def wander(count: int, sigma_s: float, rng: np.random.Generator, columns: int = 1) -> Array:
    """(count, columns) smooth noise at RATE_HZ, of unit deviation in the long run.

    White noise through a Gaussian of `sigma_s`: nothing above 1 / (4 sigma_s) Hz to speak of.
    """
    from scipy.ndimage import gaussian_filter1d  # slow to load, and live sinks need it seldom

    wide = sigma_s * RATE_HZ
    noise = gaussian_filter1d(rng.standard_normal((count, columns)), wide, axis=0, mode="wrap")
    return np.asarray(noise * np.sqrt(2.0 * np.sqrt(np.pi) * wide))


def screen(under: Array, over: Array) -> Array:
    """Two weights in [0, 1] at once: their sum while small, never above 1."""
    return under + over - under * over


def events(intensity_hz: Array, rng: np.random.Generator, spread: float, gap_s: float) -> Array:
    """Times in s at which something happens that happens `intensity_hz` times a second, (M,).

    Waiting times are log-normal with `spread` (0 a metronome, 1 about as irregular as chance), and
    at least `gap_s`, whatever the intensity asks for.
    """
    expected = np.concatenate(([0.0], np.cumsum(intensity_hz) / RATE_HZ))
    waits = rng.lognormal(-0.5 * spread**2, spread, int(expected[-1] * 2) + 10)
    due = np.cumsum(waits) - rng.uniform(0.0, waits[0])
    due = due[due < expected[-1]]
    found = np.interp(due, expected, np.arange(len(expected)) / RATE_HZ)
    return thinned(found, gap_s)


def thinned(times_s: Array, gap_s: float) -> Array:
    """Leave out what follows the last kept time by less than `gap_s`."""
    kept: list[float] = []
    for moment in times_s:
        if not kept or moment - kept[-1] >= gap_s:
            kept.append(float(moment))
    return np.array(kept)
