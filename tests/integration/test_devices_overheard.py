"""`imusic devices` hears other makers' devices in the network, and answers none of them."""

import asyncio
import json
import socket

import pytest

from firmware_host import devices
from firmware_host.devices import others_in_network
from firmware_host.virtual.slimevr import run_tracker, still_tracker
from tests.firmware_host.vendors.test_ximu3 import ANNOUNCEMENT
from tests.integration.rigs import free_port, run

pytestmark = pytest.mark.integration

MAC = "02:00:00:00:00:07"


def test_an_ximu3_and_a_tracker_are_listed_with_what_to_write_in_the_rig():
    ximu_port, slime_port = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    tracker = still_tracker(MAC, 60.0)

    async def announce() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ximu:
            while True:
                ximu.sendto(b"not one", ("127.0.0.1", ximu_port))
                ximu.sendto(ANNOUNCEMENT, ("127.0.0.1", ximu_port))
                await asyncio.sleep(0.1)

    async def play():
        crying = [
            asyncio.create_task(announce()),
            asyncio.create_task(run_tracker(tracker, ("127.0.0.1", slime_port))),
        ]
        try:
            while True:  # until both were heard; then the listing is judged
                found = await others_in_network(1.2, ximu_port, slime_port)
                if len(found.devices) == 2:
                    return found
        finally:
            for task in crying:
                task.cancel()
            await asyncio.gather(*crying, return_exceptions=True)

    ximu, slime = run(play()).devices
    assert ximu.to_json() == {
        "kind": "tcp",
        "address": "tcp:127.0.0.1:7000",
        "looks_like": "x-IMU3 0123-4567-89AB-CDEF: kind ximu3, or udp:8000 with kind ximu3",
        "rig_kind": "ximu3",
        "device_id": "0123-4567-89AB-CDEF",
        "battery": 1.0,
    }
    assert slime.looks_like == f"SlimeVR tracker at 127.0.0.1: kind slimevr, id {MAC}"
    assert slime.facts["device_id"] == MAC
    assert tracker.delivered == 0  # nobody greeted it


def test_a_port_that_another_program_keeps_is_a_note():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as greedy:
        greedy.bind(("0.0.0.0", 0))
        port = greedy.getsockname()[1]
        found = run(others_in_network(0.1, port, port))
    assert found.devices == ()
    assert len(found.notes) == 2
    assert all(f"udp:{port} is busy" in note for note in found.notes)


def test_the_verb_lists_them_too(monkeypatch, capsys):
    from firmware_host.cli import devices as verb

    async def overheard(*_: object) -> devices.Findings:
        return devices.Findings((devices._ximu(ANNOUNCEMENT, "192.168.1.9"),))

    async def nobody(*_: object) -> devices.Findings:
        return devices.Findings(())

    monkeypatch.setattr(devices, "others_in_network", overheard)
    for other in ("hubs_in_network", "hubs_in_air"):
        monkeypatch.setattr(devices, other, nobody)
    verb(as_json=True, seconds=0.1)
    listed = [found["address"] for found in json.loads(capsys.readouterr().out)]
    assert "tcp:192.168.1.9:7000" in listed
