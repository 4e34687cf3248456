"""How fast performances are generated, as multiples of real time on one core.

    python benchmarks/performances.py [SEEDS]

The processor's time is measured, so that a busy machine does not hide what changed. The limit
leaves room for everything that comes after it in synthesis.
"""

import sys
import time

from dataset_tools.performance import generate_performance

SECONDS = 30.0
LIMIT = 300.0


def main(seeds: int) -> int:
    """Generate, print the speed, and return 1 where it is below the limit."""
    generate_performance(0, 2.0)  # reads the language table
    start = time.process_time()
    for seed in range(seeds):
        generate_performance(seed, SECONDS)
    speed = seeds * SECONDS / (time.process_time() - start)
    print(f"{speed:.0f} x real time, {seeds} performances of {SECONDS:g} s (limit {LIMIT:g})")
    return int(speed < LIMIT)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 40))
