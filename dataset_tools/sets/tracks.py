"""Tracks of a data set: brought in, taken out, compared, fused. Each change is a new version."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dataset_tools.annotations import agreement
from dataset_tools.annotations.csv_files import encode_csv, read_csv
from dataset_tools.annotations.delays import (
    GRID_HZ,
    Delay,
    delay_of,
    delays_among,
    earlier,
    grid,
)
from dataset_tools.annotations.elan import encode_elan, read_elan
from dataset_tools.annotations.fusion import fuse, vote
from dataset_tools.annotations.marks import (
    Array,
    Curve,
    Mark,
    by_rater,
    checked,
    curve_marks,
    curves,
    sampled,
)
from dataset_tools.annotations.tables import read_marks
from dataset_tools.manifest import Manifest, read_manifest
from dataset_tools.sets.edits import Change, Edited, Facts, edit
from dataset_tools.sets.exports import file_name
from dataset_tools.sets.tables import read_rows, shard_name
from dataset_tools.sets.versions import version_folder
from dataset_tools.shards import read_facts
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import layout_from_dict

# What raters see of a face changes slower than this.
SEEN_S = 0.5
TICK_HZ = 60.0
Remedy = Literal["faces", "raters", "none"]


@dataclass(frozen=True, slots=True)
class Told:
    """All that is said in a version of a data set, and of which sequences."""

    version: Path
    manifest: Manifest
    facts: tuple[Facts, ...]
    marks: Mapping[int, tuple[Mark, ...]]

    def names(self) -> list[str]:
        """All tracks."""
        return sorted({mark.track for marks in self.marks.values() for mark in marks})

    def rated(self, track: str, leave_out: Iterable[str] = ()) -> dict[str, list[Curve]]:
        """Rater → curve of each sequence, an empty one where they gave none."""
        found = [curves(self.marks[row["sequence"]], track) for row in self.facts]
        nothing = Curve(np.zeros(0), np.zeros(0))
        raters = sorted({name for each in found for name in each} - set(leave_out))
        return {name: [each.get(name, nothing) for each in found] for name in raters}


def told(folder: Path) -> Told:
    """Read all tracks of a data set. Raises DataError where it is none, or a synthetic one."""
    version = version_folder(folder)
    manifest = read_manifest(version)
    if not manifest.layouts:
        raise DataError(f"{version} is a synthetic data set", "tracks are for sets of takes")
    facts = tuple(read_facts(version, manifest))
    marks = {row["sequence"]: read_marks(version, shard_name(row["sequence"])) for row in facts}
    return Told(version, manifest, facts, marks)


def known(said: Told, track: str) -> None:
    """Raises ConfigError naming the tracks that there are, where this is none of them."""
    if track not in said.names():
        raise ConfigError(
            f"{said.version} has no track {track!r}",
            f"there are {', '.join(said.names())}" if said.names() else "add one with `tracks add`",
        )


def add(
    folder: Path, files: Sequence[Path], take: str = "", rater: str = "", dry_run: bool = False
) -> Edited:
    """Bring marks from CSV and ELAN files into the next version.

    A file's marks are of the take that it names, or else of `take`, or else of the take that is
    called like the file. Where a rater said something on a track of a take before, the new marks
    replace it.

    Raises:
        DataError: a file that is not what it should be, or of a take that is not there.
    """
    found = [pair for path in files for pair in _read(path, take, rater)]

    def plan(_: Manifest, facts: list[Facts]) -> Change:
        names = {row["take"]: row for row in facts} | {file_name(row): row for row in facts}
        version = version_folder(folder)
        marks: dict[int, tuple[Mark, ...]] = {}
        for name, theirs, path in found:
            if name not in names:
                raise DataError(
                    f"{path}: no take {name!r} in {folder}",
                    f"there are {', '.join(sorted(row['take'] for row in facts)[:8])}; "
                    "name one with --take",
                )
            row = names[name]
            number = row["sequence"]
            _inside(theirs, row, path)
            before = marks.get(number, read_marks(version, shard_name(number)))
            after = replaced(before, theirs)
            if after != before:
                marks[number] = after
        return Change("tracks-add", {"files": [p.name for p in files]}, marks=marks)

    return edit(folder, plan, dry_run)


def replaced(before: Sequence[Mark], new: Sequence[Mark]) -> tuple[Mark, ...]:
    """`before` without what the raters of `new` said on the same tracks, and `new`."""
    again = {(mark.track, mark.rater) for mark in new}
    kept = [mark for mark in before if (mark.track, mark.rater) not in again]
    return checked([*kept, *new], "tracks")


def _read(path: Path, take: str, rater: str) -> list[tuple[str, tuple[Mark, ...], Path]]:
    suffix = path.suffix.lower()
    if suffix == ".eaf":
        return [(take or path.stem, read_elan(path, rater), path)]
    if suffix == ".csv":
        return [(name or take or path.stem, m, path) for name, m in read_csv(path, rater).items()]
    raise DataError(f"{path}: expected .csv or .eaf (ELAN)")


def _inside(marks: Sequence[Mark], row: Facts, path: Path) -> None:
    """Raises DataError where marks lie far outside the take: they are of another, or in ms."""
    last = max((mark.end_s for mark in marks), default=0.0)
    if last > row["end_s"] + 10.0:
        raise DataError(
            f"{path}: a mark ends at {last:g} s, but {row['take']} at {row['end_s']:.2f} s",
            "times are seconds after the first sample of the take",
        )


def remove(folder: Path, track: str, rater: str | None = None, dry_run: bool = False) -> Edited:
    """The next version without a track, or without one rater's part of it."""
    known(told(folder), track)

    def plan(_: Manifest, facts: list[Facts]) -> Change:
        version = version_folder(folder)
        marks = {}
        for row in facts:
            before = read_marks(version, shard_name(row["sequence"]))
            kept = tuple(m for m in before if m.track != track or rater not in (None, m.rater))
            if kept != before:
                marks[row["sequence"]] = kept
        return Change("tracks-remove", {"track": track, "rater": rater}, marks=marks)

    return edit(folder, plan, dry_run)


