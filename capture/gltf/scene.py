"""The surfaces of a glTF scene where the scene puts them, with their morph targets.

Nodes are at rest: animations and the scene's own morph weights are left out, skins are applied in
the pose that the nodes have.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from capture.gltf.files import Gltf
from capture.gltf.schema import Mesh, Node, Primitive, Skin

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
T = TypeVar("T")

MAX_VERTICES = 400_000
MAX_TARGETS = 512
MAX_COORDINATE = 1e7
_TRIANGLES, _STRIP, _FAN = 4, 5, 6


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """One primitive in scene axes and units.

    labels: names of the node, its parents, the mesh and the material, nearest first.
    vertices: (V, 3). triangles: (T, 3). targets: name → (V, 3) displacement at weight 1, in order;
    a target without a name is called `target 7`. colour: (3,) linear, or None where a texture says.
    """

    labels: tuple[str, ...]
    vertices: Floats
    triangles: NDArray[np.int64]
    targets: tuple[tuple[str, Floats], ...]
    colour: Floats | None


def read_surfaces(file: Gltf) -> list[Surface]:
    """Every triangle surface of the file's scene.

    Raises:
        DataError: something points outside of the file, the nodes form a loop, there are more than
            400 000 vertices or 512 targets, or coordinates of 10⁷ and more.
    """
    placed = list(_placed_nodes(file))
    world = {index: matrix for index, matrix, _ in placed}
    found = []
    for index, matrix, names in placed:
        node = file.document.nodes[index]
        if node.mesh is None:
            continue
        mesh = _nth(file, "mesh", file.document.meshes, node.mesh)
        for primitive in mesh.primitives:
            if primitive.mode in (_TRIANGLES, _STRIP, _FAN):  # the others are points and lines
                found.append(_surface(file, node, mesh, primitive, matrix, world, names))
                _expect_sane(file, found[-1])
        _expect_few(file, sum(len(surface.vertices) for surface in found))
    return found


def _expect_few(file: Gltf, vertices: int) -> None:
    if vertices > MAX_VERTICES:
        raise file.error(f"expected at most {MAX_VERTICES} vertices, got {vertices} and more")


def _expect_sane(file: Gltf, surface: Surface) -> None:
    for values in (surface.vertices, *(moved for _, moved in surface.targets)):
        if not (np.abs(values) < MAX_COORDINATE).all():  # also false for what is no number
            raise file.error(
                f"{'/'.join(surface.labels) or 'a surface'}: expected coordinates below "
                f"{MAX_COORDINATE:g}, got {np.abs(values).max():g}"
            )


def _nth(file: Gltf, kind: str, items: list[T], index: int) -> T:
    if index >= len(items):
        raise file.error(f"{kind} {index} is named, the file has {len(items)}")
    return items[index]


def _placed_nodes(file: Gltf) -> Iterator[tuple[int, Array, tuple[str, ...]]]:
    """Node index, its matrix to the scene, and names from it to the root."""
    waiting: list[tuple[int, Array, tuple[str, ...]]]
    waiting = [(root, np.eye(4), ()) for root in reversed(file.roots)]
    seen: set[int] = set()
    while waiting:
        index, parent, above = waiting.pop()
        node: Node = _nth(file, "node", file.document.nodes, index)
        if index in seen:
            raise file.error(f"node {index} hangs in two places, expected a tree")
        seen.add(index)
        matrix = parent @ _local(node)
        names = ((node.name,) if node.name else ()) + above
        yield index, matrix, names
        waiting += [(child, matrix, names) for child in reversed(node.children)]


def _local(node: Node) -> Array:
    """A node's own matrix (4, 4)."""
    if node.matrix is not None:
        return np.array(node.matrix, float).reshape(4, 4).T
    x, y, z, w = np.array(node.rotation, float) / max(np.linalg.norm(node.rotation), 1e-12)
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = turn * np.array(node.scale, float)
    matrix[:3, 3] = node.translation
    return matrix


def _surface(
    file: Gltf,
    node: Node,
    mesh: Mesh,
    primitive: Primitive,
    matrix: Array,
    world: dict[int, Array],
    names: tuple[str, ...],
) -> Surface:
    if "POSITION" not in primitive.attributes:
        raise file.error(f"mesh {mesh.name or node.mesh}: a primitive has no POSITION")
    points = file.floats(primitive.attributes["POSITION"], ("VEC3",))
    _expect_few(file, len(points))
    matrices = matrix[None]
    if node.skin is not None and "JOINTS_0" in primitive.attributes:
        skin = _nth(file, "skin", file.document.skins, node.skin)
        matrices = _skinned(file, skin, primitive, world, len(points))
    linear = matrices[:, :3, :3]
    placed = np.einsum("vij,vj->vi", np.broadcast_to(linear, (len(points), 3, 3)), points)
    targets = tuple(
        (name, _turned(linear, moved)) for name, moved in _targets(file, mesh, primitive, points)
    )
    triangles = _triangles(file, primitive, len(points))
    if np.linalg.det(linear).mean() < 0:  # a mirrored node turns its surface inside out
        triangles = triangles[:, ::-1]
    labels = names + tuple(filter(None, (mesh.name, _material_name(file, primitive))))
    vertices = (placed + matrices[:, :3, 3]).astype(np.float32)
    return Surface(labels, vertices, triangles, targets, _colour(file, primitive))


