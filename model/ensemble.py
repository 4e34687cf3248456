"""Networks that learned apart, and a line, that answer together. torch; no files."""

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from model.baselines import LAGS, Ridge
from model.config import DenoiserConfig
from model.denoiser import WEIGHTS, Denoiser
from model.regressors import KINDS

# Ridge trembles with its sensors; so much of each of the last rows, newest first, is kept: an
# exponential of 2 rows, cut where little is left of it.
_SMOOTH = 0.4 * 0.6 ** np.arange(8) / (1.0 - 0.6**8)
_CLIP = 20.0  # as in `fit_ridge`: a knock is not followed as far as it goes


def linear_lags(window: int) -> tuple[int, ...]:
    """The lags of ridge that fit into a window of so many rows, smoothed."""
    return tuple(lag for lag in LAGS if lag + len(_SMOOTH) <= window)


class Ensemble(nn.Module):
    """`config.members` networks with other beginnings, and ridge regression for `linear_share`.

    The answer is their mean. What they agree on they felt; what they disagree on each made up, and
    the mean of it is small (deep ensembles, arXiv:1612.01474). A line learns fewer habits of the
    people in the training than a network does. Letters as in `model.denoiser`, and M members.

    Args:
        inputs: the features and what follows them. raw: the features alone, which ridge sees.
    """

    def __init__(self, inputs: int, raw: int, config: DenoiserConfig) -> None:
        super().__init__()
        self.members = nn.ModuleList(
            KINDS[config.kind](inputs, config) for _ in range(config.members)
        )
        self.linear = Linear(raw, config.window)
        self.linear_share = config.linear_share

    def forward(self, xt: Tensor, t: Tensor, features: Tensor) -> Tensor:
        """x0 (B, W, 52); arguments as of `Denoiser`. Row k sees rows ≤ k only."""
        mean: Tensor = self.answers(xt, t, features).mean(dim=0)  # (B, W, 52)
        if self.linear_share == 0:
            return mean
        line: Tensor = self.linear(features) / self.target_scale  # (B, W, 52)
        return (1.0 - self.linear_share) * mean + self.linear_share * line

    def answers(self, xt: Tensor, t: Tensor, features: Tensor) -> Tensor:
        """What each member says (M, B, W, 52), in the scale of the first."""
        said = []
        for member in self.members:
            assert isinstance(member, Denoiser)
            own = self.target_scale / member.target_scale  # (52,), 1 where they learned together
            said.append(member(xt * own, t, features) / own)
        return torch.stack(said)

    @property
    def first(self) -> Denoiser:
        """A member: all have the same window, and those that learned together the same scales."""
        member = self.members[0]
        assert isinstance(member, Denoiser)
        return member

    @property
    def window(self) -> int:
        """Rows at 60 Hz."""
        return self.first.window

    @property
    def target_scale(self) -> Tensor:
        """(52,) by which xt and x0 are divided."""
        return self.first.target_scale

    def set_scales(self, mean: Tensor, deviation: Tensor, target: Tensor) -> None:
        """Normalise inputs (F,) and changes (52,) in every member."""
        for member in self.members:
            assert isinstance(member, Denoiser)
            member.feature_mean.copy_(mean)
            member.feature_scale.copy_(deviation)
            member.target_scale.copy_(target)


class Linear(nn.Module):
    """Ridge regression on lagged features, smoothed over the last rows; knows nothing at first."""

    kernel: Tensor
    intercept: Tensor

    def __init__(self, raw: int, window: int) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.zeros(WEIGHTS, raw, window))  # oldest row first
        self.register_buffer("intercept", torch.zeros(WEIGHTS))

    def set_ridge(self, ridge: Ridge) -> None:
        """Take over `ridge`, whose lags are `linear_lags`."""
        _, raw, window = self.kernel.shape
        taps = np.zeros((window, raw, WEIGHTS))  # newest row first
        coefficients = ridge.coefficients.reshape(len(ridge.lags), raw, WEIGHTS)
        for lag, slope in zip(ridge.lags, coefficients, strict=True):
            for behind, share in enumerate(_SMOOTH):
                taps[lag + behind] += share * slope
        self.kernel.copy_(torch.from_numpy(taps[::-1].transpose(2, 1, 0).copy()).float())
        self.intercept.copy_(torch.from_numpy(ridge.intercept))

    def forward(self, features: Tensor) -> Tensor:
        """Change from rest (B, W, 52) from inputs (B, W, F) of which it sees the first."""
        _, raw, window = self.kernel.shape
        seen = features[..., :raw].clamp(-_CLIP, _CLIP).transpose(1, 2)  # (B, raw, W)
        # Before the window, as `lagged` has it, the first row stands still.
        seen = functional.pad(seen, (window - 1, 0), mode="replicate")
        return functional.conv1d(seen, self.kernel, self.intercept).transpose(1, 2)


class Answers(nn.Module):
    """The ensemble as training calls it: each member's own answer (M, B, W, 52).

    A module of its own because processes share gradients through `forward` alone.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        self.ensemble = ensemble

    def forward(self, xt: Tensor, t: Tensor, features: Tensor) -> Tensor:
        """Arguments as of `Denoiser`."""
        return self.ensemble.answers(xt, t, features)
