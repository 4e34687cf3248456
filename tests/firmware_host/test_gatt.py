"""Bluetooth LE without anything that could be heard: spellings of addresses, profiles as data."""

import re

import pytest

from firmware_host.transports.ble import BleTransport
from firmware_host.transports.gatt import PROFILES, GattWrite, dot_profile, witmotion_profile
from firmware_host.transports.radio import spelled, spelling_hint
from firmware_host.vendors import dot, witmotion

UUID = "5F1A0C2E-90AB-4CDE-8F01-23456789ABCD"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("AA:BB:CC:DD:EE:0F", "AA:BB:CC:DD:EE:0F"),
        ("aa-bb-cc-dd-ee-0f", "AA:BB:CC:DD:EE:0F"),
        (UUID.lower(), UUID),
        ("imusic-1", None),
        ("AA:BB:CC:DD:EE", None),
        ("AA:BB:CC:DD:EE:0F:01", None),
        ("AA:BB:CC:DD:EE:0G", None),
        (UUID[:-1], None),
    ],
)
def test_an_address_is_told_from_a_name_and_spelled_in_one_way(text, address):
    assert spelled(text) == address
    assert BleTransport(text).address == f"ble:{address or text}"


@pytest.mark.parametrize(
    ("text", "platform", "says"),
    [
        ("aa:bb:cc:dd:ee:ff", "darwin", "macOS tells no such addresses"),
        (UUID, "win32", "only macOS"),
        (UUID, "linux", "only macOS"),
    ],
)
def test_an_address_of_another_system_is_explained(text, platform, says):
    hint = spelling_hint(text, platform)
    assert says in hint
    assert "imusic devices" in hint


@pytest.mark.parametrize(
    ("text", "platform"),
    [("aa:bb:cc:dd:ee:ff", "linux"), (UUID, "darwin"), ("imusic-1", "darwin"), ("x", "linux")],
)
def test_an_address_of_this_system_needs_no_explanation(text, platform):
    assert spelling_hint(text, platform) == ""


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_characteristic_of_a_profile_is_a_uuid_in_lower_case(profile):
    writes = [write.characteristic for write in (*profile.start, *profile.stop)]
    for uuid in (profile.service, *profile.notify, profile.write, *writes):
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uuid)


def test_a_witmotion_sensor_is_unlocked_set_and_not_saved():
    """Bytes by the maker's sample for the BWT901BLE5.0, unlockReg and setReturnRate."""
    unlock, rate = witmotion_profile(50).start
    assert unlock == GattWrite(witmotion.BLE_WRITE, bytes.fromhex("ff aa 69 88 b5"), 0.1)
    assert rate == GattWrite(witmotion.BLE_WRITE, bytes.fromhex("ff aa 03 08 00"), 0.1)
    assert witmotion_profile(None).start == ()


def test_a_dot_is_told_its_rate_in_the_field_that_the_specification_gives_it():
    """XD0506P table 7: bit 4 of the first byte, and u16 behind 24 bytes, of 32."""
    (setting,) = dot_profile(20).start
    assert setting.characteristic == "15171002-4947-11e9-8646-d663bd873d93"
    assert setting.data == bytes.fromhex("10" + 23 * "00" + "1400" + 6 * "00")
    assert dot_profile(None).start == ()
    assert dot_profile().stop == (GattWrite(dot.CONTROL, bytes((1, 0, 0))),)


@pytest.mark.parametrize("profile", [witmotion_profile, dot_profile])
def test_a_rate_that_a_sensor_does_not_have_is_refused_with_those_it_has(profile):
    with pytest.raises(ValueError, match=r"expected a rate of .*20.* Hz, got 120"):
        profile(120)
