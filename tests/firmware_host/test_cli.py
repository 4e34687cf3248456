"""`imusic devices` and `imusic stream`, as far as no hub is needed."""

import asyncio
import io
import json
import socket
import sys

import pytest
from rich.console import Console

from firmware_host import cli, devices
from firmware_host.samples import HubInfo
from firmware_host.slot_health import StreamWatch
from firmware_host.slot_table import Screen, hub_table
from imusic.cli import main

list_ports = pytest.importorskip("serial.tools.list_ports")
ListPortInfo = pytest.importorskip("serial.tools.list_ports_common").ListPortInfo


@pytest.fixture(autouse=True)
def quiet_network(monkeypatch):
    """No hub of another program, and no Bluetooth nearby."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setattr(devices, "ANNOUNCE_PORT", probe.getsockname()[1])
    monkeypatch.setitem(sys.modules, "bleak", None)


@pytest.fixture
def ports(monkeypatch):
    """A board of a known maker, and a plain UART."""
    board, uart = ListPortInfo("/dev/ttyACM0"), ListPortInfo("/dev/ttyS0")
    board.vid, board.pid, board.serial_number = 0x2886, 0x8045, "A1\x1b[2J"
    monkeypatch.setattr(list_ports, "comports", lambda: [uart, board])


def test_devices_says_what_each_port_looks_like(ports, capsys):
    cli.devices(seconds=0.1)
    printed = capsys.readouterr()
    assert [line.split(maxsplit=1) for line in printed.out.splitlines()] == [
        ["serial:/dev/ttyACM0", "Seeed XIAO nRF52840 Sense"],
        ["serial:/dev/ttyS0", "serial port"],
    ]
    assert "looks like a hub" not in printed.err


def test_devices_as_json_is_one_list(ports, capsys):
    cli.devices(as_json=True, seconds=0.1)
    first, second = json.loads(capsys.readouterr().out)
    assert first == {
        "kind": "serial",
        "address": "serial:/dev/ttyACM0",
        "looks_like": "Seeed XIAO nRF52840 Sense",
        "vendor_id": 0x2886,
        "product_id": 0x8045,
        "serial_number": "A1?[2J",
    }
    assert second["vendor_id"] is None


def test_where_nothing_is_it_says_what_to_plug_in(monkeypatch, capsys):
    monkeypatch.setattr(list_ports, "comports", list)
    cli.devices(seconds=0.1)
    cli.devices(as_json=True, seconds=0.1)
    printed = capsys.readouterr()
    assert printed.out == "[]\n"
    assert "plug one in by USB" in printed.err


def test_a_bare_uart_is_listed_but_is_no_hub(monkeypatch, capsys):
    monkeypatch.setattr(list_ports, "comports", lambda: [ListPortInfo("/dev/ttyS0")])
    cli.devices(seconds=0.1)
    printed = capsys.readouterr()
    assert printed.out.startswith("serial:/dev/ttyS0 ")
    assert "nothing here looks like a hub" in printed.err


@pytest.mark.parametrize(
    ("module", "says"), [("bleak", "imusic[ble]"), ("serial.tools", "imusic[serial]")]
)
def test_a_library_that_is_not_installed_is_one_line(monkeypatch, capsys, module, says):
    monkeypatch.setattr(list_ports, "comports", list)
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["devices", "--seconds", "0.1"]) == 0
    assert len([line for line in capsys.readouterr().err.splitlines() if says in line]) == 1


def test_an_announcement_port_that_is_taken_is_one_line(ports, monkeypatch, capsys):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as greedy:
        greedy.bind(("0.0.0.0", 0))
        monkeypatch.setattr(devices, "ANNOUNCE_PORT", greedy.getsockname()[1])
        assert main(["devices", "--seconds", "0.1"]) == 0
    printed = capsys.readouterr()
    assert "network not listened to" in printed.err
    assert "is busy" in printed.err
    assert "serial:/dev/ttyACM0" in printed.out


@pytest.mark.parametrize("value", ["nan", "inf", "0", "-1", "1e9"])
@pytest.mark.parametrize("verb", [["devices"], ["stream", "tcp:127.0.0.1:9"]])
def test_how_long_is_bounded(verb, value, capsys):
    assert main([*verb, "--seconds", value]) == 2
    assert capsys.readouterr().err.startswith("imusic: ")


@pytest.mark.parametrize(
    ("url", "code", "says"),
    [
        ("usb:1", 2, "expected serial:PORT, udp:HOST:PORT"),
        ("tcp:x", 2, "expected tcp:HOST:PORT"),
        ("serial:/dev/ttyNONE", 3, "does not exist"),
        ("tcp:no-such-host.invalid:1", 3, "the name of the host is not known"),
    ],
)
def test_a_stream_that_cannot_be_opened_is_one_line_and_a_hint(url, code, says, capsys):
    assert main(["stream", url]) == code
    lines = capsys.readouterr().err.splitlines()
    assert says in lines[0]
    assert lines[1].startswith("  hint: ")


def test_no_bluetooth_is_a_note_and_no_traceback(monkeypatch):
    """Whatever this computer has: an adapter, none, or not even a service to ask."""
    monkeypatch.delitem(sys.modules, "bleak")
    pytest.importorskip("bleak")
    found = asyncio.run(devices.hubs_in_air(0.2))
    assert found.devices or len(found.notes) <= 1
    assert all(note.isprintable() for note in found.notes)


def test_the_table_shows_names_as_they_are_and_lets_none_steer_the_terminal():
    watch = StreamWatch()
    watch.take(HubInfo("[red]hub\x1b[2J", "f", 1, 200.0, 80.0, 17.0, ("[/]brow", "chin\a")))
    console = Console(width=100, file=io.StringIO(), color_system=None)
    console.print(hub_table(watch, "tcp:127.0.0.1:9", "0 samples", 1, Screen(100, 40)))
    shown = console.file.getvalue()
    assert "[red]hub?[2J at tcp:127.0.0.1:9" in shown
    assert "[/]brow" in shown
    assert "chin?" in shown
    assert "silent" in shown
    assert not {"\x1b", "\a"} & set(shown)
