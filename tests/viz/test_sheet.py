"""The sheet of shapes."""

import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES
from capture.head import seeded_head
from firmware_host.layout import FACE_12
from viz.scene import Panel
from viz.sheet import (
    CAPTION_PX,
    COLUMNS,
    PEOPLE,
    ROWS,
    person_picture,
    shape_sheet,
    sites_picture,
    with_people,
)
from viz.software import SoftwareRenderer


def test_the_sheet_has_a_cell_for_every_shape_and_they_differ(head):
    renderer = SoftwareRenderer(head, 128, captions=False, smooth=1)
    sheet = shape_sheet(head, renderer)
    assert sheet.shape == (ROWS * (64 + CAPTION_PX), COLUMNS * 64, 3)
    cells = [
        sheet[row * (64 + CAPTION_PX) :, column * 64 :][:64, :64].tobytes()
        for row in range(ROWS)
        for column in range(COLUMNS)
        if row > 1 or column > 1
    ]
    assert len(set(cells)) == len(ARKIT_NAMES)


def test_every_sensor_gets_its_dot(head):
    renderer = SoftwareRenderer(head, 256, captions=False, smooth=1)
    image = sites_picture(head, renderer)
    bare = renderer.draw([Panel(np.zeros(52, np.float32))])
    scene = renderer.scene
    positions = np.array([slot.position_m for slot in FACE_12.slots], np.float32)
    for x, y in np.rint(scene.project(scene.to_camera(positions))).astype(int):
        around = slice(y - 6, y + 7), slice(x - 6, x + 7)
        changed = (image[around] != bare[around]).any(axis=2)
        assert changed.sum() > 30


def test_people_stand_in_a_row_below_and_look_different(head):
    sheet = np.zeros((10, 320, 3), np.uint8)
    heads = [head, seeded_head(1)]
    ours, other = (
        person_picture(SoftwareRenderer(one, 128, captions=False, smooth=1)) for one in heads
    )
    assert (ours != other).any()
    pictures = [ours, other, ours, other, ours]
    whole = with_people(sheet, pictures, ["a person"] * PEOPLE)
    assert whole.shape == (10 + 64 + CAPTION_PX, 320, 3)
    first, second = (whole[10:74, 64 * i : 64 * (i + 1)] for i in range(2))
    assert (first != second).any()
    with pytest.raises(ValueError, match="shorter"):
        with_people(sheet, pictures[:4], ["a person"] * PEOPLE)
