"""A data set on disk: Parquet shards and a JSON manifest that any tool can read.

    DATASET/
      manifest.json            what it is: layout, units, names, sources, shards with their hashes
      shards/00000.parquet     one row per 60 Hz tick
      sequences/00000.parquet  one row per sequence of that shard: who performs, on whom

Writing one shard is all or nothing: a temporary name, then a rename.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.provenance import DataUse
from firmware_host.errors import DataError, EnvironmentMissing
from firmware_host.layout import SensorLayout, layout_from_dict
from firmware_host.samples import Floats

SCHEMA_VERSION = 1
MANIFEST_FILE = "manifest.json"
UNITS = {"accel": "m/s^2, specific force", "gyro": "rad/s", "tick": "1/60 s"}


class Shard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One shard and what it weighs. Hashes are of the two files, rows then sequences."""

    name: str
    sequences: int
    rows: int
    seconds: float
    sha256: tuple[str, str]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of `manifest.json`. plan: what made it, enough to make it again."""

    layout: dict[str, Any]
    plan: dict[str, Any]
    shards: tuple[Shard, ...]
    data: tuple[DataUse, ...] = ()
    rate_hz: int = 60
    units: dict[str, str] = msgspec.field(default_factory=lambda: dict(UNITS))
    weight_names: tuple[str, ...] = ARKIT_NAMES
    simulated: bool = True
    software: str = ""
    schema_version: int = SCHEMA_VERSION

    @property
    def seconds(self) -> float:
        """Seconds of all sequences together."""
        return sum(shard.seconds for shard in self.shards)


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """One sequence as it lies on disk.

    accel, gyro: (T, S, 3) rows at 60 Hz in sensor frames, NaN where nothing was heard. weights:
    (T, 52). facts: who performs, on which wearer, how long rest and routine at its start are.
    """

    accel_m_s2: Floats
    gyro_rad_s: Floats
    weights: Floats
    facts: dict[str, Any]


def write_shard(folder: Path, name: str, sequences: Sequence[Stored], slots: int) -> Shard:
    """Write one shard whole or not at all. Raises EnvironmentMissing without pyarrow."""
    rows, facts = _row_table(sequences, slots), _fact_table(sequences)
    hashes = tuple(
        _write(table, folder / kind / f"{name}.parquet")
        for kind, table in (("shards", rows), ("sequences", facts))
    )
    seconds = sum(len(s.weights) for s in sequences) / 60
    return Shard(name, len(sequences), rows.num_rows, seconds, (hashes[0], hashes[1]))


def read_shard(folder: Path, name: str, slots: int) -> Iterator[Stored]:
    """The sequences of a shard, in order. Raises DataError where it is not ours or damaged."""
    pa, parquet = _arrow()
    try:
        rows = parquet.read_table(folder / "shards" / f"{name}.parquet")
        facts = parquet.read_table(folder / "sequences" / f"{name}.parquet").to_pylist()
        readings = {key: _matrix(rows, key) for key in ("accel", "gyro", "weights")}
        number = rows["sequence"].to_numpy()
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise DataError(f"{folder}, shard {name}: not readable: {error}") from error
    for row in facts:
        mine = slice(*np.searchsorted(number, (row["sequence"], row["sequence"] + 1)))
        shape = (-1, slots, 3)
        yield Stored(
            readings["accel"][mine].reshape(shape),
            readings["gyro"][mine].reshape(shape),
            readings["weights"][mine],
            row,
        )


def read_manifest(folder: Path) -> Manifest:
    """Read `manifest.json`. Raises DataError naming the file and what is wrong with it."""
    path = folder / MANIFEST_FILE
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise DataError(
            f"{folder} is not a finished data set: it has no {MANIFEST_FILE}",
            "make or finish one with `imusic synth`",
        ) from error
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(f"{path}: {error}") from error
    if manifest.schema_version != SCHEMA_VERSION:
        raise DataError(
            f"{path}: expected schema version {SCHEMA_VERSION}, got {manifest.schema_version}"
        )
    return manifest


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write `manifest.json` whole or not at all: from then on the data set is finished."""
    write_whole(folder / MANIFEST_FILE, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")


def write_whole(path: Path, data: bytes) -> None:
    """Under a temporary name first, then renamed."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(data)
    temporary.replace(path)


def read_dataset(folder: Path) -> Iterator[Stored]:
    """Every sequence of a finished data set, shard by shard. Raises DataError."""
    manifest = read_manifest(folder)
    layout: SensorLayout = layout_from_dict(manifest.layout)
    for shard in manifest.shards:
        yield from read_shard(folder, shard.name, len(layout.slots))


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise EnvironmentMissing(
            "data sets need pyarrow, which is not installed", 'pip install "imusic[dataset]"'
        ) from error
    return pyarrow, pyarrow.parquet


def _row_table(sequences: Sequence[Stored], slots: int) -> Any:
    pa, _ = _arrow()
    lengths = [len(s.weights) for s in sequences]
    number = np.repeat([s.facts["sequence"] for s in sequences], lengths).astype(np.uint32)
    tick = np.concatenate([np.arange(n, dtype=np.uint32) for n in lengths])
    columns = {
        "sequence": pa.array(number),
        "tick": pa.array(tick),
        "accel": _lists([s.accel_m_s2 for s in sequences], 3 * slots),
        "gyro": _lists([s.gyro_rad_s for s in sequences], 3 * slots),
        "weights": _lists([s.weights for s in sequences], len(ARKIT_NAMES)),
    }
    return pa.table(columns)


def _fact_table(sequences: Sequence[Stored]) -> Any:
    pa, _ = _arrow()
    return pa.Table.from_pylist([s.facts for s in sequences])


def _lists(parts: Sequence[NDArray[Any]], width: int) -> Any:
    """Rows of `width` float32 as an Arrow column."""
    pa, _ = _arrow()
    flat = np.concatenate([np.asarray(p, np.float32).reshape(-1, width) for p in parts]).ravel()
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), width)


def _matrix(table: Any, key: str) -> Floats:
    column = table[key].combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float32).reshape(table.num_rows, -1)


def _write(table: Any, path: Path) -> str:
    _, parquet = _arrow()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    # Sensor noise does not compress; splitting floats by byte lets the exponents.
    parquet.write_table(
        table,
        temporary,
        compression="zstd",
        use_dictionary=False,
        column_encoding=_encodings(table),
        write_statistics=False,
    )
    digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
    temporary.replace(path)
    return digest


def _encodings(table: Any) -> dict[str, str]:
    floats = [n for n in ("accel", "gyro", "weights") if n in table.column_names]
    return {f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in floats}
