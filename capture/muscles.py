"""Muscles of the face: what pulls when a shape or a FACS unit is seen. No I/O.

Action units and the muscles under them follow the Facial Action Coding System as tabulated by
py-feat (MIT; its action-unit reference) and, for gaze, Unity's documentation of ARKit's shapes
("left eyelids consistent with a rightward gaze" is eyeLookInLeft). Apple publishes no such table:
all of these are correspondences, not measurements. py-feat gives 61 and 62 the other way round in
one column than in its own muscles; ours follow the muscles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from capture.blendshapes import ARKIT_NAMES


class Sensed(Enum):
    """How well a sensor on the skin over a muscle can feel it: our judgement, not a measurement."""

    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Muscle:
    """A muscle, or a group that acts as one.

    name: anatomical. units: FACS action units that it produces, alone or with others. site: the
    skin over it, where a sensor would sit; empty where there is none.
    """

    name: str
    units: tuple[int, ...]
    site: str
    sensed: Sensed


_GOOD, _FAIR, _POOR, _NONE = Sensed
MUSCLES: tuple[Muscle, ...] = (
    Muscle("frontalis, medial part", (1,), "inner forehead", _GOOD),
    Muscle("frontalis, lateral part", (2,), "outer forehead above the brow", _GOOD),
    Muscle("corrugator supercilii", (4,), "medial brow", _FAIR),
    Muscle("procerus", (4,), "glabella", _FAIR),
    Muscle("depressor supercilii", (4,), "medial brow", _FAIR),
    Muscle("levator palpebrae superioris", (5, 43, 45, 46), "upper lid", _POOR),
    Muscle("orbicularis oculi, orbital part", (6,), "upper cheek below the eye", _GOOD),
    Muscle("orbicularis oculi, palpebral part", (7, 43, 45, 46), "edge of the lower lid", _POOR),
    Muscle("levator labii superioris alaeque nasi", (9,), "side of the nose", _FAIR),
    Muscle("levator labii superioris", (10,), "beside the nose wing", _FAIR),
    Muscle("zygomaticus minor", (11,), "mid cheek", _POOR),
    Muscle("zygomaticus major", (12,), "cheek towards the mouth corner", _GOOD),
    Muscle("levator anguli oris", (13,), "canine fossa", _POOR),
    Muscle("buccinator", (14, 34), "cheek beside the mouth corner", _GOOD),
    Muscle("depressor anguli oris", (15,), "below the mouth corner", _FAIR),
    Muscle("depressor labii inferioris", (16, 25), "below the lower lip", _POOR),
    Muscle("mentalis", (17,), "chin pad", _GOOD),
    Muscle("incisivii labii", (18,), "", _POOR),
    Muscle("orbicularis oris", (8, 18, 22, 23, 24, 28, 34), "lips", _POOR),
    Muscle("genioglossus", (19,), "", _NONE),
    Muscle("risorius", (20,), "cheek towards the jaw", _FAIR),
    Muscle("platysma", (20, 21), "neck", _FAIR),
    Muscle("masseter", (25, 26, 30), "jaw angle", _GOOD),
    Muscle("temporalis", (26, 30), "temple", _GOOD),
    Muscle("lateral pterygoid", (26, 27, 29, 30), "chin, which turns with the jaw", _GOOD),
    Muscle("digastric", (26, 27), "chin, which turns with the jaw", _GOOD),
    Muscle("medial rectus", (61, 62), "", _NONE),
    Muscle("lateral rectus", (61, 62), "", _NONE),
    Muscle("superior rectus", (63,), "", _NONE),
    Muscle("inferior rectus", (64,), "", _NONE),
)


# What lies under, or pulls first at, each kind of site of the built-in layout: our reading of the
# sites above. Nothing sits on the glabella, the lids, the lips or the nose wing's root, so the
# frontalis stands in for what pulls brows down, and the levator for the muscle beside it. The chin
# turns with the jaw: it feels what opens and moves it.
SITE_MUSCLES: Mapping[str, tuple[str, ...]] = {
    "frontalis": (
        "frontalis, medial part", "frontalis, lateral part", "corrugator supercilii", "procerus",
        "depressor supercilii",
    ),
    "orbicularis_oculi": ("orbicularis oculi, orbital part", "orbicularis oculi, palpebral part"),
    "zygomaticus": ("zygomaticus major", "zygomaticus minor"),
    "levator_labii": ("levator labii superioris", "levator labii superioris alaeque nasi"),
    "buccinator": ("buccinator", "risorius", "depressor anguli oris"),
    "mentalis": (
        "mentalis", "depressor labii inferioris", "masseter", "temporalis", "lateral pterygoid",
        "digastric",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ActionUnits:
    """FACS units that a shape shows. also: with these, or at the extreme. sure: sources agree."""

    units: tuple[int, ...]
    also: tuple[int, ...] = ()
    sure: bool = True


def _both(name: str, found: ActionUnits) -> dict[str, ActionUnits]:
    return {name + "Left": found, name + "Right": found}


# Units 61 and 62 are turns of both eyes, to the wearer's left and right.
SHAPE_UNITS: Mapping[str, ActionUnits] = {
    **_both("eyeBlink", ActionUnits((45,), (43, 46))),
    **_both("eyeLookDown", ActionUnits((64,))),
    **_both("eyeLookUp", ActionUnits((63,))),
    "eyeLookInLeft": ActionUnits((62,)),
    "eyeLookOutRight": ActionUnits((62,)),
    "eyeLookOutLeft": ActionUnits((61,)),
    "eyeLookInRight": ActionUnits((61,)),
    **_both("eyeSquint", ActionUnits((7,), (44,))),
    **_both("eyeWide", ActionUnits((5,))),
    "jawForward": ActionUnits((29,)),
    "jawLeft": ActionUnits((30,)),
    "jawRight": ActionUnits((30,)),
    "jawOpen": ActionUnits((26,), (25, 27)),
    "mouthClose": ActionUnits((8,), sure=False),
    "mouthFunnel": ActionUnits((22,), (25,)),
    "mouthPucker": ActionUnits((18,)),
    "mouthLeft": ActionUnits(()),  # FACS has no unit for it; 30 moves the jaw
    "mouthRight": ActionUnits(()),
    **_both("mouthSmile", ActionUnits((12,), (13,))),
    **_both("mouthFrown", ActionUnits((15,))),
    **_both("mouthDimple", ActionUnits((14,))),
    **_both("mouthStretch", ActionUnits((20,))),
    "mouthRollLower": ActionUnits((28,)),
    "mouthRollUpper": ActionUnits((28,)),
    "mouthShrugLower": ActionUnits((17,)),
    "mouthShrugUpper": ActionUnits((17,), sure=False),
    **_both("mouthPress", ActionUnits((24,), (23,), sure=False)),
    **_both("mouthLowerDown", ActionUnits((16,), (25,))),
    **_both("mouthUpperUp", ActionUnits((10,), (25,))),
    **_both("browDown", ActionUnits((4,))),
    "browInnerUp": ActionUnits((1,)),
    **_both("browOuterUp", ActionUnits((2,))),
    "cheekPuff": ActionUnits((34,)),
    **_both("cheekSquint", ActionUnits((6,))),
    **_both("noseSneer", ActionUnits((9,))),
    "tongueOut": ActionUnits((19,)),
}

# Which rectus of which eye turns it in a sideways gaze: both units use both muscles.
_GAZE = {
    "eyeLookIn": ("medial rectus",),
    "eyeLookOut": ("lateral rectus",),
    "eyeLookUp": ("superior rectus",),
    "eyeLookDown": ("inferior rectus",),
}


def muscles_of(shape: str) -> tuple[Muscle, ...]:
    """The muscles that a shape shows, none for those without a FACS unit.

    Raises:
        ValueError: `shape` is not one of the 52.
    """
    if shape not in SHAPE_UNITS:
        raise ValueError(f"{shape!r} is not one of the {len(ARKIT_NAMES)} shapes")
    for start, names in _GAZE.items():
        if shape.startswith(start):
            return tuple(muscle for muscle in MUSCLES if muscle.name in names)
    units = set(SHAPE_UNITS[shape].units)
    return tuple(muscle for muscle in MUSCLES if units & set(muscle.units))


def shapes_of(unit: int) -> tuple[str, ...]:
    """The shapes that mainly show a FACS unit, in canonical order; none for those ARKit lacks."""
    return tuple(name for name in ARKIT_NAMES if unit in SHAPE_UNITS[name].units)


def slots_of(shape: str, slots: Sequence[str]) -> tuple[str, ...]:
    """Which of these slots sit over a muscle of a shape, on its side; none where none does.

    Lids close by a muscle under no site, so a blink has none; a squint has the under-eye's.

    Raises:
        ValueError: `shape` is not one of the 52.
    """
    names = {muscle.name for muscle in muscles_of(shape)}
    if 45 in SHAPE_UNITS[shape].units:
        return ()
    return tuple(
        slot
        for slot in slots
        if names & set(SITE_MUSCLES.get(slot.removesuffix("_left").removesuffix("_right"), ()))
        and not _on_other_side(shape, slot)
    )


def _on_other_side(shape: str, slot: str) -> bool:
    return any(
        shape.endswith(here) and slot.endswith(there)
        for here, there in (("Left", "_right"), ("Right", "_left"))
    )
