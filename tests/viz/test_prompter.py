"""What a performer sees: the animated face as in a mirror, and the prompt."""

import json
import os
import sys
import threading
import time

import msgspec
import numpy as np
import pytest

from capture.blendshapes import INDEX
from capture.guide_run import GuideRun, View
from capture.guided import Script, Step, script_to_dict
from firmware_host.errors import EnvironmentMissing
from viz.prompter import Cue, Prompter, PrompterWindow, run

S = 1_000_000_000
PATIENCE_S = 60.0
SCRIPT = Script(
    name="short",
    steps=(
        Step(label="nod", prompt="Nod.", turns=("nod", "turn")),
        Step(label="half smile", prompt="Smile on the left.", poses=({"mouthSmileLeft": 0.9},)),
    ),
)
SMILE = SCRIPT.steps[1]
TOP_S = SMILE.movements[0].start_s + SMILE.rise_s + 0.1


class Seen:
    """A screen that remembers what it was shown, until `enough` says that it was closed."""

    def __init__(self, enough=lambda panels: False) -> None:
        self.panels, self._enough, self.is_closed = [], enough, False

    def show(self, shown) -> bool:
        self.panels.append(shown.panels[0])
        return not self._enough(self.panels)

    def asked(self):
        raise NotImplementedError

    def picture(self):
        raise NotImplementedError

    def close(self) -> None:
        self.is_closed = True


def prompter(**cue) -> Prompter:
    found = Prompter(SCRIPT)
    found.hear(msgspec.json.encode(Cue(**cue)).decode())
    return found


def test_the_face_is_a_mirror_s():
    panel = prompter(label="half smile", began_ns=5 * S, caption="Smile.").panel(
        5 * S + round(TOP_S * S)
    )
    assert panel.weights[INDEX["mouthSmileRight"]] == pytest.approx(0.9)  # at the viewer's left
    assert panel.weights[INDEX["mouthSmileLeft"]] == 0
    assert panel.caption == "Smile."


def test_a_turn_to_the_performer_s_left_goes_to_the_left_of_the_picture():
    step, at_s = SCRIPT.steps[0], SCRIPT.steps[0].lead_s + 2.3
    turn = step.turn_vectors(np.array([at_s]))[0]
    quat = prompter(label="nod").panel(round(at_s * S)).quat_world_from_head
    assert turn[1] > 0.05  # about +y: to the wearer's left
    assert quat[2] < -0.02


def test_before_anything_is_shown_the_face_rests():
    assert not prompter(caption="Get ready").panel(10 * S).weights.any()
    assert not Prompter(SCRIPT).panel(0).weights.any()


def test_what_is_written_is_shown_until_the_writing_ends():
    reading, writing = os.pipe()
    screen = Seen()
    with os.fdopen(reading) as stream, os.fdopen(writing, "w") as pipe:
        thread = threading.Thread(target=run, args=(screen, stream))
        thread.start()
        began_ns = time.monotonic_ns() - round(TOP_S * S)
        pipe.write(json.dumps(script_to_dict(SCRIPT)) + "\n")
        pipe.write(msgspec.json.encode(Cue(label="half smile", began_ns=began_ns)).decode() + "\n")
        pipe.flush()
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and not any(p.weights.any() for p in screen.panels):
            time.sleep(0.01)
        pipe.close()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert any(p.weights[INDEX["mouthSmileRight"]] > 0 for p in screen.panels)
    assert screen.is_closed


def test_a_closed_window_ends_it():
    screen = Seen(enough=lambda panels: len(panels) == 3)
    reading, writing = os.pipe()
    with os.fdopen(reading) as stream, os.fdopen(writing, "w") as pipe:
        pipe.write(json.dumps(script_to_dict(SCRIPT)) + "\n")
        pipe.flush()
        run(screen, stream)
    assert len(screen.panels) == 3


ECHO = (sys.executable, "-c", "import sys; sys.stderr.write(sys.stdin.read())")


def test_a_guided_session_tells_its_window_each_thing_once(capfd):
    window = PrompterWindow(SCRIPT, command=ECHO)
    guide = GuideRun(SCRIPT)
    now = time.monotonic_ns()
    window.show(guide.view(now))
    guide.begin(now)
    for _ in range(5):
        guide.tick(now)
        window.show(guide.view(time.monotonic_ns()))
    window.close()
    script, *cues = capfd.readouterr().err.splitlines()
    assert json.loads(script)["name"] == "short"
    told = [msgspec.json.decode(line, type=Cue) for line in cues]
    assert [(cue.label, cue.caption) for cue in told] == [("", "Get ready: Nod."), ("nod", "Nod.")]
    assert told[1].began_ns == pytest.approx(now, abs=50e6)


def test_a_window_that_dies_holds_nothing_up():
    window = PrompterWindow(SCRIPT, command=(sys.executable, "-c", "pass"))
    deadline = time.monotonic() + PATIENCE_S
    while window.is_open and time.monotonic() < deadline:
        time.sleep(0.01)
    view: View = GuideRun(SCRIPT).view(time.monotonic_ns())
    window.show(view)
    window.close()
    assert not window.is_open


def test_without_a_display_a_window_says_so(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if sys.platform == "linux":
        with pytest.raises(EnvironmentMissing, match="no display"):
            PrompterWindow(SCRIPT)


def test_a_screen_draws_it(tmp_path):
    pytest.importorskip("cv2")
    from viz.desktop import Hidden, Shown
    from viz.scene import View as Seat

    screen = Hidden(256)
    panel = prompter(label="half smile", caption="Smile on the left.").panel(round(TOP_S * S))
    rest = prompter(caption="Smile on the left.").panel(0)
    pictures = []
    for shown in (panel, rest):
        screen.show(Shown((shown,), Seat()))
        pictures.append(screen.picture().astype(int))
    screen.close()
    changed = np.abs(pictures[0] - pictures[1]).sum(axis=(0, 2))
    half = changed.shape[0] // 2
    assert changed[:half].sum() > 3 * changed[half:].sum()
