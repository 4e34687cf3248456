"""What we read of a glTF 2.0 document, as data. Unknown keys are allowed, as glTF wants. No I/O.

Names are those of the glTF 2.0 specification, section 5 (properties reference).
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, field

Index = Annotated[int, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
Number = int | float


class Asset(msgspec.Struct, frozen=True, rename="camel"):
    """What the file says of itself."""

    version: str


class Buffer(msgspec.Struct, frozen=True, rename="camel"):
    """Bytes beside the document, in it, or nowhere (the fallback of compressed views)."""

    byte_length: Count
    uri: str | None = None


class Compressed(msgspec.Struct, frozen=True, rename="camel"):
    """The extension object of a compressed buffer view."""

    buffer: Index
    byte_length: Count
    byte_stride: Count
    count: Count
    mode: str
    byte_offset: Index = 0
    filter: str = "NONE"


class ViewExtensions(msgspec.Struct, frozen=True, rename="camel"):
    """Extensions of a buffer view that we know: two names for one thing."""

    khr: Compressed | None = field(default=None, name="KHR_meshopt_compression")
    ext: Compressed | None = field(default=None, name="EXT_meshopt_compression")


class BufferView(msgspec.Struct, frozen=True, rename="camel"):
    """A stretch of a buffer."""

    buffer: Index
    byte_length: Count
    byte_offset: Index = 0
    byte_stride: Annotated[int, Meta(ge=4, le=252)] | None = None
    extensions: ViewExtensions = ViewExtensions()


class SparseIndices(msgspec.Struct, frozen=True, rename="camel"):
    """Which elements differ."""

    buffer_view: Index
    component_type: int
    byte_offset: Index = 0


class SparseValues(msgspec.Struct, frozen=True, rename="camel"):
    """What they are instead."""

    buffer_view: Index
    byte_offset: Index = 0


class Sparse(msgspec.Struct, frozen=True, rename="camel"):
    """The few elements in which an accessor differs from its buffer view, or from zero."""

    count: Count
    indices: SparseIndices
    values: SparseValues


class Accessor(msgspec.Struct, frozen=True, rename="camel"):
    """A typed array in a buffer view."""

    component_type: int
    count: Count
    type: str
    buffer_view: Index | None = None
    byte_offset: Index = 0
    normalized: bool = False
    sparse: Sparse | None = None
    name: str | None = None


class Primitive(msgspec.Struct, frozen=True, rename="camel"):
    """A surface with one material, and how its morph targets change it."""

    attributes: dict[str, Index]
    indices: Index | None = None
    material: Index | None = None
    mode: int = 4
    targets: list[dict[str, Index]] = []
    extras: Any = None


class Mesh(msgspec.Struct, frozen=True, rename="camel"):
    """Primitives that share their morph targets."""

    primitives: list[Primitive]
    name: str | None = None
    extras: Any = None


class Pbr(msgspec.Struct, frozen=True, rename="camel"):
    """The plain part of a material."""

    base_color_factor: tuple[Number, Number, Number, Number] = (1.0, 1.0, 1.0, 1.0)
    base_color_texture: dict[str, Any] | None = None


class Material(msgspec.Struct, frozen=True, rename="camel"):
    """How a surface looks."""

    pbr_metallic_roughness: Pbr | None = None
    name: str | None = None


class Node(msgspec.Struct, frozen=True, rename="camel"):
    """A place in the scene. `matrix` is column by column; rotation is xyzw."""

    children: list[Index] = []
    mesh: Index | None = None
    skin: Index | None = None
    matrix: Annotated[list[Number], Meta(min_length=16, max_length=16)] | None = None
    translation: tuple[Number, Number, Number] = (0.0, 0.0, 0.0)
    rotation: tuple[Number, Number, Number, Number] = (0.0, 0.0, 0.0, 1.0)
    scale: tuple[Number, Number, Number] = (1.0, 1.0, 1.0)
    name: str | None = None


class Skin(msgspec.Struct, frozen=True, rename="camel"):
    """Bones that carry a mesh."""

    joints: list[Index]
    inverse_bind_matrices: Index | None = None


class Scene(msgspec.Struct, frozen=True, rename="camel"):
    """Nodes to show together."""

    nodes: list[Index] = []


class Document(msgspec.Struct, frozen=True, rename="camel"):
    """A glTF file without its buffers."""

    asset: Asset
    buffers: list[Buffer] = []
    buffer_views: list[BufferView] = []
    accessors: list[Accessor] = []
    meshes: list[Mesh] = []
    materials: list[Material] = []
    nodes: list[Node] = []
    skins: list[Skin] = []
    scenes: list[Scene] = []
    scene: Index | None = None
    extensions_required: list[str] = []
