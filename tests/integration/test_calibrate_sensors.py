"""`imusic calibrate-sensors` over a real pty: a box of sensors that somebody turns, and what can go
wrong with that. The hub lives faster than the clock, which only its samples know.
"""

import asyncio
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from capture.daemon import record
from capture.recording import read_recording
from capture.recover import recover
from capture.take import read_take
from firmware_host.calibrating import DeviceTurning
from firmware_host.errors import ConfigError
from firmware_host.layout import FACE_12
from firmware_host.rig import HubConfig, Rig, SessionConfig, read_rig, write_rig
from firmware_host.samples import HubInfo, HubMode, ImuBlock
from firmware_host.sensor_profile import read_profile
from firmware_host.simulator import HubOptions, SimulatedHub
from firmware_host.virtual.turns import UP, Turns, turned
from imusic.cli import main
from tests.integration.hub_threads import played

pytestmark = pytest.mark.integration
pytest.importorskip("serial")
pytest.importorskip("tty", reason="a pty needs POSIX")

ROOT = Path(__file__).parents[2]
SLOTS = FACE_12.names
FACES = tuple(UP)
SPEED = 8.0


@contextmanager
def turning(turns: Turns, descriptor: int, speed: float = SPEED) -> Iterator[None]:
    """The sensors are turned meanwhile."""
    options = HubOptions(jitter_s=0.0, device_id="box 1")
    hub = SimulatedHub(turns.time_s, turns.accel_m_s2, turns.gyro_rad_s, SLOTS, options)
    with played(hub, descriptor, speed):
        yield
    with contextlib.suppress(BlockingIOError):  # a STOP that came too late is not the next hub's
        os.read(descriptor, 4096)


@pytest.fixture
def rig(cable, tmp_path: Path) -> Path:
    path = tmp_path / "rig.toml"
    write_rig(Rig(hub=HubConfig(url=f"serial:{cable[1]}"), session=SessionConfig(rest_s=0.5)), path)
    return path


def calibrated(rig: Path, *arguments: str) -> int:
    return main(["calibrate-sensors", "--rig", str(rig), *arguments])


def test_six_positions_find_what_every_sensor_reads_wrong(cable, rig, capsys):
    turns = turned(12, seed=3)
    with turning(turns, cable[0]):
        assert calibrated(rig, "--json") == 0
    printed = capsys.readouterr()
    told = json.loads(printed.out)["hub"]
    assert told["profile"] == str(rig.parent / "sensors" / "box-1.toml")
    assert told["objections"] == {}
    assert told["missing"] == {}
    profile = read_profile(Path(told["profile"]))
    assert profile.device_id == "box 1"
    assert tuple(profile.sensors) == SLOTS
    for number, sensor in enumerate(profile.sensors.values()):
        off, scale = turns.flaws.accel_offset_m_s2[number], turns.flaws.accel_scale[number]
        np.testing.assert_allclose(sensor.accel_offset_m_s2, off, atol=0.015)
        np.testing.assert_allclose(np.diag(sensor.accel_matrix), scale, atol=0.0015)
        bias = turns.flaws.gyro_bias_rad_s[number]
        np.testing.assert_allclose(sensor.gyro_bias_rad_s, bias, atol=1e-3)
        assert sensor.number == number
    lines = printed.err.splitlines()
    asked = [line for line in lines if line.startswith("lay all 12 sensors with ")]
    assert [line.split()[5] for line in asked] == list(FACES)
    assert "  mentalis: -y done" in lines
    assert 'sensor_profile = "sensors/box-1.toml"' in printed.err


def test_in_any_order_and_never_over_what_was_saved_before(cable, rig, capsys):
    folder = rig.parent / "sensors"
    folder.mkdir()
    (folder / "box-1.toml").write_text("precious")
    with turning(turned(12, tuple(reversed(FACES)), seed=4), cable[0]):
        assert calibrated(rig) == 0
    assert (folder / "box-1.toml").read_text() == "precious"
    assert read_profile(folder / "box-1-2.toml").device_id == "box 1"


def test_a_position_twice_is_refused_and_the_next_is_asked_for(cable, rig, capsys):
    faces = ("+z", "+x", "+z", "-z", "-x", "+y", "-y")
    with turning(turned(12, faces, seed=5), cable[0]):
        assert calibrated(rig) == 0
    told = capsys.readouterr().err
    assert "mentalis: +z was up before: turn it to -z or -x or +y or -y" in told


def test_an_end_before_all_have_rested_saves_nothing_and_says_what_is_missing(cable, rig, capsys):
    with turning(turned(12, FACES[:4], seed=6), cable[0]):
        assert calibrated(rig) == 1
    told = capsys.readouterr().err
    assert "mentalis: never rested with +y, -y up" in told
    assert "nothing was saved of the hub" in told
    assert not (rig.parent / "sensors").exists()


