"""Names of ports as Windows has them, through every verb, from the command line and from rig.toml.

There is no Windows here: the port is a real pty, and its name is a link in the working folder, so
that whoever changes the name on the way finds nothing. What only Windows says (a port that is busy
or gone) is in `test_serial.py`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from capture.take import read_take
from firmware_host.devices import serial_ports
from firmware_host.layout import FACE_12
from firmware_host.rig import HubConfig, Rig, SessionConfig, read_rig, write_rig
from firmware_host.simulator import HubOptions, SimulatedHub
from firmware_host.virtual.scenes import scene
from imusic.cli import main
from tests.integration.hub_threads import played

pytestmark = pytest.mark.integration
pytest.importorskip("serial")
pytest.importorskip("tty", reason="a pty needs POSIX")

PORTS = ["COM7", r"\\.\COM12"]


def resting_hub() -> SimulatedHub:
    felt = scene("rest", FACE_12.names, 60.0, 100.0)
    feels = felt.time_s, felt.accel_m_s2, felt.gyro_rad_s
    return SimulatedHub(*feels, felt.slots, HubOptions(device_id="hub-7"))


@pytest.fixture(params=PORTS)
def port(request, cable, tmp_path, monkeypatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    Path(request.param).symlink_to(cable[1])
    rig = Rig(hub=HubConfig(url=f"serial:{request.param}"), session=SessionConfig(rest_s=0.5))
    write_rig(rig, tmp_path / "rig.toml")
    with played(resting_hub(), cable[0]):
        yield request.param


def test_a_rig_keeps_the_name_as_it_is(tmp_path):
    for name in PORTS:
        path = tmp_path / f"{len(name)}.toml"
        write_rig(Rig(hub=HubConfig(url=f"serial:{name},baud=115200")), path)
        assert read_rig(path).sources[0].url == f"serial:{name},baud=115200"
    (tmp_path / "by-hand.toml").write_text("[hub]\nurl = 'serial:\\\\.\\COM12'\n")
    assert read_rig(tmp_path / "by-hand.toml").sources[0].url == r"serial:\\.\COM12"


def test_stream_hears_a_port_by_that_name(port, capsys):
    assert main(["stream", f"serial:{port}", "--seconds", "1.5", "--json"]) == 0
    *_, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert last["summary"]["samples"] > 30
    assert last["summary"]["lost"] == 0


def test_the_hub_is_asked_over_a_port_by_that_name(port, capsys):
    assert main(["hub", f"serial:{port}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["device_id"] == "hub-7"


def test_check_judges_a_port_by_that_name(port, capsys):
    code = main(["check", "--rig", "rig.toml", "--no-routine", "--json"])
    told = json.loads(capsys.readouterr().out)
    rules = {problem["rule"] for row in told["slots"] for problem in row["problems"]}
    assert rules == set()
    assert code in (0, 1)  # 1 where this machine is too busy to play the hub at its rate


def test_a_take_of_a_port_by_that_name_is_whole(port, capsys):
    assert main(["record", "--rig", "rig.toml", "--out", "takes", "--seconds", "1"]) == 0
    take = read_take(Path("takes/take-001"))
    assert take.counts["samples"] > 50
    assert take.rig["hub"]["url"] == f"serial:{port}"


def test_a_port_that_is_not_there_is_called_by_its_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["stream", "serial:COM99"]) == 3
    first, hint = capsys.readouterr().err.splitlines()[:2]
    assert "serial:COM99 does not exist" in first
    assert "imusic devices" in hint


def test_devices_lists_ports_in_the_order_of_their_numbers(monkeypatch):
    from serial.tools import list_ports
    from serial.tools.list_ports_common import ListPortInfo

    ports = [ListPortInfo(name) for name in ("COM10", "COM9", "COM1")]
    for port in ports:
        port.description = f"USB-SERIAL CH340 ({port.device})"
        port.vid, port.pid = 0x1A86, 0x7523
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    found = serial_ports().devices
    assert [device.address for device in found] == ["serial:COM1", "serial:COM9", "serial:COM10"]
    assert {device.looks_like for device in found} == {
        "WCH CH340 adapter (many ESP32 and Arduino boards)"
    }
