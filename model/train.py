"""The training loop: two stages over freshly drawn virtual wearers, resumable, logged as JSONL."""

import functools
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dataset_tools.families import HeadFamilies, families_of
from dataset_tools.processes import end_with_parent
from dataset_tools.recordings import Recorded, read_sources
from firmware_host.errors import ConfigError
from firmware_host.layout import LAYOUTS, SensorLayout
from model.baselines import Ridge, fit_ridge, mean_change
from model.config import Recipe, StageConfig
from model.data import Acquaintance, belief_of, draw_sequences, plain_sequences
from model.denoiser import Denoiser
from model.diffusion import cosine_alphas_cumprod
from model.features import feature_count
from model.kalman import Belief, input_count
from model.metrics import correlation, mae_offset_free, without_offset
from model.sequences import Sequence
from model.stages import draw_batch, drop_experts, loss_of, predict_sequence

STATE_FILE = "state.safetensors"
PROGRESS_FILE = "progress.json"
LOG_FILE = "log.jsonl"
# An epoch trains on its own wearers and those of the epochs before: drawing costs as much as steps.
_KEPT_EPOCHS = 3
# Shapes that hardly move still deserve a scale that does not blow up their noise.
_SMALLEST_SCALE = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What training gives: the averaged network and everything a checkpoint says about it."""

    denoiser: Denoiser
    target_scale: np.ndarray
    rest_weights: np.ndarray
    mean_change: np.ndarray
    ridge: Ridge
    belief: Belief
    recorded: list[Recorded]
    validation: dict[str, float]


class _Epochs:
    """Draws the next epoch's data in a second process while the current one trains."""

    def __init__(self, recipe: Recipe, root: Path, belief: Belief) -> None:
        self._recipe, self._root, self._belief = recipe, root, belief
        self._pool = ProcessPoolExecutor(
            1, mp_context=get_context("spawn"), initializer=end_with_parent
        )
        self._next: tuple[int, Future[list[Sequence]]] | None = None
        self._recent: dict[int, list[Sequence]] = {}

    def get(self, epoch: int) -> list[Sequence]:
        """Sequences of `epoch` and the two before it."""
        kept = range(max(0, epoch - _KEPT_EPOCHS + 1), epoch + 1)
        self._recent = {e: s for e, s in self._recent.items() if e in kept}
        for wanted in kept:
            if wanted not in self._recent:
                self._recent[wanted] = self._drawn(wanted)
        return [sequence for sequences in self._recent.values() for sequence in sequences]

    def _drawn(self, epoch: int) -> list[Sequence]:
        """Sequences of `epoch` alone: the same for the same recipe and epoch, whenever asked."""
        if self._next is None or self._next[0] != epoch:
            self._ask(epoch)
        assert self._next is not None
        sequences = self._next[1].result()
        self._ask(epoch + 1)
        return sequences

    def _ask(self, epoch: int) -> None:
        future = self._pool.submit(_draw_epoch, self._recipe, self._root, self._belief, epoch)
        self._next = (epoch, future)

    def close(self) -> None:
        """Stop the second process."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _draw_epoch(recipe: Recipe, root: Path, belief: Belief, epoch: int) -> list[Sequence]:
    import msgspec

    families = _families(recipe, root)
    data = recipe.data
    if epoch >= recipe.pretrain.epochs:
        data = msgspec.structs.replace(data, generated_share=recipe.refine_generated_share)
    rng = np.random.default_rng((recipe.seed, epoch))
    recorded = read_sources(data.sources, root)
    return draw_sequences(recorded, families, data, rng, met=Acquaintance(belief, recipe.wearer))


def _families(recipe: Recipe, root: Path) -> HeadFamilies:
    return _cached_families(_layout(recipe), recipe.data.ict_head, root)


@functools.cache
def _cached_families(layout: SensorLayout, ict_head: str, root: Path) -> HeadFamilies:
    return HeadFamilies(layout, families_of(ict_head, root))


def _layout(recipe: Recipe) -> SensorLayout:
    if recipe.layout not in LAYOUTS:
        raise ConfigError(f"recipe: layout {recipe.layout!r} is unknown", f"known: {list(LAYOUTS)}")
    return LAYOUTS[recipe.layout]


def train(
    recipe: Recipe,
    root: Path,
    out: Path,
    report: Callable[[str, int, int, float], None],
) -> Trained:
    """Run both stages, resuming from `out` where an earlier run of the same recipe stopped.

    Args:
        root: folder of recordings. out: working folder for state and logs.
        report: called with (stage, epoch, epochs, loss) after every epoch.
    """
    torch.manual_seed(recipe.seed)
    out.mkdir(parents=True, exist_ok=True)
    layout = _layout(recipe)
    recorded = read_sources(recipe.data.sources, root)
    held_out = read_sources(recipe.data.held_out, root)
    families = _families(recipe, root)
    belief = belief_of(recorded, families, recipe.wearer.prior_wearers, recipe.seed)
    validation = plain_sequences(held_out, families, 3, recipe.seed + 1, belief=belief)
    epochs = _Epochs(recipe, root, belief)
    try:
        first = epochs.get(0)
        run = _Run(recipe, layout, first, out)
        for name, stage in (("pretrain", recipe.pretrain), ("refine", recipe.refine)):
            run.stage(name, stage, epochs, validation, report)
    finally:
        epochs.close()
    mean, ridge = mean_change(first), fit_ridge(first)
    rest = np.mean([s.baseline for s in first if s.person != "generated"] or [first[0].baseline], 0)
    best = run.best()
    scored = run.judge(validation, best)
    scored |= {f"ridge_{k}": v for k, v in _judge_ridge(ridge, validation).items()}
    return Trained(best, run.scale.numpy(), rest, mean, ridge, belief, recorded, scored)


class _Run:
    """Network, optimiser and averages of one run; knows how to save and resume itself."""

    def __init__(
        self, recipe: Recipe, layout: SensorLayout, first: list[Sequence], out: Path
    ) -> None:
        self._recipe, self._layout, self._out = recipe, layout, out
        self._denoiser = Denoiser(input_count(layout), recipe.denoiser)
        seen = np.concatenate([s.inputs()[::10] for s in first]).astype(np.float32)
        change = np.concatenate([s.change[::10] for s in first]).astype(np.float32)
        self._denoiser.feature_mean.copy_(torch.from_numpy(seen.mean(axis=0)))
        self._denoiser.feature_scale.copy_(torch.from_numpy(seen.std(axis=0).clip(min=0.02)))
        self.scale = torch.from_numpy(change.std(axis=0).clip(min=_SMALLEST_SCALE))
        self._denoiser.target_scale.copy_(self.scale)
        # Between equal weight per shape (correlation) and weight by size (absolute error).
        self._shape_weight = (self.scale / self.scale.mean()) ** 0.5
        self._ema = {k: v.clone() for k, v in self._denoiser.state_dict().items()}
        signal = cosine_alphas_cumprod(recipe.diffusion.num_train_timesteps)
        self._alphas_cumprod = torch.from_numpy(signal).float()
        self._best, self._best_score = self._ema, -math.inf
        self._done = 0
        self._resume()

    def stage(
        self,
        name: str,
        stage: StageConfig,
        epochs: _Epochs,
        validation: list[Sequence],
        report: Callable[[str, int, int, float], None],
    ) -> None:
        """Train one stage, epoch by epoch; epochs already done are skipped."""
        offset = 0 if name == "pretrain" else self._recipe.pretrain.epochs
        optimiser = torch.optim.AdamW(
            self._denoiser.parameters(), stage.learning_rate, weight_decay=0.02
        )
        total = stage.epochs * stage.steps_per_epoch
        for epoch in range(stage.epochs):
            if offset + epoch < self._done:
                continue
            sequences = epochs.get(offset + epoch)
            started = time.monotonic()
            loss = self._epoch(optimiser, stage, sequences, epoch, total)
            self._done = offset + epoch + 1
            scores = self.judge(validation)
            self._keep(scores)
            self._log(name, epoch, loss, scores, time.monotonic() - started)
            self._save()
            report(name, epoch + 1, stage.epochs, loss)

    def _epoch(
        self,
        optimiser: torch.optim.Optimizer,
        stage: StageConfig,
        sequences: list[Sequence],
        epoch: int,
        total: int,
    ) -> float:
        self._denoiser.train()
        rng = np.random.default_rng((self._recipe.seed, self._done, 1))
        torch.manual_seed(self._recipe.seed + 7919 * (self._done + 1))
        losses = []
        for step in range(stage.steps_per_epoch):
            progress = (epoch * stage.steps_per_epoch + step) / total
            for group in optimiser.param_groups:
                group["lr"] = stage.learning_rate * _schedule(progress)
            losses.append(self._step(optimiser, stage, sequences, rng))
        return float(np.mean(losses))

    def _step(
        self,
        optimiser: torch.optim.Optimizer,
        stage: StageConfig,
        sequences: list[Sequence],
        rng: np.random.Generator,
    ) -> float:
        seen, change = draw_batch(sequences, self._denoiser.window, stage.batch, rng)
        seen = drop_experts(seen, feature_count(self._layout), stage.expert_dropout)
        loss = loss_of(
            self._denoiser,
            seen,
            change / self.scale,
            self._alphas_cumprod,
            stage,
            self._recipe.diffusion,
            self._shape_weight,
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._denoiser.parameters(), 1.0)
        optimiser.step()
        for key, value in self._denoiser.state_dict().items():
            self._ema[key].lerp_(value, 1.0 - stage.ema_decay)
        return float(loss.detach())

    def _keep(self, scores: dict[str, float]) -> None:
        """Remember the averaged weights that served the people held out best; without any, the
        latest.
        """
        score = scores["r"] - scores["offset_free_ratio"] if scores else math.inf
        if score >= self._best_score:
            self._best_score = score
            self._best = {k: v.clone() for k, v in self._ema.items()}

    def best(self) -> Denoiser:
        """The network that early stopping chose, in eval mode."""
        return self._network(self._best)

    def _network(self, state: dict[str, Tensor]) -> Denoiser:
        network = Denoiser(input_count(self._layout), self._recipe.denoiser)
        network.load_state_dict(state)
        return network.eval()

    def judge(self, sequences: list[Sequence], network: Denoiser | None = None) -> dict[str, float]:
        """r and offset-free MAE ratio, every person weighing the same; of the latest averaged
        network by default.
        """
        network, scale = network or self._network(self._ema), self.scale.numpy()
        steps = self._recipe.diffusion.num_train_timesteps
        return judge(
            sequences,
            lambda s: predict_sequence(network, np.asarray(s.inputs(), np.float32), steps) * scale,
        )

    def _log(
        self, name: str, epoch: int, loss: float, scores: dict[str, float], seconds: float
    ) -> None:
        row = {"stage": name, "epoch": epoch + 1, "loss": loss, "seconds": seconds, **scores}
        with (self._out / LOG_FILE).open("a") as log:
            log.write(json.dumps(row) + "\n")

    def _save(self) -> None:
        tensors: dict[str, Tensor] = {"scale": self.scale}
        tensors |= {f"net.{k}": v for k, v in self._denoiser.state_dict().items()}
        tensors |= {f"ema.{k}": v for k, v in self._ema.items()}
        tensors |= {f"best.{k}": v.clone() for k, v in self._best.items()}
        temporary = self._out / (STATE_FILE + ".part")
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary)
        temporary.replace(self._out / STATE_FILE)
        score = self._best_score if math.isfinite(self._best_score) else None
        facts = {"epochs_done": self._done, "best_score": score}
        (self._out / PROGRESS_FILE).write_text(json.dumps(facts))

    def _resume(self) -> None:
        if not (self._out / PROGRESS_FILE).exists():
            return
        tensors = load_file(self._out / STATE_FILE)
        self.scale = tensors["scale"]
        self._shape_weight = (self.scale / self.scale.mean()) ** 0.5
        self._denoiser.load_state_dict(
            {k[4:]: v for k, v in tensors.items() if k.startswith("net.")}
        )
        self._ema = {k[4:]: v for k, v in tensors.items() if k.startswith("ema.")}
        self._best = {k[5:]: v for k, v in tensors.items() if k.startswith("best.")}
        facts = json.loads((self._out / PROGRESS_FILE).read_text())
        self._done, score = int(facts["epochs_done"]), facts["best_score"]
        self._best_score = -math.inf if score is None else float(score)


def _schedule(progress: float) -> float:
    """Learning rate: warm up over 3 %, then a cosine to 2 %."""
    if progress < 0.03:
        return progress / 0.03
    return 0.02 + 0.49 * (1.0 + float(np.cos(np.pi * (progress - 0.03) / 0.97)))


def judge(sequences: list[Sequence], predict: Callable[[Sequence], np.ndarray]) -> dict[str, float]:
    """Mean over people of r and of offset-free MAE over a still face's; nothing of nobody."""
    if not sequences:
        return {}
    by_person: dict[str, list[tuple[float, float]]] = {}
    for sequence in sequences:
        truth = np.asarray(sequence.change, float)
        predicted = np.asarray(predict(sequence), float)
        still = float(np.abs(without_offset(truth)).mean())
        ratio = mae_offset_free(predicted, truth) / max(
            mae_offset_free(np.zeros_like(truth), truth), 1e-9
        )
        if still > 0:
            by_person.setdefault(sequence.person, []).append((correlation(predicted, truth), ratio))
    figures = [np.nanmean(np.array(rows), axis=0) for rows in by_person.values()]
    r, ratio = np.mean(figures, axis=0)
    return {"r": float(r), "offset_free_ratio": float(ratio)}


def _judge_ridge(ridge: Ridge, sequences: list[Sequence]) -> dict[str, float]:
    return judge(sequences, lambda s: ridge.predict(np.asarray(s.features, np.float32)))
