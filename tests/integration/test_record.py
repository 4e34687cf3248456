"""The daemon against a real pty and real UDP."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from capture import sync
from capture.arkit_source import LiveLinkSender
from capture.daemon import record
from capture.disk import QUEUE_ITEMS
from capture.livelink import packet_at
from capture.record_status import RecordResult
from capture.recording import read_recording
from capture.recover import Outcome, recover
from capture.take import read_take
from firmware_host.device import HubDevice
from firmware_host.errors import ConfigError, DataError, TransportError
from firmware_host.layout import FACE_12
from firmware_host.rig import HubConfig, PhoneConfig, Rig, SessionConfig, write_rig
from firmware_host.samples import HubFeatures, ImuBlock, RoundTrip
from firmware_host.simulator import HubOptions, SimulatedHub, run_hub
from firmware_host.stream import events
from firmware_host.transports.replay import ReplayTransport

pytestmark = pytest.mark.integration

RATE_HZ = 200
GRAVITY = 9.81


def head_speed(time_s: np.ndarray) -> np.ndarray:
    """A head that turns about +y in irregular nods; rad/s."""
    return 1.2 * np.sin(2 * np.pi * 0.7 * time_s) * np.sin(2 * np.pi * 0.13 * time_s + 0.4)


def head_angle(time_s: np.ndarray) -> np.ndarray:
    fine = np.arange(0, time_s.max() + 0.01, 0.001)
    return np.interp(time_s, fine, np.cumsum(head_speed(fine)) * 0.001)


def hub_samples(seconds: float, slots: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    accel = np.zeros((len(time_s), slots, 3))
    accel[..., 1] = GRAVITY
    gyro = np.zeros_like(accel)
    gyro[..., 1] = head_speed(time_s)[:, None]
    return time_s, accel, gyro


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rig_for(path: str, port: int) -> Rig:
    return Rig(
        hub=HubConfig(url=f"serial:{path}"),
        phone=PhoneConfig(bind="127.0.0.1", port=port),
        session=SessionConfig(rest_s=0.5, routine_s=1.0),
    )


async def play_phone(port: int, seconds: float, started: asyncio.Event, latency_s: float) -> int:
    """60 Hz with an epoch of its own; each frame is sent `latency_s` after its moment."""
    await started.wait()
    begun, epoch_s = time.monotonic(), 40_000.0
    with LiveLinkSender("127.0.0.1", port) as sender:
        for frame in range(round(seconds * 60)):
            moment_s = frame / 60
            await asyncio.sleep(max(0.0, begun + moment_s + latency_s - time.monotonic()))
            angle = float(head_angle(np.array([moment_s]))[0])
            weights = np.full(52, 0.25, np.float32)
            head = np.array([angle, 0.0, 0.0], np.float32)
            sender.send(packet_at(epoch_s + moment_s, weights, head))
    return round(seconds * 60)


async def play_and_record(
    cable: tuple[int, str], out: Path, seconds: float, options: HubOptions, latency_s: float = 0.04
) -> tuple[RecordResult, list[ImuBlock], int]:
    master, path = cable
    port = free_udp_port()
    started = asyncio.Event()
    hub = SimulatedHub(*hub_samples(seconds), FACE_12.names, options)
    running = asyncio.create_task(run_hub(hub, master, on_start=lambda _: started.set()))
    phone = asyncio.create_task(play_phone(port, seconds, started, latency_s))
    heard: list[ImuBlock] = []
    result = await record(
        rig_for(path, port),
        out,
        listeners=[lambda e: heard.append(e) if isinstance(e, ImuBlock) else None],
    )
    await running
    assert result is not None
    return result, heard, await phone


def test_a_take_holds_every_sample_and_face_that_was_sent(cable, tmp_path):
    result, heard, frames = asyncio.run(
        play_and_record(cable, tmp_path / "takes", 6.0, HubOptions(seed=1, drift_ppm=30))
    )
    assert result.folder == tmp_path / "takes" / "take-001"
    assert result.take.state == "complete"
    recording = read_recording(result.folder)
    assert len(recording) == recording.samples_sent == 1200
    assert recording.samples_lost == 0
    assert recording.sequence.tolist() == list(range(1200))
    assert recording.faces.tracked.sum() == frames
    assert [s.label for s in recording.take.segments] == ["rest", "routine"]
    assert recording.info is not None
    assert recording.info.device_id == "simulated-hub"
    assert HubFeatures.PING in recording.info.features
    trips = [facts for facts in recording.health if facts["kind"] == "round_trip"]
    assert len(trips) >= 5
    assert all(0 <= t["received_ns"] - t["sent_ns"] < 2_000_000_000 for t in trips)

    blocks = list(recording.blocks())
    assert len(blocks) == len(heard)
    for stored, live in zip(blocks, heard, strict=True):
        assert stored.arrival_ns == live.arrival_ns
        assert np.array_equal(stored.tick_us, live.tick_us)
        assert np.array_equal(stored.accel_m_s2, live.accel_m_s2)
        assert np.array_equal(stored.gyro_rad_s, live.gyro_rad_s)

    alignment = sync.align(recording)
    print(f"latency set 40 ms, found {1000 * alignment.phone_latency_s:.2f} ms", alignment.verdict)
    assert alignment.verdict == "good"
    assert alignment.phone_latency_s == pytest.approx(0.04, abs=0.0083)
    assert sync.sample_times_s(recording, alignment)[0] == 0.0


def test_injected_loss_is_counted_exactly(cable, tmp_path):
    master, path = cable
    hub = SimulatedHub(*hub_samples(2.0), FACE_12.names, HubOptions(seed=3, loss=0.05))

    async def play():
        running = asyncio.create_task(run_hub(hub, master))
        result = await record(Rig(hub=HubConfig(url=f"serial:{path}")), tmp_path)
        return result, await running

    result, summary = asyncio.run(play())
    recording = read_recording(result.folder)
    assert summary.dropped > 0
    assert recording.samples_lost == summary.dropped
    assert len(recording) == summary.samples_sent - summary.dropped
    assert result.take.counts["samples_lost"] == summary.dropped


def test_a_replay_gives_the_blocks_of_the_take_with_their_arrival_times(cable, tmp_path):
    result, heard, _ = asyncio.run(play_and_record(cable, tmp_path, 1.5, HubOptions(seed=5)))

    async def replay():
        transport = ReplayTransport(f"{result.folder},speed=max")
        await transport.open()
        found = [e async for e in events(transport, HubDevice(), transport.recorded_ns)]
        await transport.close()
        trips = [asdict(e) for e in found if isinstance(e, RoundTrip)]
        return [e for e in found if isinstance(e, ImuBlock)], trips

    replayed, trips = asyncio.run(replay())
    health = read_recording(result.folder).health
    kept = [facts for facts in health if facts["kind"] == "round_trip"]
    assert len(trips) >= 1
    assert trips == [{name: facts[name] for name in trips[0]} for facts in kept]
    assert len(replayed) == len(heard)
    for again, live in zip(replayed, heard, strict=True):
        assert again.arrival_ns == live.arrival_ns
        assert np.array_equal(again.tick_us, live.tick_us)
        assert np.array_equal(again.gyro_rad_s, live.gyro_rad_s)


def test_a_phone_that_is_silent_refuses_the_start_and_leaves_nothing(cable, tmp_path):
    master, path = cable
    hub = SimulatedHub(*hub_samples(5.0), FACE_12.names, HubOptions(seed=1))

    async def play():
        running = asyncio.create_task(run_hub(hub, master))
        try:
            await record(rig_for(path, free_udp_port()), tmp_path / "takes", start_timeout_s=0.6)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    with pytest.raises(TransportError, match="nothing was heard from: phone") as caught:
        asyncio.run(play())
    assert "--allow-missing phone" in caught.value.hint
    assert not (tmp_path / "takes").exists()


def test_a_wait_longer_than_the_queue_to_the_disk_is_kept_whole(cable, tmp_path):
    """Other senders on the phone's port fill the wait with more than the queue would hold."""
    master, path = cable
    port = free_udp_port()
    hub = SimulatedHub(*hub_samples(30.0), FACE_12.names, HubOptions(seed=1))
    strays = QUEUE_ITEMS + 2_000

    async def play():
        running = asyncio.create_task(run_hub(hub, master))
        recorder = asyncio.create_task(
            record(rig_for(path, port), tmp_path, 0.5, start_timeout_s=60.0)
        )
        await asyncio.sleep(0.2)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stray:
            for _ in range(strays):
                stray.sendto(b"stray", ("127.0.0.1", port))
                await asyncio.sleep(0)  # the loop takes one datagram a turn
        with LiveLinkSender("127.0.0.1", port) as sender:
            sender.send(packet_at(40_000.0, np.zeros(52), np.zeros(3)))
        result = await recorder
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return result

    counts = asyncio.run(play()).take.counts
    assert counts["datagrams_malformed"] > QUEUE_ITEMS
    assert counts["faces"] == 1
    assert counts["samples"] > 100
    assert counts.get("samples_lost", 0) == 0


