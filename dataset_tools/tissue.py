"""A light sensor on soft skin: a second-order resonance between patch and sensor. Pure, no I/O.

Sensor and pad of mass m ride on tissue of stiffness k and damping ratio ζ. What the patch feels
passes H(s) = (2ζω s + ω²) / (s² + 2ζω s + ω²), ω² = k/m: slow motion arrives unchanged, gravity
too, a knock rings on. Rocking does the same to angular rate.

What is known: over the leg, skin resists sideways pull with 330 to 1900 N/m, and markers on wands
ring at 23 to 51 Hz (Karlsson and Tranberg 1999, "On skin movement artefact", abstract); a 34 g
accelerometer on skin oscillates by itself while one of 1.5 g follows the bone (Ziegert and Lewis
1979, abstract); a patch behind the ear acts underdamped in head impacts (Wu et al. 2016,
arXiv:1503.03948, abstract). No such figure for faces was found: the ranges below are assumed,
softer than a leg, and put a 0.3 g sensor with its pad near 30 to 130 Hz.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import cont2discrete, sosfilt, sosfilt_zi

Array = NDArray[np.float64]

SENSOR_KG = 0.3e-3
PAD_KG = (0.3e-3, 0.7e-3)  # assumed: tape, cable end and the tissue that moves along
STIFFNESS_N_M = (40.0, 400.0)  # assumed: a leg's figures divided by five to eight
BONE_STIFFER = 6.0  # assumed: thin skin over the mastoid
DAMPING = (0.1, 0.4)  # assumed: underdamped
ROCKING = (0.8, 1.6)  # assumed: rocking resonance in units of the sideways one
# Nearer to Nyquist, samples no longer show how a resonance rings.
HIGHEST_SHARE = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Skin:
    """How S sensors ring. resonance_hz, rocking_hz, damping: (S,)."""

    resonance_hz: Array
    rocking_hz: Array
    damping: Array


def draw_skin(count: int, reference: int, rng: np.random.Generator) -> Skin:
    """One wearer's skin under `count` sensors: firm or soft, and each site a little different."""
    person = rng.uniform(*np.log(STIFFNESS_N_M))
    stiffness = np.exp(person + rng.normal(0.0, 0.25, count))
    stiffness[reference] *= BONE_STIFFER
    mass = SENSOR_KG + rng.uniform(*PAD_KG, count)
    resonance = np.sqrt(stiffness / mass) / (2.0 * np.pi)
    rocking = resonance * rng.uniform(*ROCKING, count)
    return Skin(resonance, rocking, rng.uniform(*DAMPING, count))


def ring(force: Array, rate: Array, skin: Skin, rate_hz: float) -> tuple[Array, Array]:
    """What sensors on ringing skin feel of the force and rate (N, S, 3) of their patches.

    Resonances above two fifths of `rate_hz` are beyond what the samples can show and do nothing.
    """
    felt = _ringing(force, skin.resonance_hz, skin.damping, rate_hz)
    return felt, _ringing(rate, skin.rocking_hz, skin.damping, rate_hz)


def _ringing(values: Array, resonance_hz: Array, damping: Array, rate_hz: float) -> Array:
    # Time last while filtering: every filter then runs along memory.
    by_site = np.ascontiguousarray(np.moveaxis(values, 0, -1))
    for site, signals in enumerate(by_site):
        by_site[site] = _resonate(signals, resonance_hz[site], damping[site], rate_hz)
    return np.ascontiguousarray(np.moveaxis(by_site, -1, 0))


def _resonate(values: Array, resonance_hz: float, damping: float, rate_hz: float) -> Array:
    """H(s) on (3, N), exact for input that is straight between samples; settled on the first."""
    if resonance_hz > HIGHEST_SHARE * rate_hz:
        return values
    w = 2.0 * np.pi * resonance_hz
    system = ([2.0 * damping * w, w**2], [1.0, 2.0 * damping * w, w**2])
    top, low, _ = cont2discrete(system, 1.0 / rate_hz, method="foh")
    # As one second-order section: scipy runs those twice as fast as general filters.
    section = np.concatenate((top[0], low))[None]
    state = sosfilt_zi(section)[:, None, :] * values[:, :1]
    return np.asarray(sosfilt(section, values, zi=state)[0])
