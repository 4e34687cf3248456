"""Movements too small for a camera, from a real serial line to a subscriber and into the take."""

import asyncio
import json

import msgspec
import numpy as np
import pytest
import zmq
from typer.testing import CliRunner

from capture.recording import read_recording
from capture.wire_minute import MINUTE_TOPIC, decode_minute
from firmware_host.layout import FACE_12
from firmware_host.simulator import HubOptions, SimulatedHub, run_hub
from model.checkpoint import load_checkpoint
from model.live import live
from model.minute_cli import app
from tests.integration.test_live_record import RATE_HZ, free_port, rig_at

pytestmark = pytest.mark.integration

SLOT = "zygomaticus_left"


def trembling_hub(seconds: float) -> SimulatedHub:
    """Everything is still, but for a second of trembling of one cheek."""
    rng = np.random.default_rng(3)
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    accel = rng.normal(0.0, 0.01, (len(time_s), len(FACE_12.slots), 3))
    accel[..., 1] += 9.81
    gyro = rng.normal(0.0, 0.002, accel.shape)
    moves = (time_s >= 4.0) & (time_s < 5.0)
    gyro[moves, FACE_12.names.index(SLOT), 0] += 0.05 * np.sin(2 * np.pi * 5 * time_s[moves])
    return SimulatedHub(time_s, accel, gyro, FACE_12.names, HubOptions(seed=1))


def test_a_tremor_is_published_recorded_and_found_again(cable, tmp_path):
    master, path = cable
    address = f"tcp://127.0.0.1:{free_port(1)}"
    rig = rig_at(path)
    rig = msgspec.structs.replace(
        rig,
        publish=msgspec.structs.replace(rig.publish, minute=address),
        session=msgspec.structs.replace(rig.session, rest_s=1.5, routine_s=0.0),
    )

    async def play():
        hub = asyncio.create_task(run_hub(trembling_hub(7.0), master))
        result = await live(rig, load_checkpoint(), tmp_path)
        await hub
        return result

    with zmq.Context() as context, context.socket(zmq.SUB) as sub:
        sub.set(zmq.SUBSCRIBE, MINUTE_TOPIC)
        sub.set(zmq.LINGER, 0)
        sub.connect(address)
        result = asyncio.run(play())
        told = []
        while sub.poll(200):
            told.append(decode_minute(sub.recv()))
    assert result.take is not None
    (message,) = told
    assert (message.slot, message.low_hz, message.visible) == (SLOT, 3.0, False)
    recording = read_recording(result.take.folder)
    after_s = (message.time_ns - int(recording.arrival_ns[0])) / 1e9
    assert after_s == pytest.approx(4.0, abs=0.4)
    (kept,) = [facts for facts in recording.health if facts["kind"] == "minute"]
    assert (kept["time_ns"], kept["slot"], kept["strength"]) == (
        message.time_ns,
        message.slot,
        message.strength,
    )
    # Listing a take asks nothing of the network, and finds the same.
    done = CliRunner().invoke(app, [str(result.take.folder), "--json"])
    assert done.exit_code == 0, done.output
    (again,) = json.loads(done.stdout)["events"]
    assert again["strength"] == pytest.approx(message.strength, rel=0.02)
    assert again["time_ns"] == pytest.approx(message.time_ns, abs=2e7)
