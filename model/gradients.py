"""Integrated gradients of a network's answers by slot. torch.

Sundararajan, Taly and Yan 2017 (arXiv:1703.01365), equation 1: the gradient along the straight way
from a baseline to the input, times their difference. The baseline is a face at rest under the same
head motion: nothing felt by any face slot, and no change in the filter's estimate. What the
estimate brings is shared out among the slots it was made of (`model.filter_shares`).
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capture.blendshapes import ARKIT_NAMES
from firmware_host.samples import Floats
from model.checkpoint import Checkpoint
from model.diffusion import cosine_alphas_cumprod, inference_timesteps, sample_ddim
from model.ensemble import Ensemble
from model.explain import NETWORK, Attribution, Stretch, weighed
from model.export import load_denoiser
from model.features import PER_SLOT
from model.filter_shares import filter_shares

Array = NDArray[np.float64]

STEPS = 6  # of the way from the baseline; midpoints
MOMENTS = 48  # of a take; gradients cost a pass per shape
_SHAPES = len(ARKIT_NAMES)


def integrated_gradients(
    stretch: Stretch,
    sensors: str,
    report: Callable[[float], None] | None = None,
    steps: int = STEPS,
) -> Attribution:
    """What each worn slot brought to the network's answers, one take.

    Args:
        sensors: name of the set that is worn.
        report: called with the share done.

    Raises:
        DataError: the checkpoint has no `denoiser.safetensors`, or another's.
    """
    network = load_denoiser(stretch.checkpoint.folder)
    by_slot, change = gradients(stretch, network, report, steps)
    amount = np.stack(
        [weighed(np.abs(by_slot[:, r]), change) for r in range(by_slot.shape[1])], axis=1
    )
    amount[:, ~stretch.worn] = np.nan
    return Attribution(NETWORK, "gradients", sensors, amount)


def gradients(
    stretch: Stretch,
    network: Ensemble,
    report: Callable[[float], None] | None = None,
    steps: int = STEPS,
) -> tuple[Array, Array]:
    """(T, R, 52) signed shares of the slots, and (T, 52) answers less those to the baseline.

    T are MOMENTS spread evenly over those of the stretch. The shares of all slots add up to the
    answers, but for what the filter clips and for the finite number of steps.
    """
    checkpoint = stretch.checkpoint
    seen = stretch.seen(~stretch.worn)
    estimates, shares = filter_shares(checkpoint.belief.responses, checkpoint.belief.dynamics, seen)
    window, sites = checkpoint.facts.window, shares.shape[1]
    picked = np.linspace(0, len(stretch.at) - 1, min(MOMENTS, len(stretch.at))).round().astype(int)
    rows = stretch.at[picked][:, None] + np.arange(1 - window, 1)  # (T, W)
    inputs = torch.from_numpy(np.concatenate((seen, estimates), axis=1)[rows])  # (T, W, F)
    moving = _moving(seen.shape[1], sites)  # (F,)
    resting = torch.where(moving, torch.zeros(()), inputs)
    answer = _answer(checkpoint, network)
    total = np.zeros((len(rows), sites, _SHAPES))
    for step in range(steps):
        share = (step + 0.5) / steps
        at = (resting + share * (inputs - resting)).requires_grad_()
        said = answer(at)  # (T, 52)
        for shape in range(_SHAPES):
            (slope,) = torch.autograd.grad(
                said[:, shape].sum(), at, retain_graph=shape + 1 < _SHAPES
            )
            total[:, :, shape] += _by_slot(slope, inputs, shares[rows], sites) / steps
        if report is not None:
            report((step + 1) / steps)
    with torch.no_grad():
        change = (answer(inputs) - answer(resting)).numpy()
    scale = np.asarray(checkpoint.target_scale, float)
    return total * scale, np.asarray(change, float) * scale


def _moving(raw: int, sites: int) -> Tensor:
    """(F,) inputs that are not those of a face at rest: readings of slots, changes estimated."""
    moving = torch.zeros(raw + 2 * _SHAPES, dtype=torch.bool)
    moving[: sites * PER_SLOT] = True
    moving[raw : raw + _SHAPES] = True
    return moving


def _answer(checkpoint: Checkpoint, network: Ensemble) -> Callable[[Tensor], Tensor]:
    """From inputs (T, W, F) to the newest row's x0 (T, 52), sampled from no noise."""
    diffusion = checkpoint.facts.diffusion
    alphas = cosine_alphas_cumprod(diffusion.num_train_timesteps)
    timesteps = inference_timesteps(diffusion.num_train_timesteps, diffusion.num_inference_steps)

    def answer(inputs: Tensor) -> Tensor:
        noise = torch.zeros(*inputs.shape[:2], _SHAPES)
        x0: Tensor = sample_ddim(
            lambda xt, t: network(xt, torch.full((len(inputs),), float(t)), inputs),
            noise,
            alphas,
            timesteps,
        )
        return x0[:, -1]

    return answer


def _by_slot(slope: Tensor, inputs: Tensor, shares: Floats, sites: int) -> Array:
    """(T, R): gradient times input, summed over the window and over what is of each slot."""
    own = (slope * inputs)[..., : sites * PER_SLOT].reshape(*slope.shape[:2], sites, PER_SLOT)
    raw = inputs.shape[-1] - 2 * _SHAPES
    believed = slope[..., raw : raw + _SHAPES].numpy()  # (T, W, 52)
    by_estimate = np.einsum("twk,twrk->tr", believed, shares)
    return np.asarray(own.sum(dim=(1, 3)).numpy() + by_estimate, float)
