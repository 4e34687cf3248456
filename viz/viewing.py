"""The viewer: faces from a feed onto a screen, as its state says. Nobody ever waits for it."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from capture.head import Head
from firmware_host.errors import TransportError
from viz.desktop import Asked, Screen, Shown
from viz.feeds import Faces, LiveFaces
from viz.painting import ConfidencePaint, ErrorPaint
from viz.scene import Image, Panel
from viz.signal import Face
from viz.state import Command, Pace, Tint, ViewState, advance, obey, turned, zoomed
from viz.video import VideoWriter, write_png

FRAME_S = 1 / 60
RECORD_HZ = 30.0
LOST = " · no face"
STEM = "imusic-view"

Say = Callable[[str], None]


def first_state(faces: Faces, sensors: bool = False, tint: Tint = "none") -> ViewState:
    """What a viewer begins with. Raises ValueError where that tint makes no sense here."""
    tints: list[Tint] = ["none"]
    if faces.is_live:
        tints.append("confidence")
    if faces.count > 1:
        tints.append("error")
    if tint not in tints:
        raise ValueError(f"expected a tint of {', '.join(tints)}, got {tint}")
    begin_s, end_s = faces.span(time.monotonic())
    return ViewState(
        is_live=faces.is_live,
        begin_s=begin_s,
        end_s=end_s,
        position_s=end_s if faces.is_live else begin_s,
        tints=tuple(tints),
        tint=tint,
        sensors=sensors,
    )


class Painter:
    """Makes panels of faces, coloured as asked."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._confidence: ConfidencePaint | None = None
        self._error: ErrorPaint | None = None

    def panels(self, faces: Sequence[Face], captions: Sequence[str], tint: Tint) -> list[Panel]:
        """One per face; of the tint `error`, the first is the truth."""
        panels = [
            Panel(face.weights, face.quat_world_from_head, caption)
            for face, caption in zip(faces, captions, strict=True)
        ]
        if tint == "confidence":
            return [self._by_confidence(*pair) for pair in zip(panels, faces, strict=True)]
        if tint == "error":
            return [panels[0], *(self._by_error(p, panels[0]) for p in panels[1:])]
        return panels

    def _by_confidence(self, panel: Panel, face: Face) -> Panel:
        if face.confidence is None:
            return panel
        if self._confidence is None:
            self._confidence = ConfidencePaint(self._head)
        return replace(panel, paint=self._confidence.paint(face.confidence, face.by_shape))

    def _by_error(self, panel: Panel, truth: Panel) -> Panel:
        if self._error is None:
            self._error = ErrorPaint(self._head)
        errors_mm = self._error.errors_mm(panel.weights, truth.weights)
        said = f"{panel.caption} · mean {self._error.mean_mm(errors_mm):.1f} mm"
        return replace(panel, caption=said, paint=self._error.paint(errors_mm))


class Outputs:
    """Pictures and videos that the operator takes, numbered; nothing is ever replaced.

    Args:
        folder: where to. say: told of every file that is done.
    """

    def __init__(self, folder: Path, say: Say) -> None:
        self._folder, self._say = folder, say
        self._pictures = 0
        self._video: tuple[ExitStack, VideoWriter, Path] | None = None
        self._pace = Pace(RECORD_HZ, 0.0)

    def follow(self, state: ViewState, screen: Screen, now_s: float) -> None:
        """Write what is asked for now.

        Raises:
            ConfigError: nothing can be written there.
            EnvironmentMissing: no encoder for the video.
        """
        if state.pictures > self._pictures:
            self._pictures = state.pictures
            path = self._next(".png")
            write_png(path, screen.picture())
            self._say(str(path))
        if not state.recording:
            self.close()
            return
        if self._video is None:
            self._pace = Pace(RECORD_HZ, now_s)
        self._pace, count = self._pace.due(now_s)
        if count:
            image = screen.picture()
            for _ in range(count):
                self._write(image)

    def _write(self, image: Image) -> None:
        import cv2

        if self._video is None:
            path, stack = self._next(".webm"), ExitStack()
            size = image.shape[1] // 2 * 2, image.shape[0] // 2 * 2
            self._video = stack, stack.enter_context(VideoWriter(path, RECORD_HZ, size)), path
        _, writer, _ = self._video
        if image.shape[1::-1] != writer.size:  # an odd window, or one that was resized
            image = np.asarray(cv2.resize(image, writer.size, interpolation=cv2.INTER_AREA))
        writer.write(image)

    def close(self) -> None:
        """End the video, if there is one. Safe to call twice."""
        if self._video is not None:
            (stack, _, path), self._video = self._video, None
            stack.close()
            self._say(str(path))

    def _next(self, suffix: str) -> Path:
        taken = {path.stem for path in self._folder.glob(f"{STEM}-*")}
        number = next(n for n in range(1, 10**6) if f"{STEM}-{n:03}" not in taken)
        return self._folder / f"{STEM}-{number:03}{suffix}"


