"""Takes as an operator makes them: checks, pre-roll, markers, slates, a phone that records."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from capture.arkit_source import LiveLinkSender
from capture.daemon import record
from capture.livelink import packet_at
from capture.operating import Command, Verb
from capture.record_options import Control, RecordOptions
from capture.recorder import State
from capture.recording import read_recording
from capture.recover import Outcome, recover
from capture.simulated_remote import SimulatedRemote
from capture.take import DATA_FILE, PHONE_CSV, read_take
from firmware_host.device import HubDevice
from firmware_host.errors import ConfigError, TransportError
from firmware_host.layout import FACE_12
from firmware_host.phone_rig import PhoneConfig, PhoneRemoteConfig
from firmware_host.rig import HubConfig, Rig, SessionConfig, write_rig
from firmware_host.samples import ImuBlock
from firmware_host.simulator import HubOptions, SimulatedHub, run_hub
from firmware_host.stream import events
from firmware_host.transports.replay import ReplayTransport

pytestmark = pytest.mark.integration

HERE, RATE_HZ = "127.0.0.1", 200
ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0


def hub_of(seconds: float, silent: tuple[str, ...] = ()) -> SimulatedHub:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    accel = np.zeros((len(time_s), 12, 3))
    accel[..., 1] = 9.81
    gyro = accel * 0.01
    for slot in silent:
        accel[:, FACE_12.names.index(slot)] = gyro[:, FACE_12.names.index(slot)] = np.nan
    return SimulatedHub(time_s, accel, gyro, FACE_12.names, HubOptions(seed=1))


def rig_of(path: str, phone: PhoneConfig | None = None) -> Rig:
    session = SessionConfig(rest_s=0.5, routine_s=0.5)
    return Rig(hub=HubConfig(url=f"serial:{path}"), phone=phone, session=session)


@contextlib.asynccontextmanager
async def playing(master: int, hub: SimulatedHub):
    running = asyncio.create_task(run_hub(hub, master))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class Operator:
    """Watches the status and says what was planned for each moment of it."""

    def __init__(self) -> None:
        self.control = Control()
        self.statuses, self.notices = [], []
        self._plans = []

    def when(self, condition, *commands: Command) -> "Operator":
        self._plans.append((condition, commands))
        return self

    def on_status(self, status) -> None:
        self.statuses.append(status)
        if self._plans and self._plans[0][0](status):
            for command in self._plans.pop(0)[1]:
                self.control.say(command)

    @property
    def hands(self) -> dict:
        return {
            "control": self.control,
            "on_status": self.on_status,
            "on_notice": self.notices.append,
        }


STOP, START, MARK = Command(Verb.STOP), Command(Verb.START), Command(Verb.MARK)


def test_a_slot_that_gives_nothing_refuses_the_start_by_its_name(cable, tmp_path):
    master, path = cable

    async def play():
        async with playing(master, hub_of(60.0, silent=("mentalis", "buccinator_left"))):
            await record(rig_of(path), tmp_path / "takes", start_timeout_s=1.5)

    with pytest.raises(TransportError, match="cannot begin") as caught:
        asyncio.run(play())
    assert "mentalis gives nothing" in str(caught.value)
    assert "buccinator_left gives nothing" in str(caught.value)
    assert "--allow-missing mentalis" in caught.value.hint
    assert not (tmp_path / "takes").exists()


def test_a_slot_that_may_be_missing_is_written_into_the_take(cable, tmp_path):
    master, path = cable

    async def play():
        async with playing(master, hub_of(60.0, silent=("mentalis",))):
            return await record(rig_of(path), tmp_path, 0.5, allow_missing=["mentalis"])

    assert asyncio.run(play()).take.origin["allow_missing"] == ["mentalis"]


def test_a_disk_without_room_refuses_the_start(cable, tmp_path, monkeypatch):
    master, path = cable
    monkeypatch.setattr("capture.readiness.free_bytes", lambda _: 1_000_000)

    async def play():
        async with playing(master, hub_of(60.0)):
            await record(rig_of(path), tmp_path / "takes", start_timeout_s=1.0)

    with pytest.raises(TransportError, match="1 MB free, 158 MB are needed") as caught:
        asyncio.run(play())
    assert "free some space" in caught.value.hint
    assert not (tmp_path / "takes").exists()


def test_a_disk_that_fills_ends_the_take_whole(cable, tmp_path, monkeypatch):
    master, path = cable
    free = iter([10_000_000_000, 5_000_000_000, 100_000_000])
    monkeypatch.setattr("capture.daemon.free_bytes", lambda _: next(free))
    operator = Operator()

    async def play():
        async with playing(master, hub_of(60.0)):
            return await record(rig_of(path), tmp_path, **operator.hands)

    result = asyncio.run(play())
    assert (result.reason, result.lost) == ("the disk is nearly full", "disk")
    assert result.take.state == "complete"
    recording = read_recording(result.folder)
    assert recording.samples_sent == len(recording)
    warned = [facts["text"] for facts in recording.health if facts["kind"] == "warning"]
    assert warned == ["the disk lasts 0 minutes more", "the disk is full"]
    assert any("the disk lasts" in warning for s in operator.statuses for warning in s.warnings)


def test_an_armed_take_begins_when_it_is_told_with_what_came_just_before(cable, tmp_path):
    master, path = cable
    operator = Operator().when(
        lambda s: s.state is State.READY and s.devices[0].samples > 500, START
    )
    operator.when(lambda s: s.elapsed_s > 0.5, STOP)
    options = RecordOptions(armed=True, preroll_s=1.0)

    async def play():
        async with playing(master, hub_of(60.0)):
            return await record(rig_of(path), tmp_path, options=options, **operator.hands)

    result = asyncio.run(play())
    recording = read_recording(result.folder)
    started_ns = next(
        s for s in operator.statuses if s.state is State.RECORDING
    )  # some time after the start
    assert started_ns.elapsed_s < 2.0
    assert recording.sequence[0] > 200  # what came long before is not in it
    before_s = recording.take.segment("rest").start_s
    assert 0.5 < before_s < 1.6  # but about a second of it is, and the rest begins behind it
    assert recording.info.device_id == "simulated-hub"
    assert result.reason == "stopped by the operator"


def test_a_take_with_a_pre_roll_can_be_replayed_from_its_bytes(cable, tmp_path):
    master, path = cable
    operator = Operator().when(
        lambda s: s.state is State.READY and s.devices[0].samples > 600, START
    )
    operator.when(lambda s: s.elapsed_s > 0.5, STOP)

    async def play():
        async with playing(master, hub_of(60.0)):
            options = RecordOptions(armed=True, preroll_s=0.5)
            return await record(rig_of(path), tmp_path, options=options, **operator.hands)

    async def replay(folder):
        transport = ReplayTransport(f"{folder},speed=max")
        await transport.open()
        found = [e async for e in events(transport, HubDevice(), transport.recorded_ns)]
        await transport.close()
        return np.concatenate([e.sequence for e in found if isinstance(e, ImuBlock)])

    result = asyncio.run(play())
    recording = read_recording(result.folder)
    replayed = asyncio.run(replay(result.folder))
    assert np.isin(recording.sequence[1:], replayed).all()


def test_a_start_that_is_not_possible_yet_is_answered_with_the_reason(cable, tmp_path):
    master, path = cable
    operator = Operator().when(lambda s: s.devices[0].samples > 300, START, STOP)

    async def play():
        async with playing(master, hub_of(60.0, silent=("mentalis",))):
            options = RecordOptions(armed=True)
            return await record(rig_of(path), tmp_path, options=options, **operator.hands)

    assert asyncio.run(play()) is None
    (said,) = [notice.text for notice in operator.notices if notice.device == "recorder"]
    assert said.startswith("not ready: mentalis gives nothing")
    assert operator.statuses[-1].problems


def test_markers_are_in_the_take_when_they_were_set(cable, tmp_path):
    master, path = cable
    labelled = Command(Verb.MARK, "good")
    operator = Operator().when(lambda s: s.state is State.RECORDING, MARK, labelled)
    operator.when(lambda s: s.marks == 2, MARK, STOP)

    async def play():
        async with playing(master, hub_of(60.0)):
            return await record(rig_of(path), tmp_path, **operator.hands)

    recording = read_recording(asyncio.run(play()).folder)
    assert [label for _, label in recording.markers] == ["mark 1", "good", "mark 3"]
    times = [at for at, _ in recording.markers]
    assert recording.arrival_ns[0] < times[0] <= times[1] <= times[2]


def test_slates_have_numbers_of_their_own(cable, tmp_path):
    master, path = cable
    (tmp_path / "scene-004").mkdir()
    (tmp_path / "scene-x").mkdir()

    async def play(slate):
        async with playing(master, hub_of(60.0)):
            return await record(rig_of(path), tmp_path, 0.3, options=RecordOptions(slate=slate))

    scene, take = asyncio.run(play("scene")), asyncio.run(play("take"))
    assert (scene.folder.name, take.folder.name) == ("scene-005", "take-001")
    assert (scene.take.origin["slate"], scene.take.origin["slate_take"]) == ("scene", 5)


@pytest.mark.parametrize("slate", ["", "../up", "a b", "x" * 65, "-x"])
def test_a_slate_that_is_no_name_is_refused(slate):
    with pytest.raises(ConfigError, match="is no name for takes"):
        RecordOptions(slate=slate)


async def faces_to(port: int) -> None:
    with LiveLinkSender(HERE, port) as sender:
        for frame in range(100_000):
            sender.send(packet_at(40_000 + frame / 60, np.full(52, 0.2), np.zeros(3)))
            await asyncio.sleep(1 / 60)


def with_phone(cable, out, prepare=lambda _: None, *, fetch=True, operator=None, **changes):
    """Record beside a simulated Live Link Face, whose remote control is told where to send."""
    master, path = cable
    operator = operator or Operator().when(lambda s: s.elapsed_s > 0.5, STOP)

    async def play():
        sending: list[asyncio.Task[None]] = []

        def on_target(target) -> None:
            if not sending:
                sending.append(asyncio.create_task(faces_to(target[1])))

        content = b"Timecode,BlendShapeCount\n" * 100
        async with SimulatedRemote(content=content, on_target=on_target, **changes) as remote:
            prepare(remote)
            phone = PhoneConfig(
                bind=HERE,
                port=0,
                address=HERE,
                remote=PhoneRemoteConfig(port=remote.address[1], fetch=fetch),
            )
            async with playing(master, hub_of(120.0)):
                result = await record(
                    rig_of(path, phone),
                    out,
                    options=RecordOptions(slate="scene"),
                    start_timeout_s=2.0 if changes.get("deaf") else PATIENCE_S,
                    **operator.hands,
                )
            for task in sending:
                task.cancel()
            return result, remote

    return asyncio.run(play())


def test_the_phone_records_with_us_and_its_file_lies_in_the_take(cable, tmp_path):
    result, remote = with_phone(cable, tmp_path)
    starts = [m.arguments for m in remote.heard if m.address == "/RecordStart"]
    assert starts == [("scene", 1)]
    assert remote.recording is None
    origin = read_take(result.folder).origin
    assert origin["phone_recorded"] is True
    assert (origin["phone_slate"], origin["phone_take"]) == ("scene", 1)
    assert origin["phone_csv"] == PHONE_CSV
    assert (result.folder / PHONE_CSV).read_bytes().startswith(b"Timecode,BlendShapeCount")
    recording = read_recording(result.folder)
    told = [facts for facts in recording.health if facts["kind"] == "phone_remote"]
    assert [t["state"] for t in told if "state" in t] == ["reached", "recording", "recorded"]
    assert any(t.get("battery") == pytest.approx(0.8) for t in told)
    assert recording.faces.tracked.all()
    assert len(recording.faces) > 10


def test_a_phone_that_is_nearly_empty_is_told_before_it_ends_the_take(cable, tmp_path):
    def drain(remote) -> None:
        remote.battery, remote.thermal = 0.12, 2

    operator = Operator().when(lambda s: len(s.warnings) == 2 and s.elapsed_s > 1.5, STOP)
    result, _ = with_phone(cable, tmp_path, drain, fetch=False, operator=operator)
    assert operator.statuses[-1].warnings == (
        "the phone's battery is at 12%",
        "the phone is too warm (serious): it will slow down",
    )
    warned = {f["text"] for f in read_recording(result.folder).health if f["kind"] == "warning"}
    assert warned == set(operator.statuses[-1].warnings)


def test_a_phone_whose_remote_control_is_off_refuses_the_start(cable, tmp_path):
    with pytest.raises(TransportError, match=r"phone|does not answer") as caught:
        with_phone(cable, tmp_path / "takes", deaf=100_000)
    assert not (tmp_path / "takes").exists()
    assert "--allow-missing phone" in caught.value.hint


def test_a_phone_that_does_not_stop_is_said_and_the_take_is_whole(cable, tmp_path):
    def deafen_to_the_stop(remote) -> None:
        remote._missed = {"/RecordStart": 10**6}
        remote._missed |= dict.fromkeys(("/OSCSetSendTarget", "/BatteryQuery"), 10**6)
        remote._missed |= dict.fromkeys(("/ThermalsQuery", "/AddLiveLinkAddress"), 10**6)
        remote._deaf = 10**6  # of each address but those above, everything is lost

    result, remote = with_phone(cable, tmp_path, deafen_to_the_stop)
    assert remote.recording == ("scene", 1)
    assert read_take(result.folder).origin["phone_recorded"] is False
    assert result.take.state == "complete"


def start_cli(path: str, out: Path, *more: str, **streams) -> subprocess.Popen:
    out.mkdir()
    write_rig(rig_of(path), out / "rig.toml")
    return subprocess.Popen(
        [sys.executable, "-m", "imusic", "record", "--rig", out / "rig.toml", "--out", out, *more],
        cwd=ROOT,
        **streams,
    )


@contextlib.contextmanager
def hub_process(master: int):
    code = (
        "import asyncio, sys\n"
        "from firmware_host.layout import FACE_12\n"
        "from firmware_host.simulator import *\n"
        "import numpy as np\n"
        "t = np.arange(24000) / 200\n"
        "a = np.random.default_rng(0).normal(0, 5, (len(t), 12, 3))\n"
        "hub = SimulatedHub(t, a, a, FACE_12.names, HubOptions(seed=2))\n"
        f"asyncio.run(run_hub(hub, {master}))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], pass_fds=[master], cwd=ROOT)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def wait_for(condition, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)


def size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def test_lines_of_another_program_set_markers_and_end_the_take(cable, tmp_path):
    master, path = cable
    folder = tmp_path / "takes/smile-001"
    with hub_process(master):
        process = start_cli(
            path,
            tmp_path / "takes",
            "--slate",
            "smile",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: size_of(folder / DATA_FILE) > 30_000, "the take")
        process.stdin.write("mark broad smile\nnonsense\nmark\nstop\n")
        process.stdin.flush()
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert "stopped by the operator" in out
    labels = [label for _, label in read_recording(folder).markers]
    assert labels == ["broad smile", "mark 2"]


def test_a_terminal_that_is_paused_never_holds_up_the_take(cable, tmp_path):
    """Nobody reads this terminal, as after Ctrl-S: whoever writes to it waits."""
    master, path = cable
    ours, theirs = os.openpty()
    os.set_blocking(theirs, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(theirs, b"x" * 1024)
    os.set_blocking(theirs, True)
    folder = tmp_path / "takes/take-001"
    with hub_process(master):
        process = start_cli(
            path,
            tmp_path / "takes",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=theirs,
        )
        wait_for(lambda: size_of(folder / DATA_FILE) > 0, "the take")
        began = size_of(folder / DATA_FILE)
        wait_for(lambda: size_of(folder / DATA_FILE) > began + 200_000, "growth")
        process.send_signal(signal.SIGINT)
        wait_for(lambda: read_take(folder).state == "complete", "the end of the take")
        assert process.wait(PATIENCE_S) == 0
        process.stdout.close()
    os.close(ours)
    os.close(theirs)
    recording = read_recording(folder)
    assert recording.samples_lost == 0
    assert recording.samples_sent == len(recording)


LIMITED = """
import asyncio, resource, signal, sys
from pathlib import Path
from capture import daemon
from capture.daemon import record
from firmware_host.errors import ImusicError
from firmware_host.rig import HubConfig, Rig
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))

def recover_with_room(folder, recover=daemon.recover):
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    return recover(folder)

daemon.recover = recover_with_room
try:
    asyncio.run(record(Rig(hub=HubConfig(url=sys.argv[1])), Path(sys.argv[2])))
except ImusicError as error:
    print(error)
"""


def test_what_a_disk_refuses_to_go_on_with_is_rescued_at_once(cable, tmp_path):
    """The kernel lets no file grow beyond 300 kB: each further write fails, as on a full disk."""
    master, path = cable
    with hub_process(master):
        done = subprocess.run(
            [sys.executable, "-c", LIMITED, f"serial:{path}", tmp_path],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert "could not be written: File too large; rescued: " in done.stdout, done.stderr
    folder = tmp_path / "take-001"
    assert read_take(folder).state == "recovered"
    assert len(read_recording(folder)) > 100
    assert recover(folder).outcome is Outcome.WHOLE
