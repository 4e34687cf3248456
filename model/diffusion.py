"""Gaussian diffusion as plain functions of arrays: torch tensors in training, numpy arrays live.

Notation follows DDPM (arXiv:2006.11239) and DDIM (arXiv:2010.02502): x0 clean, xt noisy, t in
[0, T). The network predicts x0 (prediction_type "sample"). Nothing here imports torch.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def cosine_alphas_cumprod(steps: int) -> NDArray[np.float64]:
    """(steps,) signal level, 1 → 0. Eq. 17 of arXiv:2102.09672."""
    t = np.linspace(0.0, 1.0, steps + 1)
    signal = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.asarray(np.clip(signal[1:] / signal[0], 1e-5, None))


def add_noise(x0: Any, noise: Any, signal: Any) -> Any:
    """q(xt | x0). x0, noise: (B, W, 52). signal: alphas_cumprod at t, (B, 1, 1)."""
    return signal**0.5 * x0 + (1.0 - signal) ** 0.5 * noise


def ddim_step(xt: Any, x0: Any, signal: float, next_signal: float) -> Any:
    """One deterministic DDIM step (η = 0): xt at `signal` → xt at `next_signal`. Eq. 12."""
    noise = (xt - signal**0.5 * x0) / (1.0 - signal) ** 0.5
    return next_signal**0.5 * x0 + (1.0 - next_signal) ** 0.5 * noise


def inference_timesteps(num_train_timesteps: int, num_inference_steps: int) -> tuple[int, ...]:
    """Decreasing timesteps that start at pure noise, evenly spaced."""
    stride = num_train_timesteps / num_inference_steps
    return tuple(round(num_train_timesteps - 1 - i * stride) for i in range(num_inference_steps))


def sample_ddim(
    denoise: Callable[[Any, int], Any],
    noise: Any,
    alphas_cumprod: NDArray[np.float64],
    timesteps: tuple[int, ...],
) -> Any:
    """Walk from `noise` (…, W, 52) to x0. `denoise(xt, t)` gives x0; noise is the caller's."""
    xt, x0 = noise, noise
    for t, after in zip(timesteps, (*timesteps[1:], None), strict=True):
        x0 = denoise(xt, t)
        if after is not None:
            xt = ddim_step(xt, x0, float(alphas_cumprod[t]), float(alphas_cumprod[after]))
    return x0
