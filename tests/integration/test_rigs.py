"""Rigs of several devices over real ptys and sockets: whatever happens to one, the others go on."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from capture import sync
from capture.recording import read_recording
from capture.recover import Outcome, recover
from capture.take import read_take
from firmware_host import supervision
from firmware_host.errors import ConfigError, TransportError
from firmware_host.rig import write_rig
from firmware_host.simulator import SimulatedHub
from firmware_host.virtual.lines import Cable, on_cable, on_tcp
from firmware_host.virtual.slimevr import run_tracker, still_tracker
from firmware_host.virtual.uart import misread
from firmware_host.virtual.ximu3 import VirtualXimu3
from tests.integration.rigs import (
    BONE,
    LEFT,
    RIGHT,
    Session,
    device,
    free_port,
    hub,
    motion,
    rig_of,
    run,
    witmotion,
)

pytestmark = pytest.mark.integration
pytest.importorskip("serial")
pytest.importorskip("tty", reason="a pty needs POSIX")

ROOT = Path(__file__).parents[2]
MAC, OTHER_MAC = "02:00:00:00:00:07", "02:00:00:00:00:08"
LONG_S = 60.0  # longer than any test


def track_of(recording, name):
    return next(track for track in recording.tracks if track.name == name)


def kinds_of(recording, name):
    return [f["kind"] for f in recording.health if f.get("device") == name]


def whole(track) -> bool:
    """Nothing of this device was lost, by the numbers of the samples themselves."""
    return bool((np.diff(track.sequence) == 1).all()) and not track.gaps


def test_a_cable_pulled_and_put_back_costs_only_its_own_device_and_only_so_long(tmp_path):
    async def play():
        wit, bone = witmotion(LONG_S, 1), hub(LONG_S, (BONE, RIGHT), seed=3)
        async with on_cable(wit, tmp_path / "a") as cable, on_cable(bone, tmp_path / "b") as other:
            rig = rig_of(
                device("left", cable.url, LEFT),
                device("bone", other.url, BONE, RIGHT, kind="hub"),
            )
            session = Session(rig, tmp_path / "takes")
            await session.heard(100, 200)
            cable.pull()
            notice = await session.told_of("left", "lost serial:")
            await asyncio.sleep(0.6)
            before = session.samples[0]
            cable.plug()
            await session.told_of("left", "back after")
            await session.heard(before + 100)
            return notice, await session.end()

    notice, result = run(play())
    assert "check the cable" in notice.hint
    assert result.lost is None
    assert result.take.counts["left.links_down"] == 1
    assert set(result.take.origin["unserved"]) == set(result.take.sensor_layout.names) - {
        LEFT, RIGHT, BONE
    }  # fmt: skip
    recording = read_recording(result.folder)
    left, bone = track_of(recording, "left"), track_of(recording, "bone")
    assert whole(bone)
    assert bone.samples_sent == len(bone)
    kinds = kinds_of(recording, "left")
    assert kinds.index("link_up") < kinds.index("link_down") < len(kinds) - 1
    assert kinds.count("link_up") == 2
    hole_ns = np.diff(left.arrival_ns).max()
    assert hole_ns > 600_000_000
    alignment = sync.align(recording)
    assert alignment.devices["left"].resets == 1
    assert alignment.devices["bone"].resets == 0
    # The two clocks have nothing in common but the host's: samples of both lie where they arrived.
    late_s = recording.arrival_ns * 1e-9 - (
        sync.sample_times_s(recording, alignment) + alignment.origin_ns * 1e-9
    )
    assert late_s.min() > -0.005


def test_noise_at_line_speed_on_one_device_loses_nothing_of_the_other(tmp_path):
    noise = np.random.default_rng(1).bytes(1 << 20)

    async def play():
        bone = hub(LONG_S, (BONE, RIGHT), seed=3)
        async with (
            on_cable(witmotion(LONG_S, 1), tmp_path / "a") as cable,
            on_cable(bone, tmp_path / "b") as other,
        ):
            rig = rig_of(
                device("left", cable.url, LEFT, required=False),
                device("bone", other.url, BONE, RIGHT, kind="hub"),
            )
            session = Session(rig, tmp_path / "takes")
            await session.heard(50, 50)
            noisy = asyncio.create_task(_noise(cable, noise, 300_000))  # 3 Mbaud
            told = await session.told_of("left", "garbage")
            noisy.cancel()
            return told, await session.end()

    told, result = run(play())
    assert "another baud than 9600" in told.hint
    recording = read_recording(result.folder)
    left, bone = track_of(recording, "left"), track_of(recording, "bone")
    assert left.garbage_bytes > 100_000
    assert result.take.counts["left.garbage_bytes"] == left.garbage_bytes
    assert result.take.counts["left.troubles"] == 1
    assert whole(bone)
    assert bone.samples_sent == len(bone)
    assert not bone.garbage_bytes


async def _noise(cable: Cable, noise: bytes, bytes_per_s: int) -> None:
    for at in range(0, len(noise), bytes_per_s // 100):
        cable.write(noise[at : at + bytes_per_s // 100])
        await asyncio.sleep(0.01)


def test_a_device_that_floods_is_hung_up_on(tmp_path):
    """As fast as a pty takes it, which is faster than any line: more than could be recorded."""
    stop = threading.Event()

    def flood(path):
        import pty
        import tty

        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        path.symlink_to(os.ttyname(theirs))
        os.set_blocking(ours, False)
        while not stop.is_set():
            try:
                os.write(ours, b"\x55\x51" * 2048)
            except BlockingIOError:
                time.sleep(0.0005)
        os.close(ours)
        os.close(theirs)

    async def play():
        flooding = asyncio.create_task(asyncio.to_thread(flood, tmp_path / "a"))
        async with on_cable(hub(LONG_S, (BONE,), seed=3), tmp_path / "b") as other:
            await asyncio.sleep(0.1)
            rig = rig_of(
                device("left", f"serial:{tmp_path}/a", LEFT, required=False),
                device("bone", other.url, BONE, kind="hub"),
            )
            session = Session(rig, tmp_path / "takes")
            try:
                # A flood, or, on a machine too busy for one, nothing that such a device says.
                notice = await session.told_of("left", "trying again in")
                await session.heard(0, 300)
                result = await session.end()
            finally:
                stop.set()
                await flooding
            return notice, result

    notice, result = run(play())
    assert "baud" in notice.hint
    bone = track_of(read_recording(result.folder), "bone")
    assert whole(bone)


def refused_at_start(rig, tmp_path) -> TransportError:
    async def play():
        await Session(rig, tmp_path / "takes").result()

    with pytest.raises((TransportError, ConfigError)) as caught:
        run(play())
    assert not (tmp_path / "takes").exists()
    return caught.value


def test_a_port_that_another_program_has_is_said_to_be_busy(tmp_path):
    import serial

    with Cable_plugged(tmp_path / "a") as cable, serial.Serial(str(cable.path), exclusive=True):
        error = refused_at_start(rig_of(device("left", cable.url, LEFT)), tmp_path)
    assert "is busy: another program has it open" in str(error)
    assert "close the other program" in error.hint


class Cable_plugged:  # noqa: N801
    """A cable with a device that nobody runs."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Cable:
        async def make() -> Cable:
            cable = Cable(witmotion(1.0), self._path)
            cable.plug()
            return cable

        self.cable = asyncio.run(make())
        return self.cable

    def __exit__(self, *_: object) -> None:
        ours, theirs = self.cable._ends
        os.close(ours)
        os.close(theirs)


