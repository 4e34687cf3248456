"""Many virtual wearers: heads of several families, sensors placed by hand. No I/O.

The gap between wearers is this project's main enemy (docs/sensing.md), so a wearer is drawn from
everything known to differ: the head, where each sensor lands, how strongly each shape moves, and
how each patch of skin turns.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from capture import rotations
from capture.blendshapes import ARKIT_NAMES, MIRROR
from capture.head import Head, Site, find_sites, moved_site, site_responses
from dataset_tools.chips import CHIPS, Chip
from dataset_tools.virtual_imu import SiteModel, VirtualWearer, put_on
from firmware_host.layout import SensorLayout, Slot

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Variety:
    """How much wearers differ; standard deviations but for the twist."""

    placement_m: float = 0.004  # per axis; no site lands further off than `MOST_MOVED_M`
    mounting_rad: float = float(np.radians(7.0))
    shape_strength: float = 0.25  # of the logarithm, per shape
    site_strength: float = 0.15  # of the logarithm, per site
    site_turn_rad: float = 0.15  # rotation of a site's responses
    # How one site answers to one shape, apart from all else: other tissue, other fat, other bone.
    response_strength: float = 0.0  # of the logarithm
    response_turn_rad: float = 0.0
    response_stray: float = 0.0  # added, as a share of the site's mean response
    twist_rad: float = float(np.radians(25.0))  # at most, on the skin, of the most careless wearer


# A single believable wearer: how a careful person puts sensors on.
CAREFUL = Variety(shape_strength=0.1, site_strength=0.08, site_turn_rad=0.05, twist_rad=0.0)
# For training: more variety than is likely, so that the next face lies inside.
WIDE = Variety()
# For training on one family of heads: single responses vary too (docs/generalisation.md). Where
# several families are there to train on, that costs more than it gives.
WIDER = Variety(response_strength=0.3, response_turn_rad=0.25)
# The same face a few millimetres away (`donned_again`).
ELSEWHERE = Variety(
    shape_strength=0.0,
    site_strength=0.1,
    site_turn_rad=0.1,
    response_strength=0.15,
    response_turn_rad=0.15,
    response_stray=0.05,
)

# Who looks at a picture of the sites puts no sensor further off. Assumed.
MOST_MOVED_M = 0.010

HeadSource = Callable[[np.random.Generator], Head]


def draw_wearer(
    head: Head, layout: SensorLayout, rng: np.random.Generator, variety: Variety = CAREFUL
) -> VirtualWearer:
    """Put `layout` on `head` by hand: places, mounting, skin and chips drawn from `rng`."""
    sites = vary(worn_sites(head, layout, rng, variety.placement_m), rng, variety)
    chip = Chip(
        accel_noise_m_s2_rthz=float(rng.uniform(0.7e-3, 2.0e-3)),
        gyro_noise_rad_s_rthz=float(rng.uniform(0.6e-4, 2.6e-4)),
    )
    return put_on(layout, sites, rng, variety.mounting_rad, chip, twist_rad=variety.twist_rad)


def draw_donnings(
    head: Head,
    layout: SensorLayout,
    rng: np.random.Generator,
    moved_m: float,
    turned_rad: float,
    variety: Variety = CAREFUL,
) -> tuple[VirtualWearer, VirtualWearer]:
    """Somebody, and the same face with the same chips on another day.

    The chips are real ones (`chips.CHIPS`). On the other day every face sensor sits `moved_m` along
    the skin from where it was, to the next vertex of the head, and is turned by `turned_rad` (per
    axis, Gaussian). Both answer as the head does there, unlike by `donned_again`, which knows none.
    """
    sites = landed(head, layout, rng, variety.placement_m)
    other_rng, person = rng.spawn(1)[0], int(rng.integers(1 << 62))
    chip = list(CHIPS.values())[int(rng.integers(len(CHIPS)))]
    elsewhere = tuple(
        site if k == layout.reference_index else _along_the_skin(head, site, moved_m, other_rng)
        for k, site in enumerate(sites)
    )
    first, second = (
        vary(
            site_model(head, on_skin, layout.reference_index),
            np.random.default_rng(person),
            variety,
        )
        for on_skin in (sites, elsewhere)
    )
    worn = put_on(layout, first, rng, variety.mounting_rad, chip, twist_rad=variety.twist_rad)
    return worn, replace(
        worn,
        sites=second,
        quat_head_from_sensor=_turned(worn, other_rng, turned_rad),
    )


def _along_the_skin(head: Head, site: Site, far_m: float, rng: np.random.Generator) -> Site:
    normal = _unit(head.normals(head.vertices)[site.vertices].astype(float).mean(axis=0))
    step = rng.normal(size=3)
    return moved_site(head, site, far_m * _unit(step - normal * (step @ normal)))


def _turned(wearer: VirtualWearer, rng: np.random.Generator, by_rad: float) -> Array:
    error = rotations.from_vector(rng.normal(0.0, by_rad, (len(wearer.sites.position), 3)))
    return rotations.multiply(error, wearer.quat_head_from_sensor)


def worn_sites(
    head: Head, layout: SensorLayout, rng: np.random.Generator, spread_m: float
) -> SiteModel:
    """Site responses where sensors really landed on a head."""
    return site_model(head, landed(head, layout, rng, spread_m), layout.reference_index)


def landed(
    head: Head, layout: SensorLayout, rng: np.random.Generator, spread_m: float
) -> tuple[Site, ...]:
    """The sites of slots that were moved by Gaussian steps, none by more than `MOST_MOVED_M`.

    Those further off are drawn again. What counts is the way on this head, from skin to skin: over
    a nostril it is longer than the step.
    """
    meant = find_sites(head, layout)
    found = find_sites(head, placed(layout, rng, spread_m))
    while any(far := [_moved_m(*pair) > MOST_MOVED_M for pair in zip(meant, found, strict=True)]):
        again = find_sites(head, placed(layout, rng, spread_m))
        found = tuple(b if off else a for a, b, off in zip(found, again, far, strict=True))
    return found


def _moved_m(meant: Site, found: Site) -> float:
    return float(np.linalg.norm(found.centre - meant.centre))


def placed(layout: SensorLayout, rng: np.random.Generator, spread_m: float) -> SensorLayout:
    """The layout with every slot moved by a Gaussian step."""
    moved = [
        Slot(
            slot.name,
            tuple(float(v) for v in np.add(slot.position_m, rng.normal(0.0, spread_m, 3))),  # type: ignore[arg-type]
            slot.quat_head_from_sensor,
        )
        for slot in layout.slots
    ]
    return replace(layout, slots=tuple(moved))


def site_model(head: Head, sites: tuple[Site, ...], reference: int) -> SiteModel:
    """How sites on a head answer, with the skin's normals; `reference` sits on bone."""
    found = site_responses(head, sites)
    rotation = np.array(found.rotation, float)
    translation = np.array(found.translation, float)
    # The reference is glued to bone. Scanned heads let even the mastoid follow the jaw a little.
    rotation[reference] = 0.0
    translation[reference] = 0.0
    normals = head.normals(head.vertices).astype(float)
    normal = np.stack([normals[site.vertices].mean(axis=0) for site in sites])
    return SiteModel(rotation, translation, np.asarray(found.position, float), _unit(normal))


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def vary(sites: SiteModel, rng: np.random.Generator, variety: Variety) -> SiteModel:
    """Scale shapes and sites and turn each site's responses; left and right shapes nearly alike."""
    count = len(sites.position)
    both = rng.normal(0.0, variety.shape_strength, len(ARKIT_NAMES))
    both = np.where(np.arange(len(both)) > MIRROR, both[MIRROR], both)
    own = rng.normal(0.0, 0.3 * variety.shape_strength, len(ARKIT_NAMES))
    shape = np.exp(both + own)
    site = np.exp(rng.normal(0.0, variety.site_strength, (count, 1, 1)))
    turn = rotations.to_matrix(
        rotations.from_vector(rng.normal(0.0, variety.site_turn_rad, (count, 3)))
    )
    own_way = _own_way(count, rng, variety)
    return replace(
        sites,
        rotation=turn @ own_way(sites.rotation) * shape * site,
        translation=turn @ own_way(sites.translation) * shape * site,
    )


