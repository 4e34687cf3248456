"""Where sensors sit on a head: `SensorLayout`, as data. No I/O.

Head frame (ARKit's face frame): right-handed, +x the wearer's left, +y up, +z forward, metres.
"""

from dataclasses import dataclass
from typing import Any

from firmware_host.errors import ConfigError

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]

UPRIGHT: Quaternion = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Slot:
    """One sensor's place. `quat_head_from_sensor` is the nominal mounting, wxyz."""

    name: str
    position_m: Vector
    quat_head_from_sensor: Quaternion = UPRIGHT


@dataclass(frozen=True, slots=True)
class SensorLayout:
    """Slots in the order of every `(…, S, …)` array, and which one is the rigid head reference.

    Raises:
        ConfigError: slot names repeat, or `reference` is not one of them.
    """

    name: str
    slots: tuple[Slot, ...]
    reference: str

    def __post_init__(self) -> None:
        names = self.names
        if len(set(names)) != len(names):
            raise ConfigError(f"layout {self.name!r}: slot names repeat: {', '.join(names)}")
        if self.reference not in names:
            raise ConfigError(
                f"layout {self.name!r}: the reference {self.reference!r} is not among its slots: "
                f"{', '.join(names)}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Slot names in array order."""
        return tuple(slot.name for slot in self.slots)

    @property
    def reference_index(self) -> int:
        """Index of the head reference among `slots`."""
        return self.names.index(self.reference)

    @property
    def face_indices(self) -> tuple[int, ...]:
        """Indices of every slot but the reference."""
        return tuple(i for i, name in enumerate(self.names) if name != self.reference)


def select(layout: SensorLayout, names: tuple[str, ...]) -> SensorLayout:
    """Return `layout` with only the slots `names`, in that order.

    Raises:
        ConfigError: a name is not in the layout, or the reference is left out.
    """
    known = {slot.name: slot for slot in layout.slots}
    for name in names:
        if name not in known:
            raise ConfigError(
                f"slot {name!r} is unknown to layout {layout.name!r}",
                f"known slots: {', '.join(known)}",
            )
    return SensorLayout(layout.name, tuple(known[name] for name in names), layout.reference)


def layout_to_dict(layout: SensorLayout) -> dict[str, Any]:
    """Plain values for TOML and JSON; inverse of `layout_from_dict`."""
    return {
        "name": layout.name,
        "reference": layout.reference,
        "slots": [
            {
                "name": slot.name,
                "position_m": list(slot.position_m),
                "quat_head_from_sensor": list(slot.quat_head_from_sensor),
            }
            for slot in layout.slots
        ],
    }


def layout_from_dict(data: dict[str, Any]) -> SensorLayout:
    """Rebuild a layout. Raises ConfigError naming the key that is missing or malformed."""
    try:
        slots = tuple(
            Slot(
                str(slot["name"]),
                _floats(slot["position_m"], 3),
                _floats(slot["quat_head_from_sensor"], 4),
            )
            for slot in data["slots"]
        )
        return SensorLayout(str(data["name"]), slots, str(data["reference"]))
    except KeyError as error:
        raise ConfigError(f"sensor layout: key {error.args[0]!r} is missing") from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"sensor layout: {error}") from error


def _floats(values: Any, count: int) -> Any:
    numbers = tuple(float(v) for v in values)
    if len(numbers) != count:
        raise ValueError(f"expected {count} numbers, got {len(numbers)}")
    return numbers


# Nominal sites in metres: points measured on the neutral ICT-FaceKit light head (MIT), rounded to
# 0.1 mm (forehead, under-eye, cheek, nasolabial, buccinator, mentalis). The choice of muscles and
# the place of the reference (mastoid) are ours.
FACE_12 = SensorLayout(
    name="face-12",
    slots=(
        Slot("frontalis_left", (0.0286, 0.0859, 0.0948)),
        Slot("frontalis_right", (-0.0286, 0.0859, 0.0948)),
        Slot("orbicularis_oculi_left", (0.0304, 0.0131, 0.0962)),
        Slot("orbicularis_oculi_right", (-0.0304, 0.0131, 0.0962)),
        Slot("zygomaticus_left", (0.0423, -0.0035, 0.0954)),
        Slot("zygomaticus_right", (-0.0423, -0.0035, 0.0954)),
        Slot("levator_labii_left", (0.0240, -0.0160, 0.1040)),
        Slot("levator_labii_right", (-0.0240, -0.0160, 0.1040)),
        Slot("buccinator_left", (0.0392, -0.0365, 0.0940)),
        Slot("buccinator_right", (-0.0392, -0.0365, 0.0940)),
        Slot("mentalis", (0.0, -0.0609, 0.1105)),
        Slot("head_reference", (0.0720, 0.0100, -0.0100)),
    ),
    reference="head_reference",
)

LAYOUTS = {FACE_12.name: FACE_12}
