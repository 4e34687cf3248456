"""Takes made of files from elsewhere."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.blendshapes import ARKIT_NAMES
from capture.importers import block_numbers, import_samples
from capture.livelink_csv import write_livelink_csv
from capture.livelink_import import import_livelink
from capture.recording import read_recording
from capture.resample import TICK_HZ, tick_time_ns
from firmware_host.errors import DataError

SLOTS = ("head_reference", "mentalis")


def still(seconds: float = 4.0, rate_hz: float = 200.0, start_s: float = 0.0, **changes):
    """The arrays of a head at rest; None among `changes` leaves a key out."""
    time_s = start_s + np.arange(round(seconds * rate_hz)) / rate_hz
    shape = (len(time_s), len(SLOTS), 3)
    rng = np.random.default_rng(3)
    arrays = {
        "slots": np.array(SLOTS),
        "time_s": time_s,
        "accel_m_s2": np.array([0, 9.81, 0]) + rng.normal(0, 0.05, shape),
        "gyro_rad_s": rng.normal(0, 0.02, shape),
        **changes,
    }
    return {key: value for key, value in arrays.items() if value is not None}


def save(folder: Path, **changes) -> Path:
    path = folder / "samples.npz"
    np.savez(path, **still(**changes))
    return path


@pytest.mark.parametrize("start_s", [0.0, 0.003, 1.7e9 + 0.003, -1234.567])
def test_a_prediction_is_on_the_clock_of_the_imported_file(tmp_path, start_s):
    from model.checkpoint import load_checkpoint
    from model.predict import predict_take

    import_samples(save(tmp_path, seconds=3, start_s=start_s), tmp_path / "take")
    told = predict_take(tmp_path / "take", load_checkpoint())
    assert told.time_s[0] == pytest.approx(start_s, abs=0.04)
    assert told.time_s[-1] == pytest.approx(start_s + 3, abs=0.04)
    assert np.diff(told.time_s) == pytest.approx(1 / 60, abs=1e-6)


def test_unix_times_leave_room_for_arithmetic_in_nanoseconds(tmp_path):
    take = import_samples(save(tmp_path, start_s=1.7e9 + 0.25), tmp_path / "take")
    assert take.origin["time_zero_s"] == 1.7e9
    arrival_ns = read_recording(tmp_path / "take").arrival_ns
    assert 0 < arrival_ns[0] < 1e9


@given(st.floats(0, 1), st.sampled_from([50.0, 60.0, 104.0, 200.0, 999.7]))
def test_at_every_tick_all_samples_before_it_have_arrived_and_none_after(start_s, rate_hz):
    host_ns = np.rint((start_s + np.arange(400) / rate_hz) * 1e9).astype(np.int64)
    block = block_numbers(host_ns)
    last = np.append(np.flatnonzero(np.diff(block)), len(block) - 1)
    arrival_ns = host_ns[last][block]
    for tick in range(int(host_ns[0] * TICK_HZ // 10**9), int(host_ns[-1] * TICK_HZ // 10**9)):
        now_ns = tick_time_ns(tick) + 1
        assert np.array_equal(arrival_ns <= now_ns, host_ns <= now_ns)
    assert block[0] == 0
    assert set(np.diff(block)) <= {0, 1}


def test_samples_at_60_hz_come_one_per_tick():
    host_ns = np.rint(np.arange(600) / 60 * 1e9).astype(np.int64)
    assert np.array_equal(block_numbers(host_ns), np.arange(600))


def refused(folder: Path, says: str, hint: str = "", **changes) -> None:
    """One line that names the file, and nothing left behind."""
    path = save(folder, **changes)
    with pytest.raises(DataError, match=says) as caught:
        import_samples(path, folder / "take")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value) + caught.value.hint
    assert hint in caught.value.hint
    assert not (folder / "take").exists()


@pytest.mark.parametrize("key", ["rest_s", "routine_s"])
@pytest.mark.parametrize(
    "bounds", [(0, np.inf), (-np.inf, 2), (0, np.nan), (0, 9), (-3, 2), (2, 1), (1,), (100, 102)]
)
def test_rest_and_routine_lie_within_the_samples(tmp_path, key, bounds):
    refused(tmp_path, f"{key}: ", **{key: np.array(bounds, float)})


def test_a_rest_from_zero_is_fine_where_samples_begin_a_moment_later(tmp_path):
    path = save(tmp_path, start_s=0.003, rest_s=np.array([0.0, 2.0]))
    assert import_samples(path, tmp_path / "take").segment("rest").end_s == pytest.approx(1.997)


def test_samples_shorter_than_the_rest_they_begin_with_are_refused(tmp_path):
    refused(tmp_path, "shorter than the rest", "rest_s", seconds=1.5)


def test_a_head_reference_that_never_speaks_is_refused(tmp_path):
    silent = still()["accel_m_s2"]
    silent[:, 0] = np.nan
    refused(tmp_path, "'head_reference' never gives", "cannot be told", accel_m_s2=silent)


@pytest.mark.parametrize(
    ("factor", "hint"),
    [
        (1e3, "these look like milliseconds; divide by 1000"),
        (1e6, "these look like microseconds; divide by 1000000"),
        (1e9, "these look like nanoseconds; divide by 1000000000"),
        (1 / 60, "give seconds"),
    ],
)
def test_times_in_another_unit_are_recognised_by_their_rate(tmp_path, factor, hint):
    refused(tmp_path, "samples per second", hint, time_s=np.arange(800) / 200 * factor)


def with_hole(hole_s: float) -> np.ndarray:
    time_s = np.arange(800) / 200
    time_s[600:] += hole_s
    return time_s


def test_a_hole_of_minutes_is_refused_and_one_of_seconds_noted(tmp_path):
    refused(tmp_path, r"a hole of 3600\.\d+ s after 2\.995 s", "two files", time_s=with_hole(3600))
    take = import_samples(save(tmp_path, time_s=with_hole(5)), tmp_path / "take")
    assert take.origin["notes"] == ["time_s has a hole of 5 s after 2.995 s"]


def seen(start_s: float, scale: float = 1.0) -> dict:
    """Four seconds of weights at 30 Hz."""
    return {
        "weights": np.full((120, 52), 0.4) * scale,
        "weight_names": np.array(ARKIT_NAMES),
        "weights_time_s": start_s + np.arange(120) / 30,
    }


def test_weights_in_percent_are_refused(tmp_path):
    refused(tmp_path, "weights: expected weights from 0 to 1", "percent", **seen(0.0, 100))


@pytest.mark.parametrize(("start_s", "kept"), [(0.5, 120), (-2.0, 120), (5.0, 120), (1.7e18, 0)])
def test_weights_on_another_clock_are_noted_and_kept_only_near_the_samples(tmp_path, start_s, kept):
    arrays = seen(start_s)
    if not kept:
        arrays["weights_time_s"] = start_s + np.arange(120) * 1e3
    take = import_samples(save(tmp_path, **arrays), tmp_path / "take")
    apart = start_s > 4
    assert any("same clock?" in note for note in take.origin["notes"]) == apart
    assert any("120 weights further" in note for note in take.origin["notes"]) == (not kept)
    assert take.counts.get("faces", 0) == kept
    assert len(read_recording(tmp_path / "take").faces) == kept


def seen_until(path: Path, seen_s: float) -> Path:
    """A Live Link CSV of three seconds whose face is lost after `seen_s`."""
    time_s = np.arange(180) / 60
    weights = np.full((180, 52), 0.4, np.float32)
    write_livelink_csv(path, time_s, weights, time_s < seen_s)
    return path


@pytest.mark.parametrize("exists", [True, False])
def test_a_phone_that_never_sees_a_face_makes_no_take(tmp_path, exists):
    path, out = seen_until(tmp_path / "face.csv", 0.0), tmp_path / "take"
    if exists:
        out.mkdir()
    with pytest.raises(DataError, match=r"face\.csv: none of its 180 rows has a face") as caught:
        import_livelink(path, out)
    assert caught.value.hint == "give a recording that saw one"
    assert sorted(tmp_path.rglob("*")) == sorted([path, out] if exists else [path])


def test_one_row_with_a_face_is_enough_for_a_take(tmp_path):
    import_livelink(seen_until(tmp_path / "face.csv", 0.01), tmp_path / "take")
    faces = read_recording(tmp_path / "take").faces
    assert faces.tracked.tolist() == [True] + 179 * [False]
