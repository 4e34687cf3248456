"""One trial of `figures.py`: somebody performs, every method answers. Simulated IMUs.

A wearer is a seed: places, mounting, skin and chips are drawn from it, and which stretch of whose
recording is performed. Features and filter are those that training and `imusic evaluate` use, the
network is the exported one, asked for every tick as live; only the file round trip of a take is
left out (`tests/model/test_figures.py` compares).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from conditions import CONDITIONS, UNDISTURBED, Condition
from strangers import STRANGERS
from takes import RATE_HZ, head_of

from capture.blendshapes import ARKIT_NAMES
from capture.resample import TICK_HZ
from dataset_tools.performance import Performance, baseline, exercise, trimmed, with_routine
from dataset_tools.recordings import read_performance
from dataset_tools.virtual_imu import VirtualWearer, feel
from dataset_tools.wearers import draw_donnings
from firmware_host.layout import FACE_12
from model import metrics
from model.checkpoint import Checkpoint, load_checkpoint
from model.data import OPENING_ROWS, enrol, noticed, weights_at
from model.diffusion import cosine_alphas_cumprod, inference_timesteps, sample_ddim
from model.figures import Row
from model.kalman import WeightFilter, filtered
from model.network import open_network
from model.predictor import Denoise
from model.responses import FELT, SiteResponses
from model.surface import standard_face, upper_face_deviation_mm

Array = np.ndarray
PEOPLE = tuple(dict.fromkeys(source.person for source in STRANGERS))
# Numbers of steps by answer: the mean (noise 0), and one sample of what could be.
STEPS = {"mean": (1, 2, 4, 8, 50), "sample": (1, 2, 4, 8)}
_NOISE = {"mean": 0.0, "sample": 1.0}
MOVED_M, TURNED_RAD = 0.005, float(np.radians(5.0))
_SETTLE_ROWS = TICK_HZ  # the face leaves the baseline; judging begins after it, as in `evaluate`
_COMPARED_S = 10.0  # disturbances and steps are compared on the same noise: less resolves them


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a worker is asked for, and the key under which its rows are kept.

    part: a key of `PARTS`. person: empty for all. network: its hash and how it samples.
    Two trials with the same fields give the same rows.
    """

    part: str
    head: str
    wearer: int
    person: str
    seconds: float
    enrolment_s: float
    checkpoint: str
    network: str


@dataclass(frozen=True)
class Seen:
    """What follows rest and routine. features: (T, F). truth: (T, 52) weights."""

    features: Array
    truth: Array


class Profile(NamedTuple):
    """What is known of a wearer, as in `model.wearer`. rest_weights: (52,)."""

    responses: SiteResponses
    rest_weights: Array


