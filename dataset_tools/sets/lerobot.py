"""A data set as LeRobot v3 (`codebase_version` v3.0), as its own program and `datasets` read it.

    meta/info.json, meta/stats.json, meta/tasks.parquet
    meta/episodes/chunk-000/file-000.parquet      one row per sequence
    data/chunk-000/file-000.parquet               one row per tick of 60 Hz

An episode is a sequence, a frame a tick. `observation.state` is what was felt (accel and gyro of
every slot), `action` the 52 weights. LeRobot knows no missing value: what was not heard is 0, and
`observation.heard` tells which slots were; ticks without a face are left out where they are at an
end, and hold the face before elsewhere, with `next.tracked` false.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.resample import TICK_HZ
from dataset_tools.manifest import Manifest
from dataset_tools.parquet_files import arrow
from dataset_tools.sets.sequences import Rows
from dataset_tools.sets.tables import read_rows, shard_name
from firmware_host.layout import layout_from_dict

Facts = dict[str, Any]
Columns = dict[str, NDArray[Any]]

VERSION = "v3.0"
FILES_PER_CHUNK, FILE_MB = 1000, 100
INDICES = ("timestamp", "frame_index", "episode_index", "index", "task_index")


def write_lerobot(
    version: Path,
    manifest: Manifest,
    facts: Sequence[Facts],
    out: Path,
    report: Callable[[float], None],
) -> list[str]:
    """Write all of it into `out`; returns the takes that have no face, which are left out."""
    slots = layout_from_dict(manifest.layout).names
    tasks = sorted({_task(row) for row in facts})
    parts = {number: part for split in manifest.splits[:1] for part, numbers in split.parts.items()
             for number in numbers}  # fmt: skip
    order = sorted(facts, key=lambda row: (parts.get(row["sequence"], "train"), row["sequence"]))
    writer = _Writer(out, slots, tasks, manifest.weight_names)
    skipped, spans = [], dict[str, list[int]]()
    for done, row in enumerate(order, 1):
        rows, _ = read_rows(version, shard_name(row["sequence"]), len(slots))
        columns = columns_of(rows)
        if not len(columns["action"]):
            skipped.append(row["take"])
        else:
            writer.episode(columns, tasks.index(_task(row)))
            part = parts.get(row["sequence"], "train")
            spans.setdefault(part, [writer.episodes - 1, 0])[1] = writer.episodes
        report(done / len(order))
    writer.close({part: f"{first}:{last}" for part, (first, last) in spans.items()})
    return skipped


def _task(row: Facts) -> str:
    """What the subject did, in words; LeRobot wants some."""
    return str(row["script"] or row["emotion"] or "move the face")


def columns_of(rows: Rows) -> Columns:
    """The columns of an episode, from the first tick with a face to the last."""
    tracked = np.asarray(np.isfinite(rows.weights).all(axis=1), np.bool_)
    seen = np.flatnonzero(tracked)
    kept = slice(int(seen[0]), int(seen[-1]) + 1) if len(seen) else slice(0, 0)
    state = np.concatenate((rows.accel_m_s2, rows.gyro_rad_s), axis=2)[kept]  # (T, S, 6)
    tracked = tracked[kept]
    last = np.maximum.accumulate(np.where(tracked, np.arange(len(tracked)), 0))
    return {
        "observation.state": np.nan_to_num(state).reshape(len(state), -1).astype(np.float32),
        "observation.heard": np.asarray(np.isfinite(state).all(axis=2), np.bool_),
        "action": rows.weights[kept][last].astype(np.float32),
        "next.tracked": tracked,
    }


class _Writer:
    """Data files that grow until FILE_MB, and what `meta` tells of them."""

    def __init__(
        self, out: Path, slots: tuple[str, ...], tasks: list[str], weights: Sequence[str]
    ) -> None:
        self.episodes = self.frames = 0
        self._out, self._slots, self._tasks, self._weights = out, slots, tasks, weights
        self._rows: list[dict[str, Any]] = []
        self._file, self._bytes, self._writer = -1, 0, None

    def episode(self, columns: Columns, task: int) -> None:
        """Write one sequence."""
        pa, parquet = arrow()
        count = len(columns["action"])
        frame = np.arange(count)
        indices: Columns = {
            "timestamp": (frame / TICK_HZ).astype(np.float32),
            "frame_index": frame,
            "episode_index": np.full(count, self.episodes),
            "index": self.frames + frame,
            "task_index": np.full(count, task),
        }
        table = pa.table({name: _column(array) for name, array in (columns | indices).items()})
        if self._writer is None or self._bytes > FILE_MB << 20:
            self._next_file(parquet, table.schema)
        assert self._writer is not None
        self._writer.write_table(table)
        self._bytes += table.nbytes
        at = {"chunk_index": self._file // FILES_PER_CHUNK,
              "file_index": self._file % FILES_PER_CHUNK}  # fmt: skip
        stats = {name: _stats(array) for name, array in (columns | indices).items()}
        self._rows.append(
            {
                "episode_index": self.episodes,
                "tasks": [self._tasks[task]],
                "length": count,
                "data/chunk_index": at["chunk_index"],
                "data/file_index": at["file_index"],
                "dataset_from_index": self.frames,
                "dataset_to_index": self.frames + count,
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
                **{f"stats/{n}/{k}": v for n, told in stats.items() for k, v in told.items()},
            }
        )
        self.episodes += 1
        self.frames += count

    def _next_file(self, parquet: Any, schema: Any) -> None:
        if self._writer is not None:
            self._writer.close()
        self._file, self._bytes = self._file + 1, 0
        path = self._out / _path("data", self._file)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = parquet.ParquetWriter(path, schema, compression="zstd")

    def close(self, splits: dict[str, str]) -> None:
        """Write `meta`."""
        pa, parquet = arrow()
        if self._writer is not None:
            self._writer.close()
        meta = self._out / "meta"
        episodes = self._out / _path("meta/episodes", 0)
        episodes.parent.mkdir(parents=True)
        parquet.write_table(pa.Table.from_pylist(self._rows), episodes)
        parquet.write_table(_tasks_table(self._tasks), meta / "tasks.parquet")
        _write_json(meta / "stats.json", _combined(self._rows))
        _write_json(meta / "info.json", self._info(splits))

    def _info(self, splits: dict[str, str]) -> dict[str, Any]:
        state = [f"{slot}.{what}_{axis}" for slot in self._slots for what in ("accel", "gyro")
                 for axis in "xyz"]  # fmt: skip
        features: dict[str, Any] = {
            "observation.state": _feature("float32", len(state), state),
            "observation.heard": _feature("bool", len(self._slots), list(self._slots)),
            "action": _feature("float32", len(self._weights), list(self._weights)),
            "next.tracked": _feature("bool", 1, None),
        }
        features |= {n: _feature("float32" if n == "timestamp" else "int64", 1, None)
                     for n in INDICES}  # fmt: skip
        return {
            "codebase_version": VERSION,
            "robot_type": "face",
            "total_episodes": self.episodes,
            "total_frames": self.frames,
            "total_tasks": len(self._tasks),
            "chunks_size": FILES_PER_CHUNK,
            "data_files_size_in_mb": FILE_MB,
            "video_files_size_in_mb": 500,
            "fps": TICK_HZ,
            "splits": splits,
            "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
            "video_path": None,
            "features": features,
        }


def _path(folder: str, number: int) -> str:
    chunk, file = divmod(number, FILES_PER_CHUNK)
    return f"{folder}/chunk-{chunk:03d}/file-{file:03d}.parquet"


def _feature(dtype: str, size: int, names: list[str] | None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [size], "names": names}


def _column(array: NDArray[Any]) -> Any:
    """One value a row, or a list of one length."""
    pa, _ = arrow()
    if array.ndim == 1:
        return pa.array(array)
    return pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), array.shape[1])


def _stats(array: NDArray[Any]) -> dict[str, list[float]]:
    """Of each column of an episode, as LeRobot keeps them: lists, also of one value."""
    values = np.asarray(array, np.float64).reshape(len(array), -1)
    return {
        "min": values.min(axis=0).tolist(),
        "max": values.max(axis=0).tolist(),
        "mean": values.mean(axis=0).tolist(),
        "std": values.std(axis=0).tolist(),
        "count": [len(values)],
    }


def _combined(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """Statistics of all frames from those of episodes."""
    keys = [key for row in rows[:1] for key in row if key.startswith("stats/")]
    names = sorted({key.split("/")[1] for key in keys})
    found = {}
    for name in names:
        part = {k: np.array([row[f"stats/{name}/{k}"] for row in rows], np.float64)
                for k in ("min", "max", "mean", "std", "count")}  # fmt: skip
        count = part["count"]
        total = count.sum()
        mean = (part["mean"] * count).sum(axis=0) / total
        square = ((part["std"] ** 2 + (part["mean"] - mean) ** 2) * count).sum(axis=0) / total
        found[name] = {
            "min": part["min"].min(axis=0).tolist(),
            "max": part["max"].max(axis=0).tolist(),
            "mean": mean.tolist(),
            "std": np.sqrt(square).tolist(),
            "count": [int(total)],
        }
    return found


def _tasks_table(tasks: Sequence[str]) -> Any:
    """As pandas writes a frame whose index is the task: LeRobot looks tasks up by it."""
    pa, _ = arrow()
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()),
                      "__index_level_0__": pa.array(list(tasks))})  # fmt: skip
    column = {"name": "task_index", "field_name": "task_index", "pandas_type": "int64",
              "numpy_type": "int64", "metadata": None}  # fmt: skip
    index = {"name": None, "field_name": "__index_level_0__", "pandas_type": "unicode",
             "numpy_type": "object", "metadata": None}  # fmt: skip
    told = {"index_columns": ["__index_level_0__"], "columns": [column, index],
            "column_indexes": [], "creator": {"library": "pyarrow", "version": "0"},
            "pandas_version": "2.0.0"}  # fmt: skip
    return table.replace_schema_metadata({"pandas": json.dumps(told)})


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=4), "utf-8")
