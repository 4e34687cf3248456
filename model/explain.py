"""Which sensors mattered for which expression: by occlusion of slots. No torch.

A slot is occluded by taking its readings away from the opening on, as if its cable were pulled; the
filter, ridge and the network then answer once more, and what changes is what the slot brought.
Integrated gradients, which need torch, are in `model.gradients`.

Letters: R face slots of the checkpoint, T moments, N feature rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, OBSERVABLE
from capture.recording import Recording
from capture.resample import TICK_HZ
from capture.sync import align
from firmware_host.errors import DataError
from firmware_host.samples import Floats
from model.checkpoint import Checkpoint
from model.diffusion import cosine_alphas_cumprod, inference_timesteps, sample_ddim
from model.driving import due_between
from model.evaluate import rows_around
from model.features import features
from model.kalman import WeightFilter, filtered
from model.metrics import ACTIVE_STD
from model.predict import opening_of
from model.predictor import SETTLED_S, Denoise, Predictor

Array = NDArray[np.float64]
Method = Literal["occlusion", "gradients"]

_EVERY = 6  # rows of 1/60 s between the moments that are explained
_CLIP = 20.0  # as `model.evaluate` shows features to ridge
NETWORK, FILTER, RIDGE = "network", "filter", "ridge"


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """How much each slot mattered for each shape.

    model: whose answers. sensors: name of the set that was worn. amount: (52, R) mean change of the
    weight, from 0 up; NaN for slots outside of the set, and for shapes that did not move.
    """

    model: str
    method: Method
    sensors: str
    amount: Array

    @property
    def name(self) -> str:
        """Model and method, as they stand in tables."""
        return f"{self.model}, {self.method}"


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """A part of a take, ready to be answered to.

    rows: (N, S, 6) readings in the checkpoint's slots. at: (T,) those that are explained.
    predictor: knows calibration and layout. worn: (R,) face slots that gave anything.
    """

    checkpoint: Checkpoint
    rows: Array
    at: NDArray[np.int64]
    predictor: Predictor
    worn: NDArray[np.bool_]

    def seen(self, silent: NDArray[np.bool_]) -> Floats:
        """(N, F) features where face slots (R,) are silent."""
        rows = self.rows.copy()
        rows[:, np.array(self.checkpoint.layout.face_indices)[silent]] = np.nan
        return features(rows, self.predictor.layout, self.predictor.calibration)


def stretch_of(recording: Recording, checkpoint: Checkpoint, seconds: float) -> Stretch:
    """At most so many seconds after the opening of a take.

    Raises:
        DataError: the take ends before its opening does.
    """
    opening = opening_of(recording.take)
    name = recording.take.name
    if not len(recording):
        raise DataError(f"take {name!r} holds no IMU samples", "there is nothing to explain")
    arrival_ns = recording.arrival_ns
    host_ns = due_between(int(arrival_ns[0]), int(arrival_ns[-1]))
    after_s = (host_ns - arrival_ns[0]) / 1e9 - opening.end_s - SETTLED_S
    host_ns = host_ns[(after_s >= 0) & (after_s <= seconds)][::_EVERY]
    if not len(host_ns):
        raise DataError(
            f"take {name!r} ends before rest and routine do, after {opening.end_s:g} s",
            "there is nothing to explain",
        )
    rows, at, predictor = rows_around(host_ns, recording, checkpoint, align(recording))
    face = list(checkpoint.layout.face_indices)
    worn = np.isfinite(rows[:, face]).all(axis=-1).any(axis=0)
    return Stretch(checkpoint, rows, at, predictor, np.asarray(worn))


def answers(stretch: Stretch, denoise: Denoise, silent: NDArray[np.bool_]) -> dict[str, Array]:
    """(T, 52) changes from rest by model, with face slots (R,) silent.

    Where a network draws noise, it answers from none: its mean, not one of its guesses.
    """
    checkpoint, belief = stretch.checkpoint, stretch.checkpoint.belief
    seen = stretch.seen(silent)
    estimates = filtered(WeightFilter(belief.responses, belief.dynamics), seen)
    ridge = checkpoint.ridge.predict(np.clip(seen, -_CLIP, _CLIP))
    inputs = np.concatenate((seen, estimates), axis=1)
    said = [_network(checkpoint, denoise, inputs, int(row)) for row in stretch.at]
    return {
        NETWORK: np.stack(said),
        FILTER: np.asarray(estimates[stretch.at, : len(ARKIT_NAMES)], float),
        RIDGE: np.asarray(ridge[stretch.at], float),
    }


def _network(checkpoint: Checkpoint, denoise: Denoise, inputs: Floats, row: int) -> Array:
    diffusion, window = checkpoint.facts.diffusion, checkpoint.facts.window
    given = inputs[None, row - window + 1 : row + 1]
    alphas = cosine_alphas_cumprod(diffusion.num_train_timesteps)
    steps = inference_timesteps(diffusion.num_train_timesteps, diffusion.num_inference_steps)
    noise = np.zeros((1, window, len(ARKIT_NAMES)), np.float32)
    x0 = sample_ddim(lambda xt, t: denoise(xt, t, given), noise, alphas, steps)
    return np.asarray(x0[0, -1] * checkpoint.target_scale, float)


def occlusions(
    stretch: Stretch,
    denoise: Denoise,
    sets: Mapping[str, Sequence[str]],
    report: Callable[[float], None] | None = None,
) -> list[Attribution]:
    """What each slot of each set brought to each model, one take.

    Args:
        sets: slots by the name of the set; those that are not worn are left out.
        report: called with the share done.
    """
    names = _face_names(stretch.checkpoint)
    found: list[Attribution] = []
    kept = {name: np.isin(names, slots) & stretch.worn for name, slots in sets.items()}
    total, done = sum(int(k.sum()) + 1 for k in kept.values()), 0
    for name, heard in kept.items():
        whole = answers(stretch, denoise, ~heard)
        amounts = {model: np.full((len(ARKIT_NAMES), len(names)), np.nan) for model in whole}
        for slot in np.flatnonzero(heard):
            without = answers(stretch, denoise, ~heard | (np.arange(len(names)) == slot))
            for model, change in whole.items():
                amounts[model][:, slot] = weighed(np.abs(change - without[model]), change)
            done += 1
            if report is not None:
                report(done / total)
        done += 1
        found += [Attribution(model, "occlusion", name, a) for model, a in amounts.items()]
    return found


def weighed(amount: Array, change: Array) -> Array:
    """(52,) mean of amounts (T, 52), moments counting by how far the shape is from rest.

    NaN for shapes that do not move.
    """
    far = np.abs(change)
    mean = (amount * far).sum(axis=0) / np.maximum(far.sum(axis=0), 1e-9)
    return np.where(OBSERVABLE & (change.std(axis=0) > ACTIVE_STD), mean, np.nan)


def over_takes(found: Sequence[Sequence[Attribution]]) -> list[Attribution]:
    """The mean over takes, each weighing the same; the same models and sets of every take."""
    out = []
    for same in zip(*found, strict=True):
        amounts = np.stack([one.amount for one in same])
        known = np.isfinite(amounts).sum(axis=0)
        total = np.where(np.isfinite(amounts), amounts, 0.0).sum(axis=0)
        mean = np.where(known > 0, total / np.maximum(known, 1), np.nan)
        first = same[0]
        out.append(Attribution(first.model, first.method, first.sensors, mean))
    return out


def _face_names(checkpoint: Checkpoint) -> list[str]:
    return [checkpoint.layout.slots[i].name for i in checkpoint.layout.face_indices]


def seconds_explained(stretch: Stretch) -> float:
    """How long what is explained lasts."""
    return len(stretch.at) * _EVERY / TICK_HZ
