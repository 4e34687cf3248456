"""Hubs over Bluetooth LE: the real transport and the real bleak, virtual radios."""

import asyncio
import sys

import numpy as np
import pytest
from bumble.gatt import Characteristic, Service

from firmware_host import messages
from firmware_host.device import HubDevice
from firmware_host.errors import (
    ConfigError,
    DeviceNotFound,
    EnvironmentMissing,
    ProtocolError,
    TransportError,
)
from firmware_host.messages import Kind
from firmware_host.samples import Duplicate, Garbage, HubEnd, HubEvent, HubInfo, RoundTrip
from firmware_host.stream import events
from firmware_host.transports import arrivals, ble
from firmware_host.transports.base import open_transport
from firmware_host.transports.ble import BleTransport
from firmware_host.transports.gatt import NUS_RX, NUS_SERVICE, NUS_TX
from tests.integration.network_links import hub_with, listen, lost, opened, run, samples, sequences
from tests.integration.virtual_ble import Peripheral, VirtualAir
from tests.integration.virtual_sensors import (
    HUB_ADDRESS,
    WITMOTION_ADDRESS,
    MuteHub,
    VirtualHub,
    VirtualWitMotion,
)

pytestmark = pytest.mark.integration
SECOND = "C0:FF:EE:00:00:09"


def near(*peripherals: Peripheral) -> VirtualAir:
    return VirtualAir(*peripherals)


def transport_to(air: VirtualAir, target: str = HUB_ADDRESS, **options: object) -> BleTransport:
    return BleTransport(target, backend=air.backend, **options)


def test_ten_seconds_of_twelve_slots_arrive_in_order_and_whole():
    hub = VirtualHub(hub_with(2000), speed=4.0)

    async def streamed() -> list[HubEvent]:
        return await listen(transport_to(near(hub)))

    heard = run(streamed())
    assert isinstance(heard[0], HubInfo)
    assert heard[-1] == HubEnd(2000)
    assert samples(heard) == hub.summary().samples_sent == 2000
    assert np.array_equal(sequences(heard), np.arange(2000))
    assert lost(heard) == 0
    assert not any(isinstance(event, Duplicate | Garbage) for event in heard)
    assert any(isinstance(event, RoundTrip) for event in heard)


def test_frames_longer_than_a_notification_are_put_together_again():
    hub = VirtualHub(hub_with(60))
    hub.mtu = 23

    async def streamed() -> list[HubEvent]:
        return await listen(transport_to(near(hub)))

    heard = run(streamed())
    assert samples(heard) == 60
    assert lost(heard) == 0
    assert hub.notifications > 7 * 60
    assert heard[-1] == HubEnd(60)


@pytest.mark.parametrize(("mtu", "pieces"), [(23, [20, 20, 20, 4]), (247, [64]), (512, [64])])
def test_what_is_written_is_cut_to_what_the_mtu_leaves(mtu, pieces):
    hub = VirtualHub(hub_with())
    hub.mtu = mtu
    command = bytes(range(64))

    async def writing() -> int:
        async with opened(transport_to(near(hub))) as transport:
            await transport.send(command)
            while sum(map(len, hub.heard)) < len(command):
                await asyncio.sleep(0.01)
            return transport.write_limit

    assert run(writing()) == min(mtu, 247) - 3
    assert list(map(len, hub.heard)) == pieces
    assert b"".join(hub.heard) == command


def test_two_commands_sent_at_once_do_not_mix_on_a_narrow_link():
    hub = VirtualHub(hub_with())
    hub.mtu = 23
    commands = [bytes([letter]) * 50 for letter in b"ab"]

    async def writing() -> None:
        async with opened(transport_to(near(hub))) as transport:
            await asyncio.gather(*map(transport.send, commands))
            while sum(map(len, hub.heard)) < 100:
                await asyncio.sleep(0.01)

    run(writing())
    assert b"".join(hub.heard) in (b"".join(commands), b"".join(reversed(commands)))


class StrictHub(MuteHub):
    """Only takes writes that it acknowledges."""

    def services(self) -> list[Service]:
        self.heard: list[bytes] = []
        rx = self.listens(NUS_RX, self.heard.append, Characteristic.WRITE)
        return [Service(NUS_SERVICE, [rx, self.speaks(NUS_TX)])]