def test_a_sensor_that_cannot_be_is_left_out_and_named(cable, rig, capsys):
    turns = turned(12, seed=7)
    turns.accel_m_s2[:, SLOTS.index("mentalis")] *= 0.85
    with turning(turns, cable[0]):
        assert calibrated(rig) == 1
    assert "mentalis: not calibrated: it would have a scale of 1." in capsys.readouterr().err
    profile = read_profile(rig.parent / "sensors" / "box-1.toml")
    assert "mentalis" not in profile.sensors
    assert len(profile.sensors) == 11


def test_a_slot_that_is_skipped_is_not_waited_for(cable, rig, capsys):
    turns = turned(12, seed=8)
    turns.accel_m_s2[:, SLOTS.index("mentalis")] = np.nan
    with turning(turns, cable[0]):
        assert calibrated(rig, "--skip", "mentalis") == 0
    assert "mentalis" not in read_profile(rig.parent / "sensors" / "box-1.toml").sensors


@pytest.mark.parametrize(
    "wrong", [("--skip", "nose"), ("--device", "left"), ("--rest", "0.2"), ("--colour", "red")]
)
def test_what_the_operator_wrote_wrong_is_refused(rig, wrong, capsys):
    assert calibrated(rig, *wrong) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_ctrl_c_saves_nothing_says_so_and_stops_the_hub(cable, rig):
    with turning(turned(12, FACES, seed=9), cable[0], speed=1.0):
        verb = subprocess.Popen(
            [sys.executable, "-m", "imusic", "calibrate-sensors", "--rig", str(rig)],
            cwd=ROOT, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert verb.stderr is not None
        told = ""
        deadline = time.monotonic() + 60
        while "+z done" not in told and time.monotonic() < deadline:
            told += verb.stderr.readline()
        os.kill(verb.pid, signal.SIGINT)
        told += verb.communicate(timeout=30)[1]
    assert verb.returncode == 130, told
    assert "stopped: nothing was saved" in told
    assert "Traceback" not in told
    assert not (rig.parent / "sensors").exists()


def test_a_take_keeps_the_readings_as_they_came_and_the_profile_beside_them(cable, rig, tmp_path):
    turns = turned(12, seed=10)
    with turning(turns, cable[0]):
        assert calibrated(rig) == 0
    text = rig.read_text().replace("[hub]", '[hub]\nsensor_profile = "sensors/box-1.toml"', 1)
    rig.write_text(text.replace('sensor_profile = ""\n', ""))
    assert read_rig(rig).sources[0].sensor_profile == str(tmp_path / "sensors/box-1.toml")
    with turning(turned(12, ("+z",), seed=10, rest_s=2.0), cable[0], speed=1.0):
        result = asyncio.run(record(read_rig(rig), tmp_path / "takes", 1.0))
    assert result is not None
    take = read_recording(result.folder)
    profile = read_profile(tmp_path / "sensors/box-1.toml")
    assert take.take.corrections == profile.sensors
    came = np.linalg.norm(take.accel_m_s2[100:], axis=-1).mean(axis=0)
    assert np.abs(came - 9.80665).max() > 0.05
    (result.folder / "take.toml").unlink()
    recover(result.folder)
    assert read_take(result.folder).corrections == profile.sensors


def test_a_device_whose_rate_nobody_knows_is_measured_first():
    device = DeviceTurning("cheek", 2.0, False)
    info = HubInfo("w", "", 0, math.nan, 80.0, 17.0, ("zygomaticus_left",))
    device.meet(info, ("0",), (0,))
    turns = turned(1, seed=11, rate_hz=50.0)
    steps = []
    for k in range(len(turns.time_s)):
        part = slice(k, k + 1)
        numbers = np.array([k], np.int64)
        accel, gyro = (v[part].astype(np.float32) for v in (turns.accel_m_s2, turns.gyro_rad_s))
        steps += device.take(ImuBlock(numbers * 20_000, numbers, accel, gyro, k * 20_000_000))
    assert [step.text for step in steps if step.is_progress] == list(FACES)
    profile, objections = device.profile()
    assert objections == {}
    assert profile is not None
    assert list(profile.sensors) == ["0"]


def test_a_device_that_sends_orientations_is_refused():
    fused = HubInfo("s", "", 0, math.nan, math.nan, math.nan, ("mentalis",), mode=HubMode.FUSED)
    with pytest.raises(ConfigError, match="orientations computed from its sensors"):
        DeviceTurning("tracker", 2.0, False).meet(fused, ("0",), (0,))
