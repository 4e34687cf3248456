"""Where sensors sit on a head, and how those patches of skin answer to the 52 shapes. No I/O."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.head_anchors import moving_piece, place_carrier
from capture.head_mesh import Head
from firmware_host.errors import DataError
from firmware_host.layout import SensorLayout
from firmware_host.samples import Floats

Array = NDArray[np.float64]

PATCH_RADIUS_M = 0.008
_BONE = 20.0  # for the reference, skin that moves 1 mm counts as 20 mm farther away
_FARTHEST_M = 0.03
_OUTWARD = 0.3  # least cosine between a skin vertex's normal and its direction from the head's axis


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A patch of skin under one sensor. vertices: (K,) indices. centre: (3,) m, on the skin."""

    name: str
    vertices: NDArray[np.int64]
    centre: Array


@dataclass(frozen=True, slots=True, eq=False)
class SiteResponses:
    """How S patches move per unit weight, in the head frame.

    rotation: (S, 3, 52) rad, rotation vector of the small rotation that fits the patch best.
    translation: (S, 3, 52) m, the patch's mean. position: (S, 3) m.
    """

    rotation: Array
    translation: Array
    position: Array


def find_sites(head: Head, layout: SensorLayout) -> tuple[Site, ...]:
    """The patch of outer skin nearest to where each slot's position lies on this head.

    Positions are those of the reference head of `head_anchors`; the shapes of `head` say where the
    same anatomy is on it. The sensor on bone is the layout's reference: for it, skin that some
    shape moves is passed over.

    Raises:
        DataError: a slot is more than 30 mm from any skin.
    """
    skin = _outer_skin(head)
    if not len(skin):
        raise DataError("the head has no skin that faces outwards, expected a face around its axis")
    carried = place_carrier(head)
    travel = np.linalg.norm(head.deltas[:, skin], axis=-1).max(axis=0)
    return tuple(
        _site(
            head,
            skin,
            slot.name,
            carried(np.array(slot.position_m)),
            _BONE * travel if slot.name == layout.reference else 0.0 * travel,
        )
        for slot in layout.slots
    )


def moved_site(head: Head, site: Site, step_m: Array) -> Site:
    """The patch of outer skin nearest to a step (3,) away from where `site` is on the same head.

    Raises:
        DataError: no skin is near.
    """
    skin = _outer_skin(head)
    return _site(head, skin, site.name, site.centre + step_m, np.zeros(len(skin), np.float32))


def _outer_skin(head: Head) -> NDArray[np.int64]:
    """Vertices facing away from the head's axis: no lids' insides, teeth or eyeballs."""
    outward = head.vertices * np.array([1.0, 0.35, 1.0], np.float32)
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    facing = np.einsum("vk,vk->v", outward, head.normals(head.vertices)) > _OUTWARD
    return np.flatnonzero(facing & moving_piece(head))


def _site(head: Head, skin: NDArray[np.int64], name: str, position: Array, detour: Floats) -> Site:
    points = head.vertices[skin].astype(float)
    away = np.linalg.norm(points - position, axis=1)
    nearest = int((away + detour).argmin())
    if away[nearest] > _FARTHEST_M:
        raise DataError(
            f"slot {name!r} lies {1e3 * away[nearest]:.0f} mm from the nearest skin of this "
            f"head, expected at most {1e3 * _FARTHEST_M:.0f} mm",
            "slot positions are metres in the head frame (+x the wearer's left, +y up, +z forward)",
        )
    centre = points[nearest]
    # A coarse mesh may have too few vertices in the radius to see a rotation: take six at least.
    order = np.argsort(np.linalg.norm(points - centre, axis=1))
    within = int((np.linalg.norm(points - centre, axis=1) <= PATCH_RADIUS_M).sum())
    return Site(name, skin[order[: max(within, 6)]], centre)


def site_responses(head: Head, sites: tuple[Site, ...]) -> SiteResponses:
    """Rotation and translation of every site per unit weight of every shape."""
    rotation, translation = zip(*(_response(head, site) for site in sites), strict=True)
    position = np.stack([site.centre for site in sites])
    return SiteResponses(np.stack(rotation), np.stack(translation), position)


def _response(head: Head, site: Site) -> tuple[Array, Array]:
    """Rotation (3, 52) and translation (3, 52) of one patch.

    The least-squares rotation vector r of d ≈ t + r × p solves (Σ |p|² − p pᵀ) r = Σ p × d.
    """
    points = head.vertices[site.vertices].astype(float)
    moved = head.deltas[:, site.vertices].astype(float)  # (52, K, 3)
    points -= points.mean(axis=0)
    inertia = (points**2).sum() * np.eye(3) - points.T @ points
    # A tangent patch is almost flat; the ridge keeps a thin one from inventing rotations.
    inertia += 1e-6 * np.trace(inertia) * np.eye(3)
    torque = np.cross(points[None], moved - moved.mean(axis=1, keepdims=True)).sum(axis=1)
    return np.linalg.solve(inertia, torque.T), moved.mean(axis=1).T
