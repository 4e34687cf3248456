"""Emotions as timed mixtures of FACS action units. Pure.

Units per emotion are the EMFACS-type tables of Ekman and Friesen in the three variants that other
people's tables give (Wikipedia's, the strongest combinations of FACS 1978 table 11-1, and those of
Martinez and others 2017); one variant is drawn each time, since none is the true one. Strengths
within a mixture, durations and asymmetry are ours.
"""

from collections.abc import Sequence

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from capture.curves import Array, near, rise_and_fall, screen
from dataset_tools.facs import unit

Units = dict[str, float]

# Action unit -> its strength at the emotion's full strength.
EMOTIONS: dict[str, tuple[Units, ...]] = {
    "happiness": ({"6": 0.3, "12": 0.9}, {"6": 0.25, "12": 1.0, "25": 0.6}),
    "sadness": (
        {"1": 0.7, "4": 0.3, "15": 0.8},
        {"1": 0.6, "4": 0.3, "6": 0.2, "15": 0.75, "17": 0.5},
    ),
    "surprise": (
        {"1": 0.8, "2": 0.75, "5": 0.45, "26": 0.8},
        {"1": 0.8, "2": 0.8, "5": 0.7, "26": 0.6},
        {"1": 0.9, "2": 0.85, "5": 0.7, "27": 0.6},
    ),
    "fear": (
        {"1": 0.7, "2": 0.5, "4": 0.35, "5": 0.6, "7": 0.3, "20": 0.5, "26": 0.4},
        {"1": 0.7, "2": 0.5, "4": 0.35, "5": 0.6, "20": 0.5, "25": 0.7},
    ),
    "anger": (
        {"4": 0.95, "5": 0.3, "7": 0.5, "24": 0.5},
        {"4": 0.95, "7": 0.4, "10": 0.4, "17": 0.4, "25": 0.6},
    ),
    "disgust": (
        {"9": 0.75, "15": 0.5, "16": 0.3},
        {"4": 0.4, "10": 0.6, "17": 0.5},
        {"9": 0.7, "10": 0.5, "17": 0.4, "25": 0.5},
    ),
    "contempt": ({"12": 0.35, "14": 0.6},),
}
ONE_SIDED = ("contempt",)
_ASYMMETRY = 0.10  # standard deviation of half the difference between sides
_MOUTH_WHILE_TALKING = 0.45  # speech leaves so much of an emotion's mouth
_MOUTH = np.array([n.startswith(("mouth", "jaw", "tongue")) for n in ARKIT_NAMES])


def emotion(name: str, rng: np.random.Generator) -> list[tuple[Array, float]]:
    """One way of showing an emotion: (52,) weights per action unit, and each one's delay in s.

    Raises KeyError for a name not in EMOTIONS.
    """
    variants = EMOTIONS[name]
    units = variants[int(rng.integers(len(variants)))]
    tilt = rng.normal(0.0, _ASYMMETRY)
    if name in ONE_SIDED:
        tilt = float(rng.choice((-1.0, 1.0))) * rng.uniform(0.7, 1.0)
    shown = []
    for number, strength in units.items():
        own = strength * rng.uniform(0.7, 1.15)
        weights = own * unit(number, np.clip(1 + tilt, 0, 1.3), np.clip(1 - tilt, 0, 1.3))
        shown.append((weights, float(rng.normal(0.0, 0.04))))
    return shown


def feelings(time_s: Array, talking: Array, rng: np.random.Generator, vivid: float = 1.0) -> Array:
    """(M, 52) emotions that come, are held and go; now and then two at once.

    talking: (M,) 1 where the mouth is busy. vivid: the person's own strength.
    """
    out = np.zeros((len(time_s), len(ARKIT_NAMES)))
    now = float(rng.exponential(1.5))
    while now < time_s[-1]:
        strength = vivid * rng.uniform(0.2, 1.1)
        hold = float(rng.gamma(2.0, 0.7))
        for name in _drawn(rng):
            shown = emotion(name, rng)
            rows, felt = _episode(time_s, shown, now, hold, strength, rng)
            out[rows] = screen(out[rows], felt)
        now += hold + float(rng.exponential(2.5)) + 0.5
    quiet = 1.0 - (1.0 - _MOUTH_WHILE_TALKING) * talking
    out[:, _MOUTH] *= quiet[:, None]
    return out


def _drawn(rng: np.random.Generator) -> Sequence[str]:
    count = 2 if rng.random() < 0.15 else 1
    likely = np.array([0.34 if name == "happiness" else 0.11 for name in EMOTIONS])
    return [str(n) for n in rng.choice(list(EMOTIONS), count, replace=False, p=likely)]


def _episode(
    time_s: Array,
    shown: list[tuple[Array, float]],
    start_s: float,
    hold_s: float,
    strength: float,
    rng: np.random.Generator,
) -> tuple[slice, Array]:
    """The rows that an episode touches, and their weights."""
    rise, fall = rng.uniform(0.2, 0.8), rng.uniform(0.35, 1.3)
    rows = near(time_s, start_s - 0.3, start_s + rise + hold_s + fall + 0.3)
    out = np.zeros((len(time_s[rows]), len(ARKIT_NAMES)))
    for weights, delay in shown:
        level = rise_and_fall(time_s[rows] - start_s - delay, rise, hold_s, fall)
        out += level[:, None] * np.minimum(strength * weights, 0.95)
    return rows, np.minimum(out, 1.0)


def eyebrow_flashes(time_s: Array, beats_s: Array, rng: np.random.Generator) -> Array:
    """(M, 52) brows that rise with some of the stressed vowels."""
    out = np.zeros((len(time_s), len(ARKIT_NAMES)))
    up = unit("1") + 0.9 * unit("2") + 0.15 * unit("5")
    for beat in beats_s[rng.random(len(beats_s)) < rng.uniform(0.02, 0.15)]:
        rise, hold, fall = rng.uniform(0.1, 0.2), rng.uniform(0.05, 0.5), rng.uniform(0.2, 0.5)
        rows = near(time_s, beat - rise, beat + hold + fall)
        level = rng.uniform(0.15, 0.7) * rise_and_fall(time_s[rows] - beat + rise, rise, hold, fall)
        out[rows] = np.maximum(out[rows], level[:, None] * up)
    return out
