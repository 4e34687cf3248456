"""Keys of CURVE, with which faces leave this computer only to whom they are meant for.

A face is personal data and ZeroMQ lets anyone subscribe: what is published beyond this computer is
encrypted, and only keys on a list get in. A key file holds both halves and is for its owner alone.
CURVE: rfc.zeromq.org/spec/25 and /26; keys are 32 bytes in Z85, 40 characters.
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

import msgspec
import zmq

from firmware_host.errors import ConfigError

_Z85 = re.compile(r"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
_LOCAL = re.compile(r"(tcp://(127\.\d+\.\d+\.\d+|localhost|\[::1\]):|ipc://|inproc://)")


class KeyPair(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One end's keys, Z85. `public` may be told to anybody."""

    public: str
    secret: str

    def __post_init__(self) -> None:
        if not (is_key(self.public) and is_key(self.secret)):
            raise ValueError("expected two keys of 40 characters")


@dataclass(frozen=True, slots=True)
class Guard:
    """What a publisher beyond loopback needs: its own keys, and whom it lets in."""

    keys: KeyPair
    allow: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a subscriber to such a publisher needs: its own keys, and the publisher's public one."""

    keys: KeyPair
    publisher: str


def ticket_of(server_key: str, key_file: Path | None, option: str) -> Ticket | None:
    """What the options of a verb give; None of neither. option: the one of `server_key`.

    Raises:
        ConfigError: only one of them, no key, or a file that is no key file.
    """
    if not server_key and key_file is None:
        return None
    if key_file is None or not is_key(server_key):
        raise ConfigError(f"expected {option} of 40 characters and --key-file together")
    return Ticket(read_keys(key_file), server_key)


def is_key(text: str) -> bool:
    """Whether this can be a key."""
    return _Z85.fullmatch(text) is not None


def is_local(address: str) -> bool:
    """Whether a ZeroMQ address is reached from this computer only."""
    return _LOCAL.match(address) is not None


def new_keys() -> KeyPair:
    """Fresh random keys."""
    public, secret = zmq.curve_keypair()
    return KeyPair(public=public.decode("ascii"), secret=secret.decode("ascii"))


def write_keys(path: Path, keys: KeyPair) -> None:
    """Write a new key file that only its owner may read. Raises ConfigError where it exists."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(msgspec.toml.encode(keys))
    except FileExistsError as error:
        raise ConfigError(f"{path} exists already", "keys are never overwritten") from error


def read_keys(path: Path) -> KeyPair:
    """Read a key file.

    Raises:
        ConfigError: missing, no key file, or readable by others.
    """
    try:
        shared = path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        keys = msgspec.toml.decode(path.read_bytes(), type=KeyPair)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot read the keys: {error.strerror}", f"make some: imusic keys {path}"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}", "a key file is made by `imusic keys`") from error
    if shared and os.name == "posix":  # Windows keeps its permissions elsewhere
        raise ConfigError(f"{path}: others may read these keys", f"chmod 600 {path}")
    return keys


def guard_for(
    addresses: tuple[str, ...], key_file: str, allow: tuple[str, ...], table: str = "publish"
) -> Guard | None:
    """What these addresses need; None where all of them are local and no keys were given.

    table: of the rig, publish or control, for messages.

    Raises:
        ConfigError: an address beyond this computer without keys or without anyone allowed.
    """
    wrong = [key for key in allow if not is_key(key)]
    if wrong:
        raise ConfigError(f"{table}.allow: {wrong[0]!r} is no public key of 40 characters")
    if key_file:
        if not allow:
            nobody = "listen" if table == "publish" else "ask"
            raise ConfigError(f"{table}.key_file without {table}.allow: nobody could {nobody}")
        return Guard(read_keys(Path(key_file)), allow)
    beyond = [address for address in addresses if not is_local(address)]
    if beyond:
        why = {
            "publish": "a face leaves this computer only encrypted, to whom it is meant for",
            "control": "only who is on a list may control a recorder from elsewhere",
        }[table]
        raise ConfigError(
            f"{beyond[0]}: {why}",
            f"set {table}.key_file (make one: imusic keys FILE) and {table}.allow, see "
            "docs/wire.md",
        )
    return None
