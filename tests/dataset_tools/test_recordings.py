import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.provenance import file_sha256
from dataset_tools.recordings import read_performance
from firmware_host.errors import DataError


def test_every_real_recording_becomes_a_performance(data):
    paths = [
        p for p in sorted((data / "arkit").rglob("*"))
        if p.suffix in (".csv", ".npz", ".gesichter") and p.name != "frame_log.csv"
    ]  # fmt: skip
    assert len(paths) >= 25
    for path in paths:
        made = read_performance(path)
        assert np.isfinite(made.weights).all(), path
        assert (np.diff(made.time_s) > 0).all(), path
        assert made.weights.min() >= 0, path
        assert made.weights.max() <= 1, path
        assert made.duration_s > 2, path


def test_head_rotation_is_taken_where_the_file_has_it_and_made_up_where_not(data):
    with_head = read_performance(data / "arkit/applicator/SampleTest01.csv", seed=1)
    again = read_performance(data / "arkit/applicator/SampleTest01.csv", seed=2)
    np.testing.assert_array_equal(with_head.quat_world_from_head, again.quat_world_from_head)
    without = read_performance(data / "arkit/alexdjulin/S07-001.csv", seed=1)
    other = read_performance(data / "arkit/alexdjulin/S07-001.csv", seed=2)
    assert np.abs(without.quat_world_from_head - other.quat_world_from_head).max() > 0.01


def test_sideways_pairs_can_be_swapped_by_hand(data):
    path = data / "arkit/alexdjulin/S07-001.csv"
    swapped, kept = read_performance(path, True), read_performance(path, False)
    left, right = INDEX["mouthLeft"], INDEX["mouthRight"]
    np.testing.assert_array_equal(swapped.weights[:, left], kept.weights[:, right])


def test_npz_is_read_by_name(tmp_path):
    path = tmp_path / "face.npz"
    names = np.array(ARKIT_NAMES[::-1])
    weights = np.zeros((4, 52), np.float32)
    weights[:, list(names).index("jawOpen")] = 0.5
    np.savez(path, names=names, weights=weights, time_s=np.arange(4) / 30)
    assert read_performance(path).weights[:, INDEX["jawOpen"]].tolist() == [0.5] * 4


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("face.txt", b"", "expected .csv"),
        ("face.npz", b"no zip", "not a readable NPZ"),
        ("face.csv", b"a,b\n1,2\n", "Timecode"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=says) as error:
        read_performance(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        file_sha256(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["00:00:01:00.000,0", "00:00:01:01.000,0"], "none of its 2 rows has a face"),
        ([f"00:00:01:{i:02d}.000,52" + ",0" * 52 for i in range(9)], "none of its 9 rows"),
        (["00:00:01:00.000,52" + ",0.5" * 52], "expected at least two rows, got 1"),
    ],
)
def test_a_csv_with_no_face_to_perform_is_refused_with_its_path(tmp_path, rows, says):
    path = tmp_path / "face.csv"
    header = ",".join(["Timecode", "BlendShapeCount", *ARKIT_NAMES])
    path.write_text("\n".join([header, *rows]) + "\n")
    with pytest.raises(DataError, match=says) as error:
        read_performance(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("time_s", [[0, 0.03, 0.06, 9000], [0, 33, 66, 99]])
def test_npz_times_with_a_hole_of_hours_or_in_milliseconds_are_refused(tmp_path, time_s):
    path = tmp_path / "face.npz"
    weights = np.full((4, 52), 0.5, np.float32)
    np.savez(path, names=np.array(ARKIT_NAMES), weights=weights, time_s=np.array(time_s, float))
    with pytest.raises(DataError, match="rows are") as error:
        read_performance(path)
    assert str(path) in str(error.value)
    assert "in seconds" in error.value.hint
