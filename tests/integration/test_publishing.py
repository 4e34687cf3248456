"""Published over real sockets: who gets in, who is late, and what subscribers of others read."""

import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import zmq

from capture.blendshapes import INDEX, BlendshapeFrame
from capture.broadcast import Broadcast
from capture.keys import Guard, Ticket, new_keys
from capture.publisher import Publisher, subscribe
from capture.wire import decode, encode, message_from_frame
from capture.wire_status import (
    EVENT_TOPIC,
    STATUS_TOPIC,
    decode_event,
    decode_status,
)
from firmware_host.errors import TransportError
from firmware_host.rig import PublishConfig

pytestmark = pytest.mark.integration

SUBSCRIBERS = Path(__file__).parents[2] / "docs" / "subscribers"
ANYWHERE = "tcp://127.0.0.1:*"


def face(number, jaw_open=0.25):
    weights = np.zeros(52, np.float32)
    weights[INDEX["jawOpen"]] = jaw_open
    return encode(message_from_frame(BlendshapeFrame(number, weights), "desk", number, 0))


class Repeating:
    """Sends the same message a hundred times a second until closed."""

    def __init__(self, send, message):
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(send, message))
        self._thread.start()

    def _run(self, send, message):
        while not self._stop.wait(0.01):
            send(message)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def heard(address, timeout_s=20.0, **facts):
    return next(subscribe(address, timeout_s, **facts), None)


def test_who_is_on_the_list_hears_and_nobody_else():
    ours, friend, stranger = new_keys(), new_keys(), new_keys()
    with Publisher(ANYWHERE, Guard(ours, (friend.public,))) as publisher:
        with Repeating(publisher.send, face(1)):
            got = heard(publisher.address, ticket=Ticket(friend, ours.public))
            assert got == face(1)
            for ticket in (None, Ticket(stranger, ours.public), Ticket(friend, stranger.public)):
                assert heard(publisher.address, 1.0, ticket=ticket) is None


def test_a_slow_viewer_gets_the_newest_face_and_a_recorder_all():
    with Publisher(ANYWHERE) as publisher:
        viewer = subscribe(publisher.address, 20.0, newest_only=True)
        recorder = subscribe(publisher.address, 20.0)
        with Repeating(publisher.send, face(0)):
            assert next(viewer)
            assert next(recorder)
        for number in range(1, 101):
            publisher.send(face(number))
        numbers = [0]
        while numbers[-1] != 100:
            numbers.append(decode(next(recorder)).sequence)
        assert numbers[-100:] == list(range(1, 101))
        seen = [0]
        while seen[-1] != 100:  # its own thread may still be at an older face when we ask
            seen.append(decode(next(viewer)).sequence)
        assert len(seen) < 50


def test_a_subscriber_heals_when_the_publisher_comes_back():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    messages = subscribe(address, 30.0)
    for number in (1, 2):
        with Publisher(address) as publisher, Repeating(publisher.send, face(number)):
            while decode(next(messages)).sequence != number:
                pass


def tell(out):
    out.status(state="live", faces=3, slots=("mentalis",))


def test_each_stream_has_a_socket_of_its_own():
    ports = []
    for _ in range(3):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(f"tcp://127.0.0.1:{probe.getsockname()[1]}")
    publish = PublishConfig(faces=ports[0], status=ports[1], events=ports[2])
    with Broadcast("desk", publish) as out:
        with Repeating(lambda _: out.event("gap", samples=5), None):
            event = decode_event(heard(ports[2], topic=EVENT_TOPIC))
        with Repeating(tell, out):  # goes out once a second, however often it is said
            statuses = subscribe(ports[1], 20.0, topic=STATUS_TOPIC)
            first, second = decode_status(next(statuses)), decode_status(next(statuses))
        with Repeating(lambda _: out.face(BlendshapeFrame(5, np.zeros(52, np.float32))), None):
            got = decode(heard(ports[0]))
    assert (event.source, event.kind, event.facts) == ("desk", "gap", {"samples": 5})
    assert (first.state, first.faces, first.slots) == ("live", 3, ("mentalis",))
    assert second.sequence == first.sequence + 1
    assert second.time_ns - first.time_ns >= 1_000_000_000
    assert got.source == "desk"


def test_a_taken_address_is_refused_and_the_others_are_let_go():
    with Publisher(ANYWHERE) as other, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        probe.close()
        with pytest.raises(TransportError, match="cannot publish"):
            Broadcast("desk", PublishConfig(faces=free, status=other.address))
        Publisher(free).close()


# The ten-line subscribers of docs/wire.md.


def runs(command, tmp_path, **environment):
    """What a subscriber prints first, while a face is published."""
    import os

    with Publisher(ANYWHERE) as publisher, Repeating(publisher.send, face(7)):
        child = subprocess.Popen(
            [*command, publisher.address],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        try:
            assert child.stdout is not None
            return child.stdout.readline().strip()
        finally:
            child.kill()
            child.wait()
            child.stdout.close()


def test_the_subscriber_in_python_reads_a_face(tmp_path):
    shown = runs([sys.executable, str(SUBSCRIBERS / "subscriber.py")], tmp_path)
    assert shown == "desk 7 0.250"


def test_the_subscriber_in_javascript_reads_a_face(tmp_path):
    node = shutil.which("node")
    if node is None or not (SUBSCRIBERS / "node_modules" / "zeromq").is_dir():
        pytest.skip("needs node, and npm install --prefix docs/subscribers")
    assert runs([node, str(SUBSCRIBERS / "subscriber.mjs")], tmp_path) == "desk 7 0.250"


def test_the_subscriber_in_c_sharp_reads_a_face(tmp_path):
    compiler, mono = shutil.which("mcs"), shutil.which("mono")
    library = next(Path(zmq.__file__).parents[1].glob("pyzmq.libs/libzmq-*.so*"), None)
    if compiler is None or mono is None or library is None:
        pytest.skip("needs mcs and mono (Debian: mono-mcs), and a pyzmq that brings libzmq")
    program = tmp_path / "Subscriber.exe"
    subprocess.run(
        [compiler, "-warnaserror", f"-out:{program}", str(SUBSCRIBERS / "Subscriber.cs")],
        check=True,
    )
    for brought in library.parent.iterdir():  # libzmq, and the libsodium that it needs
        shutil.copy(brought, tmp_path)
    shutil.copy(library, tmp_path / "libzmq.so")
    assert runs([mono, str(program)], tmp_path, LD_LIBRARY_PATH=str(tmp_path)) == "desk 7 0.250"
