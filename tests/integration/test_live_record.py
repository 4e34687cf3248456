"""`imusic live --record` over a real pty, real UDP and real ZeroMQ: the face and its take."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import zmq

from capture.arkit_source import LiveLinkSender
from capture.blendshapes import INDEX
from capture.daemon import record
from capture.livelink import packet_at
from capture.recording import read_recording
from capture.wire import TOPIC, decode, frame_from_message
from firmware_host.errors import ConfigError
from firmware_host.layout import FACE_12
from firmware_host.rig import HubConfig, PhoneConfig, PublishConfig, Rig, SessionConfig, write_rig
from firmware_host.simulator import HubOptions, SimulatedHub, run_hub
from model.checkpoint import load_checkpoint
from model.live import live
from model.predict import predict_take

pytestmark = pytest.mark.integration

RATE_HZ = 200


def free_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def restless_hub(seconds: float) -> SimulatedHub:
    """Every sensor turns a little all the time, so that no stretch calibrates like another."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    accel = np.zeros((len(time_s), len(FACE_12.slots), 3))
    accel[..., 1] = 9.81
    slot = np.arange(len(FACE_12.slots))
    gyro = np.zeros_like(accel)
    gyro[..., 0] = 0.5 * np.sin(2.1 * time_s[:, None] + slot)
    gyro[..., 1] = 0.3 * time_s[:, None]
    return SimulatedHub(time_s, accel, gyro, FACE_12.names, HubOptions(seed=1))


def rig_at(path: str, phone: int | None = None) -> Rig:
    return Rig(
        hub=HubConfig(url=f"serial:{path}"),
        phone=None if phone is None else PhoneConfig(bind="127.0.0.1", port=phone),
        session=SessionConfig(rest_s=0.5, routine_s=0.5, lost_after_s=2.0),
        publish=PublishConfig(faces=f"tcp://127.0.0.1:{free_port(socket.SOCK_STREAM)}"),
    )


@contextmanager
def subscribed(rig: Rig) -> Iterator[zmq.Socket[Any]]:
    with zmq.Context() as context, context.socket(zmq.SUB) as sub:
        sub.set(zmq.SUBSCRIBE, TOPIC)
        sub.set(zmq.LINGER, 0)
        sub.connect(rig.publish.faces)
        yield sub


async def call_later(port: int, after_s: float) -> None:
    """A phone that is switched on late."""
    await asyncio.sleep(after_s)
    with LiveLinkSender("127.0.0.1", port) as sender:
        for frame in range(600):
            sender.send(packet_at(40_000.0 + frame / 60, np.zeros(52), np.zeros(3)))
            await asyncio.sleep(1 / 60)


def test_a_phone_that_comes_late_moves_the_opening_of_face_and_take_alike(cable, tmp_path: Path):
    master, path = cable
    phone = free_port(socket.SOCK_DGRAM)
    rig, checkpoint = rig_at(path, phone), load_checkpoint()

    async def play():
        hub = asyncio.create_task(run_hub(restless_hub(8.0), master))
        caller = asyncio.create_task(call_later(phone, 1.5))
        result = await live(rig, checkpoint, tmp_path)
        caller.cancel()
        await asyncio.gather(hub, caller, return_exceptions=True)
        return result

    with subscribed(rig) as sub:
        result = asyncio.run(play())
        frames = []
        while sub.poll(200):
            frames.append(frame_from_message(decode(sub.recv())))
    assert result.take is not None
    rest = result.take.take.segment("rest")
    assert rest is not None
    assert rest.start_s > 1.0
    offline = predict_take(result.take.folder, checkpoint)
    _, here, there = np.intersect1d(
        [frame.time_ns for frame in frames], offline.host_ns, return_indices=True
    )
    assert len(here) > 150
    confidence = np.array([frame.confidence for frame in frames])[here]
    np.testing.assert_array_equal(confidence, offline.confidence[there])
    assert confidence.max() == 1.0  # the last ticks may lie behind the last sample
    np.testing.assert_array_equal(
        np.stack([frame.weights for frame in frames])[here], offline.weights[there]
    )
    np.testing.assert_array_equal(
        np.stack([frame.quat_world_from_head for frame in frames])[here],
        offline.quat_world_from_head[there],
    )


async def show(port: int, jaw: float, stop: asyncio.Event) -> None:
    """A phone that sees the same face until it is told to stop."""
    weights = np.zeros(52)
    weights[INDEX["jawOpen"]] = jaw
    with LiveLinkSender("127.0.0.1", port) as sender:
        for frame in range(6000):
            sender.send(packet_at(40_000.0 + frame / 60, weights, np.zeros(3)))
            await asyncio.sleep(1 / 60)
            if stop.is_set():
                return


@pytest.mark.parametrize("recorded", [True, False])
def test_a_hybrid_face_is_the_phones_and_goes_on_without_it(cable, tmp_path: Path, recorded):
    master, path = cable
    phone = free_port(socket.SOCK_DGRAM)
    rig, checkpoint = rig_at(path, phone), load_checkpoint()
    covered = asyncio.Event()

    async def play():
        hub = asyncio.create_task(run_hub(restless_hub(8.0), master))
        shown = asyncio.create_task(show(phone, 0.75, covered))
        asyncio.get_running_loop().call_later(5.0, covered.set)
        result = await live(rig, checkpoint, tmp_path if recorded else None, hybrid=True)
        await asyncio.gather(hub, shown)
        return result

    with subscribed(rig) as sub:
        result = asyncio.run(play())
        frames = []
        while sub.poll(200):
            frames.append(frame_from_message(decode(sub.recv())))
    jaw = np.array([frame.weights[INDEX["jawOpen"]] for frame in frames])
    known = np.array([frame.shape_confidence[INDEX["jawOpen"]] for frame in frames])
    seen = known == 1.0
    assert seen.sum() > 100
    assert np.abs(jaw[seen] - 0.75).min() < 0.01
    lost = len(seen) - int(np.argmax(seen[::-1]))  # the first frame after the phone's last
    assert 0 < lost < len(seen)
    assert np.abs(np.diff(jaw[lost - 5 : lost + 5])).max() < 0.1
    if recorded:
        assert result.take is not None
        assert len(read_recording(result.take.folder).faces) > 100


