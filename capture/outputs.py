"""Files and folders that verbs write: refused before the work, and written whole or not at all."""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware_host.errors import ConfigError


def require_writable(path: Path) -> None:
    """Refuse a file that could not be written after all the work.

    Raises:
        ConfigError: it is a folder, its folder is missing, or nothing can be written there.
    """
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}", "make it first")
    if path.is_dir():
        raise ConfigError(f"{path} is a folder, expected the name of a file")
    _try_to_write(path.parent, path)


def require_writable_folder(folder: Path) -> None:
    """Refuse a folder that could not be made or written to; it need not exist yet.

    Raises:
        ConfigError: it, or what it would be made in, is a file or not writable.
    """
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if not existing.is_dir():
        raise ConfigError(f"{existing} is a file, expected a folder", "give another --out")
    _try_to_write(existing, folder)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the name of a new file beside `path` to write to; it becomes `path` at the end.

    The name ends as that of `path` does, since encoders go by it. After an error nothing is left.
    """
    beside = path.with_name(f".{path.stem}.{secrets.token_hex(8)}{path.suffix.lower()}")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _try_to_write(folder: Path, wanted: Path) -> None:
    # Asking for permissions is not enough: a read-only disk and /proc grant them to root.
    try:
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise ConfigError(f"{wanted} cannot be written: {error.strerror}") from error
