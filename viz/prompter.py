"""A window that shows a performer what to do: the animated face, and the prompt below it.

The face is a mirror's: what is to move on the performer's left moves on the left of the picture. It
runs as a program of its own, `python -m viz.prompter`, so that drawing never holds up a
recording. Whoever starts it writes JSON lines to its stdin: first the script, then what is to be
seen, whenever that changes; the end of stdin closes the window. Clocks are the host's monotonic.
"""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from typing import TextIO

import msgspec
import numpy as np

from capture import rotations
from capture.blendshapes import ARKIT_NAMES, MIRROR
from capture.guide_run import Stage
from capture.guide_run import View as Asked
from capture.guided import Script, Step, script_from_dict
from viz.desktop import Screen, Shown, Window, require_window
from viz.scene import Panel, View

SIZE = 720
FRAME_S = 1 / 60
GOING_S = 5.0
_MIRRORED = np.array([1.0, -1.0, -1.0])  # of rotation vectors


class Cue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be seen. label: of the step, empty for none. began_ns: when its clock was 0."""

    label: str = ""
    began_ns: int = 0
    caption: str = ""


class Prompter:
    """What the lines say, drawn at any time. Pure."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._shown = Cue()

    def hear(self, line: str) -> None:
        """Take one line. Raises ValueError for one that says nothing known."""
        self._shown = msgspec.json.decode(line, type=Cue)

    def panel(self, now_ns: int) -> Panel:
        """The face of now."""
        step: Step | None = self._script.step(self._shown.label)
        if step is None:
            return Panel(np.zeros(len(ARKIT_NAMES), np.float32), None, self._shown.caption)
        at = np.array([(now_ns - self._shown.began_ns) / 1e9])
        quat = rotations.from_vector(step.turn_vectors(at) * _MIRRORED)[0]
        weights = step.weights(at)[0][MIRROR].astype(np.float32)
        return Panel(weights, quat.astype(np.float32), self._shown.caption)


def run(screen: Screen, stream: TextIO) -> None:
    """Show what `stream` says until it ends or the screen is closed."""
    prompter = Prompter(script_from_dict(json.loads(stream.readline())))
    lines: list[str] = []
    is_over = threading.Event()
    thread = threading.Thread(target=_read, args=(stream, lines, is_over), daemon=True)
    thread.start()
    with closing(screen):
        while not is_over.is_set():
            began_s = time.monotonic()
            while lines:
                prompter.hear(lines.pop(0))
            if not screen.show(Shown((prompter.panel(time.monotonic_ns()),), View())):
                return
            time.sleep(max(0.0, began_s + FRAME_S - time.monotonic()))


def _read(stream: Iterable[str], lines: list[str], is_over: threading.Event) -> None:
    for line in stream:
        lines.append(line)
    is_over.set()


class PrompterWindow:
    """The window, from the side of whoever starts it. Never waits for it.

    Raises:
        EnvironmentMissing: there is no display, or Open3D does not work here.
    """

    def __init__(self, script: Script, command: tuple[str, ...] = ()) -> None:
        if not command:
            require_window()
            command = (sys.executable, "-m", "viz.prompter")
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0)
        self._told: Cue | None = None
        self._write(msgspec.json.encode(msgspec.to_builtins(script)))

    @property
    def is_open(self) -> bool:
        """Whether somebody can still see it."""
        return self._process.poll() is None

    def tell(self, shown: Cue) -> None:
        """Say what is to be seen; nothing where it is seen already, or nobody looks."""
        if shown == self._told or not self.is_open:
            return
        self._told = shown
        self._write(msgspec.json.encode(shown))

    def show(self, view: Asked) -> None:
        """Show what a guided session shows."""
        now_ns = time.monotonic_ns()
        if view.step is None:
            self.tell(Cue(caption="That was all. Thank you."))
        elif view.stage is not Stage.SHOWING:
            self.tell(Cue(caption=f"{view.stage.value.capitalize()}: {view.step.prompt}"))
        else:
            began_ns = now_ns - round(view.since_s * 1e9)
            if not self._is_shown(view.step.label, began_ns):
                said = view.step.text or view.step.prompt
                self.tell(Cue(label=view.step.label, began_ns=began_ns, caption=said))

    def _is_shown(self, label: str, began_ns: int) -> bool:
        """Whether this step is on already, since about then."""
        told = self._told
        return told is not None and told.label == label and abs(told.began_ns - began_ns) < 5e7

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it was closed a moment ago
            self._process.stdin.write(line + b"\n")

    def close(self) -> None:
        """Close the window; kill it where it does not go."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(GOING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the take, and that closes stdin
    run(Window(SIZE, "imusic"), sys.stdin)