def _own_way(count: int, rng: np.random.Generator, variety: Variety) -> Callable[[Array], Array]:
    """Change every response (3,) of every site to every shape on its own; rotation and translation
    change alike, since one patch of skin makes both.
    """
    shapes = len(ARKIT_NAMES)
    strength = np.exp(rng.normal(0.0, variety.response_strength, (count, 1, shapes)))
    vectors = rng.normal(0.0, variety.response_turn_rad, (count, shapes, 3))
    turn = rotations.from_vector(vectors)
    stray = rng.normal(0.0, variety.response_stray, (count, 3, shapes))

    def changed(responses: Array) -> Array:
        turned = rotations.rotate(turn, responses.transpose(0, 2, 1)).transpose(0, 2, 1)
        mean = np.sqrt((responses**2).sum(axis=1).mean(axis=-1))[:, None, None]
        return np.asarray(turned * strength + mean * stray)

    return changed


def blend(first: SiteModel, second: SiteModel, share: float) -> SiteModel:
    """A wearer between two others: `share` of the second."""

    def between(one: Array, other: Array) -> Array:
        return np.asarray(one * (1 - share) + other * share)

    normal = None
    if first.normal is not None and second.normal is not None:
        normal = _unit(between(first.normal, second.normal))
    return SiteModel(
        between(first.rotation, second.rotation),
        between(first.translation, second.translation),
        between(first.position, second.position),
        normal,
    )


def donned_again(
    wearer: VirtualWearer, rng: np.random.Generator, mounting_rad: float = float(np.radians(5.0))
) -> VirtualWearer:
    """The same face on another day: sensors a few millimetres away and turned, the same chips.

    How a patch answers changes as it does between places some 5 mm apart.
    """
    turned = _turned(wearer, rng, mounting_rad)
    return replace(wearer, sites=vary(wearer.sites, rng, ELSEWHERE), quat_head_from_sensor=turned)
