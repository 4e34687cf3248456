"""A face driven by two devices: live says what `imusic predict` says of the take, gaps and all."""

import asyncio
import socket

import msgspec
import numpy as np
import pytest
import zmq

from capture.recording import read_recording
from capture.wire import TOPIC, decode, frame_from_message
from firmware_host.errors import ConfigError
from firmware_host.rig import HubConfig, PublishConfig, Rig
from firmware_host.virtual.lines import on_cable
from model.checkpoint import load_checkpoint
from model.live import live
from model.predict import predict_take
from tests.integration.rigs import BONE, LEFT, RIGHT, device, free_port, hub, rig_of, run, witmotion

pytestmark = pytest.mark.integration
pytest.importorskip("serial")
pytest.importorskip("tty", reason="a pty needs POSIX")


def publishing() -> PublishConfig:
    return PublishConfig(faces=f"tcp://127.0.0.1:{free_port(socket.SOCK_STREAM)}")


def frames_of(sub: zmq.Socket) -> list:
    found = []
    while sub.poll(200):
        found.append(frame_from_message(decode(sub.recv())))
    return found


def same_faces(frames, offline) -> int:
    """How many ticks both have; they agree in every one."""
    _, here, there = np.intersect1d([f.time_ns for f in frames], offline.host_ns, True, True)
    for name in ("confidence", "weights", "quat_world_from_head"):
        ours = np.stack([np.float32(getattr(frame, name)) for frame in frames])[here]
        np.testing.assert_array_equal(ours, getattr(offline, name)[there])
    return len(here)


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    """(rig, frames heard, folder of the take) of two devices, one of which was away for a while."""
    tmp = tmp_path_factory.mktemp("rig")
    told = []

    async def play(rig):
        async with (
            on_cable(witmotion(60.0, 1), tmp / "a") as cable,
            on_cable(hub(4.0, (BONE, RIGHT), seed=3, drift_ppm=40.0), tmp / "b"),
        ):
            driving = asyncio.create_task(
                live(rig, load_checkpoint(), tmp / "takes", on_notice=lambda n: told.append(n.text))
            )
            while not (tmp / "takes/take-001").is_dir():
                await asyncio.sleep(0.05)
                if driving.done():
                    driving.result()
            await asyncio.sleep(1.5)
            cable.pull()
            await asyncio.sleep(0.7)
            cable.plug()
            return await driving

    rig = rig_of(
        device("left", f"serial:{tmp}/a", LEFT),
        device("bone", f"serial:{tmp}/b", BONE, RIGHT, kind="hub"),
        publish=publishing(),
    )
    with zmq.Context() as context, context.socket(zmq.SUB) as sub:
        sub.set(zmq.SUBSCRIBE, TOPIC)
        sub.set(zmq.LINGER, 0)
        sub.connect(rig.publish.faces)
        result = run(play(rig))
        frames = frames_of(sub)
    assert any("back after" in text for text in told), told
    return frames, result.take.folder


def test_the_face_of_two_devices_is_that_of_their_take(driven):
    frames, folder = driven
    offline = predict_take(folder, load_checkpoint())
    assert same_faces(frames, offline) > 150
    shares = {round(11 * float(confidence)) for confidence in offline.confidence}
    assert shares == {0, 1, 2}  # slots heard, of eleven on the face


def test_a_replay_of_two_devices_is_their_take_again(driven):
    _, folder = driven
    recording = read_recording(folder)
    assert [track.name for track in recording.tracks] == ["left", "bone"]
    rig = Rig(hub=HubConfig(url=f"replay:{folder},speed=5"), publish=publishing())
    with zmq.Context() as context, context.socket(zmq.SUB) as sub:
        sub.set(zmq.SUBSCRIBE, TOPIC)
        sub.set(zmq.LINGER, 0)
        sub.connect(rig.publish.faces)
        counts = asyncio.run(live(rig, load_checkpoint())).counts
        frames = frames_of(sub)
    offline = predict_take(folder, load_checkpoint())
    assert counts.published == len(offline.host_ns)
    assert same_faces(frames, offline) > 0.8 * counts.published  # a subscriber joins late


def test_a_rig_without_the_reference_or_without_slots_drives_no_face(tmp_path):
    rig = rig_of(device("left", f"serial:{tmp_path}/a", LEFT))
    with pytest.raises(ConfigError, match="no device of the rig serves 'head_reference'"):
        asyncio.run(live(rig, load_checkpoint()))
    nameless = msgspec.structs.replace(rig, devices=(device("left", "serial:COM3"),))
    with pytest.raises(ConfigError, match="device 'left' has no slots") as caught:
        asyncio.run(live(nameless, load_checkpoint()))
    assert "imusic identify" in caught.value.hint
