"""A `take.toml` made anew from what `data.mcap` says, where the old one is gone. Pure."""

from collections.abc import Iterable
from typing import Any

import msgspec

from capture.channels import HEALTH, TOPICS
from capture.schemas import PACKAGE
from capture.take import DATA_FILE, TAKE_FILE, Take, new_take
from firmware_host import mcap_chunks
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import LAYOUTS, SensorLayout, select
from firmware_host.simulator import HubOptions

_SAMPLE = f"{PACKAGE}.HubSample"
_COUNTERS = 2  # tick_us and sequence come before the slots
_HINT = (
    f"{DATA_FILE} is still there, untouched: copy the {TAKE_FILE} of another take of the same "
    "sensors beside it and run this again"
)


def rebuilt_take(name: str, created_utc: str, chunks: Iterable[bytes]) -> Take:
    """What can be known of a take by its intact chunks, in state "recording".

    Slots come from the schema of the samples, places from the known layout that has them all.

    Args:
        name: of the take. created_utc: when, as ISO 8601. chunks: contents, verified.

    Raises:
        DataError: no chunk holds the schema, or no known layout has its slots.
    """
    slots: tuple[str, ...] = ()
    simulated = False
    topics = dict(enumerate(TOPICS, 1))
    for contents in chunks:
        slots = slots or _slots(contents)
        simulated = simulated or _is_simulated(contents, topics)
    note = (
        f"{TAKE_FILE} was missing or damaged and made anew; subject, segments, origin and what the "
        "hub did not say are lost"
    )
    take = new_take(name, _layout(slots), {"rebuilt": note}, simulated=simulated)
    return msgspec.structs.replace(take, created_utc=created_utc)


def _slots(contents: bytes) -> tuple[str, ...]:
    """The slots by the schema of the samples; none where this chunk does not hold it."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    schema = mcap_chunks.schemas(contents).get(_SAMPLE)
    if schema is None:
        return ()
    fields = FileDescriptorSet.FromString(schema).file[0].message_type[0].field
    return tuple(field.name for field in fields[_COUNTERS:])


def _layout(slots: tuple[str, ...]) -> SensorLayout:
    if not slots:
        raise DataError(f"{DATA_FILE} does not say any more which sensors it is of", _HINT)
    for layout in LAYOUTS.values():
        try:
            return select(layout, slots)
        except ConfigError:  # not this one
            continue
    raise DataError(f"no known layout has the slots of {DATA_FILE}: {', '.join(slots)}", _HINT)


def _is_simulated(contents: bytes, topics: dict[int, str]) -> bool:
    """Whether a virtual hub says in this chunk who it is."""
    said: list[dict[str, Any]] = [
        msgspec.json.decode(record.payload)
        for topic, record in mcap_chunks.records(contents, topics)
        if topic == HEALTH
    ]
    return any(facts.get("device_id") == HubOptions().device_id for facts in said)
