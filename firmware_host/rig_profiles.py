"""The sensor profiles that a rig names: whose they are, and what each slot is corrected by."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from firmware_host.errors import ConfigError
from firmware_host.makers import maker_of
from firmware_host.rig import DeviceConfig, Rig
from firmware_host.sensor_profile import Correction, SensorProfile, read_profile
from firmware_host.vendors.ximu3 import UNNAMED


@dataclass(frozen=True, slots=True)
class RigProfiles:
    """sources: the devices of the rig, each asked to be the one that its profile is of, where it
    can tell. corrections: by slot of the layout.
    """

    sources: tuple[DeviceConfig, ...]
    corrections: dict[str, Correction]


def read_profiles(rig: Rig) -> RigProfiles:
    """Read what the rig names. Raises ConfigError where one cannot be read or is another's."""
    sources: list[DeviceConfig] = []
    corrections: dict[str, Correction] = {}
    for device in rig.sources:
        if device.sensor_profile:
            profile = read_profile(Path(device.sensor_profile))
            device = _asked_to_be(device, profile)
            corrections |= corrections_of(device, profile)
        sources.append(device)
    return RigProfiles(tuple(sources), corrections)


def _asked_to_be(device: DeviceConfig, profile: SensorProfile) -> DeviceConfig:
    if device.id and device.id.upper() != profile.device_id.upper():
        raise ConfigError(
            f"{device.sensor_profile} is of {profile.device_id!r}, and device {device.name!r} is "
            f"to be {device.id!r}",
            "name the profile of that device, or make one with `imusic calibrate-sensors`",
        )
    can_tell = maker_of(device).says_who and profile.device_id != UNNAMED
    if device.id or not can_tell:
        return device
    return msgspec.structs.replace(device, id=profile.device_id)


def corrections_of(device: DeviceConfig, profile: SensorProfile) -> dict[str, Correction]:
    """The corrections of one device by slot: by its own slot names, or as rig.toml assigns them.

    Sensors that the profile does not have stay as they are.
    """
    if not device.assigned:
        return dict(profile.sensors)
    by_number = {correction.number: correction for correction in profile.sensors.values()}
    found = {}
    for sensor, slot in device.assigned:
        correction = profile.sensors.get(sensor)
        if correction is None and sensor.isdecimal():
            correction = by_number.get(int(sensor))
        if correction is not None:
            found[slot] = correction
    return found
