import numpy as np

from capture.blendshapes import INDEX, OBSERVABLE
from capture.observability import observability
from firmware_host.layout import FACE_12, select


def test_smiles_are_known_and_gaze_and_tongue_are_not():
    known = observability(FACE_12)
    assert known[INDEX["mouthSmileLeft"]] > 0.9
    assert known[INDEX["jawOpen"]] > 0.7
    assert known[~OBSERVABLE].max() == 0
    assert known.min() >= 0
    assert known.max() <= 1


def test_fewer_sensors_know_the_brows_less():
    few = select(FACE_12, ("mentalis", "zygomaticus_left", "zygomaticus_right", "head_reference"))
    brow = INDEX["browInnerUp"]
    assert observability(few)[brow] < observability(FACE_12)[brow] - 0.2


def test_a_layout_nobody_measured_knows_nothing():
    alone = select(FACE_12, ("frontalis_left", "head_reference"))
    np.testing.assert_array_equal(observability(alone), np.zeros(52))
