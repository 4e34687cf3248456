"""How many seconds of 12 sensors at 200 Hz one core simulates in a second of its time.

    OMP_NUM_THREADS=1 python benchmarks/synthesis.py

Counted in processor time, so that neighbours on the machine disturb less; best of several runs.
"""

import time
from collections.abc import Callable

import numpy as np

from capture.head import standard_head
from dataset_tools.chips import CHIPS, QMI8658
from dataset_tools.disturbances import CALM, draw_disturbances
from dataset_tools.performance import generate_performance, with_routine
from dataset_tools.virtual_imu import feel, put_on
from dataset_tools.wearers import draw_wearer
from firmware_host.layout import FACE_12
from model.data import perceive

LIMIT = 150.0


def best_s(work: Callable[[], object], runs: int = 5) -> float:
    """Seconds of processor time of the fastest run."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Print one line per kind of wearer."""
    rng = np.random.default_rng(0)
    done = with_routine(generate_performance(1, 60.0), 1)
    plain = draw_wearer(standard_head(), FACE_12, rng)
    busy = draw_disturbances(len(FACE_12.slots), FACE_12.reference_index, rng)
    worn = {"plain": plain}
    for name, chip in CHIPS.items():
        worn[name] = put_on(FACE_12, plain.sites, rng, chip=chip, disturbances=CALM)
    worn["plain, disturbed"] = put_on(FACE_12, plain.sites, rng, disturbances=busy)
    worn["QMI8658, disturbed"] = put_on(FACE_12, plain.sites, rng, chip=QMI8658, disturbances=busy)
    for name, wearer in worn.items():
        felt = best_s(lambda wearer=wearer: feel(done, wearer, 200.0, np.random.default_rng(1)))
        seen = best_s(lambda wearer=wearer: perceive(done, wearer, np.random.default_rng(1), 200.0))
        print(
            f"{name:20} samples {done.duration_s / felt:5.0f} x real time, "
            f"with features {done.duration_s / seen:5.0f} x"
        )
    print(f"limit with features  {LIMIT:.0f} x")


if __name__ == "__main__":
    main()
