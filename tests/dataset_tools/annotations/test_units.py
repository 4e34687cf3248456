"""ARKit's weights as action units: what the sources list, side by side, and nothing else."""

import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES, INDEX
from dataset_tools.annotations.units import UNITS, intensities, letter, unit_marks

# The correspondence as the sources list it: py-feat's au_reference.md and region_maps.py (MIT), and
# Unity's documentation for gaze. The unit, and its side where it has one.
LISTED = {
    "eyeBlink": "45", "eyeLookDown": "64", "eyeLookUp": "63", "eyeSquint": "7", "eyeWide": "5",
    "jawForward": "29", "jawLeft": "30", "jawRight": "30", "jawOpen": "26 27", "mouthClose": "8",
    "mouthFunnel": "22", "mouthPucker": "18", "mouthSmile": "12", "mouthFrown": "15",
    "mouthDimple": "14", "mouthStretch": "20", "mouthRollLower": "28", "mouthRollUpper": "28",
    "mouthShrugLower": "17", "mouthPress": "24", "mouthLowerDown": "16 25",
    "mouthUpperUp": "10 25", "browDown": "4", "browInnerUp": "1", "browOuterUp": "2",
    "cheekPuff": "34", "cheekSquint": "6", "noseSneer": "9", "tongueOut": "19",
    "eyeLookOutLeft": "61", "eyeLookInRight": "61", "eyeLookInLeft": "62", "eyeLookOutRight": "62",
}  # fmt: skip
# No unit of FACS, or only a part of one, which the sources call uncertain.
UNLISTED = {"mouthLeft", "mouthRight", "mouthShrugUpper"}


def shown(shape: str, value: float = 0.5) -> dict[str, np.ndarray]:
    weights = np.zeros((1, 52))
    weights[0, INDEX[shape]] = value
    return {n: v[0] for n, v in intensities(weights).items() if v[0].any()}


@pytest.mark.parametrize("shape", ARKIT_NAMES)
def test_a_shape_shows_the_units_that_the_sources_list(shape):
    bare = shape.removesuffix("Left").removesuffix("Right")
    listed = LISTED.get(shape) or LISTED.get(bare)
    if shape in UNLISTED:
        assert shown(shape) == {}
        return
    seen = {**shown(shape, 0.5), **shown(shape, 1.0)}
    expected = set(listed.split()) | ({"25"} if shape == "jawOpen" else set())
    assert seen.keys() == expected
    for number, (left, right) in seen.items():
        if UNITS[number].has_sides:
            assert (left > 0, right > 0) == (shape.endswith("Left"), shape.endswith("Right"))
        else:
            assert left == right


def test_the_jaw_stretches_when_it_drops_far_and_lips_can_stay_closed():
    assert "27" not in shown("jawOpen", 0.5)
    assert "26" not in shown("jawOpen", 0.95)
    weights = np.zeros((1, 52))
    weights[0, [INDEX["jawOpen"], INDEX["mouthClose"]]] = 0.4
    assert intensities(weights)["25"][0, 0] == 0


def test_gaze_to_the_left_is_unit_61():
    weights = np.zeros((1, 52))
    weights[0, [INDEX["eyeLookOutLeft"], INDEX["eyeLookInRight"]]] = 0.8
    found = intensities(weights)
    assert found["61"][0, 0] == pytest.approx(0.8)
    assert found["62"][0, 0] == 0


def test_letters_go_from_a_to_e():
    values = [0.0, 0.04, 0.05, 0.3, 0.5, 0.7, 0.9, 1.2]
    assert [letter(v) for v in values] == ["", "", "A", "B", "C", "D", "E", "E"]


def test_marks_lie_where_a_unit_shows():
    weights = np.zeros((120, 52))
    weights[30:60, INDEX["mouthSmileLeft"]] = 0.65
    weights[90:, INDEX["browInnerUp"]] = 0.3
    weights[100:110] = np.nan
    found = unit_marks(weights, 60)
    assert [(m.track, m.start_s, m.end_s, m.label) for m in found] == [
        ("AU1", 2.5, 160 / 60, "B"),
        ("AU1", 170 / 60, 3.0, "B"),
        ("AU12L", 1.5, 2.0, "D"),
    ]
    assert found[2].value == 0.65
