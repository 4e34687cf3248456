"""Live driving goes on when the hub, the phone or a subscriber is killed and comes back."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zmq

from capture.arkit_source import LiveLinkSender
from capture.blendshapes import INDEX
from capture.livelink import packet_at
from capture.wire import TOPIC, decode, frame_from_message
from firmware_host.rig import HubConfig, PhoneConfig, PublishConfig, Rig, SessionConfig
from model.checkpoint import load_checkpoint
from model.live import live
from tests.integration.test_live_record import free_port

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
JAW = INDEX["jawOpen"]
LISTENER = """
import sys
from capture.publisher import subscribe
for data in subscribe(sys.argv[1], 60.0):
    print("heard", flush=True)
"""


class Programs:
    """Child processes that are killed without warning."""

    def __init__(self):
        self.running = []

    def start(self, *command, **more):
        child = subprocess.Popen([sys.executable, *map(str, command)], cwd=ROOT, text=True, **more)
        self.running.append(child)
        return child

    def kill(self, child):
        child.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        child.wait()


@pytest.fixture
def programs():
    started = Programs()
    yield started
    for child in started.running:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def hub(programs, port, folder, number):
    """A hub at a port of this computer, with a wearer of its own."""
    rig = folder / f"sim-{number}.toml"
    child = programs.start(
        *("-m", "imusic", "sim", "--hub", f"tcp:{port}", "--no-phone", "--seconds", "60"),
        *("--seed", number, "--rig", rig),
    )
    deadline = time.monotonic() + 90.0
    while not rig.is_file():  # written once it listens
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return child


class Ear:
    """The newest face, as a subscriber in this process gets it."""

    def __init__(self, address):
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.set(zmq.SUBSCRIBE, TOPIC)
        self._socket.set(zmq.LINGER, 0)
        self._socket.connect(address)

    async def until(self, wanted, timeout_s=90.0):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            while self._socket.poll(0):
                frame = frame_from_message(decode(self._socket.recv()))
                if wanted(frame):
                    return frame
            await asyncio.sleep(0.01)
        pytest.fail("it never came")

    def close(self):
        self._socket.close()
        self._context.term()


def rig_at(port, phone=None):
    return Rig(
        hub=HubConfig(url=f"tcp:127.0.0.1:{port}"),
        phone=None if phone is None else PhoneConfig(bind="127.0.0.1", port=phone),
        session=SessionConfig(rest_s=0.5, routine_s=0.0, lost_after_s=300.0),
        publish=PublishConfig(faces=f"tcp://127.0.0.1:{free_port(socket.SOCK_STREAM)}"),
    )


def play(rig, script, **more):
    """Run `script(ear)` while the face of `rig` is live."""

    async def run():
        ear = Ear(rig.publish.faces)
        driving = asyncio.create_task(live(rig, load_checkpoint(), **more))
        acting = asyncio.create_task(script(ear))
        try:
            await asyncio.wait({driving, acting}, return_when=asyncio.FIRST_COMPLETED)
            if driving.done():
                driving.result()
            await acting
        finally:
            for task in (driving, acting):
                task.cancel()
            await asyncio.gather(driving, acting, return_exceptions=True)
            ear.close()

    asyncio.run(run())


def test_a_hub_that_is_killed_and_comes_back_moves_the_face_again(programs, tmp_path):
    port = free_port(socket.SOCK_STREAM)
    first = hub(programs, port, tmp_path, 1)

    async def script(ear):
        await ear.until(lambda face: face.confidence > 0)
        programs.kill(first)
        await ear.until(lambda face: face.confidence == 0)
        await asyncio.to_thread(hub, programs, port, tmp_path, 2)
        await ear.until(lambda face: face.confidence > 0)

    play(rig_at(port), script)


def test_a_subscriber_that_is_killed_costs_nobody_anything_and_another_hears(programs, tmp_path):
    port = free_port(socket.SOCK_STREAM)
    hub(programs, port, tmp_path, 1)
    rig = rig_at(port)

    async def heard(child):
        await asyncio.to_thread(child.stdout.readline)

    async def script(ear):
        start = await ear.until(lambda face: face.confidence > 0)
        for _ in range(2):
            child = programs.start("-c", LISTENER, rig.publish.faces, stdout=subprocess.PIPE)
            await heard(child)
            programs.kill(child)
        frames = [start]
        for _ in range(120):
            frames.append(await ear.until(lambda _: True))
        ticks = np.diff([frame.time_ns for frame in frames[1:]])
        assert ticks.max() < 17_000_000  # none was left out for whoever is gone

    play(rig, script)


def test_a_phone_that_goes_and_comes_back_leads_the_hybrid_face_again(programs, tmp_path):
    port, phone = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
    hub(programs, port, tmp_path, 1)

    async def show(jaw):
        weights = np.zeros(52)
        weights[JAW] = jaw
        with LiveLinkSender("127.0.0.1", phone) as sender:
            for frame in range(100_000):
                sender.send(packet_at(40_000.0 + frame / 60, weights, np.zeros(3)))
                await asyncio.sleep(1 / 60)

    def seen(jaw):
        return lambda face: face.shape_confidence[JAW] == 1 and abs(face.weights[JAW] - jaw) < 0.02

    async def script(ear):
        for jaw in (0.7, 0.3):
            showing = asyncio.create_task(show(jaw))
            await ear.until(seen(jaw))
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)
            await ear.until(lambda face: face.shape_confidence[JAW] < 1)

    play(rig_at(port, phone), script, hybrid=True)
