"""Marks as CSV, one per line: take, track, rater, start_s, end_s, value, label.

Only `track` and `start_s` are needed. Without `end_s` a line is a moment of a curve; `take`,
`rater` and `label` may be left out where they are told otherwise or are empty.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from dataset_tools.annotations.marks import Mark, checked
from firmware_host.errors import DataError

COLUMNS = ("take", "track", "rater", "start_s", "end_s", "value", "label")
MAX_BYTES = 256 << 20


def read_csv(path: Path, rater: str = "") -> dict[str, tuple[Mark, ...]]:
    """Marks by take; the take is "" where the file names none.

    Args:
        rater: who said what the file gives no rater for.

    Raises:
        DataError: naming the file and the line that is wrong.
    """
    rows = csv.DictReader(io.StringIO(_text(path)))
    names = [name.strip().lower() for name in rows.fieldnames or ()]
    rows.fieldnames = names
    if missing := {"track", "start_s"} - set(names):
        raise DataError(
            f"{path}: expected columns {', '.join(COLUMNS)}; missing: {', '.join(sorted(missing))}"
        )
    if unknown := set(names) - set(COLUMNS):
        raise DataError(
            f"{path}: unknown columns {', '.join(sorted(unknown))}",
            f"there are {', '.join(COLUMNS)}",
        )
    found: dict[str, list[Mark]] = {}
    for row in rows:
        take, mark = _mark(row, rater, f"{path}, line {rows.line_num}")
        found.setdefault(take, []).append(mark)
    return {take: checked(marks, str(path)) for take, marks in found.items()}


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: larger than {MAX_BYTES >> 20} MB")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8") from error


def _mark(row: dict[str, str | None], rater: str, where: str) -> tuple[str, Mark]:
    if None in row:
        raise DataError(f"{where}: more cells than columns")
    cells = {key: (value or "").strip() for key, value in row.items()}
    start_s = _number(cells["start_s"], where, "start_s")
    end = cells.get("end_s", "")
    value = cells.get("value", "")
    return cells.get("take", ""), Mark(
        cells["track"],
        cells.get("rater") or rater,
        start_s,
        _number(end, where, "end_s") if end else start_s,
        _number(value, where, "value") if value else float("nan"),
        cells.get("label", ""),
    )


def _number(text: str, where: str, column: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"{where}: {column}: expected a number, got {text!r}") from error


def encode_csv(takes: dict[str, Iterable[Mark]]) -> str:
    """The inverse of `read_csv`; numbers are written so that they come back as they were."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for take, marks in takes.items():
        for mark in marks:
            value = "" if mark.value != mark.value else repr(float(mark.value))
            times = (repr(float(mark.start_s)), repr(float(mark.end_s)))
            writer.writerow([take, mark.track, mark.rater, *times, value, mark.label])
    return out.getvalue()
