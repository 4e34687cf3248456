"""A viewer that hangs: whoever publishes does not notice, and others see every face."""

import os
import signal
import subprocess
import sys
import threading
import time
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from capture.blendshapes import BlendshapeFrame
from capture.publisher import Publisher, subscribe
from capture.wire import decode, encode, message_from_frame

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0
# Ten megabytes of messages: more than its queue and what the system buffers between the two hold.
MANY = 20_000


def message(number: int) -> bytes:
    frame = BlendshapeFrame(time.monotonic_ns(), np.full(52, 0.5, np.float32))
    return encode(message_from_frame(frame, "test", number, time.time_ns()))


def connections(address: str) -> int:
    """To a port of this computer that are established."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(port) and row[3] == "01" for row in rows)


@pytest.mark.skipif(sys.platform != "linux", reason="a process is frozen by a signal, and watched")
def test_a_viewer_that_is_frozen_slows_nobody():
    with Publisher("tcp://127.0.0.1:*") as out:
        command = [sys.executable, "-m", "imusic", "view", "--headless", "--size", "64"]
        viewer = subprocess.Popen(
            [*command, "--seconds", "600", "--address", out.address],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not connections(out.address):
                assert viewer.poll() is None, "the viewer ended"
                assert time.monotonic() < deadline, "the viewer did not connect"
                out.send(message(0))
                time.sleep(0.02)
            os.kill(viewer.pid, signal.SIGSTOP)
            sender = threading.Thread(
                target=lambda: [out.send(message(n)) for n in range(MANY)], daemon=True
            )
            sender.start()
            sender.join(PATIENCE_S)
            assert not sender.is_alive(), "the publisher waits for a viewer that hangs"
            assert others_see_every_face(out)
        finally:
            viewer.kill()
            viewer.wait()


def others_see_every_face(out: Publisher) -> bool:
    """Whether somebody else who listens now misses none of sixty in a row."""
    ending = threading.Event()

    def publish() -> None:
        number = MANY
        while not ending.wait(1 / 120):
            out.send(message(number))
            number += 1

    sender = threading.Thread(target=publish)
    sender.start()
    try:
        heard = [decode(data).sequence for data in islice(subscribe(out.address, 30.0), 60)]
    finally:
        ending.set()
        sender.join()
    return len(heard) == 60 and all(b == a + 1 for a, b in pairwise(heard))
