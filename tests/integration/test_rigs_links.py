"""Links of a rig one at a time: half open, moved to another address, shared ports, late ends."""

import asyncio
import socket

import pytest

from firmware_host import supervisor
from firmware_host.link_events import LinkDown, LinkUp, Refused
from firmware_host.samples import Gap, HubEnd, ImuBlock
from firmware_host.supervisor import LinkState, RigLinks
from firmware_host.virtual.lines import Cable, on_cable, on_tcp
from firmware_host.virtual.slimevr import run_tracker, still_tracker
from firmware_host.virtual.witmotion import VirtualWitMotion
from firmware_host.virtual.ximu3 import VirtualXimu3
from tests.integration.rigs import BONE, LEFT, device, free_port, hub, motion, run, witmotion

pytestmark = pytest.mark.integration
pytest.importorskip("serial")
pytest.importorskip("tty", reason="a pty needs POSIX")

MAC = "02:00:00:00:00:07"


class Heard:
    """What the links of a rig said."""

    def __init__(self, *devices) -> None:
        self.events: list = []
        self.links = RigLinks(devices, lambda _, event, __: self.events.append(event))

    @property
    def samples(self) -> int:
        return sum(len(event) for event in self.events if isinstance(event, ImuBlock))

    @property
    def ups_and_downs(self) -> list[type]:
        return [type(event) for event in self.events if isinstance(event, LinkUp | LinkDown)]

    async def until(self, is_so) -> None:
        while not is_so():
            self.links.check()
            await asyncio.sleep(0.01)


class Sleepy(VirtualWitMotion):
    """It falls asleep on the line, which stays open."""

    asleep = False

    def due(self, elapsed_s: float) -> bytes:
        said = super().due(elapsed_s)
        return b"" if self.asleep else said


def test_a_link_that_is_open_but_dead_is_opened_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "DEAD_S", 0.6)
    sensor = Sleepy(motion(60.0))

    async def play():
        async with on_cable(sensor, tmp_path / "a") as cable:
            heard = Heard(device("left", cable.url, LEFT))
            async with heard.links:
                await heard.until(lambda: heard.samples > 50)
                sensor.asleep = True
                await heard.until(lambda: LinkDown in heard.ups_and_downs)
                sensor.asleep = False
                count = heard.samples
                await heard.until(lambda: heard.samples > count + 50)
            return heard

    heard = run(play())
    down = next(event for event in heard.events if isinstance(event, LinkDown))
    assert "nothing came from serial:" in down.reason
    assert "power of the device" in down.hint
    assert heard.ups_and_downs[-1] is LinkUp


def test_a_hub_that_went_on_while_it_was_away_tells_how_much_was_lost(tmp_path):
    async def play():
        async with on_cable(hub(2.5, (BONE,), seed=3), tmp_path / "a") as cable:
            heard = Heard(device("bone", cable.url, BONE, kind="hub"))
            async with heard.links:
                await heard.until(lambda: heard.samples > 100)
                cable.pull()
                await heard.until(lambda: LinkDown in heard.ups_and_downs)
                await asyncio.sleep(0.5)
                cable.plug()
                await heard.until(lambda: heard.links.is_over)
            return heard

    heard = run(play())
    assert heard.links.links[0].state is LinkState.ENDED
    lost = sum(event.count for event in heard.events if isinstance(event, Gap))
    end = next(event for event in heard.events if isinstance(event, HubEnd))
    assert lost > 0
    assert heard.samples + lost == end.samples_sent == 500


def test_a_tracker_that_restarts_elsewhere_goes_on_and_another_one_is_no_matter():
    port = free_port(socket.SOCK_DGRAM)
    here = ("127.0.0.1", port)

    async def play():
        heard = Heard(device("a", f"udp:{port}", LEFT, kind="slimevr", id=MAC.lower()))
        async with heard.links:
            first = asyncio.create_task(run_tracker(still_tracker(MAC, 60.0), here))
            other = asyncio.create_task(run_tracker(still_tracker("02:00:00:00:00:09", 60.0), here))
            await heard.until(lambda: heard.samples > 50)
            first.cancel()
            count = heard.samples
            again = asyncio.create_task(run_tracker(still_tracker(MAC, 60.0), here))
            await heard.until(lambda: heard.samples > count + 50)
        for task in (other, again):
            task.cancel()
        await asyncio.gather(first, other, again, return_exceptions=True)
        return heard

    heard = run(play())
    assert heard.ups_and_downs == [LinkUp]
    ticks = [tick for e in heard.events if isinstance(e, ImuBlock) for tick in e.tick_us.tolist()]
    assert ticks == sorted(set(ticks))


