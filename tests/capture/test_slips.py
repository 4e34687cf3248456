"""Sensors that slipped since they were put on, ratings and notes."""

import msgspec
import numpy as np
import pytest

from capture import rotations
from capture.recording import read_recording
from capture.recover import recover
from capture.slips import slip_lines, slips_of
from capture.take import DATA_FILE, Segment, new_take, read_take, write_take
from capture.take_writer import TakeWriter
from firmware_host.layout import FACE_12
from firmware_host.samples import ImuBlock
from imusic.cli import main

UP = np.array([0.0, 1.0, 0.0])


def rest_of(folder, *, pitch_deg=0.0, slipped=None, by_deg=0.0, seed=1, placement="p1 a", at="09"):
    """A take that is all rest: sensors mounted askew, a head that is held at some pitch."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(5)  # the same donning
    mounting = rotations.from_vector(np.radians(6.0) * rng.normal(size=(12, 3)))
    if slipped is not None:
        turn = rotations.from_vector(np.radians([by_deg, 0.0, 0.0]))
        slot = FACE_12.names.index(slipped)
        mounting[slot] = rotations.multiply(mounting[slot], turn)
    head = rotations.from_vector(np.radians([pitch_deg, 0.0, 0.0]))
    gravity = 9.81 * rotations.rotate(rotations.conjugate(head), UP)
    felt = np.stack([rotations.rotate(rotations.conjugate(q), gravity) for q in mounting])
    noise = np.random.default_rng(seed)
    segments = (Segment("rest", 0.0, 2.0),)
    origin = {"placement": placement}
    take = new_take(folder.name, FACE_12, origin, segments, simulated=True)
    created = f"2026-03-01T{at}:00:00+00:00"
    writer = TakeWriter(folder, msgspec.structs.replace(take, created_utc=created))
    for number in range(150):
        ticks = np.arange(3 * number, 3 * number + 3)
        accel = (felt + noise.normal(0, 0.05, (3, 12, 3))).astype(np.float32)
        gyro = noise.normal(0, 0.01, (3, 12, 3)).astype(np.float32)
        writer.hub_event(ImuBlock(ticks * 5000, ticks, accel, gyro, number * 15_000_000 + 1), 1)
    writer.close()
    return folder


def test_a_sensor_that_slipped_is_named_and_others_are_not(tmp_path):
    rest_of(tmp_path / "scene-001")
    after = rest_of(
        tmp_path / "scene-002", pitch_deg=15.0, slipped="mentalis", by_deg=30.0, seed=2, at="10"
    )
    (slip,) = slips_of(after)
    assert slip.slot == "mentalis"
    assert slip.degrees == pytest.approx(30.0, abs=4.0)
    (line,) = slip_lines(after)
    assert line.startswith("ALARM: mentalis sits")


def test_another_pose_of_the_head_is_no_slip(tmp_path):
    rest_of(tmp_path / "scene-001")
    for number, pitch_deg in enumerate((-25.0, 12.0, 25.0), 2):
        after = rest_of(tmp_path / f"scene-00{number}", pitch_deg=pitch_deg, seed=number, at="10")
        assert slips_of(after) == []


def test_a_new_donning_has_no_baseline(tmp_path):
    rest_of(tmp_path / "scene-001")
    after = rest_of(
        tmp_path / "scene-002", slipped="mentalis", by_deg=40.0, placement="p1 b", at="10"
    )
    assert slips_of(after) == []
    assert slips_of(tmp_path / "scene-001") == []


def test_only_the_beginning_of_a_take_is_read(tmp_path):
    folder = rest_of(tmp_path / "scene-001")
    assert len(read_recording(folder)) == 450
    assert len(read_recording(folder, until_s=0.5)) <= 450
    take = tmp_path / "long"
    take.mkdir()
    writer = TakeWriter(take, new_take("long", FACE_12, {}, simulated=True), chunk_bytes=2000)
    readings = np.random.default_rng(1).normal(size=(3, 12, 3)).astype(np.float32)
    for number in range(400):
        ticks = np.arange(3 * number, 3 * number + 3)
        at = number * 15_000_000 + 1
        writer.hub_event(ImuBlock(ticks * 5000, ticks, readings, readings, at), 1)
    writer.close()
    assert 100 <= len(read_recording(take, until_s=0.5)) < 200


def test_ratings_and_notes_of_markers_and_of_afterwards(tmp_path, capsys):
    folder = tmp_path / "scene-001"
    folder.mkdir()
    writer = TakeWriter(folder, new_take("scene-001", FACE_12, {}, simulated=True))
    for label in ("mark 1", "good", "note: eyes closed at 10 s", "circle"):
        writer.marker(label, 1)
    writer.close()
    take = read_take(folder)
    assert (take.rating, take.notes) == ("circle", ("eyes closed at 10 s",))
    assert main(["note", str(folder), "and a cough", "--rating", "ng"]) == 0
    assert "no good\n  eyes closed at 10 s\n  and a cough" in capsys.readouterr().out
    assert main(["list", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip().endswith("no good")
    assert main(["note", str(folder), "--rating", "best"]) == 2


def test_a_rescued_take_keeps_its_rating(tmp_path):
    folder = tmp_path / "scene-001"
    folder.mkdir()
    writer = TakeWriter(folder, new_take("scene-001", FACE_12, {}, simulated=True))
    writer.marker("good", 1)
    writer.close()
    path = folder / DATA_FILE
    path.write_bytes(path.read_bytes()[:-30])
    recording = msgspec.structs.replace(read_take(folder), state="recording", rating="")
    write_take(recording, folder)
    recover(folder)
    assert read_take(folder).rating == "good"
