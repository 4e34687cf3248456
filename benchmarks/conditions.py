"""What may go wrong while a face is captured: on the samples' way, and with the head."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from capture import rotations
from capture.curves import RATE_HZ
from dataset_tools.motion import swaying, walking
from dataset_tools.performance import REST_S, ROUTINE_S, Performance
from dataset_tools.virtual_imu import VirtualSamples
from firmware_host.layout import FACE_12

_DEAD, _LOST, _LATE_S = 3, 0.05, 0.002
_EASE_S = 1.0  # not judged
# Who has few sensors puts them here first: jaw and corners of the mouth, then brow and upper lip.
_WORN_FIRST = (
    "mentalis",
    "zygomaticus_left",
    "zygomaticus_right",
    "frontalis_left",
    "levator_labii_left",
    "levator_labii_right",
    "frontalis_right",
    "buccinator_left",
    "buccinator_right",
    "orbicularis_oculi_left",
    "orbicularis_oculi_right",
)
Rng = np.random.Generator


def untouched(samples: VirtualSamples, _: Rng) -> VirtualSamples:
    """As they are."""
    return samples


def dead(samples: VirtualSamples, rng: Rng) -> VirtualSamples:
    """Three random face slots say nothing."""
    slots = rng.choice(FACE_12.face_indices, _DEAD, replace=False)
    return _silenced(samples, list(slots))


def lossy(samples: VirtualSamples, rng: Rng) -> VirtualSamples:
    """5 % of the samples are gone, the others are stamped some 2 ms off."""
    kept = rng.random(len(samples.time_s)) >= _LOST
    kept[0] = True
    time_s = np.sort(samples.time_s[kept] + rng.normal(0.0, _LATE_S, int(kept.sum())))
    return VirtualSamples(
        np.maximum.accumulate(time_s + 1e-6 * np.arange(len(time_s))),
        samples.accel_m_s2[kept],
        samples.gyro_rad_s[kept],
    )


def only(count: int) -> Callable[[VirtualSamples, Rng], VirtualSamples]:
    """The first `count` face sensors of `_WORN_FIRST` are worn, and the reference."""
    kept = [FACE_12.names.index(name) for name in _WORN_FIRST[:count]]
    missing = [slot for slot in FACE_12.face_indices if slot not in kept]

    def change(samples: VirtualSamples, _: Rng) -> VirtualSamples:
        return _silenced(samples, missing)

    return change


def unreferenced(samples: VirtualSamples, _: Rng) -> VirtualSamples:
    """The reference says for ever what it said at rest: head motion is not removed."""
    slot = FACE_12.reference_index
    accel, gyro = samples.accel_m_s2.copy(), samples.gyro_rad_s.copy()
    resting = samples.time_s < REST_S
    for readings in (accel, gyro):
        readings[:, slot] = readings[resting, slot].mean(axis=0)
    return VirtualSamples(samples.time_s, accel, gyro)


def _silenced(samples: VirtualSamples, slots: Sequence[int]) -> VirtualSamples:
    accel, gyro = samples.accel_m_s2.copy(), samples.gyro_rad_s.copy()
    accel[:, slots], gyro[:, slots] = np.nan, np.nan
    return VirtualSamples(samples.time_s, accel, gyro)


def as_recorded(performance: Performance, _: Rng) -> Performance:
    """The recording's own head motion, or a generated one where it has none."""
    return performance


def held_still(performance: Performance, _: Rng) -> Performance:
    """A head in a vice."""
    return _with_head(performance, np.zeros((_rows(performance), 3)), None)


def shaken(performance: Performance, rng: Rng) -> Performance:
    """A head that says no, with 20 degrees and 1.5 Hz, and is restless besides."""
    vectors = swaying(_rows(performance), rng).vectors_rad
    t = np.arange(len(vectors)) / RATE_HZ
    vectors[:, 1] += np.radians(20.0) * np.sin(2 * np.pi * 1.5 * t)
    return _with_head(performance, vectors, None)


def walked(performance: Performance, rng: Rng) -> Performance:
    """The same said while walking."""
    motion = walking(_rows(performance), rng)
    return _with_head(performance, motion.vectors_rad, motion.position_m)


def _rows(performance: Performance) -> int:
    """How many rows of generated motion last as long as a performance."""
    return int(np.ceil(performance.duration_s * RATE_HZ)) + 1


def _with_head(
    performance: Performance, vectors: np.ndarray, position_m: np.ndarray | None
) -> Performance:
    """Generated motion, at `RATE_HZ`, in place of the head's own after rest and routine.

    Those are asked of everybody before they move as they like; motion sets in within `_EASE_S`.
    """
    since_s = performance.time_s - performance.time_s[0] - (REST_S + ROUTINE_S)
    x = np.clip(since_s / _EASE_S, 0.0, 1.0)[:, None]
    share = x * x * (3.0 - 2.0 * x)

    def filmed(motion: np.ndarray) -> np.ndarray:
        even = np.arange(len(motion)) / RATE_HZ
        return share * np.stack([np.interp(since_s, even, column) for column in motion.T], axis=1)

    moved = rotations.from_vector(filmed(vectors))
    return replace(
        performance,
        quat_world_from_head=np.where(
            since_s[:, None] > 0.0, moved, performance.quat_world_from_head
        ),
        head_position_m=None if position_m is None else filmed(position_m),
    )


@dataclass(frozen=True)
class Condition:
    """move: what the head does. change: what befalls the samples. base: what it is compared to."""

    move: Callable[[Performance, Rng], Performance] = as_recorded
    change: Callable[[VirtualSamples, Rng], VirtualSamples] = untouched
    base: str = "undisturbed"


UNDISTURBED = Condition()
CONDITIONS = {
    "undisturbed": UNDISTURBED,
    "three slots dead": Condition(change=dead),
    "5 % lost, 2 ms off": Condition(change=lossy),
    "head still": Condition(move=held_still, base="head still"),
    "head shaken": Condition(move=shaken, base="head still"),
    "walking": Condition(move=walked, base="head still"),
    # The same network, which was trained with sensors dead at random.
    **{f"{count} sensors": Condition(change=only(count)) for count in (8, 6, 4, 2)},
    "no head reference": Condition(change=unreferenced),
}
