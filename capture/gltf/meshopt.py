"""Decoder of compressed buffer views: `EXT_meshopt_compression`, `KHR_meshopt_compression`. No I/O.

Written from the bitstream in appendix A of the Khronos registry's KHR_meshopt_compression, whose
version 0 is that of EXT_meshopt_compression. Vertex data is kept as one plane per byte of an
element, in groups of 16 deltas that take 0, 1, 2, 4 or 8 bits each. Only where a group begins
depends on what came before it, so a plain loop finds the groups and numpy unpacks them at once.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from capture.gltf.meshopt_filters import FILTERS
from capture.gltf.meshopt_indices import decode_indices, decode_triangles
from firmware_host.errors import DataError

Bytes = NDArray[np.uint8]

GROUP = 16
_HEADERS = {0xA0: 0, 0xA1: 1}
_LEAST_TAIL = (32, 24)  # bytes, by version
# Bits per delta that the four values of a group's header stand for.
_BITS_V0 = (0, 2, 4, 8)
_BITS_V1 = ((0, 1, 2, 4), (1, 2, 4, 8))
_ALL_ZERO, _LITERAL = 2, 3  # the other two control modes of version 1


def decode(data: bytes, mode: str, filter_name: str, count: int, stride: int) -> Bytes:
    """Return the (count, stride) bytes of a compressed view.

    Args:
        mode: ATTRIBUTES, TRIANGLES or INDICES.
        filter_name: NONE, OCTAHEDRAL, QUATERNION, EXPONENTIAL or COLOR.

    Raises:
        DataError: the stream is damaged, or cannot have this mode, filter, count or stride.
    """
    if mode == "ATTRIBUTES":
        if stride % 4 or not 4 <= stride <= 256:
            raise DataError(f"expected a stride of 4, 8, … 256 bytes, got {stride}")
        if filter_name not in FILTERS:
            raise DataError(f"expected a filter of {', '.join(FILTERS)}, got {filter_name!r}")
        return FILTERS[filter_name](decode_attributes(data, count, stride))
    if mode not in ("TRIANGLES", "INDICES") or stride not in (2, 4) or filter_name != "NONE":
        raise DataError(f"no such compression: {mode} of {stride} bytes with filter {filter_name}")
    decoded = decode_triangles(data, count) if mode == "TRIANGLES" else decode_indices(data, count)
    return decoded.astype("<u2" if stride == 2 else "<u4").view(np.uint8).reshape(count, stride)


def decode_attributes(data: bytes, count: int, stride: int) -> Bytes:
    """Mode 0: `count` elements of `stride` bytes as (count, stride).

    Raises:
        DataError: the stream is of an unknown version, ends early, or has bytes left over.
    """
    version = _HEADERS.get(data[0]) if data else None
    if version is None:
        raise DataError(f"expected a vertex stream (a0 or a1), got {data[:1].hex() or 'nothing'}")
    channels = stride // 4 if version else 0
    end = len(data) - max(stride + channels, _LEAST_TAIL[version])
    if end < 1:
        raise DataError(f"the stream has {len(data)} bytes, less than its header and its tail")
    tail = len(data) - stride - channels
    groups, read = _find_groups(data, end, count, stride, version)
    if read != end:
        raise DataError(f"expected the deltas to end at byte {end} of the stream, got {read}")
    deltas = _unpack(data, groups, (stride, -(-count // GROUP) * GROUP))[:, :count]
    baseline = np.frombuffer(data, np.uint8, stride, tail)
    modes = data[tail + stride :] if version else bytes(stride // 4)
    if not any(modes):
        return np.ascontiguousarray(_sum_bytes(deltas, baseline).T)
    decoded = [
        _channel(deltas[4 * i : 4 * i + 4], baseline[4 * i : 4 * i + 4], mode)
        for i, mode in enumerate(modes)
    ]
    return np.ascontiguousarray(np.concatenate(decoded).T)


class _Groups(NamedTuple):
    """Groups that hold something: where they start, bits per delta, and where they belong."""

    start: list[int]
    bits: list[int]
    target: list[int]


def _find_groups(
    data: bytes, end: int, count: int, stride: int, version: int
) -> tuple[_Groups, int]:
    """Every group of the stream, and the byte after the last."""
    groups = _Groups([], [], [])
    sentinels = {bits: data.translate(_SENTINELS_IN_BYTE[bits]) for bits in (1, 2, 4)}
    block = min(8192 // stride & ~(GROUP - 1), 256)
    padded, at = -(-count // GROUP) * GROUP, 1
    for first in range(0, count, block):
        size = min(block, count - first)
        control = data[at : at + stride // 4] if version else b""
        at += len(control)
        if at > end:
            raise DataError(f"the stream ends at element {first} of {count}")
        for plane in range(stride):
            kind = control[plane // 4] >> 2 * (plane % 4) & 3 if version else -1
            target = plane * padded + first
            if kind == _LITERAL:
                _add_literal(groups, at, size, target)
                at += size
            elif kind != _ALL_ZERO:
                bits = _BITS_V1[kind] if version else _BITS_V0
                at = _add_plane(groups, data, at, size, target, bits, sentinels)
            if at > end:
                raise DataError(f"the stream ends within elements {first}…{first + size - 1}")
    return groups, at


def _add_literal(groups: _Groups, at: int, size: int, target: int) -> None:
    """A plane stored as it is; what the last group reads beyond it is never looked at."""
    starts = range(0, size, GROUP)
    groups.start.extend(at + i for i in starts)
    groups.bits.extend(8 for _ in starts)
    groups.target.extend(target + i for i in starts)


def _add_plane(
    groups: _Groups,
    data: bytes,
    at: int,
    size: int,
    target: int,
    bits_of: tuple[int, ...],
    sentinels: dict[int, bytes],
) -> int:
    """A plane of groups under a header of two bits each; return where it ends."""
    count = -(-size // GROUP)
    header = int.from_bytes(data[at : at + -(-count // 4)], "little")
    at += -(-count // 4)
    for group in range(count):
        bits = bits_of[header >> 2 * group & 3]
        if not bits:
            continue
        groups.start.append(at)
        groups.bits.append(bits)
        groups.target.append(target + GROUP * group)
        packed = 2 * bits
        at += packed + (sum(sentinels[bits][at : at + packed]) if bits < 8 else 0)
    return at


def _fields(packed: Bytes, bits: int) -> Bytes:
    """(…, n) bytes to (…, n · 8 / bits) deltas: most significant first, single bits least first."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    if bits > 1:
        shifts = shifts[::-1]
    fields = packed[..., None] >> shifts & np.uint8((1 << bits) - 1)
    return np.asarray(fields.reshape(*packed.shape[:-1], -1), np.uint8)


