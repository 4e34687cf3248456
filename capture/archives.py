"""Archives that anybody may have made, unpacked without harm: zip and tar, also compressed.

Only regular files come out, below one new folder: no links, devices or paths that lead elsewhere,
no more bytes, files or compression than bounds allow. Sizes that an archive states are not
believed; what comes out is counted.
"""

import lzma
import secrets
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from firmware_host.errors import ConfigError, DataError

MAX_BYTES = 64 << 30
MAX_FILES = 100_000
MAX_RATIO = 200  # of what comes out to what went in; text compresses to a tenth
SLACK_BYTES = 16 << 20  # below which the ratio says nothing
MAX_NAME = 200
_PIECE = 1 << 20
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{n}{k}" for n in ("com", "lpt") for k in range(1, 10)}
_DAMAGED = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile,
    tarfile.TarError, zlib.error, lzma.LZMAError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an archive may hold at most."""

    bytes: int = MAX_BYTES
    files: int = MAX_FILES
    ratio: float = MAX_RATIO


DEFAULT_BOUNDS = Bounds()


def unpack(archive: Path, out: Path, bounds: Bounds = DEFAULT_BOUNDS) -> list[Path]:
    """Unpack into the new folder `out`, all or nothing; returns the files, in order of name.

    Raises:
        ConfigError: `out` exists.
        DataError: not an archive, damaged, or holding what is not allowed; it names the entry.
    """
    if out.exists():
        raise ConfigError(f"{out} exists already", "choose another --out; nothing is overwritten")
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    unfinished.mkdir()
    try:
        if not archive.is_file():
            raise DataError(f"{archive}: no such file")
        folder = _Folder(unfinished, archive, bounds)
        for name, content in _entries(archive):
            folder.add(name, content)
        unfinished.rename(out)
    except DataError:
        raise
    except _DAMAGED as error:
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{archive}: damaged, or not readable: {what}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return sorted(path for path in out.rglob("*") if path.is_file())


def _entries(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """(name, content) of every regular file. Raises DataError at anything that is none."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                if info.is_dir():
                    continue
                if kind not in (0, stat.S_IFREG):
                    raise DataError(f"{archive}: {info.filename!r} is no regular file")
                with zipped.open(info) as content:
                    yield info.filename, content
        return
    try:
        tar = tarfile.open(archive, "r|*")  # noqa: SIM115
    except tarfile.TarError as error:
        raise DataError(f"{archive}: expected .zip or .tar, also compressed") from error
    with tar:
        for entry in tar:
            if entry.isdir():
                continue
            held = tar.extractfile(entry) if entry.isreg() else None
            if held is None:
                raise DataError(f"{archive}: {entry.name!r} is no regular file")
            yield entry.name, held


class _Folder:
    """What was unpacked so far, and what may still be."""

    def __init__(self, path: Path, archive: Path, bounds: Bounds) -> None:
        self._path, self._archive, self._bounds = path, archive, bounds
        self._files = self._bytes = 0
        grown = bounds.ratio * archive.stat().st_size
        self._allowed = min(bounds.bytes, max(grown, SLACK_BYTES))

    def add(self, name: str, content: IO[bytes]) -> None:
        """Write one file. Raises DataError where it may not be."""
        self._files += 1
        if self._files > self._bounds.files:
            raise DataError(f"{self._archive}: more than {self._bounds.files} files")
        target = self._path / safe_name(name, self._archive)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = target.open("xb")
        except FileExistsError as error:
            raise DataError(f"{self._archive}: {name!r} is in it twice") from error
        with file:
            while piece := content.read(_PIECE):
                self._bytes += len(piece)
                if self._bytes > self._allowed:
                    raise DataError(
                        f"{self._archive}: with {name!r} more than {self._allowed / 1e6:.0f} MB",
                        "an archive that grows like this is no recording",
                    )
                file.write(piece)


def safe_name(name: str, archive: Path) -> PurePosixPath:
    """The name of an entry, if it lies below the folder on every system. Raises DataError."""
    path = PurePosixPath(name.replace("\\", "/"))
    odd = (
        path.is_absolute()
        or not path.parts
        or any(part in ("..", ".") for part in path.parts)
        or any(ord(c) < 32 or c in '<>:"|?*' for c in name)
        or any(part.rstrip(" .") != part for part in path.parts)
        or any(part.split(".")[0].lower() in _RESERVED for part in path.parts)
        or len(str(path)) > MAX_NAME
    )
    if odd:
        raise DataError(f"{archive}: {name!r} is no name of a file below a folder")
    return path
