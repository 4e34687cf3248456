"""How a recording is doing, and what becomes of it: values for whoever watches. No I/O."""

import math
from dataclasses import dataclass
from pathlib import Path

from capture.meters import DeviceStatus
from capture.recorder import State
from capture.take import Take


@dataclass(frozen=True, slots=True)
class RecordStatus:
    """How the recording is doing.

    waiting: writes that the disk has not taken yet. devices: those of the rig, in its order.
    problems: what stands against beginning. warnings: what may end the take soon. left_s: how long
    the disk lasts. marks: how many markers were set.
    """

    state: State
    missing: tuple[str, ...]
    elapsed_s: float
    faces: int
    bytes_on_disk: int
    waiting: int
    devices: tuple[DeviceStatus, ...]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    left_s: float = math.inf
    marks: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the operator should know now. hint: what can be done; may be empty."""

    device: str
    text: str
    hint: str


@dataclass(frozen=True, slots=True)
class RecordResult:
    """A finished take. `lost` names the source whose loss ended it, if one did."""

    folder: Path
    take: Take
    reason: str
    lost: str | None