def test_a_hub_that_only_takes_acknowledged_writes_is_asked():
    hub = StrictHub(HUB_ADDRESS, "imusic-1")

    async def writing() -> None:
        async with opened(transport_to(near(hub))) as transport:
            await transport.send(b"")
            await transport.send(b"hello")

    run(writing())
    assert hub.heard == [b"hello"]


def test_a_hub_that_hangs_up_is_lost_after_everything_it_said():
    hub = VirtualHub(hub_with(4000))

    async def hung_up() -> int:
        async with opened(transport_to(near(hub))) as transport:
            for kind in (Kind.HELLO, Kind.START):
                await transport.send(messages.encode_command(kind))
            while hub.notifications < 100:
                await asyncio.sleep(0.01)
            await hub.hang_up()
            said, heard = hub.notifications, transport.chunks()
            for _ in range(said):
                assert await anext(heard)
            with pytest.raises(TransportError, match=f"lost ble:{HUB_ADDRESS}: the connection"):
                await anext(heard)
            await transport.send(b"into the void")  # `chunks` has said it; this is no new error
            return said

    assert run(hung_up()) >= 100


def test_a_stream_over_a_lost_link_ends_with_the_reason_and_a_hint():
    hub = VirtualHub(hub_with(4000))
    heard: list[HubEvent] = []

    async def hung_up() -> None:
        air = near(hub)
        listening = asyncio.create_task(listen(transport_to(air), heard))
        while samples(heard) < 50 and not listening.done():
            await asyncio.sleep(0.01)
        await hub.hang_up()
        await listening

    with pytest.raises(TransportError, match="lost ble:") as caught:
        run(hung_up())
    assert "charged" in caught.value.hint
    assert samples(heard) >= 50


@pytest.mark.parametrize("kind", [MuteHub, StrictHub])
def test_a_link_that_died_unnoticed_hangs_nobody(kind, monkeypatch):
    monkeypatch.setattr(ble, "_SEND_S", 0.1)
    hub = kind(HUB_ADDRESS, "imusic-1")

    async def half_open() -> list[bytes]:
        transport = transport_to(near(hub), close_s=0.1)
        await transport.open()
        hub.go_dark()
        await transport.send(messages.encode_command(Kind.HELLO))
        await transport.close()
        await transport.close()
        return [chunk async for chunk in transport.chunks()]

    assert run(half_open()) == []


def test_a_silent_device_with_the_service_is_no_hub():
    async def silent() -> None:
        await listen(transport_to(near(MuteHub(HUB_ADDRESS, "imusic-1"))), timeout_s=0.3)

    with pytest.raises(DeviceNotFound) as caught:
        run(silent())
    assert "another program or phone" in caught.value.hint


def test_a_device_of_another_kind_is_named_and_let_go():
    sensor = VirtualWitMotion()

    async def wrong() -> None:
        await transport_to(near(sensor), WITMOTION_ADDRESS).open()

    with pytest.raises(ProtocolError, match=f"is no hub .* no characteristic {NUS_TX}") as caught:
        run(wrong())
    assert caught.value.hint == "it looks to be a WitMotion sensor"
    assert (sensor.connections, sensor.connection) == (1, None)


def test_a_device_that_offers_nothing_is_doubted():
    async def wrong() -> None:
        await transport_to(near(Peripheral(HUB_ADDRESS, "lamp")), "lamp").open()

    with pytest.raises(ProtocolError) as caught:
        run(wrong())
    assert caught.value.hint == "is it the device that you mean?"


@pytest.mark.parametrize("target", [SECOND, "no-such-name"])
def test_a_device_that_is_not_there_is_not_found_and_the_next_one_is(target):
    hub = VirtualHub(hub_with(20))

    async def looking() -> int:
        air = near(hub)
        with pytest.raises(DeviceNotFound, match=f"ble:{target} within 0.2 s") as caught:
            await transport_to(air, target, find_s=0.2).open()
        assert "imusic devices" in caught.value.hint
        return samples(await listen(transport_to(air)))

    assert run(looking()) == 20