def _turned(linear: Array, moved: Floats) -> Floats:
    """Displacements (V, 3) under (1 or V, 3, 3); most rows of most targets are zero."""
    out = np.zeros_like(moved)
    rows = np.flatnonzero(moved.any(axis=1))
    chosen = linear[rows] if len(linear) > 1 else np.broadcast_to(linear, (len(rows), 3, 3))
    out[rows] = np.einsum("vij,vj->vi", chosen, moved[rows])
    return out


def _skinned(
    file: Gltf, skin: Skin, primitive: Primitive, world: dict[int, Array], count: int
) -> Array:
    """(count, 4, 4): the matrix that the bones give to each vertex."""
    bones = np.stack([world.get(joint, np.eye(4)) for joint in skin.joints])
    if skin.inverse_bind_matrices is not None:
        raw = file.floats(skin.inverse_bind_matrices, ("MAT4",)).astype(float)
        if len(raw) < len(bones):
            raise file.error(f"a skin of {len(bones)} joints has {len(raw)} bind matrices")
        bones = bones @ raw[: len(bones)].reshape(-1, 4, 4).transpose(0, 2, 1)
    if "WEIGHTS_0" not in primitive.attributes:
        raise file.error("a skinned primitive has no WEIGHTS_0")
    joints = file.integers(primitive.attributes["JOINTS_0"], ("VEC4",))
    weights = file.floats(primitive.attributes["WEIGHTS_0"], ("VEC4",)).astype(float)
    if len(joints) != count or len(weights) != count or joints.max() >= len(bones):
        raise file.error(f"joints and weights do not fit {count} vertices and {len(bones)} bones")
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    return np.asarray(np.einsum("vk,vkij->vij", weights, bones[joints]))


def _triangles(file: Gltf, primitive: Primitive, count: int) -> NDArray[np.int64]:
    """(T, 3) of a list, strip or fan."""
    if primitive.indices is None:
        flat = np.arange(count)
    else:
        flat = file.integers(primitive.indices, ("SCALAR",))[:, 0]
    if len(flat) and flat.max() >= count:
        raise file.error(f"a triangle names vertex {flat.max()} of {count}")
    if primitive.mode == _TRIANGLES:
        return flat[: len(flat) // 3 * 3].reshape(-1, 3)
    windows = np.stack([flat[:-2], flat[1:-1], flat[2:]], axis=1)
    if primitive.mode == _FAN:
        windows[:, 0] = flat[0]
        return windows
    windows[1::2] = windows[1::2, [1, 0, 2]]
    return windows


def _targets(
    file: Gltf, mesh: Mesh, primitive: Primitive, points: Floats
) -> Iterator[tuple[str, Floats]]:
    """Names and displacements of a primitive's morph targets."""
    if len(primitive.targets) > MAX_TARGETS:
        raise file.error(f"expected at most {MAX_TARGETS} targets, got {len(primitive.targets)}")
    listed = _listed_names(mesh.extras) or _listed_names(primitive.extras)
    for number, target in enumerate(primitive.targets):
        accessor = target.get("POSITION")
        own = None if accessor is None else file.accessor_name(accessor)
        name = listed[number] if number < len(listed) else own or f"target {number}"
        moved = np.zeros_like(points) if accessor is None else file.floats(accessor, ("VEC3",))
        if len(moved) != len(points):
            raise file.error(
                f"target {name!r}: expected {len(points)} displacements, got {len(moved)}"
            )
        yield name, moved


def _listed_names(extras: object) -> list[str]:
    """`targetNames` as most exporters write them: a convention of the specification, 3.7.2.2."""
    names = extras.get("targetNames") if isinstance(extras, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []


def _material_name(file: Gltf, primitive: Primitive) -> str | None:
    if primitive.material is None:
        return None
    return _nth(file, "material", file.document.materials, primitive.material).name


def _colour(file: Gltf, primitive: Primitive) -> Floats | None:
    if primitive.material is None:
        return None
    pbr = _nth(file, "material", file.document.materials, primitive.material).pbr_metallic_roughness
    if pbr is None or pbr.base_color_texture is not None:
        return None
    return np.array(pbr.base_color_factor[:3], np.float32)
