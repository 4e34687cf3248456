"""`imusic drive` and `imusic live --sink` as a user runs them, in processes of their own."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from pythonosc.osc_bundle import OscBundle

from capture.blendshapes import INDEX, BlendshapeFrame
from capture.livelink_csv import write_livelink_csv
from capture.publisher import Publisher
from capture.tracks import read_track
from capture.wire import encode, message_from_frame

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def imusic(*arguments, timeout_s=120.0):
    return subprocess.run(
        [sys.executable, "-m", "imusic", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.fixture
def program():
    """A socket of a program that shows faces."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(5)
        yield ear


def jaws(ear):
    """Every JawOpen that has arrived."""
    found = []
    ear.setblocking(False)
    while True:
        try:
            data = ear.recv(65_535)
        except BlockingIOError:
            return found
        found += [
            m.params[1]
            for m in OscBundle(data)
            if m.address == "/VMC/Ext/Blend/Val" and m.params[0] == "JawOpen"
        ]


@pytest.fixture
def recording(tmp_path):
    """Two seconds of a jaw that opens."""
    path = tmp_path / "truth.csv"
    weights = np.zeros((120, 52), np.float32)
    weights[:, INDEX["jawOpen"]] = np.linspace(0.05, 0.95, 120)
    write_livelink_csv(path, np.arange(120) / 60, weights)
    return path


def test_a_recording_drives_a_program_and_files(program, recording, tmp_path):
    url = f"vmc://127.0.0.1:{program.getsockname()[1]}"
    out = tmp_path / "out.npz"
    done = imusic("drive", recording, "--sink", url, "--sink", f"npz:{out}", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [sink["url"] for sink in told["sinks"]] == [url, f"npz:{out}"]
    assert told["faces"] == told["sinks"][1]["frames"] == 120
    seen = jaws(program)
    assert len(seen) == told["sinks"][0]["frames"]
    assert (np.diff(seen) > 0).all()
    assert read_track(out).weights[:, INDEX["jawOpen"]] == pytest.approx(
        np.linspace(0.05, 0.95, 120), abs=1e-3
    )


def test_a_published_stream_drives_a_program_from_another_process(program):
    stop = threading.Event()
    with Publisher("tcp://127.0.0.1:*") as publisher:

        def publish():
            number = 0
            while not stop.wait(1 / 60):
                weights = np.full(52, 0.5, np.float32)
                frame = BlendshapeFrame(time.monotonic_ns(), weights)
                publisher.send(b"face/1 nonsense" if number % 10 == 9 else encode(
                    message_from_frame(frame, "desk", number - number // 10, 0)
                ))  # fmt: skip
                number += 1

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            url = f"vmc://127.0.0.1:{program.getsockname()[1]}"
            done = imusic("drive", publisher.address, "--sink", url, "--seconds", 3, "--json")
        finally:
            stop.set()
            thread.join()
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["faces"] > 10
    assert told["odd"] > 0
    assert told["missed"] == 0
    assert set(jaws(program)) == {0.5}


def test_a_loop_goes_on_and_seconds_end_it(recording):
    done = imusic("drive", recording, "--sink", "vmc:", "--loop", "--seconds", 3, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["faces"] == 181


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "nothing to drive"),
        (("--sink", "unreal:"), "expected one of livelink"),
        (("no-such-file.csv", "--sink", "vmc:"), "no such file"),
        (("--sink", "vmc:", "--key-file", "x"), "expected --publisher-key"),
        (("tcp://nowhere", "--sink", "vmc:", "--seconds", "1"), "cannot subscribe"),
    ],
)
def test_what_cannot_be_driven_is_one_line(arguments, says):
    done = imusic("drive", *arguments)
    assert done.returncode in (2, 3)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_keys_are_made_and_the_public_one_is_told(tmp_path):
    path = tmp_path / "desk.key"
    done = imusic("keys", path)
    assert done.returncode == 0
    assert f'public = "{done.stdout.strip()}"' in path.read_text("utf-8")
    assert imusic("keys", path).returncode == 2


@pytest.mark.slow
def test_live_serves_sinks_of_the_rig_and_of_the_command_line(program, tmp_path):
    rig = tmp_path / "sim.toml"
    sim = subprocess.Popen(
        [sys.executable, "-m", "imusic", "sim", "--rig", str(rig), "--seconds", "90"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not rig.is_file() and time.monotonic() < deadline:
            time.sleep(0.05)
        text = rig.read_text("utf-8")
        text = text.replace('faces = "tcp://127.0.0.1:5570"', 'faces = "tcp://127.0.0.1:0"')
        url = f"vmc://127.0.0.1:{program.getsockname()[1]}"
        mine = tmp_path / "mine.toml"
        mine.write_text(f'{text}\n[[sinks]]\nurl = "{url}"\nunfelt = "rest"\n', "utf-8")
        out = tmp_path / "live.csv"
        done = imusic("live", "--rig", mine, "--sink", f"csv:{out}", "--seconds", 14, "--json")
    finally:
        sim.kill()
        sim.wait()
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [sink["url"] for sink in told["sinks"]] == [url, f"csv:{out}"]
    # A file gets every face, and is told of when it has them; a program may skip some.
    # (After eight seconds of opening: a CSV in which all rests holds no face.)
    assert told["sinks"][1]["frames"] == told["published"] > 10
    assert len(read_track(out)) == told["published"]
    assert 0 < told["sinks"][0]["frames"] <= told["published"]
    assert jaws(program)