def test_hybrid_wants_a_phone(cable):
    _, path = cable
    with pytest.raises(ConfigError, match="hybrid wants a phone, and the rig has no"):
        asyncio.run(live(rig_at(path), load_checkpoint(), hybrid=True))


@pytest.mark.parametrize("recorded", [True, False])
def test_live_stops_at_once_when_publishing_fails_and_closes_its_take(cable, tmp_path, recorded):
    master, path = cable
    takes = tmp_path / "takes"
    counted = []

    def loses_its_screen(counts):
        counted.append(counts.published)
        if len(counted) == 2:
            raise RuntimeError("the screen is gone")

    async def play():
        hub = asyncio.create_task(run_hub(restless_hub(30.0), master))
        began = time.monotonic()
        try:
            await live(
                rig_at(path), load_checkpoint(), takes if recorded else None, None, loses_its_screen
            )
        finally:
            took_s = time.monotonic() - began
            hub.cancel()
            await asyncio.gather(hub, return_exceptions=True)
            assert took_s < 10.0

    with pytest.raises(RuntimeError, match="the screen is gone"):
        asyncio.run(play())
    assert len(counted) == 2
    if recorded:
        recording = read_recording(takes / "take-001")
        assert recording.take.state == "complete"
        assert len(recording) > 100
        assert recording.health[-1]["reason"] == "stopped by the program that recorded it"


def test_a_replay_honours_its_duration_and_is_not_recorded_again(cable, tmp_path):
    master, path = cable
    checkpoint = load_checkpoint()

    async def play():
        hub = asyncio.create_task(run_hub(restless_hub(1.5), master))
        result = await record(Rig(hub=HubConfig(url=f"serial:{path}")), tmp_path)
        await hub
        return result.folder

    hub = HubConfig(url=f"replay:{asyncio.run(play())},speed=max")
    rig = msgspec.structs.replace(rig_at(path), hub=hub)
    for seconds in (0.5, 1.0):
        faces = asyncio.run(live(rig, checkpoint, None, seconds)).counts.published
        assert faces == pytest.approx(60 * seconds, abs=1)
    assert asyncio.run(live(rig, checkpoint)).counts.published == pytest.approx(90, abs=3)
    with pytest.raises(ConfigError, match="not recorded again"):
        asyncio.run(live(rig, checkpoint, tmp_path / "again"))
    assert not (tmp_path / "again").exists()


def test_a_replay_opens_where_its_take_does(cable, tmp_path):
    master, path = cable
    checkpoint = load_checkpoint()

    async def play():
        hub = asyncio.create_task(run_hub(restless_hub(2.0), master))
        result = await record(rig_at(path), tmp_path)
        await hub
        return result.folder

    folder = asyncio.run(play())
    confidence = predict_take(folder, checkpoint).confidence
    assert 0 < (confidence > 0).mean() < 1
    rig = msgspec.structs.replace(
        rig_at(path),
        hub=HubConfig(url=f"replay:{folder},speed=3"),
        session=SessionConfig(rest_s=1.5, routine_s=0.0),
    )
    with subscribed(rig) as sub:
        asyncio.run(live(rig, checkpoint))
        found = []
        while sub.poll(200):
            found.append(frame_from_message(decode(sub.recv())).confidence)
    assert len(found) > 60
    np.testing.assert_array_equal(found, confidence[-len(found) :])


def test_a_pulled_cable_ends_live_as_it_ends_record(tmp_path):
    """One line, the exit code of a lost device, and a take that is whole until then."""
    tty = pytest.importorskip("tty", reason="a pty needs POSIX")
    master, slave = os.openpty()
    tty.setraw(slave)
    write_rig(rig_at(os.ttyname(slave)), tmp_path / "rig.toml")
    command = [sys.executable, "-m", "imusic", "live", "--rig", tmp_path / "rig.toml"]
    process = subprocess.Popen(
        [*map(str, command), "--record", str(tmp_path / "takes"), "--json"],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    async def play():
        hub = asyncio.create_task(run_hub(restless_hub(60.0), master))
        for _ in range(2000):
            if (tmp_path / "takes" / "take-001" / "data.mcap").exists():
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        hub.cancel()
        await asyncio.gather(hub, return_exceptions=True)
        os.close(master)

    try:
        asyncio.run(play())
        out, err = process.communicate(timeout=30)
    finally:
        os.close(slave)
        process.kill()
    assert process.returncode == 3, err
    lines = err.splitlines()
    assert lines[0].startswith("imusic: hub: lost serial:")
    assert "check the cable" in lines[1]
    assert lines[-1] == "imusic: the hub was lost; the take is complete until then"
    assert json.loads(out)["take"] == str(tmp_path / "takes" / "take-001")
    assert len(read_recording(tmp_path / "takes" / "take-001")) > 0
