"""The channels of `data.mcap`: their names, order and message types. No I/O of its own.

Every log_time is the host monotonic ns at which it arrived. NAME is a device of the rig; the only
one of most takes is `hub`.

NAME/raw      what its link gave, byte for byte (`firmware_host.transports.replay`)
NAME/samples  one protobuf message per tick; all messages of one block share their MCAP sequence
phone/raw     datagrams as received
phone/face    one protobuf message per decoded datagram
clock         device and host time of the newest tick or phone frame, a few per second
health        JSON: info and status, gaps, garbage, links lost and found, malformed datagrams
markers       JSON: what the operator marked
"""

from collections.abc import Sequence
from typing import Any, BinaryIO

from capture import schemas
from capture.take import TakeDevice
from firmware_host.transports import replay

PHONE_RAW, FACE = "phone/raw", "phone/face"
CLOCK, HEALTH, MARKERS = "clock", "health", "markers"
# Kinds of health: what take.toml says of these, once more, for it may be lost.
CORRECTIONS, CONSENT = "corrections", "consent"
_COMMON = (PHONE_RAW, FACE, CLOCK, HEALTH, MARKERS)


def raw_topic(device: TakeDevice) -> str:
    """Where the bytes of a device are."""
    return replay.raw_topic(device.name)


def samples_topic(device: TakeDevice) -> str:
    """Where the samples of a device are."""
    return f"{device.name}/samples"


def topics_of(devices: Sequence[TakeDevice]) -> tuple[str, ...]:
    """All channels of a take, numbered from 1.

    Kept in this order for good: a rescuer that lost the first chunk knows channels by number.
    """
    first, *others = ((raw_topic(device), samples_topic(device)) for device in devices)
    return (*first, *_COMMON, *(topic for pair in others for topic in pair))


def message_types(devices: Sequence[TakeDevice]) -> dict[str, schemas.FixedMessage]:
    """The channels that carry protobuf, and what."""
    samples = {
        samples_topic(device): schemas.samples_message(device.slots, device.name)
        for device in devices
    }
    return {**samples, FACE: schemas.FACE, CLOCK: schemas.CLOCK}


def open_channels(stream: BinaryIO, devices: Sequence[TakeDevice], chunk_bytes: int) -> Any:
    """An MCAP writer on `stream` with the channels of a take, numbered as in `topics_of`."""
    from mcap.writer import CompressionType, Writer

    writer = Writer(stream, chunk_size=chunk_bytes, compression=CompressionType.ZSTD)
    writer.start(profile="imusic", library="imusic")
    types = message_types(devices)
    for topic in topics_of(devices):
        if topic in types:
            message = types[topic]
            name = f"{schemas.PACKAGE}.{message.name}"
            schema = writer.register_schema(name, "protobuf", message.descriptor_set)
            writer.register_channel(topic, "protobuf", schema)
        else:
            json = topic in (HEALTH, MARKERS)
            writer.register_channel(topic, "json" if json else replay.RAW_ENCODING, 0)
    return writer
