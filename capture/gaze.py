"""Blinks and gaze, with the statistics of people. Pure.

Blinks: 17 a minute at rest, 26 in conversation, log-normally spread over people (Bentivoglio and
others 1997, abstract). A spontaneous lid falls in 66 ms and stays down for 8 (from the voluntary
77.6 and 13.4 ms and their ratios in a search-coil study of seven adults, PubMed abstract of
"Kinematic comparison of spontaneously generated blinks and voluntary blinks"); it falls 40 to
47 % faster than it rises, and often only half to three quarters of the way (Sforza and others
2008, abstract). Fixations end at random after a refractory time (abstract of "The distribution of
fixation durations in infants and naive adults"). Everything else is ours: spreads, angles, the
mean fixation, 30 degrees for weight 1, and a rise that ends more slowly than it begins.
"""

import numpy as np

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.curves import RATE_HZ, Array, events, near, rise_and_fall

BLINKS_PER_MIN_REST, BLINKS_PER_MIN_TALKING = 17.0, 26.0
BLINKS_PER_MIN_SPREAD = 0.35  # of the logarithm, over people
CLOSING_S, SHUT_S, OPENING_S = 0.066, 0.008, 0.125
_BLINK_GAP_S = 0.30
_LONGER = (0.85, 1.25)  # from one blink to the next
_FIXATION_S, _REFRACTORY_S = 0.9, 0.2
_SACCADE_SIGMA_S = 0.018
FULL_WEIGHT_RAD = float(np.radians(30.0))
_EYES_FOLLOW = 0.6  # share of a head turn that the eyes take back to keep looking


def blink_times(talking: Array, rng: np.random.Generator) -> Array:
    """When a person blinks. talking: (M,) at RATE_HZ, 1 while talking, 0 at rest."""
    rest, talk = BLINKS_PER_MIN_REST / 60, BLINKS_PER_MIN_TALKING / 60
    own = rng.lognormal(-0.5 * BLINKS_PER_MIN_SPREAD**2, BLINKS_PER_MIN_SPREAD)
    return events(own * (rest + (talk - rest) * talking), rng, 0.7, _BLINK_GAP_S)


def lids(time_s: Array, times_s: Array, rng: np.random.Generator) -> Array:
    """(M, 2) weights of eyeBlinkLeft and eyeBlinkRight for blinks that begin at `times_s`."""
    out = np.zeros((len(time_s), 2))
    for start in times_s:
        depth = rng.uniform(0.65, 1.0)
        slow = rng.uniform(*_LONGER)
        shape = CLOSING_S * slow, SHUT_S * slow, OPENING_S * slow
        rows = near(time_s, start, start + sum(shape))
        fall = depth * rise_and_fall(time_s[rows] - start, *shape)
        sides = np.clip(1.0 + rng.normal(0.0, 0.04, 2), 0.0, 1.0 / depth)
        out[rows] = np.maximum(out[rows], fall[:, None] * sides)
    return out


def gaze(time_s: Array, head_rad: Array, rng: np.random.Generator) -> Array:
    """(M, 52) weights of the eight `eyeLook…` shapes.

    head_rad: (M, 3) rotation vectors of the head; eyes turn back against them.
    """
    from scipy.ndimage import gaussian_filter1d  # slow to load

    intensity = np.full(len(time_s), 1.0 / (_FIXATION_S - _REFRACTORY_S))
    jumps = events(intensity, rng, 1.0, _REFRACTORY_S)
    habit = rng.normal((0.0, np.radians(-6.0)), np.radians((3.0, 5.0)))
    targets = rng.laplace(0.0, np.radians((4.5, 3.0)), (len(jumps) + 1, 2)) + habit
    looked = targets[np.searchsorted(jumps, time_s)]
    looked = gaussian_filter1d(looked, _SACCADE_SIGMA_S * RATE_HZ, axis=0, mode="nearest")
    # Turning about +y is to the wearer's left; about +x is down.
    aside = (looked[:, 0] - _EYES_FOLLOW * head_rad[:, 1]) / FULL_WEIGHT_RAD
    up = (looked[:, 1] + _EYES_FOLLOW * head_rad[:, 0]) / FULL_WEIGHT_RAD
    return looking(aside, up)


def looking(aside: Array, up: Array) -> Array:
    """(M, 52) weights of eyes turned `aside` (left positive) and `up` (M,), 1 at full weight.

    To the left is AU 61: eyeLookOutLeft with eyeLookInRight.
    """
    out = np.zeros((len(aside), len(ARKIT_NAMES)))
    for value, names in (
        (aside, ("eyeLookOutLeft", "eyeLookInRight")),
        (-aside, ("eyeLookInLeft", "eyeLookOutRight")),
        (up, ("eyeLookUpLeft", "eyeLookUpRight")),
        (-up, ("eyeLookDownLeft", "eyeLookDownRight")),
    ):
        for name in names:
            out[:, INDEX[name]] = np.clip(value, 0.0, 1.0)
    return out
