"""`rig.toml`: what it may say, and what it is told when it says something else."""

import pytest

from firmware_host.errors import ConfigError
from firmware_host.layout import FACE_12
from firmware_host.rig import HubConfig, PhoneConfig, Rig, read_rig, write_rig

MINIMAL = '[hub]\nurl = "serial:/dev/ttyACM0"\n'


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
        ("", "missing required field `hub`"),
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
