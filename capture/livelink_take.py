"""A take as Live Link Face keeps it on the phone: a folder with CSVs, `take.json`, `frame_log.csv`.

    take.json                        slate, number, whether calibrated, when, on which phone
    <slate>_<take>_<subject>.csv     what ARKit gave; where the app was calibrated there are instead
      …_cal.csv, …_raw.csv           with and without the neutral face taken off, and
      …_neutral.csv                  that neutral face
    frame_log.csv                    `B,index,value,timescale,timecode,0` for every row of the CSV,
                                     V for every video frame, A for sound

Names by Epic's importer (FLiveLinkFaceTakeMetadata); the log by a take of version 1.4.2. The log's
value counts the phone's own clock, while the timecode counts 60 frames where 59.9 pass: rows
are timed by the log where there is one.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.livelink_csv import DAY_S, LiveLinkRecording, read_livelink_csv, seconds_of_day
from firmware_host.errors import DataError
from firmware_host.samples import Ints

TAKE_JSON, FRAME_LOG = "take.json", "frame_log.csv"
TAKE_VERSION = 1

Truth = Literal["cal", "raw", "plain"]
Times = NDArray[np.float64]
_SUFFIXES: dict[Truth, str] = {"cal": "_cal", "raw": "_raw", "plain": ""}
_NEUTRAL = "_neutral"
# Rows and the log's lines are of one moment if their timecodes are: written in thousandths.
_SAME_S = 0.001
# A timecode that counts 60 frames where 59.9 pass is off by 0.0016; beyond this it is damage. Ours.
MAX_PACE = 0.01
_MAX_LOG_BYTES = 256 * 1024 * 1024


class TakeJson(msgspec.Struct, frozen=True, rename="camel"):
    """What we read of `take.json`; the rest of it is passed over."""

    slate: str
    take: int
    version: int = TAKE_VERSION
    subject: str = ""
    calibrated: bool = False
    frames: int | None = None
    app_version: str = ""
    device_model: str = ""
    date: str = ""
    start_timecode: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class LiveLinkTake:
    """The faces of such a take, and where they come from.

    recording: as of its CSV, timed by the frame log where that fits. truth: which CSV it is. clock:
    what it is timed by. origin: facts for `take.toml`.
    """

    recording: LiveLinkRecording
    csv: Path
    truth: Truth
    clock: Literal["frame_log", "timecode"]
    origin: dict[str, Any]


def read_livelink_take(
    folder: Path, truth: Truth | None = None, swap_sideways: bool | None = None
) -> LiveLinkTake:
    """Read the folder of one take of the app.

    Args:
        folder: with `take.json`.
        truth: which CSV: `cal`, `raw` or `plain`; None takes the first of these that is there.
        swap_sideways: as in `read_livelink_csv`.

    Raises:
        DataError: not such a folder, the CSV asked for is not in it, or a file is malformed.
    """
    facts = _take_json(folder / TAKE_JSON)
    found = _csvs(folder, facts)
    which = truth or next((kind for kind in _SUFFIXES if kind in found), None)
    if which is None or which not in found:
        raise DataError(
            f"{folder}: no {which or 'face'} CSV of slate {facts.slate!r}, take {facts.take}",
            f"there is: {', '.join(path.name for path in found.values()) or 'none'}",
        )
    recording = read_livelink_csv(found[which], swap_sideways)
    notes = [*recording.notes, *_count_notes(facts, recording)]
    timed = _timed_by_log(folder / FRAME_LOG, recording, notes)
    recording = replace(timed or recording, notes=tuple(notes))
    return LiveLinkTake(
        recording,
        found[which],
        which,
        "timecode" if timed is None else "frame_log",
        _origin(facts, which, found),
    )


def _take_json(path: Path) -> TakeJson:
    try:
        facts = msgspec.json.decode(path.read_bytes(), type=TakeJson)
    except OSError as error:
        raise DataError(
            f"{path}: cannot read it: {error.strerror}",
            "give the folder of one take of Live Link Face, or one of its CSVs",
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from error
    if facts.version != TAKE_VERSION:
        raise DataError(f"{path}: expected version {TAKE_VERSION}, got {facts.version}")
    return facts


def _csvs(folder: Path, facts: TakeJson) -> dict[Truth, Path]:
    """The CSVs with faces, by what they hold.

    Where none has the name the app gives, the only one there is may have been renamed.
    """
    named: dict[Truth, Path] = {}
    for kind, suffix in _SUFFIXES.items():
        path = folder / f"{facts.slate}_{facts.take}_{facts.subject}{suffix}.csv"
        if path.is_file():
            named[kind] = path
    if named:
        return named
    others = [p for p in sorted(folder.glob("*.csv")) if p.name != FRAME_LOG]
    others = [p for p in others if not p.stem.endswith(_NEUTRAL)]
    kinds = [_kind(p) for p in others]
    if len(set(kinds)) < len(kinds):
        raise DataError(
            f"{folder}: cannot tell which CSV is this take's: {', '.join(p.name for p in others)}",
            "leave one, or import it by its own name",
        )
    return dict(zip(kinds, others, strict=True))


def _kind(path: Path) -> Truth:
    return next((kind for kind in ("cal", "raw") if path.stem.endswith(_SUFFIXES[kind])), "plain")


def _count_notes(facts: TakeJson, recording: LiveLinkRecording) -> list[str]:
    rows = len(recording.time_s)
    if facts.frames is None or abs(facts.frames - rows) <= 2:
        return []
    return [f"take.json counts {facts.frames} frames, the CSV has {rows} rows"]


def _timed_by_log(
    path: Path, recording: LiveLinkRecording, notes: list[str]
) -> LiveLinkRecording | None:
    """The recording with times of the phone's clock; None, with a note, where there is no way."""
    if not path.is_file():
        notes.append(f"no {FRAME_LOG}: rows are timed by their timecode, whose rate is nominal")
        return None
    logged_s, device_ns = _face_lines(path, recording.rate_hz)
    rows_s = recording.timecode_s % DAY_S
    order = np.argsort(logged_s)
    at = np.searchsorted(logged_s[order], rows_s - _SAME_S)
    line = order[np.minimum(at, len(order) - 1)]
    fits = np.abs(logged_s[line] - rows_s) <= _SAME_S
    known_ns = device_ns[line[fits]]
    if fits.mean() < 0.5 or not _keeps_pace(known_ns, recording.time_s[fits]):
        notes.append(f"{FRAME_LOG} does not fit the CSV: rows are timed by their timecode")
        return None
    if not fits.all():
        notes.append(f"{np.count_nonzero(~fits)} rows are not in {FRAME_LOG}: timed between others")
    known_s = (known_ns - known_ns[0]) / 1e9
    nominal_s = recording.time_s
    time_s = known_s if fits.all() else _between(nominal_s, nominal_s[fits], known_s)
    return replace(recording, time_s=time_s - time_s[0])


