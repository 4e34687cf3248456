"""People who follow an animated face: late, by their own strength, and not always. Pure, seeded.

A follower sees a movement and answers after a reaction time, at a pace of their own, with whatever
else moves along on this face; some movements come out as something else, some not at all. All
sizes are assumed: nobody has been recorded doing it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from capture import rotations
from capture.blendshapes import ARKIT_NAMES, INDEX, MIRROR, OBSERVABLE
from capture.curves import RATE_HZ, Array, rise_and_fall, screen, wander
from capture.gaze import blink_times, gaze, lids
from capture.guided import REST, Movement, Performed, Script, shown_turns
from dataset_tools.composition import Person, draw_person
from dataset_tools.facs import companions
from dataset_tools.motion import swaying
from dataset_tools.performance import Performance

_COMPANIONS = companions()
_FEWEST_S, _MOST_S = 0.15, 0.9  # a reaction
_CANNOT = 0.04  # share of shapes that somebody hardly can do


@dataclass(frozen=True, slots=True)
class Habits:
    """How well somebody follows.

    lag_s: reaction time, and lag_jitter_s its deviation from one movement to the next. unequal: of
    the logarithm of strength, per movement. skipped, mistaken: shares of movements that are left
    out, or come out as another. mixed: size of whatever else moves along. pace: of the wearer's
    ways over the shown ones. sagging: share of a pose that is lost while it is held.
    """

    lag_s: float = 0.4
    lag_jitter_s: float = 0.08
    unequal: float = 0.2
    skipped: float = 0.04
    mistaken: float = 0.03
    mixed: float = 0.1
    pace: float = 1.0
    sagging: float = 0.15


# Nobody: what a follower would be without any fault. For tests.
PERFECT = Habits(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What was shown, and what the wearer did."""

    performed: tuple[Performed, ...]
    performance: Performance


def draw_habits(rng: np.random.Generator) -> Habits:
    """Somebody's own reaction time, pace and care."""
    care = float(rng.uniform(0.5, 1.5))
    return Habits(
        lag_s=float(rng.uniform(0.2, 0.6)),
        lag_jitter_s=0.08 * care,
        unequal=0.2 * care,
        skipped=0.04 * care,
        mistaken=0.03 * care,
        mixed=0.1 * care,
        pace=float(np.exp(rng.normal(0.0, 0.2))),
        sagging=float(rng.uniform(0.0, 0.3)),
    )


def follow(
    script: Script,
    seed: int,
    habits: Habits | None = None,
    person: Person | None = None,
    steps: Sequence[Performed] = (),
    after_s: float = 1.0,
) -> Followed:
    """Somebody follows a script from the first step to the last.

    Args:
        habits, person: who; drawn where None. steps: what is shown when, if not one step right
            after the other from 0 on. after_s: how long the face rests at the end.
    """
    rng = np.random.default_rng((seed, 4))
    of_habits, of_person, of_face, of_head, of_eyes = rng.spawn(5)
    habits = habits or draw_habits(of_habits)
    person = person or _trained_on_nothing(of_person)
    steps = tuple(steps) or script.in_sequence()
    time_s = np.arange(round((steps[-1].end_s + after_s) * RATE_HZ)) / RATE_HZ
    moved = np.zeros((len(time_s), len(ARKIT_NAMES)))
    poses = [m.weights for one in steps for m in one.step.movements]
    for one in steps:
        moved = screen(moved, _answered(time_s, one, poses, habits, person, of_face))
    weights = screen(moved, np.tile(person.rest, (len(time_s), 1)))
    still = _resting(steps, time_s)
    weights = _with_eyes(time_s, weights, still, of_eyes)
    vectors = _late(shown_turns(steps, time_s), time_s, habits.lag_s)
    sway = swaying(len(time_s), of_head, float(of_head.uniform(0.05, 0.4))).vectors_rad
    quat = rotations.from_vector(vectors * of_head.uniform(0.7, 1.2) + sway * still[:, None])
    everywhere = np.ones(len(time_s), bool)
    return Followed(tuple(steps), Performance(time_s, np.clip(weights, 0, 1), quat, everywhere))


