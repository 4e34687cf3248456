"""Reading MCAP chunk by chunk: what a replay, a take's reader and its rescuer share. No I/O.

Only what our own files need: zstd or plain chunks that hold schemas, channels and messages. Every
chunk is verified against its checksum before anything in it is believed. The file format is at
https://mcap.dev/spec.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

import zstandard

from firmware_host.errors import DataError

MAGIC = b"\x89MCAP0\r\n"
OP_HEADER, OP_FOOTER, OP_SCHEMA, OP_CHANNEL, OP_MESSAGE, OP_CHUNK = 1, 2, 3, 4, 5, 6
OP_MESSAGE_INDEX, OP_DATA_END = 7, 15
MAX_CHUNK_BYTES = 64 * 1024 * 1024  # ours are a thousandth of that: more is damage

_FOOTER_BYTES = 8 + 8 + 4  # where the summary and its offsets begin, CRC

_RECORD = struct.Struct("<BQ")
_CHUNK = struct.Struct("<QQQII")  # start, end, uncompressed size, CRC, length of the codec's name
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time

Buffer = bytes | mmap


@dataclass(frozen=True, slots=True)
class Record:
    """One message: when it was received, its writer's counter, and its bytes (a view)."""

    log_time_ns: int
    sequence: int
    payload: memoryview


def chunk_at(data: Buffer, at: int) -> tuple[bytes, int] | None:
    """The verified contents of the chunk record that begins at `at`, and where it ends.

    None where no intact chunk begins there.
    """
    head = _RECORD.size + _CHUNK.size
    if at + head > len(data):
        return None
    opcode, length = _RECORD.unpack_from(data, at)
    end = at + _RECORD.size + length
    if opcode != OP_CHUNK or end > len(data) or length < _CHUNK.size + 8:
        return None
    _, _, size, crc, name_length = _CHUNK.unpack_from(data, at + _RECORD.size)
    body = at + head + name_length + 8
    if name_length > 16 or body > end or size > MAX_CHUNK_BYTES:
        return None
    codec = data[at + head : at + head + name_length]
    contents = _unpack(bytes(data[body:end]), codec, size)
    if contents is None or zlib.crc32(contents) != crc:
        return None
    return contents, end


def _unpack(packed: bytes, codec: bytes, size: int) -> bytes | None:
    if codec == b"":
        return packed if len(packed) == size else None
    if codec != b"zstd":
        return None
    try:
        if zstandard.get_frame_parameters(packed).content_size != size:
            return None
        contents: bytes = zstandard.decompress(packed, max_output_size=size)
    except (zstandard.ZstdError, MemoryError):
        return None
    return contents


def is_closed(data: Buffer) -> bool:
    """Whether the data begins as MCAP does and ends with a footer; nothing between is looked at."""
    footer = len(data) - len(MAGIC) - _RECORD.size - _FOOTER_BYTES
    return (
        footer >= len(MAGIC)
        and data[: len(MAGIC)] == MAGIC == data[-len(MAGIC) :]
        and _RECORD.unpack_from(data, footer) == (OP_FOOTER, _FOOTER_BYTES)
    )


def chunks(data: Buffer, name: str, hint: str) -> Iterator[bytes]:
    """The contents of every chunk of a whole file, verified, in order.

    Raises:
        DataError: the file was cut or is damaged; says at which byte. `name` and `hint` go in it.
    """
    at = _expect(data[: len(MAGIC)] == MAGIC, len(MAGIC), 0, len(data), name, hint)
    while True:
        start = at
        whole = at + _RECORD.size <= len(data)
        opcode, length = _RECORD.unpack_from(data, at) if whole else (0, 0)
        at = _expect(
            whole and at + _RECORD.size + length <= len(data),
            at + _RECORD.size + length,
            start,
            len(data),
            name,
            hint,
        )
        if opcode == OP_CHUNK:
            found = chunk_at(data, start)
            _expect(found is not None, at, start, len(data), name, hint)
            if found is not None:
                yield found[0]
        elif opcode == OP_FOOTER:
            _expect(data[at:] == MAGIC, at, at, len(data), name, hint)
            return


def _expect(sound: bool, result: int, at: int, size: int, name: str, hint: str) -> int:
    if not sound:
        raise DataError(f"{name}: cut off or damaged at byte {at} of {size}", hint)
    return result


def records(contents: bytes, topics: dict[int, str]) -> Iterator[tuple[str, Record]]:
    """(topic, message) of one chunk, in order.

    Args:
        contents: what `chunk_at` or `chunks` gave.
        topics: channel numbers seen so far; channels that the chunk declares are added.

    Raises:
        DataError: the chunk matches its checksum but was not written by the rules.
    """
    view, at = memoryview(contents), 0
    try:
        while at < len(contents):
            opcode, length = _RECORD.unpack_from(contents, at)
            body, at = at + _RECORD.size, at + _RECORD.size + length
            if opcode == OP_MESSAGE:
                channel, sequence, log_time, _ = _MESSAGE.unpack_from(contents, body)
                yield topics[channel], Record(log_time, sequence, view[body + _MESSAGE.size : at])
            elif opcode == OP_CHANNEL:
                number, _, name_length = struct.unpack_from("<HHI", contents, body)
                topics[number] = str(view[body + 8 : body + 8 + name_length], "utf-8")
    except (struct.error, KeyError, UnicodeDecodeError) as error:
        raise DataError(f"a chunk holds what is no message of a known channel: {error}") from error


def schemas(contents: bytes) -> dict[str, bytes]:
    """What the schema records of one chunk hold, by name.

    Raises:
        DataError: the chunk matches its checksum but was not written by the rules.
    """
    found: dict[str, bytes] = {}
    at = 0
    try:
        while at < len(contents):
            opcode, length = _RECORD.unpack_from(contents, at)
            body, at = at + _RECORD.size, at + _RECORD.size + length
            if opcode == OP_SCHEMA:
                name, after = _prefixed(contents, body + 2)  # its number comes first
                _, after = _prefixed(contents, after)  # its encoding
                found[name.decode()], _ = _prefixed(contents, after)
    except (struct.error, UnicodeDecodeError) as error:
        raise DataError(f"a chunk holds what is no schema: {error}") from error
    return found


def _prefixed(contents: bytes, at: int) -> tuple[bytes, int]:
    """Bytes after their own length, and where they end."""
    (length,) = struct.unpack_from("<I", contents, at)
    return contents[at + 4 : at + 4 + length], at + 4 + length
