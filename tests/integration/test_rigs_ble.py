"""A rig over Bluetooth LE, on virtual controllers: three makers, one of whom hangs up."""

import asyncio

import pytest

from firmware_host.link_events import LinkDown, LinkUp
from firmware_host.rig import DeviceConfig
from firmware_host.samples import Garbage, ImuBlock
from firmware_host.supervisor import RigLinks
from firmware_host.transports.ble import BleTransport
from firmware_host.transports.gatt import PROFILES
from tests.integration.network_links import hub_with, run
from tests.integration.virtual_ble import VirtualAir
from tests.integration.virtual_sensors import VirtualDot, VirtualHub, VirtualWitMotion

pytestmark = pytest.mark.integration

KINDS = {"hub": "hub", "wit": "witmotion-ble", "dot": "dot"}


def test_a_rig_in_the_air_is_heard_and_who_hangs_up_is_called_again():
    hub, wit, dot = VirtualHub(hub_with(4000)), VirtualWitMotion(), VirtualDot()
    air = VirtualAir(hub, wit, dot)
    configs = [
        DeviceConfig(name=name, kind=KINDS[name], url=f"ble:{peripheral.address}")
        for name, peripheral in (("hub", hub), ("wit", wit), ("dot", dot))
    ]
    heard: dict[str, list] = {name: [] for name in KINDS}

    def reach(config, _) -> BleTransport:
        profile = PROFILES[{"witmotion-ble": "witmotion"}.get(config.kind, config.kind)]
        return BleTransport(config.url.removeprefix("ble:"), profile=profile, backend=air.backend)

    def samples(name: str) -> int:
        return sum(len(event) for event in heard[name] if isinstance(event, ImuBlock))

    async def play() -> None:
        links = RigLinks(configs, lambda link, e, _: heard[link.name].append(e), reach=reach)
        async with links:
            while min(map(samples, KINDS)) < 30:
                await asyncio.sleep(0.02)
                links.check()
            before = samples("wit")
            await wit.hang_up()
            while samples("wit") < before + 30:
                await asyncio.sleep(0.02)
                links.check()

    run(play())
    assert [type(e) for e in heard["wit"] if isinstance(e, LinkUp | LinkDown)] == [
        LinkUp, LinkDown, LinkUp
    ]  # fmt: skip
    for name in ("hub", "dot"):
        assert not any(isinstance(event, LinkDown | Garbage) for event in heard[name])
    assert wit.connections == 2
