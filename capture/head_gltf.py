"""Heads from glTF: surfaces of a scene, joined, named, and brought into the head frame."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.gltf.files import Gltf
from capture.gltf.scene import Surface, read_surfaces
from capture.head_mesh import Head
from capture.head_names import name_shapes
from capture.head_placing import Placement, placed_head, placement_of
from firmware_host.errors import DataError
from firmware_host.samples import Floats

Named = dict[str, tuple[str, Floats]]  # shape → label and displacements (V, 3)

_NAMES_HINT = "morph targets are named as in ARKit: jawOpen, eyeBlinkLeft or eyeBlink_L, …"
_WELD = 1e-5  # of the head's size: vertices closer than that, moving alike, are one
_NEAR = 0.1  # of the face's size: eyes, teeth and hair lie so far outside of it at most

# Textures are not read, so surfaces get a colour of ours by what they are called.
_COLOURS = {
    ("eyelash", "lash", "eyebrow", "brow"): (0.22, 0.15, 0.13),
    ("eye", "cornea", "sclera"): (0.93, 0.92, 0.90),
    ("teeth", "tooth"): (0.93, 0.91, 0.86),
    ("tongue",): (0.72, 0.38, 0.38),
    ("hair", "beard", "moustache"): (0.22, 0.15, 0.13),
}
_SKIN = (0.80, 0.63, 0.53)
_IRIS, _PUPIL = (0.33, 0.43, 0.47), (0.03, 0.03, 0.04)
_IRIS_COSINE, _PUPIL_COSINE = 0.88, 0.97  # of the angle from an eyeball's axis


@dataclass(frozen=True, slots=True, eq=False)
class GltfHead:
    """A head, and what was found in its file.

    spellings: shape → the name of its morph target. extra: names of targets that are no shape of
    ours. left_out: labels of surfaces that do not belong to the head.
    """

    head: Head
    spellings: dict[str, str]
    extra: tuple[str, ...]
    left_out: tuple[str, ...]
    placement: Placement


def head_from_gltf(path: Path | str) -> Head:
    """Read a head from `.glb` or `.gltf`. Raises DataError as `read_gltf_head` does."""
    return read_gltf_head(Path(path)).head


def read_gltf_head(path: Path) -> GltfHead:
    """Read a head from `.glb` or `.gltf`, in the head frame and metres.

    Shapes that the file lacks stay zero. Textures and animations are not read.

    Raises:
        DataError: the file is no sound glTF 2.0, needs an extension that we do not know, or has no
            morph target named like an ARKit shape.
    """
    surfaces = read_surfaces(Gltf(path))
    named = [_named(surface) for surface in surfaces]
    if not any(named):
        raise _no_shapes(path, surfaces)
    kept = _around_the_face(surfaces, named)
    spellings: dict[str, str] = {}
    for shapes in named:
        for shape, (label, _) in shapes.items():
            spellings.setdefault(shape, label)
    labels = (label for surface in surfaces for label, _ in surface.targets)
    extra = tuple(dict.fromkeys(label for label in labels if label not in spellings.values()))
    head = _welded(_joined([surfaces[i] for i in kept], [named[i] for i in kept]))
    placement = placement_of(head)
    left_out = (s for i, s in enumerate(surfaces) if i not in kept)
    return GltfHead(
        _with_irises(placed_head(head, placement)),
        {name: spellings[name] for name in ARKIT_NAMES if name in spellings},
        extra,
        tuple("/".join(surface.labels) or "a surface without a name" for surface in left_out),
        placement,
    )


def _no_shapes(path: Path, surfaces: list[Surface]) -> DataError:
    found = list(dict.fromkeys(label for surface in surfaces for label, _ in surface.targets))
    got = f"{len(found)} others: {', '.join(map(repr, found[:4]))}" if found else "none at all"
    return DataError(f"{path}: expected morph targets named as in ARKit, got {got}", _NAMES_HINT)


def _named(surface: Surface) -> Named:
    """Shape → its label and displacements on one surface."""
    shapes = name_shapes([label for label, _ in surface.targets])
    return {shape: target for shape, target in zip(shapes, surface.targets, strict=True) if shape}


def _around_the_face(surfaces: list[Surface], named: list[Named]) -> set[int]:
    """Indices of the surfaces with shapes, and of those within their bounds: no clothes."""
    face = {i for i, shapes in enumerate(named) if shapes and len(surfaces[i].vertices)}
    low = np.min([surfaces[i].vertices.min(axis=0) for i in face], axis=0)
    high = np.max([surfaces[i].vertices.max(axis=0) for i in face], axis=0)
    margin = _NEAR * float((high - low).max())
    for i, surface in enumerate(surfaces):
        if len(surface.vertices):
            centre = (surface.vertices.min(axis=0) + surface.vertices.max(axis=0)) / 2
            if ((centre > low - margin) & (centre < high + margin)).all():
                face.add(i)
    return face


def _joined(surfaces: list[Surface], named: list[Named]) -> Head:
    """One head of all surfaces, in the file's axes and units."""
    first = np.cumsum([0, *(len(surface.vertices) for surface in surfaces)])
    deltas = np.zeros((len(ARKIT_NAMES), first[-1], 3), np.float32)
    for start, surface, shapes in zip(first, surfaces, named, strict=False):
        for shape, (_, moved) in shapes.items():
            deltas[INDEX[shape], start : start + len(surface.vertices)] = moved
    triangles = [s.triangles + start for s, start in zip(surfaces, first, strict=False)]
    return Head(
        ARKIT_NAMES,
        np.concatenate([surface.vertices for surface in surfaces]),
        np.concatenate(triangles).astype(np.int32),
        deltas,
        np.concatenate([np.tile(_colour(s), (len(s.vertices), 1)) for s in surfaces]),
    )


