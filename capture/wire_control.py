"""What is asked of a recorder and what it answers: `control/1 `, then a msgpack map. No I/O.

A request is `{"verb": …}`, of `mark` and `slate` with a `label`; an answer says `ok`, else `error`
and maybe a `hint`, and always the `status`. docs/wire.md is this file for people. Keys are only
ever added, and those that are not known are refused in requests and passed over in answers.
"""

import math
from typing import Any, Literal, get_args

import msgspec

from capture.operating import Command, Verb
from capture.record_status import RecordStatus
from capture.wire import decoded

CONTROL_TOPIC = b"control/1 "

ControlVerb = Literal[
    "status", "arm", "start", "stop", "mark", "slate", "again", "skip", "rezero", "undo", "wearer"
]
CONTROL_VERBS: tuple[ControlVerb, ...] = get_args(ControlVerb)


class ControlRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """label: of a marker, "" has it numbered; of a slate, what takes are called from now on; of a
    wearer, the profile. `rezero`, `undo` and `wearer` are for `imusic live --control`.
    """

    verb: ControlVerb
    label: str = ""


class ControlReply(msgspec.Struct, frozen=True, kw_only=True):
    """ok: whether it was done. status: as `status_facts`, and what is between takes."""

    ok: bool
    error: str = ""
    hint: str = ""
    status: dict[str, Any] = {}


_ENCODER = msgspec.msgpack.Encoder()
_REQUESTS = msgspec.msgpack.Decoder(ControlRequest)
_REPLIES = msgspec.msgpack.Decoder(ControlReply)


def encode_control(message: ControlRequest | ControlReply) -> bytes:
    """One single-part message."""
    return CONTROL_TOPIC + _ENCODER.encode(message)


def decode_request(data: bytes) -> ControlRequest:
    """Inverse of `encode_control`. Raises ProtocolError if the data is no control/1 request."""
    return decoded(data, CONTROL_TOPIC, _REQUESTS)


def decode_reply(data: bytes) -> ControlReply:
    """Inverse of `encode_control`. Raises ProtocolError if the data is no control/1 answer."""
    return decoded(data, CONTROL_TOPIC, _REPLIES)


def command_of(request: ControlRequest) -> Command | None:
    """What the recorder is to do; None where only the status was asked for."""
    if request.verb == "status":
        return None
    return Command(Verb(request.verb), " ".join(request.label.split()))


def status_facts(status: RecordStatus) -> dict[str, Any]:
    """A recording as plain values; a number that is not known is None."""
    facts: dict[str, Any] = msgspec.to_builtins(status, enc_hook=_plain, str_keys=True)
    return {key: _known(value) for key, value in facts.items()} | {"state": status.state.value}


def _plain(value: Any) -> Any:
    return getattr(value, "value", str(value))


def _known(value: Any) -> Any:
    """None for what is not finite: JSON and people know neither NaN nor infinity."""
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_known(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
