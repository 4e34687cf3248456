"""A recorder that stays and is controlled: real processes, real sockets, a hub on a pty."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from capture.control_socket import MAX_BYTES, ControlSocket, ask
from capture.keys import Guard, Ticket, new_keys, write_keys
from capture.operating import Command, Verb
from capture.record_options import Control
from capture.recording import read_recording
from capture.take import read_take
from capture.wire_control import (
    CONTROL_TOPIC,
    ControlReply,
    ControlRequest,
    decode_reply,
    decode_request,
    encode_control,
)
from firmware_host.errors import ProtocolError, TransportError
from firmware_host.rig import ControlConfig, HubConfig, Rig, SessionConfig, write_rig
from imusic.cli import main

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0

HUB = """
import asyncio, sys
import numpy as np
from firmware_host.layout import FACE_12
from firmware_host.simulator import HubOptions, SimulatedHub, run_hub
time_s = np.arange(200 * 300) / 200
accel = np.zeros((len(time_s), 12, 3)); accel[..., 1] = 9.81
while True:
    hub = SimulatedHub(time_s, accel, accel * 0, FACE_12.names, HubOptions(seed=2))
    asyncio.run(run_hub(hub, int(sys.argv[1])))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def served(cable, tmp_path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`imusic serve` beside a hub, and where it is controlled."""
    master, path = cable
    address = f"tcp://127.0.0.1:{free_port()}"
    rig = Rig(
        hub=HubConfig(url=f"serial:{path}"),
        name="studio",
        session=SessionConfig(rest_s=0.5, routine_s=0.0, simulated=True),
        control=ControlConfig(address=address),
    )
    write_rig(rig, tmp_path / "rig.toml")
    command = [sys.executable, "-m", "imusic", "serve", "--rig", str(tmp_path / "rig.toml")]
    hub = subprocess.Popen([sys.executable, "-c", HUB, str(master)], pass_fds=[master], cwd=ROOT)
    server = subprocess.Popen(
        [*command, "--out", str(tmp_path / "takes")], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        yield server, address
    finally:
        for child in (server, hub):
            child.kill()
            child.wait()
        if server.stderr is not None:
            server.stderr.close()


def tell(address: str, verb: str, label: str = "") -> ControlReply:
    return ask(address, ControlRequest(verb=verb, label=label), PATIENCE_S)


def status_when(address: str, condition) -> dict:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        status = tell(address, "status").status
        if condition(status):
            return status
        assert time.monotonic() < deadline, status
        time.sleep(0.05)


def test_a_day_on_a_set_by_remote_control(served, tmp_path):
    server, address = served
    status_when(address, lambda s: s["state"] == "ready")
    refused = tell(address, "slate", "../up")
    assert "is no name for takes" in refused.error
    assert tell(address, "slate", "scene").ok
    for number in (1, 2):
        status_when(address, lambda s: s["state"] == "ready")
        assert tell(address, "start").ok
        during = status_when(address, lambda s: s["elapsed_s"] > 0.3)
        assert during["devices"][0]["samples"] > 50
        assert not tell(address, "slate", "other").ok  # it has its name already
        assert tell(address, "mark", "good").ok
        assert tell(address, "stop").ok
        after = status_when(address, lambda s, done=number: s["takes"] == done)
        take = Path(after["last_take"])
        assert (take.name, after["last_end"]) == (f"scene-00{number}", "stopped by the operator")
        assert read_take(take).state == "complete"
        recording = read_recording(take)
        assert [label for _, label in recording.markers] == ["good"]
        assert len(recording) > 50
    status_when(address, lambda s: s["state"] == "ready")
    assert tell(address, "stop").ok  # before a take: the devices are let go
    status_when(address, lambda s: s["state"] == "idle")
    assert tell(address, "start").error == "not armed: nobody listens to the devices"
    assert tell(address, "arm").ok
    status_when(address, lambda s: s["state"] == "ready")
    assert tell(address, "start").ok
    status_when(address, lambda s: s["elapsed_s"] > 0.3)
    server.send_signal(signal.SIGTERM)  # as systemd does, or a computer that shuts down
    _, said = server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 0, said
    assert "3 takes" in said
    assert read_take(tmp_path / "takes/scene-003").state == "complete"


def test_the_command_tells_and_refuses_with_its_exit_codes(served, capsys):
    _, address = served
    status_when(address, lambda s: s["state"] == "ready")
    assert main(["ctl", "status", "--address", address, "--json", "--timeout", "60"]) == 0
    assert json.loads(capsys.readouterr().out)["status"]["rig"] == "studio"
    assert main(["ctl", "status", "--address", address, "--timeout", "60"]) == 0
    assert "state: ready" in capsys.readouterr().out
    assert main(["ctl", "slate", "a b", "--address", address, "--timeout", "60"]) == 1
    assert "is no name for takes" in capsys.readouterr().err
    assert main(["ctl", "fly", "--address", address]) == 2
    assert main(["ctl", "slate", "--address", address]) == 2


def test_nobody_there_is_one_line_and_a_hint(capsys):
    address = f"tcp://127.0.0.1:{free_port()}"
    assert main(["ctl", "status", "--address", address, "--timeout", "0.2"]) == 3
    said = capsys.readouterr().err
    assert f"nobody answers at {address}" in said
    assert "imusic serve" in said


class Obedient:
    """Takes commands as a recorder would."""

    def __init__(self, control: Control) -> None:
        self.taken: list[Command] = []
        self._control, self._over = control, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.wait(0.01):
            for command in self._control.take():
                self.taken.append(command)
                if command.answer is not None:
                    command.answer("" if command.verb is Verb.MARK else "not now")

    def __enter__(self) -> "Obedient":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def test_only_keys_on_the_list_control_it():
    control, ours, friend, stranger = Control(), new_keys(), new_keys(), new_keys()
    guard = Guard(ours, (friend.public,))
    mark = ControlRequest(verb="mark", label="x")
    with Obedient(control) as recorder, ControlSocket(control, dict, guard=guard) as link:
        assert ask(link.address, mark, 30.0, Ticket(friend, ours.public)).ok
        for ticket in (None, Ticket(stranger, ours.public), Ticket(friend, stranger.public)):
            with pytest.raises(TransportError, match="nobody answers"):
                ask(link.address, mark, 0.5, ticket)
        assert recorder.taken == [Command(Verb.MARK, "x")]


@pytest.mark.parametrize("place", ["tcp://0.0.0.0:5573", "tcp://*:5573", "tcp://192.168.1.2:5573"])
def test_an_address_that_others_reach_needs_keys_and_a_list(tmp_path, capsys, place):
    def served_with(control: ControlConfig) -> tuple[int, str]:
        rig = tmp_path / "rig.toml"
        write_rig(Rig(hub=HubConfig(url="tcp:127.0.0.1:1"), control=control), rig)
        code = main(["serve", "--rig", str(rig), "--out", str(tmp_path / "takes")])
        return code, capsys.readouterr().err

    code, said = served_with(ControlConfig(address=place))
    assert code == 2
    assert "only who is on a list may control a recorder" in said
    assert "imusic keys" in said
    write_keys(tmp_path / "our.key", new_keys())
    code, said = served_with(ControlConfig(address=place, key_file=str(tmp_path / "our.key")))
    assert code == 2
    assert "control.key_file without control.allow: nobody could ask" in said


def test_whatever_is_sent_is_answered_or_dropped_and_the_next_is_served():
    control = Control()
    noise = np.random.default_rng(3)
    with Obedient(control), ControlSocket(control, lambda: {"state": "x"}) as link:
        wrong = [b"", b"start", CONTROL_TOPIC, CONTROL_TOPIC + b"\xc1", CONTROL_TOPIC + b"\x80"]
        wrong += [CONTROL_TOPIC + noise.bytes(int(n)) for n in noise.integers(1, 200, 50)]
        wrong += [CONTROL_TOPIC + b"\x82\xa4verb\xa5start\xa5extra\x01"]
        with zmq.Context() as context:
            for data in wrong:
                with context.socket(zmq.REQ) as asking:
                    asking.set(zmq.LINGER, 0)
                    asking.set(zmq.RCVTIMEO, 30_000)
                    asking.connect(link.address)
                    asking.send(data)
                    assert not decode_reply(asking.recv()).ok
            with context.socket(zmq.REQ) as flooding:
                flooding.set(zmq.LINGER, 0)
                flooding.connect(link.address)
                flooding.send(bytes(MAX_BYTES + 1))
                assert not flooding.poll(200)
        assert tell(link.address, "mark").ok
        refused = tell(link.address, "start")
        assert (refused.ok, refused.error) == (False, "not now")
        assert refused.status == {"state": "x"}


def test_the_example_of_the_docs_is_what_is_sent():
    data = encode_control(ControlRequest(verb="mark", label="good"))
    assert data == b"control/1 \x82\xa4verb\xa4mark\xa5label\xa4good"
    assert decode_request(data) == ControlRequest(verb="mark", label="good")
    with pytest.raises(ProtocolError):
        decode_request(b"control/2 " + data[10:])


def test_the_unit_for_systemd_calls_what_there_is(capsys):
    text = (ROOT / "docs/systemd/imusic.service").read_text("utf-8")
    (line,) = re.findall(r"^ExecStart=\S+/imusic (.*)$", text, re.M)
    verb, *words = line.split()
    assert main([verb, "--help"]) == 0
    told = capsys.readouterr().out
    assert all(word in told for word in words if word.startswith("--"))
    assert "KillSignal=SIGINT" in text
