"""What a face does over time: from a recording, or composed by a seeded generator. No I/O.

Every performance that is worn starts with two seconds of rest at the person's own baseline and a
few seconds of head nods, side tilts and turns with a still face: calibration lives on these.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit

from capture import rotations
from capture.blendshapes import ARKIT_NAMES, INDEX

Array = NDArray[np.float64]

RATE_HZ = 60.0
REST_S = 2.0
ROUTINE_S = 6.0
_SETTLE_S = 0.7  # from the baseline into the performance


@dataclass(frozen=True, slots=True, eq=False)
class Performance:
    """A face and a head over time.

    time_s: (M,) increasing. weights: (M, 52) canonical. quat_world_from_head: (M, 4) wxyz.
    tracked: (M,) False where the recording saw no face (weights are then held).
    """

    time_s: Array
    weights: Array
    quat_world_from_head: Array
    tracked: NDArray[np.bool_]

    @property
    def duration_s(self) -> float:
        """Seconds from the first to the last frame."""
        return float(self.time_s[-1] - self.time_s[0])


def from_weights(
    time_s: Array,
    weights: Array,
    tracked: NDArray[np.bool_] | None = None,
    quat_world_from_head: Array | None = None,
    seed: int = 0,
) -> Performance:
    """Make a performance of recorded weights; head motion is generated where none was recorded.

    Frames without a face hold the last weights seen and stay marked as not tracked.
    """
    time_s = np.asarray(time_s, float)
    tracked = np.ones(len(time_s), bool) if tracked is None else np.asarray(tracked, bool)
    if not tracked.any():
        raise ValueError("the recording never sees a face")
    held = np.maximum.accumulate(np.where(tracked, np.arange(len(time_s)), -1))
    held = np.where(held < 0, int(np.argmax(tracked)), held)
    if quat_world_from_head is None:
        quat = head_motion(time_s, np.random.default_rng(seed), weights[held])
    else:
        quat = np.asarray(quat_world_from_head, float)[held]
    return Performance(time_s, np.asarray(weights, float)[held], quat, tracked)


def baseline(performance: Performance) -> Array:
    """(52,) the person's own resting face: the per-shape median of tracked frames."""
    return np.asarray(np.median(performance.weights[performance.tracked], axis=0))


def with_routine(
    performance: Performance,
    seed: int,
    rest_s: float = REST_S,
    routine_s: float = ROUTINE_S,
    rest_weights: Array | None = None,
) -> Performance:
    """Put rest and a head routine in front; time starts at 0, the performance follows on."""
    rng = np.random.default_rng(seed)
    lead = np.arange(round((rest_s + routine_s) * RATE_HZ)) / RATE_HZ
    rest = baseline(performance) if rest_weights is None else rest_weights
    first = performance.quat_world_from_head[0]
    routine = rotations.from_vector(_routine_vectors(lead - rest_s, routine_s, rng))
    settle = np.arange(1, round(_SETTLE_S * RATE_HZ)) / RATE_HZ
    ease = 0.5 - 0.5 * np.cos(np.pi * settle / _SETTLE_S)
    blend = rest + ease[:, None] * (performance.weights[0] - rest)
    turn = rotations.from_vector(ease[:, None] * rotations.to_vector(first))
    begin = lead[-1] + _SETTLE_S
    return Performance(
        time_s=np.concatenate(
            (lead, lead[-1] + settle, performance.time_s - performance.time_s[0] + begin)
        ),
        weights=np.concatenate((np.tile(rest, (len(lead), 1)), blend, performance.weights)),
        quat_world_from_head=np.concatenate((routine, turn, performance.quat_world_from_head)),
        tracked=np.concatenate((np.ones(len(lead) + len(settle), bool), performance.tracked)),
    )


def _routine_vectors(t: Array, duration_s: float, rng: np.random.Generator) -> Array:
    """Rotation vectors (N, 3): three nods, then side tilts, then turns, from t = 0 on."""
    thirds = duration_s / 3.0
    vectors = np.zeros((len(t), 3))
    for part, axis in enumerate((0, 2, 1)):  # nod about x, tilt about z, turn about y
        inside = np.clip((t - part * thirds) / thirds, 0.0, 1.0)
        swing = np.sin(2 * np.pi * 2.0 * inside) * np.sin(np.pi * inside) ** 2
        vectors[:, axis] += rng.uniform(0.22, 0.35) * swing
    return vectors


