"""Screens of the viewer: a window, and one that nobody sees."""

import os
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from capture.head import Head, standard_head
from firmware_host.errors import EnvironmentMissing
from viz.lettering import BOLD, text_size, write
from viz.overlays import HEARD, SILENT, SensorDots
from viz.scene import CAPTION_GROUND, CAPTION_INK, Image, Panel, View, caption_strip
from viz.state import HELP, KEYS, Command

Heard = Sequence[Sequence[bool] | None]
Turn = tuple[float, float]

SPENT, SLOW_S = 20, 0.010  # pictures, and how long a window may take for one of them
_CAPTION_SHARE = 0.06  # of the panel's height
_RAD_PER_PX = 0.006
_BUTTON_LEFT = 0
# What GLFW calls the keys that are no letters.
_GLFW = {
    "space": 32, ",": 44, "-": 45, ".": 46, "0": 48, "=": 61,
    "right": 262, "left": 263, "home": 268, "end": 269,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture. heard: None where sensors are not shown. line: what the timeline does."""

    panels: Sequence[Panel]
    view: View
    line: str = ""
    help: bool = False
    heard: Heard | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What the operator did since the last look. turn: yaw and pitch in rad. wheel: steps."""

    commands: Sequence[Command] = ()
    turn: Turn = (0.0, 0.0)
    wheel: float = 0.0


class Screen(Protocol):
    """Where heads appear."""

    def show(self, shown: Shown) -> bool:
        """Show it; False once the operator has closed the screen."""
        ...

    def asked(self) -> Asked:
        """What the operator did since the last call."""
        ...

    def picture(self) -> Image:
        """(H, W, 3) of what was shown last; the same size every time."""
        ...

    def close(self) -> None:
        """Give the screen back."""
        ...


class Hidden:
    """A screen that nobody sees, for pictures and videos. `script` gives commands by the frame."""

    def __init__(
        self,
        size: int,
        panels: int = 1,
        head: Head | None = None,
        script: Callable[[int], Sequence[Command]] | None = None,
    ) -> None:
        from viz.offscreen import open_renderer

        self._renderer = open_renderer(size, panels, head=head, captions=True, smooth=1)
        self._dots = SensorDots(self._renderer.scene.head)
        self._script, self._frames = script, 0
        self.image: Image | None = None

    def show(self, shown: Shown) -> bool:
        """Draw it."""
        scene = self._renderer.scene
        scene.view = shown.view
        image = self._renderer.draw(shown.panels)
        if shown.heard is not None:
            for index, (panel, heard) in enumerate(zip(shown.panels, shown.heard, strict=True)):
                self._dots.draw(image, scene, panel, index, heard)
        if shown.line:
            _paste(image, line_plate(shown.line, scene.size), 0, 0)
        if shown.help:
            _paste(image, help_plate(scene.size), 0, _line_px(scene.size))
        self.image = image
        self._frames += 1
        return True

    def asked(self) -> Asked:
        """What the script says after that many frames."""
        return Asked() if self._script is None else Asked(self._script(self._frames))

    def picture(self) -> Image:
        """The last one drawn."""
        assert self.image is not None
        return self.image

    def close(self) -> None:
        """Give the renderer back."""
        self._renderer.close()


class Window:
    """An Open3D window: heads, plates with words, and dots for sensors.

    Words are textured quads, since the title of such a window cannot change.

    Raises:
        EnvironmentMissing: there is no display, or Open3D does not work here.
    """

    def __init__(self, size: int, title: str, panels: int = 1, head: Head | None = None) -> None:
        from viz.offscreen import Open3dRenderer

        require_window()
        mesh = standard_head() if head is None else head
        self._renderer = Open3dRenderer(
            mesh, size, panels, captions=False, visible=True, title=title
        )
        scene = self._renderer.scene
        self._caption_px = 2 * round(size * _CAPTION_SHARE / 2)
        low = scene.size - self._caption_px
        self._captions: tuple[str, ...] | None = None
        self._strip = self._renderer.add_plate(0, low, scene.width, self._caption_px)
        self._plates: dict[str, tuple[object, Any]] = {}  # by name: what it says, and it
        self._sites = SensorDots(mesh)
        self._dots: Any = None
        self._commands: list[Command] = []
        self._spent_s: deque[float] = deque(maxlen=SPENT)
        self._turn, self._wheel = (0.0, 0.0), 0.0
        self._held: tuple[float, float] | None = None
        self._is_held = False
        self._listen()

    def _listen(self) -> None:
        for key in KEYS:
            code = _GLFW.get(key.name, ord(key.name[0].upper()))
            self._renderer.on_key(code, lambda command=key.command: self._commands.append(command))  # type: ignore[misc]
        self._renderer.on_mouse(self._press, self._drag, self._roll)

    def _press(self, button: int, is_down: bool) -> None:
        if button == _BUTTON_LEFT:
            self._is_held, self._held = is_down, None

    def _drag(self, x: float, y: float) -> None:
        if not self._is_held:
            return
        if self._held is not None:
            yaw, pitch = x - self._held[0], y - self._held[1]
            self._turn = (
                self._turn[0] + yaw * _RAD_PER_PX,
                self._turn[1] + pitch * _RAD_PER_PX,
            )
        self._held = (x, y)

    def _roll(self, up: float) -> None:
        self._wheel += up

    def asked(self) -> Asked:
        """Keys, drags and the wheel."""
        asked = Asked(tuple(self._commands), self._turn, self._wheel)
        self._commands.clear()
        self._turn, self._wheel = (0.0, 0.0), 0.0
        return asked

    def show(self, shown: Shown) -> bool:
        """Draw it and handle the window's events; False once it has been closed."""
        scene = self._renderer.scene
        scene.view = shown.view
        captions = tuple(panel.caption for panel in shown.panels)
        if captions != self._captions:
            self._captions = captions
            strip = caption_strip(captions, scene.size, self._caption_px)
            self._renderer.paint_plate(self._strip, strip)
        self._plate("line", shown.line, 0, lambda: line_plate(shown.line, scene.size))
        self._plate("help", shown.help, _line_px(scene.size), lambda: help_plate(scene.size))
        self._place_dots(shown)
        self._renderer.aim()
        began_s = time.perf_counter()
        is_open = self._renderer.show(shown.panels)
        self._spent_s.append(time.perf_counter() - began_s)
        if len(self._spent_s) == SPENT and statistics.median(self._spent_s) > SLOW_S:
            self._renderer.go_plain()
        return is_open

    def _plate(self, name: str, says: object, top: int, draw: Callable[[], Image]) -> None:
        """Have a plate at the left that says so; none where `says` is empty or false."""
        before = self._plates.pop(name, None)
        if before is not None and before[0] == says:
            self._plates[name] = before
            return
        if before is not None:
            self._renderer.remove(before[1])
        if says:
            image = draw()
            plate = self._renderer.add_plate(0, top, image.shape[1], image.shape[0])
            self._renderer.paint_plate(plate, image)
            self._plates[name] = says, plate

    def _place_dots(self, shown: Shown) -> None:
        scene, each = self._renderer.scene, len(self._sites.names)
        if shown.heard is None:
            if self._dots is not None:
                self._renderer.remove(self._dots)
                self._dots = None
            return
        if self._dots is None:
            self._dots = self._renderer.add_dots(scene.panels * each)
        pixels, radii, inks = [], [], []
        for index, (panel, heard) in enumerate(zip(shown.panels, shown.heard, strict=True)):
            places, is_seen = self._sites.places(scene, panel, index)
            known = np.ones(each, bool) if heard is None else np.array(heard)
            pixels.append(places)
            radii.append(np.where(is_seen, self._sites.radius(scene), 0.0))
            inks.append(np.where(known[:, None], HEARD, SILENT) / 255.0)
        joined = (np.concatenate(parts) for parts in (pixels, radii, inks))
        self._renderer.place_dots(self._dots, *joined)

    def picture(self) -> Image:
        """What the window shows."""
        return self._renderer.capture()

    def close(self) -> None:
        """Close the window."""
        self._renderer.close()


def _line_px(size: int) -> int:
    return 2 * round(0.025 * size)


def line_plate(line: str, size: int) -> Image:
    """What the timeline does, as a strip."""
    high = _line_px(size)
    letters = 0.62 * high
    wide = min(round(text_size(line, letters) + high), size)
    image: NDArray[np.uint8] = np.full((high, wide, 3), CAPTION_GROUND, np.uint8)
    write(image, line, (0.5 * high, 0.72 * high), letters, CAPTION_INK)
    return image


def help_plate(size: int) -> Image:
    """The keys, and what they do."""
    letters = max(9.0, size / 40)
    row, first = 1.55 * letters, 6.5 * letters
    wide = first + max(text_size(words, letters) for _, words in HELP) + 2 * letters
    shape = round(row * (len(HELP) + 1)), round(wide), 3
    image: NDArray[np.uint8] = np.full(shape, CAPTION_GROUND, np.uint8)
    for number, (keys, words) in enumerate(HELP, 1):
        y = row * number + 0.2 * letters
        write(image, keys, (letters, y), letters, CAPTION_INK, weight=BOLD)
        write(image, words, (first + letters, y), letters, CAPTION_INK)
    return image


def _paste(image: Image, plate: Image, left: int, top: int) -> None:
    high, wide = plate.shape[:2]
    high, wide = min(high, image.shape[0] - top), min(wide, image.shape[1] - left)
    image[top : top + high, left : left + wide] = plate[:high, :wide]


def require_window() -> None:
    """Make sure that a window can be opened here.

    Raises:
        EnvironmentMissing: there is no display, or Open3D does not work here.
    """
    from viz.offscreen import require_open3d

    _require_display()
    require_open3d()


def _require_display() -> None:
    if sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        raise EnvironmentMissing(
            "there is no display to open a window on",
            "use `imusic view --headless --seconds 5 --screenshot face.png`, "
            "or run it under xvfb-run",
        )