class Network:
    """The exported network over a whole stretch, tick by tick."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self._denoise: Denoise = open_network(checkpoint)

    def weights(
        self,
        seen: Seen,
        wearer: Profile | None = None,
        steps: int | None = None,
        noise_scale: float | None = None,
    ) -> Array:
        """(T, 52) as live; rows before the first full window rest.

        Args:
            steps, noise_scale: of sampling, those of the checkpoint by default.
        """
        facts, belief = self.checkpoint.facts, self.checkpoint.belief
        of, window = facts.diffusion, facts.window
        responses = wearer.responses if wearer else belief.responses
        estimates = filtered(WeightFilter(responses, belief.dynamics), seen.features)
        inputs = np.concatenate((seen.features, estimates), axis=1)[None]
        signal = cosine_alphas_cumprod(of.num_train_timesteps)
        timesteps = inference_timesteps(of.num_train_timesteps, steps or of.num_inference_steps)
        scale = of.noise_scale if noise_scale is None else noise_scale
        drawn = np.random.default_rng(0).standard_normal(seen.truth.shape)
        noise = (scale * drawn).astype(np.float32)[None]
        change = np.zeros(seen.truth.shape)
        for end in range(window, len(change) + 1):
            rows = slice(end - window, end)
            x0 = sample_ddim(
                lambda xt, t, rows=rows: self._denoise(xt, t, inputs[:, rows]),
                noise[:, rows],
                signal,
                timesteps,
            )
            change[end - 1] = x0[0, -1] * self.checkpoint.target_scale
        rest = (wearer or self.checkpoint).rest_weights
        return np.clip(rest + change, 0.0, 1.0)


def run(trial: Trial, root: Path) -> tuple[list[Row], float]:
    """All rows of a trial, and how many seconds they took."""
    started_s = time.monotonic()
    return list(PARTS[trial.part](trial, root)), time.monotonic() - started_s


def _accuracy(trial: Trial, root: Path) -> Iterator[Row]:
    """Every baseline and the network, before and after an enrolment, on every person."""
    network, (wearer, another_day) = _network(trial.checkpoint), _donnings(trial, root)
    learnt = _enrolled(trial, wearer, network.checkpoint)
    for person in PEOPLE:
        performance = _stretch(trial, person, root, trial.seconds)
        # Whoever enrols shows the phone their own resting face; what was learnt of A is the same.
        profile = Profile(learnt, performance.weights[0])
        seen, later = (_seen(performance, who, trial) for who in (wearer, another_day))
        yield from _rows(trial, person, seen, _baselines(seen, network, profile, wearer))
        yield from _rows(trial, person, seen, {"ours": network.weights(seen)})
        yield from _rows(trial, person, seen, {"ours, enrolled": network.weights(seen, profile)})
        moved = {
            "ours, re-donned": network.weights(later, profile),
            "filter, enrolled A, re-donned": _by_filter(later, network.checkpoint, profile),
        }
        yield from _rows(trial, person, later, moved)


def _disturbed(trial: Trial, root: Path) -> Iterator[Row]:
    """The network, without enrolment, under every condition."""
    network, (wearer, _) = _network(trial.checkpoint), _donnings(trial, root)
    performance = _stretch(trial, trial.person, root, min(trial.seconds, _COMPARED_S))
    for name, condition in CONDITIONS.items():
        seen = _seen(performance, wearer, trial, condition)
        yield from _rows(trial, trial.person, seen, {name: network.weights(seen)})


def _steps(trial: Trial, root: Path) -> Iterator[Row]:
    """The network's mean and one sample, by the number of steps."""
    network, (wearer, _) = _network(trial.checkpoint), _donnings(trial, root)
    performance = _stretch(trial, trial.person, root, min(trial.seconds, _COMPARED_S))
    seen = _seen(performance, wearer, trial)
    for answer, counts in STEPS.items():
        for steps in counts:
            made = network.weights(seen, None, steps, _NOISE[answer])
            yield from _rows(trial, trial.person, seen, {f"{answer}, steps {steps}": made})


PARTS: dict[str, Callable[[Trial, Path], Iterator[Row]]] = {
    "accuracy": _accuracy,
    "robustness": _disturbed,
    "steps": _steps,
}


@cache
def _network(folder: str) -> Network:
    return Network(load_checkpoint(Path(folder)))


@cache
def _recorded(root: Path) -> dict[str, list[Performance]]:
    """Recordings by person."""
    return {
        source.person: [read_performance(path) for path in sorted(root.glob(source.files))]
        for source in STRANGERS
    }


@cache
def _donnings_of(head: str, root: Path, seed: int) -> tuple[VirtualWearer, VirtualWearer]:
    rng = np.random.default_rng(seed)
    return draw_donnings(head_of(head, root, seed), FACE_12, rng, MOVED_M, TURNED_RAD)


def _donnings(trial: Trial, root: Path) -> tuple[VirtualWearer, VirtualWearer]:
    """The wearer, and the same one on another day."""
    return _donnings_of(trial.head, root, trial.wearer)


def _stretch(trial: Trial, person: str, root: Path, seconds: float) -> Performance:
    """What a wearer performs of a person, rest and routine in front: a recording and a beginning
    drawn by who wears it, the same under every condition, and the person's own resting face.
    """
    rng = np.random.default_rng((trial.wearer, PEOPLE.index(person)))
    own = [r for r in _recorded(root)[person] if r.duration_s >= min(seconds, 15.0)]
    whole = own[int(rng.integers(len(own)))]
    length_s = seconds + _SETTLE_ROWS / TICK_HZ
    start_s = whole.time_s[0] + rng.random() * max(0.0, whole.duration_s - length_s)
    part = trimmed(whole, start_s, length_s)
    return with_routine(part, trial.wearer, rest_weights=baseline(whole))


