"""Noise of inertial sensors: white, flicker and random walk; low-pass; digitising. Pure, no I/O.

In the words of IEEE Std 952-1997, annex C: N is white noise density, B bias instability, K rate
random walk, and the Allan variance of their sum is N²/τ + (2 ln 2/π) B² + K² τ/3.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt, sosfilt_zi

from firmware_host.samples import Floats

Array = NDArray[np.float64]
_Real = TypeVar("_Real", np.float32, np.float64)

# What wanders slower than the white noise hides is drawn at this rate and joined by lines.
_DRIFT_HZ = 4.0
# Flicker as a sum of first-order Markov processes, each so much slower than the last. With a factor
# of 3 the spectrum stays within 5 % of 1/f between a second and half an hour.
_FACTOR = 3.0
_SHORTEST_S = 0.15
_PROCESSES = 11


def white(
    rng: np.random.Generator, shape: tuple[int, ...], density: float, rate_hz: float
) -> Floats:
    """White noise up to the Nyquist frequency: density in U/√Hz, one-sided."""
    drawn = rng.standard_normal(shape, dtype=np.float32)
    drawn *= np.float32(density * np.sqrt(0.5 * rate_hz))
    return drawn


def random_walk(
    rng: np.random.Generator, shape: tuple[int, ...], k: float, rate_hz: float
) -> Array:
    """A walk along axis 0 from zero, K in U/√s."""
    steps = rng.normal(0.0, k / np.sqrt(rate_hz), shape)
    steps[0] = 0.0
    return np.asarray(np.cumsum(steps, axis=0))


def flicker(rng: np.random.Generator, shape: tuple[int, ...], b: float, rate_hz: float) -> Array:
    """1/f noise along axis 0 with bias instability B in U, from a second to about half an hour."""
    total = np.zeros(shape)
    # A sum over τ of Markov processes of variance σ², spaced by a factor r, has the two-sided
    # density σ²/(2 f ln r); bias instability is B²/(2π f).
    deviation = b * np.sqrt(np.log(_FACTOR) / np.pi)
    for tau_s in _SHORTEST_S * _FACTOR ** np.arange(_PROCESSES):
        keep = np.exp(-1.0 / (rate_hz * tau_s))
        drive = rng.normal(0.0, deviation * np.sqrt(1.0 - keep**2), shape)
        drive[0] = rng.normal(0.0, deviation, shape[1:])
        total += lfilter([1.0], [1.0, -keep], drive, axis=0)
    return total


def drift(
    rng: np.random.Generator, shape: tuple[int, ...], b: float, k: float, rate_hz: float
) -> Array | None:
    """Flicker plus random walk sampled at `rate_hz`; None, and nothing drawn, if both are zero."""
    if b == 0.0 and k == 0.0:
        return None
    slow_hz = min(_DRIFT_HZ, rate_hz)
    count = int(np.ceil((shape[0] - 1) * slow_hz / rate_hz)) + 2
    slow = flicker(rng, (count, *shape[1:]), b, slow_hz)
    slow += random_walk(rng, (count, *shape[1:]), k, slow_hz)
    at = np.arange(shape[0]) * (slow_hz / rate_hz)
    left = at.astype(int)
    share = (at - left).reshape(-1, *(1,) * (len(shape) - 1))
    return np.asarray(slow[left] + share * np.diff(slow, axis=0)[left])


def low_pass(values: NDArray[_Real], bandwidth_hz: float | None, rate_hz: float) -> NDArray[_Real]:
    """Second-order Butterworth along axis 0, −3 dB at `bandwidth_hz`, settled on the first value.

    Its delay of slow motion is 1 / (√2 rate tan(π bandwidth / rate)): 0.225 / bandwidth, a fifth
    less where the bandwidth is a quarter of the rate. From nine tenths of Nyquist on there is
    nothing left to take away, and the values are returned as they are.
    """
    if bandwidth_hz is None or bandwidth_hz >= 0.45 * rate_hz:
        return values
    sections = butter(2, bandwidth_hz, fs=rate_hz, output="sos")
    flat = values.reshape(len(values), -1)
    state = sosfilt_zi(sections)[:, :, None] * flat[0]
    filtered, _ = sosfilt(sections, flat, axis=0, zi=state)
    return np.asarray(filtered, values.dtype).reshape(values.shape)


def digitise(values: Floats, full_scale: float, bits: int) -> Floats:
    """Clip to ± the range and round to the chip's steps, in place; returns `values`."""
    step = np.float32(full_scale / 2 ** (bits - 1))
    values /= step
    np.rint(values, out=values)
    np.clip(values, -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1, out=values)
    values *= step
    return values
