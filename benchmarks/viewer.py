"""How long a face takes from message to pixel in the viewer.

    python benchmarks/viewer.py [--seconds 10] [--size 640] [--window] [--growth] [--json]

A process of its own publishes 60 faces a second over TCP; the viewer's own loop shows them, in a
hidden renderer whose pixels are read back, or with --window in a real window (under Xvfb:
`xvfb-run python benchmarks/viewer.py --window`). Latency is from the moment of publishing to the
moment at which the picture of that face has been drawn. Both read one monotonic clock. Memory is
that of the viewer's process after the warm-up and at the end: with --seconds 600 it should be flat.
With --growth it is told twenty times, with how many pictures had been drawn, and how fast it grows:
over all of the time, and over the second half, where nothing is still being warmed up.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from capture.head import standard_head
from viz.desktop import Asked, Hidden, Screen, Shown, Window
from viz.feeds import LiveFaces
from viz.scene import Image
from viz.viewing import Outputs, Painter, first_state, watch

HZ = 60.0
WARM_UP_S = 2.0
LOOKS = 20  # at memory
PUBLISHER = """
import sys, time
import numpy as np
from capture.blendshapes import BlendshapeFrame
from capture.publisher import Publisher
from capture.wire import encode, message_from_frame
with Publisher("tcp://127.0.0.1:*") as out:
    print(out.address, flush=True)
    began, number = time.monotonic(), 0
    late_s = 0.0
    while time.monotonic() - began < float(sys.argv[1]):
        due = began + number / float(sys.argv[2])
        time.sleep(max(0.0, due - time.monotonic()))
        late_s = max(late_s, time.monotonic() - due)
        weights = np.full(52, 0.2 + 0.2 * np.sin(number / 9), np.float32)
        frame = BlendshapeFrame(time.monotonic_ns(), weights)
        out.send(encode(message_from_frame(frame, "benchmark", number, time.time_ns())))
        number += 1
    print(number, late_s)
"""


def resident_mb(pid: int) -> float:
    """Memory of a process; NaN where the system does not tell so."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass(frozen=True, slots=True)
class Memory:
    """What the process held after so many seconds and pictures."""

    time_s: float
    drawn: int
    resident_mb: float


def growth_mb_per_min(held: Sequence[Memory]) -> float:
    """The slope of a line through what was held; NaN of fewer than two."""
    if len(held) < 2:
        return float("nan")
    slope = np.polyfit([one.time_s for one in held], [one.resident_mb for one in held], 1)[0]
    return 60.0 * float(slope)


class Timed:
    """Another screen, and when what it was shown had been drawn. every_s: memory is looked at."""

    def __init__(self, screen: Screen, faces: LiveFaces, every_s: float) -> None:
        self._screen, self._faces, self._every_s = screen, faces, every_s
        self.held: list[Memory] = []
        self._began_s = time.monotonic()
        self._seen = -1
        self.latency_ms: list[float] = []
        self.drawn = 0
        self.early_mb = float("nan")

    def show(self, shown: Shown) -> bool:
        """Show it and note how old the face is by then."""
        newest = self._faces.signals[0].newest
        alive = self._screen.show(shown)
        warm = time.monotonic() - self._began_s > WARM_UP_S
        if newest is not None and newest.sequence != self._seen and warm:
            self._seen = newest.sequence
            self.latency_ms.append((time.monotonic_ns() - newest.time_ns) / 1e6)
        if warm and not self.drawn:
            self.early_mb = resident_mb(os.getpid())
        self.drawn += warm
        since_s = time.monotonic() - self._began_s - WARM_UP_S
        if since_s >= len(self.held) * self._every_s:
            self.held.append(Memory(since_s, self.drawn, resident_mb(os.getpid())))
        return alive

    def asked(self) -> Asked:
        """What the operator did."""
        return self._screen.asked()

    def picture(self) -> Image:
        """What was shown last."""
        return self._screen.picture()

    def close(self) -> None:
        """Close it."""
        self._screen.close()


def measure(seconds: float, size: int, window: bool) -> tuple[dict[str, float], Sequence[Memory]]:
    """Run publisher and viewer; latencies in ms, and what was held meanwhile."""
    head = standard_head()
    screen = Window(size, "benchmark", 1, head) if window else Hidden(size, 1, head)
    publisher = subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, str(seconds + 2 * WARM_UP_S), str(HZ)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert publisher.stdout is not None
    try:
        faces = LiveFaces([publisher.stdout.readline().strip()])
        timed = Timed(screen, faces, seconds / LOOKS)
        outputs = Outputs(Path(), print)
        watch(timed, faces, first_state(faces), Painter(head), outputs, seconds + WARM_UP_S)
        sent, late_s = publisher.communicate()[0].split()
    finally:
        publisher.kill()
    p50, p95, p99 = np.quantile(timed.latency_ms, [0.5, 0.95, 0.99])
    found = {
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "p99_ms": round(float(p99), 1),
        "shown_hz": round(len(timed.latency_ms) / seconds, 1),
        "drawn_hz": round(timed.drawn / seconds, 1),
        "early_mb": round(timed.early_mb, 1),
        "end_mb": round(resident_mb(os.getpid()), 1),
        "published": int(sent),
        "publisher_latest_ms": round(1e3 * float(late_s), 1),
        "growth_mb_per_min": round(growth_mb_per_min(timed.held), 2),
        "growth_late_mb_per_min": round(growth_mb_per_min(timed.held[len(timed.held) // 2 :]), 2),
    }
    return found, timed.held


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--window", action="store_true")
    parser.add_argument("--growth", action="store_true", help="tell memory twenty times")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found, held = measure(options.seconds, options.size, options.window)
    if options.json:
        told = {"memory": [asdict(one) for one in held]} if options.growth else {}
        print(json.dumps({**found, **told}))
        return
    for one in held if options.growth else ():
        print(f"{one.time_s:8.1f} s  {one.drawn:6} drawn  {one.resident_mb:8.1f} MB")
    for name, value in found.items():
        print(f"{name:22} {value:g}")


if __name__ == "__main__":
    main()
