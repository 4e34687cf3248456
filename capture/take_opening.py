"""What a take says of itself as it begins: slots and devices, origin, and consent."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from capture.consent import AUDIO, UNTOLD, Subject, consent_problem, read_subjects
from capture.take import TakeDevice
from firmware_host.errors import ConfigError
from firmware_host.layout import SensorLayout, select
from firmware_host.rig import Rig
from firmware_host.supervisor import DeviceLink


def consent_of(rig: Rig, today: dt.date) -> Subject:
    """What the subject of the session agreed to; empty where the rig names no file.

    Raises:
        ConfigError: the file says nothing of them, or they or their voice may not be recorded.
    """
    session = rig.session
    if not session.consents:
        _require_audio(rig, UNTOLD)
        return UNTOLD
    told = read_subjects(Path(session.consents)).get(session.subject)
    problem = consent_problem(told, today)
    if told is None or problem is not None:
        why = "it says nothing of them" if problem is None or told is None else problem.text
        raise ConfigError(
            f"{session.consents}: {session.subject} is not to be recorded: {why}",
            f"ask them, then write it under [subjects.{session.subject}]",
        )
    _require_audio(rig, told)
    return told


def _require_audio(rig: Rig, told: Subject) -> None:
    if rig.audio is not None and AUDIO not in told.consent:
        raise ConfigError(
            f'[audio]: {rig.session.subject} did not agree to "{AUDIO}": a voice names who speaks',
            f'leave [audio] out, or ask them and write "{AUDIO}" into consent of the file that '
            "session.consents names",
        )


def origin_of(rig: Rig, allowed: Sequence[str], slate: str, number: int) -> dict[str, Any]:
    """How the take came to be: what it lacks, as what it was announced, and what the rig says."""
    found: dict[str, Any] = {"unserved": list(rig.unserved)} if rig.unserved else {}
    if rig.session.placement:
        found["placement"] = rig.session.placement
    found |= {"kind": "record", "allow_missing": list(allowed)}
    return found | {"slate": slate, "slate_take": number} | rig.session.origin


def layout_of(
    rig: Rig, links: Sequence[DeviceLink], allowed: Sequence[str]
) -> tuple[SensorLayout, tuple[TakeDevice, ...]]:
    """The slots of the take, and who gives them; nobody, where it is one hub.

    A hub that has yet to come must have these slots.

    Raises:
        ConfigError: a hub and the rig disagree.
    """
    if rig.hub is not None:
        layout = _layout_of_hub(rig, links[0], allowed)
        links[0].expect(layout.names)
        return layout, ()
    devices = tuple(
        TakeDevice(link.name, tuple(slot for _, slot in link.config.assigned), link.config.kind)
        for link in links
    )
    return rig.sensor_layout, devices


def _layout_of_hub(rig: Rig, link: DeviceLink, allowed: Sequence[str]) -> SensorLayout:
    """The rig's slots in the hub's order. Raises ConfigError where they disagree."""
    layout, info = rig.sensor_layout, link.info
    if info is None:
        return layout
    absent = set(layout.names) - set(info.slots) - set(allowed)
    if absent:
        names = ", ".join(name for name in layout.names if name in absent)
        raise ConfigError(
            f"the hub {info.device_id!r} has no {names}, which the rig's layout "
            f"{layout.name!r} asks for",
            f"connect them, or pass --allow-missing {names.split(',')[0]}",
        )
    return select(layout, info.slots)
