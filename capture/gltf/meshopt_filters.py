"""Filters after the vertex decoder: appendix B of KHR_meshopt_compression. No I/O.

All take and return the (count, stride) bytes of a view. Raise DataError where the stride does not
fit the filter.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from firmware_host.errors import DataError

Bytes = NDArray[np.uint8]


def _components(data: Bytes, name: str, strides: tuple[int, ...], kind: str) -> NDArray[np.integer]:
    """(count, 4) integers of `kind` i or u."""
    stride = data.shape[1]
    if stride not in strides:
        wanted = " or ".join(map(str, strides))
        raise DataError(f"expected a stride of {wanted} for filter {name}, got {stride}")
    return np.ascontiguousarray(data).view(f"<{kind}{stride // 4}")


def _rounded(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Halves away from zero."""
    return np.asarray(np.trunc(values + np.copysign(np.float32(0.5), values)))


def _as_bytes(values: NDArray[np.generic]) -> Bytes:
    return np.ascontiguousarray(values).view(np.uint8)


def _plain(data: Bytes) -> Bytes:
    return data


def _octahedral(data: Bytes) -> Bytes:
    """Unit vectors folded onto an octahedron; the third component says what stands for 1."""
    raw = _components(data, "OCTAHEDRAL", (4, 8), "i")
    value = raw.astype(np.float32)
    one = np.maximum(value[:, 2:3], 1)
    xy = value[:, :2] / one
    z = 1 - np.abs(xy).sum(axis=1, keepdims=True)
    xyz = np.concatenate([xy - np.copysign(np.minimum(z, 0), xy), z], axis=1)
    xyz /= np.linalg.norm(xyz, axis=1, keepdims=True)
    out = raw.copy()
    out[:, :3] = _rounded(xyz * np.iinfo(raw.dtype).max).astype(raw.dtype)
    return _as_bytes(out)


def _quaternion(data: Bytes) -> Bytes:
    """Three components of a unit quaternion; the largest is left out and named by two bits."""
    raw = _components(data, "QUATERNION", (8,), "i").astype(np.int32)
    largest, one = raw[:, 3] & 3, np.maximum(raw[:, 3] | 3, 3)
    xyz = (raw[:, :3] / one[:, None] / np.sqrt(2)).astype(np.float32)
    w = np.sqrt(np.maximum(0, 1 - (xyz**2).sum(axis=1, keepdims=True)))
    values = _rounded(np.concatenate([w, xyz], axis=1) * 32767)
    places = (largest[:, None] + np.arange(4)) % 4
    out = np.empty_like(values)
    np.put_along_axis(out, places, values, axis=1)
    return _as_bytes(out.astype("<i2"))


def _exponential(data: Bytes) -> Bytes:
    """Floats as an 8-bit exponent over a 24-bit mantissa, both signed."""
    raw = np.ascontiguousarray(data).view("<i4")
    mantissa = (raw << 8) >> 8
    return _as_bytes(np.ldexp(mantissa.astype(np.float32), raw >> 24).astype("<f4"))


def _color(data: Bytes) -> Bytes:
    """Luma and two chroma values; the highest bit of alpha says how many bits they have."""
    unsigned = _components(data, "COLOR", (4, 8), "u").astype(np.int32)
    y, _, _, marked = unsigned.T
    _, co, cg, _ = _components(data, "COLOR", (4, 8), "i").astype(np.int32).T
    bits = np.floor(np.log2(np.maximum(marked, 1))).astype(np.int32) + 1
    most = (1 << bits) - 1
    alpha = marked & most >> 1
    rgba = np.stack([y + co - cg, y + cg, y - co - cg, alpha << 1 | alpha & 1], axis=1)
    limit = 255 if data.shape[1] == 4 else 65535
    scaled = _rounded(rgba * (limit / most[:, None]).astype(np.float32))
    return _as_bytes(np.clip(scaled, 0, limit).astype("<u1" if limit == 255 else "<u2"))


FILTERS: dict[str, Callable[[Bytes], Bytes]] = {
    "NONE": _plain,
    "OCTAHEDRAL": _octahedral,
    "QUATERNION": _quaternion,
    "EXPONENTIAL": _exponential,
    "COLOR": _color,
}
