from dataclasses import replace

import numpy as np
import pytest

from capture import rotations
from capture.head import standard_head
from capture.provenance import DataUse
from dataset_tools.casting import GENERATED, cast_of, draw_performance
from dataset_tools.disturbances import CALM
from dataset_tools.families import BETWEEN, HeadFamilies, ict_family, single_family
from dataset_tools.performance import Performance, generate_performance
from dataset_tools.recordings import Recorded
from dataset_tools.wearers import WIDE
from firmware_host.layout import FACE_12

ONE = single_family("one", standard_head())
OTHER = single_family("other", standard_head())


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_same_seed_draws_the_same_wearer_whoever_was_drawn_before():
    early, late = HeadFamilies(FACE_12, [ONE], 6), HeadFamilies(FACE_12, [ONE], 6)
    for seed in range(5):
        late.wearer(rng(seed))
    first, second = early.wearer(rng(9)), late.wearer(rng(9))
    np.testing.assert_array_equal(first.sites.rotation, second.sites.rotation)
    np.testing.assert_array_equal(first.quat_head_from_sensor, second.quat_head_from_sensor)
    assert first.chip == second.chip


def test_several_families_have_people_between_them():
    families = HeadFamilies(FACE_12, [ONE, OTHER], 9)
    assert families.names == ("one", "other", BETWEEN)
    assert HeadFamilies(FACE_12, [ONE]).names == ("one",)
    wearer = families.wearer(rng(), BETWEEN)
    assert wearer.sites.rotation.shape == (12, 3, 52)
    assert np.abs(wearer.sites.rotation[FACE_12.reference_index]).max() == 0


@pytest.mark.parametrize(("share", "calm"), [(0.0, 20), (1.0, 0)])
def test_things_happen_to_the_share_of_wearers_that_was_asked_for(share, calm):
    families = HeadFamilies(FACE_12, [ONE], 2, disturbed=share)
    drawn = [families.wearer(rng(seed)).disturbances for seed in range(20)]
    assert sum(d is CALM for d in drawn) == calm


def test_wearers_come_with_every_chip():
    families = HeadFamilies(FACE_12, [ONE], 2)
    chips = {families.wearer(rng(seed)).chip.name for seed in range(60)}
    assert {"QMI8658", "BMI270", "ICM-42688", "LSM6DSO", "BNO08x"} <= chips


def test_careless_wearers_turn_sensors_on_the_skin():
    families = HeadFamilies(FACE_12, [ONE], 4)
    about, across = [], []
    for seed in range(250):
        wearer = families.wearer(rng(seed))
        turned = rotations.to_vector(wearer.quat_head_from_sensor)  # nominal mountings are upright
        on_skin = np.einsum("sk,sk->s", turned, wearer.sites.normal)
        about.append(on_skin)
        across.append(np.linalg.norm(turned - on_skin[:, None] * wearer.sites.normal, axis=1))
    # Tilts: 2 to 10 degrees per axis and wearer. Turns: evenly within 0 to 25 degrees.
    tilt = np.sqrt((10**3 - 2**3) / 3 / 8)
    assert np.degrees(np.sqrt(np.mean(np.square(across)) / 2)) == pytest.approx(tilt, rel=0.1)
    assert np.degrees(np.std(about)) == pytest.approx(np.hypot(tilt, 25 / 3), rel=0.1)
    still = HeadFamilies(FACE_12, [ONE], 4, replace(WIDE, twist_rad=0.0)).wearer(rng(3))
    assert not np.array_equal(
        still.quat_head_from_sensor, families.wearer(rng(3)).quat_head_from_sensor
    )


def test_identities_of_a_measured_head_differ(data):
    family = ict_family(data / "mesh/ict_face.npz")
    one, two = family.draw(rng(1)), family.draw(rng(2))
    assert np.abs(one.vertices - two.vertices).max() > 1e-3
    np.testing.assert_array_equal(one.deltas, two.deltas)


def recorded(person: str, seconds: float) -> Recorded:
    performance: Performance = generate_performance(len(person), seconds)
    return Recorded(performance, DataUse(person, "0" * 64, "MIT"))


def test_people_perform_by_the_root_of_what_they_recorded():
    cast = cast_of([recorded("much", 36.0), recorded("little", 4.0)])
    assert cast.people == ("little", "much")
    np.testing.assert_allclose(cast.shares, [0.25, 0.75], atol=0.01)


def test_without_recordings_everything_is_generated():
    person, performance = draw_performance(cast_of([]), 0.0, 5.0, rng())
    assert person == GENERATED
    assert performance.duration_s > 12.0  # rest and routine stand in front


def test_recordings_are_performed_by_those_who_made_them():
    cast = cast_of([recorded("a", 20.0), recorded("bb", 20.0)])
    people = {draw_performance(cast, 0.0, 5.0, rng(seed))[0] for seed in range(12)}
    assert people == {"a", "bb"}
    assert draw_performance(cast, 1.0, 5.0, rng())[0] == GENERATED