def export_tracks(folder: Path, out: Path, kind: Literal["csv", "elan"]) -> int:
    """Write all marks: one CSV per data set, or one `.eaf` per sequence. Returns how many marks.

    Raises:
        ConfigError: `out` exists, or there is nothing to write.
    """
    said = told(folder)
    if out.exists():
        raise ConfigError(f"{out} exists already", "choose another --out; nothing is overwritten")
    if not said.names():
        raise ConfigError(f"{said.version} has no tracks", "add some with `tracks add`")
    if kind == "csv":
        by_take = {row["take"]: said.marks[row["sequence"]] for row in said.facts}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(encode_csv(dict(by_take)), "utf-8")
    else:
        out.mkdir(parents=True)
        for row in said.facts:
            if marks := said.marks[row["sequence"]]:
                data = encode_elan(marks, "imusic", row["created_utc"])
                (out / f"{file_name(row)}.eaf").write_bytes(data)
    return sum(map(len, said.marks.values()))


def agreement_of(folder: Path, track: str) -> dict[str, Any]:
    """How far the raters of a track agree, on all sequences together, without their delays.

    Of curves ICC and CCC, of intervals kappa of what they say at ten moments a second.

    Raises:
        ConfigError: no such track, or only one rater.
    """
    said = told(folder)
    known(said, track)
    found: dict[str, Any] = {"track": track, "version": str(said.version)}
    rated = said.rated(track)
    if len(rated) > 1:
        delays = delays_among(rated)
        found["delays_s"] = {name: round(delay.delay_s, 3) for name, delay in delays.items()}
        found["curves"] = _curve_agreement(rated)
        aligned = _without_delays(rated, delays)
        found["curves_without_delays"] = _curve_agreement(aligned)
    intervals = _interval_agreement(said, track)
    if intervals:
        found["intervals"] = intervals
    if len(found) == 2:
        raise ConfigError(f"track {track!r} has one rater only", "two are needed to agree")
    return found


