"""`imusic enrol` with a virtual wearer on a real serial line and an operator at a real terminal."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from capture.guided import performed, script_from_dict
from capture.recording import read_recording
from capture.recover import Outcome, recover
from capture.sync import align
from capture.take import DATA_FILE, read_take
from model.predict import opening_of

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0
SCRIPT = """
name = "short"
[[steps]]
label = "rest"
prompt = "Rest now."
seconds = 1.0
[[steps]]
label = "routine"
prompt = "Nod now."
turns = ["nod", "tilt"]
turn_s = 0.6
lead_s = 0.2
[[steps]]
label = "smile"
prompt = "Smile now."
poses = [{ mouthSmile = 0.9 }]
lead_s = 0.4
[[steps]]
label = "jaw"
prompt = "Open now."
poses = [{ jawOpen = 0.8 }]
"""


def command(*words) -> list[str]:
    return [sys.executable, "-m", "imusic", *map(str, words)]


@pytest.fixture
def rig(tmp_path):
    """A rig whose virtual wearer follows the script."""
    (tmp_path / "short.toml").write_text(SCRIPT)
    rig = tmp_path / "sim.toml"
    words = ("sim", "--rig", rig, "--script", tmp_path / "short.toml", "--no-phone", "--seed", 3)
    with subprocess.Popen(command(*words), cwd=ROOT) as wearer:
        try:
            wait_for(rig.exists, "the rig")
            yield rig
        finally:
            wearer.kill()


def wait_for(condition, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


class Terminal:
    """A terminal of which we hold the far end."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.openpty()
        self.text = ""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self.ours, 4096):
                self.text += data.decode(errors="replace")

    def press(self, key: str) -> None:
        os.write(self.ours, key.encode())

    def close(self) -> None:
        for descriptor in (self.theirs, self.ours):
            os.close(descriptor)


@pytest.fixture
def terminal():
    pytest.importorskip("termios", reason="a terminal needs POSIX")
    opened = Terminal()
    yield opened
    opened.close()


def guiding(rig, verb="enrol", **streams) -> subprocess.Popen:
    words = (verb, "--rig", rig, "--out", rig.parent / "takes", "--no-window")
    words += ("--script", rig.parent / "short.toml")
    return subprocess.Popen(
        command(*words), cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True,
        **streams,
    )  # fmt: skip


def test_a_guided_take_is_labelled_and_a_step_is_done_again_when_asked(rig, terminal):
    with guiding(rig, stdin=terminal.theirs, stderr=terminal.theirs) as process:
        wait_for(lambda: "Open now." in terminal.text, "the jaw")
        terminal.press("r")  # nothing has moved yet: the smile once more
        code = process.wait(PATIENCE_S)
    assert "r once more" in terminal.text
    assert "mouthSmile" in terminal.text
    take = read_take(rig.parent / "takes" / "short-001")
    assert take.state == "complete"
    assert take.simulated
    assert [s.label for s in take.segments] == ["rest", "routine", "smile", "jaw"]
    recording = read_recording(rig.parent / "takes" / "short-001")
    steps = performed(script_from_dict(take.guide), recording.markers, align(recording).origin_ns)
    for one, segment in zip(steps, take.segments, strict=True):
        assert one.start_s == pytest.approx(segment.start_s, abs=0.1)
    smile = take.segment("smile")
    assert smile.start_s > take.segment("routine").end_s + 3.0  # the second time counts
    assert sum("smile begins" in label for _, label in recording.markers) == 2
    opening = opening_of(take)
    assert (opening.rest_start_s, opening.routine_end_s) == (
        take.segment("rest").start_s,
        take.segment("routine").end_s,
    )
    # Two movements are too few to learn a face from: said, and the take is kept.
    assert code == 2
    assert "movements that were followed" in " ".join(terminal.text.split())
    assert recording.samples_lost == 0


def test_a_session_that_is_ended_early_keeps_its_take_and_says_how_far_it_came(rig, terminal):
    with guiding(rig, stdin=terminal.theirs, stderr=terminal.theirs) as process:
        wait_for(lambda: "Smile now." in terminal.text, "the smile")
        terminal.press("q")
        assert process.wait(PATIENCE_S) == 1
    assert "ended before the script was over" in " ".join(terminal.text.split())
    take = read_take(rig.parent / "takes" / "short-001")
    assert take.state == "complete"
    assert [s.label for s in take.segments] == ["rest", "routine"]


def test_a_guided_session_that_was_killed_keeps_its_labels(rig, terminal):
    with guiding(rig, stdin=terminal.theirs, stderr=terminal.theirs) as process:
        folder = rig.parent / "takes" / "short-001"
        wait_for(lambda: "Open now." in terminal.text, "the jaw")
        began = (folder / DATA_FILE).stat().st_size
        wait_for(lambda: (folder / DATA_FILE).stat().st_size > began + 20_000, "the disk")
        process.kill()
        process.wait(PATIENCE_S)
    assert read_take(folder).state == "recording"
    assert recover(folder).outcome in (Outcome.WHOLE, Outcome.LOSSY)
    take = read_take(folder)
    assert [s.label for s in take.segments] == ["rest", "routine", "smile"]
    assert take.segment("rest").start_s == pytest.approx(3.0, abs=0.5)


def test_a_program_may_guide_line_by_line(rig):
    streams = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    with guiding(rig, "guide", **streams) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "Smile now." in line:
                process.stdin.write("skip\n")
                process.stdin.flush()
            if "Open now." in line:
                process.stdin.write("stop\n")
                process.stdin.flush()
                break
        rest = process.stderr.read()
        assert process.wait(PATIENCE_S) == 1
    assert "kept" in rest
    take = read_take(rig.parent / "takes" / "short-001")
    assert [s.label for s in take.segments] == ["rest", "routine"]


def test_a_script_that_is_none_is_refused_before_anything_is_opened(tmp_path):
    done = subprocess.run(
        command("enrol", "--rig", tmp_path / "no.toml", "--out", tmp_path, "--script", "enroll"),
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "enrol" in done.stderr
    assert "Traceback" not in done.stderr