def head_motion(time_s: Array, rng: np.random.Generator, weights: Array | None = None) -> Array:
    """(N, 4) restless head motion of someone who talks: slow sway plus beats with the jaw."""
    time_s = np.asarray(time_s, float)
    even = np.arange(max(2, int(np.ceil((time_s[-1] - time_s[0]) * RATE_HZ)) + 1)) / RATE_HZ
    vectors = np.zeros((len(even), 3))
    for sigma_s, size in ((1.2, 0.10), (0.35, 0.05), (0.12, 0.012)):
        noise = gaussian_filter1d(rng.standard_normal((len(even), 3)), sigma_s * RATE_HZ, axis=0)
        noise /= max(float(noise.std()), 1e-9)
        vectors += size * rng.uniform(0.5, 1.3) * noise * np.array([1.0, 1.2, 0.6])
    quat = rotations.from_vector(
        np.stack([np.interp(time_s - time_s[0], even, vectors[:, i]) for i in range(3)], axis=-1)
    )
    if weights is None or len(time_s) < 2:
        return quat
    beat = np.interp(even, time_s - time_s[0], weights[:, INDEX["jawOpen"]])
    beat = gaussian_filter1d(beat, 0.08 * RATE_HZ) - gaussian_filter1d(beat, 0.6 * RATE_HZ)
    nod = np.zeros((len(time_s), 3))
    nod[:, 0] = rng.uniform(0.0, 0.12) * np.interp(time_s - time_s[0], even, beat)
    return rotations.multiply(quat, rotations.from_vector(nod))


# Mouth shapes of speech. Values are ours, set by eye on our head within the ranges that the
# recordings of `imusic import livelink` show.
VISEMES: dict[str, dict[str, float]] = {
    "rest": {},
    "aa": {"jawOpen": 0.42, "mouthLowerDown": 0.22, "mouthUpperUp": 0.10, "mouthShrugLower": 0.05},
    "ee": {"jawOpen": 0.14, "mouthStretch": 0.30, "mouthSmile": 0.22, "mouthLowerDown": 0.25},
    "ih": {"jawOpen": 0.18, "mouthSmile": 0.10, "mouthLowerDown": 0.18, "mouthUpperUp": 0.12},
    "oh": {"jawOpen": 0.30, "mouthFunnel": 0.45, "mouthPucker": 0.25},
    "oo": {"jawOpen": 0.12, "mouthPucker": 0.62, "mouthFunnel": 0.30},
    "mbp": {"mouthPress": 0.40, "mouthClose": 0.08, "jawOpen": 0.04, "mouthRollLower": 0.25,
            "mouthRollUpper": 0.15},
    "fv": {"jawOpen": 0.07, "mouthRollLower": 0.42, "mouthUpperUp": 0.20, "mouthPress": 0.08},
    "tdn": {"jawOpen": 0.13, "mouthLowerDown": 0.15, "mouthUpperUp": 0.08, "mouthShrugUpper": 0.08},
    "sz": {"jawOpen": 0.06, "mouthStretch": 0.20, "mouthLowerDown": 0.28, "mouthFunnel": 0.08},
    "sh": {"jawOpen": 0.10, "mouthFunnel": 0.50, "mouthPucker": 0.18, "mouthShrugLower": 0.12},
    "kg": {"jawOpen": 0.22, "mouthLowerDown": 0.10, "mouthDimple": 0.06},
    "wr": {"jawOpen": 0.10, "mouthPucker": 0.48, "mouthFunnel": 0.12, "mouthShrugLower": 0.10},
}  # fmt: skip