def test_an_ximu3_sends_datagrams_to_a_port_and_strangers_are_ignored():
    port = free_port(socket.SOCK_DGRAM)

    async def send(sensor) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", port)
        )
        try:
            while True:
                if said := sensor.due(loop.time() - began):
                    transport.sendto(said)
                await asyncio.sleep(0.01)
        finally:
            transport.close()

    async def play():
        heard = Heard(device("bone", f"udp:127.0.0.1:{port}", BONE, kind="ximu3"))
        async with heard.links:
            await heard.until(lambda: heard.links.links[0]._transport is not None)
            ours = asyncio.create_task(send(VirtualXimu3(motion(60.0), binary=True)))
            await heard.until(lambda: heard.samples > 20)
            theirs = asyncio.create_task(send(VirtualXimu3(motion(60.0, seed=8))))
            await heard.until(lambda: heard.links.links[0]._transport.ignored > 20)
        for task in (ours, theirs):
            task.cancel()
        await asyncio.gather(ours, theirs, return_exceptions=True)
        return heard

    heard = run(play())
    assert heard.ups_and_downs == [LinkUp]
    felt = motion(60.0).gyro_rad_s
    for block in heard.events:
        if isinstance(block, ImuBlock):
            first = round((block.tick_us[0] - 0) / 10_000)
            assert abs(block.gyro_rad_s[0, 0, 0] - felt[first, 0]) < 1e-4  # never the stranger's


def test_a_tcp_device_that_closes_is_called_again():
    async def play():
        async with on_tcp(VirtualXimu3(motion(60.0), "0042")) as port:
            heard = Heard(device("bone", f"tcp:127.0.0.1:{port}", BONE, kind="ximu3", id="0042"))
            async with heard.links:
                await heard.until(lambda: heard.samples > 20)
                writer = heard.links.links[0]._transport._link[1]
                writer.transport.abort()
                count = heard.samples
                await heard.until(lambda: heard.samples > count + 20)
            return heard

    heard = run(play())
    assert heard.ups_and_downs == [LinkUp, LinkDown, LinkUp]


class Nameless(VirtualXimu3):
    """It does not answer ping."""

    def receive(self, data: bytes, elapsed_s: float = 0.0) -> bytes:
        return b""


def test_who_must_say_who_it_is_and_does_not_is_refused_and_nothing_of_it_is_used(monkeypatch):
    monkeypatch.setattr(supervisor, "NAMELESS_S", 0.4)

    async def play():
        async with on_tcp(Nameless(motion(60.0))) as port:
            heard = Heard(device("bone", f"tcp:127.0.0.1:{port}", BONE, kind="ximu3", id="0042"))
            async with heard.links:
                await heard.until(lambda: heard.links.links[0].state is LinkState.REFUSED)
            return heard

    heard = run(play())
    (refused,) = [event for event in heard.events if isinstance(event, Refused)]
    assert "does not say who it is, and it should be '0042'" in refused.reason
    assert "take the id out of rig.toml" in refused.hint
    assert heard.samples == 0
    assert sum(event.count for event in heard.events if isinstance(event, Gap)) > 20


def test_two_devices_on_ports_that_come_and_go_never_mix(tmp_path):
    """Both pulled at once and put back crosswise: each is refused until it is where it was."""

    async def play():
        async with (
            on_cable(hub(60.0, (LEFT,), seed=1, device_id="left-1"), tmp_path / "a") as one,
            on_cable(hub(60.0, (BONE,), seed=2, device_id="bone-1"), tmp_path / "b") as two,
        ):
            heard = Heard(
                device("left", one.url, LEFT, kind="hub"), device("bone", two.url, BONE, kind="hub")
            )
            async with heard.links:
                await heard.until(lambda: all(link.was_up for link in heard.links.links))
                swap(one, two)
                await heard.until(
                    lambda: all(link.state is LinkState.REFUSED for link in heard.links.links)
                )
                swap(one, two)
                await heard.until(
                    lambda: all(link.state is LinkState.UP for link in heard.links.links)
                )

    run(play())


def swap(one: Cable, two: Cable) -> None:
    for cable in (one, two):
        cable.pull()
    one.path, two.path = two.path, one.path
    for cable in (one, two):
        cable.plug()


def test_what_is_already_running_is_joined_in_its_middle(tmp_path):
    async def play():
        async with on_cable(witmotion(60.0), tmp_path / "a") as cable:
            await asyncio.sleep(0.5)  # nobody listens: what it said is gone
            heard = Heard(device("left", cable.url, LEFT))
            async with heard.links:
                await heard.until(lambda: heard.samples > 30)
            return heard

    assert run(play()).ups_and_downs == [LinkUp]
