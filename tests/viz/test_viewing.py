"""The viewer on a screen of its own: what it shows, and what it writes."""

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.tracks import make_track
from firmware_host.errors import EnvironmentMissing
from imusic.cli import main
from viz.desktop import Asked, Hidden, Window, help_plate, line_plate
from viz.feeds import FileFaces
from viz.scene import View
from viz.signal import NEUTRAL, Face
from viz.state import Command, ViewState
from viz.viewing import Outputs, Painter, first_state, scripted, watch


def track(name, jaw):
    time_s = np.arange(61) / 30
    weights = np.zeros((61, 52), np.float32)
    weights[:, INDEX["jawOpen"]] = jaw * time_s / 2
    return make_track(name, time_s, weights)


def files(*jaws):
    tracks = [track(f"jaw {jaw}", jaw) for jaw in jaws]
    names = [one.name for one in tracks]
    return FileFaces(tracks, names, (0.0, 2.0), [None] * len(tracks))


class Remembering:
    """A screen without pixels that presses keys by the frame and remembers what it was shown."""

    def __init__(self, script):
        self.shown, self.script = [], dict(script)

    def show(self, shown):
        self.shown.append(shown)
        return True

    def asked(self):
        return self.script.pop(len(self.shown), Asked())

    def picture(self):
        return np.full((65, 97, 3), len(self.shown) % 255, np.uint8)

    def close(self):
        pass


def seen(head, feed, script, tmp_path, say=lambda line: None, **facts):
    screen = Remembering(script)
    state = replace(first_state(feed), **facts)
    end = watch(screen, feed, state, Painter(head), Outputs(tmp_path, say), 20.0)
    return screen.shown, end


def press(*commands):
    return Asked(commands)


def test_files_play_side_by_side_with_their_names(head, tmp_path):
    shown, end = seen(head, files(1.0, 0.0), {10: press(Command.QUIT)}, tmp_path)
    assert end.is_over
    assert len(shown) == 10
    opened = [frame.panels[0].weights[INDEX["jawOpen"]] for frame in shown]
    assert (np.diff(opened) > 0).all()
    assert shown[-1].panels[1].weights.max() == 0.0
    assert [panel.caption for panel in shown[0].panels] == ["jaw 1.0", "jaw 0.0"]


def test_keys_drags_and_the_wheel_change_what_is_shown(head, tmp_path):
    script = {
        2: press(Command.PAUSE, Command.SENSORS, Command.HELP),
        4: Asked(turn=(0.5, 0.0), wheel=1.0),
        6: press(Command.QUIT),
    }
    shown, _ = seen(head, files(1.0), script, tmp_path)
    first, last = shown[0], shown[-1]
    assert first.heard is None
    assert last.heard == [None]
    assert last.help
    assert "h: keys" in first.line
    assert last.line.startswith("paused · ")
    assert last.view == View(0.5, 0.0, pytest.approx(1.1))
    assert np.array_equal(shown[3].panels[0].weights, last.panels[0].weights)


def test_the_error_is_painted_on_all_but_the_truth(head, tmp_path):
    script = {1: press(Command.END, Command.PAUSE, Command.TINT), 3: press(Command.QUIT)}
    shown, _ = seen(head, files(1.0, 0.0), script, tmp_path)
    truth, other = shown[-1].panels
    assert truth.paint is None
    assert other.paint.shape == head.vertices.shape
    assert "mean" in other.caption


def test_unsure_faces_are_painted_and_those_that_say_nothing_are_not(head):
    unsure = Face(NEUTRAL.weights, confidence=0.1)
    panels = Painter(head).panels([unsure, NEUTRAL], ["a", "b"], "confidence")
    assert panels[0].paint is not None
    assert panels[1].paint is None


def test_pictures_are_numbered_and_never_replaced(head, tmp_path):
    (tmp_path / "imusic-view-001.png").write_text("somebody's")
    said = []
    script = {2: press(Command.SCREENSHOT), 4: press(Command.SCREENSHOT), 6: press(Command.QUIT)}
    seen(head, files(1.0), script, tmp_path, said.append)
    names = ["imusic-view-002.png", "imusic-view-003.png"]
    assert said == [str(tmp_path / name) for name in names]
    assert cv2.imread(said[0]).shape == (65, 97, 3)
    assert (tmp_path / "imusic-view-001.png").read_text() == "somebody's"


def test_a_video_lasts_as_long_as_it_was_recorded(head, tmp_path):
    said = []
    script = {2: press(Command.RECORD), 32: press(Command.RECORD), 34: press(Command.QUIT)}
    seen(head, files(1.0), script, tmp_path, said.append)
    video = cv2.VideoCapture(said[0])
    assert video.get(cv2.CAP_PROP_FRAME_WIDTH) == 96  # made even
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) >= 14  # 30 frames of 1/60 s or more


def test_a_video_that_runs_at_the_end_is_finished(head, tmp_path):
    said = []
    seen(
        head, files(1.0), {2: press(Command.RECORD), 8: press(Command.QUIT)}, tmp_path, said.append
    )
    assert cv2.VideoCapture(said[0]).read()[0]