# Emotions as FACS mixtures (EMFACS-type tables; Ekman and Friesen 1978), in ARKit's words.
EMOTIONS: dict[str, dict[str, float]] = {
    "happiness": {"mouthSmile": 0.75, "cheekSquint": 0.45, "mouthDimple": 0.15,
                  "mouthUpperUp": 0.20, "eyeSquint": 0.35},
    "sadness": {"browInnerUp": 0.60, "browDown": 0.20, "mouthFrown": 0.50,
                "mouthShrugLower": 0.30},
    "surprise": {"browInnerUp": 0.70, "browOuterUp": 0.65, "eyeWide": 0.55, "jawOpen": 0.35},
    "fear": {"browInnerUp": 0.55, "browOuterUp": 0.35, "browDown": 0.25, "eyeWide": 0.50,
             "mouthStretch": 0.45, "jawOpen": 0.18},
    "anger": {"browDown": 0.75, "eyeWide": 0.20, "eyeSquint": 0.35, "mouthPress": 0.45,
              "noseSneer": 0.20},
    "disgust": {"noseSneer": 0.65, "mouthUpperUp": 0.45, "mouthFrown": 0.30, "browDown": 0.35,
                "mouthShrugLower": 0.25},
    "contempt": {"mouthSmile": 0.25, "mouthDimple": 0.45},
    "puff": {"cheekPuff": 0.65, "mouthPucker": 0.20, "mouthPress": 0.25},
    "jaw": {"jawForward": 0.40, "mouthShrugLower": 0.20},
}  # fmt: skip


def generate_performance(seed: int, duration_s: float) -> Performance:
    """Compose speech-like jaw and lips, blinks, brows, emotions and head motion.

    The same seed and duration give the same performance. Raises ValueError under one second.
    """
    if duration_s < 1.0:
        raise ValueError(f"a performance lasts at least 1 s, got {duration_s:g}")
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    person = rng.lognormal(0.0, 0.25, len(ARKIT_NAMES))
    weights = _speech(time_s, rng) + _emotions(time_s, rng) + _asides(time_s, rng)
    weights = weights * person + _resting_face(rng)
    weights = np.clip(weights + _eyes(time_s, rng), 0.0, 1.0)
    return Performance(
        time_s, weights, head_motion(time_s, rng, weights), np.ones(len(time_s), bool)
    )


def spread(mixture: dict[str, float], left: float = 1.0, right: float = 1.0) -> Array:
    """(52,) weights of a mixture such as {"mouthSmile": 0.5}, sides scaled apart."""
    out = np.zeros(len(ARKIT_NAMES))
    for name, value in mixture.items():
        if name in INDEX:
            out[INDEX[name]] = value
            continue
        out[INDEX[name + "Left"]] = value * left
        out[INDEX[name + "Right"]] = value * right
    return out


def _bumps(time_s: Array, centres: Array, widths: Array, shapes: Array) -> Array:
    """Sum of Gaussian bumps in time, each with its own (52,) shape."""
    out = np.zeros((len(time_s), shapes.shape[1]))
    for centre, width, shape in zip(centres, widths, shapes, strict=True):
        near = slice(*np.searchsorted(time_s, (centre - 4 * width, centre + 4 * width)))
        out[near] += np.exp(-0.5 * ((time_s[near] - centre) / width) ** 2)[:, None] * shape
    return out


def _speech(time_s: Array, rng: np.random.Generator) -> Array:
    """Visemes at four to six a second in phrases with pauses; neighbours overlap."""
    names = [name for name in VISEMES if name != "rest"]
    centres: list[float] = []
    now = float(rng.uniform(0.0, 0.5))
    while now < time_s[-1]:
        phrase_end = now + rng.uniform(1.0, 3.5)
        while now < phrase_end:
            centres.append(now)
            now += rng.uniform(0.12, 0.24)
        now += rng.exponential(0.8)
    count = len(centres)
    shapes = np.array([spread(VISEMES[str(n)]) for n in rng.choice(names, count)])
    shapes = shapes.reshape(count, len(ARKIT_NAMES)) * rng.uniform(0.6, 1.3, (count, 1))
    return _bumps(time_s, np.array(centres), rng.uniform(0.05, 0.09, count), shapes)