def test_two_hubs_opened_at_once_share_the_radio_and_stream_side_by_side():
    hubs = [VirtualHub(hub_with(60)), VirtualHub(hub_with(60), SECOND, "imusic-2")]
    air = near(*hubs)

    async def both() -> list[list[HubEvent]]:
        return await asyncio.gather(
            listen(transport_to(air)), listen(transport_to(air, "imusic-2"))
        )

    for heard in run(both()):
        assert samples(heard) == 60
        assert lost(heard) == 0
    assert (air.most_at_once, air.busy) == (1, 0)


def test_who_gives_up_waiting_for_a_device_frees_the_radio_for_others():
    hub = VirtualHub(hub_with(20))

    async def impatient() -> int:
        air = near(hub)
        looking = asyncio.create_task(transport_to(air, SECOND).open())
        while not air.busy:
            await asyncio.sleep(0.01)
        waiting = asyncio.create_task(listen(transport_to(air)))
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        return samples(await waiting)

    assert run(impatient()) == 20


def test_a_connection_that_fails_once_is_tried_again():
    hub = VirtualHub(hub_with(20))
    air = near(hub)
    air.refuse_connections = 1
    assert samples(run(listen(transport_to(air)))) == 20


def test_a_connection_that_fails_twice_is_told_with_what_the_system_says():
    air = near(VirtualHub(hub_with(20)))
    air.refuse_connections = 2
    with pytest.raises(TransportError, match="connect: le-connection-abort-by-local") as caught:
        run(transport_to(air).open())
    assert "no other program or phone" in caught.value.hint


@pytest.mark.parametrize("target", ["IMUSIC-1", "c0-ff-ee-00-00-01", HUB_ADDRESS])
def test_a_hub_is_found_by_its_name_or_address_however_it_is_written(target):
    assert samples(run(listen(transport_to(near(VirtualHub(hub_with(10))), target)))) == 10


def test_a_name_that_several_devices_have_is_refused_with_their_addresses():
    air = near(VirtualHub(hub_with()), VirtualHub(hub_with(), SECOND))
    with pytest.raises(TransportError, match="several devices have that name") as caught:
        run(transport_to(air, "imusic-1").open())
    assert caught.value.hint == f"use ble:{HUB_ADDRESS}, ble:{SECOND}"


def test_closing_ends_the_stream_without_an_error_and_may_be_done_twice():
    hub = VirtualHub(hub_with(4000))

    async def closing() -> int:
        transport = transport_to(near(hub))
        await transport.open()
        count = 0
        async for _ in events(transport, HubDevice()):
            count += 1
            if count == 20:
                await transport.close()
                await transport.close()
        with pytest.raises(TransportError, match="is not open"):
            await transport.send(b"x")
        return count

    assert run(closing()) >= 20
    assert hub.connection is None


def test_closing_while_a_command_is_on_its_way_disturbs_nobody():
    hub = VirtualHub(hub_with())
    hub.mtu = 23

    async def closing() -> None:
        transport = transport_to(near(hub))
        await transport.open()
        sending = asyncio.create_task(transport.send(bytes(20_000)))
        while not hub.heard:
            await asyncio.sleep(0)
        await transport.close()
        await sending

    run(closing())
    assert len(b"".join(hub.heard)) < 20_000
    assert hub.connection is None


def test_a_host_that_falls_behind_is_told_so(monkeypatch):
    monkeypatch.setattr(arrivals, "MAX_BACKLOG", 2000)
    hub = VirtualHub(hub_with(4000))

    async def lazy() -> None:
        async with opened(transport_to(near(hub))) as transport:
            await transport.send(messages.encode_command(Kind.START))
            while hub.notifications < 50:
                await asyncio.sleep(0.01)
            async for _ in transport.chunks():
                continue

    with pytest.raises(TransportError, match="overrun"):
        run(lazy())


def test_without_bleak_a_hub_in_the_air_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "bleak", None)
    with pytest.raises(EnvironmentMissing) as caught:
        run(open_transport(f"ble:{HUB_ADDRESS}").open())
    assert caught.value.hint == 'pip install "imusic[ble]"'


@pytest.mark.parametrize("url", ["ble:", "ble: "])
def test_a_hub_without_an_address_is_refused(url):
    with pytest.raises(ConfigError, match="ble"):
        open_transport(url)
