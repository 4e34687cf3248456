"""Agreement gives the figures that were published for published tables."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_tools.annotations.agreement import (
    category_counts,
    ccc,
    cohen_kappa,
    fleiss_kappa,
    icc,
)

# Shrout and Fleiss (1979), table 2: six targets, four judges; table 4 has the coefficients.
JUDGED = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
COEFFICIENTS = {"1,1": 0.17, "2,1": 0.29, "3,1": 0.71, "1,k": 0.44, "2,k": 0.62, "3,k": 0.91}

# The worked example of Wikipedia's article on Fleiss' kappa: ten subjects, fourteen raters; 0.210.
CHOSEN = np.array(
    [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ],
    float,
)  # fmt: skip


@pytest.mark.parametrize(("kind", "expected"), COEFFICIENTS.items())
def test_icc_of_the_published_table(kind, expected):
    assert icc(JUDGED, kind) == pytest.approx(expected, abs=0.005)
    with_hole = np.concatenate((JUDGED, [[5, np.nan, 3, 1]]))
    assert icc(with_hole, kind) == icc(JUDGED, kind)


def test_fleiss_kappa_of_the_published_table():
    assert fleiss_kappa(CHOSEN) == pytest.approx(0.210, abs=0.0005)
    with pytest.raises(ValueError, match="same number"):
        fleiss_kappa(np.array([[2.0, 1.0], [1.0, 1.0]]))


@pytest.mark.parametrize(
    ("table", "expected"),
    # The worked examples of Wikipedia's article on Cohen's kappa.
    [
        ([[20, 5], [10, 15]], 0.4),
        ([[45, 15], [25, 15]], 0.1304),
        ([[25, 35], [5, 35]], 0.2593),
    ],
)
def test_cohen_kappa_of_published_tables(table, expected):
    x = [row for row in range(2) for column in range(2) for _ in range(table[row][column])]
    y = [column for row in range(2) for column in range(2) for _ in range(table[row][column])]
    assert cohen_kappa(x, y) == pytest.approx(expected, abs=5e-5)


def test_weighted_kappa_counts_how_far_apart():
    near, far = [1, 2, 3, 3, 1, 2], [3, 2, 1, 3, 1, 2]
    truth = [1, 2, 3, 2, 1, 3]
    for weights in ("linear", "quadratic"):
        assert cohen_kappa(truth, near, weights) > cohen_kappa(truth, far, weights)
    # Fleiss and Cohen (1973): quadratic weights approach ICC(2,1) as items grow.
    rng = np.random.default_rng(3)
    x = rng.integers(0, 5, 4000)
    y = np.clip(x + rng.integers(-1, 2, 4000), 0, 4)
    kappa = cohen_kappa(x.tolist(), y.tolist(), "quadratic")
    assert kappa == pytest.approx(icc(np.stack((x, y), 1).astype(float), "2,1"), abs=1e-3)


def test_two_raters_of_two_categories_nearly_agree_by_either_kappa():
    rng = np.random.default_rng(1)
    x = rng.integers(0, 2, 500).astype(str).tolist()
    y = [v if rng.random() < 0.8 else str(1 - int(v)) for v in x]
    counts, names = category_counts([x, y])
    assert names == ["0", "1"]
    assert fleiss_kappa(counts) == pytest.approx(cohen_kappa(x, y), abs=0.01)


@given(st.integers(0, 10_000), st.floats(-3, 3), st.floats(0.2, 3))
def test_ccc_follows_its_formula_and_punishes_shift_and_scale(seed, shift, scale):
    x = np.random.default_rng(seed).normal(size=200)
    x = (x - x.mean()) / x.std()
    assert ccc(x, x) == pytest.approx(1)
    # For y = a x + b of x with mean 0 and variance 1: 2 a / (1 + a^2 + b^2).
    expected = 2 * scale / (1 + scale**2 + shift**2)
    assert ccc(x, scale * x + shift) == pytest.approx(expected)
    assert ccc(scale * x + shift, x) == pytest.approx(expected)


def test_what_cannot_be_told_is_nan():
    assert np.isnan(icc(JUDGED[:1]))
    assert np.isnan(ccc(np.array([1.0]), np.array([1.0])))
    assert np.isnan(cohen_kappa(["a", "a"], ["a", "a"]))
