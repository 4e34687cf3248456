"""A data set on disk: Parquet shards and a JSON manifest that any tool can read.

    DATASET/
      manifest.json            what it is: layout, units, names, sources, shards with their hashes
      shards/00000.parquet     one row per 60 Hz tick
      sequences/00000.parquet  one row per sequence of that shard: who performs, on whom
      native/…, faces/…        of sets built from takes: samples and faces as they came, in time

Writing one shard is all or nothing: a temporary name, then a rename.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from dataset_tools.manifest import Manifest, Shard, read_manifest
from dataset_tools.parquet_files import arrow, lists, matrix, read_table, write_table
from dataset_tools.sets.versions import version_folder
from firmware_host.layout import SensorLayout, layout_from_dict
from firmware_host.samples import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """One sequence as it lies on disk.

    accel, gyro: (T, S, 3) rows at 60 Hz in sensor frames, NaN where nothing was heard. weights:
    (T, 52), NaN where no face was seen. facts: who performs, on which wearer, where rest and
    routine are. first_tick: row k is at tick first_tick + k, which ends (first_tick + k + 1) / 60 s
    after the first sample.
    """

    accel_m_s2: Floats
    gyro_rad_s: Floats
    weights: Floats
    facts: dict[str, Any]
    first_tick: int = 0


def write_shard(folder: Path, name: str, sequences: Sequence[Stored], slots: int) -> Shard:
    """Write one shard whole or not at all. Raises EnvironmentMissing without pyarrow."""
    pa, _ = arrow()
    rows = row_table(sequences, slots)
    facts = pa.Table.from_pylist([s.facts for s in sequences])
    hashes = tuple(
        write_table(table, folder / kind / f"{name}.parquet")
        for kind, table in (("shards", rows), ("sequences", facts))
    )
    seconds = sum(len(s.weights) for s in sequences) / 60
    return Shard(name, len(sequences), rows.num_rows, seconds, hashes)


def read_shard(folder: Path, name: str, slots: int) -> Iterator[Stored]:
    """The sequences of a shard, in order. Raises DataError where it is not ours or damaged."""
    columns = ("sequence", "tick", "accel", "gyro", "weights")
    rows = read_table(folder / "shards" / f"{name}.parquet", columns)
    facts = read_table(folder / "sequences" / f"{name}.parquet").to_pylist()
    readings = {key: matrix(rows, key) for key in ("accel", "gyro", "weights")}
    number, tick = rows["sequence"].to_numpy(), rows["tick"].to_numpy()
    for row in facts:
        mine = slice(*np.searchsorted(number, (row["sequence"], row["sequence"] + 1)))
        shape = (-1, slots, 3)
        yield Stored(
            readings["accel"][mine].reshape(shape),
            readings["gyro"][mine].reshape(shape),
            readings["weights"][mine],
            row,
            int(tick[mine.start]) if mine.stop > mine.start else 0,
        )


def read_dataset(folder: Path, part: str | None = None) -> Iterator[Stored]:
    """Every sequence of a finished data set, shard by shard; a synthetic and a built one alike.

    Args:
        folder: of the data set, or of one of its versions; of the former its newest is read.
        part: only sequences of this part of its first split, such as "train".

    Raises:
        DataError: not a data set, damaged, or without such a part.
    """
    folder = version_folder(folder)
    manifest = read_manifest(folder)
    layout: SensorLayout = layout_from_dict(manifest.layout)
    wanted = None if part is None else manifest.part(part)
    for shard in manifest.shards:
        for stored in read_shard(folder, shard.name, len(layout.slots)):
            if wanted is None or stored.facts["sequence"] in wanted:
                yield stored


def read_facts(folder: Path, manifest: Manifest) -> list[dict[str, Any]]:
    """The facts of every sequence of one version, in the order of its shards. Raises DataError."""
    return [
        row
        for shard in manifest.shards
        for row in read_table(folder / "sequences" / f"{shard.name}.parquet").to_pylist()
    ]


def row_table(sequences: Sequence[Stored], slots: int) -> Any:
    """The rows of sequences as an Arrow table."""
    pa, _ = arrow()
    number = [np.full(len(s.weights), s.facts["sequence"], np.int64) for s in sequences]
    tick = [s.first_tick + np.arange(len(s.weights), dtype=np.uint32) for s in sequences]
    columns = {
        "sequence": pa.array(np.concatenate(number)),
        "tick": pa.array(np.concatenate(tick).astype(np.uint32)),
        "accel": lists([s.accel_m_s2 for s in sequences], 3 * slots),
        "gyro": lists([s.gyro_rad_s for s in sequences], 3 * slots),
        "weights": lists([s.weights for s in sequences], len(ARKIT_NAMES)),
    }
    return pa.table(columns)
