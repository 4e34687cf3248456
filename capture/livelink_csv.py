"""Live Link Face CSV files: reading what the app and its cousins write, and writing them.

Column names are matched without regard to case. The file states no frame rate: it is inferred from
the timecode, whose frames count at the nominal rate. Weights stay as written, also a little beyond
[0, 1]; what lies far beyond it is another unit or damage and is refused.
Files whose header is PascalCase, which are the app's own, label the four sideways shapes (jaw and
mouth, left and right) opposite to UDP and to native ARKit, so those pairs are exchanged when such a
file is read. Their angles have the app's signs (`capture.livelink`) and come out as
`capture.phone_faces` defines them; angles of other writers stay as written.
"""

import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, INDEX, MAX_WEIGHT, canonical_name
from capture.livelink import EYE_SIGNS, HEAD_SIGNS
from firmware_host.errors import DataError
from firmware_host.samples import Floats

Times = NDArray[np.float64]
Flags = NDArray[np.bool_]

HEAD_COLUMNS = ("HeadYaw", "HeadPitch", "HeadRoll")
EYE_COLUMNS = (
    "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll",
)  # fmt: skip
SIDEWAYS = (("jawLeft", "jawRight"), ("mouthLeft", "mouthRight"))
# Timecodes of cameras; above 60, of programs that count milliseconds or faster frames.
KNOWN_RATES_HZ = (24.0, 25.0, 30.0, 50.0, 60.0, 100.0, 120.0, 1000.0)
# So few rows whose frames the rate does not reach are damaged; more say that it is another. One
# frame of 25, which tells 25 from 24, is in 4 % of the rows. Ours.
DAMAGED_SHARE = 0.02
DAY_S = 86_400.0
# A few rows further off than this, before the next ones come back, are a damaged timecode; a leap
# that stays is refused beyond the longer time. Ours: real files step by 0.2 s at most.
STRAY_S, STRAY_ROWS, MAX_LEAP_S = 1.0, 3, 60.0

_TIMECODE = re.compile(r"(\d{1,6}):([0-5]?\d):([0-5]?\d)[:;](\d{1,6}(?:\.\d+)?)")


