"""Takes as Live Link Face keeps them: which file is the truth, and what time it is."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture import sync
from capture.livelink_csv import timecode, write_livelink_csv
from capture.livelink_import import import_livelink
from capture.livelink_take import FRAME_LOG, TAKE_JSON, read_livelink_take
from capture.recording import read_recording
from firmware_host.errors import ConfigError, DataError
from imusic.cli import main

TRUE_HZ, NOMINAL_HZ, START_NS = 59.9, 60, 559_520_374_015_734
ROWS = 120
FACTS = {
    "version": 1,
    "slate": "Scene",
    "take": 7,
    "subject": "Somebodys iPhone",
    "calibrated": True,
    "frames": ROWS,
    "appVersion": "v1.4.2 (build 134)",
    "deviceModel": "iPhone14,4",
    "date": "2025-02-28T14:56:23Z",
    "startTimecode": "00:00:00:00.000",
    "videoTargetFrameRate": 60,
}


@pytest.fixture
def folder(tmp_path):
    """A calibrated take of two seconds, whose clock runs a little slower than its timecode."""
    where = tmp_path / "20250228_Scene_7"
    where.mkdir()
    (where / TAKE_JSON).write_text(json.dumps(FACTS))
    nominal_s = np.arange(ROWS) / NOMINAL_HZ
    for number, kind in enumerate(("cal", "raw", "neutral"), 1):
        weights = np.full((ROWS, 52), number / 10, np.float32)
        write_livelink_csv(where / f"Scene_7_Somebodys iPhone_{kind}.csv", nominal_s, weights)
    lines = [
        f"{kind},{row},{START_NS + round(row / TRUE_HZ * 1e9)},1000000000,"
        f"{timecode(row / NOMINAL_HZ, NOMINAL_HZ)},0"
        for row in range(ROWS)
        for kind in "BV"
    ]
    (where / FRAME_LOG).write_text("\n".join(lines) + "\n")
    return where


def test_a_real_take_is_timed_by_the_clock_of_its_phone(data, tmp_path):
    take = import_livelink(data / "arkit/sentien", tmp_path / "take")
    recording = read_recording(tmp_path / "take")
    assert len(recording.faces) == 1628
    elapsed_s = np.diff(recording.faces.device_ns) / 1e9
    assert 1 / elapsed_s.mean() == pytest.approx(59.904, abs=0.001)
    assert elapsed_s.max() < 0.0168  # not one row was lost
    assert take.origin["kind"] == "livelink_take"
    assert take.origin["clock"] == "frame_log"
    assert take.origin["truth"] == "plain"
    assert take.origin["calibrated"] is False
    assert (take.origin["slate"], take.origin["slate_take"]) == ("MySlate", 24)
    assert take.origin["start_timecode"] == "11:25:20:22.440"
    assert take.origin["sideways_swapped"] is True
    assert "Masum" not in json.dumps(take.origin)
    assert sync.align(recording).verdict == "good"


@pytest.mark.parametrize(
    ("truth", "kind", "weight"), [(None, "cal", 0.1), ("cal", "cal", 0.1), ("raw", "raw", 0.2)]
)
def test_which_file_is_the_truth_is_chosen_and_kept(folder, tmp_path, truth, kind, weight):
    take = import_livelink(folder, tmp_path / "take", truth)
    assert take.origin["truth"] == kind
    assert take.origin["truths_there"] == ["cal", "raw"]
    assert take.origin["calibrated"] is True
    faces = read_recording(tmp_path / "take").faces
    assert np.allclose(faces.weights, weight)
    elapsed_s = (faces.device_ns - faces.device_ns[0]) / 1e9
    assert np.allclose(elapsed_s, np.arange(ROWS) / TRUE_HZ, atol=1e-6)


def test_rows_that_the_log_lacks_are_timed_between_the_others(folder):
    log = (folder / FRAME_LOG).read_text().splitlines(keepends=True)
    gone = {0, 1, 50, ROWS - 1}
    (folder / FRAME_LOG).write_text(
        "".join(line for line in log if int(line.split(",")[1]) not in gone)
    )
    got = read_livelink_take(folder)
    assert got.clock == "frame_log"
    assert got.recording.time_s[0] == 0
    assert np.allclose(got.recording.time_s, np.arange(ROWS) / TRUE_HZ, atol=2e-4)
    assert "4 rows are not in frame_log.csv: timed between others" in got.recording.notes


def test_a_take_across_midnight_stays_in_order(folder):
    start = 86_400 - 1.0
    nominal_s = start + np.arange(ROWS) / NOMINAL_HZ
    name = folder / "Scene_7_Somebodys iPhone_cal.csv"
    write_livelink_csv(name, nominal_s % 86_400, np.full((ROWS, 52), 0.3, np.float32))
    lines = [
        f"B,{row},{START_NS + round(row / TRUE_HZ * 1e9)},1000000000,"
        f"{timecode(float(moment) % 86_400, NOMINAL_HZ)},0"
        for row, moment in enumerate(nominal_s)
    ]
    (folder / FRAME_LOG).write_text("\n".join(lines))
    got = read_livelink_take(folder)
    assert got.clock == "frame_log"
    assert np.allclose(got.recording.time_s, np.arange(ROWS) / TRUE_HZ, atol=1e-6)


@pytest.mark.parametrize("spoil", ["missing", "other take", "backward"])
def test_a_log_that_does_not_fit_is_left_alone_and_said(folder, spoil):
    log = folder / FRAME_LOG
    lines = log.read_text().splitlines()
    if spoil == "missing":
        log.unlink()
    elif spoil == "other take":
        log.write_text("\n".join(line.replace(",00:", ",05:") for line in lines))
    else:
        stamps = [line.split(",")[2] for line in lines][::-1]
        mixed = [
            ",".join([*line.split(",")[:2], stamp, *line.split(",")[3:]])
            for line, stamp in zip(lines, stamps, strict=True)
        ]
        log.write_text("\n".join(mixed))
    got = read_livelink_take(folder)
    assert got.clock == "timecode"
    assert any("timed by their timecode" in note for note in got.recording.notes)
    assert np.allclose(got.recording.time_s, np.arange(ROWS) / NOMINAL_HZ, atol=1e-4)


def test_a_csv_of_any_name_is_taken_where_it_is_the_only_one(folder):
    for path in folder.glob("Scene_7*"):
        path.unlink() if "raw" in path.name or "neutral" in path.name else path.rename(
            folder / "renamed.csv"
        )
    assert read_livelink_take(folder).truth == "plain"
    shutil.copy(folder / "renamed.csv", folder / "another.csv")
    with pytest.raises(DataError, match=r"cannot tell which CSV.*another.csv, renamed.csv"):
        read_livelink_take(folder)


def test_frames_that_the_csv_lacks_are_noted(folder):
    facts = FACTS | {"frames": ROWS + 30}
    (folder / TAKE_JSON).write_text(json.dumps(facts))
    notes = read_livelink_take(folder).recording.notes
    assert "take.json counts 150 frames, the CSV has 120 rows" in notes


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (TAKE_JSON, None, "cannot read it: No such file"),
        (TAKE_JSON, "{", "take.json: "),
        (TAKE_JSON, '{"slate": 3, "take": 1}', "Expected `str`, got `int`.*slate"),
        (TAKE_JSON, '{"slate": "a", "take": 1, "version": 2}', "expected version 1, got 2"),
        (TAKE_JSON, '{"slate": "a", "take": 1}', "cannot tell which|no face CSV"),
        (FRAME_LOG, "B,0,12\n", "line 1: expected B,index,value,timescale,timecode"),
        (FRAME_LOG, "B,0,12,0,00:00:00:00.0,0\n", "line 1: expected B,index"),
        (FRAME_LOG, "B,0,12,1,soon,0\n", "line 1: expected a timecode"),
        (FRAME_LOG, "B,0,-1,1,00:00:00:00.0,0\n", "no phone's clock shows"),
        (FRAME_LOG, "V,0,12,1,00:00:00:00.0,0\n", "no line about a face"),
    ],
)
def test_what_is_wrong_is_said(folder, name, content, reason):
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    if '"take": 1}' in str(content):
        for path in folder.glob("Scene*"):
            path.unlink()
    with pytest.raises(DataError, match=reason):
        read_livelink_take(folder)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_damaged_log_is_said_or_survived(folder, data):
    log = bytearray((folder / FRAME_LOG).read_bytes())
    kept = bytes(log)
    for _ in range(data.draw(st.integers(1, 5))):
        log[data.draw(st.integers(0, len(log) - 1))] = data.draw(st.integers(0, 255))
    (folder / FRAME_LOG).write_bytes(log)
    try:
        time_s = read_livelink_take(folder).recording.time_s
    except DataError:
        return  # said
    finally:
        (folder / FRAME_LOG).write_bytes(kept)
    assert (np.diff(time_s) > 0).all()
    assert np.allclose(time_s, np.arange(ROWS) / NOMINAL_HZ, atol=0.13)


def test_a_truth_that_is_not_there_is_refused_with_what_is(folder):
    (folder / "Scene_7_Somebodys iPhone_raw.csv").unlink()
    with pytest.raises(DataError, match="no raw CSV of slate 'Scene', take 7") as caught:
        read_livelink_take(folder, "raw")
    assert "_cal.csv" in caught.value.hint


def test_a_truth_of_a_lone_file_is_the_operators_mistake(folder, tmp_path):
    csv = folder / "Scene_7_Somebodys iPhone_cal.csv"
    with pytest.raises(ConfigError, match="is one file"):
        import_livelink(csv, tmp_path / "take", "raw")
    assert import_livelink(csv, tmp_path / "take").origin["clock"] == "timecode"


def test_the_verb_takes_a_folder(folder, tmp_path, capsys):
    out = tmp_path / "take"
    assert main(["import", "livelink", str(folder), "--out", str(out), "--truth", "raw"]) == 0
    assert f"{ROWS} faces" in capsys.readouterr().out