def _trained_on_nothing(rng: np.random.Generator) -> Person:
    """Somebody who can do most shapes, some only a little."""
    person = draw_person(rng)
    sides = np.minimum(np.arange(len(ARKIT_NAMES)), MIRROR)
    weak = np.where(rng.random(len(ARKIT_NAMES)) < _CANNOT, 0.2, 1.0)[sides]
    return Person(
        person.strength * weak,
        person.rest,
        person.vivid,
        person.tempo,
        person.clarity,
        person.coupling,
    )


def _answered(
    time_s: Array,
    one: Performed,
    poses: Sequence[Array],
    habits: Habits,
    person: Person,
    rng: np.random.Generator,
) -> Array:
    """(N, 52) change from rest that a step brings about."""
    out = np.zeros((len(time_s), len(ARKIT_NAMES)))
    for movement in one.step.movements:
        draws = rng.random(2)
        lag = _lag(habits, movement, rng)
        strength = float(np.exp(rng.normal(0.0, habits.unequal)))
        pose = movement.weights
        if draws[1] < habits.mistaken:
            pose = poses[int(rng.integers(len(poses)))]
        own = pose * person.strength * strength + habits.mixed * _something(rng)
        own = own + 0.5 * person.coupling * (habits.mixed > 0) * (own @ _COMPANIONS)
        if draws[0] >= habits.skipped:
            level = _level(time_s - one.start_s - lag, movement, habits)
            out += level[:, None] * np.clip(own, 0.0, 1.0)
    return np.minimum(out, 1.0)


def _lag(habits: Habits, movement: Movement, rng: np.random.Generator) -> float:
    """The second time is expected, and comes a little sooner."""
    drawn = rng.normal(0.0, 1.0)
    if not habits.lag_s:
        return 0.0
    mean = habits.lag_s * (0.85 if movement.again else 1.0)
    return float(np.clip(mean + habits.lag_jitter_s * drawn, _FEWEST_S, _MOST_S))


def _level(since_s: Array, movement: Movement, habits: Habits) -> Array:
    rise, fall = habits.pace * movement.rise_s, habits.pace * movement.fall_s
    # Whoever is slow to arrive holds it for less long; the way back begins when it is shown.
    hold = max(movement.rise_s + movement.hold_s - rise, 0.05)
    level = rise_and_fall(since_s - movement.start_s, rise, hold, fall)
    held = np.clip((since_s - movement.start_s - rise) / hold, 0.0, 1.0)
    return np.asarray(level * (1.0 - habits.sagging * held))


def _something(rng: np.random.Generator) -> Array:
    """(52,) a few shapes that move along for no reason, of unit size."""
    size = np.abs(rng.normal(0.0, 1.0, len(ARKIT_NAMES)))
    return np.where(OBSERVABLE & (rng.random(len(size)) < 0.3), size, 0.0)


def _resting(steps: Sequence[Performed], time_s: Array) -> Array:
    """(N,) 0 while a step asks for rest or head motion alone, otherwise 1, in half a second."""
    still = np.ones(len(time_s))
    for one in steps:
        if one.step.label == REST or one.step.turns:
            inside = (time_s >= one.start_s - 0.5) & (time_s < one.end_s)
            still[inside] = 0.0
    return np.asarray(gaussian_filter1d(still, 0.15 * RATE_HZ, mode="nearest"))


def _with_eyes(time_s: Array, weights: Array, still: Array, rng: np.random.Generator) -> Array:
    """Blinks, gaze, and the restlessness of a face that is not still."""
    restless = 0.012 * wander(len(time_s), 0.3, rng, len(ARKIT_NAMES)) * still[:, None]
    out = np.where(OBSERVABLE, weights + restless, weights)
    out = out + gaze(time_s, np.zeros((len(time_s), 3)), rng)
    blinks = lids(time_s, blink_times(np.zeros(len(time_s)), rng), rng)
    for column, name in enumerate(("eyeBlinkLeft", "eyeBlinkRight")):
        out[:, INDEX[name]] = np.maximum(out[:, INDEX[name]], blinks[:, column])
    return out


def _late(vectors: Array, time_s: Array, lag_s: float) -> Array:
    return np.stack([np.interp(time_s - lag_s, time_s, column) for column in vectors.T], axis=1)
