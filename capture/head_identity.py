"""Who wears a head: a vector of how a face differs from our standard one. No I/O.

Every coordinate is in standard deviations, about N(0, 1) over people; zero is the standard head.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from capture.blendshapes import ARKIT_NAMES, mirrored_name
from capture.head_forms import WARP_AXES
from capture.head_measures import Array

# Ours, assumed: no published figures were found for how far people's expressions differ in
# strength, left from right, and in how far skin carries a pull.
STRENGTH_SPREAD = 0.15  # of the logarithm of a shape's strength, both sides alike
SKEW_SPREAD = 0.08  # of the logarithm, left against right
REACH_SPREAD = 0.10  # of the logarithm of how far every pull reaches: stiff skin carries it farther
# Of the logarithm of how far one expression spreads, apart from all others: the same muscle is
# broader or inserts elsewhere in another face. Of all that was tried, this made strangers' heads
# least strange (docs/generalisation.md).
OWN_REACH_SPREAD = 0.40
FARTHEST = 2.5  # standard deviations at which draws are cut: beyond, faces stop being faces

# Lids must meet in a blink, and eyeballs turn as one piece: these do not vary.
_FIXED = ("eyeBlink", "eyeLook")
# Closing cancels opening, so one strength serves both.
_SAME_AS = {"mouthClose": "jawOpen"}
_CALLED = {"jawLeft": "jawSideways", "mouthLeft": "mouthSideways"}


def _strength_axes() -> dict[str, tuple[str, ...]]:
    """Axis name → the shapes it makes stronger."""
    axes: dict[str, tuple[str, ...]] = {}
    for name in ARKIT_NAMES:
        if name.startswith(_FIXED) or name in _SAME_AS or "Right" in name:
            continue
        other = mirrored_name(name)
        same = tuple(shape for shape, model in _SAME_AS.items() if model == name)
        pair = (name,) if other == name else (name, other)
        called = _CALLED.get(name, name.removesuffix("Left"))
        axes[f"strength_{called}"] = (*pair, *same)
    return axes


_STRENGTH = _strength_axes()
_SKEW = {
    name.replace("strength_", "skew_"): shapes
    for name, shapes in _STRENGTH.items()
    if mirrored_name(shapes[0]) != shapes[0]
}
REACH_WITHIN = (0.4, 1.8)  # times the standard head's: beyond, an open mouth is not closed any more

# Lips slide past each other in these: no muscle's breadth may change that.
_LIPS = ("mouthClose", "mouthRoll", "mouthShrug", "tongueOut")


def _reach_axes() -> dict[str, tuple[str, ...]]:
    """Axis name → the shapes whose pulls it carries farther, both sides alike."""
    return {
        f"reach_{name.removesuffix('Left')}": tuple(dict.fromkeys((name, mirrored_name(name))))
        for name in ARKIT_NAMES
        if "Right" not in name and not name.startswith(_LIPS)
    }


_REACH = _reach_axes()
IDENTITY_AXES: tuple[str, ...] = (*WARP_AXES, "stiffness", *_STRENGTH, *_SKEW, *_REACH)


@dataclass(frozen=True, slots=True)
class Identity:
    """One person's face. values: one per name in `IDENTITY_AXES`, in standard deviations."""

    values: tuple[float, ...] = (0.0,) * len(IDENTITY_AXES)

    def __post_init__(self) -> None:
        """Raises ValueError where the number of values is not that of `IDENTITY_AXES`."""
        if len(self.values) != len(IDENTITY_AXES):
            raise ValueError(f"expected {len(IDENTITY_AXES)} values, got {len(self.values)}")

    @property
    def amounts(self) -> dict[str, float]:
        """Axis name → value."""
        return dict(zip(IDENTITY_AXES, self.values, strict=True))

    @property
    def vector(self) -> Array:
        """The values as an array (K,), a copy."""
        return np.array(self.values)

    @property
    def reaches(self) -> Array:
        """(52,) factors on how far the pulls of each shape carry the skin, in canonical order."""
        amounts = self.amounts
        logarithms = dict.fromkeys(ARKIT_NAMES, REACH_SPREAD * amounts["stiffness"])
        for axis, shapes in _REACH.items():
            for shape in shapes:
                logarithms[shape] += OWN_REACH_SPREAD * amounts[axis]
        return np.asarray(np.clip(np.exp(list(logarithms.values())), *REACH_WITHIN))

    @property
    def strengths(self) -> Array:
        """(52,) factors on the shapes, in canonical order."""
        logarithms = dict.fromkeys(ARKIT_NAMES, 0.0)
        amounts = self.amounts
        for axis, shapes in _STRENGTH.items():
            for shape in shapes:
                logarithms[shape] += STRENGTH_SPREAD * amounts[axis]
        for axis, (left, right, *_) in _SKEW.items():
            logarithms[left] += SKEW_SPREAD * amounts[axis]
            logarithms[right] -= SKEW_SPREAD * amounts[axis]
        return np.asarray(np.exp(list(logarithms.values())))


STANDARD = Identity()


def identity_of(amounts: Mapping[str, float]) -> Identity:
    """The identity with the given axes, zero in all others.

    Raises:
        ValueError: a name is not in `IDENTITY_AXES`.
    """
    if unknown := sorted(amounts.keys() - set(IDENTITY_AXES)):
        raise ValueError(f"{unknown[0]!r} is no axis of an identity")
    return Identity(tuple(float(amounts.get(name, 0.0)) for name in IDENTITY_AXES))


def draw_identity(rng: np.random.Generator) -> Identity:
    """Someone: every axis from N(0, 1), cut at `FARTHEST`."""
    drawn = np.clip(rng.normal(size=len(IDENTITY_AXES)), -FARTHEST, FARTHEST)
    return Identity(tuple(float(value) for value in drawn))
