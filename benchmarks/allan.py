"""Allan deviations of simulated chips beside real logs of resting IMUs: a table and a picture.

    python benchmarks/allan.py --out allan.png            # real logs from IMUSIC_DATA, if there

Real: BROAD (Laidig et al. 2021, CC BY 4.0), the longest rest of every trial; the log that comes
with xioTechnologies' Fusion (MIT), its longest rest, a few dropped samples closed up; the static
T-Stick log. Which chips they were is not said. Simulated: five minutes of every parameter set of
`dataset_tools/chips.py` on a head that does not move.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from capture.allan import allan_deviation, noise_figures
from dataset_tools.chips import CHIPS, Chip
from dataset_tools.performance import Performance
from dataset_tools.virtual_imu import SiteModel, feel, put_on
from firmware_host.layout import FACE_12

Array = NDArray[np.float64]
G = 9.80665
SIMULATED_S, SIMULATED_HZ = 300.0, 200.0


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """Readings of an IMU that lies still. gyro: (N, C) rad/s, accel: (N, C) m/s²."""

    name: str
    rate_hz: float
    gyro: Array
    accel: Array
    real: bool


def main() -> None:
    """Print one JSON line per IMU and write the picture."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument(
        "--data", type=Path, default=os.environ.get("IMUSIC_DATA", "../shared/data")
    )
    options.add_argument("--out", type=Path, default=Path("allan.png"))
    asked = options.parse_args()
    rests = [simulated(chip) for chip in (*CHIPS.values(), Chip())]
    rests += list(real_rests(Path(asked.data) / "imu"))
    for rest in rests:
        print(json.dumps(figures(rest)))
    cv2.imwrite(str(asked.out), picture(rests))
    print(f"wrote {asked.out}")


def simulated(chip: Chip) -> Rest:
    """A head of 12 such chips that does not move for five minutes."""
    time_s = np.arange(0.0, SIMULATED_S + 1, 1.0)
    still = Performance(
        time_s,
        np.zeros((len(time_s), 52)),
        np.tile([1.0, 0.0, 0.0, 0.0], (len(time_s), 1)),
        np.ones(len(time_s), bool),
    )
    none = np.zeros((len(FACE_12.slots), 3, 52))
    sites = SiteModel(none, none, np.array([slot.position_m for slot in FACE_12.slots]))
    rng = np.random.default_rng(7)
    felt = feel(still, put_on(FACE_12, sites, rng, 0.05, chip), SIMULATED_HZ, rng)
    gyro, accel = (
        values.reshape(len(values), -1).astype(float)
        for values in (felt.gyro_rad_s, felt.accel_m_s2)
    )
    return Rest(chip.name, SIMULATED_HZ, gyro, accel, real=False)


def real_rests(folder: Path) -> Iterator[Rest]:
    """The longest rest of every real log below `folder`; none where there are no logs."""
    for path in sorted(folder.glob("broad/*.mat")):
        log = loadmat(path)
        still = _longest(~log["movement"][:, 0].astype(bool))
        rate_hz = float(log["sampling_rate"][0, 0])
        yield Rest(f"BROAD {path.name[:2]}", rate_hz, log["imu_gyr"][still], log["imu_acc"][still],
                   real=True)  # fmt: skip
    for path in folder.glob("xio_fusion/sensor_data.csv"):
        rows = np.genfromtxt(path, delimiter=",", skip_header=1)
        gyro = np.radians(rows[:, 1:4])
        quiet = np.abs(gyro - np.median(gyro, axis=0)).max(axis=1) < np.radians(0.7)
        still = _longest(quiet)
        rate_hz = 1.0 / float(np.median(np.diff(rows[:, 0])))
        yield Rest("xio", rate_hz, gyro[still], G * rows[still, 4:7], real=True)
    for path in folder.glob("tstick/*.csv"):
        rows = np.genfromtxt(path, delimiter=",", skip_header=2)
        rate_hz = (len(rows) - 1) / (rows[-1, 0] - rows[0, 0])
        yield Rest("T-Stick", rate_hz, rows[:, 8:11], rows[:, 5:8], real=True)


