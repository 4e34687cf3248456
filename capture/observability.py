"""How much of each shape these sensors can know, stored beside the layout. Simulated IMUs.

`observability.json` is written by `benchmarks/observability.py`; it is the variance that an offline
regressor explains for a wearer it knows, so nothing live should claim more.
"""

from functools import cache
from pathlib import Path

import msgspec
import numpy as np

from capture.blendshapes import ARKIT_NAMES
from firmware_host.layout import SensorLayout
from firmware_host.samples import Floats

_FILE = Path(__file__).with_name("observability.json")


class _Subset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    slots: tuple[str, ...]
    variance_explained: dict[str, float]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    layout: str
    simulated: bool
    made_by: str
    subsets: dict[str, _Subset]


def observability(layout: SensorLayout) -> Floats:
    """(52,) share of each shape's variance that the slots of `layout` can know, in [0, 1].

    That of the largest subset measured whose slots are all worn; 0 for shapes that no recording
    moved, gaze and tongue among them, and for layouts that hold no measured subset.
    """
    worn = set(layout.names)
    measured = [s for s in _table().subsets.values() if set(s.slots) <= worn]
    best = max(measured, key=lambda subset: len(subset.slots), default=None)
    known = {} if best is None else best.variance_explained
    return np.array([known.get(name, 0.0) for name in ARKIT_NAMES], np.float32)


def measured_sets() -> dict[str, tuple[str, ...]]:
    """Sets of slots that were measured, by name, the widest first."""
    return {name: subset.slots for name, subset in _table().subsets.items()}


@cache
def _table() -> _Table:
    return msgspec.json.decode(_FILE.read_bytes(), type=_Table)
