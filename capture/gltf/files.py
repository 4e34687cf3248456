"""glTF files: `.gltf` with its buffers, `.glb`, and the arrays that accessors stand for.

Everything in a file is bounded and checked before it is believed; what is wrong is a DataError
that names the file and the place in it.
"""

import base64
import binascii
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.gltf import meshopt
from capture.gltf.containers import GLB_MAGIC, read_bytes, split_glb
from capture.gltf.schema import Accessor, BufferView, Compressed, Document, Sparse
from firmware_host.errors import DataError

Array = NDArray[np.generic]

MAX_VIEW_BYTES = 256 << 20
MAX_ELEMENTS = 8_000_000

COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
# MAT2 and MAT3 have padding between columns, and nothing that we read is one.
DTYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}

# Extensions that a file may require of us: those we implement, and those about looks alone.
_IMPLEMENTED = {"KHR_mesh_quantization", "EXT_meshopt_compression", "KHR_meshopt_compression"}
_LOOKS = ("KHR_materials_", "KHR_texture_", "EXT_texture_", "MSFT_texture_", "KHR_lights_", "VRM")


class Gltf:
    """An open glTF file: its document, and the arrays of its accessors.

    Raises:
        DataError: the file is missing, too large, cut short, no glTF 2.0, or requires an extension
            that changes geometry in a way we do not know.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        raw = read_bytes(path, "a head")
        text, self._binary = split_glb(path, raw) if raw[:4] == GLB_MAGIC else (raw, None)
        try:
            self.document = msgspec.json.decode(text, type=Document)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self.error(
                f"expected glTF 2.0 (.glb or .gltf), got something else: {error}"
            ) from error
        self._check_version_and_extensions()
        self._buffers: dict[int, bytes] = {}
        self._views: dict[int, bytes] = {}

    def error(self, message: str, hint: str = "") -> DataError:
        """An error about this file."""
        return DataError(f"{self.path}: {message}", hint)

    def _check_version_and_extensions(self) -> None:
        if not self.document.asset.version.startswith("2."):
            raise self.error(f"expected glTF 2.0, got version {self.document.asset.version!r}")
        unknown = [
            name
            for name in self.document.extensions_required
            if name not in _IMPLEMENTED and not name.startswith(_LOOKS)
        ]
        if unknown:
            raise self.error(
                f"requires the extension {unknown[0]}, known are {', '.join(sorted(_IMPLEMENTED))}",
                "export it again without that compression or extension",
            )

    def floats(self, index: int, kinds: tuple[str, ...]) -> NDArray[np.float32]:
        """(count, K) of an accessor whose type is one of `kinds`; normalised integers divided.

        Raises:
            DataError: no such accessor, another type, outside of its view, or not finite.
        """
        accessor = self._accessor(index, kinds)
        array = self._array(index, accessor)
        values = array.astype(np.float32)
        if accessor.normalized and array.dtype.kind in "iu":
            most = 2 ** (8 * array.dtype.itemsize - (array.dtype.kind == "i")) - 1
            values = np.maximum(values / most, -1).astype(np.float32)
        if not np.isfinite(values).all():
            raise self.error(f"accessor {index} holds numbers that are not finite")
        return values

    def integers(self, index: int, kinds: tuple[str, ...]) -> NDArray[np.int64]:
        """(count, K) of an accessor of unsigned integers. Raises DataError as `floats` does."""
        array = self._array(index, self._accessor(index, kinds))
        if array.dtype.kind != "u":
            raise self.error(f"accessor {index}: expected unsigned integers, got {array.dtype}")
        return array.astype(np.int64)

    def accessor_name(self, index: int) -> str | None:
        """The name a file gives to an accessor."""
        accessors = self.document.accessors
        return accessors[index].name if index < len(accessors) else None

    def _accessor(self, index: int, kinds: tuple[str, ...]) -> Accessor:
        if index >= len(self.document.accessors):
            raise self.error(
                f"accessor {index} is named, the file has {len(self.document.accessors)}"
            )
        accessor = self.document.accessors[index]
        if accessor.type not in kinds or accessor.component_type not in DTYPES:
            raise self.error(
                f"accessor {index}: expected {' or '.join(kinds)} of known components, "
                f"got {accessor.type} of component type {accessor.component_type}"
            )
        if accessor.count > MAX_ELEMENTS:
            raise self.error(
                f"accessor {index}: expected at most {MAX_ELEMENTS} elements, got {accessor.count}"
            )
        return accessor

    def _array(self, index: int, accessor: Accessor) -> Array:
        """(count, K) of an accessor in its own number type; read-only where nothing is sparse."""
        dtype, width = np.dtype(DTYPES[accessor.component_type]), COMPONENTS[accessor.type]
        shape, where = (accessor.count, width), f"accessor {index}"
        if accessor.buffer_view is None:
            array: Array = np.zeros(shape, dtype)
        else:
            array = self._slice(where, accessor.buffer_view, accessor.byte_offset, shape, dtype)
        return array if accessor.sparse is None else self._patched(where, array, accessor.sparse)

    def _patched(self, where: str, array: Array, sparse: Sparse) -> Array:
        """A copy of `array` with the elements that a sparse accessor replaces."""
        place = sparse.indices
        if sparse.count > len(array) or place.component_type not in (5121, 5123, 5125):
            raise self.error(f"{where}: {sparse.count} sparse values for {len(array)} elements")
        dtype = np.dtype(DTYPES[place.component_type])
        at = self._slice(where, place.buffer_view, place.byte_offset, (sparse.count, 1), dtype)
        rows = at[:, 0].astype(np.int64)
        if rows.max() >= len(array):
            raise self.error(f"{where}: sparse value at {rows.max()} of {len(array)} elements")
        shape = (sparse.count, array.shape[1])
        patched = array.copy()
        patched[rows] = self._slice(
            where, sparse.values.buffer_view, sparse.values.byte_offset, shape, array.dtype
        )
        return patched

    def _slice(
        self, where: str, view_index: int, offset: int, shape: tuple[int, int], dtype: np.dtype
    ) -> Array:
        """Elements in a buffer view, each at the view's stride."""
        data, view = self._view(view_index), self.document.buffer_views[view_index]
        stride = view.byte_stride or shape[1] * dtype.itemsize
        needed = offset + stride * (shape[0] - 1) + shape[1] * dtype.itemsize
        if needed > len(data):
            raise self.error(
                f"{where} needs {needed} bytes of buffer view {view_index}, it has {len(data)}"
            )
        strides = (stride, dtype.itemsize)
        return np.ndarray(shape, dtype, data, offset, strides)

    def _view(self, index: int) -> bytes:
        """The bytes of a buffer view, decompressed once."""
        if index >= len(self.document.buffer_views):
            raise self.error(
                f"buffer view {index} is named, the file has {len(self.document.buffer_views)}"
            )
        if index not in self._views:
            view = self.document.buffer_views[index]
            if view.byte_length > MAX_VIEW_BYTES:
                raise self.error(
                    f"buffer view {index}: expected at most {MAX_VIEW_BYTES} bytes, "
                    f"got {view.byte_length}"
                )
            packed = view.extensions.khr or view.extensions.ext
            self._views[index] = (
                self._stretch(index, view) if packed is None else self._unpack(index, view, packed)
            )
        return self._views[index]

    def _unpack(self, index: int, view: BufferView, packed: Compressed) -> bytes:
        if packed.count * packed.byte_stride != view.byte_length:
            raise self.error(
                f"buffer view {index}: expected {view.byte_length} bytes, its compression says "
                f"{packed.count} × {packed.byte_stride}"
            )
        data = self._stretch(index, packed)
        try:
            return meshopt.decode(
                data, packed.mode, packed.filter, packed.count, packed.byte_stride
            ).tobytes()
        except DataError as error:
            raise self.error(f"buffer view {index}, compressed: {error}") from error

    def _stretch(self, index: int, of: BufferView | Compressed) -> bytes:
        data = self._buffer(of.buffer)
        end = of.byte_offset + of.byte_length
        if end > len(data):
            raise self.error(
                f"buffer view {index} ends at byte {end} of buffer {of.buffer}, "
                f"which has {len(data)}",
                "the file may have been cut short",
            )
        return data[of.byte_offset : end]

    def _buffer(self, index: int) -> bytes:
        if index >= len(self.document.buffers):
            raise self.error(f"buffer {index} is named, the file has {len(self.document.buffers)}")
        if index not in self._buffers:
            self._buffers[index] = self._load(index)
        return self._buffers[index]

    def _load(self, index: int) -> bytes:
        uri = self.document.buffers[index].uri
        if uri is None:
            if index != 0 or self._binary is None:
                raise self.error(f"buffer {index} has no bytes: neither a uri nor a binary chunk")
            return self._binary
        if uri.startswith("data:"):
            try:
                return base64.b64decode(uri.partition(",")[2], validate=True)
            except binascii.Error as error:
                raise self.error(f"buffer {index}: not base64: {error}") from error
        if "://" in uri:
            raise self.error(f"buffer {index}: expected a file beside it, got {uri[:60]!r}")
        return read_bytes(self.path.parent / unquote(uri), f"buffer {index}")

    @cached_property
    def roots(self) -> list[int]:
        """The nodes a scene starts from: those of the default scene, or all without a parent."""
        document = self.document
        if document.scenes:
            chosen = document.scene or 0
            if chosen >= len(document.scenes):
                raise self.error(f"scene {chosen} is named, the file has {len(document.scenes)}")
            return list(document.scenes[chosen].nodes)
        children = {child for node in document.nodes for child in node.children}
        return [i for i in range(len(document.nodes)) if i not in children]
