"""Networks that learned apart and answer together. torch; no files."""

import torch
from torch import Tensor, nn

from model.config import DenoiserConfig
from model.denoiser import Denoiser


class Ensemble(nn.Module):
    """`config.members` denoisers with other beginnings; the answer is their mean.

    What they agree on they felt; what they disagree on each made up, and the mean of it is small
    (deep ensembles, arXiv:1612.01474). Letters as in `model.denoiser`, and M members.
    """

    def __init__(self, features: int, config: DenoiserConfig) -> None:
        super().__init__()
        self.members = nn.ModuleList(Denoiser(features, config) for _ in range(config.members))

    def forward(self, xt: Tensor, t: Tensor, features: Tensor) -> Tensor:
        """x0 (B, W, 52), the members' mean; arguments as of `Denoiser`."""
        return self.answers(xt, t, features).mean(dim=0)  # (B, W, 52)

    def answers(self, xt: Tensor, t: Tensor, features: Tensor) -> Tensor:
        """What each member says (M, B, W, 52)."""
        return torch.stack([member(xt, t, features) for member in self.members])

    @property
    def first(self) -> Denoiser:
        """A member: all have the same window and the same scales."""
        member = self.members[0]
        assert isinstance(member, Denoiser)
        return member

    @property
    def window(self) -> int:
        """Rows at 60 Hz."""
        return self.first.window

    @property
    def target_scale(self) -> Tensor:
        """(52,) by which changes are divided."""
        return self.first.target_scale

    def set_scales(self, mean: Tensor, deviation: Tensor, target: Tensor) -> None:
        """Normalise features (F,) and changes (52,) in every member."""
        for member in self.members:
            assert isinstance(member, Denoiser)
            member.feature_mean.copy_(mean)
            member.feature_scale.copy_(deviation)
            member.target_scale.copy_(target)


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
