"""Folders of takes, and a folder that becomes a take as a whole, or stays as it was.

nothing, or an empty folder ──► hidden folder under way ──► take
            └──────◄── whatever fails ──────┘
"""

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from capture.take import TAKE_FILE, Take
from capture.take_writer import TakeWriter
from firmware_host.errors import ConfigError, DataError

CHUNK_BYTES = 1024 * 1024


def find_takes(paths: Sequence[Path]) -> list[Path]:
    """Take folders: those given, and those in folders given. Raises DataError where none is."""
    found: dict[Path, None] = {}
    for path in paths:
        inside = [path] if (path / TAKE_FILE).is_file() else []
        inside = inside or [p.parent for p in sorted(path.glob(f"*/{TAKE_FILE}"))]
        if not inside:
            what = "no take, and no folder of takes" if path.exists() else "no such folder"
            raise DataError(f"{path}: {what}", "give takes, or the folder that holds them")
        found |= dict.fromkeys(inside)
    return list(found)


def known_name(path: Path) -> str:
    """The name of what `path` leads to, as text that every file can hold."""
    name = Path(os.path.realpath(path)).name
    return os.fsencode(name).decode("utf-8", "replace")


@contextmanager
def whole_take(folder: Path, take: Take) -> Iterator[TakeWriter]:
    """Give a writer; once it was closed, `folder` is the take. Otherwise as `whole_folder`."""
    with whole_folder(folder) as unfinished:
        writer = TakeWriter(unfinished, take, CHUNK_BYTES)
        try:
            yield writer
        except BaseException:
            writer.abandon()
            raise


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to write a take to; at the end it is `folder`.

    If anything fails before, all that was made is removed: an empty folder of the user's stays
    empty, and folders above that did not exist are gone again. A link is followed.

    Raises:
        ConfigError: `folder` exists and is not an empty folder, or lies in a file.
        OSError: what the disk refuses.
    """
    target = Path(os.path.realpath(folder))
    existed = target.exists()
    if existed and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(
            f"{folder} exists already; a take is never written over another",
            "choose another --out",
        )
    if (above := next(p for p in target.parents if p.exists())).is_file():
        raise ConfigError(f"{folder}: {above} is a file, not a folder", "choose another --out")
    with ExitStack() as undo:
        for parent in reversed([p for p in target.parents if not p.exists()]):
            parent.mkdir()
            undo.callback(_remove_if_empty, parent)
        unfinished = (target if existed else target.parent) / f".{secrets.token_hex(4)}.part"
        unfinished.mkdir()
        undo.callback(shutil.rmtree, unfinished, ignore_errors=True)
        yield unfinished
        _settle(unfinished, target)
        undo.pop_all()


def _settle(unfinished: Path, target: Path) -> None:
    """Give the files their place; `take.toml` last, which makes a folder a take."""
    if not target.exists():
        unfinished.rename(target)
        return
    for path in sorted(unfinished.iterdir(), key=lambda path: path.name == TAKE_FILE):
        path.rename(target / path.name)
    unfinished.rmdir()


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # somebody else put something there meanwhile
        folder.rmdir()
