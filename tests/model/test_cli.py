"""What the verbs of the model refuse, and what they say."""

import numpy as np
import pytest

from firmware_host.layout import FACE_12
from imusic.cli import main

STILL = "imusic: note: the face rests in all frames: "


def predicted(tmp_path, capsys, seconds, silent=()):
    """(stdout, stderr) of `imusic predict` on a take of a still head whose `silent` slots fail.

    They fail half a second after the start, where rest ends.
    """
    time_s = np.arange(round(seconds * 100)) / 100
    accel = np.zeros((len(time_s), len(FACE_12.slots), 3), np.float32)
    accel[..., 1] = 9.81
    fails = [FACE_12.names.index(name) for name in silent]
    accel[np.ix_(time_s > 0.5, fails)] = np.nan
    npz, take, face = tmp_path / "in.npz", str(tmp_path / "take"), tmp_path / "face.npz"
    rest_s, gyro = np.array([0.0, 0.5]), np.zeros_like(accel)
    slots = np.array(FACE_12.names)
    np.savez(npz, slots=slots, time_s=time_s, accel_m_s2=accel, gyro_rad_s=gyro, rest_s=rest_s)
    assert main(["import", "samples", str(npz), "--out", take]) == 0
    capsys.readouterr()
    assert main(["predict", take, "--out", str(face)]) == 0
    shown = capsys.readouterr()
    return shown.out, shown.err.strip()  # the progress bar leaves an empty line


def test_predict_says_nothing_of_a_face_that_moves(tmp_path, capsys):
    out, err = predicted(tmp_path, capsys, 2.0)
    assert "frames: " in out
    assert err == ""


def test_predict_says_that_a_take_ends_before_its_opening(tmp_path, capsys):
    _, err = predicted(tmp_path, capsys, 0.55)
    assert err == f"{STILL}rest and routine take 0.5 s, and the take is 0.5 s long"


def test_predict_says_that_the_head_reference_was_silent(tmp_path, capsys):
    _, err = predicted(tmp_path, capsys, 2.0, [FACE_12.reference])
    missing = f"no head reference {FACE_12.reference!r} was heard after rest and routine"
    assert err == f"{STILL}{missing}"


def test_predict_says_that_no_sensor_on_the_face_was_heard(tmp_path, capsys):
    face = [name for name in FACE_12.names if name != FACE_12.reference]
    _, err = predicted(tmp_path, capsys, 2.0, face)
    assert err == f"{STILL}no sensor on the face was heard after rest and routine"


@pytest.mark.parametrize("seconds", ["nan", "inf", "-inf", "-1", "0", "0.05"])
def test_live_refuses_a_time_that_is_none(seconds, tmp_path, capsys):
    rig = tmp_path / "rig.toml"
    rig.write_text('[hub]\nurl = "serial:/dev/none"\n')
    assert main(["live", "--rig", str(rig), "--seconds", seconds]) == 2
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.startswith("imusic: ")
    assert "--seconds" in first
    assert [line.startswith("  hint:") for line in rest] == [True]
