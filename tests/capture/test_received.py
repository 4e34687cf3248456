"""What comes from elsewhere: archives of anybody, faces in JSON, samples in CSV."""

import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from capture.archives import Bounds, safe_name, unpack
from capture.beat import import_beat
from capture.blendshapes import ARKIT_NAMES
from capture.importers import import_samples
from capture.recording import read_recording
from firmware_host.errors import ConfigError, DataError
from imusic.cli import main

GOOD = {"takes/one/take.toml": b"name = 'one'", "takes/one/data.mcap": b"\x00" * 100}


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes], *entries: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        for entry in entries:
            archive.addfile(entry)
    return path


@pytest.mark.parametrize(("make", "name"), [(zipped, "a.zip"), (tarred, "a.tar.gz")])
def test_regular_files_come_out_as_they_went_in(make, name, tmp_path, capsys):
    archive = make(tmp_path / name, GOOD)
    assert main(["import", "archive", str(archive), "--out", str(tmp_path / "out")]) == 0
    assert "2 files, 1 takes" in capsys.readouterr().out
    for path, data in GOOD.items():
        assert (tmp_path / "out" / path).read_bytes() == data
        assert not os.access(tmp_path / "out" / path, os.X_OK)
    with pytest.raises(ConfigError, match="exists"):
        unpack(archive, tmp_path / "out")


BAD_NAMES = (
    "../evil", "/etc/evil", "a/../../evil", "C:\\evil", "a\\..\\..\\evil", "nul.txt", "a/b. ",
    "x" * 300, "a:b", "tab\there",
)  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("make", [zipped, tarred])
def test_names_that_lead_elsewhere_are_refused(make, name, tmp_path):
    suffix = ".zip" if make is zipped else ".tar.gz"
    archive = make(tmp_path / f"a{suffix}", {**GOOD, name: b"evil"})
    before = sorted(tmp_path.parent.rglob("*"))
    with pytest.raises(DataError, match="no name of a file"):
        unpack(archive, tmp_path / "out")
    assert sorted(tmp_path.parent.rglob("*")) == before
    assert not Path("/etc/evil").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE,
                                  tarfile.FIFOTYPE])  # fmt: skip
def test_links_and_devices_are_refused(kind, tmp_path):
    entry = tarfile.TarInfo("takes/link")
    entry.type, entry.linkname = kind, "/etc/passwd"
    archive = tarred(tmp_path / "a.tar.gz", GOOD, entry)
    with pytest.raises(DataError, match="no regular file"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as made:
        made.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="no regular file"):
        unpack(tmp_path / "b.zip", tmp_path / "out")


def test_bombs_are_noticed_by_what_comes_out(tmp_path):
    bomb = zipped(tmp_path / "a.zip", {"zeros": bytes(40 << 20)})
    assert bomb.stat().st_size < 100_000
    with pytest.raises(DataError, match="MB"):
        unpack(bomb, tmp_path / "out")
    many = zipped(tmp_path / "b.zip", {f"f{k}": b"x" for k in range(20)})
    with pytest.raises(DataError, match="more than 10 files"):
        unpack(many, tmp_path / "out", Bounds(files=10))
    with pytest.raises(DataError, match="more than 0 MB"):
        unpack(zipped(tmp_path / "c.zip", GOOD), tmp_path / "out", Bounds(bytes=50))
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []


