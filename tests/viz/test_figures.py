"""Figures of takes and predictions, and the verb that draws them."""

import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES, INDEX
from capture.importers import import_samples
from capture.recording import read_recording
from capture.sync import align
from capture.tracks import read_track
from firmware_host.layout import FACE_12
from imusic.cli import main
from viz.activation_figures import activations_page, confusion
from viz.axes import SERIES, TROUBLE, TRUTH
from viz.face_figures import compare, curves_page, errors_page, most_active, spreads_on
from viz.page import Area, Line, Rect, Text
from viz.signal_figures import allan_page, spectrum
from viz.take_figures import (
    Lateness,
    clocks_page,
    gaps_of,
    latency_page,
    lateness,
    sync_page,
    traces_page,
)

COUNT, HZ = 800, 200


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    """Four seconds: slot 3 silent from 2 s on, ticks missing between 3.0 and 3.2 s."""
    folder = tmp_path_factory.mktemp("takes")
    time_s = np.arange(COUNT) / HZ
    kept = (time_s < 3.0) | (time_s >= 3.2)
    accel = np.full((COUNT, 12, 3), (0.0, 9.81, 0.0), np.float32)
    gyro = np.zeros_like(accel)
    gyro[:, :, 1] = np.sin(6 * time_s)[:, None] * (time_s > 1)[:, None]
    gyro += np.random.default_rng(5).normal(0.0, 1e-4, gyro.shape)  # as chips do at rest
    accel[time_s >= 2.0, 3] = gyro[time_s >= 2.0, 3] = np.nan
    weights = np.zeros((240, 52), np.float32)
    weights[:, INDEX["jawOpen"]] = 0.5 + 0.5 * np.sin(np.arange(240) / 10)
    np.savez(
        folder / "samples.npz",
        time_s=time_s[kept],
        accel_m_s2=accel[kept],
        gyro_rad_s=gyro[kept],
        slots=np.array(FACE_12.names),
        rest_s=np.array([0.0, 0.9]),
        weight_names=np.array(ARKIT_NAMES),
        weights=weights,
        weights_time_s=np.arange(240) / 60,
    )
    import_samples(folder / "samples.npz", folder / "take")
    return folder / "take"


@pytest.fixture(scope="module")
def recording(take):
    return read_recording(take)


def marks(page, kind, ink):
    return [mark for mark in page.marks if isinstance(mark, kind) and mark.ink == ink]


def texts(page):
    return [mark.text for mark in page.marks if isinstance(mark, Text)]


def test_gaps_are_found_inside_and_at_the_ends():
    time_s = np.arange(100) / 100
    given = np.ones(100, bool)
    given[:10] = given[40:60] = False
    (a, b), (c, d) = gaps_of(time_s, given)
    assert (a, b) == (0.0, pytest.approx(0.10))
    assert (c, d) == (pytest.approx(0.39), pytest.approx(0.60))
    assert gaps_of(time_s, np.ones(100, bool)) == []
    assert gaps_of(time_s, np.zeros(100, bool)) == [(0.0, 0.99)]
    assert gaps_of(np.zeros(0), np.zeros(0, bool)) == []


def test_every_slot_has_a_row_and_its_gaps(recording):
    page = traces_page(recording, align(recording))
    words = texts(page)
    assert all(name.replace("_", " ") in words for name in FACE_12.names)
    assert "phone: jawOpen" in words
    gaps = [mark for mark in marks(page, Rect, TROUBLE) if mark.opacity < 1 and mark.high > 10]
    assert len(gaps) == 12  # the silence of one slot, and the missing ticks of all others
    longest = max(gaps, key=lambda mark: mark.wide)
    rest = [mark for mark in gaps if mark is not longest]
    assert longest.wide > 6 * max(mark.wide for mark in rest)
    assert len(marks(page, Line, SERIES[0])) + len(marks(page, Area, SERIES[0])) >= 12


def test_sources_that_share_a_clock_are_never_late(recording):
    sources = lateness(recording, align(recording))
    assert {source.name for source in sources} == {"hub", "phone"}
    assert max(np.abs(source.late_s).max() for source in sources) < 1e-6
    page = clocks_page(recording, align(recording))
    assert any(text.startswith("hub: drift +0.0 ppm") for text in texts(page))


def test_a_histogram_tells_its_percentiles():
    late_s = np.concatenate([np.full(90, 0.010), np.full(10, 0.050)])
    page = latency_page([Lateness("hub", np.arange(100.0), late_s)], "a take")
    assert "hub: p50 10.00 ms, p95 50.00 ms, 100 messages" in texts(page)
    bars = marks(page, Rect, SERIES[0])
    highest, lower = sorted((mark.high for mark in bars), reverse=True)[:2]
    assert highest == pytest.approx(9 * lower, rel=0.01)


