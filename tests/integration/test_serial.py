"""A simulated hub on a real pty, read by the real serial transport."""

import asyncio
import errno
import math
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from firmware_host import frames, messages
from firmware_host.device import HubDevice
from firmware_host.errors import ConfigError, DeviceNotFound, ProtocolError, TransportError
from firmware_host.layout import FACE_12
from firmware_host.messages import Kind
from firmware_host.samples import Gap, HubEnd, HubEvent, HubInfo, HubStatus, ImuBlock
from firmware_host.simulator import HubOptions, HubSummary, SimulatedHub, run_hub
from firmware_host.stream import events
from firmware_host.transports import arrivals
from firmware_host.transports import serial as serial_transport
from firmware_host.transports.base import open_transport
from firmware_host.transports.serial import SerialTransport, explain_open_error

pytestmark = pytest.mark.integration
pytest.importorskip("serial")
pytest.importorskip("tty", reason="a pty needs POSIX")

RATE_HZ = 200.0


def motion(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(9)
    shape = (count, 12, 3)
    return np.arange(count) / RATE_HZ, random.normal(0, 9, shape), random.normal(0, 3, shape)


def hub_with(count: int = 400, **options: object) -> SimulatedHub:
    return SimulatedHub(*motion(count), FACE_12.names, HubOptions(**options))


@asynccontextmanager
async def opened(path: str) -> AsyncIterator[SerialTransport]:
    transport = SerialTransport(path)
    await transport.open()
    try:
        yield transport
    finally:
        await transport.close()


async def listen(path: str, **options: object) -> list[HubEvent]:
    async with opened(path) as transport:
        return [event async for event in events(transport, HubDevice(), **options)]


def converse(
    cable: tuple[int, str], hub: SimulatedHub, speed: float = 1.0, **options: object
) -> tuple[HubSummary, list[HubEvent]]:
    async def both() -> tuple[HubSummary, list[HubEvent]]:
        descriptor, path = cable
        async with asyncio.timeout(20):
            return await asyncio.gather(
                run_hub(hub, descriptor, speed=speed), listen(path, **options)
            )

    return asyncio.run(both())


def values(heard: list[HubEvent], name: str) -> np.ndarray:
    return np.concatenate([getattr(e, name) for e in heard if isinstance(e, ImuBlock)])


def test_every_byte_value_survives_a_real_tty(cable):
    descriptor, path = cable
    sent = bytes(range(256)) * 2  # XON, XOFF, CR, interrupt and zero included

    async def run() -> tuple[bytes, bytes]:
        async with opened(path) as transport:
            os.write(descriptor, sent)
            there = b""
            async for chunk in transport.chunks():
                there += chunk
                if len(there) == len(sent):
                    break
            await transport.send(sent)
            return there, os.read(descriptor, 4096)

    assert asyncio.run(run()) == (sent, sent)


def test_every_sample_arrives_with_its_value_in_order_and_in_time(cable):
    truth, heard = converse(cable, hub_with(400, seed=4))
    _, accel, gyro = motion(400)
    assert truth.samples_sent == 400
    assert truth.dropped == 0
    np.testing.assert_array_equal(values(heard, "sequence"), np.arange(400))
    one_a, one_g = 8 * 9.80665 / 32768, math.radians(1000) / 32768
    np.testing.assert_allclose(values(heard, "accel_m_s2"), accel, rtol=0, atol=one_a)
    np.testing.assert_allclose(values(heard, "gyro_rad_s"), gyro, rtol=0, atol=one_g)
    assert isinstance(heard[0], HubInfo)
    assert heard[0].slots == FACE_12.names
    assert heard[-1] == HubEnd(400)
    assert [e.samples_sent for e in heard if isinstance(e, HubStatus)] == [201]
    assert not any(isinstance(e, Gap) for e in heard)

    assert truth.start_ns is not None
    ticks = values(heard, "tick_us")
    due_ns = truth.start_ns + (ticks - truth.start_tick_us) % 2**32 * truth.rate * 1000
    came_ns = np.repeat(
        [e.arrival_ns for e in heard if isinstance(e, ImuBlock)],
        [len(e) for e in heard if isinstance(e, ImuBlock)],
    )
    late_s = (came_ns - due_ns) * 1e-9
    assert late_s.min() > -1e-5
    assert np.median(late_s) < 0.1


def test_three_percent_loss_is_counted_exactly(cable):
    truth, heard = converse(cable, hub_with(2000, seed=7, loss=0.03), speed=10.0)
    lost = sum(e.count for e in heard if isinstance(e, Gap))
    assert truth.dropped > 20
    assert lost == truth.dropped
    assert len(values(heard, "sequence")) == truth.samples_sent - lost


def test_the_tap_gets_every_byte_before_the_events_made_of_it(cable):
    raw: list[tuple[bytes, int]] = []
    _, heard = converse(
        cable, hub_with(100), speed=5.0, tap=lambda data, time_ns: raw.append((data, time_ns))
    )
    again, device = [], HubDevice()
    for data, time_ns in raw:
        again += device.receive(data, time_ns)
    np.testing.assert_array_equal(values(again, "accel_m_s2"), values(heard, "accel_m_s2"))
    assert {e.arrival_ns for e in heard if isinstance(e, ImuBlock)} <= {ns for _, ns in raw}


def test_a_full_pty_makes_the_hub_wait_and_loses_nothing(cable):
    """The reader sleeps while far more than a pty holds becomes due."""
    descriptor, path = cable
    far_end = os.open(path, os.O_RDWR | os.O_NOCTTY)

    async def run() -> tuple[HubSummary, list[HubEvent], float]:
        os.write(far_end, messages.encode_command(Kind.START))
        hub = hub_with(4000, seed=2)
        running = asyncio.create_task(run_hub(hub, descriptor, speed=1000.0))
        before = time.process_time()
        await asyncio.sleep(1.0)
        busy_s = time.process_time() - before
        assert not running.done()
        device, heard = HubDevice(), []
        while not any(isinstance(e, HubEnd) for e in heard):
            heard += device.receive(await asyncio.to_thread(os.read, far_end, 65536), 0)
        return await running, heard, busy_s

    truth, heard, busy_s = asyncio.run(run())
    os.close(far_end)
    assert truth.samples_sent == 4000
    np.testing.assert_array_equal(values(heard, "sequence"), np.arange(4000))
    assert busy_s < 0.6


def test_a_hub_that_is_too_busy_to_listen_is_not_lost(cable, monkeypatch):
    ours, port = cable
    monkeypatch.setattr(serial_transport, "_WRITE_TIMEOUT_S", 0.05)

    async def talk() -> bytes:
        transport = SerialTransport(port)
        await transport.open()
        for _ in range(40):  # nobody reads the far end: the line is soon full
            await transport.send(b"x" * 1024)
        os.write(ours, b"still here")
        heard = b""
        async for chunk in transport.chunks():
            heard += chunk
            if len(heard) == len(b"still here"):
                await transport.close()
        return heard

    assert asyncio.run(talk()) == b"still here"


def test_a_port_may_be_closed_while_something_is_written(cable, monkeypatch):
    monkeypatch.setattr(serial_transport, "_WRITE_TIMEOUT_S", 60.0)
    _, path = cable

    async def conversation() -> None:
        transport = SerialTransport(path)
        await transport.open()
        # Nobody reads at the other end: the line is soon full, and the write waits.
        writing = asyncio.create_task(transport.send(bytes(1_000_000)))
        await asyncio.sleep(0.3)
        assert not writing.done()
        await transport.close()
        await writing
        with pytest.raises(TransportError, match="is not open"):
            await transport.send(b"late")

    asyncio.run(asyncio.wait_for(conversation(), 30.0))


def test_a_pulled_cable_is_an_error_that_names_the_port(cable):
    descriptor, path = cable

    async def run() -> None:
        running = asyncio.create_task(run_hub(hub_with(4000), descriptor))
        async with asyncio.timeout(10), opened(path) as transport:
            async for event in events(transport, HubDevice()):
                if isinstance(event, ImuBlock) and event.sequence[-1] > 20:
                    running.cancel()
                    await asyncio.gather(running, return_exceptions=True)
                    os.close(descriptor)
                    descriptor_closed.append(True)
                    break
            async for _ in events(transport, HubDevice()):
                assert descriptor_closed

    descriptor_closed: list[bool] = []
    with pytest.raises(TransportError, match=f"lost serial:{path}") as caught:
        asyncio.run(run())
    assert descriptor_closed
    assert caught.value.address == f"serial:{path}"
    assert "cable" in caught.value.hint


def test_a_reader_that_goes_away_ends_the_hub_with_a_summary():
    ours, theirs = os.openpty()
    hub = hub_with(4000)

    async def run() -> HubSummary:
        running = asyncio.create_task(run_hub(hub, ours))
        os.write(theirs, messages.encode_command(Kind.START) + b"\n")
        await asyncio.sleep(0.2)
        os.close(theirs)
        async with asyncio.timeout(5):
            return await running

    truth = asyncio.run(run())
    os.close(ours)
    assert truth.start_ns is not None
    assert 0 < truth.samples_sent < 4000


def test_a_busy_port_is_refused(cable):
    async def run() -> None:
        async with opened(cable[1]):
            await SerialTransport(cable[1]).open()

    with pytest.raises(TransportError, match=f"serial:{cable[1]} is busy"):
        asyncio.run(run())


def test_a_port_that_does_not_exist_is_named():
    transport = open_transport("serial:/dev/ttyNONE")
    with pytest.raises(TransportError, match="serial:/dev/ttyNONE does not exist") as caught:
        asyncio.run(transport.open())
    assert "imusic devices" in caught.value.hint


@pytest.mark.parametrize("name", ["notes.txt", "folder", os.devnull])
def test_what_is_not_a_serial_port_is_called_so(tmp_path, name):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder").mkdir()
    path = tmp_path / name
    with pytest.raises(TransportError, match=f"serial:{path} is not a serial port$") as caught:
        asyncio.run(SerialTransport(str(path)).open())
    assert "imusic devices" in caught.value.hint


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "permission denied"),
        (OSError("could not open port 'COM5': PermissionError(13, 'Access is denied.')"), "busy"),
        (OSError("could not open port 'COM9': FileNotFoundError(2, 'x')"), "does not exist"),
    ],
)
def test_refusals_that_cannot_be_staged_here_are_explained(error, message):
    explained = explain_open_error("COM5", error)
    assert isinstance(explained, TransportError)
    assert message in str(explained)
    assert explained.hint


