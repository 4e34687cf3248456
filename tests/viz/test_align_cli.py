"""`imusic align`: the same take gives the same bytes, a figure, and doubt that is heard later."""

import json

import numpy as np
import pytest

from capture.blendshapes import INDEX
from capture.livelink import quat_from_head_angles
from capture.take import DATA_FILE, new_take, read_take
from capture.take_writer import TakeWriter
from capture.verify import offload
from firmware_host.layout import FACE_12, select
from firmware_host.samples import ImuBlock
from imusic.cli import main

TWO = select(FACE_12, ("mentalis", "head_reference"))
NS = 1_000_000_000


def moving_take(folder, seconds=20.0, moves=True):
    """A head that turns, or not, and a phone that sees it 60 ms later."""
    rng = np.random.default_rng(4)
    folder.mkdir(parents=True)
    fine = np.arange(0, seconds, 0.005)
    turns = [
        0.2 * rng.normal() * np.sin(2 * np.pi * hz * fine + rng.uniform(0, 6))
        for hz in (0.4, 0.9, 1.7)
    ]
    angle = np.sum(turns, axis=0) * float(moves)
    rate = np.gradient(angle, 0.005)
    writer = TakeWriter(folder, new_take(folder.name, TWO, {}, simulated=True))
    gyro = np.zeros((len(fine), 2, 3), np.float32)
    gyro[..., 1] = rate[:, None]
    accel = np.zeros_like(gyro)
    accel[..., 1] = 9.81
    for start in range(0, len(fine) - 2, 3):
        rows = slice(start, start + 3)
        ticks = np.arange(start, start + 3)
        arrival = int((fine[start + 2] + 0.002) * NS) + NS
        writer.hub_event(ImuBlock(ticks * 5000, ticks, accel[rows], gyro[rows], arrival), arrival)
    face_s = np.arange(0, seconds, 1 / 60)
    heads = np.stack([np.interp(face_s, fine, angle), 0 * face_s, 0 * face_s], 1)
    weights = np.zeros((len(face_s), 52), np.float32)
    weights[:, INDEX["jawOpen"]] = 0.1
    arrival_ns = np.rint((face_s + 0.06) * NS).astype(np.int64) + NS
    writer.faces(
        np.rint(face_s * NS).astype(np.int64) + 500 * NS,
        arrival_ns,
        weights,
        np.ones(len(face_s), bool),
        heads.astype(np.float32),
    )
    assert np.isfinite(quat_from_head_angles(heads)).all()
    writer.close()
    return folder


def replay_of(take, folder):
    """A rig that plays a take, as fast as it is taken."""
    rig = folder / "replay.toml"
    rig.write_text(
        f'name = "again"\n[hub]\nurl = "replay:{take},speed=max"\n'
        '[publish]\nfaces = "tcp://127.0.0.1:*"\nevents = ""\nstatus = ""\n'
    )
    return rig


def test_the_same_take_gives_the_same_bytes_and_a_figure(tmp_path, capsys):
    take = moving_take(tmp_path / "take")
    assert main(["align", str(take)]) == 0
    told = capsys.readouterr()
    assert "sync.svg" in told.out
    first = {name: (take / name).read_bytes() for name in ("sync.json", "sync.svg")}
    assert main(["align", str(take)]) == 0
    assert {name: (take / name).read_bytes() for name in first} == first
    alignment = json.loads(first["sync.json"])
    assert alignment["phone_latency_s"] == pytest.approx(0.06, abs=0.01)
    picture = first["sync.svg"].decode()
    assert picture.startswith("<svg")
    assert alignment["verdict"].upper() in picture
    copy, _ = offload(take, tmp_path / "disk")
    assert (copy / "sync.svg").read_bytes() == first["sync.svg"]


def test_a_doubtful_take_is_said_so_by_all_that_use_it(tmp_path, capsys):
    take = moving_take(tmp_path / "take", seconds=6.0, moves=False)
    loud = "WARNING: the sync of take is DOUBTFUL"
    out = tmp_path / "out.svg"
    for command in (
        ["align", str(take)],
        ["plot", "sync", str(take), "--out", str(out)],
        ["plot", "curves", str(take), str(take), "--out", str(tmp_path / "curves.svg")],
        ["evaluate", str(take), "--json"],
        ["adapt", str(take), "--out", str(tmp_path / "w.safetensors")],
        ["render", str(take), "--out", str(tmp_path / "face.png"), "--renderer", "software"],
        ["drive", str(take), "--sink", f"npz:{tmp_path / 'driven.npz'}", "--seconds", "0.2"],
        ["explain", str(take), "--no-gradients", "--no-sets", "--seconds", "1", "--json"],
        ["live", "--rig", str(replay_of(take, tmp_path)), "--seconds", "1"],
    ):
        code, said = main(command), capsys.readouterr()
        assert code == 0 or command[0] in ("adapt", "live"), said.err  # nothing to learn, no bytes
        assert loud in " ".join(said.err.split()), command
        if command[0] == "evaluate":
            assert json.loads(said.out)[str(take)]["sync"] == "doubtful"
    assert "DOUBTFUL" in out.read_text("utf-8")


def test_what_is_made_of_a_doubtful_phone_stays_doubtful(tmp_path, capsys):
    take = moving_take(tmp_path / "take", seconds=6.0, moves=False)
    mixed, plain = tmp_path / "mixed.npz", tmp_path / "plain.npz"
    for command in (["--hybrid", "--out", str(mixed)], ["--out", str(plain)]):
        assert main(["predict", str(take), *command]) == 0
        assert "WARNING: the sync of take is DOUBTFUL" in capsys.readouterr().err
    for path, is_doubtful in ((mixed, True), (plain, False)):
        picture = path.with_suffix(".png")
        assert main(["render", str(path), "--out", str(picture), "--renderer", "software"]) == 0
        assert ("WARNING: the sync of take is DOUBTFUL" in capsys.readouterr().err) == is_doubtful


def test_the_list_of_takes_tells_which_are_doubtful(tmp_path, capsys):
    moving_take(tmp_path / "still", moves=False)
    for name in ("fresh", "still"):
        take = tmp_path / name
        if not take.exists():
            moving_take(take)
    assert main(["align", str(tmp_path / "still")]) == 0
    capsys.readouterr()
    assert main(["list", str(tmp_path)]) == 0
    fresh, still = capsys.readouterr().out.splitlines()
    assert "SYNC" not in fresh
    assert still.endswith("SYNC DOUBTFUL")
    assert main(["info", str(tmp_path / "still"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sync"] == "doubtful"
    (tmp_path / "fresh" / "sync.json").write_text("{")
    assert main(["list", str(tmp_path)]) == 0
    assert "SYNC UNREADABLE" in capsys.readouterr().out


def test_a_data_set_tells_which_takes_are_doubtful(tmp_path, capsys):
    pytest.importorskip("pyarrow")
    take = moving_take(tmp_path / "take", seconds=6.0, moves=False)
    assert main(["dataset", "build", str(take), "--out", str(tmp_path / "set")]) == 0
    assert "WARNING: take: its sync is DOUBTFUL" in capsys.readouterr().err
    export = ["dataset", "export", str(tmp_path / "set"), "--format", "npz", "--out"]
    assert main([*export, str(tmp_path / "npz")]) == 0
    assert "WARNING: take: its sync is DOUBTFUL" in capsys.readouterr().err
    assert read_take(take).files[DATA_FILE]