def _colour(surface: Surface) -> Floats:
    """(3,) sRGB: the material's own, or by name where a texture would say."""
    if surface.colour is not None and (surface.colour < 1).any():
        return np.asarray(np.clip(surface.colour, 0, 1) ** (1 / 2.2), np.float32)
    called = " ".join(surface.labels[:1] + surface.labels[-2:]).lower()
    for words, colour in _COLOURS.items():
        if any(word in called for word in words):
            return np.array(colour, np.float32)
    return np.array(_SKIN, np.float32)


def _welded(head: Head) -> Head:
    """Join vertices that lie in one place and move alike: files split them at texture seams."""
    size = max(float(np.ptp(head.vertices, axis=0).max()), 1e-6)
    keys = _row_keys([head.vertices, *head.deltas], _WELD * size)
    _, kept, joined = np.unique(keys, return_index=True, return_inverse=True)
    triangles = joined.reshape(-1)[head.triangles].astype(np.int32)
    a, b, c = triangles.T
    return Head(
        head.names,
        head.vertices[kept],
        triangles[(a != b) & (b != c) & (c != a)],
        np.ascontiguousarray(head.deltas[:, kept]),
        head.colours[kept],
    )


def _row_keys(parts: Iterable[Floats], step: float) -> NDArray[np.uint64]:
    """(V,) equal where all rows of all (V, 3) parts agree to `step`; 64 random bits otherwise."""
    rng = np.random.default_rng(0)
    keys = np.uint64(0)
    for part in parts:
        odd = rng.integers(0, 2**63, 3).astype(np.uint64) * np.uint64(2) + np.uint64(1)
        keys = keys + (np.rint(part / step).astype(np.int64).astype(np.uint64) * odd).sum(axis=1)
    return np.asarray(keys)


def _with_irises(head: Head) -> Head:
    """Paint iris and pupil on what is white and round: a blank eye says nothing about gaze."""
    colours = head.colours.copy()
    white = np.isclose(colours, _COLOURS["eye", "cornea", "sclera"]).all(axis=1)
    for side in (head.vertices[:, 0] > 0, head.vertices[:, 0] <= 0):
        eye = np.flatnonzero(white & side)
        if len(eye):
            low, high = head.vertices[eye].min(axis=0), head.vertices[eye].max(axis=0)
            towards = head.vertices[eye] - (low + high) / 2
            ahead = towards[:, 2] / np.maximum(np.linalg.norm(towards, axis=1), 1e-9)
            colours[eye[ahead > _IRIS_COSINE]] = _IRIS
            colours[eye[ahead > _PUPIL_COSINE]] = _PUPIL
    return Head(head.names, head.vertices, head.triangles, head.deltas, colours)
