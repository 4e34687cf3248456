"""The console: its sockets, its process, and its page in a real browser."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import islice
from typing import Any

import cv2
import numpy as np
import pytest

from capture.blendshapes import INDEX
from capture.control_socket import ask
from capture.guide_run import Stage, View
from capture.guided import Step, read_script
from capture.meters import DeviceStatus
from capture.operating import Command, Verb
from capture.phone_faces import PhoneFace
from capture.publisher import subscribe
from capture.record_link import RecordLink
from capture.record_options import Control
from capture.record_status import Notice, RecordStatus
from capture.recorder import State
from capture.wire import decode
from capture.wire_control import ControlRequest
from capture.wire_record import RECORD_TOPIC, decode_record
from capture.wire_traces import TRACE_TOPIC, decode_trace
from firmware_host.layout import FACE_12
from firmware_host.rig import HubConfig, Rig
from firmware_host.samples import ImuBlock
from tests.integration.browsers import (
    DRAWN,
    PATIENCE_S,
    ROOT,
    child_of,
    free_port,
    opened_page,
    outside_of_pytest,
    require_browser,
    screenshot,
    wait_for_page,
    wait_until,
)

pytestmark = pytest.mark.integration


def block_at(number: int) -> ImuBlock:
    ticks = np.arange(3 * number, 3 * number + 3)
    gyro = np.full((3, 12, 3), 0.5 + 0.5 * np.sin(number / 9), np.float32)
    gyro *= np.linspace(0.1, 1.2, 12, dtype=np.float32)[:, None]
    return ImuBlock(ticks * 5000, ticks, gyro, gyro, time.monotonic_ns())


class Recording:
    """What a recorder would say, at real sockets, until the block ends."""

    def __init__(self) -> None:
        self.control = Control()
        self.link = RecordLink(
            Rig(hub=HubConfig(url="tcp:127.0.0.1:1"), name="studio"), self.control
        )
        self.obeyed: list[Command] = []
        self.hub_is_up = self.face_moves = True
        self.battery = 0.62
        self.step: Step | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        began, count = time.monotonic(), 0
        weights = np.zeros(52, np.float32)
        weights[[INDEX["jawOpen"], INDEX["mouthSmileLeft"]]] = 0.625, 0.5
        while not self._is_over.wait(1 / 60):
            if self.step is not None:
                self.link.guide(View(Stage.SHOWING, self.step, 3, 30, count / 60 % 8))
            if self.hub_is_up:
                self.link.event(block_at(count))
            if self.face_moves:
                self.link.face(PhoneFace(time.monotonic_ns(), count, weights))
            for command in self.control.take():
                self.obeyed.append(command)
                if command.answer is not None:
                    command.answer("")
            if count % 15 == 0:
                self.link.status(self._status(time.monotonic() - began))
            count += 1

    def _status(self, elapsed_s: float) -> RecordStatus:
        state = "up" if self.hub_is_up else "down"
        hub = DeviceStatus("hub", state, 9000, 3, 0, 0, 200.0, 0.01, 0.002, (), self.battery)
        marks = sum(command.verb is Verb.MARK for command in self.obeyed)
        return RecordStatus(
            State.RECORDING, (), elapsed_s, 9, 12_300_000, 0, (hub,), marks=marks, left_s=7200.0
        )

    def pull_cable(self) -> None:
        self.link.notice(Notice("hub", "the port is gone", "plug it in again"))
        self.hub_is_up = False

    def __enter__(self) -> "Recording":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self.link.close()


@pytest.fixture
def recording() -> Iterator[Recording]:
    with Recording() as running:
        yield running


def test_a_recording_is_told_with_its_slots_and_notices(recording):
    recording.link.notice(Notice("hub", "back after 2 s", ""))
    for data in subscribe(recording.link.addresses[0], 10.0, topic=RECORD_TOPIC):
        message = decode_record(data)
        if message.notices:
            break
    assert message.source == "studio"
    assert message.devices[0].slots == FACE_12.names
    assert message.notices[0].text == "back after 2 s"
    assert not message.has_phone


def test_how_sensors_move_is_published_twenty_times_a_second(recording):
    stream = subscribe(recording.link.addresses[0], 30.0, topic=TRACE_TOPIC)
    first, *_, last = [decode_trace(message) for message in islice(stream, 10)]
    assert first.slots == FACE_12.names
    rates = np.frombuffer(last.rates, "<f4")
    assert rates[11] / rates[0] == pytest.approx(12.0, rel=0.01)
    assert last.sequence - first.sequence == 9
    assert (last.unix_ns - first.unix_ns) / 1e9 >= 0.4  # no more than eyes can follow


def test_what_the_phone_sees_is_published(recording):
    message = decode(next(subscribe(recording.link.addresses[1], 10.0)))
    weights = np.frombuffer(message.weights, "<f4")
    assert weights[INDEX["jawOpen"]] == pytest.approx(0.625)
    assert message.tracked


def asked(address: str, verb: str, label: str = "") -> bool:
    return ask(address, ControlRequest(verb=verb, label=label), 10.0).ok


def test_what_is_asked_is_obeyed(recording):
    control = recording.link.addresses[2]
    assert asked(control, "mark", "scene  two")
    assert asked(control, "stop")
    deadline = time.monotonic() + 10
    while len(recording.obeyed) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert recording.obeyed == [Command(Verb.MARK, "scene two"), Command(Verb.STOP)]


def test_closing_a_link_ends_its_thread_and_frees_its_ports():
    link = RecordLink(Rig(hub=HubConfig(url="tcp:127.0.0.1:1")), Control())
    port = int(link.addresses[2].rpartition(":")[2])
    link.close()
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind(("127.0.0.1", port))
    assert all(thread.name != "control" for thread in threading.enumerate())


@contextlib.contextmanager
def served(recording: Recording) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a console of that recording, and the process that it is."""
    port = free_port()
    record, faces, control = recording.link.addresses
    told = ("--record", record, "--faces", faces, "--control", control)
    with child_of("console", "--port", port, *told) as child:
        wait_for_page(f"http://127.0.0.1:{port}", child)
        yield f"http://127.0.0.1:{port}", child