def _emotions(time_s: Array, rng: np.random.Generator) -> Array:
    """Expressions that come, are held and go, one every few seconds, often uneven."""
    out = np.zeros((len(time_s), len(ARKIT_NAMES)))
    now = float(rng.uniform(0.0, 2.0))
    while now < time_s[-1]:
        mixture = EMOTIONS[str(rng.choice(list(EMOTIONS)))]
        uneven = rng.normal(0.0, 0.25)
        shape = spread(mixture, 1.0 + uneven, 1.0 - uneven) * rng.uniform(0.3, 1.2)
        hold, rise, fall = rng.uniform(0.4, 2.5), rng.uniform(0.12, 0.4), rng.uniform(0.2, 0.7)
        level = expit((time_s - now) / (0.25 * rise)) * expit((now + hold - time_s) / (0.25 * fall))
        out += level[:, None] * shape
        now += hold + rng.exponential(2.0)
    return out


def _asides(time_s: Array, rng: np.random.Generator) -> Array:
    """Single shapes on their own, as in a range of motion: brows, jaw, lips, cheeks, nose."""
    aside = [i for n, i in INDEX.items() if not n.startswith("eye") and n != "tongueOut"]
    count = rng.poisson(time_s[-1] * 0.5)
    shapes = np.zeros((count, len(ARKIT_NAMES)))
    shapes[np.arange(count), rng.choice(aside, count)] = rng.uniform(0.15, 0.8, count)
    for row in range(count):  # both sides together more often than not
        name = ARKIT_NAMES[int(np.argmax(shapes[row]))]
        other = name.replace("Left", "Right") if "Left" in name else name.replace("Right", "Left")
        if rng.random() < 0.7 and not name.startswith(("jaw", "mouthLeft", "mouthRight")):
            shapes[row, INDEX[other]] = shapes[row].max() * rng.uniform(0.7, 1.2)
    centres = rng.uniform(0.0, time_s[-1], count)
    return _bumps(time_s, centres, rng.uniform(0.12, 0.6, count), shapes)


def _eyes(time_s: Array, rng: np.random.Generator) -> Array:
    """Blinks about 17 a minute and gaze that jumps every second or so."""
    count = rng.poisson(time_s[-1] * 17 / 60)
    centres = rng.uniform(0.0, time_s[-1], count)
    blink = spread({"eyeBlink": 0.9, "eyeSquint": 0.1})
    out = _bumps(time_s, centres, np.full(count, 0.06), np.tile(blink, (count, 1)))
    jumps = np.sort(rng.uniform(0.0, time_s[-1], rng.poisson(time_s[-1])))
    target = rng.normal(0.0, 0.25, (len(jumps) + 1, 2))[np.searchsorted(jumps, time_s)]
    side, up = gaussian_filter1d(target, 0.02 * RATE_HZ, axis=0).T
    gaze = {"eyeLookOutLeft": side, "eyeLookInRight": side, "eyeLookInLeft": -side,
            "eyeLookOutRight": -side, "eyeLookUpLeft": up, "eyeLookUpRight": up,
            "eyeLookDownLeft": -up, "eyeLookDownRight": -up}  # fmt: skip
    for name, value in gaze.items():
        out[:, INDEX[name]] += np.maximum(value, 0.0)
    return out


def _resting_face(rng: np.random.Generator) -> Array:
    """A person's constant offsets, most of them near zero."""
    out = rng.exponential(0.03, len(ARKIT_NAMES))
    out[[i for n, i in INDEX.items() if n.startswith(("eyeLook", "jaw", "tongue"))]] *= 0.3
    return out


def trimmed(performance: Performance, start_s: float, duration_s: float) -> Performance:
    """The stretch [start, start + duration) of a performance, times kept."""
    inside = (performance.time_s >= start_s) & (performance.time_s < start_s + duration_s)
    if inside.sum() < 2:
        raise ValueError(f"no frames between {start_s:g} s and {start_s + duration_s:g} s")
    return replace(
        performance,
        time_s=performance.time_s[inside],
        weights=performance.weights[inside],
        quat_world_from_head=performance.quat_world_from_head[inside],
        tracked=performance.tracked[inside],
    )