def test_a_name_twice_and_damage_are_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("one", b"2")
    with pytest.raises(DataError, match="twice"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    whole = tarred(tmp_path / "b.tar.gz", {"noise": os.urandom(5000)}).read_bytes()
    for cut in range(1, len(whole), 331):
        (tmp_path / "c.tar.gz").write_bytes(whole[:cut])
        with pytest.raises(DataError):
            unpack(tmp_path / "c.tar.gz", tmp_path / f"out-{cut}")
    (tmp_path / "d.zip").write_bytes(b"dear all")
    with pytest.raises(DataError, match=r"expected \.zip or \.tar"):
        unpack(tmp_path / "d.zip", tmp_path / "out")
    assert str(safe_name("a/b.csv", Path("x"))) == "a/b.csv"


def beat(path: Path, count: int = 60, **more) -> Path:
    names = [f"{n[0].upper()}{n[1:]}" for n in ARKIT_NAMES if n != "tongueOut"][::-1]
    frames = [
        {"weights": [round(0.5 + 0.4 * np.sin(k / 9 + j), 4) for j in range(51)], "time": k / 60}
        for k in range(count)
    ]
    path.write_text(json.dumps({"names": names, "frames": frames, **more}))
    return path


def test_faces_in_json_become_a_take(tmp_path, capsys):
    path = beat(tmp_path / "wayne.json")
    assert main(["import", "beat", str(path), "--out", str(tmp_path / "take")]) == 0
    assert "tongueOut" in capsys.readouterr().err
    faces = read_recording(tmp_path / "take").faces
    assert faces.weights.shape == (60, 52)
    last = ARKIT_NAMES.index([n for n in ARKIT_NAMES if n != "tongueOut"][-1])
    assert faces.weights[0, last] == pytest.approx(0.5)
    assert faces.weights[:, ARKIT_NAMES.index("tongueOut")].max() == 0
    assert np.allclose(np.diff(faces.device_ns), 1e9 / 60, atol=2)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dear all", "expected JSON"),
        ('{"names": ["a"], "frames": []}', "0 of its 1 names"),
        ('{"names": [], "frames": "none"}', "expected JSON"),
    ],
)
def test_other_json_is_told(tmp_path, text, told):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=told):
        import_beat(tmp_path / "a.json", tmp_path / "take")
    assert not (tmp_path / "take").exists()


def test_frames_that_do_not_fit_are_told(tmp_path):
    names = json.loads(beat(tmp_path / "a.json", 2).read_text())["names"]
    short = [{"time": 0, "weights": [0.0] * 51}, {"time": 1, "weights": [0.0]}]
    with pytest.raises(DataError, match="frame 1: expected 51"):
        import_beat(beat(tmp_path / "a.json", names=names, frames=short), tmp_path / "take")
    late = [{"time": 1, "weights": [0.0] * 51}, {"time": 0, "weights": [0.0] * 51}]
    with pytest.raises(DataError, match="increasing"):
        import_beat(beat(tmp_path / "a.json", frames=late), tmp_path / "take")
    percent = [{"time": t, "weights": [50.0] * 51} for t in (0, 1)]
    with pytest.raises(DataError, match="beyond"):
        import_beat(beat(tmp_path / "a.json", frames=percent), tmp_path / "take")


def rig_csv(path: Path, gap: str = "") -> Path:
    slots = ("head_reference", "mentalis")
    names = [f"{s}.{axis}" for s in slots for axis in ("ax", "ay", "az", "gx", "gy", "gz")]
    rng = np.random.default_rng(0)
    lines = [",".join(["time_s", *names])]
    for k in range(300):
        cells = [f"{v:.5f}" for _ in slots for v in (*rng.normal((0, 9.81, 0), 0.02),
                                                    *rng.normal(0, 0.01, 3))]  # fmt: skip
        if k == 100:
            cells[6:] = [gap] * 6
        lines.append(",".join([f"{k / 100:.3f}", *cells]))
    path.write_text("\n".join(lines))
    return path


def test_samples_in_csv_become_a_take(tmp_path):
    take = import_samples(rig_csv(tmp_path / "rig.csv"), tmp_path / "take")
    assert take.sensor_layout.names == ("head_reference", "mentalis")
    recording = read_recording(tmp_path / "take")
    assert recording.accel_m_s2.shape == (300, 2, 3)
    assert np.isnan(recording.accel_m_s2[100, 1]).all()
    assert np.isfinite(recording.accel_m_s2[100, 0]).all()
    assert recording.accel_m_s2[:, :, 1].mean() == pytest.approx(9.81, abs=0.2) or np.isnan(
        recording.accel_m_s2[:, :, 1].mean()
    )


def test_csv_that_is_not_of_a_rig_is_told(tmp_path):
    path = tmp_path / "a.csv"
    for text, told in {
        "a,b\n1,2\n": "time_s",
        "time_s,mentalis.ax\n1,2\n": "missing or unknown",
        "time_s,time_s\n1,2\n": "twice",
    }.items():
        path.write_text(text)
        with pytest.raises(DataError, match=told):
            import_samples(path, tmp_path / "take")
    with pytest.raises(DataError, match="line 102: could not convert"):
        import_samples(rig_csv(path, gap="gone"), tmp_path / "take")
