"""`rig.toml`: what it may say, and what it is told when it says something else."""

import re
from pathlib import Path

import pytest

from firmware_host.errors import ConfigError
from firmware_host.layout import FACE_12
from firmware_host.rig import DeviceConfig, HubConfig, PhoneConfig, Rig, read_rig, write_rig

MINIMAL = '[hub]\nurl = "serial:/dev/ttyACM0"\n'
MAC = "AA:BB:CC:DD:EE:FF"


def device(url: str, slots: str = "", kind: str = "witmotion", name: str = "a", more: str = ""):
    text = f'[[devices]]\nname = "{name}"\nkind = "{kind}"\nurl = "{url}"\n{more}\n'
    return text + (f"slots = {slots}\n" if slots else "")


def read(tmp_path, text: str) -> Rig:
    path = tmp_path / "rig.toml"
    path.write_text(text)
    return read_rig(path)


def test_a_minimal_rig_has_the_defaults(tmp_path):
    path = tmp_path / "rig.toml"
    path.write_text(MINIMAL)
    rig = read_rig(path)
    assert rig == Rig(hub=HubConfig(url="serial:/dev/ttyACM0"))
    assert rig.sensor_layout is FACE_12
    assert rig.phone is None


def test_a_rig_survives_being_written_down(tmp_path):
    rig = Rig(hub=HubConfig(url="serial:COM5", baud=115_200), phone=PhoneConfig(port=0), name="x")
    write_rig(rig, tmp_path / "rig.toml")
    assert read_rig(tmp_path / "rig.toml") == rig


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"expected either one \[hub\] or some \[\[devices\]\], got neither"),
        (MINIMAL + device("serial:COM3"), "got both"),
        (MINIMAL + "[session]\nlost_after_s = 0\n", "0 < lost_after_s <= 3600"),
        (device("serial:COM3", '["chin"]'), "slot 'chin' is unknown to layout 'face-12'; known:"),
        (
            device("serial:COM3", '["mentalis"]') + device("serial:COM4", '["mentalis"]', name="b"),
            "slot 'mentalis' is given twice: to 'a' and to 'b'",
        ),
        (device("serial:COM3", '["mentalis", "mentalis"]'), "given twice: to 'a' and to 'a'"),
        (device("serial:COM3") + device("serial:COM3,baud=1", name="b"), "'a' and 'b' are both at"),
        (device("serial:COM3") + device("serial:COM4"), "two devices are called 'a'"),
        (device("serial:COM3", kind="wiimote"), "kind 'wiimote' is unknown; known: hub, witmotion"),
        (device("udp:6969"), "a witmotion is reached by serial:…, got 'udp:6969'"),
        (device("serial:COM3", name="phone"), "device name 'phone': expected a letter"),
        (device("serial:COM3", name="my cheek"), "device name 'my cheek': expected a letter"),
        (device("serial:COM3", more="baud = 0"), "baud must be positive"),
        (device("serial:COM3", '{ left = "mentalis" }'), "sensors are numbered from 0, got 'left'"),
        (device("udp:6969", kind="slimevr"), 'approved by its MAC address, id = "AA:BB'),
        (MINIMAL + "speed = 1\n", "unknown field `speed`.*hub"),
        ('layout = "face-13"\n' + MINIMAL, "layout 'face-13' is unknown; known: face-12"),
        (MINIMAL + 'baud = "fast"\n', "Expected `int`, got `str`.*baud"),
        (MINIMAL + "[phone]\nport = 70000\n", r"phone.port must be in \[0, 65535\], got 70000"),
        (MINIMAL + '[phone]\napp = "snap"\n', "Invalid enum value 'snap'.*phone.app"),
        (MINIMAL + '[phone]\napp = "vtube-studio"\n', "phone.address: give the phone's IP"),
        (MINIMAL + '[phone]\ntransport = "tcp"\n', "livelink speaks no tcp"),
        (
            MINIMAL + '[phone]\naddress = "10.0.0.2:x"\n',
            "phone.address: expected HOST or HOST:PORT, got '10.0.0.2:x'",
        ),
        (MINIMAL + "[session]\nrest_s = 0.0\n", "expected 0 < rest_s <= 60"),
        ("[hub\n", "line 1"),
        ("\udcff", "codec can't decode|invalid|Invalid"),
    ],
)
def test_a_wrong_rig_is_answered_with_the_file_and_the_reason(tmp_path, text, message):
    path = tmp_path / "rig.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match=message) as caught:
        read_rig(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("facts", "port"),
    [
        ({}, 11111),
        ({"app": "ifacialmocap"}, 49983),
        ({"app": "facemotion3d", "transport": "tcp", "address": "10.0.0.2"}, 49986),
        ({"app": "facecap", "port": 9001}, 9001),
    ],
)
def test_a_phone_has_the_port_that_is_usual_for_its_app(tmp_path, facts, port):
    phone = PhoneConfig(**facts)
    assert phone.port == phone.listen_port == port
    rig = Rig(hub=HubConfig(url="serial:COM5"), phone=phone)
    write_rig(rig, tmp_path / "rig.toml")
    assert read_rig(tmp_path / "rig.toml") == rig


