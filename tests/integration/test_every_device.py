"""Each verb about hardware on a rig with every kind of device on every kind of line at once."""

import io
import json
import re
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from firmware_host.rig import KINDS, SIM, read_rig, write_rig
from firmware_host.sensor_profile import read_profile
from imusic.cli import main
from tests.integration.every_device import CAST, SLOTS, World, alive, resting, turning
from tests.integration.test_ble_verbs import become_radio

pytestmark = [pytest.mark.integration, pytest.mark.slow]
pytest.importorskip("serial")
pytest.importorskip("tty", reason="a pty needs POSIX")


def test_the_cast_is_every_kind_on_every_line_that_a_rig_knows():
    known = {(kind, line) for kind, lines in KINDS.items() for line in lines if line != SIM}
    # The streaming layer needs a library of an extra: `test_lsl.py` has an outlet of its own.
    assert set(CAST.values()) == known - {("lsl", "lsl")}


@pytest.fixture
def world(tmp_path, monkeypatch):
    with alive(World(resting(), tmp_path)) as made:
        become_radio(monkeypatch, made.air)
        write_rig(made.rig(), tmp_path / "rig.toml")
        yield made


class UntilHeard(io.StringIO):
    """Where `imusic stream --json` writes; presses Ctrl-C once every device gave 100 samples."""

    def __init__(self) -> None:
        super().__init__()
        self.is_over = False

    def write(self, text: str) -> int:
        devices = json.loads(text)["devices"] if text.startswith("{") else []
        if devices and not self.is_over and all(d["samples"] > 100 for d in devices):
            self.is_over = True
            signal.raise_signal(signal.SIGINT)
        return super().write(text)


def test_stream_hears_every_device(world, tmp_path, monkeypatch, capsys):
    told = UntilHeard()
    monkeypatch.setattr(sys, "stdout", told)
    assert main(["stream", "--rig", str(tmp_path / "rig.toml"), "--seconds", "60", "--json"]) == 0
    assert told.is_over, capsys.readouterr().err
    last = {d["name"]: d for d in json.loads(told.getvalue().splitlines()[-1])["devices"]}
    assert list(last) == list(CAST)
    for name, device in last.items():
        assert device["lost"] == 0, name
        assert device["garbage_bytes"] <= 33, name  # joined in the middle of a round
        assert [slot["name"] for slot in device["slots"]] == [SLOTS[name]]
        assert device["links_down"] == 0, name


def test_check_finds_every_device_green(world, tmp_path, capsys):
    code = main(
        [
            "check",
            "--rig",
            str(tmp_path / "rig.toml"),
            "--no-routine",
            "--json",
            "--start-timeout",
            "60",
        ]
    )
    told = json.loads(capsys.readouterr().out)
    devices = {row["name"]: {p["rule"] for p in row["problems"]} for row in told["devices"]}
    assert list(devices) == list(CAST)
    assert set.union(*devices.values()) <= {"rate"}  # where this machine is too busy to play them
    slots = {row["name"]: [p["rule"] for p in row["problems"]] for row in told["slots"]}
    unserved = set(slots) - set(SLOTS.values())
    assert {name for name, problems in slots.items() if problems} == unserved
    assert code == 1  # for one slot is nobody's


class Told(io.StringIO):
    """What is said to the operator, who taps where asked to, and again until something happens."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._device_at = {slot: name for name, slot in SLOTS.items()}
        self._world, self._asked = world, ""
        self.is_over = threading.Event()
        self._finger = threading.Thread(target=self._tap)
        self._finger.start()

    def write(self, text: str) -> int:
        if found := re.match(r"tap (\w+)", text):
            self._asked = self._device_at[found[1]]
        return super().write(text)

    def _tap(self) -> None:
        while not self.is_over.wait(1.5):
            if self._asked:
                self._world.tap(self._asked)

    def put_down(self) -> None:
        self.is_over.set()
        self._finger.join()


def test_identify_finds_every_device_by_a_tap(world, tmp_path, monkeypatch):
    told = Told(world)
    monkeypatch.setattr(sys, "stderr", told)
    asked = [part for slot in SLOTS.values() for part in ("--slot", slot)]
    rig, out = str(tmp_path / "rig.toml"), tmp_path / "named.toml"
    try:
        code = main(["identify", "--rig", rig, "--out", str(out), "--wait", "60", *asked])
    finally:
        told.put_down()
    assert code == 0, told.getvalue()
    found = {device.name: device.assigned for device in read_rig(out).devices}
    sensors = {name: found[name][0][0] for name in CAST}
    assert {name: found[name][0][1] for name in CAST} == SLOTS
    assert sensors["ximu_udp"] == "0"
    assert sensors["hub_line"] in ("0", SLOTS["hub_line"])


def test_calibrate_sensors_calibrates_every_device_that_gives_readings(
    tmp_path, monkeypatch, capsys
):
    felt = turning()
    truth = {name: felt.of(number) for number, name in enumerate(CAST)}
    with alive(World(felt, tmp_path)) as world:
        become_radio(monkeypatch, world.air)
        write_rig(world.rig("slime_udp"), tmp_path / "rig.toml")
        code = main(
            ["calibrate-sensors", "--rig", str(tmp_path / "rig.toml"), "--rest", "1", "--json"]
        )
    out, err = capsys.readouterr()
    assert code == 0, err
    told = json.loads(out)
    assert set(told) == set(CAST) - {"slime_udp"}
    for name, device in told.items():
        profile = read_profile(Path(device["profile"]))
        (sensor,) = profile.sensors.values()
        assert profile.device_id == (name if name != "ximu_udp" else "x-IMU3")  # nobody can ask it
        motion = truth[name]
        still = np.linalg.norm(motion.gyro_rad_s, axis=1) < 0.2
        right = (motion.accel_m_s2[still] - sensor.accel_offset_m_s2) @ np.transpose(
            sensor.accel_matrix
        )
        off = np.abs(np.linalg.norm(right, axis=1) - 9.80665)
        assert np.median(off) < 0.05, name  # of noise of 0.03; before, up to 0.5


def test_calibrate_sensors_refuses_a_tracker_that_sends_orientations(tmp_path, monkeypatch, capsys):
    with alive(World(resting(30.0), tmp_path)) as world:
        become_radio(monkeypatch, world.air)
        write_rig(world.rig(*(set(CAST) - {"slime_udp"})), tmp_path / "rig.toml")
        assert main(["calibrate-sensors", "--rig", str(tmp_path / "rig.toml")]) == 2
    assert "orientations computed from its sensors" in capsys.readouterr().err
