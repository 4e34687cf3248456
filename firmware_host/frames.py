"""Frames on the wire: COBS(kind, payload, CRC-16), then a zero byte. No I/O.

COBS (Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999) leaves no zero inside a frame,
so the next zero is always a frame boundary, whatever was damaged before it.
"""

import binascii
from dataclasses import dataclass

from cobs import cobs

from firmware_host.samples import Garbage

MAX_FRAME = 1024  # bytes on the wire, delimiter included
MAX_PAYLOAD = 1000  # what certainly fits: 1 kind, 2 CRC, 5 COBS codes and 1 delimiter more
DELIMITER = b"\0"
_CRC_SEED = 0xFFFF


@dataclass(frozen=True, slots=True)
class Frame:
    """One intact frame. `size` is what it took on the wire, delimiter included."""

    kind: int
    payload: bytes
    size: int


def encode(kind: int, payload: bytes = b"") -> bytes:
    """Wrap a payload for the wire. Raises ValueError for more than MAX_PAYLOAD bytes."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"expected a payload of at most {MAX_PAYLOAD} bytes, got {len(payload)}")
    body = bytes((kind,)) + payload
    crc = binascii.crc_hqx(body, _CRC_SEED)
    wrapped: bytes = cobs.encode(body + crc.to_bytes(2, "little"))
    return wrapped + DELIMITER


class FrameDecoder:
    """Incremental decoder: feed it what arrived, take what is complete.

    A run of MAX_FRAME bytes without a delimiter cannot be a frame: it is given up in lumps of that
    size, so the buffer stays small and a line that talks nonsense is seen to do so at once.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._overlong = False  # the run in the buffer has already lost its beginning

    @property
    def pending(self) -> int:
        """Bytes held back until the next delimiter; always less than MAX_FRAME."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame | Garbage]:
        """Return what `data` completes, in order. Never raises; every byte is counted once."""
        found: list[Frame | Garbage] = []
        *runs, rest = (self._buffer + data).split(DELIMITER)
        for run in runs:
            run = self._give_up_overlong(run, found)
            found.append(Garbage(len(run) + 1) if self._overlong else _unwrap(run))
            self._overlong = False
        self._buffer = self._give_up_overlong(rest, found)
        return found

    def _give_up_overlong(self, run: bytes, found: list[Frame | Garbage]) -> bytes:
        while len(run) >= MAX_FRAME:
            found.append(Garbage(MAX_FRAME))
            run = run[MAX_FRAME:]
            self._overlong = True
        return run


def _unwrap(run: bytes) -> Frame | Garbage:
    """One run of bytes between delimiters as a frame, or as garbage of the same size."""
    size = len(run) + 1
    try:
        raw: bytes = cobs.decode(run)
    except cobs.DecodeError:
        return Garbage(size)
    if len(raw) < 3 or binascii.crc_hqx(raw[:-2], _CRC_SEED) != raw[-2] | raw[-1] << 8:
        return Garbage(size)
    return Frame(raw[0], raw[1:-2], size)