def watch(
    screen: Screen,
    faces: Faces,
    state: ViewState,
    painter: Painter,
    outputs: Outputs,
    seconds: float | None = None,
) -> ViewState:
    """Show faces until the operator or the screen ends it, Ctrl-C, or `seconds` are over.

    Returns:
        The state at the end.

    Raises:
        ConfigError: a picture or a video cannot be written.
    """
    with closing(faces), closing(screen), closing(outputs):
        viewer = _Viewer(screen, faces, state, painter, outputs)
        try:
            viewer.run(seconds)
        except KeyboardInterrupt:  # the normal end of watching
            return viewer.state
    return viewer.state


class _Viewer:
    """One call of `watch`."""

    def __init__(
        self, screen: Screen, faces: Faces, state: ViewState, painter: Painter, outputs: Outputs
    ) -> None:
        self.state = state
        self._screen, self._faces = screen, faces
        self._painter, self._outputs = painter, outputs

    def run(self, seconds: float | None) -> None:
        began_s = last_s = time.monotonic()
        drawn_s = 0.0
        while True:
            self._faces.wait(drawn_s + FRAME_S - time.monotonic())
            now_s = time.monotonic()
            if seconds is not None and now_s - began_s >= seconds:
                return
            self._obey(self._screen.asked())
            self.state = advance(self.state, now_s - last_s, *self._faces.span(now_s))
            last_s = now_s
            if self.state.is_over:
                return
            # Events of a window want handling even while no face arrives.
            if now_s - drawn_s >= FRAME_S:
                drawn_s = now_s
                if not self._screen.show(self._shown(now_s)):
                    return
                self._outputs.follow(self.state, self._screen, now_s)

    def _obey(self, asked: Asked) -> None:
        for command in asked.commands:
            self.state = obey(self.state, command)
        if asked.turn != (0.0, 0.0):
            self.state = turned(self.state, *asked.turn)
        if asked.wheel:
            self.state = zoomed(self.state, asked.wheel)

    def _shown(self, now_s: float) -> Shown:
        state, feed = self.state, self._faces
        faces = feed.faces(state.position_s)
        captions = feed.captions(now_s)
        if not feed.is_live:
            captions = [
                caption if face.tracked else caption + LOST
                for caption, face in zip(captions, faces, strict=True)
            ]
        line = state.line() if state.help else " · ".join(filter(None, [state.line(), "h: keys"]))
        return Shown(
            panels=self._painter.panels(faces, captions, state.tint),
            view=state.view,
            line=line,
            help=state.help,
            heard=feed.heard(state.position_s) if state.sensors else None,
        )


def require_signal(faces: LiveFaces, seconds: float) -> None:
    """Raise TransportError where from one address not one face arrived."""
    for signal, address in zip(faces.signals, faces.addresses, strict=True):
        if not signal.received:
            raise TransportError(
                f"no face arrived from {address} within {seconds:g} s",
                "is `imusic live` publishing there?",
                address,
            )


def scripted(words: Sequence[str]) -> Callable[[int], Sequence[Command]]:
    """Commands by the number of frames shown: `30:p` is a picture after thirty.

    Raises:
        ValueError: a word is none of those.
    """
    from viz.state import command_of_key

    planned: dict[int, list[Command]] = {}
    for word in words:
        frame, _, key = word.partition(":")
        command = command_of_key(key)
        if command is None or not frame.isdecimal():
            raise ValueError(f"expected FRAME:KEY like 30:p, got {word!r}")
        planned.setdefault(int(frame), []).append(command)
    return lambda frames: planned.pop(frames, [])
