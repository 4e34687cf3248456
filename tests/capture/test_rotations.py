import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from capture import rotations

vectors = st.tuples(*[st.floats(-1.8, 1.8)] * 3).map(np.array)
quats = vectors.map(rotations.from_vector)


@given(quats, quats, quats)
def test_composition_is_associative_and_has_an_inverse(p, q, r):
    left = rotations.multiply(rotations.multiply(p, q), r)
    right = rotations.multiply(p, rotations.multiply(q, r))
    np.testing.assert_allclose(left, right, atol=1e-12)
    one = rotations.multiply(p, rotations.conjugate(p))
    np.testing.assert_allclose(one, [1, 0, 0, 0], atol=1e-12)


@given(quats, quats, vectors)
def test_rotating_by_a_product_is_rotating_twice(p, q, v):
    np.testing.assert_allclose(
        rotations.rotate(rotations.multiply(p, q), v),
        rotations.rotate(p, rotations.rotate(q, v)),
        atol=1e-12,
    )


@given(vectors)
def test_vectors_up_to_half_a_turn_come_back(v):
    if np.linalg.norm(v) < np.pi - 1e-6:
        np.testing.assert_allclose(rotations.to_vector(rotations.from_vector(v)), v, atol=1e-9)


@given(quats, vectors)
def test_matrices_and_quaternions_agree(q, v):
    np.testing.assert_allclose(rotations.to_matrix(q) @ v, rotations.rotate(q, v), atol=1e-12)


def test_a_quarter_turn_to_the_left_takes_forward_to_left():
    q = rotations.from_vector(np.array([0, np.pi / 2, 0]))
    np.testing.assert_allclose(rotations.rotate(q, np.array([0, 0, 1])), [1, 0, 0], atol=1e-12)


def test_unwrapped_signs_never_jump():
    t = np.linspace(0, 12, 200)
    q = rotations.from_vector(np.stack((0 * t, t, 0 * t), -1))
    flipped = q * np.where(np.random.default_rng(0).random(200) < 0.5, -1.0, 1.0)[:, None]
    smooth = rotations.unwrap(flipped)
    assert (np.sum(smooth[1:] * smooth[:-1], axis=-1) > 0).all()
