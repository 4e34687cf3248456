"""A moving face as glTF: our head, its 52 morph targets, and their weights over time.

glTF 2.0 specification: 3.7.2.2 morph targets (with the `targetNames` convention), 3.11 animations,
4.4 the binary container. Blender, three.js and other viewers open it. Head rotation, where known,
turns the node of the mesh.
"""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.head_mesh import Head
from capture.sinks.files import known_quats
from capture.sinks.spool import Faces
from firmware_host.samples import Floats

_FLOAT, _UINT = 5126, 5125
_VERTICES, _INDICES = 34962, 34963


class _Buffer:
    """Arrays of a glTF file, and the accessors that point to them."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(
        self, array: NDArray[Any], kind: str, target: int | None = None, limits: bool = False
    ) -> int:
        """The index of a new accessor of `array`, whose first axis counts its elements."""
        raw = np.ascontiguousarray(array).tobytes()
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(raw)}
        self.views.append(view if target is None else {**view, "target": target})
        self.data += raw + bytes(-len(raw) % 4)
        accessor: dict[str, Any] = {
            "bufferView": len(self.views) - 1,
            "componentType": _FLOAT if array.dtype.kind == "f" else _UINT,
            "count": len(array),
            "type": kind,
        }
        if limits:
            flat = array.reshape(len(array), -1)
            accessor |= {"min": flat.min(axis=0).tolist(), "max": flat.max(axis=0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def write_animation(path: Path, faces: Faces, head: Head) -> None:
    """Write a `.glb` of `head` performing `faces`."""
    path.write_bytes(animation_glb(faces, head))


def animation_glb(faces: Faces, head: Head) -> bytes:
    """The bytes of the `.glb`. Faces that were lost hold the one before."""
    buffer = _Buffer()
    mesh = _mesh(buffer, head)
    animation = _animation(buffer, faces)
    document = {
        "asset": {"version": "2.0", "generator": "imusic"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "head"}],
        "meshes": [mesh],
        "materials": [_MATERIAL],
        "animations": [animation],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    return _container(msgspec.json.encode(document), bytes(buffer.data))


_MATERIAL = {
    "name": "skin",
    "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.7},
}


def _mesh(buffer: _Buffer, head: Head) -> dict[str, Any]:
    rest = head.vertices.astype("<f4")
    targets = [
        {"POSITION": buffer.add(delta.astype("<f4"), "VEC3", _VERTICES, limits=True)}
        for delta in head.deltas
    ]
    primitive = {
        "attributes": {
            "POSITION": buffer.add(rest, "VEC3", _VERTICES, limits=True),
            "NORMAL": buffer.add(_unit(head.normals(head.vertices)), "VEC3", _VERTICES),
            "COLOR_0": buffer.add(_linear(head.colours), "VEC3", _VERTICES),
        },
        "indices": buffer.add(head.triangles.ravel().astype("<u4"), "SCALAR", _INDICES),
        "material": 0,
        "mode": 4,
        "targets": targets,
    }
    return {
        "name": "face",
        "primitives": [primitive],
        "weights": [0.0] * len(ARKIT_NAMES),
        "extras": {"targetNames": list(ARKIT_NAMES)},
    }


def _animation(buffer: _Buffer, faces: Faces) -> dict[str, Any]:
    time = buffer.add(faces.time_s.astype("<f4"), "SCALAR", limits=True)
    weights = buffer.add(_held(faces).astype("<f4").reshape(-1, 1), "SCALAR")
    samplers = [{"input": time, "output": weights, "interpolation": "LINEAR"}]
    channels = [{"sampler": 0, "target": {"node": 0, "path": "weights"}}]
    if np.isfinite(faces.quats).all(axis=1).any():
        turned = _unit(known_quats(faces.quats)[:, [1, 2, 3, 0]])
        samplers.append({"input": time, "output": buffer.add(turned, "VEC4")})
        channels.append({"sampler": 1, "target": {"node": 0, "path": "rotation"}})
    return {"name": "performance", "samplers": samplers, "channels": channels}


def _held(faces: Faces) -> Floats:
    """(M, 52) where a lost face repeats the last one seen; rest before any."""
    last = np.maximum.accumulate(np.where(faces.tracked, np.arange(len(faces.weights)), -1))
    held = np.clip(faces.weights[np.maximum(last, 0)], 0.0, 1.0)
    held[last < 0] = 0.0
    return np.asarray(held, np.float32)


def _unit(vectors: Floats) -> NDArray[np.float32]:
    length = np.linalg.norm(vectors.astype(float), axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1.0), "<f4")


def _linear(colours: Floats) -> NDArray[np.float32]:
    """sRGB → linear, as vertex colours of glTF are (specification, 3.7.2.1)."""
    low = colours / 12.92
    return np.asarray(np.where(colours <= 0.04045, low, ((colours + 0.055) / 1.055) ** 2.4), "<f4")


def _container(text: bytes, binary: bytes) -> bytes:
    text += b" " * (-len(text) % 4)
    chunks = b"".join(
        len(data).to_bytes(4, "little") + kind + data
        for kind, data in ((b"JSON", text), (b"BIN\0", binary))
    )
    head = b"glTF" + (2).to_bytes(4, "little") + (12 + len(chunks)).to_bytes(4, "little")
    return head + chunks
