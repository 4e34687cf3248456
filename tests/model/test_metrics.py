import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES, INDEX
from model import metrics


def track(seed: int = 0, count: int = 600) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(np.cumsum(rng.normal(0, 0.02, (count, len(ARKIT_NAMES))), axis=0) + 0.4, 0, 1)


def test_a_perfect_prediction_scores_one_and_zero():
    truth = track()
    assert metrics.correlation(truth, truth) == pytest.approx(1.0)
    assert metrics.mae_offset_free(truth, truth) == 0.0


def test_a_constant_offset_per_person_changes_neither_figure_that_counts():
    truth = track()
    shifted = truth + np.linspace(-0.3, 0.3, truth.shape[1])
    assert metrics.correlation(shifted, truth) == pytest.approx(1.0)
    assert metrics.mae_offset_free(shifted, truth) == pytest.approx(0.0, abs=1e-12)
    assert metrics.mae(shifted, truth) > 0.1


def test_a_still_face_has_no_correlation_and_the_still_faces_error():
    truth = track()
    still = np.full_like(truth, 0.2)
    assert metrics.correlation(still, truth) == 0.0
    expected = np.abs(metrics.without_offset(truth))[:, metrics.OBSERVABLE].mean()
    assert metrics.mae_offset_free(still, truth) == pytest.approx(expected)


def test_gaze_tongue_and_motionless_shapes_do_not_count():
    truth = np.zeros((100, 52))
    truth[:, INDEX["eyeLookUpLeft"]] = np.linspace(0, 1, 100)
    truth[:, INDEX["tongueOut"]] = np.linspace(0, 1, 100)
    assert not metrics.active_shapes(truth).any()
    assert np.isnan(metrics.correlation(truth, truth))
    assert metrics.mae(np.zeros_like(truth), truth) == 0.0


def test_regions_cover_every_observable_shape_once():
    listed = sorted(i for shapes in metrics.REGIONS.values() for i in shapes)
    assert listed == np.flatnonzero(metrics.OBSERVABLE).tolist()


def test_jitter_of_a_ramp_is_nothing():
    ramp = np.linspace(0, 1, 50)[:, None] * np.ones(52)
    assert metrics.jitter(ramp) == pytest.approx(0.0, abs=1e-12)


def test_gaze_counts_where_all_shapes_do():
    truth = np.zeros((100, 52))
    prediction = truth.copy()
    prediction[:, INDEX["eyeLookUpLeft"]] = 0.52
    assert metrics.mae_all(prediction, truth) == pytest.approx(0.01)


def test_activation_counts_hits_misses_and_false_alarms():
    truth, prediction = np.zeros((100, 52)), np.zeros((100, 52))
    jaw, brow = INDEX["jawOpen"], INDEX["browInnerUp"]
    truth[:40, jaw] = 0.5
    prediction[20:40, jaw] = 0.2  # 20 found, 20 missed
    prediction[:10, brow] = 0.3  # 10 false
    prediction[:, INDEX["tongueOut"]] = 1.0  # never counts
    assert metrics.activation_f1(prediction, truth) == pytest.approx(2 * 20 / (2 * 20 + 20 + 10))


def test_a_shape_at_the_threshold_is_not_on_and_a_face_never_on_has_no_f1():
    faint = np.full((10, 52), metrics.ACTIVATED)
    assert np.isnan(metrics.activation_f1(np.ones((10, 52)), faint))
    assert metrics.activation_f1(faint, np.ones((10, 52))) == 0.0


@pytest.mark.parametrize("ticks", [-7, 0, 1, 12])
def test_a_late_track_is_late_by_what_it_was_shifted(ticks):
    truth = track(3)
    late = 0.3 * np.roll(truth, ticks, axis=0) + 0.2  # smaller and offset: neither is a delay
    assert metrics.onset_delay_ms(late, truth) == pytest.approx(ticks / 60 * 1e3, abs=2.0)


def test_delays_are_resolved_between_ticks():
    time_s = np.arange(1200) / 60

    def wave(at_s):
        return (
            0.5 + 0.2 * np.sin(9 * at_s)[:, None] + 0.2 * np.sin(5 * at_s)[:, None] + np.zeros(52)
        )

    found = metrics.onset_delay_ms(wave(time_s - 0.04), wave(time_s))
    assert found == pytest.approx(40.0, abs=1.0)


def test_who_stands_still_is_never_late():
    assert np.isnan(metrics.onset_delay_ms(np.full((600, 52), 0.2), track()))
    assert np.isnan(metrics.onset_delay_ms(track(), np.full((600, 52), 0.2)))


def test_a_true_deviation_covers_what_it_promises_and_half_of_it_less():
    rng = np.random.default_rng(5)
    truth, deviation = np.zeros((4000, 52)), np.full((4000, 52), 0.07)
    prediction = rng.normal(0.0, deviation)
    assert metrics.coverage(prediction, truth, deviation) == pytest.approx(0.9, abs=0.01)
    assert metrics.coverage(prediction, truth, deviation / 2) == pytest.approx(0.589, abs=0.01)


def test_shapes_about_which_nothing_is_stated_are_not_covered():
    truth, deviation = np.zeros((10, 52)), np.zeros((10, 52))
    assert np.isnan(metrics.coverage(truth, truth, deviation))
    deviation[:, INDEX["jawOpen"]] = 0.1
    prediction = np.ones((10, 52))
    prediction[:, INDEX["jawOpen"]] = 0.0
    assert metrics.coverage(prediction, truth, deviation) == 1.0
