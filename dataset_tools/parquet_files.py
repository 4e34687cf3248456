"""Arrow tables to and from Parquet files, the same table always as the same bytes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.provenance import file_sha256
from firmware_host.errors import DataError, EnvironmentMissing
from firmware_host.samples import Floats


def arrow() -> tuple[Any, Any]:
    """(pyarrow, pyarrow.parquet). Raises EnvironmentMissing without them."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise EnvironmentMissing(
            "data sets need pyarrow, which is not installed", 'pip install "imusic[dataset]"'
        ) from error
    return pyarrow, pyarrow.parquet


def lists(parts: Sequence[NDArray[Any]], width: int) -> Any:
    """Rows of `width` float32 as an Arrow column."""
    pa, _ = arrow()
    flat = np.concatenate([np.asarray(p, np.float32).reshape(-1, width) for p in parts]).ravel()
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), width)


def matrix(table: Any, key: str) -> Floats:
    """A column of `lists` as (N, width)."""
    column = table[key].combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float32).reshape(table.num_rows, column.type.list_size)


def write_table(table: Any, path: Path, row_group: int | None = None) -> str:
    """Write a table under a temporary name, then rename; returns its sha256.

    row_group: rows that are read together; None leaves it to Arrow.
    """
    _, parquet = arrow()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    parquet.write_table(
        table,
        temporary,
        compression="zstd",
        use_dictionary=False,
        column_encoding=_encodings(table),
        write_statistics=False,
        row_group_size=row_group,
    )
    flush_to_disk(temporary)
    digest = file_sha256(temporary)
    temporary.replace(path)
    return digest


def read_table(path: Path, columns: Sequence[str] | None = None) -> Any:
    """Read a file of `write_table`. Raises DataError where it is damaged or lacks a column."""
    pa, parquet = arrow()
    try:
        table = parquet.read_table(path, columns=None if columns is None else list(columns))
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: not readable: {error}") from error
    for name in columns or ():
        if name not in table.column_names:
            raise DataError(f"{path}: column {name!r} is missing")
    return table


def flush_to_disk(path: Path) -> None:
    """Wait until a file is on the disk: what is renamed afterwards names whole files only."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _encodings(table: Any) -> dict[str, str]:
    """Sensor noise does not compress; splitting floats by byte lets the exponents. Times step."""
    pa, _ = arrow()
    found = {}
    for field in table.schema:
        if pa.types.is_fixed_size_list(field.type) and pa.types.is_floating(field.type.value_type):
            found[f"{field.name}.list.element"] = "BYTE_STREAM_SPLIT"
        elif field.name in ("time_ns", "tick"):
            found[field.name] = "DELTA_BINARY_PACKED"
    return found