def test_a_phones_address_has_the_apps_port_unless_it_names_one():
    assert PhoneConfig(address="10.0.0.2").endpoint(21412) == ("10.0.0.2", 21412)
    assert PhoneConfig(address="10.0.0.2:99").endpoint(21412) == ("10.0.0.2", 99)


def test_a_rig_that_is_not_there_comes_with_a_hint(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the rig: No such file") as caught:
        read_rig(tmp_path / "none.toml")
    assert "sim.toml" in caught.value.hint


def test_a_rig_may_mix_makers_and_says_who_serves_what(tmp_path):
    rig = read(
        tmp_path,
        device("serial:COM3", '["head_reference"]')
        + device("udp:6969", '["mentalis", "buccinator_left"]', "slimevr", "b", f'id = "{MAC}"')
        + device("serial:COM4", '{ "7" = "zygomaticus_left" }', "hub", "c"),
    )
    assert [source.name for source in rig.sources] == ["a", "b", "c"]
    assert rig.sources[1].assigned == (("0", "mentalis"), ("1", "buccinator_left"))
    assert rig.sources[2].assigned == (("7", "zygomaticus_left"),)
    served = {"head_reference", "mentalis", "buccinator_left", "zygomaticus_left"}
    assert set(rig.unserved) == set(FACE_12.names) - served
    write_rig(rig, tmp_path / "again.toml")
    assert read_rig(tmp_path / "again.toml") == rig


def test_the_examples_of_the_docs_are_rigs(tmp_path):
    text = (Path(__file__).parents[2] / "docs/hardware.md").read_text("utf-8")
    found = [read(tmp_path, block) for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)]
    assert [len(rig.sources) for rig in found] == [1, 4]
    assert {device.kind for device in found[1].devices} == {"witmotion", "slimevr", "ximu3", "hub"}


def test_the_short_form_is_one_device(tmp_path):
    rig = read(tmp_path, MINIMAL)
    assert rig.sources == (DeviceConfig(name="hub", url="serial:/dev/ttyACM0", baud=921_600),)
    assert rig.unserved == ()


def test_bauds_are_those_that_makers_deliver_unless_said_otherwise():
    bauds = [
        DeviceConfig(name="a", url="serial:COM3", kind=kind, baud=baud).line_baud
        for kind, baud in [("hub", None), ("witmotion", None), ("ximu3", None), ("witmotion", 7)]
    ]
    assert bauds == [921_600, 9600, 115_200, 7]


def test_trackers_of_slimevr_share_a_port_but_not_an_address(tmp_path):
    first = device("udp:6969", kind="slimevr", more=f'id = "{MAC}"')
    second = device("udp:6969", kind="slimevr", name="b", more='id = "00:00:00:00:00:01"')
    assert len(read(tmp_path, first + second).devices) == 2
    with pytest.raises(ConfigError, match=f"are both at udp:6969 {MAC}"):
        read(tmp_path, first + device("udp:6969", "", "slimevr", "b", f'id = "{MAC}"'))