def test_a_take_without_head_rotation_says_so(recording):
    page = sync_page(recording, align(recording))
    assert "no head rotation in common to compare" in texts(page)
    assert any(text.startswith("GOOD") for text in texts(page))  # one clock


def test_an_offset_is_no_error_and_noise_is():
    rng = np.random.default_rng(1)
    truth = np.zeros((500, 52))
    truth[:, [INDEX["jawOpen"], INDEX["mouthSmileLeft"]]] = rng.random((500, 2))
    moved = truth + 0.2
    moved[:, INDEX["mouthSmileLeft"]] = rng.random(500)
    found = compare(truth, moved)
    assert found.error[INDEX["jawOpen"]] == pytest.approx(0.0, abs=1e-9)
    assert found.correlation[INDEX["jawOpen"]] == pytest.approx(1.0)
    assert found.error[INDEX["mouthSmileLeft"]] > 0.2
    assert abs(found.correlation[INDEX["mouthSmileLeft"]]) < 0.2
    assert np.isnan(found.error).sum() == 50  # what does not move is not judged
    assert most_active(truth, 2) == sorted(["jawOpen", "mouthSmileLeft"], key=INDEX.get)


def test_rows_without_a_face_are_not_judged():
    truth = np.random.default_rng(2).random((100, 52))
    other = truth.copy()
    truth[::2] = np.nan
    other[::2] += 5.0
    assert np.nanmax(compare(truth, other).error) == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(compare(np.full((9, 52), np.nan), other[:9]).error).all()


def test_the_worst_shape_stands_on_top_and_two_models_have_two_bars():
    truth = np.random.default_rng(3).random((200, 52))
    worse = truth.copy()
    worse[:, INDEX["mouthPucker"]] = 0
    found = [compare(truth, truth), compare(truth, worse)]
    page = errors_page(found, ["same", "worse"], "about")
    names = [text for text in texts(page) if text in ARKIT_NAMES]
    assert names[0] == "mouthPucker"
    assert len(names) > 30
    assert len(marks(page, Rect, SERIES[0])) == len(marks(page, Rect, SERIES[1]))


def test_nothing_that_moves_is_said_and_not_divided_by():
    still = np.zeros((50, 52))
    page = errors_page([compare(still, still)], ["same"], "about")
    assert "no shape moves enough to be judged" in texts(page)


