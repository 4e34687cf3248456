from dataclasses import replace

import numpy as np
import pytest

from capture.head import standard_head
from dataset_tools.disturbances import draw_disturbances
from dataset_tools.families import HeadFamilies, single_family
from dataset_tools.performance import generate_performance, with_routine
from dataset_tools.virtual_imu import feel
from dataset_tools.wearers import draw_wearer
from dataset_tools.wiring import STRAIGHT, Wiring, draw_wiring, wired
from firmware_host.layout import FACE_12, select
from model.data import perceive
from model.features import PER_SLOT

SLOTS, REFERENCE = len(FACE_12.slots), FACE_12.reference_index
AT = FACE_12.names.index
ONE = single_family("one", standard_head())


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def wearer(wiring=STRAIGHT, disturbed=False):
    worn = draw_wearer(standard_head(), FACE_12, rng(3))
    busy = draw_disturbances(SLOTS, REFERENCE, rng(4)) if disturbed else worn.disturbances
    return replace(worn, wiring=wiring, disturbances=busy)


@pytest.mark.parametrize("disturbed", [False, True])
def test_a_missing_slot_is_never_heard_and_the_others_feel_the_same(disturbed):
    done = generate_performance(1, 4.0)
    lost = AT("levator_labii_left")
    whole = feel(done, wearer(disturbed=disturbed), 200.0, rng(5))
    felt = feel(done, wearer(Wiring(missing=(lost,)), disturbed), 200.0, rng(5))
    for a, b in ((whole.accel_m_s2, felt.accel_m_s2), (whole.gyro_rad_s, felt.gyro_rad_s)):
        assert b.dtype == np.float32
        assert np.isnan(b[:, lost]).all()
        np.testing.assert_array_equal(np.delete(b, lost, axis=1), np.delete(a, lost, axis=1))


@pytest.mark.parametrize("disturbed", [False, True])
def test_swapped_slots_deliver_each_others_signal(disturbed):
    done = generate_performance(1, 4.0)
    one, other = AT("orbicularis_oculi_right"), AT("zygomaticus_right")
    whole = feel(done, wearer(disturbed=disturbed), 200.0, rng(5))
    felt = feel(done, wearer(Wiring(swapped=((one, other),)), disturbed), 200.0, rng(5))
    for a, b in ((whole.accel_m_s2, felt.accel_m_s2), (whole.gyro_rad_s, felt.gyro_rad_s)):
        np.testing.assert_array_equal(b[:, one], a[:, other])
        np.testing.assert_array_equal(b[:, other], a[:, one])
        assert np.abs(a[:, one] - a[:, other]).max() > 0.01
        rest = [i for i in range(SLOTS) if i not in (one, other)]
        np.testing.assert_array_equal(b[:, rest], a[:, rest])


def test_a_missing_slot_is_the_one_that_is_wired_there():
    readings = np.arange(2 * SLOTS * 3, dtype=np.float32).reshape(2, SLOTS, 3)
    heard = wired(readings, Wiring((4,), ((4, 5),)))
    assert np.isnan(heard[:, 4]).all()
    np.testing.assert_array_equal(heard[:, 5], readings[:, 4])
    assert np.isfinite(readings).all()
    assert wired(readings, Wiring()) is readings


def test_mistakes_come_as_often_as_asked_for_and_spare_the_reference():
    generator = rng(1)
    drawn = [draw_wiring(FACE_12, generator, 0.3, 0.1) for _ in range(4000)]
    lost = [w.missing[0] for w in drawn if w.missing]
    crossed = [w.swapped[0] for w in drawn if w.swapped]
    assert len(lost) == pytest.approx(1200, abs=90)
    assert len(crossed) == pytest.approx(400, abs=60)
    assert sum(bool(w.missing and w.swapped) for w in drawn) == pytest.approx(120, abs=35)
    assert set(lost) == set(FACE_12.face_indices)
    assert REFERENCE not in {slot for pair in crossed for slot in pair}
    assert {draw_wiring(FACE_12, rng(k), 0.0, 0.0) for k in range(50)} == {STRAIGHT}


