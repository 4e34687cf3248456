"""New performances from real takes, changed only in ways that a real face could do. Pure.

Every function takes a performance and gives another with as many frames, weights in [0, 1] and
times that increase; what is random takes its generator as an argument.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import INDEX, MIRROR
from dataset_tools import motion
from dataset_tools.curves import RATE_HZ, Array, ticks
from dataset_tools.gaze import blink_times, lids
from dataset_tools.performance import Performance, baseline, trimmed

UPPER_FACE: NDArray[np.int64] = np.array(
    [i for n, i in INDEX.items() if n.startswith(("brow", "eye", "nose", "cheekSq"))]
)
# What people habitually do together but need not: each group may come from another moment.
_GROUP_STEMS = (
    ("browDown", "browInnerUp", "browOuterUp"),
    ("eyeBlink", "eyeWide", "eyeLook"),
    ("eyeSquint", "cheekSquint", "noseSneer"),
    ("jawOpen", "mouthClose", "mouthLowerDown", "mouthUpperUp"),
    ("mouthSmile", "mouthDimple"),
    ("mouthFrown", "mouthShrug"),
    ("mouthStretch", "mouthPress"),
    ("mouthFunnel", "mouthPucker"),
    ("mouthRoll",),
    ("jawLeft", "jawRight", "mouthLeft", "mouthRight", "jawForward"),
    ("cheekPuff", "tongueOut"),
)
GROUPS: tuple[NDArray[np.int64], ...] = tuple(
    np.array([i for name, i in INDEX.items() if name.startswith(stems)]) for stems in _GROUP_STEMS
)
_MIRRORED_QUAT = np.array([1.0, 1.0, -1.0, -1.0])  # a turn to the left becomes one to the right
_MIRRORED_AXES = np.array([-1.0, 1.0, 1.0])


def mirrored(performance: Performance) -> Performance:
    """The same performance seen in a mirror: sides of the face, of the head's turns and its path.

    Twice gives back the original.
    """
    position = performance.head_position_m
    return replace(
        performance,
        weights=performance.weights[:, MIRROR],
        quat_world_from_head=performance.quat_world_from_head * _MIRRORED_QUAT,
        head_position_m=None if position is None else position * _MIRRORED_AXES,
    )


def time_warped(
    performance: Performance, rng: np.random.Generator, tempo: float = 1.0, waver: float = 0.0
) -> Performance:
    """The same frames at another pace, from time 0 on.

    tempo: 2 lasts half as long. waver: standard deviation of the logarithm of a pace that drifts
    over seconds. A walk or a car keeps its own time in truth; warp takes that have none.
    """
    steps = np.diff(performance.time_s)
    pace = tempo * np.exp(waver * _drifting(np.cumsum(steps), rng))
    time_s = np.concatenate(([0.0], np.cumsum(steps / pace)))
    return replace(performance, time_s=time_s)


def _drifting(at_s: Array, rng: np.random.Generator) -> Array:
    """Unit noise that changes over about two seconds, at increasing times (N,)."""
    knots = np.arange(0.0, float(at_s[-1]) + 4.0, 2.0)
    return np.interp(at_s, knots, rng.standard_normal(len(knots)))


def recombined(
    performance: Performance, donor: Performance, shapes: NDArray[np.int64] = UPPER_FACE
) -> Performance:
    """Borrow what `donor` does with some shapes; a donor that is too short plays to and fro.

    The resting face stays the performer's own: only what the donor does around its own is taken.
    """
    span = max(donor.duration_s, 1e-6)
    at = np.mod(performance.time_s - performance.time_s[0], 2 * span)
    at = np.minimum(at, 2 * span - at) + donor.time_s[0]
    shift = baseline(performance) - baseline(donor)
    weights = performance.weights.copy()
    for i in shapes:
        borrowed = np.interp(at, donor.time_s, donor.weights[:, i])
        weights[:, i] = np.clip(borrowed + shift[i], 0.0, 1.0)
    return replace(performance, weights=weights)


def reassembled(
    performance: Performance,
    donors: Sequence[Performance],
    rng: np.random.Generator,
    chance: float = 0.5,
) -> Performance:
    """Let every group of muscles do, by `chance`, what it did at some other moment of a donor.

    Within a group shapes stay together. Across groups habits are broken: who learns from this must
    feel a shape to predict it, not guess it from what this person usually does beside it.
    """
    made = performance
    for group in GROUPS:
        if rng.random() < chance:
            donor = cut(donors[int(rng.integers(len(donors)))], rng, performance.duration_s)
            made = recombined(made, donor, group)
    return made


def on_another_face(performance: Performance, gain: Array, shift: Array) -> Performance:
    """Scale what each shape does by `gain` (52,) and raise its rest by `shift` (52,)."""
    return replace(performance, weights=np.clip(performance.weights * gain + shift, 0.0, 1.0))


def face_strengths(rng: np.random.Generator, spread: float = 0.2, sides: float = 0.06) -> Array:
    """(52,) factors for `on_another_face`: log-normal, nearly the same on both sides."""
    shared = rng.normal(0.0, spread, len(MIRROR))[np.minimum(np.arange(len(MIRROR)), MIRROR)]
    return np.asarray(np.exp(shared + rng.normal(0.0, sides, len(MIRROR))))


def quietness(rng: np.random.Generator) -> Array:
    """(52,) factors for `on_another_face`: how much of their faces people use, lids excepted.

    Less than those who perform before a camera, by a factor that is log-normal about 0.5 and in
    [0.2, 1]: what is small is to be read off sensors that are as noisy as ever. The figures are
    ours.
    """
    factors = np.full(len(MIRROR), np.clip(0.5 * np.exp(rng.normal(0.0, 0.4)), 0.2, 1.0))
    factors[[INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]] = 1.0
    return factors


def with_blinks(
    performance: Performance, rng: np.random.Generator, share: float = 1.0
) -> Performance:
    """Add blinks of the usual kind; of those that would be usual, `share` is added."""
    length_s = performance.time_s[-1] - performance.time_s[0] + 1 / RATE_HZ
    even = ticks(float(length_s))
    starts = blink_times(np.full(len(even), 0.5), rng)
    starts = starts[rng.random(len(starts)) < share]
    fallen = lids(performance.time_s - performance.time_s[0], starts, rng)
    weights = performance.weights.copy()
    for column, side in enumerate(("Left", "Right")):
        blink, wide = INDEX["eyeBlink" + side], INDEX["eyeWide" + side]
        weights[:, blink] = np.maximum(weights[:, blink], fallen[:, column])
        weights[:, wide] *= 1.0 - fallen[:, column]
    return replace(performance, weights=weights)


def moved_about(
    performance: Performance, rng: np.random.Generator, level: float = 1.0
) -> Performance:
    """Replace the head's motion by that of someone who sits and says the same."""
    quat = motion.head_motion(performance.time_s, rng, performance.weights, level)
    return replace(performance, quat_world_from_head=quat, head_position_m=None)