def test_ctrl_c_is_the_normal_end(head, tmp_path):
    class Interrupted(Remembering):
        def show(self, shown):
            raise KeyboardInterrupt

    feed = files(1.0)
    end = watch(Interrupted({}), feed, first_state(feed), Painter(head), Outputs(tmp_path, print))
    assert not end.is_over


def test_tints_that_make_no_sense_are_refused():
    assert first_state(files(1.0)).tints == ("none",)
    assert first_state(files(1.0, 0.5)).tints == ("none", "error")
    with pytest.raises(ValueError, match="expected a tint of none, got error"):
        first_state(files(1.0), tint="error")


def test_scripts_press_each_key_once():
    script = scripted(["3:p", "3:space", "5:q"])
    assert list(script(3)) == [Command.SCREENSHOT, Command.PAUSE]
    assert list(script(3)) == []
    assert list(script(5)) == [Command.QUIT]
    for wrong in ("p", "x:p", "3:nothing"):
        with pytest.raises(ValueError, match="expected FRAME:KEY"):
            scripted([wrong])


def test_the_hidden_screen_draws_words_dots_and_keys(head):
    screen = Hidden(256, 1, head)
    bare = ViewState(end_s=1.0)
    feed = files(1.0)
    try:
        plain = pictured(screen, head, feed, bare)
        dotted = pictured(screen, head, feed, replace(bare, sensors=True))
        helped = pictured(screen, head, feed, replace(bare, help=True))
    finally:
        screen.close()
    assert (plain != dotted).any(axis=2).sum() > 300
    left = (plain != helped)[20:200, :120].any(axis=2)
    assert left.mean() > 0.5


def pictured(screen, head, feed, state):
    from viz.viewing import _Viewer

    viewer = _Viewer(screen, feed, state, Painter(head), None)
    screen.show(viewer._shown(time.monotonic()))
    return screen.picture()


def test_plates_fit_their_words():
    assert line_plate("paused", 640).shape[1] < line_plate("paused · 2.5 s behind", 640).shape[1]
    assert line_plate("w" * 500, 640).shape[1] <= 640
    high, wide, _ = help_plate(640).shape
    assert high < 640
    assert wide < 480


@pytest.fixture
def prediction(tmp_path):
    path = tmp_path / "face.npz"
    one = track("face", 1.0)
    np.savez(path, names=np.array(ARKIT_NAMES), time_s=one.time_s, weights=one.weights)
    return path


def test_a_file_is_viewed_by_script(prediction, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shot = tmp_path / "last.png"
    argv = [
        "view",
        str(prediction),
        str(prediction),
        "--headless",
        "--seconds",
        "30",
        "--size",
        "96",
    ]
    keys = ["--key", "2:space", "--key", "3:p", "--key", "4:q"]
    assert main([*argv, *keys, "--tint", "error", "--screenshot", str(shot)]) == 0
    assert capsys.readouterr().out.splitlines() == ["imusic-view-001.png", str(shot)]
    assert cv2.imread(str(shot)).shape[1] == 192


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["--headless"], "--headless needs --seconds"),
        (["--key", "1:p"], "--key need --headless"),
        (["--tint", "blue"], "--tint: expected none, confidence, error, got 'blue'"),
        (["--tint", "error"], "expected a tint of none, confidence, got error"),
        (["--headless", "--seconds", "1", "--key", "what"], "expected FRAME:KEY like 30:p"),
        (["--out", "nowhere"], "there is no folder nowhere"),
        (["gone.npz"], "gone.npz: no such file"),
        (["--caption", "a"], "what is live tells its own source"),
    ],
)
def test_what_cannot_be_viewed_is_one_line(capsys, monkeypatch, tmp_path, argv, complaint):
    monkeypatch.chdir(tmp_path)
    assert main(["view", *argv]) == 2
    assert complaint in capsys.readouterr().err


def test_files_and_addresses_have_no_clock_in_common(prediction, capsys):
    assert main(["view", str(prediction), "--address", "tcp://127.0.0.1:9"]) == 2
    assert "no clock in common" in capsys.readouterr().err


@pytest.mark.integration
def test_a_real_window_shows_words_and_dots_where_the_hidden_screen_does(head):
    try:
        window = Window(320, "test", 1, head)
    except EnvironmentMissing as missing:
        pytest.skip(f"{missing}: {missing.hint}")
    hidden, feed = Hidden(320, 1, head), files(1.0)
    state = ViewState(end_s=1.0, sensors=True, help=True)
    try:
        shown, by_hand = (pictured(screen, head, feed, state) for screen in (window, hidden))
        assert shown.shape[:2] == (320, 320)
        apart = np.abs(shown[:290].astype(int) - by_hand[:290]).max(axis=2)
        assert (apart > 60).mean() < 0.04
        bare = pictured(window, head, feed, ViewState(end_s=1.0))
        assert (np.abs(shown.astype(int) - bare).max(axis=2) > 60).mean() > 0.05
        assert window.asked() == Asked()
    finally:
        hidden.close()
        window.close()
