"""A `take.toml` made anew from what `data.mcap` says, where the old one is gone. Pure."""

from collections.abc import Iterable
from typing import Any

import msgspec

from capture.channels import CONSENT, CORRECTIONS, HEALTH, topics_of
from capture.consent import Subject
from capture.schemas import HUB_SAMPLE, PACKAGE, SAMPLE_OF
from capture.take import DATA_FILE, TAKE_FILE, Take, TakeDevice, new_take
from firmware_host import mcap_chunks
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import LAYOUTS, SensorLayout, select
from firmware_host.rig import HUB
from firmware_host.sensor_profile import Correction
from firmware_host.simulator import HubOptions

_COUNTERS = 2  # tick_us and sequence come before the slots
_HINT = (
    f"{DATA_FILE} is still there, untouched: copy the {TAKE_FILE} of another take of the same "
    "sensors beside it and run this again"
)


def rebuilt_take(name: str, created_utc: str, chunks: Iterable[bytes]) -> Take:
    """What can be known of a take by its intact chunks, in state "recording".

    Devices and slots come from the schemas of the samples, places from the known layout that has
    them all.

    Args:
        name: of the take. created_utc: when, as ISO 8601. chunks: contents, verified.

    Raises:
        DataError: no chunk holds the schema, or no known layout has its slots.
    """
    devices: tuple[TakeDevice, ...] = ()
    simulated = False
    corrections: dict[str, Correction] = {}
    whose: dict[str, Any] = {}
    for contents in chunks:
        devices = devices or _devices(contents)
        topics = dict(enumerate(topics_of(devices), 1)) if devices else {}
        said = _said(contents, topics) if topics else []
        simulated = simulated or _is_simulated(said)
        corrections = corrections or _corrections(said)
        whose = whose or _whose(said)
    note = (
        f"{TAKE_FILE} was missing or damaged and made anew; segments, origin and what the data "
        "does not say are lost"
    )
    slots = tuple(slot for device in devices for slot in device.slots)
    if [device.name for device in devices] == [HUB]:
        layout, devices = _layout(slots, whole=False), ()
    else:
        layout = _layout(slots, whole=True)
    take = new_take(
        name,
        layout,
        {"rebuilt": note},
        simulated=simulated,
        devices=devices,
        corrections=corrections,
        **whose,
    )
    return msgspec.structs.replace(take, created_utc=created_utc)


def _devices(contents: bytes) -> tuple[TakeDevice, ...]:
    """The devices by the schemas of their samples; none where this chunk does not hold them."""
    found = []
    for name, schema in mcap_chunks.schemas(contents).items():
        message = name.removeprefix(f"{PACKAGE}.")
        if message == HUB_SAMPLE:
            found.append(TakeDevice(HUB, _slots(schema)))
        elif message.startswith(SAMPLE_OF):
            found.append(TakeDevice(message.removeprefix(SAMPLE_OF), _slots(schema)))
    return tuple(found)


def _slots(schema: bytes) -> tuple[str, ...]:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    fields = FileDescriptorSet.FromString(schema).file[0].message_type[0].field
    return tuple(field.name for field in fields[_COUNTERS:])


def _layout(slots: tuple[str, ...], whole: bool) -> SensorLayout:
    """The layout that has these slots: all of it, or with them alone in that order."""
    if not slots:
        raise DataError(f"{DATA_FILE} does not say any more which sensors it is of", _HINT)
    for layout in LAYOUTS.values():
        try:
            return select(
                layout, layout.names if whole and set(slots) <= set(layout.names) else slots
            )
        except ConfigError:  # not this one
            continue
    raise DataError(f"no known layout has the slots of {DATA_FILE}: {', '.join(slots)}", _HINT)


def _said(contents: bytes, topics: dict[int, str]) -> list[dict[str, Any]]:
    """What the health channel tells in a chunk."""
    return [
        msgspec.json.decode(record.payload)
        for topic, record in mcap_chunks.records(contents, topics)
        if topic == HEALTH
    ]


def _is_simulated(said: list[dict[str, Any]]) -> bool:
    """Whether a virtual hub says who it is."""
    return any(facts.get("device_id") == HubOptions().device_id for facts in said)


def _whose(said: list[dict[str, Any]]) -> dict[str, Any]:
    """Subject and consent, where it was told what they agreed to."""
    for facts in said:
        if facts.get("kind") == CONSENT:
            told = msgspec.convert(facts["told"], Subject)
            return {"subject": str(facts["subject"]), "consent": told}
    return {}


def _corrections(said: list[dict[str, Any]]) -> dict[str, Correction]:
    """What the readings are to be read by; nothing where nobody calibrated the sensors."""
    for facts in said:
        if facts.get("kind") == CORRECTIONS:
            return msgspec.convert(facts["by_slot"], dict[str, Correction])
    return {}
