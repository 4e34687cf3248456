"""Which rests count, what is asked for next, and what comes out."""

import numpy as np
import pytest

from firmware_host.rest import Rest
from firmware_host.sensor_profile import Corrector
from firmware_host.six_positions import FACES, Refused, SixPositions, Taken

G = 9.80665
UP = {f"{s}{a}": sign * axis for a, axis in zip("xyz", np.eye(3), strict=True)
      for s, sign in (("+", 1.0), ("-", -1.0))}  # fmt: skip
OFFSET, SCALE = np.array([0.3, -0.2, 0.1]), np.array([1.02, 0.98, 1.01])


def rest(up: np.ndarray, true: bool = False) -> Rest:
    force = G * up / np.linalg.norm(up)
    reading = force if true else force / SCALE + OFFSET
    return Rest(0, reading, np.array([0.01, 0.0, -0.02]), 0.03, 0.002)


def test_in_any_order_every_face_counts_once():
    positions = SixPositions(("chin", "brow"))
    assert positions.next == ("+z", ("chin", "brow"))
    for face in ("-x", "+z", "+y"):
        assert positions.take("chin", rest(UP[face])) == Taken("chin", face)
    assert positions.next == ("+z", ("brow",))
    assert positions.missing("chin") == ("-z", "+x", "-y")
    again = positions.take("chin", rest(UP["+z"]))
    assert isinstance(again, Refused)
    assert "+z was up before: turn it to -z or +x or -y" in again.reason
    assert not positions.is_done


def test_what_leans_is_refused_and_told_how_much():
    positions = SixPositions(("chin",))
    refused = positions.take("chin", rest(np.array([0.0, 0.6, 0.8])))
    assert isinstance(refused, Refused)
    assert "leans by" in refused.reason
    assert "+z up" in refused.reason
    assert positions.done("chin") == ()


def test_gravity_of_another_range_is_refused():
    loud = Rest(0, np.array([0.0, 0.0, 19.6]), np.zeros(3), 0.03, 0.002)
    refused = SixPositions(("chin",)).take("chin", loud)
    assert isinstance(refused, Refused)
    assert "19.6 m/s²" in refused.reason


def test_six_faces_give_a_correction_that_makes_gravity_right():
    positions = SixPositions(("chin",))
    for face in FACES:
        positions.take("chin", rest(UP[face]))
    assert positions.is_done
    found, objections = positions.corrections()
    assert objections == {}
    assert found["chin"].gyro_bias_rad_s == pytest.approx((0.01, 0.0, -0.02))
    assert found["chin"].rests == 6
    readings = np.stack([rest(up).accel_m_s2 for up in UP.values()])[:, None].astype(np.float32)
    accel, gyro = Corrector(("chin",), found).correct(readings, np.zeros_like(readings))
    np.testing.assert_allclose(accel[:, 0], G * np.stack(list(UP.values())), atol=1e-5)
    np.testing.assert_allclose(gyro[:, 0], np.tile([-0.01, 0.0, 0.02], (6, 1)), atol=1e-6)


def test_for_misalignment_six_positions_between_the_faces_are_wanted_and_none_twice():
    positions = SixPositions(("chin",), with_misalignment=True)
    for face in FACES:
        positions.take("chin", rest(UP[face]))
    assert positions.next == ("between", ("chin",))
    edges = [UP[a] + UP[b] for a, b in (("+x", "+y"), ("-x", "+y"), ("+y", "+z"),
                                        ("+x", "+z"), ("-x", "-z"), ("-y", "-z"))]  # fmt: skip
    for number, edge in enumerate(edges):
        assert positions.take("chin", rest(edge)) == Taken("chin", "between")
        if number < 5:
            assert isinstance(positions.take("chin", rest(edge + 0.05)), Refused)
    assert positions.is_done
    found, _ = positions.corrections()
    assert found["chin"].residual_m_s2 < 1e-3


def test_a_sensor_that_cannot_be_is_named_with_the_reason():
    positions = SixPositions(("chin", "brow"))
    for face in FACES:
        far = Rest(0, 1.2 * G * UP[face], np.zeros(3), 0.03, 0.002)
        positions.take("chin", far)
        positions.take("brow", rest(UP[face]))
    found, objections = positions.corrections()
    assert list(found) == ["brow"]
    assert "a scale of 0.83" in objections["chin"]


def test_slots_that_lack_rests_are_in_neither_list():
    positions = SixPositions(("chin",))
    positions.take("chin", rest(UP["+x"]))
    assert positions.corrections() == ({}, {})
