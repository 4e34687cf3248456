"""Families of heads, and wearers drawn from them.

A model that meets one kind of head only fails on the next. A family is a way to draw a head and
where sensors land on it; wearers of several families train together, and one can be left out to
see what happens on a kind of head never met.
"""

from pathlib import Path

import numpy as np

from capture.head import Head, head_from_npz, identity_head, standard_head
from dataset_tools.virtual_imu import SiteModel, VirtualWearer, put_on
from dataset_tools.wearers import WIDE, blend, placed, site_model, vary
from firmware_host.layout import SensorLayout


class HeadFamilies:
    """Site models of random people: our head, a second family if given, and people in between.

    Heads and placements are drawn once, as a pool; strengths, directions, mounting and chips of
    every wearer are drawn anew.
    """

    def __init__(self, layout: SensorLayout, ict: Path | None, pool: int = 150) -> None:
        self._layout = layout
        self._kinds = ["ours"] if ict is None else ["ours", "ict", "between"]
        ours, rng = standard_head(), np.random.default_rng(pool)
        second = None if ict is None else head_from_npz(ict)
        self._pool: dict[str, list[SiteModel]] = {}
        for kind in self._kinds:
            self._pool[kind] = [
                self._draw(kind, ours, second, ict, rng) for _ in range(pool // len(self._kinds))
            ]

    def _draw(
        self, kind: str, ours: Head, second: Head | None, ict: Path | None, rng: np.random.Generator
    ) -> SiteModel:
        layout = placed(self._layout, rng, WIDE.placement_m)
        if kind == "ours" or ict is None or second is None:
            return site_model(ours, layout)
        theirs = site_model(identity_head(ict, rng.normal(0.0, 1.0, 40)), layout)
        if kind == "ict":
            return theirs
        return blend(site_model(ours, layout), theirs, float(rng.uniform(0.2, 0.8)))

    def wearer(self, rng: np.random.Generator, family: str = "any") -> VirtualWearer:
        """Draw someone with sensors on. `family`: any, ours, ict or between."""
        kind = str(rng.choice(self._kinds)) if family == "any" else family
        sites = self._pool[kind][int(rng.integers(len(self._pool[kind])))]
        mounting = float(np.radians(rng.uniform(2.0, 10.0)))
        return put_on(self._layout, vary(sites, rng, WIDE), rng, mounting)
