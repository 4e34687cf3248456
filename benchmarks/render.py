"""How fast the renderers draw: frames per second, and what one costs against the other.

    python benchmarks/render.py [--size 512] [--frames 30] [--encode webm|mp4] [--json]

Every frame has other weights, is captured into an array, and counts the deformation of the head;
with --encode also its way into a video file. The renderers take turns, so that a busy machine
slows them alike; medians are given, and beside the time on the clock that of the processor.

Where PyVista is installed (pip install pyvista), it draws the same mesh with its own light, fresh
points, normals and colours every frame, read back as an array: a measure of what is usual.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from capture.head import Head, standard_head
from firmware_host.errors import EnvironmentMissing
from viz.offscreen import open_renderer
from viz.scene import FIELD_OF_VIEW_RAD, Image, Panel, Renderer, Scene
from viz.software import SoftwareRenderer
from viz.video import CODECS, VideoWriter

ROUNDS = 5


def candidates(size: int, panels: int) -> dict[str, Renderer]:
    """The renderers that work here, by name."""
    head = standard_head()
    found: dict[str, Renderer] = {
        "software": SoftwareRenderer(head, size, panels, smooth=2),
        "software, not smoothed": SoftwareRenderer(head, size, panels, smooth=1),
    }
    try:
        found["open3d"] = open_renderer(size, panels, "open3d")
    except EnvironmentMissing as missing:
        print(f"without Open3D: {missing}")
    if find_spec("pyvista") is not None:
        found["pyvista"] = PyVista(head, size, panels)
    return found


class PyVista:
    """The same heads drawn by PyVista (VTK), as one would by its documentation."""

    name = "pyvista"

    def __init__(self, head: Head, size: int, panels: int) -> None:
        import pyvista

        self.scene = Scene(head, size, panels)
        self._plotter = pyvista.Plotter(off_screen=True, window_size=(size * panels, size))
        seen, colours = self.scene.lay([Panel(np.zeros(52, np.float32))] * panels)
        triangles = self.scene.triangles
        faces = np.column_stack([np.full(len(triangles), 3), triangles]).ravel()
        self._mesh = pyvista.PolyData(seen.astype(float), faces)
        self._mesh["colours"] = np.rint(255 * colours).astype(np.uint8)
        self._plotter.add_mesh(self._mesh, scalars="colours", rgb=True, lighting=False)
        # Camera space, as of `viz.scene`: x right, y down, z away, in a portrait lens.
        self._plotter.camera_position = [(0, 0, 0), (0, 0, self.scene.distance), (0, -1, 0)]
        self._plotter.camera.view_angle = float(np.rad2deg(FIELD_OF_VIEW_RAD))
        self._plotter.show(auto_close=False)

    def draw(self, panels: Sequence[Panel]) -> Image:
        """(H, W, 3) uint8 RGB; see `viz.scene.Renderer`."""
        seen, colours = self.scene.lay(panels)
        self._mesh.points = seen.astype(float)
        self._mesh["colours"] = np.rint(255 * colours).astype(np.uint8)
        self._plotter.render()
        heads = np.ascontiguousarray(self._plotter.screenshot(return_img=True)[..., :3])
        return self.scene.captioned(heads, panels)

    def close(self) -> None:
        """Close the window that nobody saw."""
        self._plotter.close()


def seconds_per_frame(
    renderer: Renderer, frames: int, rng: np.random.Generator, suffix: str
) -> tuple[float, float]:
    """Mean time of `frames` pictures of faces that differ, by the clock and of the processor."""
    faces = 0.3 * rng.random((frames, renderer.scene.panels, 52), np.float32)
    with ExitStack() as stack:
        video = None
        if suffix:
            out = Path(stack.enter_context(tempfile.TemporaryDirectory())) / f"film{suffix}"
            size = renderer.scene.width, renderer.scene.height
            video = VideoWriter(out, 30.0, size)
        began, worked = time.perf_counter(), time.process_time()
        for face in faces:
            image = renderer.draw([Panel(weights, caption="benchmark") for weights in face])
            if video is not None:
                video.write(image)
        if video is not None:
            with video:  # the end of a file is part of it
                pass
        return (time.perf_counter() - began) / frames, (time.process_time() - worked) / frames


def measure(size: int, panels: int, frames: int, suffix: str) -> dict[str, tuple[float, float]]:
    """Median seconds per frame of every renderer, by the clock and of the processor."""
    rng = np.random.default_rng(1)
    renderers = candidates(size, panels)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in renderers}
    for renderer in renderers.values():
        renderer.draw([Panel(np.zeros(52, np.float32))] * panels)
    for _ in range(ROUNDS):
        for name, renderer in renderers.items():
            count = max(2, frames // 10) if name.startswith("software") else frames
            times[name].append(seconds_per_frame(renderer, count, rng, suffix))
    for renderer in renderers.values():
        with closing(renderer):
            continue
    return {
        name: (statistics.median(c for c, _ in spent), statistics.median(p for _, p in spent))
        for name, spent in times.items()
    }


def main() -> None:
    """Measure one head and two, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--encode", choices=[s.removeprefix(".") for s in CODECS], default="")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    head = standard_head()
    suffix = f".{options.encode}" if options.encode else ""
    results = {f"{n} heads": measure(options.size, n, options.frames, suffix) for n in (1, 2)}
    if options.json:
        print(json.dumps(results))
        return
    print(f"{len(head.vertices)} vertices, {options.size} px per head")
    for what, spent in results.items():
        fastest = min(spent.values())[0]
        for name, (seconds, worked) in sorted(spent.items(), key=lambda item: item[1]):
            print(
                f"{what}  {name:24} {1 / seconds:6.1f} fps  {seconds / fastest:5.1f} x  "
                f"{1e3 * worked:6.1f} ms of processor"
            )


if __name__ == "__main__":
    main()
