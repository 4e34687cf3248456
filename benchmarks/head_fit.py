"""Our head against a measured one: landmark errors of the neutral face and of every shape.

    python benchmarks/head_fit.py    # reads mesh/landmarks.csv where IMUSIC_DATA points

The table holds 87 points of ICT-FaceKit's light head (MIT, USC Institute for Creative Technologies)
and how far each ARKit shape moves them. Three means of the displacement error are printed: over all
points (most stand still in most shapes, which flatters), over points that the shape moves by more
than 1 mm (the honest one), and over those of them that the shape was not built from.
"""

import argparse
import os
from pathlib import Path

import numpy as np

from capture.head_fit import Fit, fit, parse_landmarks

NEUTRAL_BOUND_MM, DISPLACEMENT_BOUND_MM = 4.0, 2.0


def main() -> None:
    """Print the table; exit with 1 where a bound does not hold."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    root = os.environ.get("IMUSIC_DATA", "../shared/data")
    options.add_argument("--data", type=Path, default=root)
    with (Path(options.parse_args().data) / "mesh" / "landmarks.csv").open(newline="") as file:
        found = fit(parse_landmarks(file))
    print_neutral(found)
    print_shapes(found)
    held = found.aligned.mean() < NEUTRAL_BOUND_MM
    raise SystemExit(not (held and found.displacement.mean() < DISPLACEMENT_BOUND_MM))


def print_neutral(found: Fit) -> None:
    """Neutral face: mean and worst, with and without a rigid alignment."""
    print(f"neutral, {len(found.points)} points, mm            mean   worst")
    for what, errors in (("as it stands", found.neutral), ("after rigid alignment", found.aligned)):
        worst = found.points[int(errors.argmax())]
        print(f"  {what:30s} {errors.mean():6.2f}  {errors.max():6.2f}  {worst}")


def print_shapes(found: Fit) -> None:
    """One line per shape, and the means over all of them."""
    print("\ndisplacement, mm           all points   moved > 1   not built from   travel of moved")
    for k, shape in enumerate(found.shapes):
        print(f"  {shape:22s} {_line(found, np.arange(len(found.shapes)) == k)}")
    print(f"  {'all shapes':22s} {_line(found, np.ones(len(found.shapes), bool))}")


def _line(found: Fit, rows: np.ndarray) -> str:
    error, moved, told = found.displacement[rows], found.moved[rows], found.told[rows]
    values = [error.mean(), *(_mean(error, where) for where in (moved, moved & ~told))]
    return "".join(f"{v:13.2f}" for v in (*values, _mean(found.travel[rows], moved)))


def _mean(values: np.ndarray, where: np.ndarray) -> float:
    return float(values[where].mean()) if where.any() else float("nan")


if __name__ == "__main__":
    main()
