"""Shapes, FACS units and muscles: complete, and consistent with each other."""

import pytest

from capture.blendshapes import ARKIT_NAMES, OBSERVABLE, mirrored_name
from capture.muscles import MUSCLES, SHAPE_UNITS, Sensed, muscles_of, shapes_of

WITHOUT_A_UNIT = {"mouthLeft", "mouthRight"}


def test_every_shape_has_its_units_or_none_on_purpose() -> None:
    assert set(SHAPE_UNITS) == set(ARKIT_NAMES)
    assert {name for name, found in SHAPE_UNITS.items() if not found.units} == WITHOUT_A_UNIT


@pytest.mark.parametrize("shape", [name for name in ARKIT_NAMES if name not in WITHOUT_A_UNIT])
def test_every_unit_has_a_muscle(shape: str) -> None:
    assert muscles_of(shape)
    for unit in SHAPE_UNITS[shape].units:
        assert any(unit in muscle.units for muscle in MUSCLES), unit


def test_a_shape_without_a_unit_has_no_muscle() -> None:
    assert all(muscles_of(name) == () for name in WITHOUT_A_UNIT)


def test_both_sides_show_the_same_unit_except_in_sideways_gaze() -> None:
    for name in ARKIT_NAMES:
        same = SHAPE_UNITS[name] == SHAPE_UNITS[mirrored_name(name)]
        assert same != name.startswith(("eyeLookIn", "eyeLookOut"))
        assert muscles_of(name) == muscles_of(mirrored_name(name))


def test_a_turn_of_both_eyes_is_one_unit() -> None:
    # To the wearer's left, 61, the left eye looks out and the right eye in.
    assert shapes_of(61) == ("eyeLookOutLeft", "eyeLookInRight")
    assert shapes_of(62) == ("eyeLookInLeft", "eyeLookOutRight")
    assert [muscle.name for muscle in muscles_of("eyeLookOutLeft")] == ["lateral rectus"]
    assert [muscle.name for muscle in muscles_of("eyeLookInRight")] == ["medial rectus"]


@pytest.mark.parametrize(
    ("unit", "shapes"),
    [
        (1, ("browInnerUp",)),
        (12, ("mouthSmileLeft", "mouthSmileRight")),
        (17, ("mouthShrugLower", "mouthShrugUpper")),
        (28, ("mouthRollLower", "mouthRollUpper")),
        (11, ()),
    ],
)
def test_units_find_their_shapes(unit: int, shapes: tuple[str, ...]) -> None:
    assert shapes_of(unit) == shapes


def test_muscles_are_named_once_and_what_lies_deep_is_not_felt() -> None:
    names = [muscle.name for muscle in MUSCLES]
    assert len(set(names)) == len(names)
    assert all(muscle.site for muscle in MUSCLES if muscle.sensed is Sensed.GOOD)
    for name, observable in zip(ARKIT_NAMES, OBSERVABLE, strict=True):
        felt = {muscle.sensed for muscle in muscles_of(name)} - {Sensed.NONE}
        assert bool(felt) == (bool(observable) and name not in WITHOUT_A_UNIT), name


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="'jawopen' is not one of the 52"):
        muscles_of("jawopen")
