"""Phones of every app over real sockets: asked, heard, recorded, decoded again from the take."""

import asyncio
import contextlib
import socket
import time

import numpy as np
import pytest

from capture.blendshapes import MIRROR
from capture.daemon import record
from capture.phone_apps import APPS, decoder
from capture.phone_faces import PhoneFace
from capture.phone_source import PhoneSource
from capture.recording import read_recording
from capture.simulated_phone import SimulatedPhone
from capture.take import DATA_FILE
from firmware_host import mcap_chunks
from firmware_host.errors import TransportError
from firmware_host.layout import FACE_12
from firmware_host.rig import HubConfig, PhoneConfig, Rig, SessionConfig, rig_to_dict
from firmware_host.simulator import HubOptions, SimulatedHub, run_hub
from firmware_host.transports.replay import mapped

pytestmark = pytest.mark.integration

HERE = "127.0.0.1"
TEXT_APPS = ("ifacialmocap", "facemotion3d")


def free_port(kind: int = socket.SOCK_DGRAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


def frame(number: int) -> PhoneFace:
    rng = np.random.default_rng(number)
    turn = rng.uniform(-0.5, 0.5, (3, 3)).astype(np.float32)
    return PhoneFace(
        0,
        1_700_000_000_000_000_000 + number * 16_000_000,
        rng.uniform(0.1, 0.9, 52).astype(np.float32),
        turn[0],
        turn[1:],
        (number, 60, 1),
        sender="tester",
    )


@contextlib.asynccontextmanager
async def phone_and_config(app: str, transport: str = "udp", **changes):
    """A phone that is listening, and the part of the rig that finds it."""
    listen = free_port(socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM)
    async with SimulatedPhone(
        app,
        target=(HERE, listen) if APPS[app].request is None else None,
        tcp_port=listen,
        clock_ns=changes.pop("clock_ns", time.monotonic_ns),
    ) as phone:
        address = "" if APPS[app].request is None else f"{HERE}:{phone.address[1]}"
        facts = {"app": app, "bind": HERE, "port": listen, "address": address}
        yield phone, PhoneConfig(**(facts | {"transport": transport} | changes))


async def until(condition, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.01)


async def heard_of(phone: SimulatedPhone, source: PhoneSource, count: int) -> list[PhoneFace]:
    """Play `count` frames to a source once it is listened to, and decode what arrives."""
    read, found = decoder(source.config), []

    async def listen():
        async for data, arrival_ns in source:
            found.extend(read.receive(data, arrival_ns))

    listening = asyncio.create_task(listen())
    await until(lambda: phone.is_asked)
    for number in range(count):
        assert phone.send(frame(number)) > 0
        await asyncio.sleep(0.002)
    await until(lambda: len(found) >= count)
    listening.cancel()
    return found


@pytest.mark.parametrize(
    ("app", "transport"), [*((app, "udp") for app in APPS), *((app, "tcp") for app in TEXT_APPS)]
)
def test_frames_of_every_app_arrive(app, transport):
    async def play():
        async with phone_and_config(app, transport) as (phone, config):
            async with PhoneSource(config) as source:
                return await heard_of(phone, source, 20)

    found = asyncio.run(play())
    assert len(found) == 20
    for number, got in enumerate(found):
        assert isinstance(got, PhoneFace), got
        sent = frame(number)
        assert got.weights == pytest.approx(sent.weights, abs=0.0051)
        assert got.head_yaw_pitch_roll == pytest.approx(sent.head_yaw_pitch_roll, abs=1e-4)
        assert got.arrival_ns > 0


def test_vtube_studio_is_asked_again_and_forgets_who_does_not():
    now_ns = [0]

    async def play():
        async with phone_and_config("vtube-studio", clock_ns=lambda: now_ns[0]) as (phone, config):
            async with PhoneSource(config):
                await until(lambda: phone.is_asked)
                first = len(phone.asked)
                now_ns[0] += 6_000_000_000
                assert not phone.is_asked
                await until(lambda: len(phone.asked) > first)
                assert phone.is_asked
            now_ns[0] += 6_000_000_000
            assert not phone.is_asked

    asyncio.run(play())


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_text_app_is_asked_while_it_is_silent_and_told_when_it_is_over(transport):
    async def play():
        async with phone_and_config("facemotion3d", transport) as (phone, config):
            async with PhoneSource(config) as source:
                await until(lambda: phone.is_asked)
                await heard_of(phone, source, 3)
            await until(lambda: not phone.is_asked)
            return phone.asked

    asked = asyncio.run(play())
    assert asked[0].startswith(b"FACEMOTION3D_OtherStreaming")
    assert asked[-1] == b"StopStreaming_FACEMOTION3D"


def test_a_phone_that_hangs_up_is_asked_to_call_again():
    async def play():
        async with phone_and_config("ifacialmocap", "tcp") as (phone, config):
            async with PhoneSource(config) as source:
                await until(lambda: phone.is_asked)
                await heard_of(phone, source, 2)
                phone._hang_up()
                await until(lambda: phone.is_asked)
                return await heard_of(phone, source, 2)

    assert len(asyncio.run(play())) == 2


def test_only_the_phone_that_the_rig_names_is_heard():
    async def play():
        # Of this computer, but another address than the rig's phone has.
        config = PhoneConfig(app="livelink", bind=HERE, port=0, address="127.0.0.9")
        async with PhoneSource(config) as source:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                for _ in range(3):
                    stranger.sendto(b"\x06hello", (HERE, source.port))
            await until(lambda: source.strangers.get(HERE) == 3)
            return source._queue.qsize()

    assert asyncio.run(play()) == 0


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_port_that_is_taken_is_said_with_what_to_do(transport):
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind((HERE, 0))
        if transport == "tcp":
            other.listen()
        config = PhoneConfig(
            app="ifacialmocap",
            transport=transport,
            address=HERE,
            bind=HERE,
            port=other.getsockname()[1],
        )
        with pytest.raises(TransportError, match="cannot listen for the phone") as caught:
            asyncio.run(PhoneSource(config).open())
    assert "phone.port" in caught.value.hint


def test_an_address_nobody_knows_is_said():
    config = PhoneConfig(app="vtube-studio", address="no-such-phone.invalid", bind=HERE, port=0)
    with pytest.raises(TransportError, match="the name of the host is not known"):
        asyncio.run(PhoneSource(config).open())


def resting_hub(seconds: float) -> SimulatedHub:
    time_s = np.arange(round(seconds * 200)) / 200
    accel = np.zeros((len(time_s), 12, 3))
    accel[..., 1] = 9.81
    return SimulatedHub(time_s, accel, accel * 0, FACE_12.names, HubOptions(seed=1))


async def recorded(cable, out, app: str, transport: str = "udp", **changes):
    """A take of a hub and of forty frames of a phone, however long that takes."""
    master, path = cable
    stop = asyncio.Event()

    def on_status(status) -> None:
        if status.faces >= 40:
            stop.set()

    async with phone_and_config(app, transport, **changes) as (phone, config):
        rig = Rig(
            hub=HubConfig(url=f"serial:{path}"),
            phone=config,
            session=SessionConfig(rest_s=0.5, routine_s=0.5),
        )
        running = asyncio.create_task(run_hub(resting_hub(120.0), master))
        recording = asyncio.create_task(
            record(rig, out, stop_event=stop, on_status=on_status, start_timeout_s=60.0)
        )
        await until(lambda: phone.is_asked)
        number = 0
        while not recording.done():
            phone.send(frame(number))
            number += 1
            await asyncio.sleep(0.02)
        result = await recording
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert result is not None
        return result, rig


def raw_of_phone(folder) -> list[tuple[bytes, int]]:
    topics: dict[int, str] = {}
    with mapped(folder / DATA_FILE) as data:
        return [
            (bytes(record.payload), record.log_time_ns)
            for contents in mcap_chunks.chunks(data, "", "")
            for topic, record in mcap_chunks.records(contents, topics)
            if topic == "phone/raw"
        ]


@pytest.mark.parametrize(
    ("app", "transport"), [*((app, "udp") for app in APPS), ("ifacialmocap", "tcp")]
)
def test_a_take_of_any_app_can_be_decoded_again_from_its_bytes(cable, tmp_path, app, transport):
    result, rig = asyncio.run(recorded(cable, tmp_path, app, transport))
    faces = read_recording(result.folder).faces
    assert len(faces) >= 40
    assert faces.tracked.all()

    again = decoder(rig.phone)
    found = [f for data, at in raw_of_phone(result.folder) for f in again.receive(data, at)]
    assert len(found) == len(faces)
    assert np.array_equal([f.weights for f in found], faces.weights)
    assert np.array_equal([f.arrival_ns for f in found], faces.arrival_ns)
    assert np.array_equal([f.head_yaw_pitch_roll for f in found], faces.head_yaw_pitch_roll)

    recording = read_recording(result.folder)
    (told,) = [facts for facts in recording.health if facts["kind"] == "phone"]
    assert told["tells_time"] == APPS[app].tells_time
    assert told["sender"].startswith("tester") == (app == "livelink")
    assert recording.take.rig["phone"] == rig_to_dict(rig)["phone"]
    assert recording.take.rig["phone"]["app"] == app


def test_a_mirrored_app_is_recorded_as_such_and_turned_back(cable, tmp_path):
    result, _ = asyncio.run(recorded(cable, tmp_path, "vtube-studio", mirrored=True))
    recording = read_recording(result.folder)
    assert recording.take.rig["phone"]["mirrored"] is True
    sent = np.array([frame(n).weights for n in range(200)])
    for weights in recording.faces.weights:
        assert np.isclose(sent[:, MIRROR], weights, atol=1e-6).all(axis=1).sum() == 1


def test_an_app_without_a_clock_is_aligned_by_arrival_and_doubtful(cable, tmp_path):
    from capture import sync

    result, _ = asyncio.run(recorded(cable, tmp_path, "ifacialmocap"))
    alignment = sync.align(read_recording(result.folder))
    assert alignment.verdict == "doubtful"
    assert any("no time of its own" in note for note in alignment.notes)
