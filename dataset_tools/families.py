"""Families of heads, and wearers drawn from them.

A model that meets one kind of head only fails on the next. A family draws heads of one kind;
wearers of several families train together, and one can be left out to see what happens on a kind of
head never met.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from capture.head import Head, Identity, build_head, draw_identity, identity_head
from dataset_tools.chips import CHIPS, Chip
from dataset_tools.disturbances import CALM, draw_disturbances
from dataset_tools.virtual_imu import SiteModel, VirtualWearer, put_on
from dataset_tools.wearers import WIDE, Variety, blend, vary, worn_sites
from dataset_tools.wiring import draw_wiring
from firmware_host.layout import SensorLayout

_ICT_IDENTITIES = 40
OUR_PEOPLE = 60
BETWEEN = "between"
_ALL_CHIPS = (Chip(), *CHIPS.values())
# Careful to careless, drawn per wearer: standard deviation per axis of how sensors are tilted. The
# careless also turn them on the skin, by up to `Variety.twist_rad`.
MOUNTING_DEG = (2.0, 10.0)


@dataclass(frozen=True, slots=True)
class HeadFamily:
    """One kind of head. draw: a random head of it."""

    name: str
    draw: Callable[[np.random.Generator], Head]


def our_family() -> HeadFamily:
    """People of the project's own head: `OUR_PEOPLE` of them, each a second to build."""
    return HeadFamily("ours", lambda rng: _our_person(int(rng.integers(OUR_PEOPLE))))


def drawn_person(number: int) -> Identity:
    """Who number `number` of `OUR_PEOPLE` is."""
    return draw_identity(np.random.default_rng((OUR_PEOPLE, number)))


@lru_cache(maxsize=OUR_PEOPLE)
def _our_person(number: int) -> Head:
    return build_head(drawn_person(number))


def ict_family(path: Path) -> HeadFamily:
    """Random identities of an ICT-FaceKit head with its 40 directions."""
    return HeadFamily("ict", lambda rng: identity_head(path, rng.normal(0.0, 1.0, _ICT_IDENTITIES)))


def single_family(name: str, head: Head) -> HeadFamily:
    """One head only, whoever wears it."""
    return HeadFamily(name, lambda _: head)


class HeadFamilies:
    """Wearers of several families, and, of more than one, people between two of them.

    There are `pool` heads with sensors on, drawn when they are first needed and the same whenever
    that is; strengths and directions of the site responses, mounting, chips and what befalls them
    are drawn anew for every wearer.

    Args:
        variety: how much wearers of one head differ.
        disturbed: share of wearers to whom cables, taps, bites, slips and warmth happen.
        missing: share of wearers one of whose face slots is never heard. Assumed.
        swapped: share of wearers who put on two neighbouring sensors the wrong way round. Assumed.
    """

    def __init__(
        self,
        layout: SensorLayout,
        families: Sequence[HeadFamily],
        pool: int = 300,
        variety: Variety = WIDE,
        disturbed: float = 0.15,
        missing: float = 0.02,
        swapped: float = 0.01,
    ) -> None:
        self._layout, self._variety, self._disturbed = layout, variety, disturbed
        self._missing, self._swapped = missing, swapped
        self._families = tuple(families)
        between = (BETWEEN,) if len(families) > 1 else ()
        self.names = (*(family.name for family in families), *between)
        self._each = max(1, pool // len(self.names))
        self._sites: dict[tuple[int, int], SiteModel] = {}

    def wearer(self, rng: np.random.Generator, family: str = "any") -> VirtualWearer:
        """Draw someone with sensors on, of one of `names` or of any."""
        kind = int(rng.integers(len(self.names))) if family == "any" else self.names.index(family)
        sites = self._at(kind, int(rng.integers(self._each)))
        careless = float(rng.random())
        mounting = float(np.radians(np.interp(careless, (0.0, 1.0), MOUNTING_DEG)))
        twist = careless * self._variety.twist_rad
        chip = _ALL_CHIPS[int(rng.integers(len(_ALL_CHIPS)))]
        count, reference = len(self._layout.slots), self._layout.reference_index
        happens = rng.random() < self._disturbed
        befalls = draw_disturbances(count, reference, rng) if happens else CALM
        varied = vary(sites, rng, self._variety)
        worn = put_on(self._layout, varied, rng, mounting, chip, befalls, twist)
        # Last, so that those without a mistake are the same wearers at any rate of mistakes.
        return replace(worn, wiring=draw_wiring(self._layout, rng, self._missing, self._swapped))

    def _at(self, kind: int, number: int) -> SiteModel:
        """Head with sensors `number` of a kind."""
        if (kind, number) not in self._sites:
            rng = np.random.default_rng((kind, number))
            last = kind == len(self._families)
            self._sites[kind, number] = self._between(rng) if last else self._drawn(kind, rng)
        return self._sites[kind, number]

    def _drawn(self, kind: int, rng: np.random.Generator) -> SiteModel:
        head = self._families[kind].draw(rng)
        return worn_sites(head, self._layout, rng, self._variety.placement_m)

    def _between(self, rng: np.random.Generator) -> SiteModel:
        """Somebody between two people of different families."""
        first, second = rng.choice(len(self._families), 2, replace=False)
        a, b = (self._at(int(kind), int(rng.integers(self._each))) for kind in (first, second))
        return blend(a, b, float(rng.uniform(0.2, 0.8)))


def families_of(ict_head: str, root: Path) -> tuple[HeadFamily, ...]:
    """Ours, and the ICT-FaceKit head below `root` where a recipe names one."""
    return (our_family(), ict_family(root / ict_head)) if ict_head else (our_family(),)