def _keeps_pace(device_ns: Ints, nominal_s: Times) -> bool:
    """Whether the phone's clock runs forward, about as its timecode does."""
    passed_s, should_s = (device_ns - device_ns[0]) / 1e9, nominal_s - nominal_s[0]
    apart = np.abs(passed_s - should_s)
    return bool(np.all(np.diff(device_ns) > 0) and np.all(apart <= 0.1 + MAX_PACE * should_s))


def _between(times: Times, known: Times, values: Times) -> Times:
    """`values` at `times`, by lines between those `known`, and at the pace of time beyond them."""
    inside = np.interp(times, known, values)
    before, after = np.minimum(times - known[0], 0.0), np.maximum(times - known[-1], 0.0)
    return np.asarray(inside + before + after)


def _face_lines(path: Path, rate_hz: float) -> tuple[Times, Ints]:
    """Of the lines about faces: seconds of the day by timecode (L,), and the phone's clock in ns.

    Raises:
        DataError: too large, or a line that is none (which).
    """
    seconds, stamps = [], []
    for number, text in enumerate(_log_text(path).splitlines(), 1):
        cells = text.split(",")
        if cells[0] != "B":
            continue
        where = f"{path}, line {number}"
        try:
            value, timescale = int(cells[2]), int(cells[3])
            stamps.append(value * 1_000_000_000 // timescale)
            code = cells[4]
        except (IndexError, ValueError, ZeroDivisionError) as error:
            raise DataError(
                f"{where}: expected B,index,value,timescale,timecode, got {text[:60]!r}"
            ) from error
        seconds.append(seconds_of_day(code, rate_hz, where) % DAY_S)
    if not stamps:
        raise DataError(f"{path}: no line about a face")
    if not all(0 <= stamp < 1 << 62 for stamp in stamps):
        raise DataError(f"{path}: a time that no phone's clock shows")
    return np.array(seconds), np.array(stamps, np.int64)


def _log_text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_LOG_BYTES:
            raise DataError(f"{path}: larger than {_MAX_LOG_BYTES} bytes")
        return path.read_text("utf-8", "replace")
    except OSError as error:
        raise DataError(f"{path}: cannot read it: {error.strerror}") from error


def _origin(facts: TakeJson, truth: Truth, found: dict[Truth, Path]) -> dict[str, Any]:
    """What `take.toml` says of it. The subject is the phone's name, often a person's: left out."""
    return {
        "truth": truth,
        "truths_there": [kind for kind in _SUFFIXES if kind in found],
        "calibrated": facts.calibrated,
        "slate": facts.slate,
        "slate_take": facts.take,
        "app_version": facts.app_version,
        "device_model": facts.device_model,
        "phone_date": facts.date,
        "start_timecode": facts.start_timecode,
    }
