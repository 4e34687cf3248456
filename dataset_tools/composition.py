"""Compose a performance from scratch: who, where, doing what, when. Pure, seeded.

A person (own strengths per shape, own resting face, tempo, vividness) is in a place and does one
thing after another: talks, is quiet, chews, laughs, yawns, shows a range of motion. Emotions,
blinks, gaze and head motion run along. Shares and strengths are ours, tuned against recordings
with `imusic performances report`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capture.blendshapes import ARKIT_NAMES, INDEX, MIRROR
from capture.curves import RATE_HZ, Array, screen, ticks
from capture.gaze import blink_times, gaze, lids
from dataset_tools import actions, emotions, motion
from dataset_tools.facs import companions
from dataset_tools.motion import HeadMotion
from dataset_tools.speech import Talk, improvised, mouth, timed, with_lips_closed
from dataset_tools.spelling import Language, Word

# What people do: share of stretches, and how long one lasts at least and at most.
ACTIVITIES: dict[str, tuple[float, float, float]] = {
    "talk": (0.42, 4.0, 14.0),
    "quiet": (0.18, 1.5, 5.0),
    "range": (0.24, 4.0, 10.0),
    "chew": (0.06, 3.0, 12.0),
    "laugh": (0.06, 1.0, 3.0),
    "yawn": (0.04, 4.5, 8.5),
}
SETTING_SHARES = {"sitting": 0.70, "walking": 0.14, "running": 0.06, "car": 0.10}
_COMPANIONS = companions()
_EYE = np.array([name.startswith("eyeLook") for name in ARKIT_NAMES])
# Resting faces as a phone reports them are not zero: ours, rounded, of medians in recordings.
_REST: dict[str, float] = {
    "mouthFunnel": 0.08, "mouthPucker": 0.07, "mouthFrown": 0.05, "mouthDimple": 0.05,
    "mouthStretch": 0.12, "mouthRollLower": 0.05, "mouthRollUpper": 0.04, "mouthShrugLower": 0.07,
    "mouthShrugUpper": 0.10, "mouthPress": 0.04, "mouthLowerDown": 0.06, "mouthUpperUp": 0.05,
    "mouthClose": 0.03, "mouthSmile": 0.03, "browInnerUp": 0.09, "browOuterUp": 0.04,
    "browDown": 0.05, "cheekPuff": 0.04, "cheekSquint": 0.05, "noseSneer": 0.07,
    "eyeSquint": 0.08, "eyeWide": 0.06, "eyeBlink": 0.06, "jawOpen": 0.025, "jawForward": 0.05,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stretch:
    """One activity from `start_s` to `end_s`."""

    activity: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Who performs.

    strength: (52,) factor per shape. rest: (52,) resting face. vivid: strength of feelings.
    tempo: of speech. clarity: of lips. coupling: how much of the companions shows.
    """

    strength: Array
    rest: Array
    vivid: float
    tempo: float
    clarity: float
    coupling: float


@dataclass(frozen=True, slots=True, eq=False)
class Composition:
    """time_s: (M,). weights: (M, 52) in [0, 1]. head: rotation vectors and translation."""

    time_s: Array
    weights: Array
    head: HeadMotion


def draw_person(rng: np.random.Generator) -> Person:
    """Draw someone. Sides of a face differ by a few percent, people by a third."""
    shared = rng.normal(0.0, 0.28, len(ARKIT_NAMES))
    both = np.minimum(np.arange(len(ARKIT_NAMES)), MIRROR)  # one draw for a pair
    strength = np.exp(shared[both] + rng.normal(0.0, 0.05, len(ARKIT_NAMES)))
    strength[_EYE] = 1.0
    rest = np.zeros(len(ARKIT_NAMES))
    for name, value in _REST.items():
        drawn = value * rng.gamma(1.6, 1 / 1.6)
        for i in _sides(name):
            rest[i] = drawn * rng.uniform(0.85, 1.15)
    return Person(
        strength=strength,
        rest=rest,
        vivid=float(rng.uniform(0.5, 1.2)),
        tempo=float(np.exp(rng.normal(0.0, 0.12))),
        clarity=float(np.exp(rng.normal(0.0, 0.22))),
        coupling=float(rng.uniform(0.6, 1.2)),
    )


def _sides(name: str) -> Sequence[int]:
    return (INDEX[name],) if name in INDEX else (INDEX[name + "Left"], INDEX[name + "Right"])


def plan(duration_s: float, rng: np.random.Generator) -> list[Stretch]:
    """What is done when, without gaps, over the whole duration."""
    names = list(ACTIVITIES)
    shares = np.array([ACTIVITIES[name][0] for name in names])
    stretches: list[Stretch] = []
    now = 0.0
    while now < duration_s:
        name = str(rng.choice(names, p=shares / shares.sum()))
        _, shortest, longest = ACTIVITIES[name]
        end = min(now + rng.uniform(shortest, longest), duration_s)
        if name not in ("talk", "quiet") and end - now < 1.0:
            name = "quiet"  # no room left to do it
        stretches.append(Stretch(name, now, end))
        now = end
    return stretches


