"""A computer that sleeps, or saves power where a take pays for it."""

import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from capture.awake import SleepWatch, kept_awake, power_notes
from firmware_host.rig import HubConfig, Rig


def test_a_sleep_is_told_once_and_as_long_as_it_was():
    ever = iter([100.0, 100.02, 117.5, 117.5])
    watch = SleepWatch(lambda: next(ever))
    assert watch.look() == 0.0
    assert watch.look() == pytest.approx(17.48)
    assert watch.look() == 0.0


def test_this_computer_has_not_slept_just_now():
    assert SleepWatch().look() == 0.0


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


posix = pytest.mark.skipif(sys.platform != "linux", reason="how Linux does it")


@posix
def test_sleep_is_held_off_as_long_as_the_block_runs(tmp_path, monkeypatch):
    cat = shutil.which("cat")
    text = f'echo "$@" > {tmp_path}/said; echo $$ > {tmp_path}/pid; exec {cat}'
    program(tmp_path, "systemd-inhibit", text)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    said: list[str] = []
    with kept_awake(said.append):
        deadline = time.monotonic() + 30
        while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        pid = int((tmp_path / "pid").read_text())
        os.kill(pid, 0)  # it is there
    assert said == []
    assert "--what=sleep:idle:handle-lid-switch" in (tmp_path / "said").read_text()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@posix
def test_where_nothing_can_hold_it_off_it_is_said(tmp_path, monkeypatch):
    program(tmp_path, "systemd-inhibit", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    said: list[str] = []
    with kept_awake(said.append):
        assert said == ["note: this computer may fall asleep during a take: switch its sleep off"]
    monkeypatch.setenv("PATH", "")
    said.clear()
    with kept_awake(said.append):
        assert "nothing here can keep this computer awake" in said[0]


@posix
@pytest.mark.parametrize(
    ("control", "delay", "is_told"),
    [("auto", "2000", True), ("on", "2000", False), ("auto", "-1000", False)],
)
def test_a_usb_port_that_may_be_suspended_is_told_with_the_command(
    tmp_path, control, delay, is_told
):
    port = tmp_path / "devices/usb1/1-2"
    (port / "power").mkdir(parents=True)
    (port / "idVendor").write_text("303a\n")
    (port / "power/control").write_text(control + "\n")
    (port / "power/autosuspend_delay_ms").write_text(delay + "\n")
    (port / "1-2:1.0/tty/ttyACM9").mkdir(parents=True)
    (tmp_path / "class/tty/ttyACM9").mkdir(parents=True)
    (tmp_path / "class/tty/ttyACM9/device").symlink_to(port / "1-2:1.0")
    rig = Rig(hub=HubConfig(url="serial:/dev/ttyACM9"))
    notes = power_notes(rig, tmp_path, tmp_path / "wireless")
    assert (len(notes) == 1) is is_told
    if is_told:
        assert f"echo on | sudo tee {port}/power/control" in notes[0]


@posix
def test_wifi_that_dozes_is_told_where_something_comes_by_air(tmp_path, monkeypatch):
    wireless = tmp_path / "wireless"
    wireless.write_text("Inter-| sta-|\n face | tus |\n wlan3: 0000   60.  -50.\n")
    program(tmp_path, "iw", 'echo "Power save: on"')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    by_air = Rig(hub=HubConfig(url="udp:hub-7"))
    (told,) = power_notes(by_air, tmp_path, wireless)
    assert "sudo iw dev wlan3 set power_save off" in told
    assert power_notes(Rig(hub=HubConfig(url="serial:/dev/x")), tmp_path, wireless) == []
    program(tmp_path, "iw", 'echo "Power save: off"')
    assert power_notes(by_air, tmp_path, wireless) == []
    assert subprocess.run(["iw"], check=False, capture_output=True).returncode == 0
