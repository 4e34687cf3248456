"""A copy of a take without what tells who and where: `imusic scrub`.

What moved stays; what names people, places and devices does not. The bytes as they came from phone
and devices are left out whole, for nobody knows all that makers write into them. Of `health`, only
what is known to be harmless is kept. At the end the copy is searched for everything left out.
"""

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from capture.channels import CONSENT, HEALTH, PHONE_RAW, open_channels, raw_topic, topics_of
from capture.consent import PUBLICATION, may_publish
from capture.provenance import file_sha256
from capture.recover import Outcome, recover
from capture.sound_file import SOUND
from capture.take import DATA_FILE, Take, read_take, write_take
from capture.take_folders import CHUNK_BYTES, whole_folder
from firmware_host import mcap_chunks
from firmware_host.errors import ConfigError, DataError
from firmware_host.transports.replay import mapped

# Facts of health events whose text is one of a few words of ours.
_HARMLESS = {"kind", "device", "source", "what", "sensor", "slots", "state"}
# Kinds whose text is our own, or that are left out because it is not.
_LEFT_OUT = {"stranger", "notice", "refused", "answer", "settings_changed", CONSENT, SOUND}
_ORIGIN = (
    "kind", "allow_missing", "unserved", "truth", "clock", "one_clock", "placement", "language",
    "sideways_swapped", "performance", "seed", "script", "source_sha256", "rebuilt",
)  # fmt: skip
_SHORTEST = 4  # what is shorter than this is found by chance in any file
GONE = "scrubbed"


def scrub(folder: Path, out: Path, today: dt.date, in_house: bool = False) -> Take:
    """Write the copy to `out`, which must not exist, and return what its `take.toml` says.

    in_house: also without a consent to publication.

    Raises:
        ConfigError: `out` exists, or the subject did not agree to publication.
        DataError: the take is not whole, or something that was to go is still there.
    """
    take = read_take(folder)
    if not (take.simulated or in_house or may_publish(take.consent, today)):
        raise ConfigError(
            f'{folder}: subject {take.subject} did not agree to "{PUBLICATION}"',
            "keep their consent in it (`imusic consent keep`), or say --in-house",
        )
    path = folder / DATA_FILE
    cleaned = _cleaned(take, out.name)
    with whole_folder(out) as unfinished:
        with mapped(path) as data, (unfinished / DATA_FILE).open("xb") as stream:
            told = _copy(data, str(path), take, stream)
        files = {DATA_FILE: file_sha256(unfinished / DATA_FILE)}
        cleaned = msgspec.structs.replace(cleaned, files=files)
        write_take(cleaned, unfinished)
        if recover(unfinished).outcome is not Outcome.WHOLE:
            raise DataError(f"{out}: the copy does not read back", "is the disk in order?")
        _search(unfinished, told | _names_in(msgspec.to_builtins(take.rig)), cleaned)
    return cleaned


def _cleaned(take: Take, name: str) -> Take:
    phone = take.rig.get("phone") or {}
    kept = {key: phone[key] for key in ("app", "mirrored") if key in phone}
    return msgspec.structs.replace(
        take,
        name=name,
        created_utc=take.created_utc[:4],  # the year: days are told by diaries
        origin={key: take.origin[key] for key in _ORIGIN if key in take.origin} | {GONE: True},
        rig={"phone": kept} if kept else {},
        audio={},  # a voice names who speaks: the file is not copied
    )


def _copy(data: mcap_chunks.Buffer, name: str, take: Take, stream: Any) -> set[str]:
    """Copy what may stay; returns the texts that were left out."""
    writer = open_channels(stream, take.sources, CHUNK_BYTES)
    numbers = {topic: number for number, topic in enumerate(topics_of(take.sources), 1)}
    raw = {PHONE_RAW, *map(raw_topic, take.sources)}
    gone: set[str] = set()
    topics: dict[int, str] = {}
    for contents in mcap_chunks.chunks(data, name, "`imusic recover` it first"):
        for topic, record in mcap_chunks.records(contents, topics):
            payload = bytes(record.payload)
            if topic in raw:
                continue
            if topic == HEALTH:
                kept = _harmless(msgspec.json.decode(payload, type=dict[str, Any]), gone)
                if kept is None:
                    continue
                payload = msgspec.json.encode(kept)
            at = record.log_time_ns
            writer.add_message(numbers[topic], at, payload, at, record.sequence)
    writer.finish()
    return gone


def _harmless(facts: dict[str, Any], gone: set[str]) -> dict[str, Any] | None:
    """The event without texts of others; None where nothing of it may stay."""
    if facts["kind"] in _LEFT_OUT:
        gone.update(_names_in({k: v for k, v in facts.items() if k in ("mac", "text")}))
        return None
    kept = {}
    for key, value in facts.items():
        if key in _HARMLESS or not isinstance(value, str):
            kept[key] = value
        else:
            kept[key] = GONE if value else ""
            gone.update(_names_in({key: value} if key in _IDENTIFYING else {}))
    return kept


_IDENTIFYING = ("device_id", "sender", "slate", "csv", "movie")
_NAMING = {"url", "id", "address", "sender", "device_id", "mac", "slate", "csv", "movie", "text"}


def _names_in(value: Any, key: str = "") -> set[str]:
    """Texts that name somebody or something, of keys that hold such."""
    if isinstance(value, dict):
        return set().union(*(_names_in(item, name) for name, item in value.items()))
    if isinstance(value, list | tuple):
        return set().union(*(_names_in(item, key) for item in value))
    if not isinstance(value, str) or key not in _NAMING:
        return set()
    whole = {value, *(re.split(r"[:,/]", value) if key in ("url", "address") else ())}
    return {text for text in whole if len(text) > _SHORTEST}


def _search(folder: Path, names: set[str], take: Take) -> None:
    """Raises DataError naming the first text that was to go and is there."""
    allowed = {GONE, take.subject, *take.sensor_layout.names, *_words(take)}
    wanted = [name.encode() for name in names - allowed]
    for path in sorted(folder.iterdir()):
        for part in _texts(path):
            for name in wanted:
                if name in part:
                    raise DataError(
                        f"{path.name} still holds {name.decode()!r}; nothing was written"
                    )


def _words(take: Take) -> Iterator[str]:
    """Ours: kinds and names of devices."""
    for device in take.sources:
        yield from (device.name, device.kind)


def _texts(path: Path) -> Iterator[bytes]:
    if path.name != DATA_FILE:
        yield path.read_bytes()
        return
    with mapped(path) as data:
        yield from mcap_chunks.chunks(data, str(path), "")