@dataclass(frozen=True, slots=True, eq=False)
class LiveLinkRecording:
    """A recording of ARKit weights.

    time_s: (M,) seconds since the first row, increasing. timecode_s: (M,) seconds of the day by the
    timecode, running on past midnight. weights: (M, 52) in canonical order as recorded (not
    clipped), NaN where `tracked` is False. head_yaw_pitch_roll: (M, 3) rad and
    eyes_yaw_pitch_roll: (M, 2, 3) rad, or None where the file has none; NaN in rows without a face.
    rate_hz: the nominal rate of the timecode, which need not be the rate of the rows.
    """

    time_s: Times
    weights: Floats
    tracked: Flags
    head_yaw_pitch_roll: Floats | None
    eyes_yaw_pitch_roll: Floats | None
    rate_hz: float
    sha256: str
    sideways_swapped: bool
    timecode_s: Times
    notes: tuple[str, ...] = ()

    def clipped(self) -> Floats:
        """(M, 52) weights limited to [0, 1]; NaN stays NaN."""
        return np.clip(self.weights, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    clock: tuple[int, float]  # whole seconds, frames
    values: list[float] | None


def read_livelink_csv(
    path: Path, swap_sideways: bool | None = None, rate_hz: float | None = None
) -> LiveLinkRecording:
    """Read a Live Link Face CSV.

    Args:
        path: the file.
        swap_sideways: exchange jaw and mouth left and right; None does so where the header is
            PascalCase.
        rate_hz: nominal rate of the timecode; None infers it.

    Raises:
        DataError: unreadable, not such a file, a column missing, a malformed row (its line),
            frames beyond the rate of the timecode, or weights that are none (the largest, with its
            column and line).
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot read it: {error.strerror}") from error
    lines = _text(raw, path).splitlines()
    names = _header(lines, path)
    rows = [
        _row(cells, number, len(names), path)
        for number, cells in _cells(lines[1:], 2, path)
        if cells and any(cell.strip() for cell in cells)
    ]
    if not rows:
        raise DataError(f"{path}: expected rows after the header, got none")
    notes: list[str] = []
    rate = rate_hz or _infer_rate([row.clock for row in rows], notes)
    rows = _within_rate(rows, rate, notes, path)
    stamps_s, kept = _stamps(rows, rate, notes, path)
    rows = [rows[i] for i in kept]
    values = _table(rows, len(names))
    _check_weights(names, rows, values, path)
    swapped = _is_pascal(names) if swap_sideways is None else swap_sideways
    return _assemble(names, values, stamps_s, rate, swapped, hashlib.sha256(raw).hexdigest(), notes)


def seconds_of_day(text: str, rate_hz: float, where: str) -> float:
    """What a timecode says, frames counted at `rate_hz`. Raises DataError where it is none."""
    seconds, frames = _clock(text, where)
    return seconds + frames / rate_hz


def _text(raw: bytes, path: Path) -> str:
    if not raw.strip():
        raise DataError(f"{path}: the file is empty")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a Live Link Face CSV: not a text file") from error
    if "\0" in text:
        raise DataError(f"{path}: not a Live Link Face CSV: not a text file")
    return text


def _cells(lines: Sequence[str], first: int, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line numbers from `first` on, and cells. Raises DataError where a line is no CSV."""
    reader = csv.reader(lines)
    try:
        for cells in reader:
            yield first + reader.line_num - 1, cells
    except csv.Error as error:
        raise DataError(f"{path}, line {first + reader.line_num - 1}: {error}") from error


def _header(lines: Sequence[str], path: Path) -> list[str]:
    """Names of the value columns. Raises DataError where the header is not Live Link's."""
    names = [name.strip() for _, cells in _cells(lines[:1], 1, path) for name in cells]
    if [name.lower() for name in names[:2]] != ["timecode", "blendshapecount"]:
        raise DataError(
            f"{path}: not a Live Link Face CSV: expected the header to begin "
            f"Timecode,BlendShapeCount, got {lines[0][:60]!r}"
        )
    meant = [canonical_name(name) or name.lower() for name in names]
    for at, what in enumerate(meant):
        if what in meant[:at]:
            first = names[meant.index(what)]
            raise DataError(f"{path}: column {first!r} occurs twice, again as {names[at]!r}")
    found = {canonical_name(name) for name in names[2:]}
    for shape in ARKIT_NAMES:
        if shape not in found and shape != "tongueOut":  # older files have 51 shapes
            raise DataError(f"{path}: column {shape!r} is missing")
    return names[2:]


def _row(cells: Sequence[str], line: int, columns: int, path: Path) -> _Row:
    where = f"{path}, line {line}"
    clock = _clock(cells[0], where)
    if len(cells) == 2 and cells[1].strip() == "0":
        return _Row(line, clock, None)
    if len(cells) != columns + 2:
        raise DataError(f"{where}: expected {columns + 2} columns, got {len(cells)}")
    try:
        count, values = int(cells[1]), [float(cell) for cell in cells[2:]]
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error
    if not np.isfinite(values).all():
        raise DataError(f"{where}: a value is not finite")
    return _Row(line, clock, values if count and any(values) else None)


def _clock(text: str, where: str) -> tuple[int, float]:
    match = _TIMECODE.fullmatch(text.strip())
    if match is None:
        raise DataError(f"{where}: expected a timecode like 07:44:57:02.944, got {text[:40]!r}")
    hours, minutes, seconds = (int(match[i]) for i in (1, 2, 3))
    return (hours * 60 + minutes) * 60 + seconds, float(match[4])


def _infer_rate(clocks: Sequence[tuple[int, float]], notes: list[str]) -> float:
    """The nominal rate: the one that makes rows as far apart across a second as within one.

    A few damaged frames rule no rate out. The highest is given where the frames reach none.
    """
    seconds = np.array([c[0] for c in clocks])
    frames = np.array([c[1] for c in clocks])
    few = _few(len(frames))
    possible = [rate for rate in KNOWN_RATES_HZ if np.count_nonzero(frames >= rate) <= few]
    if not possible:
        return KNOWN_RATES_HZ[-1]
    misfits = {rate: _misfit(seconds, frames, rate) for rate in possible}
    told = {rate: misfit for rate, misfit in misfits.items() if misfit is not None}
    if not told:
        rate = min(possible, key=lambda rate: (rate != 60.0, rate))
        notes.append(f"too short to tell the timecode rate: taken for {rate:g}")
        return rate
    rate = min(told, key=lambda rate: told[rate])
    if told[rate] > 1.0:
        notes.append(f"rows do not fit a timecode rate well: taken for {rate:g}")
    return rate


def _misfit(seconds: NDArray[np.int64], frames: Times, rate: float) -> float | None:
    """By how many frames steps across a second differ from those within; None: one has none."""
    counted = frames < rate
    step, ticked = np.diff(frames[counted]), np.diff(seconds[counted])
    within = step[(ticked == 0) & (step > 0)]
    across = step[ticked == 1]
    if not len(within) or not len(across):
        return None
    return abs(float(np.median(across)) + rate - float(np.median(within)))


def _few(count: int) -> int:
    """How many of `count` rows may be damaged: never half of them."""
    return min(max(1, int(DAMAGED_SHARE * count)), (count - 1) // 2)


def _within_rate(rows: Sequence[_Row], rate: float, notes: list[str], path: Path) -> list[_Row]:
    """The rows whose frames the rate reaches: a frame beyond it is no time of its second.

    Raises:
        DataError: more rows are beyond it than damage explains.
    """
    beyond = [row for row in rows if row.clock[1] >= rate]
    if not beyond:
        return list(rows)
    first = f"frame {beyond[0].clock[1]:g} of a second that has {rate:g}"
    if len(beyond) > _few(len(rows)):
        raise DataError(
            f"{path}, line {beyond[0].line}: the timecode says {first}",
            f"expected hh:mm:ss:frame at one of {', '.join(f'{r:g}' for r in KNOWN_RATES_HZ)}",
        )
    notes.append(
        f"{len(beyond)} rows with a damaged timecode left out, first line {beyond[0].line}: {first}"
    )
    return [row for row in rows if row.clock[1] < rate]


def _stamps(
    rows: Sequence[_Row], rate: float, notes: list[str], path: Path
) -> tuple[Times, NDArray[np.int64]]:
    """Seconds of the day of the rows kept: those later than all before them; and which they are.

    Raises:
        DataError: the timecode leaps for good.
    """
    stamps = _past_midnight(np.array([row.clock[0] + row.clock[1] / rate for row in rows]))
    strays = _strays(stamps)
    if strays.any():
        notes.append(f"{strays.sum()} rows whose timecode leaps out of order left out")
    kept = np.flatnonzero(~strays)
    leaps = np.flatnonzero(np.abs(np.diff(stamps[kept])) > MAX_LEAP_S)
    if len(leaps):
        line = rows[kept[leaps[0] + 1]].line
        raise DataError(
            f"{path}, line {line}: the timecode leaps by more than {MAX_LEAP_S:g} s",
            "split the file there, or correct the timecode",
        )
    before = np.concatenate([[-np.inf], np.maximum.accumulate(stamps[kept])[:-1]])
    later = stamps[kept] > before
    if dropped := int(np.count_nonzero(~later)):
        notes.append(f"{dropped} rows with a repeated or backward timecode left out")
    kept = kept[later]
    return stamps[kept], kept


def _past_midnight(stamps: Times) -> Times:
    """(M,) seconds of the day, made to run on across midnight: no step is as long as half a day."""
    steps = (np.diff(stamps) + DAY_S / 2) % DAY_S - DAY_S / 2
    return np.cumsum(np.concatenate([stamps[:1], steps]))


def _strays(stamps: Times) -> Flags:
    """(M,) which rows are one of a few that leap away from those around them."""
    count = len(stamps)
    starts = [0, *(np.flatnonzero(np.abs(np.diff(stamps)) > STRAY_S) + 1).tolist(), count]
    parts = list(pairwise(starts))
    longest = max(range(len(parts)), key=lambda i: parts[i][1] - parts[i][0])
    mirrored = [(count - end, count - start) for start, end in reversed(parts[: longest + 1])]
    after = _strays_after(stamps, parts[longest:])
    return after | _strays_after(-stamps[::-1], mirrored)[::-1]


def _strays_after(stamps: Times, parts: Sequence[tuple[int, int]]) -> Flags:
    """(M,) the strays among `parts` (first and last + 1 row), the first of which is trusted."""
    found: Flags = np.zeros(len(stamps), np.bool_)
    last = stamps[parts[0][1] - 1]
    for start, end in parts[1:]:
        in_reach = last <= stamps[start] <= last + MAX_LEAP_S
        overtakes = end < len(stamps) and last <= stamps[end] < stamps[end - 1]
        found[start:end] = end - start <= STRAY_ROWS and (overtakes or not in_reach)
        if not found[start]:
            last = max(last, stamps[end - 1])
    return found


def _table(rows: Sequence[_Row], columns: int) -> NDArray[np.float64]:
    """(M, columns), NaN in rows without a face."""
    lost = [float("nan")] * columns
    return np.array([lost if row.values is None else row.values for row in rows])


def _check_weights(
    names: Sequence[str], rows: Sequence[_Row], values: NDArray[np.float64], path: Path
) -> None:
    """Raises DataError where a weight is none: percent, bytes, or a damaged cell."""
    shapes = [at for at, name in enumerate(names) if canonical_name(name) is not None]
    size = np.abs(np.nan_to_num(values[:, shapes]))
    far = size > MAX_WEIGHT
    if not far.any():
        return
    row, shape = divmod(int(size.argmax()), len(shapes))
    column = shapes[shape]
    raise DataError(
        f"{path}, line {rows[row].line}: expected weights from 0 to 1, "
        f"got {values[row, column]:.4g} in column {names[column]!r}",
        "the only such value: correct it, or delete its line"
        if far.sum() == 1
        else "are these percent? divide by 100",
    )


def _is_pascal(names: Sequence[str]) -> bool:
    return any(name[:1].isupper() for name in names if canonical_name(name) == "jawLeft")


def _assemble(
    names: Sequence[str],
    values: NDArray[np.float64],
    stamps_s: Times,
    rate: float,
    swapped: bool,
    sha256: str,
    notes: list[str],
) -> LiveLinkRecording:
    tracked = np.isfinite(values[:, 0])
    weights = np.zeros((len(values), len(ARKIT_NAMES)), np.float32)
    weights[~tracked] = np.nan
    for column, name in enumerate(names):
        if (shape := canonical_name(name)) is not None:
            weights[:, INDEX[shape]] = values[:, column]
    if swapped:
        weights = swap_sideways_pairs(weights)
    head = _optional(names, values, HEAD_COLUMNS)
    eyes = _optional(names, values, EYE_COLUMNS)
    eyes = None if eyes is None else eyes.reshape(-1, 2, 3)
    if _is_pascal(names):
        head = None if head is None else head * HEAD_SIGNS
        eyes = None if eyes is None else eyes * EYE_SIGNS
    return LiveLinkRecording(
        time_s=stamps_s - stamps_s[0],
        weights=weights,
        tracked=tracked,
        head_yaw_pitch_roll=head,
        eyes_yaw_pitch_roll=eyes,
        rate_hz=rate,
        sha256=sha256,
        sideways_swapped=swapped,
        timecode_s=stamps_s,
        notes=tuple(notes),
    )


def _optional(
    names: Sequence[str], values: NDArray[np.float64], wanted: Sequence[str]
) -> Floats | None:
    """(M, K) of the columns `wanted`, or None where one is missing or all are zero throughout."""
    columns = {name.lower(): i for i, name in enumerate(names)}
    if not all(name.lower() in columns for name in wanted):
        return None
    found = values[:, [columns[name.lower()] for name in wanted]].astype(np.float32)
    return found if np.nan_to_num(found).any() else None


def swap_sideways_pairs(weights: Floats) -> Floats:
    """A copy of (…, 52) with jaw and mouth left and right exchanged."""
    order = np.arange(len(ARKIT_NAMES))
    for left, right in SIDEWAYS:
        order[INDEX[left]], order[INDEX[right]] = INDEX[right], INDEX[left]
    return weights[..., order]


def write_livelink_csv(
    path: Path,
    time_s: Times,
    weights: Floats,
    tracked: Flags | None = None,
    head_yaw_pitch_roll: Floats | None = None,
    eyes_yaw_pitch_roll: Floats | None = None,
    rate_hz: int = 60,
) -> None:
    """Write a CSV as the app does (PascalCase, sideways pairs exchanged); reading gives it back.

    Args:
        path: the file to write.
        time_s: (M,) seconds; the timecode begins at midnight plus time_s.
        weights: (M, 52) canonical order.
        tracked: (M,); rows without a face become `TC,0`.
        head_yaw_pitch_roll: (M, 3) yaw, pitch, roll in rad, as `capture.phone_faces` defines them.
        eyes_yaw_pitch_roll: (M, 2, 3) likewise.
        rate_hz: nominal rate of the timecode.
    """
    count = len(time_s)
    seen = np.ones(count, np.bool_) if tracked is None else tracked
    head = np.zeros((count, 3)) if head_yaw_pitch_roll is None else head_yaw_pitch_roll
    eyes = np.zeros((count, 2, 3)) if eyes_yaw_pitch_roll is None else eyes_yaw_pitch_roll
    angles = [head * HEAD_SIGNS, (eyes * EYE_SIGNS).reshape(count, 6)]
    table = np.concatenate([swap_sideways_pairs(weights), *angles], axis=1)
    names = [name[0].upper() + name[1:] for name in ARKIT_NAMES]
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["Timecode", "BlendShapeCount", *names, *HEAD_COLUMNS, *EYE_COLUMNS])
        for moment, row, face in zip(time_s, table, seen, strict=True):
            code = timecode(float(moment), rate_hz)
            out.writerow([code, 61, *(f"{v:.10f}" for v in row)] if face else [code, 0])


def timecode(moment_s: float, rate_hz: int) -> str:
    """`hh:mm:ss:FF.fff`, frames counted at `rate_hz`."""
    thousandths = round(moment_s * rate_hz * 1000)
    seconds, rest = divmod(thousandths, rate_hz * 1000)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours:02d}:{minutes:02d}:{seconds % 60:02d}:{rest / 1000:06.3f}"
