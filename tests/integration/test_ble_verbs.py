"""The verbs that look into the air, with a virtual one in the place of this system's radio."""

import asyncio
import json

import pytest
from bleak.backends.scanner import BaseBleakScanner
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason

from firmware_host.devices import Findings, hubs_in_air
from firmware_host.errors import TransportError
from firmware_host.rig import HubConfig, Rig
from firmware_host.transports.ble import BleTransport
from firmware_host.transports.radio import BleBackend
from imusic.cli import main
from tests.integration.network_links import hub_with, run
from tests.integration.virtual_ble import Peripheral, VirtualAir
from tests.integration.virtual_sensors import (
    HUB_ADDRESS,
    VirtualDot,
    VirtualHub,
    VirtualWitMotion,
)

pytestmark = pytest.mark.integration


def become_radio(monkeypatch: pytest.MonkeyPatch, air: VirtualAir) -> None:
    """Let bleak take `air` for the radio of this system."""
    for kind, backend in (("client", air.backend.client), ("scanner", air.backend.scanner)):
        name = f"bleak.get_platform_{kind}_backend_type"
        monkeypatch.setattr(name, lambda backend=backend: (backend, "virtual"))


def test_devices_lists_what_advertises_and_what_each_looks_to_be(monkeypatch, capsys):
    monkeypatch.setattr("firmware_host.devices.ANNOUNCE_PORT", 0)
    air = VirtualAir(
        VirtualHub(hub_with()),
        VirtualWitMotion(),
        VirtualDot(),
        Peripheral("C0:FF:EE:00:00:0A", "Ann's\x1b[2J phone"),
        Peripheral("C0:FF:EE:00:00:0B", None),
    )
    become_radio(monkeypatch, air)
    assert main(["devices", "--seconds", "0.3", "--json"]) == 0
    out, err = capsys.readouterr()
    listed = {found["address"]: found for found in json.loads(out) if found["kind"] == "ble"}
    assert {
        address: (found["looks_like"], found["profile"]) for address, found in listed.items()
    } == {
        "ble:C0:FF:EE:00:00:01": ("hub imusic-1, -50 dBm", "hub"),
        "ble:C0:FF:EE:00:00:02": ("WitMotion sensor WT901BLE68, -50 dBm", "witmotion"),
        "ble:C0:FF:EE:00:00:0A": ("Bluetooth device Ann's?[2J phone, -50 dBm", None),
        "ble:D4:22:CD:00:00:03": ("Movella DOT, -50 dBm", "dot"),
    }
    assert listed["ble:C0:FF:EE:00:00:01"]["rssi_dbm"] == -50
    assert "1 Bluetooth devices without a name are not listed" in err
    assert "nothing here looks like a hub" not in err


def looking_with(error: Exception) -> Findings:
    return run(hubs_in_air(0.1, backend_with(error)))


def backend_with(error: Exception) -> BleBackend:
    """A system whose radio cannot be used."""

    class Broken(BaseBleakScanner):
        def __init__(self, callback, service_uuids, scanning_mode, **_):
            super().__init__(callback, service_uuids)

        async def start(self):
            raise error

        async def stop(self):
            raise AssertionError("it was never started")

    return BleBackend(VirtualAir().backend.client, Broken)


REASON = BleakBluetoothNotAvailableReason
TROUBLES = [
    (FileNotFoundError(2, "No such file or directory"), "has no service for it"),
    (ConnectionRefusedError(111, "refused"), "has no service for it"),
    (BleakBluetoothNotAvailableError("x", REASON.NO_BLUETOOTH), "has no adapter"),
    (BleakBluetoothNotAvailableError("x", REASON.NO_BLE_CENTRAL_ROLE), "too old"),
    (BleakBluetoothNotAvailableError("x", REASON.POWERED_OFF), "is switched off"),
    (BleakBluetoothNotAvailableError("x", REASON.DENIED_BY_USER), "may not use it"),
    (BleakBluetoothNotAvailableError("it\nis odd", REASON.UNKNOWN), "is odd"),
    (EOFError(), "EOFError"),
]


@pytest.mark.parametrize(("error", "says"), TROUBLES)
def test_no_bluetooth_is_one_line_among_the_devices(error, says):
    found = looking_with(error)
    (note,) = found.notes
    assert found.devices == ()
    assert note.startswith("Bluetooth not listened to: ")
    assert says in note
    assert note.isprintable()


@pytest.mark.parametrize(("error", "says"), TROUBLES)
def test_no_bluetooth_is_an_error_with_a_hint_for_who_needs_it(error, says):
    transport = BleTransport(HUB_ADDRESS, backend=backend_with(error))
    with pytest.raises(TransportError, match=f"Bluetooth cannot be used: .*{says}") as caught:
        run(transport.open())
    assert caught.value.hint


def test_a_stream_over_bluetooth_is_watched_and_the_hub_told_to_stop(monkeypatch, capsys):
    hub = VirtualHub(hub_with(4000))
    become_radio(monkeypatch, VirtualAir(hub))
    assert main(["stream", f"ble:{HUB_ADDRESS}", "--seconds", "1.5", "--json"]) == 0
    *ticks, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert {slot["verdict"] for slot in ticks[-1]["slots"]} == {"ok"}
    assert last["summary"]["samples"] > 50
    assert last["summary"]["lost"] == 0
    assert hub.summary().samples_sent < 4000
    assert hub.connection is None


def test_a_hub_over_bluetooth_is_asked_and_set(monkeypatch, capsys):
    become_radio(monkeypatch, VirtualAir(VirtualHub(hub_with())))
    assert main(["hub", "ble:imusic-1", "--accel-range", "40", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["accel_range_m_s2"] == 40
    assert len(told["slots"]) == 12


def test_a_hub_that_is_not_near_is_one_line_and_a_hint(monkeypatch, capsys):
    monkeypatch.setitem(BleTransport.__init__.__kwdefaults__, "find_s", 0.2)
    become_radio(monkeypatch, VirtualAir())
    assert main(["hub", "ble:imusic-1"]) == 3
    first, hint = capsys.readouterr().err.splitlines()
    assert first.startswith("imusic: no sensor hub answered at ble:imusic-1 within")
    assert "imusic devices" in hint


def test_a_take_over_bluetooth_is_whole(monkeypatch, tmp_path):
    from capture.daemon import record
    from capture.recording import read_recording

    hub = VirtualHub(hub_with(400))
    become_radio(monkeypatch, VirtualAir(hub))
    rig = Rig(hub=HubConfig(url=f"ble:{HUB_ADDRESS}"))
    result = run(record(rig, tmp_path / "takes"))
    assert result is not None
    assert result.lost is None
    assert result.take.counts["samples"] == 400
    assert "samples_lost" not in result.take.counts
    assert len(read_recording(result.folder).tick_us) == 400


def test_two_looks_at_once_take_turns():
    air = VirtualAir(VirtualDot())

    async def both() -> list[Findings]:
        return await asyncio.gather(*(hubs_in_air(0.1, air.backend) for _ in range(2)))

    first, second = run(both())
    assert first.devices == second.devices
    assert len(first.devices) == 1
    assert air.most_at_once == 1
