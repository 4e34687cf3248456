"""Whole takes at once: near to what live gives, and refused where it could not be."""

from dataclasses import replace

import numpy as np
import pytest

from capture.head import standard_head
from capture.importers import import_samples
from capture.recording import read_recording
from dataset_tools.performance import generate_performance, with_routine
from dataset_tools.virtual_imu import feel
from dataset_tools.wearers import draw_wearer
from firmware_host.errors import DataError
from firmware_host.layout import FACE_12
from model import metrics
from model.batch import predict_batch
from model.checkpoint import load_checkpoint
from model.features import feature_count
from model.kalman import WeightFilter, filtered
from model.network import open_network
from model.predict import predict_recording


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("take")
    wearer = draw_wearer(standard_head(), FACE_12, np.random.default_rng(3))
    talk = with_routine(generate_performance(5, 8.0), 5)
    felt = feel(talk, wearer, 200.0, np.random.default_rng(1))
    np.savez(
        folder / "samples.npz",
        slots=np.array(FACE_12.names),
        time_s=felt.time_s,
        accel_m_s2=felt.accel_m_s2,
        gyro_rad_s=felt.gyro_rad_s,
        rest_s=np.array([0.0, 2.0]),
        routine_s=np.array([2.0, 8.0]),
    )
    import_samples(folder / "samples.npz", folder / "take")
    return read_recording(folder / "take")


def test_batch_is_near_live(recording):
    checkpoint = load_checkpoint()
    live = predict_recording(recording, checkpoint)
    batch = predict_batch(recording, checkpoint, open_network(checkpoint))
    _, here, there = np.intersect1d(live.host_ns, batch.host_ns, return_indices=True)
    assert len(here) >= len(live.host_ns) - 2
    moves = (live.confidence[here] > 0) & (batch.confidence[there] > 0)
    assert moves.sum() > 300
    ours, theirs = live.weights[here][moves], batch.weights[there][moves]
    assert np.abs(ours - theirs).mean() < 0.03
    assert metrics.correlation(theirs.astype(float), ours.astype(float)) > 0.85
    still = batch.confidence == 0
    assert np.abs(batch.weights[still] - checkpoint.rest_weights).max() < 1e-6
    turned = np.abs(
        (live.quat_world_from_head[here] * batch.quat_world_from_head[there]).sum(axis=1)
    )
    assert turned.min() > 0.98


def test_a_take_that_was_rezeroed_is_not_predicted_at_once(recording):
    checkpoint = load_checkpoint()
    told = replace(recording, health=({"kind": "adjust", "what": "rezero", "time_ns": 1},))
    with pytest.raises(DataError, match="was re-zeroed"):
        predict_batch(told, checkpoint, open_network(checkpoint))


def test_gains_held_for_one_row_are_the_filter_itself(checkpoint):
    rng = np.random.default_rng(2)
    rows = np.cumsum(rng.normal(0.0, 0.1, (90, feature_count(FACE_12))), axis=0).astype(np.float32)
    rows[:, 99:110] = 1.0  # every slot is heard
    weight_filter = WeightFilter(checkpoint.belief.responses, checkpoint.belief.dynamics)
    exact = filtered(weight_filter, rows)
    np.testing.assert_allclose(weight_filter.coarse(rows, 1), exact, atol=2e-4)
    assert exact[:, :52].std() > 1e-3
    held = weight_filter.coarse(rows, 6)
    assert np.abs(held - exact).max() > 1e-5
