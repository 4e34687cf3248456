"""What diffusion must beat: networks of its size, inputs and training that answer in one pass.

They see no noisy weights and no time, so any number of steps gives the same answer. Letters as in
`model.denoiser`.
"""

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from model.config import DenoiserConfig
from model.denoiser import Block, Denoiser

_KERNEL = 3


class TransformerRegressor(Denoiser):
    """The denoiser without what makes it one."""

    def make_layers(self, config: DenoiserConfig) -> None:
        """Blocks as the denoiser's."""
        self.position = nn.Parameter(0.02 * torch.randn(config.window, config.width))
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.dropout) for _ in range(config.layers)
        )

    def understood(self, x: Tensor, xt: Tensor, t: Tensor) -> Tensor:  # noqa: ARG002
        """(B, W, D) from embedded features (B, W, D)."""
        x = x + self.position
        for block in self.blocks:
            x = block(x)  # (B, W, D)
        return x


class GruRegressor(Denoiser):
    """Gated recurrent units (arXiv:1406.1078) that begin anew with every window."""

    def make_layers(self, config: DenoiserConfig) -> None:
        """A stack of GRUs."""
        dropout = config.dropout if config.layers > 1 else 0.0
        width = config.width
        self.gru = nn.GRU(width, width, config.layers, batch_first=True, dropout=dropout)

    def understood(self, x: Tensor, xt: Tensor, t: Tensor) -> Tensor:  # noqa: ARG002
        """(B, W, D) from embedded features (B, W, D)."""
        found: Tensor = self.gru(x)[0]  # (B, W, D)
        return x + found


class TcnRegressor(Denoiser):
    """Causal dilated convolutions (arXiv:1803.01271)."""

    def make_layers(self, config: DenoiserConfig) -> None:
        """One block more doubles how far back a row sees: 4 blocks see 61 rows."""
        self.blocks = nn.ModuleList(
            ConvolutionBlock(config.width, 2**k, config.dropout) for k in range(config.layers)
        )

    def understood(self, x: Tensor, xt: Tensor, t: Tensor) -> Tensor:  # noqa: ARG002
        """(B, W, D) from embedded features (B, W, D)."""
        x = x.transpose(1, 2)  # (B, D, W)
        for block in self.blocks:
            x = block(x)  # (B, D, W)
        return x.transpose(1, 2)


class ConvolutionBlock(nn.Module):
    """Two causal convolutions and a way past them."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.past = (_KERNEL - 1) * dilation
        self.first = nn.Conv1d(width, width, _KERNEL, dilation=dilation)
        self.second = nn.Conv1d(width, width, _KERNEL, dilation=dilation)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, W) → (B, D, W)."""
        for convolve in (self.first, self.second):
            before = functional.pad(x, (self.past, 0))  # (B, D, past + W)
            seen = self.dropout(functional.gelu(convolve(before)))  # (B, D, W)
            x = x + seen
        return x


KINDS: dict[str, type[Denoiser]] = {
    "diffusion": Denoiser,
    "gru": GruRegressor,
    "tcn": TcnRegressor,
    "transformer": TransformerRegressor,
}
