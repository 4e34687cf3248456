"""The sheet of shapes."""

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from firmware_host.layout import FACE_12
from viz.scene import Panel
from viz.sheet import CAPTION_PX, COLUMNS, ROWS, shape_sheet, sites_picture
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