def _without_delays(
    rated: Mapping[str, Sequence[Curve]], delays: Mapping[str, Delay]
) -> dict[str, list[Curve]]:
    lags = {name: np.nan_to_num(delay.delay_s) for name, delay in delays.items()}
    return {name: [earlier(c, lags[name]) for c in each] for name, each in rated.items()}


def table(rated: Mapping[str, Sequence[Curve]]) -> Array:
    """(N, K) what K raters said at the same moments, of all sequences; NaN where nothing."""
    parts = [np.zeros((0, len(rated)))]
    for number in range(len(next(iter(rated.values())))):
        theirs = [each[number] for each in rated.values()]
        said = [c.time_s for c in theirs if len(c.time_s)]
        if said:
            time_s = grid(min(t[0] for t in said), max(t[-1] for t in said))
            parts.append(np.array([c.at(time_s) for c in theirs]).T)
    return np.concatenate(parts)


def _curve_agreement(rated: Mapping[str, Sequence[Curve]]) -> dict[str, Any]:
    values = table(rated)
    names = list(rated)
    pairs = {
        f"{names[i]} {names[j]}": _rounded(agreement.ccc(values[:, i], values[:, j]))
        for i, j in combinations(range(len(names)), 2)
    }
    kinds: tuple[agreement.Icc, ...] = ("2,1", "2,k", "3,1", "3,k")
    return {
        "moments": int(np.isfinite(values).all(axis=1).sum()),
        "icc": {kind: _rounded(agreement.icc(values, kind)) for kind in kinds},
        "ccc": pairs,
        "ccc_mean": _rounded(float(np.nanmean(list(pairs.values())))),
    }


def _interval_agreement(said: Told, track: str) -> dict[str, Any]:
    """Kappa over the sequences in which every rater of the track's intervals said something."""
    spoken: dict[str, list[str]] = {}
    per = [_intervals(said.marks[row["sequence"]], track) for row in said.facts]
    raters = sorted({name for each in per for name in each})
    if len(raters) < 2:
        return {}
    for row, each in zip(said.facts, per, strict=True):
        if each.keys() >= set(raters):
            time_s = grid(row["start_s"], row["end_s"])
            for name in raters:
                spoken.setdefault(name, []).extend(sampled(each[name], time_s))
    if not spoken:
        return {}
    counts, categories = agreement.category_counts([spoken[name] for name in raters])
    return {
        "moments": len(counts),
        "categories": categories,
        "fleiss_kappa": _rounded(agreement.fleiss_kappa(counts)),
        "cohen_kappa": {
            f"{a} {b}": _rounded(agreement.cohen_kappa(spoken[a], spoken[b]))
            for a, b in combinations(raters, 2)
        },
    }


def _intervals(marks: Sequence[Mark], track: str) -> dict[str, list[Mark]]:
    found = {
        name: [m for m in theirs if m.end_s > m.start_s]
        for name, theirs in by_rater(marks, track).items()
    }
    return {name: theirs for name, theirs in found.items() if theirs}


