"""Samples of other rigs as CSV: `time_s`, and six columns for every slot, one row a sample.

    time_s,head_reference.ax,head_reference.ay,…,head_reference.gz,mentalis.ax,…

`ax ay az` are m/s², `gx gy gz` rad/s, in the sensor's own frame; an empty cell is a reading that
was not heard. What comes out has the keys of the NPZ that `imusic import samples` reads, so the
same checks of units, pace and slots apply.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_host.errors import DataError

TIME = "time_s"
AXES = ("ax", "ay", "az", "gx", "gy", "gz")
MAX_BYTES = 2 << 30


def read_rig_csv(path: Path) -> dict[str, NDArray[Any]]:
    """`slots` (S,), `time_s` (N,), `accel_m_s2` and `gyro_rad_s` (N, S, 3) of a CSV.

    Raises:
        DataError: naming the column or line that is wrong.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: larger than {MAX_BYTES >> 20} MB")
        with path.open(newline="", encoding="utf-8-sig") as file:
            names = [name.strip() for name in next(csv.reader(file), [])]
            slots = _slots(path, names)
            rows = [_numbers(path, row, len(names), n) for n, row in enumerate(csv.reader(file), 2)
                    if row]  # fmt: skip
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: expected CSV in UTF-8: {error}") from error
    table = np.array(rows, float).reshape(len(rows), len(names))
    at = {name: k for k, name in enumerate(names)}
    columns = [[at[f"{slot}.{axis}"] for axis in AXES] for slot in slots]
    readings = table[:, columns]  # (N, S, 6)
    return {
        "slots": np.array(slots),
        "time_s": table[:, at[TIME]],
        "accel_m_s2": readings[..., :3],
        "gyro_rad_s": readings[..., 3:],
    }


def _slots(path: Path, names: list[str]) -> list[str]:
    """The slots in order of appearance, each with all of its axes."""
    if len(set(names)) != len(names):
        raise DataError(f"{path}: a column is named twice")
    if TIME not in names:
        raise DataError(f"{path}: expected a column {TIME!r}, got {', '.join(names[:8])}")
    slots = list(dict.fromkeys(name.rpartition(".")[0] for name in names if name != TIME))
    wanted = {f"{slot}.{axis}" for slot in slots for axis in AXES} | {TIME}
    if wrong := wanted ^ set(names):
        raise DataError(
            f"{path}: column {sorted(wrong)[0]!r} is missing or unknown",
            "every slot has SLOT.ax, .ay, .az in m/s² and .gx, .gy, .gz in rad/s",
        )
    return slots


def _numbers(path: Path, row: list[str], count: int, line: int) -> list[float]:
    if len(row) != count:
        raise DataError(f"{path}, line {line}: expected {count} cells, got {len(row)}")
    try:
        return [float(cell) if cell.strip() else np.nan for cell in row]
    except ValueError as error:
        raise DataError(f"{path}, line {line}: {error}") from error
