"""One sequence of a data set as four Parquet files, or five with tracks, and back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from dataset_tools.annotations.marks import Mark
from dataset_tools.annotations.tables import TRACKS, marks_table, read_marks
from dataset_tools.manifest import KINDS, Shard
from dataset_tools.parquet_files import arrow, lists, matrix, read_table, write_table
from dataset_tools.sets.facts import schema
from dataset_tools.sets.sequences import Faces, Rows, Samples
from dataset_tools.shards import Stored, row_table

# A minute of 60 Hz and of 200 Hz: what is read to see one second.
ROWS_TOGETHER, SAMPLES_TOGETHER = 3_600, 12_000


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """A sequence in memory: samples and faces as they came, rows at 60 Hz, and facts of it.

    first_tick: of the rows; 0 but where the beginning was cut off. marks: what was said of it.
    """

    samples: Samples
    faces: Faces
    rows: Rows
    facts: dict[str, Any]
    first_tick: int = 0
    marks: tuple[Mark, ...] = ()

    @property
    def number(self) -> int:
        """Its number, which no other sequence has."""
        return int(self.facts["sequence"])


def shard_name(number: int) -> str:
    """The name of the shard of a sequence."""
    return f"{number:012x}"


def write_sequence(folder: Path, sequence: Sequence, key: str, data_sha256: str) -> Shard:
    """Write the files of a sequence, each whole or not at all."""
    slots = sequence.rows.accel_m_s2.shape[1]
    tables: dict[str, tuple[Any, int | None]] = {
        "shards": (_row_table(sequence, slots), ROWS_TOGETHER),
        "sequences": (facts_table([sequence.facts], slots), None),
        "native": (_sample_table(sequence, slots), SAMPLES_TOGETHER),
        "faces": (_face_table(sequence), ROWS_TOGETHER),
    }
    if sequence.marks:
        tables[TRACKS] = (marks_table(sequence.number, sequence.marks), None)
    name = shard_name(sequence.number)
    hashes = tuple(
        write_table(tables[kind][0], folder / kind / f"{name}.parquet", tables[kind][1])
        for kind in KINDS[: len(tables)]
    )
    rows = len(sequence.rows)
    return Shard(name, 1, rows, sequence.facts["seconds"], hashes, key, data_sha256)


def facts_table(rows: list[dict[str, Any]], slots: int) -> Any:
    """Facts as an Arrow table."""
    pa, _ = arrow()
    return pa.Table.from_pylist(rows, schema=schema(slots))


def read_sequence(folder: Path, name: str, slots: int) -> Sequence:
    """Read one sequence back. Raises DataError where a file is missing or damaged."""
    facts = read_table(folder / "sequences" / f"{name}.parquet").to_pylist()[0]
    rows, first_tick = read_rows(folder, name, slots)
    samples, faces = read_samples(folder, name, slots), read_faces(folder, name)
    return Sequence(samples, faces, rows, facts, first_tick, read_marks(folder, name))


def read_rows(folder: Path, name: str, slots: int) -> tuple[Rows, int]:
    """The rows at 60 Hz, and the tick of the first."""
    table = read_table(folder / "shards" / f"{name}.parquet")
    shape = (-1, slots, 3)
    rows = Rows(
        matrix(table, "accel").reshape(shape),
        matrix(table, "gyro").reshape(shape),
        matrix(table, "weights"),
        matrix(table, "quat_world_from_head"),
    )
    return rows, int(table["tick"][0].as_py()) if len(rows) else 0


def read_samples(folder: Path, name: str, slots: int) -> Samples:
    """The samples as they came."""
    table = read_table(folder / "native" / f"{name}.parquet")
    shape = (-1, slots, 3)
    return Samples(
        table["time_ns"].to_numpy(),
        matrix(table, "accel").reshape(shape),
        matrix(table, "gyro").reshape(shape),
        table["device"].to_numpy(),
    )


def read_faces(folder: Path, name: str) -> Faces:
    """The ARKit frames as they came."""
    table = read_table(folder / "faces" / f"{name}.parquet")
    return Faces(
        table["time_ns"].to_numpy(),
        matrix(table, "weights"),
        matrix(table, "quat_world_from_head"),
        table["tracked"].to_numpy(zero_copy_only=False),
    )


def _row_table(sequence: Sequence, slots: int) -> Any:
    rows = sequence.rows
    stored = Stored(
        rows.accel_m_s2, rows.gyro_rad_s, rows.weights, sequence.facts, sequence.first_tick
    )
    return row_table([stored], slots).append_column("quat_world_from_head", lists([rows.quats], 4))


def _sample_table(sequence: Sequence, slots: int) -> Any:
    pa, _ = arrow()
    samples = sequence.samples
    return pa.table(
        {
            "sequence": pa.array(np.full(len(samples), sequence.number, np.int64)),
            "time_ns": pa.array(samples.time_ns),
            "device": pa.array(samples.device),
            "accel": lists([samples.accel_m_s2], 3 * slots),
            "gyro": lists([samples.gyro_rad_s], 3 * slots),
        }
    )


def _face_table(sequence: Sequence) -> Any:
    pa, _ = arrow()
    faces = sequence.faces
    return pa.table(
        {
            "sequence": pa.array(np.full(len(faces), sequence.number, np.int64)),
            "time_ns": pa.array(faces.time_ns),
            "tracked": pa.array(faces.tracked),
            "weights": lists([faces.weights], len(ARKIT_NAMES)),
            "quat_world_from_head": lists([faces.quats], 4),
        }
    )
