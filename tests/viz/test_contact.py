"""Contact sheets."""

import cv2
import numpy as np

from capture.blendshapes import INDEX
from capture.tracks import make_track
from viz.contact import in_rows, moments, write_sheet
from viz.film import Look, Stretch


def track(name="a"):
    time_s = np.arange(121) / 30
    weights = np.zeros((len(time_s), 52), np.float32)
    weights[:, INDEX["jawOpen"]] = np.sin(time_s * np.pi) ** 2
    return make_track(name, time_s, weights)


def test_every_part_gives_its_most_expressive_moment():
    found = moments(track(), Stretch(0.0, 4.0), 4)
    assert np.allclose(found, [0.5, 1.5, 2.5, 3.5], atol=0.05)


def test_a_sheet_shows_the_moments_in_rows(tmp_path):
    out = tmp_path / "sheet.png"
    look = Look(size=64, prefer="software")
    write_sheet([track("a"), track("b")], ["a", "b"], out, Stretch(0.0, 4.0), look, cells=3)
    image = cv2.imread(str(out))
    assert image.shape == (2 * 70 + 6, 2 * 128 + 6, 3)
    assert (image[76:, 134:] == 255).all()  # the fourth place is empty


def test_rows_keep_every_picture_whole():
    pictures = [np.full((4, 8, 3), shade, np.uint8) for shade in (10, 20, 30)]
    sheet = in_rows(pictures, 2)
    assert sheet.shape == (14, 22, 3)
    assert (sheet[10:, :8] == 30).all()
    assert in_rows(pictures[:1], 4).shape == (4, 8, 3)
