"""Colours on the skin."""

import numpy as np
import pytest

from capture.blendshapes import INDEX
from viz.painting import ERROR_FULL_MM, ConfidencePaint, ErrorPaint, heat, heat_legend

SMILE = np.eye(52, dtype=np.float32)[INDEX["mouthSmileLeft"]]
NEUTRAL = np.zeros(52, np.float32)


def lightness(colours):
    return colours @ np.array([0.2126, 0.7152, 0.0722])


def test_more_error_is_always_darker():
    ramp = lightness(heat(np.linspace(0, 1, 50, dtype=np.float32)))
    assert (np.diff(ramp) < 0).all()
    assert np.array_equal(heat(np.float32(7.0)), heat(np.float32(1.0)))


def test_an_error_is_the_distance_that_the_skin_moves(head):
    paint = ErrorPaint(head)
    errors = paint.errors_mm(0.5 * SMILE, NEUTRAL)
    assert errors.max() == pytest.approx(
        500 * np.linalg.norm(head.deltas[INDEX["mouthSmileLeft"]], axis=1).max(), rel=1e-3
    )
    assert paint.mean_mm(errors) < errors.max()
    assert paint.mean_mm(paint.errors_mm(SMILE, SMILE)) == 0.0


def test_only_the_side_that_errs_is_hot(head):
    paint = ErrorPaint(head)
    errors = paint.errors_mm(SMILE, NEUTRAL)
    colours = paint.paint(errors)
    assert colours.shape == head.vertices.shape
    assert 0.0 <= colours.min() <= colours.max() <= 1.0
    spread = np.ptp(colours, axis=1)  # how colourful
    assert spread[errors < 0.01].max() < 0.01
    assert (head.vertices[spread > 0.5, 0] > 0).mean() > 0.9  # +x is the wearer's left


def test_the_darkest_error_is_that_of_the_legend(head):
    full = ErrorPaint(head).paint(np.full(len(head.vertices), ERROR_FULL_MM, np.float32))
    assert np.allclose(full, heat(np.float32(1.0)), atol=0.01)
    legend = heat_legend(40, 6)
    assert legend.shape == (6, 40, 3)
    assert np.abs(legend[0, -1] / 255 - full[0]).max() < 0.01


def test_what_is_known_for_sure_keeps_its_colour_and_the_rest_turns_blue(head):
    paint = ConfidencePaint(head)
    assert np.allclose(paint.paint(1.0, None), head.colours, atol=1e-5)
    by_shape = np.ones(52, np.float32)
    by_shape[INDEX["mouthSmileLeft"]] = 0.0
    changed = np.abs(paint.paint(1.0, by_shape) - head.colours).max(axis=1)
    corner = int(np.linalg.norm(head.deltas[INDEX["mouthSmileLeft"]], axis=1).argmax())
    mirrored = int(np.linalg.norm(head.deltas[INDEX["mouthSmileRight"]], axis=1).argmax())
    assert changed[corner] > 3 * changed[mirrored]
    unsure = paint.paint(0.0, None)
    assert (unsure[:, 2] - unsure[:, 0]).mean() > (head.colours[:, 2] - head.colours[:, 0]).mean()


def test_confidence_that_is_no_number_counts_as_none(head):
    paint = ConfidencePaint(head)
    assert np.array_equal(paint.paint(float("nan"), None), paint.paint(0.0, None))
