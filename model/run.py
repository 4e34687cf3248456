"""One training run: network, optimiser and averages, from epoch to epoch. No files."""

import hashlib
import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from model.baselines import fit_ridge
from model.config import Recipe, StageConfig
from model.diffusion import cosine_alphas_cumprod
from model.ensemble import Answers, Ensemble, linear_lags
from model.epochs import EpochPlan, layout_of
from model.features import feature_count
from model.kalman import input_count
from model.ranks import Ranks
from model.run_state import RunState, optimiser_tensors, restore_optimiser
from model.sequences import Sequence
from model.stages import Noised, add_drawn_noise, draw_batch, drop_experts, loss_of

# Shapes that hardly move still deserve a scale that does not blow up their noise.
_SMALLEST_SCALE = 0.05
_WEIGHT_DECAY = 0.02
_LONGEST_GRADIENT = 1.0
# Primes, so that no epoch of one process draws the noise of another.
_SEED_STEP, _RANK_STEP = 7919, 104_729


@dataclass(frozen=True, slots=True)
class Steps:
    """What the steps of one epoch came to: mean loss over all processes, last learning rate."""

    loss: float
    learning_rate: float


class Run:
    """Trains epoch by epoch; everything an epoch depends on is in `state` between two of them.

    Chance is drawn anew per epoch from the recipe's seed, so a run that goes on from a state does
    what it would have done without the break. Processes share the weights and differ in batches.
    """

    def __init__(self, recipe: Recipe, first: list[Sequence], ranks: Ranks) -> None:
        torch.manual_seed(recipe.seed)
        self._recipe, self._ranks = recipe, ranks
        self._raw = feature_count(layout_of(recipe))
        self._denoiser = _fresh(recipe)
        _set_scales(self._denoiser, first)
        _set_linear(self._denoiser, first)
        self._denoiser.to(ranks.device)
        self._averaged = {k: v.clone() for k, v in self._denoiser.state_dict().items()}
        self._best, self._best_score = self._averaged, -math.inf
        self._names = [name for name, _ in self._denoiser.named_parameters()]
        self._optimiser = self._fresh_optimiser()
        signal = cosine_alphas_cumprod(recipe.diffusion.num_train_timesteps)
        self._alphas_cumprod = torch.from_numpy(signal).float().to(ranks.device)
        # Shared gradients where there is more than one process, else the network itself.
        self._shared: torch.nn.Module = Answers(self._denoiser)
        if ranks.count > 1:
            self._shared = DistributedDataParallel(self._shared, broadcast_buffers=False)
        self.done = 0

    def _fresh_optimiser(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self._denoiser.parameters(), weight_decay=_WEIGHT_DECAY)

    def state(self) -> RunState:
        """What to save; the tensors are the run's own and change with the next epoch."""
        return RunState(
            self.done,
            self._best_score if math.isfinite(self._best_score) else None,
            self._denoiser.state_dict(),
            self._averaged,
            self._best,
            optimiser_tensors(self._optimiser, self._names),
        )

    def resume(self, state: RunState) -> None:
        """Go on from a state of this recipe."""
        device = self._ranks.device
        self._denoiser.load_state_dict(state.network)
        self._averaged = {k: v.to(device, copy=True) for k, v in state.averaged.items()}
        self._best = {k: v.to(device, copy=True) for k, v in state.best.items()}
        self._best_score = -math.inf if state.best_score is None else state.best_score
        restore_optimiser(self._optimiser, self._names, state.optimiser)
        self.done = state.epochs_done

    def epoch(self, plan: EpochPlan, sequences: list[Sequence]) -> Steps:
        """Train one epoch; all processes do so together.

        Raises:
            RuntimeError: the processes hold different weights after it, which is a fault of ours.
        """
        if plan.opens_stage:
            self._optimiser = self._fresh_optimiser()
        self._denoiser.train()
        rank = self._ranks.rank
        rng = np.random.default_rng((self._recipe.seed, plan.number, 1, rank))
        torch.manual_seed(self._recipe.seed + _SEED_STEP * (plan.number + 1) + _RANK_STEP * rank)
        losses, rate = [], 0.0
        for step in range(plan.config.steps_per_epoch):
            rate = plan.config.learning_rate * _schedule(plan.progress(step))
            for group in self._optimiser.param_groups:
                group["lr"] = rate
            losses.append(self._step(plan.config, sequences, rng))
        self.done = plan.number + 1
        return Steps(self._agreed(float(torch.stack(losses).mean())), rate)

    def _step(
        self, stage: StageConfig, sequences: list[Sequence], rng: np.random.Generator
    ) -> Tensor:
        drawn = self._drawn(stage, sequences, rng)
        self._optimiser.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=self._ranks.device)
        parts = drawn.parts(stage.accumulate)
        for number, part in enumerate(parts, 1):
            with self._exchange(number == len(parts)):
                share = self._loss(part, stage) / len(parts)
                share.backward()  # type: ignore[no-untyped-call]
            loss += share.detach()
        for member in self._denoiser.members:
            torch.nn.utils.clip_grad_norm_(member.parameters(), _LONGEST_GRADIENT)
        self._optimiser.step()
        for key, value in self._denoiser.state_dict().items():
            self._averaged[key].lerp_(value, 1.0 - stage.ema_decay)
        return loss / len(self._denoiser.members)

    def _drawn(
        self, stage: StageConfig, sequences: list[Sequence], rng: np.random.Generator
    ) -> Noised:
        """The examples of a whole step, so that how it is cut into parts changes none of them."""
        count = stage.batch * stage.accumulate
        batch = draw_batch(sequences, self._denoiser.window, count, rng)
        seen, change = (x.to(self._ranks.device) for x in batch)
        seen = drop_experts(seen, self._raw, stage.expert_dropout)
        target = change / self._denoiser.target_scale
        return add_drawn_noise(seen, target, self._alphas_cumprod, self._recipe.diffusion)

    def _loss(self, part: Noised, stage: StageConfig) -> Tensor:
        mixed = self._recipe.precision == "bfloat16"
        with torch.autocast(self._ranks.device.type, torch.bfloat16, enabled=mixed):
            answers = self._shared(part.xt, part.t, part.features)  # (M, B, W, 52)
        scale = self._denoiser.target_scale
        # Between equal weight per shape (correlation) and weight by size (absolute error).
        weight = (scale / scale.mean()) ** 0.5
        # A sum, so that each member learns as it would alone.
        losses = [loss_of(x0.float(), part.target, stage, weight) for x0 in answers]
        return torch.stack(losses).sum()

    def _exchange(self, now: bool) -> AbstractContextManager[None]:
        """Whether the gradients of this part complete a step and go round."""
        if now or not isinstance(self._shared, DistributedDataParallel):
            return nullcontext()
        return self._shared.no_sync()

    def _agreed(self, loss: float) -> float:
        """The mean loss over processes, which must have come to the same weights."""
        if self._ranks.count == 1:
            return loss
        told = self._ranks.gathered((self.digest(), loss))
        digests = {digest for digest, _ in told}
        if len(digests) != 1:
            raise RuntimeError(f"epoch {self.done}: {len(digests)} different networks in {told}")
        return float(np.mean([theirs for _, theirs in told]))

    def digest(self) -> str:
        """SHA-256 of the weights as they are now."""
        found = hashlib.sha256()
        for value in self._denoiser.state_dict().values():
            found.update(value.cpu().numpy().tobytes())
        return found.hexdigest()

    def keep(self, scores: dict[str, float]) -> None:
        """Remember the averaged weights that served the people held out best; without any, the
        latest.
        """
        score = scores["r"] - scores["offset_free_ratio"] if scores else math.inf
        if score >= self._best_score:
            self._best_score = score
            self._best = {k: v.clone() for k, v in self._averaged.items()}

    def averaged(self) -> Ensemble:
        """The latest averaged network, in eval mode where the run computes."""
        return self._network(self._averaged).to(self._ranks.device)

    def best(self) -> Ensemble:
        """The network that early stopping chose, in eval mode on the CPU."""
        return self._network(self._best)

    def _network(self, state: dict[str, Tensor]) -> Ensemble:
        network = _fresh(self._recipe)
        network.load_state_dict(state)
        return network.eval()


