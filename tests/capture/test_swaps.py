"""Left or right: places felt by simulated sensors on virtual wearers who move their heads."""

import numpy as np
import pytest

from capture.calibration import calibrate
from capture.head import standard_head
from capture.resample import rows_of
from capture.swaps import Places, find_places, find_swaps, pairs
from dataset_tools.performance import REST_S, ROUTINE_S, generate_performance, with_routine
from dataset_tools.virtual_imu import feel
from dataset_tools.wearers import draw_wearer
from firmware_host.layout import FACE_12, select

NAMES = FACE_12.names


def worn(seed: int) -> np.ndarray:
    """(N, 12, 6) rows at 60 Hz of rest and routine."""
    rng = np.random.default_rng(seed)
    performance = with_routine(generate_performance(seed, 2.0), seed)
    felt = feel(performance, draw_wearer(standard_head(), FACE_12, rng), 200.0, rng)
    time_ns = np.rint(felt.time_s * 1e9).astype(np.int64)
    count = round((REST_S + ROUTINE_S) * 60)
    return rows_of(time_ns, felt.accel_m_s2, felt.gyro_rad_s, 1, count)


def felt_places(rows: np.ndarray) -> Places:
    rest, routine = rows[: round(REST_S * 60)], rows[round(REST_S * 60) :]
    calibration = calibrate(FACE_12, rest[..., :3], rest[..., 3:], routine[..., 3:])
    return find_places(routine, FACE_12, calibration)


def crossed(rows: np.ndarray, one: str, other: str) -> np.ndarray:
    source = np.arange(12)
    i, j = NAMES.index(one), NAMES.index(other)
    source[[i, j]] = j, i
    return rows[:, source]


@pytest.mark.parametrize("seed", range(4))
def test_sensors_are_felt_within_a_few_centimetres_of_where_they_sit(seed):
    found = felt_places(worn(seed)).position_m
    place = np.array([slot.position_m for slot in FACE_12.slots])
    away = np.linalg.norm(found - (place - place[FACE_12.reference_index]), axis=1)
    print(f"seed {seed}: {np.round(100 * away, 1)} cm")
    face = list(FACE_12.face_indices)
    assert np.median(away[face]) < 0.04
    assert np.isnan(found[FACE_12.reference_index]).all()


@pytest.mark.parametrize("seed", range(4))
def test_sensors_in_their_places_are_not_called_swapped(seed):
    found = find_swaps(felt_places(worn(seed)), FACE_12)
    assert found.swapped == ()
    assert found.unknown == ()


@pytest.mark.parametrize("pair", pairs(FACE_12))
def test_a_swapped_pair_is_named_and_no_other(pair):
    left, right = (NAMES[slot] for slot in pair)
    found = find_swaps(felt_places(crossed(worn(1), left, right)), FACE_12)
    assert found.swapped == ((left, right),)


def test_a_head_that_only_rests_tells_nothing():
    rows = worn(2)
    still = rows[: round(REST_S * 60)]
    calibration = calibrate(FACE_12, still[..., :3], still[..., 3:])
    found = find_swaps(find_places(still, FACE_12, calibration), FACE_12)
    assert found.swapped == ()
    assert len(found.unknown) == 5


def test_a_slot_that_is_silent_leaves_its_pair_unknown():
    rows = worn(3)
    rows[:, NAMES.index("zygomaticus_right")] = np.nan
    found = find_swaps(felt_places(rows), FACE_12)
    assert found.swapped == ()
    assert found.unknown == (("zygomaticus_left", "zygomaticus_right"),)


def test_only_slots_that_differ_in_their_side_are_pairs():
    some = select(FACE_12, ("mentalis", "frontalis_left", "zygomaticus_right", "zygomaticus_left",
                            "head_reference"))  # fmt: skip
    assert pairs(some) == [(3, 2)]
