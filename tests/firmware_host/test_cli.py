"""`imusic devices`."""

import json

import pytest

from firmware_host import cli

list_ports = pytest.importorskip("serial.tools.list_ports")
ListPortInfo = pytest.importorskip("serial.tools.list_ports_common").ListPortInfo


@pytest.fixture
def ports(monkeypatch):
    """A board of a known maker, and a plain UART."""
    board, uart = ListPortInfo("/dev/ttyACM0"), ListPortInfo("/dev/ttyS0")
    board.vid, board.pid, board.serial_number = 0x303A, 0x1001, "A1"
    monkeypatch.setattr(list_ports, "comports", lambda: [uart, board])


def test_devices_says_what_each_port_looks_like(ports, capsys):
    cli.devices()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1) for line in lines] == [
        ["serial:/dev/ttyACM0", "Espressif board"],
        ["serial:/dev/ttyS0", "serial port"],
    ]


def test_devices_as_json_is_one_list(ports, capsys):
    cli.devices(as_json=True)
    first, second = json.loads(capsys.readouterr().out)
    assert first == {
        "address": "serial:/dev/ttyACM0",
        "looks_like": "Espressif board",
        "vendor_id": 0x303A,
        "product_id": 0x1001,
        "serial_number": "A1",
    }
    assert second["vendor_id"] is None


def test_no_ports_is_an_empty_list_and_a_word_on_stderr(monkeypatch, capsys):
    monkeypatch.setattr(list_ports, "comports", list)
    cli.devices()
    cli.devices(as_json=True)
    printed = capsys.readouterr()
    assert printed.out == "[]\n"
    assert "no serial port found" in printed.err
