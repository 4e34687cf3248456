"""Training: two stages over freshly drawn virtual wearers, by one process or several."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_tools.families import HeadFamilies
from dataset_tools.recordings import Recorded, read_sources
from model.baselines import Ridge, fit_ridge, mean_change
from model.config import Recipe
from model.data import belief_of, plain_sequences
from model.ensemble import Ensemble
from model.epochs import Drawer, EpochPlan, Epochs, families_for, plans
from model.kalman import Belief
from model.metrics import correlation, mae_offset_free, without_offset
from model.ranks import Ranks, open_ranks
from model.run import Run, Steps
from model.run_logs import EpochDone, Pace, RunLogs
from model.run_state import load_state, save_state
from model.sequences import Sequence
from model.spread import Spread
from model.spread_fit import spread_over
from model.stages import predict_sequence

Report = Callable[[EpochDone], None]
WORN_TIMES = 3  # virtual wearers that each recording held out is judged on


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What training gives: the averaged network and everything a checkpoint says about it."""

    denoiser: Ensemble
    target_scale: np.ndarray
    rest_weights: np.ndarray
    mean_change: np.ndarray
    ridge: Ridge
    belief: Belief
    recorded: list[Recorded]
    validation: dict[str, float]
    spread: Spread | None = None


def train(
    recipe: Recipe, root: Path, out: Path, report: Report, device: str = "auto"
) -> Trained | None:
    """Run both stages, going on from `out` where an earlier run of the same recipe stopped.

    Under `torchrun` all its processes call this. The same recipe, recordings, number of processes
    and of threads give the same network on a CPU, broken off and resumed or not.

    Args:
        root: folder of recordings. out: working folder for state and logs.
        report: called after every epoch, in the first process. device: see `open_ranks`.

    Returns:
        What was trained, in the first process; None in the others.

    Raises:
        ConfigError: the state in `out` is of another run, or the device is not there.
        DataError: the state in `out` is damaged.
    """
    with open_ranks(device) as ranks:
        if ranks.first:
            return _lead(recipe, root, out, report, ranks)
        _follow(recipe, ranks)
        return None


def _follow(recipe: Recipe, ranks: Ranks) -> None:
    """Train on what the first process draws."""
    epochs = Epochs(lambda _: ranks.received())
    run = Run(recipe, epochs.get(0), ranks)
    state = ranks.received()
    if state is not None:
        run.resume(state)
    for plan in plans(recipe, run.done):
        run.epoch(plan, epochs.get(plan.number))


def _lead(recipe: Recipe, root: Path, out: Path, report: Report, ranks: Ranks) -> Trained:
    """Draw, train with the others, judge, log and save."""
    out.mkdir(parents=True, exist_ok=True)
    recorded = read_sources(recipe.data.sources, root)
    held_out = read_sources(recipe.data.held_out, root)
    uses = tuple(item.use for item in (*recorded, *held_out))
    state = load_state(recipe, uses, ranks.count, out)  # refuses before anything is drawn
    families = families_for(recipe, root)
    belief = belief_of(recorded, families, recipe.wearer.prior_wearers, recipe.seed)
    validation = plain_sequences(held_out, families, WORN_TIMES, recipe.seed + 1, belief=belief)
    done_before = 0 if state is None else state.epochs_done
    with closing(Drawer(recipe, root, belief, done_before)) as drawer:
        epochs = Epochs(_sending(drawer.draw, ranks))
        first = epochs.get(0)
        run = Run(recipe, first, ranks)
        ranks.send(state)
        if state is not None:
            run.resume(state)
        with closing(RunLogs(out, run.done)) as logs:
            for done in _epochs(run, epochs, validation, recipe, ranks.count):
                logs.add(run.done - 1, done)
                save_state(run.state(), recipe, uses, ranks.count, out)
                report(done)
    return _trained(run.best(), recipe, first, belief, recorded, validation, families)


def _sending(
    draw: Callable[[int], list[Sequence]], ranks: Ranks
) -> Callable[[int], list[Sequence]]:
    """`draw` that lets the other processes have what was drawn."""

    def drawn(number: int) -> list[Sequence]:
        sequences = draw(number)
        ranks.send(sequences)
        return sequences

    return drawn


def _epochs(
    run: Run, epochs: Epochs, validation: list[Sequence], recipe: Recipe, processes: int
) -> Iterator[EpochDone]:
    """Train and judge what is left, epoch by epoch."""
    pace = Pace()
    left = list(plans(recipe, run.done))
    for number, plan in enumerate(left, 1):
        sequences = epochs.get(plan.number)
        started_s = time.monotonic()
        steps = run.epoch(plan, sequences)
        seconds = time.monotonic() - started_s
        scores = judge_network(run.averaged(), validation, recipe)
        run.keep(scores)
        left_s = pace.seconds_left(len(left) - number)
        yield _told(plan, steps, seconds, left_s, scores, processes)


def _told(
    plan: EpochPlan,
    steps: Steps,
    seconds: float,
    seconds_left: float,
    scores: dict[str, float],
    processes: int,
) -> EpochDone:
    stage = plan.config
    samples = stage.steps_per_epoch * stage.batch * stage.accumulate * processes
    return EpochDone(
        stage=plan.stage,
        epoch=plan.within + 1,
        epochs=stage.epochs,
        loss=steps.loss,
        learning_rate=steps.learning_rate,
        seconds=seconds,
        samples_per_second=samples / seconds,
        seconds_left=seconds_left,
        scores=scores,
    )


def _trained(
    best: Ensemble,
    recipe: Recipe,
    first: list[Sequence],
    belief: Belief,
    recorded: list[Recorded],
    validation: list[Sequence],
    families: HeadFamilies,
) -> Trained:
    mean, ridge = mean_change(first), fit_ridge(first)
    rest = np.mean([s.baseline for s in first if s.person != "generated"] or [first[0].baseline], 0)
    scored = judge_network(best, validation, recipe)
    scored |= {f"ridge_{k}": v for k, v in judge_ridge(ridge, validation).items()}
    scale = best.target_scale.numpy()
    spread = spread_over(best, validation, recorded, families, belief, recipe)
    return Trained(best, scale, rest, mean, ridge, belief, recorded, scored, spread)


def judge_network(network: Ensemble, sequences: list[Sequence], recipe: Recipe) -> dict[str, float]:
    """`judge` on what a network predicts in one step."""
    scale = network.target_scale.cpu().numpy()
    steps = recipe.diffusion.num_train_timesteps
    return judge(
        sequences,
        lambda s: predict_sequence(network, np.asarray(s.inputs(), np.float32), steps) * scale,
    )


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


def judge_ridge(ridge: Ridge, sequences: list[Sequence]) -> dict[str, float]:
    """`judge` on what ridge predicts."""
    return judge(sequences, lambda s: ridge.predict(np.asarray(s.features, np.float32)))
