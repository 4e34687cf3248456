"""One training step of each stage: batches, noise, loss. torch; no files."""

from collections.abc import Sequence as Collection
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from model.config import DiffusionConfig, StageConfig
from model.denoiser import WEIGHTS
from model.diffusion import add_noise
from model.ensemble import Ensemble
from model.sequences import Sequence

# Half the batch trains at pure noise, where sampling starts; half of that with the noise at zero,
# which is how the mean is asked for (`DiffusionConfig.noise_scale`).
_PURE_NOISE_SHARE = 0.5


def draw_batch(
    sequences: Collection[Sequence], window: int, batch: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Random windows: inputs (B, W, F) and change (B, W, 52), long sequences more often."""
    room = np.array([max(len(s.features) - window, 0) for s in sequences], float)
    chosen = rng.choice(len(sequences), batch, p=room / room.sum())
    starts = [int(rng.integers(len(sequences[i].features) - window)) for i in chosen]
    pairs = list(zip(chosen, starts, strict=True))
    seen = np.stack([sequences[i].inputs(k, k + window) for i, k in pairs])
    change = np.stack([sequences[i].change[k : k + window] for i, k in pairs])
    return torch.from_numpy(seen).float(), torch.from_numpy(change).float()


def drop_experts(inputs: Tensor, raw: int, probability: float) -> Tensor:
    """Hide, in each example with `probability`, either the raw features or the filter's estimates.

    Neither is to be leant on alone. A hidden filter says "no change, and I do not know". Inputs
    (B, W, raw) without estimates stay as they are.
    """
    if inputs.shape[-1] == raw:
        return inputs
    drawn = torch.rand(len(inputs), 1, 1, device=inputs.device)
    features, change, spread = torch.split(inputs, [raw, WEIGHTS, WEIGHTS], dim=-1)
    deaf = drawn < probability
    blind = (drawn >= probability) & (drawn < 2 * probability)
    return torch.cat(
        (
            features.masked_fill(deaf, 0.0),
            change.masked_fill(blind, 0.0),
            spread.masked_fill(blind, 1.0),
        ),
        dim=-1,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Noised:
    """One step's examples with everything about them drawn.

    features (B, W, F), target (B, W, 52) scaled change, xt (B, W, 52) target with noise, t (B,)
    timesteps.
    """

    features: Tensor
    target: Tensor
    xt: Tensor
    t: Tensor

    def parts(self, count: int) -> list["Noised"]:
        """The same examples in `count` pieces of equal size."""
        pieces = (x.chunk(count) for x in (self.features, self.target, self.xt, self.t))
        return [Noised(*piece) for piece in zip(*pieces, strict=True)]


def add_drawn_noise(
    features: Tensor, target: Tensor, alphas_cumprod: Tensor, diffusion: DiffusionConfig
) -> Noised:
    """Draw timesteps and noise for features (B, W, F) and target (B, W, 52)."""
    batch = len(features)
    last = diffusion.num_train_timesteps - 1
    t = torch.randint(0, last + 1, (batch,), device=features.device)
    pure = torch.rand(batch, device=features.device) < _PURE_NOISE_SHARE
    t = torch.where(pure, torch.full_like(t, last), t)
    silent = pure & (torch.rand(batch, device=features.device) < 0.5)
    noise = torch.randn_like(target) * (~silent).float()[:, None, None]
    xt = add_noise(target, noise, alphas_cumprod[t][:, None, None])  # (B, W, 52)
    return Noised(features, target, xt, t.float())


def loss_of(x0: Tensor, target: Tensor, stage: StageConfig, shape_weight: Tensor) -> Tensor:
    """Scalar loss of having said x0 where target was meant, both (B, W, 52) scaled change."""
    error = functional.smooth_l1_loss(x0, target, beta=stage.huber_beta, reduction="none")
    loss = (error * shape_weight).mean()
    if stage.velocity_weight > 0:
        velocity = functional.l1_loss(
            x0.diff(dim=1) * shape_weight, target.diff(dim=1) * shape_weight
        )
        loss = loss + stage.velocity_weight * velocity
    if stage.acceleration_weight > 0:
        shake = functional.l1_loss(
            x0.diff(n=2, dim=1) * shape_weight, target.diff(n=2, dim=1) * shape_weight
        )
        loss = loss + stage.acceleration_weight * shake
    return loss


@torch.no_grad()
def predict_sequence(
    denoiser: Ensemble, inputs: np.ndarray, num_train_timesteps: int
) -> np.ndarray:
    """One-step estimate of the scaled change (T, 52): for validation, not for live use.

    Windows overlap by half and only their later halves are kept, so early rows see less past than
    they would live.
    """
    window, hop = denoiser.window, denoiser.window // 2
    padded = np.concatenate((np.repeat(inputs[:1], window, axis=0), inputs))
    ends = np.arange(window + hop, len(padded) + hop, hop).clip(max=len(padded))
    batch = np.stack([padded[end - window : end] for end in ends]).astype(np.float32)
    seen = torch.from_numpy(batch).to(denoiser.target_scale.device)
    t = torch.full((len(batch),), float(num_train_timesteps - 1), device=seen.device)
    xt = torch.zeros(len(batch), window, WEIGHTS, device=seen.device)
    x0 = denoiser(xt, t, seen).cpu().numpy()
    out = np.zeros((len(padded), WEIGHTS), np.float32)
    for end, rows in zip(ends, x0, strict=True):
        out[end - hop : end] = rows[-hop:]
    return out[window:]
