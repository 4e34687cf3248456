"""`subjects.toml`: what the people in a data set agreed to.

[subjects.anna]                        # the `subject` of her takes
consent = ["training", "publication"]
licence = "CC-BY-4.0"
granted = 2026-03-01
expires = 2031-03-01                   # optional, and so is all below
withdrawn = 2026-05-01
language = "english"
facts = { age = "30-39" }
"""

from pathlib import Path

import msgspec

from dataset_tools.manifest import Subject
from firmware_host.errors import ConfigError


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    subjects: dict[str, Subject] = {}


def read_subjects(path: Path) -> dict[str, Subject]:
    """Read the file. Raises ConfigError naming the key and what was expected."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=_File).subjects
    except OSError as error:
        raise ConfigError(f"{path}: cannot read it: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
