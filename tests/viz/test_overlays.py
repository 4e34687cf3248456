"""Sensors over pictures of heads, and when they were heard."""

import numpy as np
import pytest

from capture.importers import import_samples
from firmware_host.layout import FACE_12
from viz.overlays import HEARD, SensorDots, draw_heat_key
from viz.scene import Panel, View
from viz.slots import SlotTimes, read_slots
from viz.software import SoftwareRenderer

NEUTRAL = Panel(np.zeros(52, np.float32))


def inked(image, ink):
    return np.abs(image.astype(int) - ink).max(axis=2) < 8


@pytest.fixture(scope="module")
def renderer(head):
    return SoftwareRenderer(head, 256, 2, captions=False, smooth=1)


@pytest.fixture(scope="module")
def dots(head):
    return SensorDots(head)


def test_every_panel_has_its_dots_where_they_are_on_the_head(renderer, dots):
    image = renderer.draw([NEUTRAL, NEUTRAL])
    for index in range(2):
        dots.draw(image, renderer.scene, NEUTRAL, index)
    left, right = inked(image[:, :256], HEARD), inked(image[:, 256:], HEARD)
    assert left.sum() > 8 * 15
    assert abs(int(left.sum()) - int(right.sum())) < 60
    columns = np.flatnonzero(left.any(axis=0))
    assert abs(columns.mean() - 128) < 12  # symmetric sites


def test_a_sensor_that_is_not_heard_is_hollow_and_of_another_colour(renderer, dots):
    image = renderer.draw([NEUTRAL, NEUTRAL])
    whole = image.copy()
    dots.draw(whole, renderer.scene, NEUTRAL, 0)
    dots.draw(image, renderer.scene, NEUTRAL, 0, [name != "mentalis" for name in dots.names])
    rows, columns = np.nonzero((image != whole).any(axis=2))
    assert 5 < len(rows) < 100
    assert rows.min() > 150  # the chin
    middle = round(rows.mean()), round(columns.mean())
    assert image[middle].min() > 220  # its middle is white
    ring = image[rows, columns].astype(int)
    assert (ring[:, 0] - ring[:, 2]).max() > 100  # red, not blue


def test_sensors_move_with_the_skin_and_with_the_view(renderer, dots):
    scene = renderer.scene
    places, facing = scene.locate(NEUTRAL, 0, dots._vertices, dots._normals)
    assert facing[:11].all()
    opened = np.zeros(52, np.float32)
    opened[17] = 1.0  # jawOpen
    lower, _ = scene.locate(Panel(opened), 0, dots._vertices, dots._normals)
    chin = dots.names.index("mentalis")
    assert lower[chin, 1] > places[chin, 1] + 5
    brow = dots.names.index("frontalis_left")
    assert np.allclose(lower[brow], places[brow], atol=0.5)
    scene.view = View(yaw_rad=np.pi)
    try:
        _, behind = scene.locate(NEUTRAL, 0, dots._vertices, dots._normals)
    finally:
        scene.view = View()
    assert not behind[:11].any()


def test_the_key_says_what_is_how_far_off(renderer):
    image = renderer.draw([NEUTRAL, NEUTRAL])
    before = image.copy()
    draw_heat_key(image, renderer.scene, 1)
    changed = np.argwhere((image != before).any(axis=2))
    assert changed[:, 1].min() >= 256
    assert changed[:, 0].min() > 200


def test_a_slot_is_heard_while_it_gives_readings():
    times = np.arange(100) / 100
    slots = SlotTimes(FACE_12, (times, times[:50], np.zeros(0)))
    assert slots.heard_at(0.3) == (True, True, False)
    assert slots.heard_at(0.8) == (True, False, False)
    assert slots.heard_at(5.0) == (False, False, False)


def test_the_slots_of_a_take_are_those_that_gave_numbers(tmp_path):
    count = 200
    accel = np.full((count, 12, 3), (0.0, 9.81, 0.0), np.float32)
    accel[50:, 3] = np.nan
    path = tmp_path / "samples.npz"
    np.savez(
        path,
        time_s=np.arange(count) / 200,
        accel_m_s2=accel,
        gyro_rad_s=np.zeros_like(accel),
        slots=np.array(FACE_12.names),
        rest_s=np.array([0.0, 0.2]),
    )
    import_samples(path, tmp_path / "take")
    slots = read_slots(tmp_path / "take")
    assert slots is not None
    assert slots.heard_at(0.1) == (True,) * 12
    assert slots.heard_at(0.9) == tuple(slot != 3 for slot in range(12))
    assert read_slots(path) is None
