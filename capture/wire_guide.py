"""What a guided performer is shown, as one ZeroMQ message: topic `guide/1 `. No I/O.

docs/wire.md is this file for people. Fields are only ever appended.
"""

import msgspec

from capture.guide_run import View
from capture.wire import decoded

GUIDE_TOPIC = b"guide/1 "


class GuideMessage(msgspec.Struct, frozen=True, array_like=True):
    """stage: get ready, showing, held or over. number: of the step, from 1. since_s: of its clock;
    below 0: it begins in so long. waits: it will hold when the step is over.
    """

    source: str
    sequence: int
    unix_ns: int
    stage: str
    label: str
    prompt: str
    number: int
    count: int
    since_s: float
    length_s: float
    waits: bool = False


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(GuideMessage)


def guide_message(view: View, source: str, sequence: int, unix_ns: int) -> GuideMessage:
    """Pack what is shown now."""
    step = view.step
    return GuideMessage(
        source=source,
        sequence=sequence,
        unix_ns=unix_ns,
        stage=view.stage.value,
        label="" if step is None else step.label,
        prompt="" if step is None else step.prompt,
        number=view.number,
        count=view.count,
        since_s=view.since_s,
        length_s=0.0 if step is None else step.length_s,
        waits=view.waits,
    )


def encode_guide(message: GuideMessage) -> bytes:
    """One single-part ZeroMQ message."""
    return GUIDE_TOPIC + _ENCODER.encode(message)


def decode_guide(data: bytes) -> GuideMessage:
    """Inverse of `encode_guide`. Raises ProtocolError if the data is no guide/1 message."""
    return decoded(data, GUIDE_TOPIC, _DECODER)