def compose(duration_s: float, rng: np.random.Generator, language: Language) -> Composition:
    """A person who does this and that for a while, at RATE_HZ."""
    of_person, of_plan, of_words, of_rest = rng.spawn(4)
    person = draw_person(of_person)
    stretches = plan(duration_s, of_plan)
    time_s = ticks(duration_s)
    words = [
        (s, improvised(language, s.end_s - s.start_s, of_words))
        for s in stretches
        if s.activity == "talk"
    ]
    talk = _talk(time_s, words, person, of_words)
    acted = _acted(time_s, stretches, of_rest)
    setting = str(of_rest.choice(list(SETTING_SHARES), p=list(SETTING_SHARES.values())))
    return _performed(time_s, talk, acted, person, setting, of_rest)


def recite(words: Sequence[Word], rng: np.random.Generator) -> Composition:
    """A person who says these words, sitting, with half a second before and after."""
    of_person, of_words, of_rest = rng.spawn(3)
    person = draw_person(of_person)
    spoken = timed(words, 0.5, of_words, person.tempo)
    end_s = spoken[-1].start_s + spoken[-1].duration_s if spoken else 0.5
    time_s = ticks(end_s + 0.5)
    talk = mouth(time_s, spoken, person.clarity)
    still = np.zeros((len(time_s), len(ARKIT_NAMES)))
    return _performed(time_s, talk, still, person, "sitting", of_rest)


def _talk(
    time_s: Array,
    words: Sequence[tuple[Stretch, Sequence[Word]]],
    person: Person,
    rng: np.random.Generator,
) -> Talk:
    spoken = []
    for stretch, said in words:
        inside = timed(said, stretch.start_s + 0.1, rng, person.tempo)
        spoken += [one for one in inside if one.start_s + one.duration_s < stretch.end_s]
    return mouth(time_s, spoken, person.clarity)


def _acted(time_s: Array, stretches: Sequence[Stretch], rng: np.random.Generator) -> Array:
    act = {
        "chew": actions.chew,
        "laugh": actions.laugh,
        "yawn": actions.yawn,
        "range": actions.range_of_motion,
    }
    out = np.zeros((len(time_s), len(ARKIT_NAMES)))
    for stretch in stretches:
        rows = slice(round(stretch.start_s * RATE_HZ), round(stretch.end_s * RATE_HZ))
        if stretch.activity in act and len(time_s[rows]) > 2:
            out[rows] = act[stretch.activity](time_s[rows], rng)
    return out


def _performed(
    time_s: Array,
    talk: Talk,
    acted: Array,
    person: Person,
    setting: str,
    rng: np.random.Generator,
) -> Composition:
    """Everything at once on one face and one head."""
    head = _head(time_s, talk, setting, rng)
    felt = emotions.feelings(time_s, talk.active, rng, person.vivid)
    flashes = emotions.eyebrow_flashes(time_s, talk.beats_s, rng)
    moved = screen(
        screen(talk.weights, np.minimum(acted, 1.0)), screen(felt, np.minimum(flashes, 1))
    )
    looked = gaze(time_s, head.vectors_rad, rng)
    blinks = lids(time_s, blink_times(talk.active, rng), rng)
    moved = _together(moved * person.strength, looked, person)
    moved = screen(np.clip(moved, 0.0, 1.0), np.tile(person.rest, (len(time_s), 1)))
    for column, name in enumerate(("eyeBlinkLeft", "eyeBlinkRight")):
        moved[:, INDEX[name]] = np.maximum(moved[:, INDEX[name]], blinks[:, column])
    shut = np.minimum(blinks.mean(axis=1), 1.0)
    for name in ("eyeWideLeft", "eyeWideRight"):
        moved[:, INDEX[name]] *= 1.0 - shut
    moved = with_lips_closed(moved, talk.closed)
    return Composition(time_s, np.clip(moved, 0.0, 1.0), head)


def _together(moved: Array, looked: Array, person: Person) -> Array:
    """Add gaze, and what shows along with each shape."""
    both = moved + looked
    return both + person.coupling * (both @ _COMPANIONS)


def _head(time_s: Array, talk: Talk, setting: str, rng: np.random.Generator) -> HeadMotion:
    level = float(rng.uniform(0.2, 2.8))
    head = motion.swaying(len(time_s), rng, level)
    head = head.plus(motion.nodding_along(time_s, talk.beats_s, rng, min(level, 1.2)))
    head = head.plus(motion.gestures(time_s, rng, float(rng.uniform(1.0, 9.0))))
    return head.plus(motion.in_setting(setting, len(time_s), rng))