def _rounded(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Gold:
    """What a fusion did. delays, weights: of each rater; both empty where intervals were voted."""

    edited: Edited
    delays: Mapping[str, Delay]
    weights: Mapping[str, float]


def fuse_track(
    folder: Path,
    track: str,
    rater: str = "gold",
    remedy: Remedy = "faces",
    dry_run: bool = False,
) -> Gold:
    """The next version with what the raters of a track say together, as one more rater.

    Args:
        rater: the name of what is fused; what it said before is replaced, and not asked.
        remedy: how late raters are is told by the `faces` that they saw, or only against the
            earliest of the `raters`, or not taken off (`none`).

    Raises:
        ConfigError: no such track.
    """
    said = told(folder)
    known(said, track)
    rated = said.rated(track, leave_out=(rater,))
    if not rated:
        new = _voted(said, track, rater)
        return Gold(_with_new(folder, said, track, rater, new, dry_run), {}, {})
    delays = late(said, rated, remedy)
    fused = fuse(_without_delays(rated, delays))
    new = {
        row["sequence"]: list(curve_marks(track, rater, curve.time_s, curve.value))
        for row, curve in zip(said.facts, fused.curves, strict=True)
    }
    return Gold(_with_new(folder, said, track, rater, new, dry_run), delays, fused.weights)


def late(said: Told, rated: Mapping[str, Sequence[Curve]], remedy: Remedy) -> dict[str, Delay]:
    """How late each rater is."""
    if remedy == "none":
        return {name: Delay(0.0, float("nan")) for name in rated}
    if remedy == "raters":
        return delays_among(rated)
    looks = seen(said)
    return {name: delay_of(looks, theirs) for name, theirs in rated.items()}


def seen(said: Told) -> list[tuple[Array, Array]]:
    """What there was to be seen of each sequence: moments of the grid, and (T, 52) smooth weights.

    Rows without a face have NaN.
    """
    slots = len(layout_from_dict(said.manifest.layout).slots)
    found = []
    for row in said.facts:
        rows, first = read_rows(said.version, shard_name(row["sequence"]), slots)
        found.append(smoothed(rows.weights.astype(np.float64), first))
    return found


def smoothed(weights: Array, first_tick: int) -> tuple[Array, Array]:
    """(T, 52) of 60 Hz as moments of the grid, and the mean of SEEN_S around each."""
    half = round(SEEN_S * TICK_HZ / 2)
    sums = np.concatenate((np.zeros((1, weights.shape[1])), np.cumsum(weights, axis=0)))
    step = round(TICK_HZ / GRID_HZ)
    centres = np.arange(half, len(weights) - half, step)
    if np.isnan(weights).any():
        windows = [weights[c - half : c + half + 1].mean(axis=0) for c in centres]
        values = np.array(windows).reshape(len(centres), weights.shape[1])
    else:
        values = (sums[centres + half + 1] - sums[centres - half]) / (2 * half + 1)
    return (first_tick + centres + 1) / TICK_HZ, values


def _voted(said: Told, track: str, rater: str) -> dict[int, list[Mark]]:
    found = {}
    for row in said.facts:
        theirs = _intervals(said.marks[row["sequence"]], track)
        theirs.pop(rater, None)
        moments = grid(row["start_s"], row["end_s"])
        found[row["sequence"]] = vote(track, rater, theirs, moments) if theirs else []
    return found


def _with_new(
    folder: Path,
    said: Told,
    track: str,
    rater: str,
    new: Mapping[int, Sequence[Mark]],
    dry_run: bool,
) -> Edited:
    def plan(_: Manifest, facts: list[Facts]) -> Change:
        marks = {}
        for row in facts:
            before = said.marks.get(row["sequence"], ())
            kept = [m for m in before if (m.track, m.rater) != (track, rater)]
            after = checked([*kept, *new.get(row["sequence"], ())], "tracks")
            if after != before:
                marks[row["sequence"]] = after
        return Change("tracks-fuse", {"track": track, "rater": rater}, marks=marks)

    return edit(folder, plan, dry_run)


def add_rated(
    folder: Path,
    say: Callable[[Facts, Array, int], Iterable[Mark]],
    verb: str,
    dry_run: bool = False,
) -> Edited:
    """The next version with what `say` says of each sequence, from its facts, its (T, 52) weights
    at 60 Hz and the tick of the first."""

    def plan(manifest: Manifest, facts: list[Facts]) -> Change:
        version = version_folder(folder)
        slots = len(layout_from_dict(manifest.layout).slots)
        marks = {}
        for row in facts:
            name = shard_name(row["sequence"])
            rows, first = read_rows(version, name, slots)
            before = read_marks(version, name)
            after = replaced(before, list(say(row, rows.weights.astype(np.float64), first)))
            if after != before:
                marks[row["sequence"]] = after
        return Change(verb, {}, marks=marks)

    return edit(folder, plan, dry_run)
