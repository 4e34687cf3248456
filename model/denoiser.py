"""The denoiser: a causal Transformer over a window of IMU features and noisy blendshapes.

Letters: B batch, W window (rows at 60 Hz), F features, D width, H heads, 52 weights.
"""

import math

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from capture.blendshapes import ARKIT_NAMES
from model.config import DenoiserConfig

WEIGHTS = len(ARKIT_NAMES)


class Denoiser(nn.Module):
    """Predict clean weights x0 of every row of a window from noisy ones and IMU features.

    x0 is what the network says plus, where `config.gated`, a gate per shape times the filter's
    estimate: the last 104 inputs (`model.kalman`), change from rest and its deviation.

    Row k sees rows ≤ k only. Weights are changes from rest divided by `target_scale`
    (`model.checkpoint`); features are divided by their training deviation inside.
    """

    feature_mean: Tensor
    feature_scale: Tensor
    target_scale: Tensor

    def __init__(self, features: int, config: DenoiserConfig) -> None:
        super().__init__()
        width = config.width
        self.window = config.window
        self.register_buffer("feature_mean", torch.zeros(features))
        self.register_buffer("feature_scale", torch.ones(features))
        self.register_buffer("target_scale", torch.ones(WEIGHTS))
        self.embed_features = nn.Linear(features, width)
        self.make_layers(config)
        self.norm = nn.LayerNorm(width)
        self.to_weights = nn.Linear(width, WEIGHTS)
        # A fresh network adds nothing to half of the filter's estimate, which is the safe answer.
        nn.init.zeros_(self.to_weights.weight)
        nn.init.zeros_(self.to_weights.bias)
        self.to_gate = nn.Linear(width, WEIGHTS) if config.gated else None

    def make_layers(self, config: DenoiserConfig) -> None:
        """What stands between the embedded features and the answer."""
        width = config.width
        self.embed_weights = nn.Linear(WEIGHTS, width)
        self.position = nn.Parameter(0.02 * torch.randn(config.window, width))
        self.embed_time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(
            Block(width, config.heads, config.dropout) for _ in range(config.layers)
        )

    def forward(self, xt: Tensor, t: Tensor, features: Tensor) -> Tensor:
        """x0 (B, W, 52) from xt (B, W, 52), t (B,) float timesteps, features (B, W, F)."""
        seen = (features - self.feature_mean) / self.feature_scale  # (B, W, F)
        seen = seen.clamp(-8.0, 8.0)  # taps and knocks must not drown the rest
        x = self.norm(self.understood(self.embed_features(seen), xt, t))  # (B, W, D)
        answer: Tensor = self.to_weights(x)  # (B, W, 52)
        if self.to_gate is None:
            return answer
        estimate = features[..., -2 * WEIGHTS : -WEIGHTS] / self.target_scale  # (B, W, 52)
        return answer + torch.sigmoid(self.to_gate(x)) * estimate

    def understood(self, x: Tensor, xt: Tensor, t: Tensor) -> Tensor:
        """(B, W, D) from embedded features (B, W, D), xt and t; row k from rows ≤ k."""
        time = self.embed_time(timestep_embedding(t, x.shape[-1]))  # (B, D)
        x = x + self.embed_weights(xt) + self.position + time[:, None]  # (B, W, D)
        for block in self.blocks:
            x = block(x)  # (B, W, D)
        return x


class Block(nn.Module):
    """Pre-norm causal self-attention and MLP."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, W, D) → (B, W, D)."""
        batch, window, width = x.shape
        qkv = self.qkv(self.norm_attention(x))  # (B, W, 3 D)
        qkv = qkv.reshape(batch, window, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # 3 × (B, H, W, D/H)
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropout)
        x = x + self.project(mixed.transpose(1, 2).reshape(batch, window, width))  # (B, W, D)
        return x + self.mlp(self.norm_mlp(x))  # type: ignore[no-any-return]  # (B, W, D)


def timestep_embedding(t: Tensor, width: int) -> Tensor:
    """(B, width) sines and cosines of (B,) timesteps; section 3.5 of arXiv:1706.03762."""
    half = width // 2
    frequency = torch.exp(-math.log(10_000.0) * torch.arange(half, device=t.device) / half)
    angle = t[:, None] * frequency  # (B, width/2)
    return torch.cat((torch.cos(angle), torch.sin(angle)), dim=-1)
