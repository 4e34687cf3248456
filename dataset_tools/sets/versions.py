"""Versions of a data set: whole folders side by side, of which the highest is the data set.

    SET/v1/    manifest.json, shards/, sequences/, native/, faces/
    SET/v2/    files that did not change are the same files (hard links)
    SET/.building/   under way; whatever ends the command, v1 and v2 stay as they are

A version never changes once it has its name. A folder that holds `manifest.json` itself, as
`imusic synth` makes them, is its own only version.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from capture.provenance import file_sha256
from dataset_tools.manifest import (
    MANIFEST_FILE,
    Manifest,
    Shard,
    encode_manifest,
    read_manifest,
)
from dataset_tools.parquet_files import flush_to_disk
from dataset_tools.sets.locks import LOCK_FILE, only_writer
from firmware_host.errors import ConfigError, DataError

BUILDING = ".building"
_VERSION = re.compile(r"v([1-9][0-9]*)")


def versions(folder: Path) -> list[Path]:
    """The versions of a data set, oldest first; none where it is no folder with versions."""
    numbered = {
        int(match[1]): path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := _VERSION.fullmatch(path.name)) and (path / MANIFEST_FILE).is_file()
    }
    return [numbered[number] for number in sorted(numbered)]


def version_folder(folder: Path) -> Path:
    """The folder to read: `folder` itself where it has a manifest, otherwise its newest version.

    Raises:
        DataError: it is no data set.
    """
    if (folder / MANIFEST_FILE).is_file():
        return folder
    if found := versions(folder):
        return found[-1]
    what = "holds no data set" if folder.is_dir() else "no such folder"
    raise DataError(f"{folder}: {what}", "make one with `imusic dataset build` or `imusic synth`")


class Staging:
    """The next version, under way: files are written into `path` or linked from the version before.

    previous: the version before and its manifest, or None.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / BUILDING
        found = versions(folder)
        self.previous = (found[-1], read_manifest(found[-1])) if found else None
        self.number = int(found[-1].name[1:]) + 1 if found else 1
        self.path.mkdir(exist_ok=True)

    @property
    def parent(self) -> str:
        """The sha256 of the manifest of the version before; empty where there is none."""
        return file_sha256(self.previous[0] / MANIFEST_FILE) if self.previous else ""

    def clear(self) -> None:
        """Forget what a command that was killed left here."""
        shutil.rmtree(self.path)
        self.path.mkdir()

    def link(self, shard: Shard, source: Path, without: str = "") -> None:
        """Take over the files of a shard from the version `source`, but for one kind."""
        for name in shard.files:
            if without and name.startswith(f"{without}/"):
                continue
            target = self.path / name
            target.parent.mkdir(exist_ok=True)
            target.unlink(missing_ok=True)
            link_or_copy(source / name, target)

    def commit(self, manifest: Manifest) -> Path:
        """Make it a version: files that are not in the manifest go, then it gets its name."""
        wanted = {name for shard in manifest.shards for name in shard.files}
        for path in sorted(self.path.rglob("*"), reverse=True):
            if path.is_file() and path.relative_to(self.path).as_posix() not in wanted:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        target = self.path / MANIFEST_FILE
        target.write_bytes(encode_manifest(manifest))
        flush_to_disk(target)
        named = self.folder / f"v{self.number}"
        self.path.rename(named)
        return named


@contextmanager
def next_version(folder: Path) -> Iterator[Staging]:
    """Work on the next version of `folder`, alone.

    Raises:
        ConfigError: another command is at it, or `folder` holds something else.
    """
    if (folder / MANIFEST_FILE).is_file():
        raise ConfigError(
            f"{folder} is one whole version, which never changes",
            "give the folder above it; of a synthetic set, make another with `imusic synth`",
        )
    if folder.is_file() or (folder.is_dir() and not _is_ours(folder)):
        raise ConfigError(f"{folder} exists and is no data set", "choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    with only_writer(folder):
        yield Staging(folder)


def _is_ours(folder: Path) -> bool:
    ours = (BUILDING, LOCK_FILE)
    return all(path.name in ours or _VERSION.fullmatch(path.name) for path in folder.iterdir())


def link_or_copy(source: Path, target: Path) -> None:
    """The same file under another name, where the disk can do that."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
