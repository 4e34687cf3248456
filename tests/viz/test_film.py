"""Tracks to files."""

import cv2
import numpy as np
import pytest

from capture.blendshapes import INDEX
from capture.tracks import make_track
from firmware_host.errors import ConfigError
from viz.film import LOST, Look, Stage, common_stretch, panels_at, render_comparison, staged
from viz.software import SoftwareRenderer


def track(name: str, start_s: float = 0.0, seconds: float = 1.0, jaw: float = 0.0, **more):
    time_s = start_s + np.arange(round(seconds * 20) + 1) / 20
    weights = np.zeros((len(time_s), 52), np.float32)
    weights[:, INDEX["jawOpen"]] = jaw * np.linspace(0, 1, len(time_s))
    return make_track(name, time_s, weights, **more)


def test_the_stretch_drawn_is_what_all_tracks_cover():
    tracks = [track("a", 0, 2), track("b", 0.5, 3)]
    assert common_stretch(tracks) == (0.5, 2.0)
    assert common_stretch(tracks, 1.0, 0.5) == (1.0, 1.5)
    assert common_stretch(tracks, 1.0, 60) == (1.0, 2.0)


def test_tracks_without_a_common_moment_are_refused_with_their_times():
    with pytest.raises(ConfigError, match=r"share no moment: a 0.00…1.00 s, b 5.00…6.00 s"):
        common_stretch([track("a"), track("b", 5)])
    with pytest.raises(ConfigError, match="start 9 s is outside"):
        common_stretch([track("a")], 9)


def test_a_stretch_without_length_still_has_a_frame():
    assert common_stretch([track("a")], 0.5, 0).times(30).tolist() == [0.5]


def test_heads_turn_together_or_not_at_all():
    quats = np.tile(np.array([1, 0, 0, 0], np.float32), (21, 1))
    still, turning = track("a"), track("b", quats=quats)
    assert all(t.quats is None for t in staged([still, turning]))
    assert all(t.quats is not None for t in staged([turning, turning]))


def test_the_caption_tells_when_the_face_is_lost():
    tracked = np.arange(21) != 3
    lost = track("a", tracked=tracked)
    assert panels_at([lost], ["truth"], 2)[0].caption == "truth"
    assert panels_at([lost], ["truth"], 3)[0].caption == "truth" + LOST


def test_a_comparison_becomes_a_video_and_a_picture(tmp_path):
    video, png = tmp_path / "both.webm", tmp_path / "both.png"
    render_comparison(
        track("truth", jaw=1.0),
        track("prediction"),
        ("truth", "prediction"),
        video,
        png,
        fps=10,
        size=64,
        seconds=0.5,
        prefer="software",
    )
    read = cv2.VideoCapture(str(video))
    assert (read.get(cv2.CAP_PROP_FRAME_WIDTH), read.get(cv2.CAP_PROP_FPS)) == (128, 10)
    count = 0
    while read.read()[0]:
        count += 1
    assert count == 5
    picture = cv2.imread(str(png)).astype(int)
    # The left face at its most expressive, so unlike the right one, which never moves.
    assert np.abs(picture[:64, :64] - picture[:64, 64:]).max() > 60


def colourful(picture):
    return (np.ptp(picture.astype(int), axis=2) > 90).sum()


def test_every_head_but_the_truth_is_painted_by_its_error(head):
    tracks = [track("truth", jaw=1.0), track("close", jaw=0.98), track("still")]
    renderer = SoftwareRenderer(head, 96, 3, smooth=1)
    stage = Stage(renderer, tracks, ["truth", "close", "still"], Look(size=96, error=True))
    (image,) = stage.pictures(np.array([1.0]))
    truth, close, still = (image[:70, 96 * i : 96 * (i + 1)] for i in range(3))
    assert colourful(still) > 2 * colourful(close)
    plain = Stage(renderer, tracks, ["truth", "close", "still"], Look(size=96))
    (bare,) = plain.pictures(np.array([1.0]))
    assert np.array_equal(truth, bare[:70, :96])
    assert not np.array_equal(close, bare[:70, 96:192])


def test_the_error_stands_in_the_caption_of_its_head(head):
    said = []

    class Listening(SoftwareRenderer):
        def draw(self, panels):
            said.append([panel.caption for panel in panels])
            return super().draw(panels)

    tracks = [track("truth", jaw=1.0), track("same", jaw=1.0)]
    stage = Stage(Listening(head, 64, 2, smooth=1), tracks, ["a", "b"], Look(error=True))
    next(stage.pictures(np.array([0.5])))
    assert said == [["a", "b · mean 0.0 mm"]]
