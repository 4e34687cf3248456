"""What faces do besides talking and feeling: chew, laugh, yawn, show their range of motion. Pure.

Each action returns (M, 52) weights for the stretch it is given, calm at both ends.

Chewing runs at 1.57 cycles a second, 90 % of it between 0.94 and 2.17 (Po and others 2011,
abstract). Laughter repeats every 0.21 s and dies away (Provine and Yong 1991, abstract). A human
yawn takes about 6.5 s (Gallup and others 2016, as reported). Sizes are ours.
"""

import numpy as np

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.curves import Array, near, rise_and_fall, screen, wander
from dataset_tools.facs import spread, unit

CHEWING_HZ, CHEWING_SD_HZ = 1.57, 0.37
LAUGH_INTERVAL_S = 0.214
YAWN_S = 6.5


def chew(time_s: Array, rng: np.random.Generator) -> Array:
    """Chew with the mouth closed, on a side that changes now and then."""
    t = time_s - time_s[0]
    rate_hz = float(np.clip(rng.normal(CHEWING_HZ, CHEWING_SD_HZ), 0.9, 2.3))
    unsteady = np.cumsum(1.0 + 0.12 * wander(len(t), 0.5, rng)[:, 0]) / max(len(t), 1) * t[-1]
    phase = 2 * np.pi * rate_hz * unsteady
    size = np.clip(1.0 + 0.3 * wander(len(t), 0.6, rng)[:, 0], 0.3, 1.8)
    opening = size * rng.uniform(0.10, 0.22) * np.clip(0.5 - 0.5 * np.cos(phase), 0, 1) ** 1.3
    aside = size * rng.uniform(0.02, 0.08) * np.sin(phase - 0.6)
    side = np.tanh(3.0 * wander(len(t), 1.5, rng)[:, 0])
    bite = np.clip(np.cos(phase), 0, 1) ** 2
    out = np.zeros((len(t), len(ARKIT_NAMES)))
    _add(out, "jawOpen", opening)
    _add(out, "mouthClose", 0.9 * opening)
    _add(out, "jawLeft", np.maximum(aside * side, 0))
    _add(out, "jawRight", np.maximum(-aside * side, 0))
    for name, level in (("mouthPress", 0.18), ("mouthDimple", 0.12), ("mouthSmile", 0.05)):
        _add(out, name + "Left", level * bite * (1 + 0.4 * side))
        _add(out, name + "Right", level * bite * (1 - 0.4 * side))
    _add(out, "mouthRollLower", 0.10 * bite)
    _add(out, "mouthShrugLower", 0.12 * bite)
    return np.asarray(out * _calm_at_the_ends(t)[:, None])


def laugh(time_s: Array, rng: np.random.Generator) -> Array:
    """Laugh: a smile with narrow eyes, and a jaw that shakes less and less."""
    t = time_s - time_s[0]
    strength = rng.uniform(0.5, 1.0)
    fading = 1.0 - 0.7 * t / t[-1]
    shake = 0.5 - 0.5 * np.cos(2 * np.pi * t / (LAUGH_INTERVAL_S * rng.uniform(0.9, 1.15)))
    smile = spread({"mouthSmile": 0.85, "cheekSquint": 0.5, "eyeSquint": 0.45, "eyeBlink": 0.2,
                    "mouthUpperUp": 0.25, "mouthLowerDown": 0.25, "mouthDimple": 0.15})  # fmt: skip
    shaken = spread({"jawOpen": 0.12, "mouthStretch": 0.05, "cheekSquint": 0.06})
    open_jaw = rng.uniform(0.1, 0.45) * spread({"jawOpen": 1.0})
    level = _calm_at_the_ends(t, 0.35)
    out = level[:, None] * (strength * (smile + fading[:, None] * open_jaw))
    out += (level * strength * fading * shake)[:, None] * shaken
    return np.asarray(np.minimum(out, 1.0))


def yawn(time_s: Array, rng: np.random.Generator) -> Array:
    """Yawn once over the whole stretch: slowly wide open, eyes pressed shut, and closed again."""
    t = (time_s - time_s[0]) / max(time_s[-1] - time_s[0], 1e-6)
    gape = rise_and_fall(t, 0.5, 0.18, 0.32)
    squeeze = rise_and_fall(t - 0.25, 0.25, 0.2, 0.3)
    wide = spread({"jawOpen": rng.uniform(0.75, 0.98), "mouthLowerDown": 0.3, "mouthFunnel": 0.15,
                   "mouthUpperUp": 0.15, "browInnerUp": 0.15})  # fmt: skip
    shut = spread({"eyeBlink": 0.75, "eyeSquint": 0.6, "cheekSquint": 0.35, "noseSneer": 0.25,
                   "browDown": 0.25})  # fmt: skip
    level = rng.uniform(0.7, 1.0)
    return np.minimum(gape[:, None] * wide + level * squeeze[:, None] * shut, 1.0)


def range_of_motion(time_s: Array, rng: np.random.Generator) -> Array:
    """One shape or action unit after the other, mostly with both sides, held for a moment."""
    out = np.zeros((len(time_s), len(ARKIT_NAMES)))
    now = float(time_s[0])
    while now < time_s[-1]:
        rise, hold, fall = rng.uniform(0.15, 0.6), rng.exponential(0.6), rng.uniform(0.15, 0.6)
        rows = near(time_s, now, now + rise + hold + fall)
        level = rise_and_fall(time_s[rows] - now, rise, hold, fall)
        out[rows] = screen(out[rows], level[:, None] * _exercise(rng))
        now += rise + hold + fall * rng.uniform(0.5, 1.2)
    return out * _calm_at_the_ends(time_s - time_s[0])[:, None]


_EXERCISES = ("4", "4", "5", "6", "7", "9", "10", "12", "14", "15", "15", "16", "17", "18", "20",
              "22", "24", "27", "28", "29", "34", "45", "45")  # fmt: skip
_ALONE = ("mouthLeft", "mouthRight", "jawOpen", "jawOpen")
_JAW_ASIDE = ("jawLeft", "jawRight")  # phones report these as small, however far people go


def _exercise(rng: np.random.Generator) -> Array:
    strength = rng.uniform(0.3, 1.0)
    kind = rng.random()
    if kind < 0.15:  # brows go up as one
        return strength * np.minimum(unit("1") + 0.95 * unit("2") + 0.4 * unit("5"), 1.0)
    if kind < 0.24:
        return 0.22 * strength * spread({str(rng.choice(_JAW_ASIDE)): 1.0})
    if kind < 0.36:
        name = str(rng.choice(_ALONE))
        return (1.0 if name == "jawOpen" else 0.5) * strength * spread({name: 1.0})
    if kind < 0.41:
        return strength * spread({"tongueOut": 0.9, "jawOpen": 0.45})
    sides = [1.0, 1.0]
    if kind > 0.85:  # one side leads, as far as people can
        sides[int(rng.integers(2))] = rng.uniform(0.2, 0.7)
    return strength * unit(str(rng.choice(_EXERCISES)), *sides)


def _calm_at_the_ends(t: Array, seconds: float = 0.3) -> Array:
    short = min(seconds, 0.4 * float(t[-1] - t[0]) + 1e-6)
    return rise_and_fall(t, short, max(float(t[-1]) - 2 * short, 0.0), short)


def _add(out: Array, name: str, values: Array) -> None:
    out[:, INDEX[name]] += np.clip(values, 0.0, 1.0)
