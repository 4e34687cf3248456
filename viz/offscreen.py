"""Drawing heads with Open3D, on any machine that can; and choosing the renderer that works here.

Open3D's legacy `Visualizer` is used, hidden: on a CPU it is some fifteen times faster than its
`OffscreenRenderer`, which also ends the process where there is no Vulkan driver. Without a display
it finds EGL by itself.

A missing system library can end the process too, not only raise. So whether Open3D works is first
tried in a child process, and a success is remembered.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import metadata, util
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from capture.head import Head, standard_head
from firmware_host.errors import ConfigError, EnvironmentMissing
from viz.quiet import quiet_stderr
from viz.scene import Image, Panel, Renderer, Scene
from viz.software import SoftwareRenderer

Prefer = Literal["auto", "open3d", "software"]

INSTALL_LIBRARIES = (
    "apt-get install libusb-1.0-0 libgl1 libegl1 libgl1-mesa-dri libx11-6"
    if sys.platform == "linux"
    else "update the graphics driver"
)
INSTALL_OPEN3D = "pip install 'imusic[viz]'"
PROBE_TIMEOUT_S = 60.0
_RAISED = f"{EnvironmentMissing.__module__}.{EnvironmentMissing.__name__}: "
_BACKDROP_BEHIND_M = 0.6
_BACKDROP_STEP_PX = 16
_PLATE_NEAR = 0.5  # of the head's distance: before it, however close the view is
_DOT_CORNERS = 20


class Open3dRenderer:
    """A `Renderer` on a hidden (or, for `imusic view`, visible) Open3D window.

    Raises:
        EnvironmentMissing: Open3D cannot be imported, or gives no window.
    """

    name = "open3d"

    def __init__(
        self,
        head: Head,
        size: int,
        panels: int = 1,
        captions: bool = True,
        visible: bool = False,
        title: str = "imusic",
    ) -> None:
        self.scene = Scene(head, size, panels, captions)
        with quiet_stderr() as heard:
            self._o3d = _import_open3d()
            drawing = self._o3d.visualization
            self._window: Any = (
                drawing.VisualizerWithKeyCallback() if visible else drawing.Visualizer()
            )
            scene = self.scene
            if not self._window.create_window(title, scene.width, scene.size, visible=visible):
                self._window = None
                raise EnvironmentMissing(
                    f"Open3D cannot open a window: {_last_line(heard)}", INSTALL_LIBRARIES
                )
            self._behind: Any = self._backdrop()
            self._mesh = self._furnish()

    def _furnish(self) -> Any:
        """Put backdrop and heads into the window, unlit, and place its camera."""
        option = self._window.get_render_option()
        option.light_on = False  # `scene.shade` has lit the colours already
        option.mesh_show_back_face = False
        option.background_color = np.array([0.8, 0.83, 0.86])
        self._window.add_geometry(self._behind)
        seen, colours = self.scene.lay([_NEUTRAL] * self.scene.panels)
        mesh = self._mesh_of(seen, self.scene.triangles, colours)
        self._window.add_geometry(mesh)
        self.aim()
        return mesh

    def _mesh_of(
        self, vertices: NDArray[np.floating], triangles: Any, colours: NDArray[np.floating]
    ) -> Any:
        corners = self._o3d.utility.Vector3iVector(triangles)
        mesh = self._o3d.geometry.TriangleMesh(self._vectors(vertices), corners)
        mesh.vertex_colors = self._vectors(colours)
        # Unlit, so they are never used; without them Open3D computes its own at every update.
        mesh.vertex_normals = self._vectors(np.zeros_like(vertices))
        return mesh

    def _vectors(self, rows: NDArray[np.floating]) -> Any:
        # Open3D copies float64 rows at once, but float32 rows element by element, 700 times slower.
        return self._o3d.utility.Vector3dVector(np.asarray(rows, np.float64))

    def _backdrop(self) -> Any:
        """The scene's backdrop as a coloured grid behind the heads."""
        scene = self.scene
        x, y = (
            np.linspace(0, n - 1, max(2, n // _BACKDROP_STEP_PX)) for n in (scene.width, scene.size)
        )
        columns, rows = np.meshgrid(x, y)
        colours = scene.backdrop()[np.rint(rows).astype(int), np.rint(columns).astype(int)] / 255.0
        depth = scene.distance + _BACKDROP_BEHIND_M
        # A little larger than the picture, so that no edge shows.
        scale = 1.02 * depth / scene.focal_px
        right, down = (columns - x[-1] / 2) * scale, (rows - y[-1] / 2) * scale
        points = np.stack([right, down, np.full_like(right, depth)], axis=-1)
        corner = (np.arange(len(y) - 1)[:, None] * len(x) + np.arange(len(x) - 1)).ravel()
        below = corner + len(x)
        first = np.stack([corner, below, corner + 1], axis=-1)
        second = np.stack([corner + 1, below, below + 1], axis=-1)
        triangles = np.concatenate([first, second])
        # Both ways round: whichever way the driver culls, one of them faces the camera.
        both = np.concatenate([triangles, triangles[:, ::-1]]).astype(np.int32)
        return self._mesh_of(points.reshape(-1, 3), both, colours.reshape(-1, 3))

    def go_plain(self) -> None:
        """Leave the backdrop out from now on; safe to call twice.

        Of a window that is drawn without a GPU it takes a quarter of the time.
        """
        if self._behind is not None:
            self._window.get_render_option().background_color = (
                self.scene.backdrop().mean((0, 1)) / 255
            )
            self.remove(self._behind)
            self._behind = None

    def aim(self) -> None:
        """Place the window's camera where the scene's is."""
        camera = self._o3d.camera.PinholeCameraParameters()
        scene = self.scene
        camera.intrinsic = self._o3d.camera.PinholeCameraIntrinsic(
            scene.width,
            scene.size,
            scene.focal_px,
            scene.focal_px,
            scene.width / 2 - 0.5,
            scene.size / 2 - 0.5,
        )
        camera.extrinsic = np.eye(4)
        self._window.get_view_control().convert_from_pinhole_camera_parameters(camera, True)

    def on_key(self, code: int, act: Callable[[], None]) -> None:
        """Call `act` whenever a key of that GLFW code is pressed, or repeats; of a visible one."""

        def pressed(_: Any) -> bool:
            act()
            return False

        self._window.register_key_callback(code, pressed)

    def on_mouse(
        self,
        button: Callable[[int, bool], None],
        move: Callable[[float, float], None],
        wheel: Callable[[float], None],
    ) -> None:
        """Call these instead of turning Open3D's own camera, which lamps and plates go by."""

        def pressed(_: Any, which: int, action: int, __: int) -> bool:
            button(which, action != 0)
            return False

        def moved(_: Any, x: float, y: float) -> bool:
            move(x, y)
            return False

        def rolled(_: Any, __: float, up: float) -> bool:
            wheel(up)
            return False

        self._window.register_mouse_button_callback(pressed)
        self._window.register_mouse_move_callback(moved)
        self._window.register_mouse_scroll_callback(rolled)

    def add_plate(self, left: int, top: int, width: int, height: int) -> Any:
        """Add a textured strip before the heads, pixels of the picture; for `paint_plate`."""
        near = _PLATE_NEAR * self.scene.distance
        right, low = left + width, top + height
        corners = np.array([[left, low], [right, low], [right, top], [left, top]], float)
        points = self._before_camera(corners, near)
        triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
        plate = self._mesh_of(points, triangles, np.ones((4, 3)))
        across = np.array([[0, 1], [1, 1], [1, 0], [0, 1], [1, 0], [0, 0]], float)
        plate.triangle_uvs = self._o3d.utility.Vector2dVector(across)
        plate.triangle_material_ids = self._o3d.utility.IntVector([0, 0])
        plate.textures = [self._o3d.geometry.Image(np.full((height, width, 3), 250, np.uint8))]
        self._window.add_geometry(plate, reset_bounding_box=False)
        return plate

    def _before_camera(self, pixels: NDArray[np.floating], depth: float) -> NDArray[np.floating]:
        """(N, 3) in camera space of (N, 2) places in the picture, at one depth."""
        scene = self.scene
        middle = np.array([scene.width / 2, scene.size / 2])
        flat = (pixels - middle) * depth / scene.focal_px
        return np.column_stack([flat, np.full(len(flat), depth)])

    def add_dots(self, count: int) -> Any:
        """Add dots with white rings, unseen until `place_dots`."""
        fan = np.arange(_DOT_CORNERS)
        one = np.column_stack([np.zeros_like(fan), fan + 1, (fan + 1) % _DOT_CORNERS + 1])
        both = np.concatenate([one, one[:, ::-1]])  # whichever way the driver culls
        each = _DOT_CORNERS + 1
        triangles = np.concatenate([both + i * each for i in range(2 * count)]).astype(np.int32)
        unseen = np.tile([0.0, 0.0, _PLATE_NEAR * self.scene.distance], (2 * count * each, 1))
        dots = self._mesh_of(unseen, triangles, np.ones((2 * count * each, 3)))
        self._window.add_geometry(dots, reset_bounding_box=False)
        return dots

    def place_dots(
        self, dots: Any, pixels: NDArray[np.floating], radii: NDArray[np.floating], colours: Any
    ) -> None:
        """Move dots to (N, 2) pixels, with radii (N,), 0 where unseen, and colours (N, 3) sRGB."""
        turn = np.linspace(0, 2 * np.pi, _DOT_CORNERS, endpoint=False)
        circle = np.concatenate([[[0.0, 0.0]], np.column_stack([np.cos(turn), np.sin(turn)])])
        ringed = np.where(radii > 0, radii + 2, 0)
        near = _PLATE_NEAR * self.scene.distance
        layers = []
        for size, depth in ((ringed, 1.02 * near), (radii, 1.01 * near)):
            corners = pixels[:, None] + size[:, None, None] * circle
            layers.append(self._before_camera(corners.reshape(-1, 2), depth))
        inks = np.concatenate([np.ones((len(radii), 3)), np.asarray(colours, float)])
        dots.vertices = self._vectors(np.concatenate(layers))
        dots.vertex_colors = self._vectors(np.repeat(inks, len(circle), axis=0))
        self._window.update_geometry(dots)

    def remove(self, added: Any) -> None:
        """Take away a plate or dots."""
        self._window.remove_geometry(added, reset_bounding_box=False)

    def paint_plate(self, plate: Any, image: Image) -> None:
        """Put (height, width, 3) on a plate."""
        plate.textures = [self._o3d.geometry.Image(np.ascontiguousarray(image))]
        self._window.update_geometry(plate)

    def show(self, panels: Sequence[Panel]) -> bool:
        """Draw into the window and handle its events; False once it has been closed."""
        self._update(panels)
        alive = bool(self._window.poll_events())
        self._window.update_renderer()
        return alive

    def draw(self, panels: Sequence[Panel]) -> Image:
        """(H, W, 3) uint8 RGB; see `Renderer.draw`."""
        self._update(panels)
        return self.scene.captioned(self.capture(), panels)

    def capture(self) -> Image:
        """(size, width, 3) uint8 RGB: what the window shows, plates and dots too."""
        # Capturing renders; polling for events first would render a second time.
        import cv2

        seen = np.asarray(self._window.capture_screen_float_buffer(do_render=True))
        return np.asarray(cv2.convertScaleAbs(seen, alpha=255.0), np.uint8)

    def _update(self, panels: Sequence[Panel]) -> None:
        seen, colours = self.scene.lay(panels)
        self._mesh.vertices = self._vectors(seen)
        self._mesh.vertex_colors = self._vectors(colours)
        self._window.update_geometry(self._mesh)

    def close(self) -> None:
        """Close the window; safe to call twice."""
        if self._window is not None:
            with quiet_stderr():
                self._window.destroy_window()
            self._window = None


_NEUTRAL = Panel(np.zeros(52, np.float32))


def open_renderer(
    size: int,
    panels: int = 1,
    prefer: Prefer = "auto",
    head: Head | None = None,
    captions: bool = True,
    smooth: int = 2,
) -> Renderer:
    """Open3D where it works, else the software renderer after one line on stderr that says why.

    Args:
        size: pixels of one square panel, even.
        panels: heads side by side.
        prefer: "open3d" raises instead of falling back; "software" does not even try Open3D.
        head: the mesh; default the standard one.
        captions: leave a strip for captions under the heads.
        smooth: see `SoftwareRenderer`; 1 is some three times faster and leaves jagged edges.

    Raises:
        EnvironmentMissing: `prefer` is "open3d" and it cannot be used.
    """
    mesh = standard_head() if head is None else head
    if prefer == "software":
        return SoftwareRenderer(mesh, size, panels, captions, smooth)
    try:
        require_open3d()
        return Open3dRenderer(mesh, size, panels, captions)
    except EnvironmentMissing as missing:
        if prefer == "open3d":
            raise
        _tell_once(f"drawing without Open3D, slower: {missing}; to change that: {missing.hint}")
        return SoftwareRenderer(mesh, size, panels, captions, smooth)


def prefer_named(name: str) -> Prefer:
    """The renderer that an operator asked for. Raises ConfigError where there is none such."""
    for known in get_args(Prefer):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise ConfigError(f"renderer {name!r}: expected {', '.join(get_args(Prefer))}")


@cache
def _tell_once(line: str) -> None:
    print(f"imusic: {line}", file=sys.stderr)  # noqa: T201


def require_open3d() -> None:
    """Make sure that Open3D can draw here, by trying it in a child process.

    Raises:
        EnvironmentMissing: it cannot; the hint says what to install.
    """
    if util.find_spec("open3d") is None:
        raise EnvironmentMissing("Open3D is not installed", INSTALL_OPEN3D)
    memory, key = _memory_file(), _circumstances()
    if _remembered(memory) == key:
        return
    _probe()
    _remember(memory, key)


def _probe() -> None:
    """Draw one head in a child process. Raises EnvironmentMissing with the child's last words."""
    child = "import viz.offscreen as o; o.draw_one_head()"
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        done = subprocess.run(
            [sys.executable, "-c", child],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentMissing(
            f"Open3D did not draw within {PROBE_TIMEOUT_S:g} s", INSTALL_LIBRARIES
        ) from error
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        reason = words[-1].removeprefix(_RAISED) if words else ""
        raise EnvironmentMissing(
            reason or f"Open3D ended a trial with code {done.returncode}", INSTALL_LIBRARIES
        )


def draw_one_head() -> None:
    """What the child of `_probe` does. Raises EnvironmentMissing where nothing appears."""
    renderer = Open3dRenderer(standard_head(), 64, captions=False)
    image = renderer.draw([_NEUTRAL])
    renderer.close()
    if np.abs(image.astype(int) - renderer.scene.backdrop()).max() < 40:
        raise EnvironmentMissing("Open3D draws, but the picture stays empty", INSTALL_LIBRARIES)


def _circumstances() -> dict[str, str]:
    """What a success of the probe depended on."""
    versions = {}
    for name in ("open3d", "open3d-cpu", "numpy"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    screens = {name: os.environ.get(name, "") for name in ("DISPLAY", "WAYLAND_DISPLAY")}
    found = util.find_spec("open3d")
    place = {"python": sys.version, "open3d_at": str(found and found.origin)}
    return {"machine": platform.platform(), **place, **versions, **screens}


def _memory_file() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("imusic") / "open3d-works.json"


def _remembered(path: Path) -> object:
    """What `_remember` wrote, or None. Only successes are kept, so installing libraries helps."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _remember(path: Path, key: dict[str, str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(key), "utf-8")
    except OSError:  # a read-only home only costs the next run its own trial
        return


def _import_open3d() -> ModuleType:
    """Import Open3D, quietly. Raises EnvironmentMissing where a library it needs is missing."""
    try:
        import open3d
    except (ImportError, OSError) as error:
        raise EnvironmentMissing(f"Open3D cannot be loaded: {error}", INSTALL_LIBRARIES) from error
    open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
    loaded: ModuleType = open3d
    return loaded


def _last_line(heard: Any) -> str:
    heard.seek(0)
    lines = heard.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it does not say why"
