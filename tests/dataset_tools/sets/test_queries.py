"""Conditions on sequences mean what they say, and what they cannot mean is refused."""

import numpy as np
import pytest

from capture.blendshapes import INDEX
from dataset_tools.sets.queries import query_of, stretches_of
from firmware_host.errors import ConfigError

FACTS = {
    "take": "rom-3",
    "subject": "anna",
    "sync": "good",
    "loss": 0.004,
    "seconds": 42.0,
    "model_error": None,
    "segments": [{"label": "rest", "start_s": 0.0, "end_s": 2.0}],
    "weights_max": np.linspace(0, 1, 52).tolist(),
    "weights_mean": np.linspace(0, 0.5, 52).tolist(),
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("loss < 1 %", True),
        ("loss < 0.1%", False),
        ("jawOpen > 0.2 and loss < 1 %", FACTS["weights_max"][INDEX["jawOpen"]] > 0.2),
        ("mean(tongueOut) > 0.4", True),
        ("mean(tongueOut) > max(tongueOut)", False),
        ("subject in ('anna', 'ben')", True),
        ("subject not in ('ben', 'carl')", True),
        ("not subject == 'anna' or sync != 'good'", False),
        ("10 < seconds <= 42", True),
        ("seconds > -1", True),
        ("'rest' in labels and not 'speech' in labels", True),
        ("matches(take, 'rom-*')", True),
        ("matches(take, '50 %')", False),
        ("model_error > 0", False),
        ("model_error <= 0", False),
    ],
)
def test_a_condition_means_what_it_says(text, holds):
    assert query_of(text)(FACTS) is holds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("jawOpne > 1", "unknown"),
        ("loss <", "not understood"),
        ("", "not understood"),
        ("__import__('os').system('true')", "not understood"),
        ("(lambda: 1)()", "not understood"),
        ("subject.upper() == 'A'", "not understood"),
        ("[x for x in labels]", "not understood"),
        ("2 ** 99999999 > 1", "not understood"),
        ("open('x')", "not understood"),
        ("mean(loss) > 1", "not understood"),
        ("subject > 3", "cannot compare"),
        ("loss in 3", "cannot compare"),
        ("loss is None", "not understood"),
    ],
)
def test_what_it_cannot_mean_is_refused(text, why):
    with pytest.raises(ConfigError, match=why):
        query_of(text)(FACTS)


def test_a_slip_of_the_pen_gets_a_hint():
    with pytest.raises(ConfigError) as caught:
        query_of("jawOpne > 1")(FACTS)
    assert "jawOpen" in caught.value.hint


def test_of_rows_a_shape_is_its_value_there():
    weights = np.zeros((4, 52), np.float32)
    weights[:, INDEX["jawOpen"]] = [0.1, 0.9, np.nan, 0.7]
    holds = stretches_of("jawOpen > 0.5 and loss < 1 %")(FACTS, weights)
    assert holds.tolist() == [False, True, False, True]
    assert stretches_of("loss < 1 %")(FACTS, weights).tolist() == [True, True, False, True]