@pytest.fixture
def page(recording: Recording) -> Iterator[Any]:
    """The console in headless Chromium."""
    require_browser()
    with served(recording) as (url, _), opened_page(url) as opened:
        yield opened


@pytest.mark.slow
def test_the_page_shows_the_face_obeys_clicks_and_says_when_a_cable_is_pulled(
    page, recording, tmp_path
):
    page.wait_for_function(f"{DRAWN} > 3")
    # Always waits: a page that found its server busy loads itself again.
    page.wait_for_function("document.querySelector('canvas')?.dataset.jaw === '0.625'")
    page.wait_for_function("document.body.innerText.includes('200 Hz')")
    page.wait_for_function("Number(document.querySelector('[data-heard]')?.dataset.heard) > 20")
    page.wait_for_function("document.querySelector('canvas')?.dataset.charges?.includes('0.62')")
    # Twelve slots, and the hub itself.
    page.wait_for_function("document.body.innerText.split('62 %').length === 14")
    page.get_by_text("Mark", exact=True).click()
    page.wait_for_function("document.body.innerText.includes('1 marker')")
    assert recording.obeyed == [Command(Verb.MARK)]
    recording.step = read_script("enrol").steps[3]
    page.get_by_text(recording.step.prompt).wait_for()
    page.get_by_text("Skip", exact=True).click()
    page.wait_for_function("document.body.innerText.includes('3 of 30')")
    wait_until(lambda: Command(Verb.SKIP) in recording.obeyed)
    screenshot(page, tmp_path / "guided.png")
    recording.step = None
    page.get_by_text("3 of 30").wait_for(state="hidden")
    recording.face_moves = False  # a browser that draws on the processor has none left for us
    before = screenshot(page, tmp_path / "before.png")
    recording.pull_cable()
    page.wait_for_function("document.body.innerText.includes('plug it in again')")
    page.wait_for_function("document.querySelector('[data-heard]')?.dataset.silent === '12'")
    after = screenshot(page, tmp_path / "after.png")
    # A face is there: the skin of our head, and not the white of the card.
    head = before[100:540, 380:680].astype(int)
    skin = (head[..., 2] - head[..., 0] > 25) & (head[..., 2] > 90)
    assert skin.mean() > 0.1
    orange = np.abs(after.astype(int) - (0, 94, 213)).max(axis=2) < 12
    assert orange.sum() > 150 + (np.abs(before.astype(int) - (0, 94, 213)).max(axis=2) < 12).sum()