def test_only_neighbours_on_the_face_are_swapped():
    names = {draw_wiring(FACE_12, rng(k), 0.0, 1.0).swapped[0] for k in range(200)}
    pairs = {tuple(FACE_12.names[slot] for slot in pair) for pair in names}
    assert ("orbicularis_oculi_left", "zygomaticus_left") in pairs
    place = np.array([slot.position_m for slot in FACE_12.slots])
    for pair in pairs:
        one, other = (AT(name) for name in pair)
        assert one < other
        away = (
            np.linalg.norm(place - place[one], axis=1),
            np.linalg.norm(place - place[other], axis=1),
        )
        gap = away[0][other]
        face = set(FACE_12.face_indices)
        nearest = [min(a[i] for i in face - {at}) for a, at in zip(away, (one, other), strict=True)]
        assert gap in nearest


def test_layouts_with_nobody_to_swap_with_or_to_miss_are_left_alone():
    for names in (("head_reference",), ("mentalis", "head_reference")):
        drawn = draw_wiring(select(FACE_12, names), rng(), 1.0, 1.0)
        assert drawn.swapped == ()
        assert drawn.missing == tuple(range(len(names) - 1))


def test_wearers_without_a_mistake_are_the_same_at_any_rate():
    clean = HeadFamilies(FACE_12, [ONE], 2, missing=0.0, swapped=0.0)
    clumsy = HeadFamilies(FACE_12, [ONE], 2, missing=1.0, swapped=1.0)
    for seed in range(4):
        one, two = clean.wearer(rng(seed)), clumsy.wearer(rng(seed))
        assert one.wiring == STRAIGHT
        assert len(two.wiring.missing) == len(two.wiring.swapped) == 1
        np.testing.assert_array_equal(one.quat_head_from_sensor, two.quat_head_from_sensor)
        np.testing.assert_array_equal(one.sites.rotation, two.sites.rotation)
        assert one.chip == two.chip


def test_a_few_wearers_of_a_family_make_mistakes():
    families = HeadFamilies(FACE_12, [ONE], 1)
    drawn = [families.wearer(rng(seed)).wiring for seed in range(1500)]
    assert sum(bool(w.missing) for w in drawn) == pytest.approx(30, abs=15)
    assert sum(bool(w.swapped) for w in drawn) == pytest.approx(15, abs=11)


def test_the_network_sees_a_missing_slot_as_unheard_and_the_rest_unchanged():
    done = with_routine(generate_performance(2, 3.0), 2)
    lost = AT("mentalis")
    whole, seen = (
        perceive(done, wearer(wiring), rng(6), 200.0).features
        for wiring in (STRAIGHT, Wiring(missing=(lost,)))
    )
    face = list(FACE_12.face_indices)
    assert np.isfinite(seen).all()
    number = face.index(lost)
    own = np.arange(number * PER_SLOT, (number + 1) * PER_SLOT)
    flag = len(face) * PER_SLOT + number
    assert not seen[:, own].any()
    assert not seen[:, flag].any()
    assert whole[:, flag].all()
    np.testing.assert_array_equal(
        np.delete(seen, [*own, flag], axis=1), np.delete(whole, [*own, flag], axis=1)
    )


def test_the_network_sees_swapped_slots_in_each_others_place():
    done = with_routine(generate_performance(2, 3.0), 2)
    one, other = AT("buccinator_left"), AT("levator_labii_left")
    whole, seen = (
        perceive(done, wearer(wiring), rng(6), 200.0).features
        for wiring in (STRAIGHT, Wiring(swapped=((one, other),)))
    )
    assert np.isfinite(seen).all()
    face = list(FACE_12.face_indices)
    at = [slice(face.index(s) * PER_SLOT, face.index(s) * PER_SLOT + 3) for s in (one, other)]
    # Relative rates know no place, so they go along with the sensor but for how it was calibrated.
    np.testing.assert_allclose(seen[:, at[0]], whole[:, at[1]], atol=0.02)
    assert np.abs(seen[:, at[0]] - whole[:, at[0]]).max() > 0.1