def _seen(
    performance: Performance,
    wearer: VirtualWearer,
    trial: Trial,
    condition: Condition = UNDISTURBED,
) -> Seen:
    """What is felt of a performance under a condition; the same noise under all of them."""
    drawn = np.random.default_rng((trial.wearer, 1))
    moved = condition.move(performance, drawn)
    felt = feel(moved, wearer, RATE_HZ, np.random.default_rng((trial.wearer, 2)))
    features = noticed(condition.change(felt, drawn), wearer.layout)[OPENING_ROWS:]
    ticks = np.arange(OPENING_ROWS + 1, OPENING_ROWS + len(features) + 1)
    return Seen(features, weights_at(ticks / TICK_HZ, performance))


def _enrolled(trial: Trial, wearer: VirtualWearer, checkpoint: Checkpoint) -> SiteResponses:
    """What `imusic adapt` learns of a guided range of motion of this wearer, whether or not it
    would have kept it.
    """
    performance = with_routine(exercise(trial.wearer, trial.enrolment_s), trial.wearer + 7)
    rng = np.random.default_rng((trial.wearer, 3))
    return enrol(wearer, checkpoint.belief.responses, performance, RATE_HZ, rng)


def _baselines(
    seen: Seen, network: Network, profile: Profile, wearer: VirtualWearer
) -> dict[str, Array]:
    """Every method that is no network, on the same features, by name."""
    checkpoint = network.checkpoint
    rest = np.asarray(checkpoint.rest_weights, float)
    usual, own = np.clip(rest + checkpoint.mean_change, 0.0, 1.0), np.median(seen.truth, axis=0)
    still = {"mean face": usual, "rest face": rest, "constant per take": own}
    ridge = checkpoint.ridge.predict(np.clip(seen.features, -20.0, 20.0))
    return {
        **{name: np.broadcast_to(face, seen.truth.shape) for name, face in still.items()},
        "ridge": np.clip(rest + ridge, 0.0, 1.0),
        "filter, prior A": _by_filter(seen, checkpoint, None),
        "filter, enrolled A": _by_filter(seen, checkpoint, profile),
        "filter, true A": _by_filter(seen, checkpoint, _true(wearer, profile)),
    }


def _by_filter(seen: Seen, checkpoint: Checkpoint, wearer: Profile | None) -> Array:
    belief = checkpoint.belief
    responses = wearer.responses if wearer else belief.responses
    change = filtered(WeightFilter(responses, belief.dynamics), seen.features)
    rest = np.asarray((wearer or checkpoint).rest_weights, float)
    return np.clip(rest + change[:, : len(ARKIT_NAMES)], 0.0, 1.0)


def _true(wearer: VirtualWearer, profile: Profile) -> Profile:
    """The profile of somebody whose site responses are known as they are."""
    rotation = wearer.sites.rotation[list(wearer.layout.face_indices)][..., FELT]
    nothing = np.zeros_like(profile.responses.covariance)
    return Profile(SiteResponses(rotation, nothing), profile.rest_weights)


def _rows(trial: Trial, person: str, seen: Seen, tracks: dict[str, Array]) -> Iterator[Row]:
    """Figures of tracks (T, 52) by method."""
    truth = seen.truth[_SETTLE_ROWS:]
    for method, weights in tracks.items():
        told = np.asarray(weights[_SETTLE_ROWS:], float)
        r = metrics.correlation_per_shape(told, truth)
        yield Row(
            part=trial.part,
            head=Path(trial.head).name,
            wearer=trial.wearer,
            person=person,
            method=method,
            r=metrics.correlation(told, truth),
            mae_offset_free=metrics.mae_offset_free(told, truth),
            mae_still=metrics.mae(metrics.without_offset(truth), np.zeros_like(truth)),
            mae=metrics.mae(told, truth),
            jitter=metrics.jitter(told) / max(metrics.jitter(truth), 1e-9),
            upper_face_mm=upper_face_deviation_mm(told, truth, standard_face()),
            shapes={
                name: round(float(x), 3)
                for name, x in zip(ARKIT_NAMES, r, strict=True)
                if np.isfinite(x)
            },
        )
