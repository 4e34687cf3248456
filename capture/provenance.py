"""Which recordings something was made from: named by hash, with their licence."""

import hashlib
from pathlib import Path

import msgspec

from firmware_host.errors import DataError


class DataUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recording that a checkpoint, a prior or synthetic data was made from."""

    person: str
    sha256: str
    licence: str


def file_sha256(path: Path) -> str:
    """The name of a recording that no renaming changes. Raises DataError: it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