def _sentinels_in_byte(bits: int) -> bytes:
    """For each byte, how many of its fields have all bits set."""
    fields = _fields(np.arange(256, dtype=np.uint8)[:, None], bits)
    return bytes((fields == (1 << bits) - 1).sum(axis=1).tolist())


_SENTINELS_IN_BYTE = {bits: _sentinels_in_byte(bits) for bits in (1, 2, 4)}


def _unpack(data: bytes, groups: _Groups, shape: tuple[int, int]) -> Bytes:
    """All deltas, as planes of `shape`."""
    planes = np.zeros(shape, np.uint8)
    stream = np.frombuffer(data, np.uint8)
    start, bits, target = (np.array(column, np.int64) for column in groups)
    for width in (1, 2, 4, 8):
        chosen = bits == width
        if chosen.any():
            values = _unpack_groups(stream, start[chosen], width)
            planes.reshape(-1)[target[chosen][:, None] + np.arange(GROUP)] = values
    return planes


def _unpack_groups(stream: Bytes, start: NDArray[np.int64], bits: int) -> Bytes:
    """(n, 16) deltas of groups that all have the same width."""
    packed = stream[start[:, None] + np.arange(2 * bits)]
    if bits == 8:
        return np.asarray(packed)
    values = _fields(packed, bits)
    outside = values == (1 << bits) - 1  # these follow the group as whole bytes
    place = (start + 2 * bits)[:, None] + np.cumsum(outside, axis=1) - 1
    values[outside] = stream[place[outside]]
    return values


def _unzigzag(values: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    return np.asarray(np.where(values & 1, ~(values >> 1), values >> 1), values.dtype)


def _sum_bytes(deltas: Bytes, baseline: Bytes) -> Bytes:
    """Channel mode 0 of (K, count) planes: differences of single bytes."""
    summed = np.cumsum(_unzigzag(deltas), axis=1, dtype=np.uint8)
    return np.asarray(summed + baseline[:, None], np.uint8)


def _channel(deltas: Bytes, baseline: Bytes, mode: int) -> Bytes:
    """Four planes (4, count), by the mode that version 1 gives them."""
    if mode == 0:
        return _sum_bytes(deltas, baseline)
    together = np.ascontiguousarray(deltas.T)
    if mode == 1:
        half = _unzigzag(together.view("<u2"))
        words = np.cumsum(half, axis=0, dtype=np.uint16) + baseline.view("<u2")
        return np.ascontiguousarray(words.astype("<u2")).view(np.uint8).T
    if mode & 15 != 2:
        raise DataError(f"expected channel modes 0, 1 or 2, got {mode}")
    back = mode >> 4  # the encoder turned left
    word = together.view("<u4").astype(np.uint32)
    turned = word >> np.uint32(back) | word << np.uint32(32 - back & 31)
    turned[:1] ^= baseline.view("<u4")
    return np.bitwise_xor.accumulate(turned, axis=0).astype("<u4").view(np.uint8).T