def cut(performance: Performance, rng: np.random.Generator, length_s: float) -> Performance:
    """A random stretch of `length_s`, or all of it where it is shorter."""
    spare = performance.duration_s - length_s
    if spare <= 0:
        return performance
    return trimmed(performance, performance.time_s[0] + rng.uniform(0.0, spare), length_s)


def varied(
    performance: Performance,
    other: Performance,
    rng: np.random.Generator,
    length_s: float,
    quiet_share: float = 0.0,
) -> Performance:
    """A new performance from real ones, at most `length_s` of their time long.

    Cut, mirrored, upper face borrowed or all muscles reassembled, on another face, at another pace,
    with another head, and blinks where the recording may have cleaned them away: each as often as
    is good for training. quiet_share: of the faces, how many show less.
    """
    made = cut(performance, rng, length_s)
    if rng.random() < 0.5:
        made = mirrored(made)
    kind = rng.random()
    if kind < 0.3:
        made = recombined(made, cut(other, rng, length_s))
    elif kind < 0.7:
        made = reassembled(made, (performance, other), rng)
    shift = rng.exponential(0.02, len(MIRROR))
    gain = face_strengths(rng)
    if quiet_share > 0 and rng.random() <= quiet_share:
        gain = gain * quietness(rng)
    made = on_another_face(made, gain, shift)
    made = time_warped(made, rng, float(rng.uniform(0.8, 1.25)), 0.08)
    if rng.random() < 0.2:
        made = with_blinks(made, rng, float(rng.uniform(0.2, 0.8)))
    return moved_about(made, rng, float(rng.uniform(0.0, 1.6)))
