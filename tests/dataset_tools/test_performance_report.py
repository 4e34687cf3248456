import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES, INDEX, REGIONS
from capture.curves import ticks
from dataset_tools.face_statistics import band_edge_hz, face_statistics
from dataset_tools.performance import Performance, generate_performance, write_performance
from dataset_tools.performance_report import compare, report_text, tracked_files, write_report
from firmware_host.errors import DataError


def take(seconds=30.0, **columns):
    time_s = ticks(seconds)
    weights = np.zeros((len(time_s), 52))
    for name, values in columns.items():
        weights[:, INDEX[name]] = values(time_s)
    quat = np.tile([1.0, 0.0, 0.0, 0.0], (len(time_s), 1))
    return Performance(time_s, weights, quat, np.ones(len(time_s), bool))


def sine(rate_hz, size=0.2):
    return lambda t: 0.5 + size * np.sin(2 * np.pi * rate_hz * t)


def test_a_sine_has_the_statistics_of_a_sine():
    found = face_statistics([take(jawOpen=sine(2.0), browInnerUp=sine(2.0, -0.1))])
    jaw, brow = INDEX["jawOpen"], INDEX["browInnerUp"]
    assert found.mean[jaw] == pytest.approx(0.5, abs=0.01)
    assert found.deviation[jaw] == pytest.approx(0.2 / np.sqrt(2), rel=0.02)
    assert found.correlation[jaw, brow] == pytest.approx(-1.0, abs=0.01)
    assert band_edge_hz(found, np.array(REGIONS["jaw"]), 0.5) == pytest.approx(2.0, abs=0.2)
    assert np.isnan(found.deviation[INDEX["cheekPuff"]])  # it never moved: not recorded
    assert np.isnan(found.head_rad_s)


def test_a_shape_counts_only_where_it_was_recorded():
    found = face_statistics([take(jawOpen=sine(1.0)), take(90.0, browInnerUp=sine(1.0))])
    assert found.deviation[INDEX["jawOpen"]] == pytest.approx(0.2 / np.sqrt(2), rel=0.05)
    assert np.isnan(found.correlation[INDEX["jawOpen"], INDEX["browInnerUp"]])


def test_blinks_are_counted_and_a_look_down_is_not():
    def lids(t):
        blinks = np.exp(-0.5 * ((np.mod(t, 3.0) - 1.5) / 0.05) ** 2)
        return np.maximum(0.8 * blinks, np.where((t > 9.6) & (t < 11.4), 0.4, 0.0))

    found = face_statistics([take(60.0, eyeBlinkLeft=lids, eyeBlinkRight=lids)])
    assert found.blinks_per_min == pytest.approx(20, abs=1.5)
    assert found.blink_s == pytest.approx(0.118, abs=0.03)


def test_heads_that_turn_have_a_speed():
    made = generate_performance(2, 10.0)
    assert 0.02 < face_statistics([made], [made]).head_rad_s < 2.0


def test_statistics_of_nothing_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        face_statistics([])
    with pytest.raises(DataError, match="no recordings"):
        compare([])


def test_a_report_says_what_differs_and_has_its_plots(tmp_path):
    import cv2

    for seed in range(2):
        write_performance(tmp_path / f"{seed}.npz", generate_performance(100 + seed, 12.0))
    files = sorted(tmp_path.glob("*.npz"))
    comparison = compare(files, seeds=2, seconds=12.0)
    written = write_report(comparison, tmp_path / "report")
    assert [path.name for path in written] == [
        "report.md",
        "shapes.png",
        "spectra.png",
        "together.png",
    ]
    text = report_text(comparison)
    assert written[0].read_text("utf-8") == text
    for needed in ("## Where they differ", "moves too little", "| blinks per minute |", "0.npz"):
        assert needed in text
    assert all(f"| {name} |" in text for name in ARKIT_NAMES)
    for path in written[1:]:
        image = cv2.imread(str(path))
        assert min(image.shape[:2]) > 200
        assert image.std() > 5


def test_generated_faces_move_about_as_much_as_recorded_ones(data):
    comparison = compare(tracked_files(data), seeds=16, seconds=30.0)
    ratio = comparison.ratio[np.isfinite(comparison.ratio)]
    assert 0.6 < np.median(ratio) < 1.4
    assert np.mean((ratio > 0.4) & (ratio < 2.5)) > 0.9
    assert comparison.likeness > 0.5
    assert 10 < comparison.made.blinks_per_min < 35
