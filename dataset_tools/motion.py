"""How heads move: sitting and talking, nodding, walking, running, in a car. Pure.

A head turns by rotation vectors (M, 3) in rad (x down, y to the wearer's left, z towards the
wearer's right shoulder) and its neck is carried along by (M, 3) m in the world.

Steps while walking come at 2.0 Hz, deviation 0.13 (MacDougall and Moore 2005, abstract); the head
turns sideways at half of that (Grasso and others, abstract of a chapter on steering of
locomotion). Runners choose about 84.8 strides a minute, deviation 3.6 (Lieberman and others 2015,
abstract). That head movements mark stress and pauses is from Hadar and others 1984 (abstract).
Amplitudes, and all of the car, are ours.
"""

from dataclasses import dataclass

import numpy as np

from capture import rotations
from capture.blendshapes import INDEX
from capture.curves import RATE_HZ, Array, events, near, ticks, wander

WALKING_STEPS_HZ, WALKING_SD_HZ = 2.0, 0.13
RUNNING_STEPS_HZ, RUNNING_SD_HZ = 2 * 84.8 / 60, 2 * 3.6 / 60
SETTINGS = ("sitting", "walking", "running", "car")
_AXES = np.array([0.9, 1.2, 0.9])  # people turn more than they nod or tilt


@dataclass(frozen=True, slots=True, eq=False)
class HeadMotion:
    """vectors_rad: (M, 3). position_m: (M, 3) of the neck's pivot, or None where it stays put."""

    vectors_rad: Array
    position_m: Array | None = None

    def plus(self, other: "HeadMotion") -> "HeadMotion":
        """Both at once; rotations are small enough to be added."""
        positions = [p for p in (self.position_m, other.position_m) if p is not None]
        return HeadMotion(
            self.vectors_rad + other.vectors_rad,
            np.sum(positions, axis=0) if positions else None,
        )


def swaying(count: int, rng: np.random.Generator, level: float = 1.0) -> HeadMotion:
    """Restless motion of a head that is nowhere near still: slow, middling and quick."""
    vectors = np.zeros((count, 3))
    for sigma_s, size in ((1.2, 0.06), (0.35, 0.038), (0.12, 0.012)):
        vectors += size * rng.uniform(0.5, 1.3) * _AXES * wander(count, sigma_s, rng, 3)
    return HeadMotion(level * vectors)


def nodding_along(
    time_s: Array, beats_s: Array, rng: np.random.Generator, level: float = 1.0
) -> HeadMotion:
    """Small dips of the head with stressed vowels, some bigger, some aside."""
    vectors = np.zeros((len(time_s), 3))
    habit = rng.uniform(0.3, 1.0)
    for beat in beats_s[rng.random(len(beats_s)) < habit]:
        width = rng.uniform(0.09, 0.16)
        dip = rng.gamma(2.0, 0.012) * np.array([1.0, rng.normal(0, 0.4), rng.normal(0, 0.3)])
        rows = near(time_s, beat - 4 * width, beat + 4 * width)
        bump = np.exp(-0.5 * ((time_s[rows] - beat - 0.05) / width) ** 2)
        vectors[rows] += bump[:, None] * dip
    return HeadMotion(level * vectors)


def gestures(time_s: Array, rng: np.random.Generator, per_minute: float = 5.0) -> HeadMotion:
    """Now and then a yes (nods about x) or a no (turns about y), a few swings each."""
    vectors = np.zeros((len(time_s), 3))
    for start in events(np.full(len(time_s), per_minute / 60), rng, 1.0, 1.5):
        axis, size = (0, 0.11) if rng.random() < 0.65 else (1, 0.16)
        swings = int(rng.integers(1, 5))
        rate_hz = rng.uniform(1.3, 2.6)
        length = swings / rate_hz
        rows = near(time_s, start, start + length)
        t = time_s[rows] - start
        swing = np.sin(2 * np.pi * rate_hz * t) * np.sin(np.pi * t / length) ** 0.5
        vectors[rows, axis] += size * rng.uniform(0.4, 1.3) * swing
    return HeadMotion(vectors)


def walking(count: int, rng: np.random.Generator) -> HeadMotion:
    """Bob once a step, sway and turn once in two; the head pitches against its bobbing."""
    rate_hz = float(rng.normal(WALKING_STEPS_HZ, WALKING_SD_HZ))
    return _steps(count, rate_hz, rng, bob_m=0.022, sway_m=0.020, surge_m=0.012, turn=1.0)