@pytest.mark.parametrize("target", ["COM5,speed=9", "COM5,baud=", "COM5,baud=0", "COM5,baud=-9"])
def test_a_wrong_option_is_refused_with_an_example(target):
    with pytest.raises(ConfigError, match="expected the option baud=N") as caught:
        open_transport(f"serial:{target}")
    assert "baud=115200" in caught.value.hint


def test_the_baud_comes_from_the_url_or_else_from_the_argument():
    bauds = [
        SerialTransport("COM5").baud,
        SerialTransport("COM5", 9600).baud,
        SerialTransport("COM5,baud=115200", 9600).baud,
    ]
    assert bauds == [921_600, 9600, 115_200]


def test_a_silent_port_is_no_hub_and_was_asked_more_than_once(cable):
    with pytest.raises(DeviceNotFound, match=r"no sensor hub answered at .* within 1.2 s"):
        asyncio.run(listen(cable[1], timeout_s=1.2))
    assert os.read(cable[0], 4096) == 3 * messages.encode_command(Kind.HELLO)


def test_a_port_that_talks_nonsense_is_no_hub_and_the_hint_says_so(cable):
    async def run() -> None:
        async with opened(cable[1]) as transport:
            os.write(cable[0], b"AT+GMR\r\n" * 300)
            async for _ in events(transport, HubDevice(), timeout_s=0.3):
                continue

    with pytest.raises(DeviceNotFound) as caught:
        asyncio.run(run())
    assert caught.value.hint.startswith("2400 bytes arrived")


