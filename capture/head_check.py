"""What a head file has, what it lacks, and whether sensors find their places on it."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from capture.blendshapes import ARKIT_NAMES, INDEX, canonical_name
from capture.head_files import head_from_npz, npz_shape_names
from capture.head_gltf import read_gltf_head
from capture.head_mesh import Head
from capture.head_placing import Placement, sides_are_swapped
from capture.head_sites import find_sites
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import SensorLayout

# A head without a tongue is complete with 51 shapes.
OPTIONAL = ("tongueOut",)
_STILL_M = 1e-5  # ours: what moves less at weight 1 is left over from rounding

# The shapes by which the muscle under a sensor shows; more than one where artists differ.
PULLS: dict[str, tuple[str, ...]] = {
    "frontalis": ("browInnerUp", "browOuterUp"),
    "orbicularis_oculi": ("cheekSquint", "eyeSquint"),
    "zygomaticus": ("mouthSmile", "cheekSquint"),
    "levator_labii": ("mouthUpperUp", "noseSneer", "mouthSmile"),
    "buccinator": ("mouthSmile", "mouthStretch", "mouthDimple"),
    "mentalis": ("mouthShrugLower", "jawOpen"),
}


class SiteReport(msgspec.Struct, frozen=True):
    """A sensor's place. pull: the shape of its muscle that moves it most, and by how much."""

    slot: str
    position_mm: tuple[float, float, float]
    pull: str | None
    pull_mm: float


class HeadReport(msgspec.Struct, frozen=True):
    """Facts about a head file.

    size_mm: width, height, depth of all of it. unit, mm_per_unit: what one unit of the file was
    taken for. turned_deg: by how much the file's axes were turned. shapes: shape → its spelling in
    the file. missing: shapes that are not there. extra: morph targets that are no shape of ours.
    still: shapes that are there and move nothing. sites: empty where `sites_error` says why.
    """

    file: str
    vertices: int
    triangles: int
    size_mm: tuple[float, float, float]
    unit: str
    mm_per_unit: float
    turned_deg: float
    shapes: dict[str, str]
    missing: list[str]
    extra: list[str]
    still: list[str]
    sides_swapped: bool
    left_out: list[str]
    layout: str
    sites: list[SiteReport]
    sites_error: str | None

    @property
    def problems(self) -> list[str]:
        """Why this head cannot be used as it is, one line each; empty where it can."""
        found = [f"{name} is missing" for name in self.missing if name not in OPTIONAL]
        found += [f"{name} moves nothing" for name in self.still if name not in OPTIONAL]
        if self.sides_swapped:
            found.append("left and right are swapped: eyeBlinkLeft moves the wearer's right eye")
        if self.sites_error is not None:
            found.append(f"the sensors of {self.layout} find no place: {self.sites_error}")
        return found


def read_head(path: Path) -> Head:
    """Read a head of any kind we know: `.glb`, `.gltf`, `.npz`.

    Raises:
        ConfigError: the name ends in something else.
        DataError: the file is not the head that its name promises.
    """
    return head_from_npz(path) if _is_npz(path) else read_gltf_head(path).head


def check_head(path: Path, layout: SensorLayout) -> HeadReport:
    """Read a head and say what is in it. Raises as `read_head` does."""
    if _is_npz(path):
        names = npz_shape_names(path)
        spellings = {str(canonical_name(name)): name for name in names}
        as_it_is = Placement(np.eye(3), 1.0, np.zeros(3), "metres")
        return _report(path, head_from_npz(path), spellings, (), (), as_it_is, layout)
    read = read_gltf_head(path)
    return _report(
        path, read.head, read.spellings, read.extra, read.left_out, read.placement, layout
    )


def _is_npz(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in (".npz", ".glb", ".gltf"):
        raise ConfigError(f"{path}: expected a head as .glb, .gltf or .npz, got {suffix!r}")
    return suffix == ".npz"


def _report(
    path: Path,
    head: Head,
    spellings: dict[str, str],
    extra: tuple[str, ...],
    left_out: tuple[str, ...],
    placement: Placement,
    layout: SensorLayout,
) -> HeadReport:
    most = np.linalg.norm(head.deltas, axis=-1).max(axis=1, initial=0.0)
    sites, error = _sites(head, layout)
    return HeadReport(
        file=str(path),
        vertices=len(head.vertices),
        triangles=len(head.triangles),
        size_mm=_mm(np.ptp(head.vertices, axis=0)),
        unit=placement.unit,
        mm_per_unit=round(1e3 * placement.scale_m, 4),
        turned_deg=round(placement.turned_deg, 2),
        shapes=spellings,
        missing=[name for name in ARKIT_NAMES if name not in spellings],
        extra=list(extra),
        still=[name for name in ARKIT_NAMES if name in spellings and most[INDEX[name]] < _STILL_M],
        sides_swapped=sides_are_swapped(head),
        left_out=list(left_out),
        layout=layout.name,
        sites=sites,
        sites_error=error,
    )


def _sites(head: Head, layout: SensorLayout) -> tuple[list[SiteReport], str | None]:
    try:
        sites = find_sites(head, layout)
    except DataError as error:
        return [], str(error)
    found = []
    for site in sites:
        way = np.linalg.norm(head.deltas[:, site.vertices].mean(axis=1), axis=-1)
        pulls = _pulls_of(site.name)
        pull = max(pulls, key=lambda name: way[INDEX[name]], default=None)
        moved = 0.0 if pull is None else round(1e3 * float(way[INDEX[pull]]), 2)
        found.append(SiteReport(site.name, _mm(site.centre), pull, moved))
    return found, None


def _pulls_of(slot: str) -> list[str]:
    """Shapes of the muscle that a slot is named after, on the slot's side."""
    muscle, _, side = slot.rpartition("_")
    muscle, side = (muscle, side.title()) if side in ("left", "right") else (slot, "")
    named = (name + end for name in PULLS.get(muscle, ()) for end in (side, ""))
    return [name for name in named if name in INDEX]


def _mm(metres: Any) -> tuple[float, float, float]:
    x, y, z = (round(1e3 * float(value), 1) for value in metres)
    return x, y, z
