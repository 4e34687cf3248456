"""A live face is re-zeroed, dressed and stopped by others, and its take remembers."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zmq

from capture.control_socket import ask
from capture.recording import read_recording
from capture.wire import TOPIC, decode, frame_from_message
from capture.wire_control import ControlRequest
from firmware_host.errors import TransportError
from firmware_host.layout import FACE_12
from firmware_host.rig import write_rig
from firmware_host.simulator import HubOptions, SimulatedHub
from model.checkpoint import load_checkpoint
from model.predict import predict_take
from tests.integration.hub_threads import played
from tests.integration.test_live_record import RATE_HZ, free_port, rig_at

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def still_hub(seconds: float) -> SimulatedHub:
    """Somebody at rest: every sensor turns a little, each in its own way."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    accel = np.zeros((len(time_s), len(FACE_12.slots), 3))
    accel[..., 1] = 9.81
    gyro = np.zeros_like(accel)
    slot = np.arange(len(FACE_12.slots))
    gyro[..., 0] = 0.03 * np.sin(2.1 * time_s[:, None] + slot)
    return SimulatedHub(time_s, accel, gyro, FACE_12.names, HubOptions(seed=1))


@pytest.fixture
def playing(cable):
    """A hub on the line, as long as it is wanted."""
    master, path = cable
    with played(still_hub(12.0), master):
        yield path


def when_it_answers(address, request, timeout_s=60.0):
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return ask(address, request, 5.0)
        except TransportError:
            assert time.monotonic() < deadline, "nobody ever answered"


def until_live(address):
    while when_it_answers(address, ControlRequest(verb="status")).status["state"] != "live":
        time.sleep(0.05)


def test_what_is_said_while_a_take_is_recorded_is_done_and_done_again_offline(playing, tmp_path):
    rig = rig_at(playing)
    write_rig(rig, tmp_path / "rig.toml")
    address = f"tcp://127.0.0.1:{free_port(socket.SOCK_STREAM)}"
    command = ["live", "--rig", "rig.toml", "--record", "takes", "--control", address, "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "imusic", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with zmq.Context() as context, context.socket(zmq.SUB) as sub:
            sub.set(zmq.SUBSCRIBE, TOPIC)
            sub.set(zmq.LINGER, 0)
            sub.connect(rig.publish.faces)
            until_live(address)
            time.sleep(1.0)  # a second of rest to look back at
            assert when_it_answers(address, ControlRequest(verb="rezero")).ok
            refused = when_it_answers(address, ControlRequest(verb="wearer", label="bob"))
            assert not refused.ok
            assert "no profile of 'bob'" in refused.error
            assert process.stdin is not None
            process.stdin.write("undo\n")
            process.stdin.flush()
            out, err = process.communicate(timeout=60)
            frames = []
            while sub.poll(200):
                frames.append(frame_from_message(decode(sub.recv())))
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "Traceback" not in err
    take = tmp_path / json.loads(out)["take"]
    done = [f["what"] for f in read_recording(take).health if f["kind"] == "adjust"]
    assert done == ["rezero", "undo"]
    offline = predict_take(take, load_checkpoint())
    _, here, there = np.intersect1d(
        [frame.time_ns for frame in frames], offline.host_ns, return_indices=True
    )
    assert len(here) > 200
    np.testing.assert_array_equal(
        np.stack([frame.weights for frame in frames])[here], offline.weights[there]
    )


def test_a_face_that_is_not_recorded_is_stopped_by_a_line(playing, tmp_path):
    write_rig(rig_at(playing), tmp_path / "rig.toml")
    process = subprocess.Popen(
        [sys.executable, "-m", "imusic", "live", "--rig", str(tmp_path / "rig.toml"), "--json"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, err = process.communicate("stop\n", timeout=60)
    assert process.returncode == 0, err
    assert "published" in json.loads(out)
