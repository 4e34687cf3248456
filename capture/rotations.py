"""Rotations as `wxyz` quaternions and rotation vectors, in arrays. No I/O.

`quat_b_from_a` takes vectors given in frame a to frame b. Composition reads left to right like
matrices: `multiply(quat_c_from_b, quat_b_from_a)` is `quat_c_from_a`.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def multiply(p: Array, q: Array) -> Array:
    """Hamilton product of (…, 4) and (…, 4), broadcast."""
    pw, px, py, pz = np.moveaxis(np.asarray(p, float), -1, 0)
    qw, qx, qy, qz = np.moveaxis(np.asarray(q, float), -1, 0)
    return np.stack(
        (
            pw * qw - px * qx - py * qy - pz * qz,
            pw * qx + px * qw + py * qz - pz * qy,
            pw * qy - px * qz + py * qw + pz * qx,
            pw * qz + px * qy - py * qx + pz * qw,
        ),
        axis=-1,
    )


def conjugate(q: Array) -> Array:
    """The inverse of unit quaternions (…, 4)."""
    return np.asarray(np.asarray(q, float) * np.array([1.0, -1.0, -1.0, -1.0]))


def cross(a: Array, b: Array) -> Array:
    """a × b of (…, 3) vectors, broadcast; on few vectors several times as fast as `np.cross`."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx), axis=-1)


def rotate(q: Array, vectors: Array) -> Array:
    """Rotate (…, 3) vectors by unit quaternions (…, 4), broadcast."""
    q, vectors = np.asarray(q, float), np.asarray(vectors, float)
    w, u = q[..., :1], q[..., 1:]
    t = 2.0 * cross(u, vectors)
    return np.asarray(vectors + w * t + cross(u, t))


def from_vector(vectors: Array) -> Array:
    """Unit quaternions (…, 4) of rotation vectors (…, 3) in rad."""
    vectors = np.asarray(vectors, float)
    half = 0.5 * np.linalg.norm(vectors, axis=-1, keepdims=True)
    # sin(h)/(2h) · 2 written with sinc, which is exact at zero.
    return np.concatenate((np.cos(half), 0.5 * np.sinc(half / np.pi) * vectors), axis=-1)


def to_vector(q: Array) -> Array:
    """Rotation vectors (…, 3) in rad, of length at most π, of unit quaternions (…, 4)."""
    q = np.asarray(q, float)
    q = np.where(q[..., :1] < 0, -q, q)
    norm = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(norm, q[..., :1])
    scale = np.where(norm > 1e-12, angle / np.maximum(norm, 1e-12), 2.0)
    return np.asarray(scale * q[..., 1:])


def to_matrix(q: Array) -> Array:
    """Rotation matrices (…, 3, 3) of unit quaternions (…, 4)."""
    q = np.asarray(q, float)
    columns = [rotate(q, axis) for axis in np.eye(3)]
    return np.stack(columns, axis=-1)


def normalise(q: Array) -> Array:
    """Scale (…, 4) to unit length."""
    q = np.asarray(q, float)
    return np.asarray(q / np.linalg.norm(q, axis=-1, keepdims=True))


def unwrap(q: Array) -> Array:
    """Flip signs along axis 0 of (N, 4) so that neighbours lie in one half: ready to filter."""
    q = np.asarray(q, float)
    flips = np.sum(q[1:] * q[:-1], axis=-1) < 0
    signs = np.concatenate(([1.0], np.where(np.cumsum(flips) % 2, -1.0, 1.0)))
    return np.asarray(q * signs[:, None])