HIDDEN_NAME = """
const known = WebGL2RenderingContext.prototype.getExtension;
WebGL2RenderingContext.prototype.getExtension = function (name) {
  return name === "WEBGL_debug_renderer_info" ? null : known.call(this, name);
};
"""


@pytest.mark.slow
def test_a_face_is_the_same_whoever_morphs_it(recording, tmp_path):
    """Without a GPU the page morphs by itself; a page that is not told so leaves it to WebGL."""
    require_browser()
    seen = {}
    with served(recording) as (url, _), opened_page("about:blank") as page:
        for script, by in (("", "program"), (HIDDEN_NAME, "gpu")):
            page.add_init_script(script)
            page.goto(url, wait_until="domcontentloaded")
            page.wait_for_function(f"{DRAWN} > 3")
            page.wait_for_function("document.querySelector('canvas')?.dataset.jaw === '0.625'")
            if page.evaluate("document.querySelector('canvas').dataset.by") != by:
                pytest.skip("here is a GPU, which morphs either way")
            page.locator("canvas").first.screenshot(path=tmp_path / f"{by}.png")
            seen[by] = cv2.imread(str(tmp_path / f"{by}.png")).astype(int)
    assert (seen["gpu"][..., 2] - seen["gpu"][..., 0] > 25).mean() > 0.1  # skin
    apart = np.abs(seen["program"] - seen["gpu"]).max(axis=2)
    assert (apart > 60).mean() < 0.02  # edges: one of the two smooths them


@pytest.mark.skipif(sys.platform == "win32", reason="a process is frozen by a signal")
def test_a_console_that_is_frozen_slows_nobody(recording):
    pytest.importorskip("nicegui", reason="the console needs NiceGUI")
    with served(recording) as (_, console):
        os.kill(console.pid, signal.SIGSTOP)
        try:
            # More than any queue between the two holds.
            stream = subscribe(recording.link.addresses[1], 30.0)
            heard = [decode(message) for message in islice(stream, 400)]
            first, last = heard[0], heard[-1]
            assert last.sequence - first.sequence == 399  # none was lost on the way to others
            assert asked(recording.link.addresses[2], "mark", "still here")
        finally:
            os.kill(console.pid, signal.SIGCONT)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a signal")
def test_a_recording_brings_its_console_along_and_takes_it_away(tmp_path):
    pytest.importorskip("nicegui", reason="the console needs NiceGUI")
    hub, port = free_port(), free_port()
    rig = tmp_path / "rig.toml"
    rig.write_text(f'name = "studio"\n[hub]\nurl = "tcp:127.0.0.1:{hub}"\n', "utf-8")
    command = [sys.executable, "-m", "imusic", "record", "--rig", str(rig), "--out", str(tmp_path)]
    child = subprocess.Popen(
        [*command, "--arm", "--console", "--console-port", str(port)],
        cwd=ROOT,
        env=outside_of_pytest(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        wait_for_page(f"http://127.0.0.1:{port}", child)
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=PATIENCE_S)
    finally:
        child.kill()
    assert f"http://127.0.0.1:{port}" in told.decode()
    assert b"Traceback" not in told
    assert child.returncode == 130
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=20)


def test_a_phone_needs_the_link_that_was_printed(recording):
    pytest.importorskip("nicegui", reason="the console needs NiceGUI")
    port = free_port()
    command = [sys.executable, "-u", "-m", "imusic", "console", "--port", str(port), "--phone"]
    child = subprocess.Popen(
        [*command, "--record", recording.link.addresses[0]],
        cwd=ROOT,
        env=outside_of_pytest(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        link = child.stdout.readline().strip()
        local = link.replace(link.split("//")[1].split(":")[0], "127.0.0.1")
        wait_for_page(local, child)
        with urllib.request.urlopen(local, timeout=60) as answer:
            assert b"imusic" in answer.read()
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60)
    finally:
        child.kill()
        child.communicate()


def test_a_console_needs_a_port_that_is_free(capsys):
    pytest.importorskip("nicegui", reason="the console needs NiceGUI")
    from imusic.cli import main

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["console", "--port", str(port)]) == 3
    assert f"port {port} is taken" in capsys.readouterr().err


def test_no_layout_of_that_name_is_one_line(capsys):
    from imusic.cli import main

    assert main(["console", "--layout", "face-99"]) == 2
    assert "expected face-12" in capsys.readouterr().err
