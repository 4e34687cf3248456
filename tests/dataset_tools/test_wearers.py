import numpy as np
import pytest

from capture import rotations
from capture.head import find_sites, standard_head
from dataset_tools.virtual_imu import SiteModel, put_on
from dataset_tools.wearers import (
    CAREFUL,
    MOST_MOVED_M,
    WIDE,
    blend,
    draw_donnings,
    draw_wearer,
    landed,
    placed,
    vary,
    worn_sites,
)
from firmware_host.layout import FACE_12

SLOTS = len(FACE_12.slots)
HEAD = standard_head()
MEANT = np.array([site.centre for site in find_sites(HEAD, FACE_12)])
DRAWS = 40


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def moved_mm(sites) -> np.ndarray:
    return 1e3 * np.linalg.norm(np.array([site.centre for site in sites]) - MEANT, axis=1)


def test_no_site_lands_further_off_than_a_centimetre_on_the_skin():
    moved = np.array([moved_mm(landed(HEAD, FACE_12, rng(k), 0.004)) for k in range(DRAWS)])
    assert moved.max() <= 1e3 * MOST_MOVED_M == 10.0
    assert moved.max() > 9.0
    # By Gaussian steps alone some would; where none does, the limit above proves nothing.
    free = np.array([moved_mm(find_sites(HEAD, placed(FACE_12, rng(k), 0.004))) for k in range(20)])
    assert 0.01 < np.mean(free > 10.0) < 0.2
    # And those within it are where they would be without it.
    assert np.median(moved) == pytest.approx(np.median(free[free <= 10.0]), rel=0.15)


def test_sites_that_do_not_move_land_where_they_were_meant():
    assert moved_mm(landed(HEAD, FACE_12, rng(), 0.0)).max() == 0.0


def test_the_same_seed_lands_the_same():
    one, two, other = (worn_sites(HEAD, FACE_12, rng(seed), 0.004) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.position, two.position)
    assert (np.linalg.norm(one.position - other.position, axis=1) > 0).sum() > SLOTS // 2


def test_normals_point_out_of_the_skin_and_stay_with_their_sites():
    sites = worn_sites(HEAD, FACE_12, rng(1), 0.0)
    np.testing.assert_allclose(np.linalg.norm(sites.normal, axis=1), 1.0)
    at = FACE_12.names.index
    assert sites.normal[at("mentalis"), 2] > 0.8  # the chin looks forward
    assert sites.normal[at("zygomaticus_left"), 0] > 0.2
    assert sites.normal[at("zygomaticus_right"), 0] < -0.2
    assert sites.normal[FACE_12.reference_index, 0] > 0.6  # behind the left ear
    np.testing.assert_array_equal(vary(sites, rng(2), WIDE).normal, sites.normal)
    other = worn_sites(HEAD, FACE_12, rng(3), 0.004)
    between = blend(sites, other, 0.5).normal
    np.testing.assert_allclose(np.linalg.norm(between, axis=1), 1.0)
    assert (np.einsum("sk,sk->s", between, sites.normal) > 0.8).all()


def turns(wearer) -> np.ndarray:
    """(S, 3) rad by which sensors are turned from their nominal mounting, head frame."""
    nominal = np.array([slot.quat_head_from_sensor for slot in FACE_12.slots])
    off = rotations.multiply(wearer.quat_head_from_sensor, rotations.conjugate(nominal))
    return rotations.to_vector(off)


def test_a_twist_turns_sensors_about_the_skins_normal_and_nothing_else():
    sites = worn_sites(HEAD, FACE_12, rng(), 0.004)
    most = np.radians(25.0)
    turned = [turns(put_on(FACE_12, sites, rng(k), 0.0, twist_rad=most)) for k in range(60)]
    about = np.einsum("nsk,sk->ns", turned, sites.normal)
    np.testing.assert_allclose(turned, about[..., None] * sites.normal, atol=1e-9)
    assert np.abs(about).max() <= most
    assert about.std() == pytest.approx(most / np.sqrt(3), rel=0.05)
    assert abs(about.mean()) < 0.05 * most
    assert about.std(axis=1).min() > 0.4 * about.std()  # each sensor on its own


def test_without_a_twist_nothing_is_drawn_for_it():
    sites = worn_sites(HEAD, FACE_12, rng(), 0.004)
    bare = SiteModel(sites.rotation, sites.translation, sites.position)
    one, two = (put_on(FACE_12, item, rng(4)) for item in (sites, bare))
    np.testing.assert_array_equal(one.quat_head_from_sensor, two.quat_head_from_sensor)
    np.testing.assert_array_equal(one.gyro_bias_rad_s, two.gyro_bias_rad_s)
    with pytest.raises(ValueError, match="normals"):
        put_on(FACE_12, bare, rng(4), twist_rad=0.1)


def test_only_the_careful_do_not_turn_sensors_on_the_skin():
    assert CAREFUL.twist_rad == 0.0
    assert np.degrees(WIDE.twist_rad) == pytest.approx(25.0)
    size = {}
    for variety in (CAREFUL, WIDE):
        drawn = [draw_wearer(HEAD, FACE_12, rng(k), variety) for k in range(12)]
        about = [np.einsum("sk,sk->s", turns(w), w.sites.normal) for w in drawn]
        size[variety] = np.degrees(np.std(about))
    assert size[CAREFUL] == pytest.approx(7.0, rel=0.15)
    assert size[WIDE] == pytest.approx(np.hypot(7.0, 25.0 / np.sqrt(3)), rel=0.15)


def test_on_another_day_face_sensors_sit_elsewhere_and_the_reference_where_it_was():
    before, after = draw_donnings(HEAD, FACE_12, rng(3), 0.005, 0.1)
    far_mm = 1e3 * np.linalg.norm(after.sites.position - before.sites.position, axis=1)
    reference, face = FACE_12.reference_index, list(FACE_12.face_indices)
    assert far_mm[reference] == 0
    assert (far_mm[face] > 2).all()
    assert (far_mm[face] < 8).all()
    assert after.chip == before.chip
    assert np.array_equal(after.gyro_bias_rad_s, before.gyro_bias_rad_s)
    answers = (w.sites.rotation[face] for w in (before, after))
    assert 0.02 < np.abs(np.subtract(*answers)).max() < 0.5
    turned = rotations.to_vector(
        rotations.multiply(
            after.quat_head_from_sensor, rotations.conjugate(before.quat_head_from_sensor)
        )
    )
    assert 0.03 < np.linalg.norm(turned, axis=1).mean() < 0.4


def test_the_same_seed_draws_the_same_two_days():
    one, two = (draw_donnings(HEAD, FACE_12, rng(4), 0.005, 0.1) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.sites.rotation, b.sites.rotation)
        assert np.array_equal(a.quat_head_from_sensor, b.quat_head_from_sensor)
