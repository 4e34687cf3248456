"""A small face, and glTF files written from it in every way that files are met."""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES
from capture.head_anchors import REFERENCE
from capture.head_mesh import Head

TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
COMPONENTS = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}


def small_face() -> Head:
    """A bent sheet of skin, 1,200 vertices; every shape lifts a bump where it does on a face."""
    x, y = np.meshgrid(np.linspace(-0.07, 0.07, 30), np.linspace(-0.09, 0.11, 40))
    z = 0.11 - 6.0 * x**2 - 1.0 * (y - 0.01) ** 2
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3).astype(np.float32)
    grid = np.arange(1200).reshape(40, 30)
    a, b, c, d = (g.ravel() for g in (grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)]).astype(np.int32)
    deltas = np.zeros((52, 1200, 3), np.float32)
    for i, name in enumerate(ARKIT_NAMES):
        side = 0.03 * (name.endswith("Left") - float(name.endswith("Right")))
        middle = REFERENCE.get(name, np.array([side, -0.03, 0.1]))
        near = np.exp(-0.5 * ((vertices[:, :2] - middle[:2]) ** 2).sum(axis=1) / 0.008**2)
        direction = np.array([np.cos(i), np.sin(i), 0.5])
        deltas[i] = 0.006 * np.where(near > 0.05, near, 0.0)[:, None] * direction
    return Head(ARKIT_NAMES, vertices, triangles, deltas, np.ones((1200, 3), np.float32))


