import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from capture.blendshapes import (
    ARKIT_NAMES,
    INDEX,
    MIRROR,
    OBSERVABLE,
    REGIONS,
    canonical_name,
    mirrored_name,
    to_canonical,
)
from firmware_host.errors import DataError

orders = st.permutations(ARKIT_NAMES)
unit = st.floats(0, 1, width=32)


def spellings(name: str) -> list[str]:
    """One shape as the tools around us write it."""
    short = name.removesuffix("Left").removesuffix("Right")
    sided = short if short == name else f"{short}_{name[len(short)]}"
    return [
        name,
        name[0].upper() + name[1:],  # Live Link CSV
        name.lower(),
        sided,  # iFacialMocap, Maya
        f"blendShape1.{sided}",
        f"face.{name}",
    ]


def test_there_are_52_different_names():
    assert len(ARKIT_NAMES) == len(set(ARKIT_NAMES)) == 52


def test_names_are_apples_camel_case_with_sides_spelled_out():
    for name in ARKIT_NAMES:
        assert name[0].islower()
        assert name.isalpha()
        assert not name.endswith(("_L", "_R"))


def test_the_order_is_that_of_the_live_link_enum():
    # The places a wrong order would show first: CSV order begins EyeBlinkLeft too, but ends
    # TongueOut after the head; Apple's alphabetical order begins with brows.
    places = {"eyeBlinkLeft": 0, "eyeBlinkRight": 7, "jawForward": 14, "jawLeft": 15}
    places |= {"jawRight": 16, "jawOpen": 17, "mouthClose": 18, "browDownLeft": 41, "tongueOut": 51}
    assert {name: INDEX[name] for name in places} == places


@pytest.mark.parametrize("name", ARKIT_NAMES)
def test_every_spelling_finds_its_shape(name):
    assert {canonical_name(spelling) for spelling in spellings(name)} == {name}


def test_converting_by_name_is_one_to_one():
    for column in zip(*(spellings(name) for name in ARKIT_NAMES), strict=True):
        found = [canonical_name(spelling) for spelling in column]
        assert sorted(map(str, found)) == sorted(ARKIT_NAMES)


@pytest.mark.parametrize("name", ["", "jaw", "Timecode", "HeadYaw", "jawOpen2", "eyeBlink", "L"])
def test_other_names_are_no_shape(name):
    assert canonical_name(name) is None


@given(st.text())
def test_any_text_is_a_shape_of_ours_or_none(text):
    assert canonical_name(text) in {None, *ARKIT_NAMES}


@pytest.mark.parametrize("name", ARKIT_NAMES)
def test_the_mirror_of_the_mirror_is_the_shape_itself(name):
    assert mirrored_name(name) in INDEX
    assert mirrored_name(mirrored_name(name)) == name


def test_mirroring_swaps_sides_and_leaves_the_middle_alone():
    assert mirrored_name("mouthSmileLeft") == "mouthSmileRight"
    assert mirrored_name("jawRight") == "jawLeft"
    assert mirrored_name("jawOpen") == "jawOpen"
    weights = np.arange(52)
    assert np.array_equal(weights[MIRROR][MIRROR], weights)
    assert weights[MIRROR][INDEX["eyeWideLeft"]] == INDEX["eyeWideRight"]
    moved = {name for name in ARKIT_NAMES if MIRROR[INDEX[name]] != INDEX[name]}
    assert moved == {name for name in ARKIT_NAMES if "Left" in name or "Right" in name}


def test_gaze_and_tongue_are_not_observable():
    hidden = {name for name in ARKIT_NAMES if not OBSERVABLE[INDEX[name]]}
    assert len(hidden) == 9
    assert {"eyeLookInLeft", "eyeLookUpRight", "tongueOut"} <= hidden


def test_regions_hold_every_observable_shape_once():
    held = [index for indices in REGIONS.values() for index in indices]
    assert sorted(held) == np.flatnonzero(OBSERVABLE).tolist()


@given(orders, hnp.arrays(np.float32, (3, 52), elements=unit))
def test_any_order_converts_to_ours(order, weights):
    shuffled = weights[:, [INDEX[name] for name in order]]
    assert np.array_equal(to_canonical(order, shuffled), weights)


def test_shapes_that_are_not_given_are_zero():
    found = to_canonical(["JawOpen", "MouthSmile_L"], np.array([0.5, 0.25], np.float32))
    assert found.dtype == np.float32
    assert found[INDEX["jawOpen"]] == 0.5
    assert found[INDEX["mouthSmileLeft"]] == 0.25
    assert np.count_nonzero(found) == 2


@pytest.mark.parametrize(
    ("names", "count", "said"),
    [
        (["jawOpen", "HeadYaw"], 2, "'HeadYaw' is not one of the 52"),
        (["jawOpen", "JawOpen"], 2, "'jawOpen' is given twice"),
        (["jawOpen", "jawLeft"], 3, r"expected 2 weights \(one per name\), got 3"),
    ],
)
def test_names_that_do_not_fit_are_refused_by_name(names, count, said):
    with pytest.raises(DataError, match=said):
        to_canonical(names, np.zeros(count, np.float32))
