"""Whether a take is what it was when it ended, and copies of it that are proven."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from capture.provenance import file_sha256
from capture.recover import read_all
from capture.take import (
    DATA_FILE,
    PLOT_FILE,
    SYNC_FILE,
    TAKE_FILE,
    read_take,
    recover_hint,
    sync_folder,
)
from capture.take_folders import whole_folder
from firmware_host.errors import DataError

_COUNTED = ("samples", "faces")
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Verified:
    """problems: what is wrong, none where all is well. proven: whether checksums said so; takes of
    before they were kept are only read through."""

    folder: Path
    samples: int
    faces: int
    proven: bool
    problems: tuple[str, ...] = ()


def verify(folder: Path) -> Verified:
    """Read all of a take: checksums of its files, of every chunk, and its counts.

    Raises:
        DataError: not a take, or its `take.toml` cannot be read.
    """
    take = read_take(folder)
    problems = []
    if take.state == "recording":
        problems.append(f"it was never completed: {recover_hint(folder)}")
    for name, expected in take.files.items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is gone")
        elif file_sha256(path) != expected:
            problems.append(f"{name} is not what it was when the take ended")
    found = {"samples": 0, "faces": 0}
    try:
        if not (folder / DATA_FILE).is_file():
            raise DataError(f"{DATA_FILE} is gone")
        tally = read_all(folder / DATA_FILE, take)
    except DataError as error:
        if not any(problem.startswith(DATA_FILE) for problem in problems):
            problems.append(f"{error}: {recover_hint(folder)}")
    else:
        found = {what: tally.kept[what] for what in _COUNTED}
        for what in _COUNTED:
            if take.state != "recording" and take.counts.get(what, 0) != found[what]:
                problems.append(f"{found[what]} {what}, not {take.counts.get(what, 0)} as it says")
    return Verified(folder, found["samples"], found["faces"], bool(take.files), tuple(problems))


def offload(
    folder: Path, to: Path, report: Callable[[float], None] = lambda _: None
) -> tuple[Path, bool]:
    """Copy a whole take under `to`; where the copy is, and whether it was made now.

    The copy is read back from the disk and compared before it has its name, so a folder of that
    name is a proven copy. The take itself is left as it is.

    Raises:
        DataError: the take is not in order, or the copy is not the same.
        ConfigError: something else of that name is there.
        OSError: what the disk refuses.
    """
    checked = verify(folder)
    if checked.problems:
        raise DataError(f"{folder}: {checked.problems[0]}", f"`imusic verify {folder}` tells all")
    names = [name for name in _files_of(folder) if (folder / name).is_file()]
    expected = {name: file_sha256(folder / name) for name in names}
    target = to / folder.resolve().name
    if (target / TAKE_FILE).is_file() and _hashes(target, names) == expected:
        return target, False
    size = max(sum((folder / name).stat().st_size for name in names), 1)
    done = 0
    with whole_folder(target) as unfinished:
        for name in names:
            done = _copy(folder / name, unfinished / name, done, size, report)
        sync_folder(unfinished)
        for name, digest in _hashes(unfinished, names).items():
            if digest != expected[name]:
                raise DataError(
                    f"{target}: the copy of {name} is not the same as what was read",
                    "the disk or its cable is not to be trusted; the take itself is untouched",
                )
    sync_folder(to)
    return target, True


def _files_of(folder: Path) -> tuple[str, ...]:
    """Everything of a take but what a rescue left behind; `take.toml` last."""
    names = [*read_take(folder).files, DATA_FILE, SYNC_FILE, PLOT_FILE]
    return (*dict.fromkeys(names), TAKE_FILE)


def _copy(source: Path, target: Path, done: int, size: int, report: Callable[[float], None]) -> int:
    with source.open("rb") as reading, target.open("xb") as writing:
        while piece := reading.read(_PIECE):
            writing.write(piece)
            done += len(piece)
            report(done / size)
        writing.flush()
        os.fsync(writing.fileno())
        if hasattr(os, "posix_fadvise"):  # so that reading back asks the disk, not the memory
            os.posix_fadvise(writing.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    shutil.copystat(source, target)
    return done


def _hashes(folder: Path, names: list[str]) -> dict[str, str]:
    return {name: file_sha256(folder / name) for name in names if (folder / name).is_file()}
