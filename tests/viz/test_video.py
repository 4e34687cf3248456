"""Video files that other programs can read."""

import threading

import cv2
import numpy as np
import pytest

from firmware_host.errors import ConfigError
from viz import video as video_module
from viz.video import CODECS, GifWriter, VideoWriter, write_picture, write_png


def frames(count: int = 12, width: int = 96, height: int = 64) -> list[np.ndarray]:
    """A bright bar that walks to the right over blue."""
    made = []
    for i in range(count):
        image = np.full((height, width, 3), (20, 40, 160), np.uint8)
        image[:, 6 * i : 6 * i + 16] = (240, 220, 40)
        made.append(image)
    return made


@pytest.mark.parametrize("suffix", CODECS)
def test_what_is_written_can_be_read_back(tmp_path, suffix, capfd):
    path = tmp_path / f"clip{suffix}"
    with VideoWriter(path, 25.0, (96, 64)) as video:
        for image in frames():
            video.write(image)
    read = cv2.VideoCapture(str(path))
    assert read.get(cv2.CAP_PROP_FPS) == pytest.approx(25.0)
    for image in frames():
        found, shown = read.read()
        assert found
        assert np.abs(shown[..., ::-1].astype(int) - image).mean() < 12
    assert not read.read()[0]
    assert list(tmp_path.iterdir()) == [path]
    assert capfd.readouterr().err == ""


def test_a_video_that_is_not_finished_leaves_nothing(tmp_path):
    path = tmp_path / "clip.webm"

    def draw() -> None:
        with VideoWriter(path, 25.0, (96, 64)) as video:
            video.write(frames()[0])
            raise RuntimeError("camera on fire")

    with pytest.raises(RuntimeError, match="camera on fire"):
        draw()
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_fails_ends_the_video_and_leaves_nothing(tmp_path):
    path = tmp_path / "clip.mp4"

    def draw() -> None:
        with VideoWriter(path, 25.0, (96, 64)) as video:
            for image in frames(20):
                video.write(image.astype(complex))  # no encoder knows what that is

    with pytest.raises(cv2.error):
        draw()
    assert list(tmp_path.iterdir()) == []
    assert all(thread.name != "encoder" for thread in threading.enumerate())


def test_frames_keep_their_order_however_late_the_encoder_is(tmp_path):
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, 25.0, (96, 64)) as video:
        for level in range(0, 240, 4):  # many more than may wait
            video.write(np.full((64, 96, 3), level, np.uint8))
    read = cv2.VideoCapture(str(path))
    levels = []
    while (shown := read.read())[0]:
        levels.append(float(shown[1].mean()))
    assert len(levels) == 60
    assert np.diff(levels).min() > 0


def test_a_frame_of_another_size_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected a frame of \(64, 64\), got \(96, 64\)"):
        with VideoWriter(tmp_path / "clip.mp4", 25.0, (64, 64)) as video:
            video.write(frames()[0])


def test_names_that_cannot_be_written_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"got '\.avi'"):
        VideoWriter(tmp_path / "clip.avi", 25.0, (64, 64))
    with pytest.raises(ConfigError, match="no folder"):
        VideoWriter(tmp_path / "nowhere" / "clip.mp4", 25.0, (64, 64))
    with pytest.raises(ConfigError, match=r"got '\.jpg'"):
        write_png(tmp_path / "face.jpg", frames()[0])


def test_a_png_keeps_every_pixel(tmp_path):
    path = tmp_path / "face.png"
    write_png(path, frames()[3])
    assert np.array_equal(cv2.imread(str(path))[..., ::-1], frames()[3])
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_the_old_temporary_name_is_somebody_elses(tmp_path):
    other = tmp_path / ".face.part.png"
    other.write_text("somebody's")
    write_png(tmp_path / "face.png", frames()[0])
    assert other.read_text() == "somebody's"


def test_a_gif_keeps_frames_and_pace(tmp_path):
    path = tmp_path / "clip.gif"
    with GifWriter(path, 20.0, (96, 64)) as gif:
        for image in frames():
            gif.write(image)
    _, animation = cv2.imreadanimation(str(path))
    assert len(animation.frames) == len(frames())
    assert set(np.ravel(animation.durations).tolist()) == {50}
    for shown, image in zip(animation.frames, frames(), strict=True):
        smooth = cv2.blur(np.ascontiguousarray(shown[..., 2::-1]), (5, 5))  # its colours dither
        assert np.abs(smooth.astype(int) - cv2.blur(image, (5, 5))).mean() < 12
    assert list(tmp_path.iterdir()) == [path]


def test_a_gif_that_cannot_be_held_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(video_module, "GIF_MOST_BYTES", 3 * 96 * 64 * 2)

    def draw() -> None:
        with GifWriter(tmp_path / "clip.gif", 20.0, (96, 64)) as gif:
            for image in frames():
                gif.write(image)

    with pytest.raises(ConfigError, match="2 frames of 96 x 64 are as many"):
        draw()
    assert list(tmp_path.iterdir()) == []


def test_names_and_sizes_that_no_gif_has_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"got '\.webm'"):
        GifWriter(tmp_path / "clip.webm", 20.0, (96, 64))
    with pytest.raises(ValueError, match=r"expected a frame of \(64, 64\), got \(96, 64\)"):
        with GifWriter(tmp_path / "clip.gif", 20.0, (64, 64)) as gif:
            gif.write(frames()[0])
    assert list(tmp_path.iterdir()) == []


def test_a_picture_is_what_its_name_says(tmp_path):
    png, webp = tmp_path / "face.png", tmp_path / "face.webp"
    for path in (png, webp):
        write_picture(path, frames()[3])
    assert webp.stat().st_size < 5000
    assert webp.read_bytes()[8:12] == b"WEBP"
    assert np.array_equal(cv2.imread(str(png))[..., ::-1], frames()[3])
    assert np.abs(cv2.imread(str(webp))[..., ::-1].astype(int) - frames()[3]).mean() < 6
    with pytest.raises(ConfigError, match=r"got '\.jpg'"):
        write_picture(tmp_path / "face.jpg", frames()[3])
