"""Marks as the Parquet file `tracks/NAME.parquet` of a sequence, and back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataset_tools.annotations.marks import Mark, comparable
from dataset_tools.parquet_files import arrow, read_table

TRACKS = "tracks"


def marks_table(number: int, marks: Sequence[Mark]) -> Any:
    """One row per mark, in their order."""
    pa, _ = arrow()
    columns = list(zip(*marks, strict=True)) or [()] * len(Mark._fields)
    kinds = (pa.string(), pa.string(), pa.float64(), pa.float64(), pa.float64(), pa.string())
    return pa.table(
        {
            "sequence": pa.array(np.full(len(marks), number, np.int64)),
            **{
                name: pa.array(list(column), kind)
                for name, column, kind in zip(Mark._fields, columns, kinds, strict=True)
            },
        }
    )


def read_marks(folder: Path, name: str) -> tuple[Mark, ...]:
    """The marks of a sequence of a version; none where it has no such file. Raises DataError."""
    path = folder / TRACKS / f"{name}.parquet"
    if not path.is_file():
        return ()
    table = read_table(path, ("sequence", *Mark._fields))
    columns = [table[field].to_pylist() for field in Mark._fields]
    return tuple(comparable(Mark(*row)) for row in zip(*columns, strict=True))
