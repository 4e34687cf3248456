"""Bytes of glTF files: read within bounds, and a `.glb` taken apart."""

import struct
from pathlib import Path

from firmware_host.errors import DataError

MAX_FILE_BYTES = 512 << 20
GLB_MAGIC = b"glTF"
_JSON_CHUNK, _BIN_CHUNK = b"JSON", b"BIN\0"


def read_bytes(path: Path, what: str, most: int = MAX_FILE_BYTES) -> bytes:
    """The bytes of a file. Raises DataError where it is missing, unreadable or larger."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path}: cannot read {what}: {why}") from error
    if len(data) > most:
        raise DataError(f"{path}: expected {what} of at most {most} bytes, got more")
    return data


def split_glb(path: Path, raw: bytes) -> tuple[bytes, bytes | None]:
    """The JSON and the binary chunk of a `.glb`: glTF 2.0 specification, section 4.4.

    Raises:
        DataError: another version, cut short, or no JSON in it.
    """
    if len(raw) < 20:
        raise DataError(f"{path}: expected a .glb of at least 20 bytes, got {len(raw)}")
    version, length = struct.unpack_from("<II", raw, 4)
    if version != 2:
        raise DataError(f"{path}: expected a .glb of version 2, got version {version}")
    if length > len(raw):
        raise DataError(f"{path}: expected {length} bytes, got {len(raw)}", "it was cut short")
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= length:
        size, kind = struct.unpack_from("<I4s", raw, at)
        at += 8
        if at + size > length:
            raise DataError(
                f"{path}: the {kind!r} chunk ends at byte {at + size}, the file at {length}"
            )
        chunks.setdefault(kind, raw[at : at + size])
        at += size
    if _JSON_CHUNK not in chunks:
        raise DataError(f"{path}: expected a JSON chunk, got {', '.join(map(repr, chunks))}")
    return chunks[_JSON_CHUNK], chunks.get(_BIN_CHUNK)