def raw_vertex_stream(data: np.ndarray) -> bytes:
    """A version 0 stream of (count, stride) bytes that stores every delta as a whole byte."""
    count, stride = data.shape
    before = np.concatenate([data[:1], data[:-1]])
    step = (data - before).view(np.int8)
    zigzag = ((step.astype(np.uint8) << np.uint8(1)) ^ (step >> 7).view(np.uint8)).astype(np.uint8)
    out, block = [b"\xa0"], min(8192 // stride & ~15, 256)
    for first in range(0, count, block):
        part = zigzag[first : first + block]
        groups = -(-len(part) // 16)
        padded = np.zeros((groups * 16, stride), np.uint8)
        padded[: len(part)] = part
        header = (4**groups - 1).to_bytes(-(-groups // 4), "little")
        out += [header + padded[:, k].tobytes() for k in range(stride)]
    tail = data[0].tobytes()
    return b"".join([*out, bytes(max(0, 32 - stride)), tail])


def raw_triangle_stream(indices: np.ndarray) -> bytes:
    """A triangle stream that writes every index out."""
    extra, last = bytearray(), 0
    for triangle in indices.reshape(-1, 3).tolist():
        extra.append(0xFF)
        for index in triangle:
            value = (index - last) << 1 if index >= last else (last - index) * 2 - 1
            last = index
            while value > 127:
                extra.append(value & 127 | 128)
                value >>= 7
            extra.append(value)
    return b"\xe1" + b"\xff" * (indices.size // 3) + bytes(extra) + bytes(16)


class GltfWriter:
    """Collects arrays and a document; everything in `document` may be changed before writing."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.document: dict[str, Any] = {
            "asset": {"version": "2.0"},
            "buffers": [],
            "bufferViews": [],
            "accessors": [],
            "meshes": [],
            "nodes": [],
            "scenes": [{"nodes": [0]}],
        }

    def add(self, kind: str, item: dict[str, Any]) -> int:
        self.document.setdefault(kind, []).append(item)
        return len(self.document[kind]) - 1

    def view(self, data: bytes, **more: Any) -> int:
        self.data += bytes(-len(self.data) % 4)
        place = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)}
        self.data += data
        return self.add("bufferViews", place | more)

    def array(self, values: np.ndarray, **more: Any) -> int:
        """An accessor of (count, K) values in their own number type."""
        values = values if values.ndim == 2 else values[:, None]
        described = {
            "componentType": COMPONENTS[values.dtype.str[1:]],
            "count": len(values),
            "type": TYPES[values.shape[1]],
        }
        view = self.view(np.ascontiguousarray(values).tobytes())
        return self.add("accessors", {"bufferView": view} | described | more)

    def compressed(self, values: np.ndarray, mode: str = "ATTRIBUTES", **more: Any) -> int:
        """Like `array`, compressed; rows are padded to a multiple of four bytes."""
        count, width = values.shape
        row = width * values.itemsize
        stride = row if mode != "ATTRIBUTES" else -(-row // 4) * 4
        padded = np.zeros((count, stride), np.uint8)
        padded[:, :row] = np.ascontiguousarray(values).view(np.uint8)
        stream = raw_vertex_stream(padded) if mode == "ATTRIBUTES" else raw_triangle_stream(values)
        self.data += bytes(-len(self.data) % 4)
        packed = {
            "buffer": 0,
            "byteOffset": len(self.data),
            "byteLength": len(stream),
            "byteStride": stride,
            "count": count,
            "mode": mode,
        }
        self.data += stream
        view = {
            "buffer": 1,
            "byteLength": count * stride,
            "extensions": {"EXT_meshopt_compression": packed},
        }
        if mode == "ATTRIBUTES":
            view["byteStride"] = stride
        described = {
            "bufferView": self.add("bufferViews", view),
            "componentType": COMPONENTS[values.dtype.str[1:]],
            "count": count,
            "type": TYPES[width],
        }
        return self.add("accessors", described | more)

    def sparse(self, values: np.ndarray) -> int:
        """An accessor without a view whose moving rows are given one by one."""
        rows = np.flatnonzero(values.any(axis=1))
        place = {"bufferView": self.view(rows.astype("<u2").tobytes()), "componentType": 5123}
        given = {"bufferView": self.view(values[rows].astype("<f4").tobytes())}
        described = {"componentType": 5126, "count": len(values), "type": "VEC3"}
        patch = {"count": len(rows), "indices": place, "values": given}
        return self.add("accessors", described | {"sparse": patch})

    def primitive(self, head: Head, names: tuple[str, ...] = ARKIT_NAMES) -> dict[str, Any]:
        """The plainest way: floats, and a target for each of `names`."""
        targets = [{"POSITION": self.array(head.deltas[head.names.index(name)])} for name in names]
        return {
            "attributes": {"POSITION": self.array(head.vertices)},
            "indices": self.array(head.triangles.ravel().astype("<u2")),
            "targets": targets,
        }

    def mesh(self, primitives: list[dict[str, Any]], labels: list[str], **node: Any) -> None:
        """A mesh with its node; the first node is the scene's root."""
        extras = {"targetNames": labels}
        index = self.add("meshes", {"primitives": primitives, "extras": extras})
        self.add("nodes", {"mesh": index} | node)

    def glb(self, path: Path) -> Path:
        """Write one binary file."""
        binary = bytes(self.data) + bytes(-len(self.data) % 4)
        self.document["buffers"] = [{"byteLength": len(binary)}, {"byteLength": 1 << 24}]
        text = json.dumps(self.document).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text
        chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
        path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
        return path

    def gltf(self, path: Path, beside: bool) -> Path:
        """Write JSON, with the buffer in a file beside it or as base64 in it."""
        uri = "the face.bin"
        if beside:
            (path.parent / uri).write_bytes(self.data)
            uri = "the%20face.bin"
        else:
            coded = base64.b64encode(self.data).decode()
            uri = "data:application/octet-stream;base64," + coded
        self.document["buffers"] = [{"byteLength": len(self.data), "uri": uri}]
        path.write_text(json.dumps(self.document))
        return path


@pytest.fixture(scope="session")
def face() -> Head:
    return small_face()


@pytest.fixture
def writer() -> GltfWriter:
    return GltfWriter()