def running(count: int, rng: np.random.Generator) -> HeadMotion:
    """As walking, faster, higher and narrower."""
    rate_hz = float(rng.normal(RUNNING_STEPS_HZ, RUNNING_SD_HZ))
    return _steps(count, rate_hz, rng, bob_m=0.038, sway_m=0.012, surge_m=0.012, turn=1.6)


def _steps(
    count: int,
    rate_hz: float,
    rng: np.random.Generator,
    bob_m: float,
    sway_m: float,
    surge_m: float,
    turn: float,
) -> HeadMotion:
    unsteady = 1.0 + 0.02 * wander(count, 1.0, rng)[:, 0]
    phase = 2 * np.pi * np.cumsum(rate_hz * unsteady) / RATE_HZ + rng.uniform(0, 2 * np.pi)
    size = rng.uniform(0.6, 1.3) * (1.0 + 0.12 * wander(count, 0.8, rng)[:, 0])
    bob = np.cos(phase) + 0.15 * np.cos(2 * phase + 0.8)  # landing is harder than leaving
    stride = np.sin(0.5 * phase)
    position = np.stack((sway_m * stride, bob_m * bob, surge_m * np.sin(phase)), axis=-1)
    angles = turn * np.stack(
        (0.018 * np.cos(phase + rng.normal(0, 0.4)), 0.022 * stride, 0.010 * np.cos(0.5 * phase)),
        axis=-1,
    )
    return HeadMotion(size[:, None] * angles, _from_rest(size[:, None] * position))


def car(count: int, rng: np.random.Generator) -> HeadMotion:
    """A passenger: the body on its springs, the road, and speed that changes."""
    rough = rng.uniform(0.4, 1.5)
    position = np.zeros((count, 3))
    for sigma_s, size_m in (
        (2.0, np.array([0.8, 0.05, 1.5])),  # bends, slopes, brakes
        (0.12, np.array([0.0012, 0.004, 0.0012]) * rough),  # body on its springs
        (0.025, np.array([0.00006, 0.00015, 0.00006]) * rough),  # road through the seat
    ):
        position += size_m * wander(count, sigma_s, rng, 3)
    angles = 0.010 * rough * wander(count, 0.15, rng, 3) * np.array([1.0, 0.4, 1.0])
    lean = 0.05 * wander(count, 1.5, rng, 3) * np.array([0.6, 0.5, 1.0])
    return HeadMotion(angles + lean, _from_rest(position))


def _from_rest(position: Array) -> Array:
    """Ease in over the first second, from standing at the origin."""
    t = np.arange(len(position)) / RATE_HZ
    ease = 0.5 - 0.5 * np.cos(np.pi * np.clip(t, 0.0, 1.0))
    return np.asarray(ease[:, None] * (position - position[0]))


def in_setting(setting: str, count: int, rng: np.random.Generator) -> HeadMotion:
    """What the place adds. Raises KeyError for a setting not in SETTINGS."""
    if setting == "sitting":
        return HeadMotion(np.zeros((count, 3)))
    return {"walking": walking, "running": running, "car": car}[setting](count, rng)


def head_motion(
    time_s: Array, rng: np.random.Generator, weights: Array | None = None, level: float = 1.0
) -> Array:
    """(N, 4) restless head motion of someone who talks, at any times: sway, and beats of the jaw.

    For recordings without a head: `weights` (N, 52) tell when the jaw beats. `level` scales all.
    """
    from scipy.ndimage import gaussian_filter1d  # slow to load, and drivers import this module

    time_s = np.asarray(time_s, float)
    even = ticks(max(2.0 / RATE_HZ, float(time_s[-1] - time_s[0]) + 1.5 / RATE_HZ))
    vectors = swaying(len(even), rng, level).vectors_rad
    at = time_s - time_s[0]
    if weights is not None and len(time_s) > 1:
        beat = np.interp(even, at, weights[:, INDEX["jawOpen"]])
        beat = gaussian_filter1d(beat, 0.08 * RATE_HZ) - gaussian_filter1d(beat, 0.6 * RATE_HZ)
        vectors[:, 0] += level * rng.uniform(0.0, 0.12) * beat
    there = np.stack([np.interp(at, even, column) for column in vectors.T], axis=-1)
    return rotations.from_vector(there)
