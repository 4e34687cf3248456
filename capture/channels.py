"""The channels of `data.mcap`: their names, order and message types. No I/O of its own.

Every log_time is the host monotonic ns at which it arrived.

hub/raw      what the link gave, byte for byte (`firmware_host.transports.replay`)
hub/samples  one protobuf message per tick; all messages of one block share their MCAP sequence
phone/raw    datagrams as received
phone/face   one protobuf message per decoded datagram
clock        device and host time of the newest hub tick or phone frame, a few per second
health       JSON: hub info and status, gaps, garbage, malformed datagrams, lost links, the end
markers      JSON: what the operator marked
"""

from typing import Any, BinaryIO

from capture import schemas
from firmware_host.transports import replay

SAMPLES, PHONE_RAW, FACE = "hub/samples", "phone/raw", "phone/face"
CLOCK, HEALTH, MARKERS = "clock", "health", "markers"

# Kept in this order for good: a rescuer that lost the first chunk knows channels by number.
TOPICS = (replay.RAW_TOPIC, SAMPLES, PHONE_RAW, FACE, CLOCK, HEALTH, MARKERS)


def message_types(slots: tuple[str, ...]) -> dict[str, schemas.FixedMessage]:
    """The channels that carry protobuf, and what."""
    return {SAMPLES: schemas.samples_message(slots), FACE: schemas.FACE, CLOCK: schemas.CLOCK}


def open_channels(stream: BinaryIO, slots: tuple[str, ...], chunk_bytes: int) -> Any:
    """An MCAP writer on `stream` with the channels of a take, numbered from 1 as in TOPICS."""
    from mcap.writer import CompressionType, Writer

    writer = Writer(stream, chunk_size=chunk_bytes, compression=CompressionType.ZSTD)
    writer.start(profile="imusic", library="imusic")
    types = message_types(slots)
    for topic in TOPICS:
        if topic in types:
            message = types[topic]
            name = f"{schemas.PACKAGE}.{message.name}"
            schema = writer.register_schema(name, "protobuf", message.descriptor_set)
            writer.register_channel(topic, "protobuf", schema)
        else:
            json = topic in (HEALTH, MARKERS)
            writer.register_channel(topic, "json" if json else replay.RAW_ENCODING, 0)
    return writer
