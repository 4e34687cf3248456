"""How well what raters said follows from a face or its sensors: ridge, random forest, LSTM.

Baselines for tracks such as `valence`, judged by Lin's concordance on people whom they did not
see: no subject is in two folds. All are small, seeded, and run on a CPU.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from capture.calibration import GRAVITY_M_S2
from capture.resample import TICK_HZ
from dataset_tools.annotations.agreement import ccc
from dataset_tools.annotations.delays import GRID_HZ
from dataset_tools.sets.sequences import Rows
from dataset_tools.sets.tables import read_rows, shard_name
from dataset_tools.sets.tracks import Told, known, told
from firmware_host.errors import ConfigError
from firmware_host.layout import layout_from_dict

Array = NDArray[np.float64]
Features = Literal["face", "imu"]
Regressor = Callable[[Sequence["Rated"], Sequence["Rated"], int], list[Array]]

WINDOW_S = 1.0  # around each moment
MAX_FOLDS = 5
RIDGE = 10.0
TREES, LEAST_LEAF = 100, 10
HIDDEN, EPOCHS, LEARNING_RATE = 16, 25, 1e-2
CLIP_S = 5.0  # of a sequence that the LSTM learns from at once


@dataclass(frozen=True, slots=True, eq=False)
class Rated:
    """One sequence: features (T, F) at GRID_HZ, and what was said (T,), NaN where nothing was."""

    subject: str
    features: Array
    said: Array


@dataclass(frozen=True, slots=True)
class Scores:
    """CCC of one kind of baseline: of each fold, and of all folds together."""

    folds: tuple[float, ...]
    pooled: float


def read_rated(folder: Path, track: str, rater: str, features: Features) -> list[Rated]:
    """The sequences of a data set on whose `track` the rater gave a curve.

    Raises:
        ConfigError: no such track or rater, or fewer than two subjects.
    """
    data = told(folder)
    known(data, track)
    rated = data.rated(track)
    if rater not in rated:
        raise ConfigError(
            f"{data.version}: nobody called {rater!r} gave a curve on {track!r}",
            f"there are {', '.join(rated) or 'none'}; make gold with `imusic dataset tracks fuse`",
        )
    found = [_rated(data, row, curve, features) for row, curve in
             zip(data.facts, rated[rater], strict=True) if len(curve.time_s)]  # fmt: skip
    found = [each for each in found if np.isfinite(each.said).any()]
    if len({each.subject for each in found}) < 2:
        raise ConfigError(
            f"{data.version}: {track!r} by {rater!r} is of fewer than two subjects",
            "baselines are judged on people they did not see",
        )
    return found


def _rated(data: Told, row: dict[str, Any], curve: Any, features: Features) -> Rated:
    slots = len(layout_from_dict(data.manifest.layout).slots)
    rows, first = read_rows(data.version, shard_name(row["sequence"]), slots)
    time_s, columns = windowed(columns_of(rows, features), first)
    said = curve.at(time_s)
    said[~np.isfinite(columns).all(axis=1)] = np.nan
    return Rated(str(row["subject"]), np.nan_to_num(columns), said)


def columns_of(rows: Rows, features: Features) -> Array:
    """(T, C) what a baseline goes by at each tick: the 52 weights, or how strongly slots move."""
    if features == "face":
        return rows.weights.astype(np.float64)
    gyro = np.linalg.norm(rows.gyro_rad_s.astype(np.float64), axis=2)
    accel = np.linalg.norm(rows.accel_m_s2.astype(np.float64), axis=2) - GRAVITY_M_S2
    # A slot that is missing tells nothing, and its neighbours still do.
    felt = (gyro, accel, rows.accel_m_s2.reshape(len(rows), -1).astype(np.float64))
    return np.asarray(np.nan_to_num(np.concatenate(felt, axis=1)))


def windowed(columns: Array, first_tick: int) -> tuple[Array, Array]:
    """Moments at GRID_HZ, and (T, 2 C) mean and standard deviation of WINDOW_S around each."""
    half, step = round(WINDOW_S * TICK_HZ / 2), round(TICK_HZ / GRID_HZ)
    centres = np.arange(half, len(columns) - half, step)
    if not len(centres):
        return np.zeros(0), np.zeros((0, 2 * columns.shape[1]))
    windows = np.lib.stride_tricks.sliding_window_view(columns, 2 * half + 1, axis=0)[::step]
    windows = windows[: len(centres)]
    found = np.concatenate((windows.mean(axis=2), windows.std(axis=2)), axis=1)
    return (first_tick + centres + 1) / TICK_HZ, found


def folds_of(subjects: Sequence[str], seed: int) -> list[list[int]]:
    """Indices of sequences by fold, at most MAX_FOLDS; nobody is in two."""
    people = sorted(set(subjects))
    order = np.random.default_rng(seed).permutation(len(people))
    count = min(len(people), MAX_FOLDS)
    fold_of = {people[person]: k % count for k, person in enumerate(order.tolist())}
    return [[i for i, who in enumerate(subjects) if fold_of[who] == k] for k in range(count)]


def scored(rated: Sequence[Rated], regressor: Regressor, seed: int) -> Scores:
    """Fit on all folds but one and judge on that one, for each."""
    folds, everything = [], []
    for fold in folds_of([each.subject for each in rated], seed):
        test = [rated[i] for i in fold]
        train = [each for i, each in enumerate(rated) if i not in fold]
        given = np.concatenate(regressor(train, test, seed))
        true = np.concatenate([each.said for each in test])
        folds.append(ccc(given, true))
        everything.append((given, true))
    given, true = (np.concatenate(side) for side in zip(*everything, strict=True))
    return Scores(tuple(folds), ccc(given, true))


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    mean: Array
    spread: Array

    def of(self, features: Array) -> Array:
        return np.asarray((features - self.mean) / self.spread)


def _table(train: Sequence[Rated]) -> tuple[Array, Array, _Scale]:
    """(N, F) standardised features and (N,) of all that was said, and how they were."""
    known = [np.isfinite(each.said) for each in train]
    x = np.concatenate([each.features[k] for each, k in zip(train, known, strict=True)])
    y = np.concatenate([each.said[k] for each, k in zip(train, known, strict=True)])
    scale = _Scale(x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6))
    return scale.of(x), y, scale


def mean(train: Sequence[Rated], test: Sequence[Rated], seed: int) -> list[Array]:
    """What was said on average, whatever there is to see: the floor. Its concordance is 0."""
    del seed
    _, y, _ = _table(train)
    return [np.full(len(each.said), y.mean()) for each in test]


def ridge(train: Sequence[Rated], test: Sequence[Rated], seed: int) -> list[Array]:
    """Ridge regression, in closed form."""
    del seed
    x, y, scale = _table(train)
    gram = x.T @ x + RIDGE * len(x) / 100 * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, x.T @ (y - y.mean()))
    return [scale.of(each.features) @ weights + y.mean() for each in test]


def forest(train: Sequence[Rated], test: Sequence[Rated], seed: int) -> list[Array]:
    """A random forest of scikit-learn. Raises ImportError without it."""
    from sklearn.ensemble import RandomForestRegressor

    x, y, scale = _table(train)
    trees = RandomForestRegressor(
        TREES, min_samples_leaf=LEAST_LEAF, max_features="sqrt", random_state=seed, n_jobs=1
    ).fit(x, y)
    return [np.asarray(trees.predict(scale.of(each.features))) for each in test]


def lstm(train: Sequence[Rated], test: Sequence[Rated], seed: int) -> list[Array]:
    """One layer of LSTM cells in both directions, trained for concordance itself."""
    import torch

    _, y, scale = _table(train)
    torch.manual_seed(seed)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a network only waits for more
    net = _network(train[0].features.shape[1])
    optimiser = torch.optim.Adam(net.parameters(), LEARNING_RATE)
    clips = _clips(train, scale, float(y.mean()), max(float(y.std()), 1e-6))
    rng = np.random.default_rng(seed)
    net.train()
    for _ in range(EPOCHS):
        for part in np.array_split(rng.permutation(len(clips[0])), max(1, len(clips[0]) // 16)):
            x, said, weight = (torch.from_numpy(each[part]) for each in clips)
            given = net(x)
            optimiser.zero_grad()
            _concordance_loss(given, said, weight).backward()
            optimiser.step()
    net.eval()
    with torch.no_grad():
        found = []
        for each in test:
            x = torch.from_numpy(scale.of(each.features).astype(np.float32))[None]
            out = net(x)[0].numpy().astype(np.float64)
            found.append(out * float(y.std()) + float(y.mean()))
    torch.set_num_threads(threads)
    return found


def _network(columns: int) -> Any:
    import torch

    class Recurrent(torch.nn.Module):
        """(B, T, F) features to (B, T) values."""

        def __init__(self) -> None:
            super().__init__()
            self.cells = torch.nn.LSTM(columns, HIDDEN, batch_first=True, bidirectional=True)
            self.drop = torch.nn.Dropout(0.3)
            self.out = torch.nn.Linear(2 * HIDDEN, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            held, _ = self.cells(self.drop(x))
            answer: torch.Tensor = self.out(self.drop(held))[..., 0]
            return answer

    return Recurrent()


def _clips(
    train: Sequence[Rated], scale: _Scale, mean_: float, spread: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """(K, L, F) stretches of sequences that overlap by half, (K, L) said, (K, L) 1 where it was."""
    length = round(CLIP_S * GRID_HZ)
    xs, ys, known = [], [], []
    for each in train:
        x, y = scale.of(each.features), (each.said - mean_) / spread
        starts = range(0, max(len(y) - length // 2, 1), length // 2)
        for start in starts:
            part = slice(start, start + length)
            short = length - len(y[part])
            xs.append(np.pad(x[part], ((0, short), (0, 0))))
            padded = np.pad(y[part], (0, short), constant_values=np.nan)
            known.append(np.isfinite(padded))
            ys.append(np.nan_to_num(padded))
    return (np.stack(xs).astype(np.float32), np.stack(ys).astype(np.float32),
            np.stack(known).astype(np.float32))  # fmt: skip


def _concordance_loss(given: Any, said: Any, weight: Any) -> Any:
    """1 - CCC of a batch, where anything was said."""
    total = weight.sum().clamp(min=1.0)
    mean_given, mean_said = (given * weight).sum() / total, (said * weight).sum() / total
    a, b = (given - mean_given) * weight, (said - mean_said) * weight
    shared = (a * b).sum() / total
    below = (a * a).sum() / total + (b * b).sum() / total + (mean_given - mean_said) ** 2
    return 1.0 - 2.0 * shared / below.clamp(min=1e-6)


REGRESSORS: dict[str, Regressor] = {"mean": mean, "ridge": ridge, "forest": forest, "lstm": lstm}
