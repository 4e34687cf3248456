"""Placing and lighting heads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.blendshapes import ARKIT_NAMES
from viz.scene import Panel, Scene, View, caption_strip, shade, write_centred

NEUTRAL = Panel(np.zeros(52, np.float32))


def test_every_panel_sees_its_head_from_the_same_place(head):
    scene = Scene(head, 100, 3)
    seen, colours = scene.lay([NEUTRAL] * 3)
    pixels = scene.project(seen).reshape(3, -1, 2)
    assert np.allclose(pixels[1], pixels[0] + (100, 0), atol=1e-2)
    assert np.allclose(pixels[2], pixels[0] + (200, 0), atol=1e-2)
    first, second, third = colours.reshape(3, -1, 3)
    assert np.array_equal(first, second)
    assert np.array_equal(first, third)


def test_the_wearers_left_is_to_the_right_and_up_is_up(head):
    scene = Scene(head, 100, 1)
    corners = np.array([[0.05, 0, 0.1], [-0.05, 0, 0.1], [0, 0.05, 0.1]], np.float32)
    left, right, up = scene.project(scene.to_camera(corners))
    assert left[0] > right[0]
    assert up[1] < left[1]


def test_the_face_fits_its_square(head):
    scene = Scene(head, 100, 1)
    pixels = scene.project(scene.lay([NEUTRAL])[0])
    assert pixels[:, 0].min() > 0
    assert pixels[:, 0].max() < 99
    assert pixels[:, 1].min() > 0


def test_a_head_turned_to_its_left_shows_its_nose_further_right(head):
    scene = Scene(head, 100, 1)
    quarter = np.array([np.cos(0.3), 0, np.sin(0.3), 0])  # +0.6 rad about +y
    nose = int(np.argmax(head.vertices[:, 2]))
    ahead = scene.project(scene.lay([NEUTRAL])[0])[nose]
    turned = scene.project(scene.lay([Panel(NEUTRAL.weights, quarter)])[0])[nose]
    assert turned[0] > ahead[0] + 5


def test_another_number_of_panels_is_refused(head):
    with pytest.raises(ValueError, match="expected 2 panels, got 1"):
        Scene(head, 64, 2).lay([NEUTRAL])


@pytest.mark.parametrize(("size", "panels"), [(65, 1), (8, 1), (64, 0)])
def test_sizes_that_no_video_takes_are_refused(head, size, panels):
    with pytest.raises(ValueError, match="expected an even size"):
        Scene(head, size, panels)


def test_pictures_have_even_sides(head):
    for size in range(64, 90, 2):
        assert Scene(head, size, 1).height % 2 == 0


unit = st.tuples(*[st.floats(-1, 1, width=32)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1)


@given(unit, unit)
def test_light_is_never_out_of_range(normal, to_eye):
    n, e = np.array([normal], np.float32), np.array([to_eye], np.float32)
    n /= np.linalg.norm(n)
    for albedo in (0.0, 0.5, 1.0):
        lit = shade(n, e, np.full((1, 3), albedo, np.float32))
        assert np.isfinite(lit).all()
        assert lit.min() >= 0
        assert lit.max() <= 1


def test_what_faces_the_lamp_is_brighter_than_what_faces_the_ground():
    normals = np.array([[0, 0.3, 0.95], [0, -1, 0]], np.float32)
    to_eye = np.array([[0, 0, 1], [0, 0, 1]], np.float32)
    bright, dark = shade(normals, to_eye, np.full((2, 3), 0.5, np.float32)).mean(axis=1)
    assert bright > dark + 0.2


def test_captions_stay_inside_their_own_square():
    strip = caption_strip(["a very long caption " * 5, ""], 200, 20)
    assert strip.shape == (20, 400, 3)
    assert (strip[:, :200] != strip[0, 0]).any()
    assert (strip[:, 200:] == strip[0, 0]).all()


def test_text_lands_in_the_middle():
    image = np.full((40, 200, 3), 255, np.uint8)
    write_centred(image, ARKIT_NAMES[0], 14)
    columns = np.flatnonzero((image < 200).any(axis=(0, 2)))
    assert abs(columns.mean() - 100) < 8


def test_a_view_turns_all_heads_and_comes_closer(head):
    scene = Scene(head, 100, 1)
    nose = int(np.argmax(head.vertices[:, 2]))

    def seen(view):
        scene.view = view
        return scene.project(scene.lay([NEUTRAL])[0])

    straight = seen(View())
    assert seen(View(yaw_rad=0.4))[nose, 0] > straight[nose, 0] + 5  # the head turns to its left
    assert seen(View(pitch_rad=0.4))[nose, 1] > straight[nose, 1] + 5  # seen from above
    wide = [np.ptp(seen(view)[:, 0]) for view in (View(), View(zoom=1.5))]
    assert wide[1] > 1.4 * wide[0]


def test_paint_takes_the_place_of_the_heads_colours(head):
    scene = Scene(head, 64, 1)
    own = scene.lay([NEUTRAL])[1]
    same = scene.lay([Panel(NEUTRAL.weights, paint=head.colours)])[1]
    green = scene.lay([Panel(NEUTRAL.weights, paint=np.full_like(head.colours, (0, 1, 0)))])[1]
    assert np.allclose(own, same)
    assert green[:, 1].mean() > own[:, 1].mean()
    assert (green[:, 0] <= own[:, 0] + 1e-6).mean() > 0.9
