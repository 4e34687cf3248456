"""Questions to a data set: conditions, stretches of time, SQL, differences."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from capture.resample import TICK_HZ
from dataset_tools.manifest import read_manifest
from dataset_tools.sets.diffs import Difference, difference
from dataset_tools.sets.findings import runs
from dataset_tools.sets.queries import query_of, stretches_of
from dataset_tools.sets.tables import read_rows, shard_name
from dataset_tools.sets.versions import version_folder
from dataset_tools.shards import read_facts
from firmware_host.errors import ConfigError, DataError, EnvironmentMissing
from firmware_host.layout import layout_from_dict

Facts = dict[str, Any]

TABLES = {"rows": "shards"} | {k: k for k in ("sequences", "native", "faces", "tracks")}


def find(folder: Path, condition: str) -> list[Facts]:
    """Which sequences meet a condition: number, take, subject, seconds."""
    holds = query_of(condition)
    return [_shown(row) for row in _facts(folder)[1] if holds(row)]


def find_stretches(folder: Path, condition: str) -> list[Facts]:
    """Where a condition holds, shapes being their value at each 60 Hz row."""
    holds = stretches_of(condition)
    version, facts = _facts(folder)
    slots = len(layout_from_dict(read_manifest(version).layout).slots)
    found = []
    for row in facts:
        rows, first = read_rows(version, shard_name(row["sequence"]), slots)
        for start, end in runs(holds(row, rows.weights)):
            stretch = {"start_s": (first + start) / TICK_HZ, "end_s": (first + end) / TICK_HZ}
            found.append({**_shown(row), **stretch})
    return found


def _facts(folder: Path) -> tuple[Path, list[Facts]]:
    version = version_folder(folder)
    manifest = read_manifest(version)
    if not manifest.layouts:
        raise DataError(f"{version} is a synthetic data set", "ask it in SQL")
    return version, read_facts(version, manifest)


def _shown(row: Facts) -> Facts:
    return {
        "sequence": shard_name(row["sequence"]),
        "take": row["take"],
        "subject": row["subject"],
        "seconds": row["seconds"],
    }


def is_sql(text: str) -> bool:
    """Whether a query is SQL rather than a condition."""
    return text.lstrip().lower().startswith(("select ", "with ", "describe ", "summarize "))


def sql(folder: Path, statement: str) -> list[Facts]:
    """The answer of DuckDB, a row each.

    Raises:
        EnvironmentMissing: DuckDB is not installed.
        ConfigError: it does not understand the statement.
    """
    version = version_folder(folder)
    try:
        import duckdb
    except ImportError as error:
        raise EnvironmentMissing(
            "SQL needs DuckDB, which is not installed", 'pip install "imusic[query]"'
        ) from error
    with duckdb.connect() as connection:
        for table, kind in TABLES.items():
            if (version / kind).is_dir():
                files = str(version / kind / "*.parquet").replace("'", "''")
                connection.execute(f"create view {table} as from read_parquet('{files}')")
        try:
            asked = connection.execute(statement)
            names = [column[0] for column in asked.description or ()]
            return [dict(zip(names, row, strict=True)) for row in asked.fetchall()]
        except duckdb.Error as error:
            raise ConfigError(f"SQL: {str(error).splitlines()[0]}") from error


def compared(before: Path, after: Path) -> Difference:
    """What differs between two versions, or the newest of two data sets."""
    sides = []
    for folder in (before, after):
        version, facts = _facts(folder)
        sides.append((read_manifest(version), facts))
    return difference(sides[0], sides[1])


def difference_lines(found: Difference) -> Iterator[str]:
    """A difference for people."""
    for sign, rows in (("-", found.removed), ("+", found.added)):
        for row in rows:
            yield f"{sign} {row['take']} ({shard_name(row['sequence'])}, {row['seconds']:.1f} s)"
    for number, changes in found.changed.items():
        told = ", ".join(f"{key} {a!r} -> {b!r}" for key, (a, b) in changes.items())
        yield f"~ {shard_name(number)}: {told}"
    for number in found.data_changed:
        yield f"~ {shard_name(number)}: other numbers"
    for key in found.about:
        yield f"~ {key} of the manifest"
