"""The viewer at a real socket."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import zmq

from capture.blendshapes import INDEX, BlendshapeFrame
from capture.head import standard_head
from capture.wire import encode, message_from_frame
from imusic.cli import main
from viz.desktop import Asked, Shown
from viz.feeds import FaceFeed, LiveFaces
from viz.scene import Image, Panel
from viz.signal import Signal
from viz.viewing import Outputs, Painter, first_state, watch

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]


@pytest.fixture
def published() -> Iterator[str]:
    """The address at which a smile with an open mouth is published, 100 times a second."""
    ending = threading.Event()
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        thread = threading.Thread(target=publish, args=(socket, ending))
        thread.start()
        yield f"tcp://127.0.0.1:{port}"
        ending.set()
        thread.join()


def publish(socket: zmq.Socket[bytes], ending: threading.Event) -> None:
    weights = np.zeros(52, np.float32)
    weights[[INDEX["jawOpen"], INDEX["mouthSmileLeft"]]] = 0.8
    sequence = 0
    while not ending.wait(0.01):
        frame = BlendshapeFrame(time.monotonic_ns(), weights)
        socket.send(encode(message_from_frame(frame, "test", sequence, time.time_ns())))
        sequence += 1


class Recorder:
    """A screen that remembers what it was shown, and closes after `count` faces."""

    def __init__(self, count: int, pause_s: float = 0.0) -> None:
        self.panels: list[Panel] = []
        self.count = count
        self.pause_s = pause_s
        self.closed = False

    def show(self, shown: Shown) -> bool:
        self.panels.append(shown.panels[0])
        time.sleep(self.pause_s)
        return len(self.panels) < self.count

    def asked(self) -> Asked:
        return Asked()

    def picture(self) -> Image:
        raise AssertionError("nobody asked for a picture")

    def close(self) -> None:
        self.closed = True


def watched(screen: Recorder, address: str, tmp_path: Path) -> Signal:
    """What was known of the stream when the screen closed."""
    faces = LiveFaces([address])
    outputs = Outputs(tmp_path, print)
    watch(screen, faces, first_state(faces), Painter(standard_head()), outputs, 10.0)
    return faces.signals[0]


def test_the_newest_face_is_shown_and_the_screen_closed(published, tmp_path):
    screen = Recorder(count=60)
    watched(screen, published, tmp_path)
    assert screen.closed
    assert len(screen.panels) == 60
    assert screen.panels[-1].weights[INDEX["jawOpen"]] == pytest.approx(0.8)
    assert screen.panels[-1].caption.startswith("test · ")


def test_a_slow_screen_sees_fresh_faces_and_counts_the_rest(published, tmp_path):
    screen = Recorder(count=10, pause_s=0.1)
    signal = watched(screen, published, tmp_path)
    assert signal.dropped > 30
    assert signal.newest is not None
    assert signal.shown + signal.dropped >= signal.received
    assert time.time_ns() - signal.newest.unix_ns < 1_000_000_000


def test_two_streams_stand_side_by_side_and_the_past_can_be_seen(published):
    faces = LiveFaces([published, "tcp://127.0.0.1:9"])
    try:
        began = time.monotonic()
        while faces.signals[0].received < 20 and time.monotonic() < began + 20:
            faces.wait(0.1)
        begin_s, end_s = faces.span(time.monotonic())
        assert began <= begin_s < end_s
        here, nobody = faces.faces(end_s)
        assert here.weights[INDEX["jawOpen"]] == pytest.approx(0.8)
        assert here.confidence == 1.0
        assert nobody.weights.max() == 0.0
        assert faces.faces(begin_s)[0] is not here
        assert faces.captions(end_s)[1] == "no signal"
    finally:
        faces.close()


def test_a_subscription_can_be_left_twice():
    feed = FaceFeed("tcp://127.0.0.1:1")
    feed.close()
    feed.close()
    with pytest.raises(zmq.ZMQError):  # nothing can be heard any more
        feed.wait(0.0)


def test_the_screenshot_shows_the_face_that_is_published(published, tmp_path, capsys):
    out = tmp_path / "face.png"
    view = ["view", "--headless", "--size", "128", "--address"]
    argv = [*view, published, "--seconds", "2", "--screenshot", str(out)]
    assert main(argv) == 0
    assert "faces received" in capsys.readouterr().err
    shown = cv2.imread(str(out))[:128].astype(int)
    lower_lip = shown[88:116, 48:80]
    assert lower_lip.min() < 70  # the dark of an open mouth


def test_nobody_publishing_is_an_error_with_a_hint(capsys):
    argv = ["view", "--address", "tcp://127.0.0.1:9", "--headless", "--seconds", "0.2"]
    assert main(argv) == 3
    message, hint = capsys.readouterr().err.splitlines()[-2:]
    assert "no face arrived from tcp://127.0.0.1:9 within 0.2 s" in message
    assert "imusic live" in hint


def test_an_address_that_is_none_is_refused(capsys):
    assert main(["view", "--address", "here", "--headless", "--seconds", "0.2"]) == 2
    assert "cannot subscribe to 'here'" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_no_display_is_an_error_with_a_hint():
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    environment = {key: value for key, value in os.environ.items() if key not in names}
    done = subprocess.run(
        [sys.executable, "-m", "imusic", "view", "--seconds", "1"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3
    message, hint = done.stderr.splitlines()
    assert message == "imusic: there is no display to open a window on"
    assert "--headless" in hint
