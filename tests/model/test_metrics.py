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