def test_a_hub_of_another_version_is_refused_by_name(cable):
    async def run() -> None:
        async with opened(cable[1]) as transport:
            os.write(cable[0], frames.encode(Kind.INFO, b"\x02"))
            async for _ in events(transport, HubDevice()):
                continue

    with pytest.raises(ProtocolError, match="protocol version 2, this host speaks version 1"):
        asyncio.run(run())


def test_a_lost_start_is_sent_again(cable):
    """The first command after INFO is swallowed; the quiet line makes the host ask again."""

    class Forgetful(SimulatedHub):
        swallowed = False

        def receive(self, data: bytes, elapsed_s: float = 0.0) -> bytes:
            answer = super().receive(data, elapsed_s)
            if self.running and not self.swallowed:
                self.running, self.swallowed = False, True
            return answer

    hub = Forgetful(*motion(60), FACE_12.names, HubOptions())
    truth, heard = converse(cable, hub)
    assert hub.swallowed
    assert truth.samples_sent == 60
    assert len(values(heard, "sequence")) == 60


def test_closing_ends_the_stream_without_an_error_and_may_be_done_twice(cable):
    async def run() -> list[HubEvent]:
        descriptor, path = cable
        running = asyncio.create_task(run_hub(hub_with(4000), descriptor))
        transport = SerialTransport(path)
        await transport.open()
        heard = []
        async for event in events(transport, HubDevice()):
            heard.append(event)
            if len(heard) == 20:
                await transport.close()
                await transport.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        with pytest.raises(TransportError, match="is not open"):
            await transport.send(b"x")
        return heard

    assert len(asyncio.run(run())) >= 20


def test_a_host_that_falls_behind_is_told_so(cable, monkeypatch):
    monkeypatch.setattr(arrivals, "MAX_BACKLOG", 1000)

    async def run() -> None:
        async with opened(cable[1]) as transport:
            await asyncio.to_thread(os.write, cable[0], bytes(3000))
            await asyncio.sleep(0.3)
            async for _ in transport.chunks():
                continue

    with pytest.raises(TransportError, match="overrun"):
        asyncio.run(run())


def test_a_stop_of_the_host_ends_the_stream_with_the_hubs_count(cable):
    async def listen_and_stop(path: str) -> list[HubEvent]:
        device, heard = HubDevice(), []
        async with opened(path) as transport:
            async for event in events(transport, device):
                heard.append(event)
                if isinstance(event, ImuBlock) and event.sequence[-1] >= 50:
                    device.stop()
        return heard

    async def run() -> tuple[HubSummary, list[HubEvent]]:
        descriptor, path = cable
        async with asyncio.timeout(10):
            return await asyncio.gather(run_hub(hub_with(4000), descriptor), listen_and_stop(path))

    truth, heard = asyncio.run(run())
    assert 50 < truth.samples_sent < 200
    assert heard[-1] == HubEnd(truth.samples_sent)