def _longest(true: NDArray[np.bool_]) -> slice:
    """The longest stretch of True, less a second at each end of it (300 samples)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], true.astype(int), [0]))))
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    trim = min(300, int(ends[longest] - starts[longest]) // 10)
    return slice(int(starts[longest]) + trim, int(ends[longest]) - trim)


def curve(values: Array, rate_hz: float) -> tuple[Array, Array]:
    """Root mean square over axes of the Allan deviation, up to a tenth of the record."""
    tau_s, deviation = allan_deviation(values, rate_hz)
    known = tau_s <= 0.1 * len(values) / rate_hz
    return tau_s[known], np.sqrt(np.mean(deviation[known] ** 2, axis=1))


def figures(rest: Rest) -> dict[str, str | float | bool]:
    """One line of the table: white noise density and an upper bound of the bias instability."""
    gyro = noise_figures(*curve(rest.gyro, rest.rate_hz))
    accel = noise_figures(*curve(rest.accel, rest.rate_hz))
    return {
        "imu": rest.name,
        "real": rest.real,
        "seconds": round(len(rest.gyro) / rest.rate_hz, 1),
        "gyro_mdps_rthz": round(float(np.degrees(gyro.density)) * 1e3, 2),
        "gyro_instability_below_deg_h": round(float(np.degrees(gyro.bias_instability)) * 3600, 1),
        "accel_ug_rthz": round(accel.density / G * 1e6, 1),
        "accel_instability_below_ug": round(accel.bias_instability / G * 1e6, 1),
    }


WIDTH, HEIGHT, MARGIN, LEGEND = 760, 620, 80, 190
PALETTE = [(180, 119, 31), (14, 127, 255), (44, 160, 44), (40, 39, 214), (189, 103, 148),
           (127, 127, 127), (75, 86, 140), (194, 119, 227), (34, 189, 188), (207, 190, 23),
           (120, 60, 0), (0, 90, 90), (0, 0, 0), (60, 20, 120), (90, 140, 60)]  # fmt: skip


def picture(rests: list[Rest]) -> NDArray[np.uint8]:
    """Gyroscopes left, accelerometers right; simulated as lines, real ones as dots."""
    panels = [
        panel([(r, *curve(r.gyro, r.rate_hz)) for r in rests], (-5.5, -1.5), "gyroscope, rad/s"),
        panel(
            [(r, *curve(r.accel, r.rate_hz)) for r in rests], (-4.5, -0.5), "accelerometer, m/s2"
        ),
    ]
    return np.concatenate(panels, axis=1)


def panel(
    curves: list[tuple[Rest, Array, Array]], decades: tuple[float, float], title: str
) -> NDArray[np.uint8]:
    """One double-logarithmic plot with a legend."""
    image = np.full((HEIGHT, WIDTH + LEGEND, 3), 255, np.uint8)
    spans = (-2.5, 2.0), decades

    def at(x: float, y: float) -> tuple[int, int]:
        right = MARGIN + (x - spans[0][0]) / (spans[0][1] - spans[0][0]) * (WIDTH - MARGIN - 20)
        up = (y - spans[1][0]) / (spans[1][1] - spans[1][0]) * (HEIGHT - 2 * MARGIN)
        return round(right), round(HEIGHT - MARGIN - up)

    _grid(image, spans, at)
    _write(image, f"Allan deviation: {title}", (MARGIN, 40), 0.7)
    _write(image, "averaging time, s", (WIDTH // 2 - 60, HEIGHT - 20), 0.55)
    for number, (rest, tau_s, deviation) in enumerate(curves):
        colour = PALETTE[number % len(PALETTE)]
        points = [at(x, y) for x, y in zip(np.log10(tau_s), np.log10(deviation), strict=True)]
        line = np.array(points, np.int32)
        if rest.real:
            for point in points:
                cv2.circle(image, point, 3, colour, -1, cv2.LINE_AA)
        else:
            cv2.polylines(image, [line], False, colour, 2, cv2.LINE_AA)
        y = MARGIN + 26 * number
        mark = "o" if rest.real else "-"
        _write(image, f"{mark} {rest.name}", (WIDTH + 10, y), 0.5, colour)
    return image


def _grid(
    image: NDArray[np.uint8],
    spans: tuple[tuple[float, float], tuple[float, float]],
    at: Callable[[float, float], tuple[int, int]],
) -> None:
    """Decades, with their exponents at the edges."""
    (left, right), (low, high) = spans
    for decade in range(int(np.ceil(left)), int(right) + 1):
        cv2.line(image, at(decade, low), at(decade, high), (225, 225, 225), 1)
        x, y = at(decade, low)
        _write(image, f"1e{decade}", (x - 15, y + 22), 0.45)
    for decade in range(int(np.ceil(low)), int(np.floor(high)) + 1):
        cv2.line(image, at(left, decade), at(right, decade), (225, 225, 225), 1)
        _write(image, f"1e{decade}", (20, at(left, decade)[1] + 5), 0.45)
    cv2.rectangle(image, at(left, high), at(right, low), (120, 120, 120), 1)


def _write(
    image: NDArray[np.uint8],
    text: str,
    at: tuple[int, int],
    size: float,
    colour: tuple[int, int, int] = (40, 40, 40),
) -> None:
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


if __name__ == "__main__":
    main()
