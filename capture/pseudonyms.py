"""Names for people that say nothing of them, and the one file that knows who is who.

An IMU recording is pseudonymous, never anonymous: how somebody moves tells who it is. The file of
pseudonyms must not lie with the data, or it is no pseudonym.
"""

import os
import secrets
import stat
from pathlib import Path

import msgspec

from capture.take import TAKE_FILE
from firmware_host.errors import ConfigError

_SIGNS = "23456789abcdefghjkmnpqrstuvwxyz"  # none that are mistaken for each other
_LENGTH = 6


class _People(msgspec.Struct, forbid_unknown_fields=True):
    people: dict[str, str] = {}


def pseudonym_of(path: Path, name: str) -> str:
    """The pseudonym of a person: the one in the file, or a new one, which is then in it.

    Raises:
        ConfigError: no name, the file lies with takes or data sets, is no such file, or can be
            read by others.
    """
    name = " ".join(name.split())
    if not name:
        raise ConfigError("whose pseudonym? the name is empty")
    require_apart(path)
    known = _read(path)
    if name not in known.people:
        known.people[name] = _unused(set(known.people.values()))
        _write(path, known)
    return known.people[name]


def person_of(path: Path, pseudonym: str) -> str:
    """Who it is. Raises ConfigError where the file does not know, or as `pseudonym_of`."""
    for name, given in _read(path).people.items():
        if given == pseudonym:
            return name
    raise ConfigError(f"{path}: nobody has the pseudonym {pseudonym!r}")


def require_apart(path: Path) -> None:
    """Refuse a place where data lies. Raises ConfigError naming it."""
    there = path.absolute().parent
    inside = [folder for folder in (there, *there.parents) if _is_data(folder)]
    around = [there] if any(map(_is_data, there.glob("*/"))) else []
    if holding := (*inside, *around):
        raise ConfigError(
            f"{path}: {holding[0]} holds recordings, and who is who must not lie with them",
            "keep this file on another disk, or under another folder",
        )


def _is_data(folder: Path) -> bool:
    """Whether it is a take, or a version of a data set."""
    is_set = (folder / "manifest.json").is_file() and (folder / "shards").is_dir()
    return is_set or (folder / TAKE_FILE).is_file()


def _unused(taken: set[str]) -> str:
    while True:
        made = "p" + "".join(secrets.choice(_SIGNS) for _ in range(_LENGTH))
        if made not in taken:
            return made


def _read(path: Path) -> _People:
    try:
        if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(f"{path}: others may read who is who", f"chmod 600 {path}")
        return msgspec.toml.decode(path.read_bytes(), type=_People)
    except FileNotFoundError:
        return _People(people={})
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _write(path: Path, people: _People) -> None:
    part = path.with_name(path.name + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.toml.encode(people))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