@pytest.mark.parametrize("what", ["traces", "clocks", "sync", "latency", "spectrogram", "allan"])
@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_a_take_becomes_a_figure(take, tmp_path, capsys, what, suffix):
    out = tmp_path / f"figure{suffix}"
    assert main(["plot", what, str(take), "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    if suffix == ".svg":
        assert len(ElementTree.fromstring(out.read_text("utf-8"))) > 4
    elif suffix == ".pdf":
        assert out.read_bytes().startswith(b"%PDF-1.4")
    else:
        assert cv2.imread(str(out)).std() > 5
    assert main(["plot", what, str(take), "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.fixture
def prediction(tmp_path):
    path = tmp_path / "face.npz"
    time_s = np.arange(200) / 60
    weights = np.zeros((200, 52), np.float32)
    weights[:, INDEX["jawOpen"]] = 0.4 + 0.3 * np.sin(np.arange(200) / 10)
    np.savez(path, names=np.array(ARKIT_NAMES), time_s=time_s, weights=weights)
    return path


@pytest.mark.parametrize("what", ["curves", "errors", "activations"])
def test_a_prediction_is_compared_with_its_take(take, prediction, tmp_path, what):
    out = tmp_path / "figure.svg"
    argv = ["plot", what, str(take), str(prediction), "--out", str(out)]
    assert main([*argv, "--caption", "phone", "--caption", "network"]) == 0
    drawn = out.read_text("utf-8")
    assert "jawOpen" in drawn
    assert "network" in drawn
    if what == "curves":
        assert "#{:02x}{:02x}{:02x}".format(*TRUTH) in drawn


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["traces", "gone", "--out", "f.svg"], "gone"),
        (["traces", "gone", "--out", "f.gif"], "expected a name ending in .svg or .pdf or .png"),
        (
            ["traces", "gone", "--out", "f.svg", "--quantity", "x"],
            "expected gyro or accel, got 'x'",
        ),
        (["curves", "a.csv", "b.csv", "--out", "f.svg", "--shape", "jaw"], "'jaw' is not one of"),
        (["errors", "a.csv", "b.csv", "--out", "f.svg"], "a.csv: no such file"),
    ],
)
def test_what_cannot_be_plotted_is_one_line(tmp_path, monkeypatch, capsys, argv, complaint):
    monkeypatch.chdir(tmp_path)
    assert main(["plot", *argv]) == 2
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nobody_publishing_is_an_error_with_a_hint(tmp_path, capsys):
    argv = ["plot", "latency", "--out", str(tmp_path / "f.svg"), "--seconds", "0.5"]
    assert main([*argv, "--address", "tcp://127.0.0.1:9"]) == 3
    assert "no face arrived from tcp://127.0.0.1:9" in capsys.readouterr().err


def test_the_frequency_that_was_felt_is_the_loudest_and_stands_in_its_row():
    time_s = np.arange(0, 6, 1 / 200)
    values = np.stack([np.sin(2 * np.pi * 25 * time_s), 0 * time_s, 0 * time_s], axis=1)
    hertz, power = spectrum(time_s, values)
    assert (np.abs(hertz[power.argmax(axis=0)] - 25) < 1.1).all()
    assert spectrum(time_s[:50], values[:50])[1].size == 0  # shorter than a window


def test_noise_of_a_sensor_at_rest_is_read_off_its_allan_curve(recording):
    page = allan_page(recording, align(recording), "gyro", (0.0, 0.9))
    said = [text for text in texts(page) if "√Hz" in text]
    assert len(said) == len(FACE_12.names)
    nothing = allan_page(recording, align(recording), "gyro", (100.0, 101.0))
    assert any(text.startswith("no slot gave") for text in texts(nothing))


def test_what_is_taken_for_something_else_stands_beside_the_diagonal():
    truth, other = np.zeros((200, 52)), np.zeros((200, 52))
    jaw, smile = INDEX["jawOpen"], INDEX["mouthSmileLeft"]
    truth[:50, jaw] = 0.8
    truth[100:140, smile] = 0.8
    other[:50, smile] = 0.8  # the jaw is taken for a smile
    other[100:120, smile] = 0.8
    shapes, share = confusion(truth, other)
    assert shapes.tolist() == sorted([jaw, smile])
    jaw_at, smile_at = shapes.tolist().index(jaw), shapes.tolist().index(smile)
    assert share[jaw_at, smile_at] == 1.0
    assert share[jaw_at, jaw_at] == 0.0
    assert share[smile_at, smile_at] == 0.5
    page = activations_page(truth, [other], ["truth", "other"])
    assert "other: found 25 %" in texts(page)
    assert confusion(truth, np.full_like(truth, np.nan))[1].size == 0


def test_a_spread_is_a_band_around_the_mean():
    time_s, truth = np.arange(100) / 60, np.zeros((100, 52))
    others = [np.full((100, 52), value) for value in (0.2, 0.6)]
    page = curves_page(time_s, [truth, *others], ["truth", "a", "b"], ["jawOpen"], together=True)
    band = next(mark for mark in page.marks if isinstance(mark, Area))
    middle = next(m for m in page.marks if isinstance(m, Line) and m.ink == SERIES[0])
    assert band.points[:, 1].min() < middle.points[0, 1] < band.points[:, 1].max()
    assert "mean and range of 2" in texts(page)


def test_what_a_prediction_states_of_its_own_error_is_a_band_around_it(take, tmp_path):
    path, out = tmp_path / "face.npz", tmp_path / "curves.svg"
    time_s, weights = np.arange(200) / 60, np.full((200, 52), 0.5, np.float32)
    spread = np.full((200, 52), 0.1, np.float32)
    np.savez(path, names=np.array(ARKIT_NAMES), time_s=time_s, weights=weights, spread=spread)
    track = read_track(path)
    at = np.array([0.5, 1.0])
    found = spreads_on([track], at)[0]
    assert found == pytest.approx(0.1)
    page = curves_page(
        at, [np.full((2, 52), 0.5)] * 2, ["a", "b"], ["jawOpen"], False, [None, found]
    )
    band = next(mark for mark in page.marks if isinstance(mark, Area))
    curve = next(m for m in page.marks if isinstance(m, Line) and m.ink == SERIES[0])
    middle = (band.points[:, 1].min() + band.points[:, 1].max()) / 2
    assert middle == pytest.approx(curve.points[0, 1])
    assert "bands: where 90 % of the truth should be" in texts(page)
    assert main(["plot", "curves", str(take), str(path), "--out", str(out)]) == 0
    assert "fill-opacity" in out.read_text("utf-8")
