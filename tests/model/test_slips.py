"""A sensor that slipped is told once, and a face that only talks is not."""

import numpy as np
import pytest

from capture import rotations
from capture.head import standard_head
from dataset_tools.performance import generate_performance, with_routine
from dataset_tools.virtual_imu import VirtualSamples, feel
from dataset_tools.wearers import draw_wearer
from firmware_host.layout import FACE_12
from model.data import OPENING_ROWS, noticed
from model.slips import SlipWatch

SLOT = "buccinator_left"


@pytest.fixture(scope="module")
def felt():
    wearer = draw_wearer(standard_head(), FACE_12, np.random.default_rng(5))
    talk = with_routine(generate_performance(8, 60.0), 8)
    return feel(talk, wearer, 100.0, np.random.default_rng(1))


def slipped(felt, slots, degrees=10.0):
    """The same, but these sensors were turned twenty seconds into the take."""
    turn = rotations.from_vector(np.radians(degrees) * np.array([0.6, 0.0, 0.8]))
    accel, gyro = felt.accel_m_s2.copy(), felt.gyro_rad_s.copy()
    late = felt.time_s > 20.0
    for slot in slots:
        at = FACE_12.names.index(slot)
        accel[late, at] = rotations.rotate(turn, accel[late, at].astype(float))
        gyro[late, at] = rotations.rotate(turn, gyro[late, at].astype(float))
    return VirtualSamples(felt.time_s, accel, gyro)


def told(samples):
    watch = SlipWatch(FACE_12)
    rows = noticed(samples, FACE_12)[OPENING_ROWS:]
    news = []
    for at in range(0, len(rows), 7):
        news += watch.advance(rows[at : at + 7])
    return news, watch


def test_a_face_that_talks_has_not_slipped(felt):
    news, watch = told(felt)
    assert news == []
    assert watch.slipped == {}


def test_a_slip_is_told_once_with_its_slot_and_how_far(felt):
    (slip,), watch = told(slipped(felt, [SLOT]))
    assert slip.slot == SLOT
    assert slip.degrees == pytest.approx(8.0, abs=4.0)
    assert set(watch.slipped) == {SLOT}


def test_where_everything_tilts_it_is_the_reference(felt):
    news, watch = told(slipped(felt, [FACE_12.reference], 15.0))
    assert FACE_12.reference in {slip.slot for slip in news}
    assert set(watch.slipped) == {FACE_12.reference}
