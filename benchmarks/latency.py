"""The whole chain for minutes: `imusic latency` beside the project's limits, quiet and under load.

    python benchmarks/latency.py [--seconds 300] [--loaded-seconds 60] [--json]

A virtual hub on a pseudo-terminal, `imusic live` in a process of its own, this process subscribes
(`imusic.latency`). Then the same with another core and the disk kept busy. On a machine that does
other things too the figures are the machine's: compare `emission` with `a loop that only sleeps`.
"""

import argparse
import json

from imusic.latency import measured
from imusic.latency_figures import lines

LIMITS = {
    "byte to subscriber, p50": (8.0, "ms", lambda t: t["latency_ms"]["p50"]),
    "byte to subscriber, p99": (16.0, "ms", lambda t: t["latency_ms"]["p99"]),
    "ticks missed": (0, "", lambda t: t["missed_ticks"]),
    "faces off the grid": (0, "", lambda t: t["off_grid"]),
    "emission beyond a bare loop, p99": (
        2.0,
        "ms",
        lambda t: t["emission_late_ms"]["p99"] - t["bare_loop_late_ms"]["p99"],
    ),
    "motion lag": (25.0, "ms", lambda t: t["motion_lag_ms"]),
    "resident memory": (350.0, "MB", lambda t: t["resident_mb"]),
    "share of a core": (0.4, "", lambda t: t["core_share"]),
    "start to the first face": (2.0, "s", lambda t: t["first_face_s"]),
}
LOADED = {"byte to subscriber under load, p99": (25.0, "ms", lambda t: t["latency_ms"]["p99"])}


def judged(told: dict, limits: dict) -> list[str]:
    """A line for each limit."""
    out = []
    for name, (limit, unit, figure) in limits.items():
        value = figure(told)
        kept = value is not None and value <= limit
        shown = "not told" if value is None else f"{value:.2f} {unit}".rstrip()
        out.append(
            f"{name:36s} {shown:>12s}   limit {limit:g} {unit}   {'kept' if kept else 'BROKEN'}"
        )
    return out


def main() -> None:
    """Measure both, print figures and limits."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seconds", type=float, default=300.0)
    options.add_argument("--loaded-seconds", type=float, default=60.0)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--json", action="store_true")
    asked = options.parse_args()
    quiet = measured(asked.seconds, False, (), asked.seed)
    loaded = measured(asked.loaded_seconds, True, (), asked.seed)
    if asked.json:
        print(json.dumps({"quiet": quiet, "loaded": loaded}))
        return
    for title, told, limits in (("quiet", quiet, LIMITS), ("under load", loaded, LOADED)):
        print(f"\n{title}")
        print("\n".join(lines(told)))
        print("\n".join(judged(told, limits)))


if __name__ == "__main__":
    main()
