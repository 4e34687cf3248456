"""What a face does over time: from a recording, or composed by a seeded generator.

Every performance that is worn starts with two seconds of rest at the person's own baseline and a
few seconds of head nods, side tilts and turns with a still face: calibration lives on these.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture import rotations
from capture.blendshapes import ARKIT_NAMES
from capture.curves import RATE_HZ, Array
from dataset_tools.actions import range_of_motion
from dataset_tools.composition import Composition, compose, recite
from dataset_tools.motion import head_motion
from dataset_tools.spelling import language as known_language
from firmware_host.errors import ConfigError, DataError

REST_S = 2.0
ROUTINE_S = 6.0
_SETTLE_S = 0.7  # from the baseline into the performance


@dataclass(frozen=True, slots=True, eq=False)
class Performance:
    """A face and a head over time.

    time_s: (M,) increasing. weights: (M, 52) canonical. quat_world_from_head: (M, 4) wxyz.
    tracked: (M,) False where the recording saw no face (weights are then held).
    head_position_m: (M, 3) in the world, how far the point in the neck about which the head turns
    has been carried along (by steps, by a car); None where it stays put.
    """

    time_s: Array
    weights: Array
    quat_world_from_head: Array
    tracked: NDArray[np.bool_]
    head_position_m: Array | None = None

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


def write_performance(path: Path, performance: Performance) -> None:
    """Write an `.npz` for `imusic render`; `read_performance` takes only the face from it."""
    np.savez_compressed(
        path,
        names=np.array(ARKIT_NAMES),
        time_s=performance.time_s,
        weights=performance.weights.astype(np.float32),
        quat_world_from_head=performance.quat_world_from_head.astype(np.float32),
        tracked=performance.tracked,
    )


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
        head_position_m=_led_in(performance.head_position_m, len(lead), ease),
    )


def _led_in(position_m: Array | None, still: int, ease: Array) -> Array | None:
    """Positions with `still` rows of standing and the rows of `ease` in front."""
    if position_m is None:
        return None
    return np.concatenate((np.zeros((still, 3)), ease[:, None] * position_m[0], position_m))


def _routine_vectors(t: Array, duration_s: float, rng: np.random.Generator) -> Array:
    """Rotation vectors (N, 3): three nods, then side tilts, then turns, from t = 0 on."""
    thirds = duration_s / 3.0
    vectors = np.zeros((len(t), 3))
    for part, axis in enumerate((0, 2, 1)):  # nod about x, tilt about z, turn about y
        inside = np.clip((t - part * thirds) / thirds, 0.0, 1.0)
        swing = np.sin(2 * np.pi * 2.0 * inside) * np.sin(np.pi * inside) ** 2
        vectors[:, axis] += rng.uniform(0.22, 0.35) * swing
    return vectors


def generate_performance(seed: int, duration_s: float, language: str = "english") -> Performance:
    """Compose speech, emotions, blinks, gaze, small actions and head motion (`composition`).

    The same arguments give the same performance. `language` is a built-in language or the path of
    a language table. Raises ValueError under one second, ConfigError for an unusable language.
    """
    if duration_s < 1.0:
        raise ValueError(f"a performance lasts at least 1 s, got {duration_s:g}")
    return _composed(compose(duration_s, np.random.default_rng(seed), known_language(language)))


def exercise(seed: int, duration_s: float) -> Performance:
    """A range of motion, one action after the other, by a head that is held fairly still."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    weights = range_of_motion(time_s, rng)
    quat = head_motion(time_s, rng, weights, level=float(rng.uniform(0.1, 0.8)))
    return Performance(time_s, weights, quat, np.ones(len(time_s), bool))


def say(text: str, seed: int, language: str = "english") -> Performance:
    """Perform a text. Raises ConfigError where it has nothing that the language can say."""
    words = known_language(language).say(text)
    if not any(word.phones for word in words):
        raise ConfigError(f"{text!r} has no word to say in {language}", "give letters or digits")
    return _composed(recite(words, np.random.default_rng(seed)))


def _composed(made: Composition) -> Performance:
    return Performance(
        time_s=made.time_s,
        weights=made.weights,
        quat_world_from_head=rotations.from_vector(made.head.vectors_rad),
        tracked=np.ones(len(made.time_s), bool),
        head_position_m=made.head.position_m,
    )


def trimmed(performance: Performance, start_s: float, duration_s: float) -> Performance:
    """The stretch [start, start + duration) of a performance, times kept.

    Raises:
        DataError: fewer than two frames lie in it.
    """
    inside = (performance.time_s >= start_s) & (performance.time_s < start_s + duration_s)
    if inside.sum() < 2:
        raise DataError(
            f"the recording has no two frames between {start_s:g} s and {start_s + duration_s:g} s"
        )
    return replace(
        performance,
        time_s=performance.time_s[inside],
        weights=performance.weights[inside],
        quat_world_from_head=performance.quat_world_from_head[inside],
        tracked=performance.tracked[inside],
        head_position_m=None
        if performance.head_position_m is None
        else performance.head_position_m[inside],
    )
