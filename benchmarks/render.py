"""How fast the renderers draw: frames per second, and what one costs against the other.

    python benchmarks/render.py [--size 512] [--frames 30] [--json]

Every frame has other weights, is captured into an array, and counts the deformation of the head.
The renderers take turns, so that a busy machine slows them alike; medians are given.
"""

import argparse
import json
import statistics
import time
from contextlib import closing

import numpy as np

from capture.head import standard_head
from firmware_host.errors import EnvironmentMissing
from viz.offscreen import open_renderer
from viz.scene import Panel, Renderer
from viz.software import SoftwareRenderer

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
    return found


def seconds_per_frame(renderer: Renderer, frames: int, rng: np.random.Generator) -> float:
    """Mean time of `frames` pictures of faces that differ."""
    faces = 0.3 * rng.random((frames, renderer.scene.panels, 52), np.float32)
    began = time.perf_counter()
    for face in faces:
        renderer.draw([Panel(weights, caption="benchmark") for weights in face])
    return (time.perf_counter() - began) / frames


def measure(size: int, panels: int, frames: int) -> dict[str, float]:
    """Median seconds per frame of every renderer."""
    rng = np.random.default_rng(1)
    renderers = candidates(size, panels)
    times: dict[str, list[float]] = {name: [] for name in renderers}
    for renderer in renderers.values():
        renderer.draw([Panel(np.zeros(52, np.float32))] * panels)
    for _ in range(ROUNDS):
        for name, renderer in renderers.items():
            count = frames if name == "open3d" else max(2, frames // 10)
            times[name].append(seconds_per_frame(renderer, count, rng))
    for renderer in renderers.values():
        with closing(renderer):
            continue
    return {name: statistics.median(spent) for name, spent in times.items()}


def main() -> None:
    """Measure one head and two, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    head = standard_head()
    results = {f"{n} heads": measure(options.size, n, options.frames) for n in (1, 2)}
    if options.json:
        print(json.dumps(results))
        return
    print(f"{len(head.vertices)} vertices, {options.size} px per head")
    for what, spent in results.items():
        fastest = min(spent.values())
        for name, seconds in sorted(spent.items(), key=lambda item: item[1]):
            print(f"{what}  {name:24} {1 / seconds:6.1f} fps  {seconds / fastest:5.1f} x")


if __name__ == "__main__":
    main()
