"""A head as arrays: neutral face, 52 displacements, colours. No I/O."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firmware_host.samples import Floats


@dataclass(frozen=True, eq=False)
class Head:
    """A face that 52 weights can move.

    Head frame (+x the wearer's left, +y up, +z forward), metres; the origin lies between the ears,
    level with the tip of the nose, as in ICT-FaceKit.

    names: the 52 shapes in canonical order. vertices: (V, 3) neutral. triangles: (T, 3) int32,
    counter-clockwise from outside. deltas: (52, V, 3) displacement at weight 1. colours: (V, 3),
    0 … 1, sRGB.
    """

    names: tuple[str, ...]
    vertices: Floats
    triangles: NDArray[np.int32]
    deltas: Floats
    colours: Floats

    @classmethod
    def from_gltf(cls, path: Path | str) -> "Head":
        """Read `.glb` or `.gltf`, see `capture.head_gltf`. Raises DataError where it is no head."""
        from capture.head_gltf import head_from_gltf

        return head_from_gltf(path)

    @classmethod
    def from_npz(cls, path: Path | str) -> "Head":
        """Read an ICT-FaceKit `.npz`, see `capture.head_files`. Raises DataError likewise."""
        from capture.head_files import head_from_npz

        return head_from_npz(path)

    def deform(self, weights: ArrayLike) -> Floats:
        """Vertices (…, V, 3) at `weights` (…, 52), in canonical order.

        Raises:
            ValueError: the last axis of `weights` is not 52 long.
        """
        values = np.asarray(weights, np.float32)
        if values.shape[-1] != len(self.names):
            raise ValueError(f"expected {len(self.names)} weights, got {values.shape[-1]}")
        moved = (self._shapes @ values.reshape(-1, len(self.names)).T).T
        return np.asarray(moved.reshape(*values.shape[:-1], -1, 3) + self.vertices)

    def normals(self, vertices: Floats) -> Floats:
        """Unit normals (V, 3) of a deformed face, averaged over the triangles by area."""
        a, b, c = (vertices[self.triangles[:, k]] for k in range(3))
        (ux, uy, uz), (vx, vy, vz) = (b - a).T, (c - a).T
        # Written out: `np.cross` takes three times as long.
        across = np.stack((uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx), axis=1)
        summed = self._faces_at_vertex @ across
        length = np.linalg.norm(summed, axis=-1, keepdims=True)
        return np.asarray(summed / np.maximum(length, 1e-12), np.float32)

    @cached_property
    def _shapes(self) -> Any:
        """(3 V, 52) sparse: two thirds of the displacements are zero."""
        from scipy.sparse import csr_matrix

        return csr_matrix(self.deltas.reshape(len(self.names), -1).T)

    @cached_property
    def _faces_at_vertex(self) -> Any:
        """(V, T) sparse: which triangles meet at a vertex."""
        from scipy.sparse import csr_matrix

        rows = self.triangles.ravel()
        columns = np.repeat(np.arange(len(self.triangles)), 3)
        shape = (len(self.vertices), len(self.triangles))
        return csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape)