def test_a_phone_that_may_be_missing_is_done_without(cable, tmp_path):
    master, path = cable
    hub = SimulatedHub(*hub_samples(1.0), FACE_12.names, HubOptions(seed=1))

    async def play():
        running = asyncio.create_task(run_hub(hub, master))
        rig = rig_for(path, free_udp_port())
        result = await record(rig, tmp_path, allow_missing=["phone"])
        await running
        return result

    result = asyncio.run(play())
    assert len(read_recording(result.folder)) == 200
    assert result.take.origin["allow_missing"] == ["phone"]


def test_a_hub_without_a_slot_of_the_rig_is_refused_by_its_name(cable, tmp_path):
    master, path = cable
    names = tuple(n for n in FACE_12.names if n != "mentalis")
    hub = SimulatedHub(*hub_samples(2.0, 11), names, HubOptions(seed=1))

    async def play(**options):
        running = asyncio.create_task(run_hub(hub, master))
        try:
            return await record(Rig(hub=HubConfig(url=f"serial:{path}")), tmp_path, **options)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    with pytest.raises(ConfigError, match="has no mentalis"):
        asyncio.run(play())


def test_a_pulled_cable_ends_the_take_whole(tmp_path):
    import tty

    master, slave = os.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)
    hub = SimulatedHub(*hub_samples(20.0), FACE_12.names, HubOptions(seed=1))

    async def play():
        running = asyncio.create_task(run_hub(hub, master))
        session = SessionConfig(lost_after_s=1.0)
        rig = Rig(hub=HubConfig(url=f"serial:{path}"), session=session)
        recorder = asyncio.create_task(record(rig, tmp_path))
        await asyncio.sleep(1.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        os.close(master)
        return await recorder

    try:
        result = asyncio.run(play())
    finally:
        os.close(slave)
    assert result.lost == "hub"
    recording = read_recording(result.folder)
    assert len(recording) > 100
    assert [f["kind"] for f in recording.health][-1] == "lost"


def test_a_time_limit_stops_the_hub_which_then_counts_what_it_sent(cable, tmp_path):
    master, path = cable
    hub = SimulatedHub(*hub_samples(20.0), FACE_12.names, HubOptions(seed=1))

    async def play():
        running = asyncio.create_task(run_hub(hub, master))
        result = await record(Rig(hub=HubConfig(url=f"serial:{path}")), tmp_path, 0.7)
        await running
        return result

    result = asyncio.run(play())
    recording = read_recording(result.folder)
    assert recording.samples_sent == len(recording)
    assert 100 < len(recording) < 300


@contextlib.contextmanager
def playing_hub(master: int, seconds: float):
    """A hub that lives in a process of its own, as hubs do."""
    code = (
        "import asyncio, sys\n"
        "from firmware_host.layout import FACE_12\n"
        "from firmware_host.simulator import *\n"
        "import numpy as np\n"
        f"t = np.arange({round(seconds * RATE_HZ)}) / {RATE_HZ}\n"
        "a = np.zeros((len(t), 12, 3)); a[..., 1] = 9.81\n"
        "hub = SimulatedHub(t, a, a * 0, FACE_12.names, HubOptions(seed=2))\n"
        f"asyncio.run(run_hub(hub, {master}))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], pass_fds=[master], cwd=Path(__file__).parents[2]
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def start_record(path: str, out: Path) -> subprocess.Popen[str]:
    out.mkdir()
    write_rig(Rig(hub=HubConfig(url=f"serial:{path}")), out / "rig.toml")
    return subprocess.Popen(
        [sys.executable, "-m", "imusic", "record", "--rig", out / "rig.toml", "--out", out],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_growth(data: Path, size: int, timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not (data.is_file() and data.stat().st_size > size):
        assert time.monotonic() < deadline, f"{data} did not grow to {size} bytes"
        time.sleep(0.02)


def test_ctrl_c_is_the_normal_end(cable, tmp_path):
    master, path = cable
    with playing_hub(master, 30):
        process = start_record(path, tmp_path / "takes")
        wait_for_growth(tmp_path / "takes/take-001/data.mcap", 50_000)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert process.returncode == 0, err
    assert "ended: stopped by the operator" in out
    assert read_take(tmp_path / "takes/take-001").state == "complete"
    assert len(read_recording(tmp_path / "takes/take-001")) > 100


def test_a_killed_recorder_loses_less_than_a_third_of_a_second(cable, tmp_path):
    master, path = cable
    folder = tmp_path / "takes/take-001"
    with playing_hub(master, 30):
        process = start_record(path, tmp_path / "takes")
        wait_for_growth(folder / "data.mcap", 60_000)
        process.kill()
        killed_ns = time.monotonic_ns()
        process.communicate()
    with pytest.raises(DataError, match="cut off"):
        read_recording(folder)
    assert recover(folder).outcome is Outcome.LOSSY
    recording = read_recording(folder)
    lost_s = (killed_ns - int(recording.arrival_ns[-1])) / 1e9
    print(f"{len(recording)} samples kept, the last {lost_s:.3f} s before the kill")
    assert lost_s < 0.3
