"""What happens to a face on its way to one sink: filtered, filled, weighed, mirrored. No I/O.

In this order: the One-Euro filter, shapes that cannot be felt, dead zone, gain, clamp, mirror.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, INDEX, MIRROR, REGIONS, BlendshapeFrame, canonical_name
from capture.sinks.one_euro import OneEuro
from capture.sinks.unfelt import UNFELT, Seen, Unfelt, UnfeltShapes
from firmware_host.samples import Floats

COUNT = len(ARKIT_NAMES)
# What a setting may be for: one shape, or several at once.
GROUPS: dict[str, tuple[int, ...]] = {
    "all": tuple(range(COUNT)),
    **REGIONS,
    "gaze": tuple(i for name, i in INDEX.items() if name.startswith("eyeLook")),
    "tongue": (INDEX["tongueOut"],),
}


@dataclass(frozen=True, slots=True)
class FilterSetting:
    """See `OneEuro`."""

    min_cutoff_hz: float
    beta: float = 0.0


@dataclass(frozen=True, slots=True)
class Shaping:
    """Settings of one sink; keys are shapes in any usual spelling, regions, gaze, tongue or all.

    A key that says less goes before one that says more. dead_zone: what is below counts as nothing,
    and the rest is stretched to end at 1. clamp: the least and the most.
    """

    unfelt: Unfelt = "rest"
    seed: int = 1
    mirror: bool = False
    filters: Mapping[str, FilterSetting] | None = None
    gain: Mapping[str, float] | None = None
    dead_zone: Mapping[str, float] | None = None
    clamp: Mapping[str, tuple[float, float]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Shaped:
    """A face for one sink. made_up: (52,) which shapes nobody felt or saw."""

    frame: BlendshapeFrame
    made_up: NDArray[np.bool_]


class Shaper:
    """Shapes the faces of one sink, in order of time.

    Raises:
        ValueError: a key of the settings is no shape and no group.
    """

    def __init__(self, shaping: Shaping) -> None:
        self._filtered, self._filter = _filter(shaping.filters or {})
        self._unfelt = UnfeltShapes(shaping.unfelt, shaping.seed)
        self._dead_zone = spread(shaping.dead_zone or {}, 0.0)
        self._gain = spread(shaping.gain or {}, 1.0) / (1.0 - self._dead_zone)
        limits = shaping.clamp or {}
        self._least = spread({key: low for key, (low, _) in limits.items()}, 0.0)
        self._most = spread({key: high for key, (_, high) in limits.items()}, 1.0)
        self._mirror = shaping.mirror
        self._is_dead = bool(self._dead_zone.any())

    def shape(self, frame: BlendshapeFrame, seen: Seen | None = None) -> Shaped:
        """The face to show. seen: what something else saw of late."""
        weights = frame.weights.astype(np.float32)  # a copy
        if self._filter is not None:
            weights[self._filtered] = self._filter.filter(frame.time_ns, weights[self._filtered])
        made_up = np.zeros(COUNT, np.bool_)
        weights[UNFELT], made_up[UNFELT] = self._unfelt.at(frame.time_ns, seen)
        if self._is_dead:
            weights = np.copysign(np.maximum(np.abs(weights) - self._dead_zone, 0.0), weights)
        weights = np.clip(weights * self._gain, self._least, self._most)
        shown = replace(frame, weights=weights)
        return mirrored(Shaped(shown, made_up)) if self._mirror else Shaped(shown, made_up)


def mirrored(shaped: Shaped) -> Shaped:
    """The face in a mirror: left and right exchanged, head turns included."""
    frame = shaped.frame
    quat, trusted = frame.quat_world_from_head, frame.shape_confidence
    return Shaped(
        replace(
            frame,
            weights=frame.weights[MIRROR],
            quat_world_from_head=None if quat is None else quat * _MIRRORED_QUAT,
            shape_confidence=None if trusted is None else trusted[MIRROR],
        ),
        shaped.made_up[MIRROR],
    )


# A mirror at x = 0 turns the other way about y and z, and the same way about x.
_MIRRORED_QUAT = np.array([1.0, 1.0, -1.0, -1.0], np.float32)


def members(key: str) -> tuple[int, ...]:
    """The shapes that a key of a setting stands for. Raises ValueError where it is none."""
    if key in GROUPS:
        return GROUPS[key]
    name = canonical_name(key)
    if name is None:
        raise ValueError(f"{key!r} is no shape and none of {', '.join(GROUPS)}")
    return (INDEX[name],)


def spread(setting: Mapping[str, float], otherwise: float) -> Floats:
    """(52,) of a setting: groups first, from the largest, then single shapes."""
    values = np.full(COUNT, otherwise, np.float32)
    for key in sorted(setting, key=lambda key: -len(members(key))):
        values[list(members(key))] = setting[key]
    return values


def _filter(settings: Mapping[str, FilterSetting]) -> tuple[NDArray[np.intp], OneEuro | None]:
    """Which shapes are filtered, and by what."""
    cutoff_hz = spread({key: s.min_cutoff_hz for key, s in settings.items()}, 0.0)
    beta = spread({key: s.beta for key, s in settings.items()}, 0.0)
    chosen = np.flatnonzero(cutoff_hz)
    return chosen, OneEuro(cutoff_hz[chosen], beta[chosen]) if len(chosen) else None
