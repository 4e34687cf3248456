"""How fast our head is: 52 weights to vertices, building it, building somebody else's.

    python benchmarks/head_speed.py

Prints one JSON line, medians in milliseconds. `deform_ms` is one frame at a time, as a live viewer
asks for it: one product of the sparse displacements with the weights, and a sum.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from capture.head import build_head, seeded_head
from capture.head_files import read_cached, write_cached
from capture.head_surface import build_skin


def main() -> None:
    """Measure everything once."""
    import scipy.interpolate  # noqa: F401 - its import is not part of building

    head = build_head()
    rng = np.random.default_rng(0)
    frames = rng.uniform(0.0, 1.0, (240, 52)).astype(np.float32)
    head.deform(frames[0])  # builds the sparse matrix
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "head.npz"
        write_cached(head, cache)
        figures = {
            "vertices": len(head.vertices),
            "nonzero_share": round(float((head.deltas != 0).mean()), 3),
            "deform_ms": median_ms(lambda: head.deform(frames[rng.integers(240)]), 500),
            "deform_batch_ms_per_frame": median_ms(lambda: head.deform(frames), 5) / len(frames),
            "normals_ms": median_ms(lambda: head.normals(head.vertices), 50),
            "build_standard_ms": median_ms(build_from_nothing, 3),
            "build_person_ms": median_ms(lambda: seeded_head(int(rng.integers(1000))), 5),
            "read_cached_ms": median_ms(lambda: read_cached(cache), 5),
        }
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


def build_from_nothing() -> None:
    """The standard head with no skin in memory."""
    build_skin.cache_clear()
    build_head()


def median_ms(call: Callable[[], object], times: int) -> float:
    """Median duration of a call."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return 1e3 * float(np.median(taken))


if __name__ == "__main__":
    main()
