"""How long `imusic --help` takes, beside a Python that does nothing.

    python benchmarks/startup.py [RUNS]

The ratio travels between machines better than the seconds do. The project's limit is 0.3 s on a
desktop; what keeps it is tests/test_cli.py, which counts imports instead of milliseconds.
"""

import statistics
import subprocess
import sys
import time

LIMIT_S = 0.3


def wall_s(*command: str) -> float:
    """Seconds that one run of `command` takes, from start to end of the process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main(runs: int) -> None:
    """Measure both in turn, so that a busy moment hits both, and print the medians."""
    wall_s("-m", "imusic", "--help")  # the first run compiles
    pairs = [(wall_s("-c", "pass"), wall_s("-m", "imusic", "--help")) for _ in range(runs)]
    bare, help_ = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"python -c pass   {bare * 1e3:6.0f} ms")
    print(f"imusic --help    {help_ * 1e3:6.0f} ms   ratio {help_ / bare:.1f}, {runs} runs each")
    print(f"limit            {LIMIT_S * 1e3:6.0f} ms   {'kept' if help_ < LIMIT_S else 'BROKEN'}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
