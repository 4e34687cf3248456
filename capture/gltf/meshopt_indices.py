"""Decoders of compressed indices: appendix A of KHR_meshopt_compression, modes 1 and 2. No I/O."""

import numpy as np
from numpy.typing import NDArray

from firmware_host.errors import DataError

Indices = NDArray[np.uint32]

_TRIANGLES, _INDICES = 0xE1, 0xD1
_TABLE_BYTES, _PADDING_BYTES = 16, 4
_WRAP = 0xFFFFFFFF


def decode_triangles(data: bytes, count: int) -> Indices:
    """Mode 1: `count` indices of triangles, as (count,).

    Raises:
        DataError: `count` is no multiple of 3, or the stream is of another kind, ends early, looks
            back too far, or has bytes left over.
    """
    if count % 3:
        raise DataError(f"expected triangles of 3 indices, got {count} indices")
    _expect_header(data, _TRIANGLES, "triangle")
    codes_end = 1 + count // 3
    if codes_end > len(data) - _TABLE_BYTES:
        raise DataError(f"the stream ends before its {count // 3} triangles")
    extra = _Extra(data[codes_end:-_TABLE_BYTES])
    stream = _Triangles(extra, data[-_TABLE_BYTES:])
    try:
        for code in data[1:codes_end]:
            stream.decode(code)
    except IndexError:
        raise DataError("the triangle stream ends early or looks back too far") from None
    extra.expect_end()
    return np.array(stream.indices, np.uint32)


def decode_indices(data: bytes, count: int) -> Indices:
    """Mode 2: `count` indices of any topology, as (count,).

    Raises:
        DataError: the stream is of another kind, ends early, or has bytes left over.
    """
    _expect_header(data, _INDICES, "index")
    extra = _Extra(data[1:-_PADDING_BYTES])
    last, indices = [0, 0], []
    try:
        for _ in range(count):
            value = extra.varint()
            side = value & 1
            last[side] = last[side] + _signed(value >> 1) & _WRAP
            indices.append(last[side])
    except IndexError:
        raise DataError(f"the stream ends at index {len(indices)} of {count}") from None
    extra.expect_end()
    return np.array(indices, np.uint32)


def _expect_header(data: bytes, header: int, kind: str) -> None:
    if data[:1] != bytes([header]):
        got = data[:1].hex() or "nothing"
        raise DataError(f"expected a stream of {kind} codes ({header:02x}), got {got}")


def _signed(value: int) -> int:
    """Zigzag: 0, 1, 2, 3 … stand for 0, −1, 1, −2 …."""
    return ~(value >> 1) if value & 1 else value >> 1


class _Extra:
    """The bytes after the codes. Reading beyond them raises IndexError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._last = 0

    def byte(self) -> int:
        value = self._data[self._at]
        self._at += 1
        return value

    def varint(self) -> int:
        """An unsigned LEB128 number of five bytes at most."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value & _WRAP
        raise DataError("a number of more than five bytes")

    def index(self) -> int:
        """An index as its difference from the last one written so."""
        return self.step(_signed(self.varint()))

    def step(self, difference: int) -> int:
        self._last = self._last + difference & _WRAP
        return self._last

    def expect_end(self) -> None:
        if self._at != len(self._data):
            raise DataError(f"expected {self._at} bytes after the codes, got {len(self._data)}")


class _Triangles:
    """What a triangle stream remembers: recent edges and vertices, newest last."""

    def __init__(self, extra: _Extra, table: bytes) -> None:
        self.indices: list[int] = []
        self._extra = extra
        self._table = table
        self._edges: list[tuple[int, int]] = []
        self._vertices: list[int] = []
        self._next = 0

    def decode(self, code: int) -> None:
        """Append one triangle."""
        high, low = code >> 4, code & 15
        if high < 15:
            self._beside_edge(high, low)
        elif low < 14:
            self._apart(0, self._table[low])
        else:
            places = self._extra.byte()
            if places == 0:
                self._next = 0
            self._apart(0 if low == 14 else 15, places)

    def _beside_edge(self, edge: int, low: int) -> None:
        """A recent edge and one more vertex."""
        a, b = self._edges[-1 - edge]
        if 0 < low < 13:
            c = self._vertices[-1 - low]
        else:
            c = self._new() if low == 0 else self._far(low)
            self._vertices.append(c)
        self._edges += [(c, b), (a, c)]
        self.indices += [a, b, c]

    def _far(self, low: int) -> int:
        return self._extra.index() if low == 15 else self._extra.step(-1 if low == 13 else 1)

    def _new(self) -> int:
        self._next = self._next + 1 & _WRAP
        return self._next - 1 & _WRAP

    def _apart(self, first: int, places: int) -> None:
        """Three vertices, each new (0), written out (15), or a recent one."""
        kinds = first, places >> 4, places & 15
        # All three are looked up before any is remembered.
        a, b, c = (self._vertex(kind) for kind in kinds)
        self._vertices += [v for v, k in zip((a, b, c), kinds, strict=True) if k in (0, 15)]
        self._edges += [(b, a), (c, b), (a, c)]
        self.indices += [a, b, c]

    def _vertex(self, kind: int) -> int:
        if kind == 0:
            return self._new()
        return self._extra.index() if kind == 15 else self._vertices[-kind]
