"""Two performers in one recorder, each with a rig and a phone of their own."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from capture.arkit_source import LiveLinkSender
from capture.livelink import packet_at
from capture.operating import Command, Verb
from capture.record_options import Control, RecordOptions
from capture.recorder import State
from capture.recording import read_recording
from capture.take import TAKE_FILE, read_take
from capture.together import Watchers, record_together
from firmware_host.errors import ConfigError, TransportError
from firmware_host.phone_rig import PhoneConfig
from firmware_host.rig import HubConfig, Rig, SessionConfig, write_rig
from imusic.cli import main

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
STOP, START = Command(Verb.STOP), Command(Verb.START)


def rig_of(name, seconds=60, phone=None, url=""):
    hub = HubConfig(url=url or f"sim:rest,seconds={seconds},seed={len(name)}")
    session = SessionConfig(rest_s=0.5, routine_s=0.5, subject=name, lost_after_s=30.0)
    return Rig(hub=hub, name=name, phone=phone, session=session)


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


class Director:
    """Says what was planned as soon as the statuses of all are as they should be."""

    def __init__(self, *plans):
        self.control, self.plans, self.notices = Control(), list(plans), []
        self.watchers = Watchers(
            on_status=self.look, on_notice=lambda name, told: self.notices.append((name, told))
        )

    def look(self, statuses):
        if self.plans and len(statuses) == 2 and self.plans[0][0](statuses):
            for command in self.plans.pop(0)[1]:
                self.control.say(command)


def all_in(state):
    return lambda statuses: all(status.state is state for status in statuses.values())


@contextlib.asynccontextmanager
async def phone_at(port, jaw):
    weights = np.full(52, jaw, np.float32)

    async def send():
        with LiveLinkSender("127.0.0.1", port) as sender:
            for number in range(10_000):
                sender.send(packet_at(10.0 + number / 60, weights, np.zeros(3)))
                await asyncio.sleep(1 / 60)

    sending = asyncio.create_task(send())
    try:
        yield
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


def test_two_performers_begin_together_and_have_takes_of_their_own(tmp_path):
    ports = free_udp_port(), free_udp_port()
    rigs = [
        rig_of(name, phone=PhoneConfig(bind="127.0.0.1", port=port))
        for name, port in zip(("anna", "ben"), ports, strict=True)
    ]
    director = Director(
        (all_in(State.RECORDING), (Command(Verb.MARK, "clap"),)),
        (lambda s: all(one.marks and one.elapsed_s > 1.5 for one in s.values()), (STOP,)),
    )

    async def play():
        async with phone_at(ports[0], 0.25), phone_at(ports[1], 0.75):
            return await record_together(
                rigs,
                tmp_path,
                start_timeout_s=40.0,
                options=RecordOptions(slate="scene"),
                control=director.control,
                watchers=director.watchers,
            )

    anna, ben = asyncio.run(play())
    assert (anna.result.folder.name, ben.result.folder.name) == ("scene-anna-001", "scene-ben-001")
    takes = [read_recording(one.result.folder) for one in (anna, ben)]
    assert takes[0].take.origin["together"] == takes[1].take.origin["together"]
    assert [recording.take.subject for recording in takes] == ["anna", "ben"]
    for recording, jaw in zip(takes, (0.25, 0.75), strict=True):  # each phone in its own take
        assert len(recording.faces) > 30
        assert np.allclose(recording.faces.weights, jaw, atol=1e-6)
    (clap,), (other,) = (recording.markers for recording in takes)
    assert clap == other  # the same moment, on one clock
    assert all(r.arrival_ns[0] < clap[0] < r.arrival_ns[-1] for r in takes)


def test_an_armed_scene_waits_for_the_operator(tmp_path):
    director = Director(
        (all_in(State.READY), (Command(Verb.SLATE, "fight"), START)),
        (all_in(State.RECORDING), (STOP,)),
    )
    done = asyncio.run(
        record_together(
            [rig_of("anna"), rig_of("ben")],
            tmp_path,
            options=RecordOptions(slate="scene", armed=True),
            control=director.control,
            watchers=director.watchers,
        )
    )
    assert sorted(one.result.folder.name for one in done) == ["fight-anna-001", "fight-ben-001"]
    assert all(one.result.reason == "stopped by the operator" for one in done)


def test_a_start_before_all_are_ready_is_refused_with_who_is_not(tmp_path):
    answers = []
    refused = Command(Verb.START, answer=answers.append)
    director = Director()
    director.control.say(refused)
    director.control.say(STOP)
    asyncio.run(
        record_together(
            [rig_of("anna"), rig_of("ben")],
            tmp_path,
            options=RecordOptions(armed=True),
            control=director.control,
            watchers=director.watchers,
        )
    )
    assert answers
    assert answers[0].startswith("not ready: anna: ")
    assert not list(tmp_path.glob(f"*/{TAKE_FILE}"))


def test_one_who_is_not_there_keeps_all_from_beginning_and_is_named(tmp_path):
    with socket.socket() as nobody:  # a port that nobody listens at
        nobody.bind(("127.0.0.1", 0))
        url = f"tcp:127.0.0.1:{nobody.getsockname()[1]}"
        rigs = [rig_of("anna"), rig_of("ben", url=url)]
        with pytest.raises(TransportError, match="ben"):
            asyncio.run(record_together(rigs, tmp_path, start_timeout_s=2.0))
    assert not list(tmp_path.glob(f"*/{TAKE_FILE}"))


def test_what_ends_for_one_goes_on_for_the_other(tmp_path):
    def ben_is_over(statuses):
        return statuses["ben"].state is State.COMPLETE and statuses["anna"].elapsed_s > 1.0

    director = Director((ben_is_over, (STOP,)))
    rigs = [rig_of("anna"), rig_of("ben", seconds=8)]
    anna, ben = asyncio.run(
        record_together(
            rigs,
            tmp_path,
            start_timeout_s=40.0,
            control=director.control,
            watchers=director.watchers,
        )
    )
    assert "ends" in ben.result.reason
    assert anna.result.reason == "stopped by the operator"
    assert anna.result.take.counts["samples"] > ben.result.take.counts["samples"] > 0


def test_whoever_watches_and_fails_ends_all_takes_and_is_heard(tmp_path):
    def fail(statuses):
        if all_in(State.RECORDING)(statuses):
            raise BrokenPipeError("the terminal is gone")

    rigs = [rig_of("anna"), rig_of("ben")]
    with pytest.raises(BrokenPipeError):
        asyncio.run(record_together(rigs, tmp_path, watchers=Watchers(on_status=fail)))
    states = {read_take(path.parent).state for path in tmp_path.glob(f"*/{TAKE_FILE}")}
    assert states == {"complete"}


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (rig_of("anna"), rig_of("anna"), "two rigs are called 'anna'"),
        (
            rig_of("anna", url="serial:/dev/ttyACM0"),
            rig_of("ben", url="serial:/dev/ttyACM0"),
            "both want serial:/dev/ttyACM0",
        ),
        (
            rig_of("anna", phone=PhoneConfig()),
            rig_of("ben", phone=PhoneConfig()),
            "both want phone.port 11111",
        ),
    ],
)
def test_rigs_that_share_something_are_refused(first, second, why, tmp_path):
    with pytest.raises(ConfigError, match=why):
        asyncio.run(record_together([first, second], tmp_path))


def rigs_in(folder):
    """Options that name a rig for each of two performers, written to `folder`."""
    options = []
    for name in ("anna", "ben"):
        options += ["--rig", str(folder / f"{name}.toml")]
        write_rig(rig_of(name), folder / f"{name}.toml")
    return options


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_is_the_normal_end_of_both(tmp_path, number):
    paths = rigs_in(tmp_path)
    out = tmp_path / "takes"
    command = ["record", *paths, "--out", str(out), "--start-timeout", "60"]
    process = subprocess.Popen(
        [sys.executable, "-m", "imusic", *command],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until_s = time.monotonic() + 60
        while len(list(out.glob(f"*/{TAKE_FILE}"))) < 2:
            assert process.poll() is None
            assert time.monotonic() < until_s
            time.sleep(0.05)
        process.send_signal(number)
        told, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, said
    assert told.count("ended: stopped by the operator") == 2
    assert {read_take(path).state for path in out.iterdir()} == {"complete"}


def test_the_verb_takes_a_rig_for_each(tmp_path, capsys):
    paths = rigs_in(tmp_path)
    out = tmp_path / "takes"
    wanted = ["record", *paths, "--out", str(out), "--slate", "scene", "--start-timeout", "40"]
    assert main([*wanted, "--seconds", "1"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "scene-anna-001" in first
    assert "scene-ben-001" in second
    assert main([*wanted, "--console"]) == 2
    assert main(["record", *paths, "--out", str(out), "--allow-missing", "nothing"]) == 2
