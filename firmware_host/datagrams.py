"""A hub's byte stream over UDP: whole frames per datagram, each datagram numbered. No I/O.

    datagram:   NUMBER frame | frame | frame | …          NUMBER: boot u32, number u32

A stream on a wire is in order; datagrams may overtake, repeat and vanish. The number puts back what
the rest of the host relies on: what is late or repeated is dropped here, so that behind it a stream
has lost bytes at worst. The boot id, drawn anew at every power-up, tells a hub that restarted from
one whose datagrams are late. Numbers are compared as in RFC 1982 and may wrap.
"""

import struct
from collections import deque
from dataclasses import dataclass

from firmware_host import frames
from firmware_host.frames import Frame, FrameDecoder

NUMBER = 0xA1  # the kind of the frame that begins a datagram
# What every path carries unfragmented, by RFC 9000, section 14; the largest frame fits.
MAX_DATAGRAM = 1200
_NUMBER = struct.Struct("<II")
_NUMBER_BYTES = len(frames.encode(NUMBER, bytes(_NUMBER.size)))
_LONGEST_NUMBER_BYTES = 32  # later versions may add fields
_DELIMITER = b"\0"
_MASK = 0xFFFF_FFFF
_HALF = 0x8000_0000
_BOOTS_REMEMBERED = 8
# No network repeats so much at a stretch: such a hub restarted with the boot id of before.
_LATE_IN_A_ROW = 64


class DatagramWriter:
    """The hub's side: frames in, numbered datagrams out. `boot` is new at every power-up."""

    def __init__(self, boot: int) -> None:
        self._boot = boot & _MASK
        self._number = 0

    def write(self, stream: bytes) -> list[bytes]:
        """Put whole frames (each with its delimiter) into as few datagrams as take them."""
        room = MAX_DATAGRAM - _NUMBER_BYTES
        lumps: list[bytes] = []
        for frame in stream.split(_DELIMITER)[:-1]:
            whole = frame + _DELIMITER
            if lumps and len(lumps[-1]) + len(whole) <= room:
                lumps[-1] += whole
            else:
                lumps.append(whole)
        return [self._next_number() + lump for lump in lumps]

    def _next_number(self) -> bytes:
        payload = _NUMBER.pack(self._boot, self._number)
        self._number = (self._number + 1) & _MASK
        return frames.encode(NUMBER, payload)


@dataclass(slots=True)
class DatagramCounts:
    """What happened to datagrams. missing: numbers skipped. late: dropped, or repeated.

    Numbers that were skipped and came late after all count in both. boots: how often the hub
    restarted.
    """

    received: int = 0
    unnumbered: int = 0
    missing: int = 0
    late: int = 0
    boots: int = 0


class DatagramReader:
    """The host's side: datagrams in any order in, a stream in order out."""

    def __init__(self) -> None:
        self.counts = DatagramCounts()
        self._boot: int | None = None
        self._boots_gone: deque[int] = deque(maxlen=_BOOTS_REMEMBERED)
        self._next = 0
        self._late_in_a_row = 0

    def read(self, datagram: bytes) -> bytes:
        """The frames of `datagram`, or nothing where it is late. Never raises.

        What carries no number is handed on as it is: whatever is no frame is counted as garbage
        further on. A datagram that does not end with a delimiter gets one, so that its damage does
        not reach into the next.
        """
        self.counts.received += 1
        numbered, stream = _split(datagram)
        if numbered is None:
            self.counts.unnumbered += 1
        elif not self._is_new(*numbered) and not self._is_reborn(*numbered):
            self.counts.late += 1
            return b""
        return stream if not stream or stream.endswith(_DELIMITER) else stream + _DELIMITER

    def _is_new(self, boot: int, number: int) -> bool:
        if boot != self._boot:
            if boot in self._boots_gone:
                return False
            self._begin(boot, number)
        ahead = (number - self._next) & _MASK
        if ahead >= _HALF:
            return False
        self.counts.missing += ahead
        self._next = (number + 1) & _MASK
        self._late_in_a_row = 0
        return True

    def _is_reborn(self, boot: int, number: int) -> bool:
        """Whether what seems late is a hub that does not draw its boot id anew."""
        self._late_in_a_row += 1
        if self._late_in_a_row < _LATE_IN_A_ROW:
            return False
        self._begin(boot, number)
        return self._is_new(boot, number)

    def _begin(self, boot: int, number: int) -> None:
        if self._boot is not None:
            self.counts.boots += 1
            if boot != self._boot:
                self._boots_gone.append(self._boot)
        self._boot, self._next = boot, number


def _split(datagram: bytes) -> tuple[tuple[int, int] | None, bytes]:
    """((boot, number) or None, the frames behind it)."""
    end = datagram.find(_DELIMITER, 0, _LONGEST_NUMBER_BYTES) + 1
    found = FrameDecoder().feed(datagram[:end])
    if not found or not isinstance(found[0], Frame):
        return None, datagram
    first = found[0]
    if first.kind != NUMBER or len(first.payload) < _NUMBER.size:
        return None, datagram
    boot, number = _NUMBER.unpack_from(first.payload)
    return (boot, number), datagram[end:]
