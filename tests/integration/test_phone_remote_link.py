"""The remote control against a simulated phone that speaks the same OSC over real UDP."""

import asyncio
import hashlib
import time

import pytest
from pythonosc.udp_client import SimpleUDPClient

from capture.phone_remote import Condition, Lost, Reached, Started, Stopped
from capture.phone_remote_link import PhoneRemoteLink
from capture.simulated_remote import SimulatedRemote
from firmware_host.errors import TransportError

pytestmark = pytest.mark.integration


async def until(condition, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("deaf", [0, 1])
def test_a_phone_records_with_our_slate_and_number_and_says_where(deaf):
    """Also where the first of every message is lost on the way."""
    events = []

    async def play():
        async with SimulatedRemote(deaf=deaf) as phone:
            link = PhoneRemoteLink(phone.address, on_event=lambda e, _: events.append(e))
            async with link:
                await until(lambda: link.remote.condition.thermal is not None)
                link.start("scene", 12)
                await until(lambda: phone.recording == ("scene", 12))
                await until(lambda: any(isinstance(e, Started) for e in events))
                return await link.stop(10.0), phone.recording

    stopped, recording = asyncio.run(play())
    assert recording is None
    assert stopped.csv == "20250101_scene_12/scene_12_phone.csv"
    kinds = [type(event) for event in events]
    assert kinds[0] is Reached
    assert kinds[-2:] == [Started, Stopped]
    assert Condition(pytest.approx(0.8), 0) in events


def test_a_phone_sends_its_file_which_appears_when_it_is_whole(tmp_path):
    content = b"Timecode,BlendShapeCount\n" * 20_000

    async def play():
        async with SimulatedRemote(content=content) as phone:
            async with PhoneRemoteLink(phone.address) as link:
                await until(lambda: link.remote.answers)
                return await link.fetch("a/b.csv", tmp_path / "phone.csv")

    digest = asyncio.run(play())
    assert (tmp_path / "phone.csv").read_bytes() == content
    assert digest == hashlib.sha256(content).hexdigest()
    assert [p.name for p in tmp_path.iterdir()] == ["phone.csv"]


def test_a_file_that_does_not_come_or_is_cut_off_leaves_nothing(tmp_path):
    async def cut(to: str, path: str) -> None:
        host, _, port = to.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write((1000).to_bytes(4, "big") + b"short")
        await writer.drain()
        writer.close()

    async def play(spoil):
        async with SimulatedRemote() as phone:
            spoil(phone)
            async with PhoneRemoteLink(phone.address) as link:
                await until(lambda: link.remote.answers or not phone.is_active)
                await link.fetch("a/b.csv", tmp_path / "phone.csv", timeout_s=0.5)

    with pytest.raises(TransportError, match="995 bytes are missing"):
        asyncio.run(play(lambda phone: setattr(phone, "_transport", cut)))
    with pytest.raises(TransportError, match="it took too long") as caught:
        asyncio.run(play(lambda phone: setattr(phone, "is_active", False)))
    assert "imusic import livelink" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_an_app_that_leaves_and_comes_back_is_noticed_and_stopped_after_all():
    events = []

    async def play():
        async with SimulatedRemote() as phone:
            link = PhoneRemoteLink(phone.address, on_event=lambda e, _: events.append(e))
            async with link:
                await until(lambda: link.remote.answers)
                link.start("scene", 1)
                await until(lambda: phone.recording is not None)
                phone.deactivate()
                await until(lambda: any(isinstance(e, Lost) for e in events))
                stopping = asyncio.create_task(link.stop(20.0))
                await asyncio.sleep(0.1)
                phone.activate()
                return await stopping

    assert isinstance(asyncio.run(play()), Stopped)


def test_a_phone_that_never_answers_gives_nothing_and_the_wait_ends():
    async def play():
        async with SimulatedRemote(deaf=10_000) as phone:
            async with PhoneRemoteLink(phone.address) as link:
                link.start("scene", 1)
                return await link.stop(0.3), link.remote.warnings(time.monotonic_ns())

    stopped, warnings = asyncio.run(play())
    assert stopped is None
    assert warnings == ("the phone does not answer",)


def test_faces_are_sent_to_us_without_typing_an_address_on_the_phone():
    targets = []

    async def play():
        async with SimulatedRemote(on_target=targets.append) as phone:
            async with PhoneRemoteLink(phone.address, stream_port=11111) as link:
                await until(lambda: link.remote.answers)

    asyncio.run(play())
    assert targets[0] == ("127.0.0.1", 11111)


def test_another_librarys_messages_are_understood():
    """python-osc plays the operator of another remote control."""

    async def play():
        async with SimulatedRemote() as phone:
            with SimpleUDPClient(*phone.address) as client:
                client.send_message("/RecordStart", ["scene", 4])
            await until(lambda: phone.recording == ("scene", 4))

    asyncio.run(play())
