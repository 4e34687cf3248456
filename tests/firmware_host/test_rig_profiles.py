"""Which profile belongs to which device, and which of its sensors to which slot."""

import pytest

from firmware_host.errors import ConfigError
from firmware_host.rig import DeviceConfig, HubConfig, Rig, read_rig
from firmware_host.rig_profiles import read_profiles
from firmware_host.sensor_profile import Correction, new_profile, write_profile
from firmware_host.vendors.ximu3 import UNNAMED

LEFT, RIGHT = (Correction(gyro_bias_rad_s=(x, 0.0, 0.0), number=n) for n, x in ((0, 0.1), (1, 0.2)))


@pytest.fixture
def profile(tmp_path) -> str:
    made = new_profile("box", {"chin": LEFT, "brow": RIGHT}, "six positions")
    return str(write_profile(made, tmp_path))


def of(*devices: DeviceConfig):
    return read_profiles(Rig(devices=devices))


def test_a_rig_without_profiles_corrects_nothing_and_asks_for_nobody():
    found = read_profiles(Rig(hub=HubConfig(url="serial:COM3")))
    assert found.corrections == {}
    assert found.sources[0].id == ""


def test_the_slots_of_a_hub_are_corrected_by_their_names_and_the_hub_must_be_that_one(profile):
    found = read_profiles(Rig(hub=HubConfig(url="serial:COM3", sensor_profile=profile)))
    assert found.corrections == {"chin": LEFT, "brow": RIGHT}
    assert found.sources[0].id == "box"


@pytest.mark.parametrize("slots", [{"chin": "mentalis", "brow": "frontalis_left"},
                                   ("mentalis", "frontalis_left"),
                                   {"1": "frontalis_left", "0": "mentalis"}])  # fmt: skip
def test_assigned_slots_are_corrected_as_the_sensors_they_are(profile, slots):
    hub = DeviceConfig(name="left", url="serial:COM3", slots=slots, sensor_profile=profile)
    assert of(hub).corrections == {"mentalis": LEFT, "frontalis_left": RIGHT}


def test_a_device_that_cannot_say_who_it_is_is_taken_at_the_rigs_word(tmp_path):
    path = write_profile(new_profile("cheek", {"0": LEFT}, "six positions"), tmp_path)
    device = DeviceConfig(
        name="cheek", kind="witmotion", url="serial:COM3", slots=("mentalis",),
        sensor_profile=str(path),
    )  # fmt: skip
    found = of(device)
    assert found.corrections == {"mentalis": LEFT}
    assert found.sources[0].id == ""


def test_the_profile_of_another_device_is_refused_by_both_names(profile):
    device = DeviceConfig(name="left", url="serial:COM3", id="other", sensor_profile=profile)
    with pytest.raises(ConfigError, match="is of 'box', and device 'left' is to be 'other'"):
        of(device)


def test_a_profile_lies_beside_the_rig_that_names_it(tmp_path):
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "rig.toml").write_text('[hub]\nurl = "serial:COM3"\nsensor_profile = "box.toml"\n')
    rig = read_rig(folder / "rig.toml")
    assert rig.hub is not None
    assert rig.hub.sensor_profile == str(folder / "box.toml")
    with pytest.raises(ConfigError, match="cannot read the sensor profile"):
        read_profiles(rig)
    write_profile(new_profile("box", {"chin": LEFT}, "six positions"), folder)
    assert read_profiles(rig).corrections == {"chin": LEFT}


def test_a_device_that_never_said_its_name_is_not_asked_for_it(tmp_path):
    path = write_profile(new_profile(UNNAMED, {}, "by hand"), tmp_path)
    source = DeviceConfig(
        name="bone", kind="ximu3", url="udp:9000", slots=("mentalis",), sensor_profile=str(path)
    )
    assert read_profiles(Rig(devices=(source,))).sources[0].id == ""
