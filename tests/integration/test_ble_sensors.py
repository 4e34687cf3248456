"""Other makers' sensors over Bluetooth LE: the transport, their profiles and their decoders."""

import asyncio
import time
from collections.abc import Callable

import numpy as np
import pytest

from firmware_host.errors import TransportError
from firmware_host.samples import Garbage, HubInfo, ImuBlock
from firmware_host.transports.ble import BleTransport
from firmware_host.transports.gatt import PROFILES, GattProfile, witmotion_profile
from firmware_host.vendors.blocks import GRAVITY_M_S2
from firmware_host.vendors.dot import DotDevice
from firmware_host.vendors.witmotion import WitMotionBle
from tests.integration.network_links import hub_with, listen, opened, run, samples
from tests.integration.virtual_ble import Peripheral, VirtualAir
from tests.integration.virtual_sensors import (
    VirtualDot,
    VirtualHub,
    VirtualWitMotion,
)

pytestmark = pytest.mark.integration

Device = WitMotionBle | DotDevice
Event = HubInfo | ImuBlock | Garbage


async def measured(
    air: VirtualAir, peripheral: Peripheral, profile: GattProfile, device: Device, count: int
) -> list[Event]:
    """What `device` makes of the first notifications, until it has `count` samples."""
    heard: list[Event] = []
    transport = BleTransport(peripheral.address, profile=profile, backend=air.backend)
    async with opened(transport):
        for command in device.outgoing():
            await transport.send(command)
        async for chunk in transport.chunks():
            heard += device.receive(chunk, time.monotonic_ns())
            if samples(heard) >= count:
                return heard
    return heard


def along_x(heard: list[Event]) -> np.ndarray:
    blocks = [event for event in heard if isinstance(event, ImuBlock)]
    return np.concatenate([block.accel_m_s2[:, 0, 0] for block in blocks])


def counted(length: int, unit: float) -> np.ndarray:
    return unit * np.arange(1, length + 1)


def test_a_witmotion_sensor_is_set_to_a_useful_rate_and_every_sample_arrives():
    sensor = VirtualWitMotion()
    heard = run(
        measured(VirtualAir(sensor), sensor, PROFILES["witmotion"], WitMotionBle("wit"), 60)
    )
    assert sensor.rate_hz == 100
    assert isinstance(heard[0], HubInfo)
    assert not any(isinstance(event, Garbage) for event in heard)
    found = along_x(heard)
    np.testing.assert_allclose(found, counted(len(found), 16 * GRAVITY_M_S2 / 32768), rtol=1e-5)
    assert all(block.tick_is_arrival for block in heard if isinstance(block, ImuBlock))
    assert sensor.connection is None


@pytest.mark.parametrize(("rate_hz", "then"), [(None, 10), (200, 200), (50, 50)])
def test_the_rate_of_a_witmotion_sensor_is_the_one_asked_for_or_left_alone(rate_hz, then):
    sensor = VirtualWitMotion()
    profile = witmotion_profile(rate_hz)
    run(measured(VirtualAir(sensor), sensor, profile, WitMotionBle(), 1))
    assert sensor.rate_hz == then


def test_a_dot_is_set_started_heard_and_stopped():
    sensor = VirtualDot()
    heard = run(measured(VirtualAir(sensor), sensor, PROFILES["dot"], DotDevice("dot"), 40))
    assert sensor.rate_hz == 60
    assert not any(isinstance(event, Garbage) for event in heard)
    np.testing.assert_array_equal(along_x(heard), counted(40, 1.0))
    ticks = np.concatenate([block.tick_us for block in heard if isinstance(block, ImuBlock)])
    assert set(np.diff(ticks)) == {16_666, 16_667}
    assert not sensor.is_measuring
    assert sensor.connection is None


def test_a_dot_that_refuses_a_setting_is_told_of_and_let_go():
    sensor = VirtualDot()
    sensor.is_measuring = True  # since another host crashed

    with pytest.raises(TransportError, match=r"refused 10 00 .*Write Not Permitted") as caught:
        run(measured(VirtualAir(sensor), sensor, PROFILES["dot"], DotDevice(), 1))
    assert "switch it off and on" in caught.value.hint
    assert not sensor.is_measuring
    assert sensor.connection is None


def test_a_command_that_a_device_refuses_does_not_end_the_link():
    sensor = VirtualDot()
    air = VirtualAir(sensor)

    async def refused() -> int:
        transport = BleTransport(sensor.address, profile=PROFILES["dot"], backend=air.backend)
        async with opened(transport):
            with pytest.raises(TransportError, match="refused 01 01 ff: "):
                await transport.send(bytes((1, 1, 255)))
            await transport.send(bytes((1, 1, 26)))
            return len(await anext(transport.chunks()))

    assert run(refused()) == 63


def test_sensors_of_several_makers_and_a_hub_are_opened_at_once_and_stall_nobody():
    hub, wit, dot = VirtualHub(hub_with(100)), VirtualWitMotion(), VirtualDot()
    air = VirtualAir(hub, wit, dot)

    async def together() -> list[list[Event]]:
        return await asyncio.gather(
            measured(air, wit, PROFILES["witmotion"], WitMotionBle(), 50),
            measured(air, dot, PROFILES["dot"], DotDevice(), 30),
            listen(BleTransport(hub.address, backend=air.backend)),
        )

    of_wit, of_dot, of_hub = run(together())
    assert samples(of_wit) >= 50
    assert samples(of_dot) == 30
    assert samples(of_hub) == 100
    assert air.most_at_once == 1


@pytest.mark.parametrize("sensor", [VirtualWitMotion, VirtualDot])
def test_a_sensor_that_hangs_up_is_lost(sensor: Callable[[], VirtualWitMotion | VirtualDot]):
    peripheral = sensor()
    air = VirtualAir(peripheral)
    kind = "dot" if sensor is VirtualDot else "witmotion"

    async def hung_up() -> None:
        transport = BleTransport(peripheral.address, profile=PROFILES[kind], backend=air.backend)
        async with opened(transport):
            await peripheral.hang_up()
            async for _ in transport.chunks():
                continue

    with pytest.raises(TransportError, match="lost ble:"):
        run(hung_up())
