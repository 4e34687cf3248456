import numpy as np
import pytest

from model.diffusion import (
    add_noise,
    cosine_alphas_cumprod,
    ddim_step,
    inference_timesteps,
    sample_ddim,
)


def test_the_signal_falls_from_one_to_nearly_nothing():
    signal = cosine_alphas_cumprod(1000)
    assert signal[0] > 0.999
    assert signal[-1] < 1e-4
    assert (np.diff(signal) <= 0).all()


def test_a_ddim_step_with_the_true_x0_lands_on_the_forward_process():
    rng = np.random.default_rng(0)
    x0, noise = rng.normal(size=(2, 3, 4, 52))
    xt = add_noise(x0, noise, 0.3)
    np.testing.assert_allclose(ddim_step(xt, x0, 0.3, 0.8), add_noise(x0, noise, 0.8), rtol=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 4, 50])
def test_timesteps_start_at_pure_noise_and_fall(steps):
    found = inference_timesteps(1000, steps)
    assert len(found) == steps
    assert found[0] == 999
    assert list(found) == sorted(set(found), reverse=True)
    assert found[-1] >= 0


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_sampling_with_a_denoiser_that_knows_gives_what_it_knows(steps):
    rng = np.random.default_rng(1)
    known = rng.normal(size=(1, 8, 52))
    asked = []

    def denoise(xt, t):
        asked.append(t)
        return known

    signal = cosine_alphas_cumprod(1000)
    found = sample_ddim(
        denoise, rng.normal(size=known.shape), signal, inference_timesteps(1000, steps)
    )
    np.testing.assert_array_equal(found, known)
    assert asked == list(inference_timesteps(1000, steps))