def test_a_port_that_slimevr_server_has_is_said_to_be_busy(tmp_path):
    port = free_port(socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("0.0.0.0", port))
        config = device("left", f"udp:{port}", LEFT, kind="slimevr", id=MAC)
        error = refused_at_start(rig_of(config), tmp_path)
    assert f"udp:{port} is busy" in str(error)
    assert "is SlimeVR Server running? Close it" in error.hint


def test_a_wrong_baud_is_said_to_be_one(tmp_path):
    async def play(read_baud):
        spoil = partial(misread, sent_baud=115_200, read_baud=read_baud)
        async with on_cable(witmotion(LONG_S), tmp_path / f"at-{read_baud}", spoil) as cable:
            rig = rig_of(device("left", cable.url, LEFT, baud=read_baud))
            await Session(rig, tmp_path / "takes").result()

    async def both():
        return await asyncio.gather(play(9600), play(230_400), return_exceptions=True)

    for error in run(both()):
        assert isinstance(error, TransportError)
        assert "no WitMotion sensor answered" in str(error)
        assert "bytes arrived, but nothing that a WitMotion sensor says" in error.hint
        assert "baud?" in error.hint


def test_a_clock_that_stands_still_is_told_and_its_samples_lie_where_they_arrived(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(supervision, "WINDOW_S", 0.8)

    async def play():
        wit = witmotion(LONG_S, 1, frozen_after_s=0.0)
        async with (
            on_cable(wit, tmp_path / "a") as cable,
            on_cable(hub(LONG_S, (BONE,), seed=3), tmp_path / "b") as other,
        ):
            rig = rig_of(
                device("left", cable.url, LEFT), device("bone", other.url, BONE, kind="hub")
            )
            session = Session(rig, tmp_path / "takes")
            notice = await session.told_of("left", "its clock stands still or jumps")
            await session.heard(session.samples[0] + 150)
            return notice, await session.end()

    notice, result = run(play())
    assert "switch the device off and on" in notice.hint
    recording = read_recording(result.folder)
    left = track_of(recording, "left")
    assert left.no_clock_ns is not None
    assert (np.diff(left.tick_us) > 0).all()
    alignment = sync.align(recording)
    assert any("left tells no time" in note for note in alignment.notes)
    after = recording.arrival_ns > left.no_clock_ns
    late_s = recording.arrival_ns * 1e-9 - (
        sync.sample_times_s(recording, alignment) + alignment.origin_ns * 1e-9
    )
    assert np.abs(late_s[after]).max() < 0.5


class FrozenHub(SimulatedHub):
    """A hub whose clock stops after half a second."""

    def _tick_us(self, time_s: float) -> int:
        return super()._tick_us(min(time_s, 0.5))


def test_a_hub_whose_clock_stands_still_is_told_and_ends_the_take(tmp_path, monkeypatch):
    monkeypatch.setattr(supervision, "WINDOW_S", 0.8)
    frozen = hub(LONG_S, (BONE, LEFT), seed=2)
    frozen.__class__ = FrozenHub

    async def play():
        async with on_cable(frozen, tmp_path / "a") as cable:
            rig = rig_of(device("bone", cable.url, BONE, LEFT, kind="hub"), lost_after_s=2.0)
            session = Session(rig, tmp_path / "takes")
            result = await session.result()
            return session.told, result

    told, result = run(play())
    assert any("bone: its clock stands still" in line for line in told), told
    assert any("bone: silent for 1." in line and f"{BONE}, {LEFT}" in line for line in told), told
    assert result.lost == "bone"
    assert 90 <= result.take.counts["samples"] <= 102


def test_a_device_with_the_id_of_another_is_refused_and_the_right_one_welcomed_back(tmp_path):
    async def play():
        left = hub(LONG_S, (LEFT,), seed=1, device_id="left-1")
        bone = hub(LONG_S, (BONE,), seed=2, device_id="bone-1")
        async with (
            on_cable(left, tmp_path / "a") as cable,
            on_cable(bone, tmp_path / "b") as other,
        ):
            rig = rig_of(
                device("left", cable.url, LEFT, kind="hub"),
                device("bone", other.url, BONE, kind="hub"),
            )
            session = Session(rig, tmp_path / "takes")
            await session.heard(50, 50)
            cable.pull()
            cable.swap(hub(LONG_S, (LEFT,), seed=9, device_id="bone-1"))
            cable.plug()
            notice = await session.told_of("left", "refused")
            count = session.samples[0]
            cable.pull()
            slower = hub(LONG_S, (LEFT,), rate_hz=100.0, seed=1, device_id="left-1")
            cable.swap(slower)
            cable.plug()
            changed = await session.told_of("left", "other settings")
            await session.heard(count + 50)
            return notice, count, changed, await session.end()

    notice, _, changed, result = run(play())
    assert "says that it is 'bone-1', which 'bone' says too" in notice.text
    assert "Give it an id of its own" in notice.hint
    assert "Hz: 200 before, 100 now" in changed.text
    recording = read_recording(result.folder)
    kinds = kinds_of(recording, "left")
    assert kinds.count("refused") == result.take.counts["left.refusals"] == 1
    assert "settings_changed" in kinds
    assert whole(track_of(recording, "bone"))
    left = track_of(recording, "left")
    assert (np.diff(left.tick_us) > 0).all()
    assert (np.diff(left.sequence) > 0).all()


def test_an_id_that_the_rig_does_not_ask_for_is_refused_at_the_start(tmp_path):
    async def play():
        async with on_cable(hub(LONG_S, (LEFT,), device_id="hub-8"), tmp_path / "a") as cable:
            rig = rig_of(device("left", cable.url, LEFT, kind="hub", id="hub-7"))
            await Session(rig, tmp_path / "takes").result()

    with pytest.raises(TransportError, match=r"'hub-8', and rig\.toml asks for 'hub-7'") as caught:
        run(play())
    assert "write id = 'hub-8'" in caught.value.hint


def test_a_rig_mixes_makers_and_a_tracker_nobody_approved_is_told_of(tmp_path):
    port = free_port(socket.SOCK_DGRAM)
    still = still_tracker(MAC, LONG_S)
    ximu = VirtualXimu3(motion(LONG_S, seed=4), "0042")

    async def play():
        trackers = [
            asyncio.create_task(run_tracker(tracker, ("127.0.0.1", port)))
            for tracker in (still, still_tracker(OTHER_MAC, LONG_S))
        ]
        async with on_cable(witmotion(LONG_S), tmp_path / "a") as cable, on_tcp(ximu) as tcp:
            rig = rig_of(
                device("wit", cable.url, LEFT),
                device("slime", f"udp:127.0.0.1:{port}", RIGHT, kind="slimevr", id=MAC),
                device("bone", f"tcp:127.0.0.1:{tcp}", BONE, kind="ximu3", id="0042"),
            )
            session = Session(rig, tmp_path / "takes")
            stranger = await session.told_of("slime", "nobody approved")
            await session.heard(100, 100, 100)
            result = await session.end()
        for task in trackers:
            task.cancel()
        await asyncio.gather(*trackers, return_exceptions=True)
        return stranger, result

    stranger, result = run(play())
    assert OTHER_MAC in stranger.text
    assert f'id = "{OTHER_MAC}"' in stranger.hint
    recording = read_recording(result.folder)
    assert [track.name for track in recording.tracks] == ["wit", "slime", "bone"]
    slime, bone = track_of(recording, "slime"), track_of(recording, "bone")
    assert slime.no_clock_ns is not None
    assert slime.info is not None
    assert slime.info.device_id == MAC
    assert bone.info is not None
    assert bone.info.device_id == "0042"
    names = recording.take.sensor_layout.names
    heard = np.isfinite(recording.accel_m_s2).all(axis=2).any(axis=0)
    assert {names[i] for i in np.flatnonzero(heard)} == {LEFT, RIGHT, BONE}
    turning = np.isfinite(recording.gyro_rad_s).all(axis=2).any(axis=0)
    assert {names[i] for i in np.flatnonzero(turning)} == {LEFT, BONE}  # SlimeVR tells no rates


def test_what_a_killed_recorder_of_two_devices_wrote_comes_back_apart_and_whole(tmp_path):
    folder = tmp_path / "takes/take-001"

    async def play():
        async with (
            on_cable(witmotion(LONG_S), tmp_path / "a") as cable,
            on_cable(hub(LONG_S, (BONE, RIGHT), seed=3), tmp_path / "b") as other,
        ):
            rig = rig_of(
                device("left", cable.url, LEFT),
                device("bone", other.url, BONE, RIGHT, kind="hub"),
            )
            write_rig(rig, tmp_path / "rig.toml")
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "imusic", "record", "--rig", str(tmp_path / "rig.toml")),
                *("--out", str(tmp_path / "takes")),
                cwd=ROOT,
                stderr=subprocess.PIPE,
            )
            while not (folder / "data.mcap").is_file() or (
                (folder / "data.mcap").stat().st_size < 30_000
            ):
                assert process.returncode is None
                await asyncio.sleep(0.02)
            process.kill()
            await process.communicate()

    run(play())
    (folder / "take.toml").unlink()  # even then: the data says which devices there were
    report = recover(folder)
    assert report.outcome is Outcome.LOSSY
    take, recording = read_take(folder), read_recording(folder)
    assert [(d.name, d.slots) for d in take.devices] == [("left", (LEFT,)), ("bone", (BONE, RIGHT))]
    assert report.samples == len(recording) == take.counts["samples"]
    for track in recording.tracks:
        assert len(track) == take.counts[f"{track.name}.samples"] > 50
        assert whole(track)
