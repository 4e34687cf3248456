"""Live driving over a real pty and real ZeroMQ, and the demo as a user runs it."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
import zmq

from capture.blendshapes import ARKIT_NAMES
from capture.observability import observability
from capture.take import read_take, write_take
from capture.wire import TOPIC, decode, frame_from_message
from firmware_host.layout import FACE_12, layout_to_dict
from firmware_host.rig import HubConfig, PublishConfig, Rig, SessionConfig, write_rig
from firmware_host.sensor_profile import Correction

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[2]


def imusic(*arguments: object, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "imusic", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def refused(done: subprocess.CompletedProcess[str], code: int, says: str) -> None:
    """One clear line (and perhaps a hint, and notes), the right exit code, never a traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert says in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("imusic:")]
    assert len([line for line in said if not line.startswith("imusic: note:")]) == 1


def free_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def demo_run(tmp_path_factory) -> dict:
    """One demo with injected loss, as a user runs it."""
    out = tmp_path_factory.mktemp("demo")
    done = imusic(
        "demo", "--seconds", 3, "--loss", 0.03, "--headless", "--no-render", "--json", "--out", out
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_demo_counts_exactly_what_was_lost(demo_run):
    assert demo_run["samples_dropped_by_simulator"] > 20
    assert demo_run["samples_lost"] == demo_run["samples_dropped_by_simulator"]
    assert demo_run["samples_received"] + demo_run["samples_lost"] == demo_run["samples_sent"]


def test_the_demo_prints_every_figure_it_promises(demo_run):
    assert demo_run["frames_published"] > 60 * 10
    assert 0 <= demo_run["sync_error_ms"] < 10
    assert 0 < demo_run["latency_ms"]["p50"] <= demo_run["latency_ms"]["p99"]
    for figure in ("mae", "mae_offset_free"):
        assert set(demo_run[figure]) == {
            "model", "ridge", "kalman", "mean_face", "rest_face", "constant"
        }  # fmt: skip
    assert set(demo_run["correlation"]) == {"model", "ridge", "kalman"}
    assert demo_run["recording_in_training"] is False
    assert Path(demo_run["outputs"]["take"]).is_dir()
    assert demo_run["simulated"] is True


def test_faces_published_live_are_those_predicted_offline(demo_run):
    assert demo_run["live_equals_offline"] == 1.0


def collect(address: str, stop: threading.Event) -> list[bytes]:
    found = []
    with zmq.Context() as context, context.socket(zmq.SUB) as sub:
        sub.set(zmq.SUBSCRIBE, TOPIC)
        sub.set(zmq.LINGER, 0)
        sub.connect(address)
        while not stop.is_set():
            if sub.poll(50):
                found.append(sub.recv())
    return found


def corrected(take: Path, folder: Path) -> Path:
    """The same take, two sensors of which are known to read wrong."""
    copy = folder / "corrected"
    shutil.copytree(take, copy)
    wrong = Correction(accel_offset_m_s2=(0.4, -0.3, 0.2), gyro_bias_rad_s=(0.05, 0.0, -0.05))
    corrections = {"zygomaticus_left": wrong, "mentalis": wrong}
    write_take(msgspec.structs.replace(read_take(copy), corrections=corrections), copy)
    return copy


def test_what_sensors_are_known_to_read_wrong_changes_the_face(demo_run, tmp_path):
    take = Path(demo_run["outputs"]["take"])
    faces = []
    for name, read in (("as-it-came", take), ("corrected", corrected(take, tmp_path))):
        done = imusic("predict", read, "--out", tmp_path / f"{name}.npz")
        assert done.returncode == 0, done.stderr
        faces.append(np.load(tmp_path / f"{name}.npz", allow_pickle=False)["weights"])
    assert faces[0].shape == faces[1].shape
    assert np.abs(faces[0] - faces[1]).max() > 1e-4


@pytest.mark.parametrize("is_corrected", [False, True])
def test_a_replay_publishes_over_zeromq_what_predict_writes(demo_run, tmp_path, is_corrected):
    from concurrent.futures import ThreadPoolExecutor

    from model.checkpoint import load_checkpoint
    from model.live import live

    take = Path(demo_run["outputs"]["take"])
    take = corrected(take, tmp_path) if is_corrected else take
    done = imusic("predict", take, "--out", tmp_path / "face.npz", "--json")
    assert done.returncode == 0, done.stderr
    offline = np.load(tmp_path / "face.npz", allow_pickle=False)
    address, stop = f"tcp://127.0.0.1:{free_tcp_port()}", threading.Event()
    rig = Rig(
        hub=HubConfig(url=f"replay:{take},speed=3"),
        session=SessionConfig(rest_s=2.0, routine_s=6.0),
        publish=PublishConfig(faces=address),
    )
    with ThreadPoolExecutor(1) as pool:
        collected = pool.submit(collect, address, stop)
        result = asyncio.run(live(rig, load_checkpoint()))
        time.sleep(0.3)
        stop.set()
        messages = [decode(data) for data in collected.result()]
    assert result.counts.published == len(offline["time_s"])
    assert len(messages) > 0.9 * result.counts.published  # joining takes a PUB socket a moment
    first = messages[0].sequence
    assert [m.sequence for m in messages] == list(range(first, first + len(messages)))
    frames = [frame_from_message(m) for m in messages]
    np.testing.assert_array_equal([f.time_ns for f in frames], offline["host_ns"][first:])
    np.testing.assert_array_equal(np.stack([f.weights for f in frames]), offline["weights"][first:])
    assert tuple(offline["names"]) == ARKIT_NAMES
    knowable = observability(FACE_12)
    for frame in frames[:: len(frames) // 8]:
        assert frame.shape_confidence == pytest.approx(knowable * frame.confidence, abs=0.003)


def test_predict_writes_a_live_link_csv_that_reads_back(demo_run, tmp_path):
    from capture.livelink_csv import read_livelink_csv

    done = imusic("predict", demo_run["outputs"]["take"], "--out", tmp_path / "face.csv")
    assert done.returncode == 0, done.stderr
    offline = np.load(demo_run["outputs"]["prediction"], allow_pickle=False)
    back = read_livelink_csv(tmp_path / "face.csv")
    assert abs(len(back.time_s) - len(offline["time_s"])) <= 60


def test_evaluate_judges_the_take_and_calls_it_simulated(demo_run):
    take = demo_run["outputs"]["take"]
    done = imusic("evaluate", take, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)[take]
    assert figures["simulated"] is True
    assert figures["correlation"]["model"] == pytest.approx(
        demo_run["correlation"]["model"], abs=0.02
    )
    table = imusic("evaluate", take)
    assert "simulated IMUs" in " ".join(table.stdout.split())  # long paths wrap


def test_a_file_that_is_not_live_link_is_refused(tmp_path):
    path = tmp_path / "shopping.csv"
    path.write_text("item,price\nbread,2\n")
    refused(
        imusic("demo", "--arkit", path, "--headless", "--out", tmp_path / "demo"), 2, "shopping"
    )


def test_a_csv_without_a_column_is_refused_by_its_name(tmp_path):
    from capture.livelink_csv import write_livelink_csv

    path = tmp_path / "face.csv"
    write_livelink_csv(path, np.arange(90) / 60, np.zeros((90, 52), np.float32))
    header, rest = path.read_text().split("\n", 1)
    path.write_text(header.replace("JawOpen", "JawAjar") + "\n" + rest)
    refused(
        imusic("demo", "--arkit", path, "--headless", "--out", tmp_path / "demo"), 2, "'jawOpen'"
    )


def test_a_take_cut_in_half_is_refused_with_the_way_out(demo_run, tmp_path):
    take = tmp_path / "take"
    shutil.copytree(demo_run["outputs"]["take"], take)
    data = (take / "data.mcap").read_bytes()
    (take / "data.mcap").write_bytes(data[: len(data) // 2])
    done = imusic("predict", take, "--out", tmp_path / "face.npz")
    refused(done, 2, "data.mcap")
    assert "imusic recover" in done.stderr


def test_a_layout_the_checkpoint_does_not_know_is_refused(demo_run, tmp_path):
    take = tmp_path / "take"
    shutil.copytree(demo_run["outputs"]["take"], take)
    facts = read_take(take)
    layout = layout_to_dict(facts.sensor_layout)
    layout["slots"][0]["name"] = "chin"
    write_take(msgspec.structs.replace(facts, layout=layout), take)
    refused(imusic("predict", take, "--out", tmp_path / "face.npz"), 2, "chin")


def test_a_serial_path_that_does_not_exist_is_refused(tmp_path):
    rig = tmp_path / "rig.toml"
    write_rig(Rig(hub=HubConfig(url=f"serial:{tmp_path}/ttyNONE")), rig)
    refused(imusic("record", "--rig", rig, "--out", tmp_path / "takes"), 3, "ttyNONE")
    address = f"tcp://127.0.0.1:{free_tcp_port()}"
    write_rig(
        Rig(hub=HubConfig(url=f"serial:{tmp_path}/ttyNONE"), publish=PublishConfig(faces=address)),
        rig,
    )
    refused(imusic("live", "--rig", rig), 3, "ttyNONE")


def test_a_busy_publishing_port_is_refused(cable, tmp_path):
    _, path = cable
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        address = f"tcp://127.0.0.1:{busy.getsockname()[1]}"
        rig = tmp_path / "rig.toml"
        hub = HubConfig(url=f"serial:{path}")
        write_rig(Rig(hub=hub, publish=PublishConfig(faces=address)), rig)
        refused(imusic("live", "--rig", rig), 3, address)


def test_a_hub_that_never_answers_is_reported(cable, tmp_path):
    _, path = cable
    rig = tmp_path / "rig.toml"
    address = f"tcp://127.0.0.1:{free_tcp_port()}"
    hub = HubConfig(url=f"serial:{path}")
    write_rig(Rig(hub=hub, publish=PublishConfig(faces=address)), rig)
    refused(imusic("live", "--rig", rig), 3, "no sensor hub answered")