def _fresh(recipe: Recipe) -> Ensemble:
    layout = layout_of(recipe)
    return Ensemble(input_count(layout), feature_count(layout), recipe.denoiser)


def _set_scales(ensemble: Ensemble, sequences: list[Sequence]) -> None:
    """Normalise inputs and targets by what these sequences hold."""
    seen = np.concatenate([s.inputs()[::10] for s in sequences]).astype(np.float32)
    change = np.concatenate([s.change[::10] for s in sequences]).astype(np.float32)
    ensemble.set_scales(
        torch.from_numpy(seen.mean(axis=0)),
        torch.from_numpy(seen.std(axis=0).clip(min=0.02)),
        torch.from_numpy(change.std(axis=0).clip(min=_SMALLEST_SCALE)),
    )


def _set_linear(ensemble: Ensemble, sequences: list[Sequence]) -> None:
    """Fit what `linear_share` of the answer comes from."""
    if ensemble.linear_share > 0:
        ensemble.linear.set_ridge(fit_ridge(sequences, lags=linear_lags(ensemble.window)))


def _schedule(progress: float) -> float:
    """Learning rate: warm up over 3 %, then a cosine to 2 %."""
    if progress < 0.03:
        return progress / 0.03
    return 0.02 + 0.49 * (1.0 + float(np.cos(np.pi * (progress - 0.03) / 0.97)))
