"""A Kalman filter over weights and their speed, seen through a wearer's site responses. No I/O.

State x = (w, ẇ) of the K shapes that skin can feel, changes from rest. Weights move like springs
kicked by noise that knows which shapes go together; sensors see (docs/sensing.md)

    relative rate   A ẇ + ω × A w      relative force   f × A w

with ω and f the head's own rate and specific force.

A is uncertain: its variance, times how fast and how far the face moves now, is carried in the
measurement noise, so that a stranger's face is believed less than that of somebody enrolled.

The filter is the floor that a network must beat, and what the network is given beside the raw
features: its estimate no longer speaks of sensors but of weights.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dtrsm, dtrsv
from scipy.linalg.lapack import dpotrf

from capture.blendshapes import ARKIT_NAMES
from capture.resample import TICK_HZ
from firmware_host.layout import SensorLayout
from firmware_host.samples import Floats
from model.features import feature_count, perceived
from model.responses import (
    FELT,
    FORCE_NOISE_M_S2,
    RATE_NOISE_RAD_S,
    SiteResponses,
    smoothed,
    turned_by,
)

Array = NDArray[np.float64]

# Estimate rows: change from rest (52), then its standard deviation (52); 0 where nothing is felt.
ESTIMATED = 2 * len(ARKIT_NAMES)
_SHAPES = len(FELT)
# A wrong A is wrong the same way row after row; as white noise it must count this many times.
_ALIKE = 20.0
_DEAF = 1e6  # the variance of a site that was not heard
_LOWEST, _HIGHEST = -0.3, 1.0
# Recorded faces move less than faces can; the process noise that is fitted to them is raised.
_LIVELIER = 4.0
# Serial and radio latency stay below this many rows of 1/60 s: until then a row is provisional.
_UNSETTLED_ROWS = 2
# How much of what went together in the training data is believed to go together.
_TOGETHER = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Dynamics:
    """ẇ' = damping ẇ − spring w + noise, per row of 1/60 s. noise: (K, K) covariance."""

    damping: float
    spring: float
    noise: Array


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """What is believed before anybody is met: how sites answer, and how faces move."""

    responses: SiteResponses
    dynamics: Dynamics


def fit_dynamics(people: dict[str, list[Array]]) -> Dynamics:
    """Fit to recorded changes from rest, (T, 52) at 60 Hz by person.

    Damping and spring are shared by all shapes. A person counts by the root of what was recorded.
    """
    left, right, residuals = np.zeros((2, 2)), np.zeros(2), []
    tracks = {
        p: [smoothed(np.asarray(change, float)[:, FELT]) for change in changes]
        for p, changes in people.items()
    }
    for pairs in tracks.values():
        for weights, speed in pairs:
            now = np.stack((speed[:-1].ravel(), weights[:-1].ravel()), axis=1)
            left += now.T @ now / len(now)
            right += now.T @ speed[1:].ravel() / len(now)
    damping, spring = (float(v) for v in np.linalg.solve(left, right) * (1.0, -1.0))
    shares = []
    for pairs in tracks.values():
        rest = np.concatenate([v[1:] - damping * v[:-1] + spring * w[:-1] for w, v in pairs])
        residuals.append(rest.T @ rest / len(rest))
        shares.append(np.sqrt(len(rest)))
    noise = np.average(residuals, axis=0, weights=shares)
    own = np.diag(noise)
    own = np.maximum(own, 0.05 * np.median(own))
    noise = _TOGETHER * noise
    np.fill_diagonal(noise, own)
    return Dynamics(damping, spring, noise * _LIVELIER)


@dataclass(frozen=True, slots=True, eq=False)
class FilterState:
    """What is believed at one tick. mean: (2 K,) change and speed. covariance: (2 K, 2 K)."""

    mean: Array
    covariance: Array

    def row(self) -> Floats:
        """(104,) change from rest and its deviation, canonical order."""
        out = np.zeros(ESTIMATED, np.float32)
        out[FELT] = self.mean[:_SHAPES]
        out[len(ARKIT_NAMES) + FELT] = np.sqrt(np.diag(self.covariance)[:_SHAPES])
        return out


class WeightFilter:
    """Steps through feature rows. Holds no state of a take: states go in and come out."""

    def __init__(self, responses: SiteResponses, dynamics: Dynamics) -> None:
        self._mean = responses.mean
        self._variance = responses.variance.reshape(-1, _SHAPES)
        self._dynamics = dynamics

    def at_rest(self) -> FilterState:
        """The belief before the first row: a face near rest that may begin to move."""
        covariance = np.zeros((2 * _SHAPES, 2 * _SHAPES))
        covariance[_SHAPES:, _SHAPES:] = self._dynamics.noise
        np.fill_diagonal(covariance[:_SHAPES, :_SHAPES], 1e-4)
        return FilterState(np.zeros(2 * _SHAPES), covariance)

    def states(self, state: FilterState, features: Floats) -> list[FilterState]:
        """The belief after each of the (T, F) feature rows that follow `state`."""
        seen = perceived(features, len(self._mean))
        lean = turned_by(seen.head_rate, self._mean)
        tilt = turned_by(seen.head_force, self._mean)
        out = []
        for k in range(len(features)):
            state = self._predicted(state)
            noise = self._noise(state, seen.head_force[k], seen.heard[k])
            measured = np.concatenate((seen.rate[k].ravel(), seen.force[k].ravel()))
            state = self._corrected(
                state, lean[k].reshape(-1, _SHAPES), tilt[k].reshape(-1, _SHAPES), measured, noise
            )
            out.append(state)
        return out

    def coarse(self, features: Floats, every: int) -> Floats:
        """(T, 104) estimates of (T, F) rows from rest on, gains held for `every` rows.

        A fraction of the work of `states`, and not quite the same: what is uncertain is known as of
        the first row of each stretch, in which every row counts as one of so many alike.
        """
        seen = perceived(features, len(self._mean))
        lean = turned_by(seen.head_rate, self._mean).reshape(len(features), -1, _SHAPES)
        tilt = turned_by(seen.head_force, self._mean).reshape(len(features), -1, _SHAPES)
        rates = self._mean.reshape(-1, _SHAPES)
        measured = np.concatenate(
            (seen.rate.reshape(len(features), -1), seen.force.reshape(len(features), -1)), axis=1
        )
        deaf = np.tile(np.repeat(~seen.heard, 3, axis=1), 2)
        state, out = self.at_rest(), np.zeros((len(features), ESTIMATED), np.float32)
        for start in range(0, len(features), every):
            rows = range(start, min(start + every, len(features)))
            ahead = self._predicted(state)
            noise = self._noise(ahead, seen.head_force[start], seen.heard[start])
            gain, _ = self._gain(ahead.covariance, lean[start], tilt[start], noise)
            mean = state.mean
            for k in rows:
                mean = self._predicted_mean(mean)
                weights, speed = mean[:_SHAPES], mean[_SHAPES:]
                felt = np.concatenate((lean[k] @ weights + rates @ speed, tilt[k] @ weights))
                mean = mean + gain @ np.where(deaf[k], 0.0, measured[k] - felt)
                mean[:_SHAPES] = np.clip(mean[:_SHAPES], _LOWEST, _HIGHEST)
                out[k, FELT] = mean[:_SHAPES]
            ahead_of_last = self._ahead(state.covariance, len(rows))
            _, covariance = self._gain(ahead_of_last, lean[start], tilt[start], noise / len(rows))
            state = FilterState(mean, covariance)
            spread = np.sqrt(np.maximum(np.diag(covariance)[:_SHAPES], 0.0))
            out[start : rows[-1] + 1, len(ARKIT_NAMES) + FELT] = spread
        return out

    def _predicted_mean(self, mean: Array) -> Array:
        weights, speed = mean[:_SHAPES], mean[_SHAPES:]
        damping, spring = self._dynamics.damping, self._dynamics.spring
        return np.concatenate((weights + speed / TICK_HZ, damping * speed - spring * weights))

    def _ahead(self, covariance: Array, steps: int) -> Array:
        """(2 K, 2 K) after so many rows of which nothing is measured, at once."""
        damping, spring = self._dynamics.damping, self._dynamics.spring
        one = np.array([[1.0, 1.0 / TICK_HZ], [-spring, damping]])
        power, kicks = np.eye(2), np.zeros((2, 2))
        for _ in range(steps):
            kicks += np.outer(power[:, 1], power[:, 1])
            power = one @ power
        blocks = covariance.reshape(2, _SHAPES, 2, _SHAPES)
        moved = np.einsum("ab,bicj,dc->aidj", power, blocks, power, optimize=True)
        moved += kicks[:, None, :, None] * self._dynamics.noise[None, :, None, :]
        return np.asarray(moved.reshape(covariance.shape))

    def _gain(
        self, covariance: Array, lean: Array, tilt: Array, noise: Array
    ) -> tuple[Array, Array]:
        """(2 K, 6 R) gain, and the covariance after."""
        rates = self._mean.reshape(-1, _SHAPES)
        half = len(rates)
        design = np.zeros((2 * half, 2 * _SHAPES))
        design[:half, :_SHAPES], design[:half, _SHAPES:], design[half:, :_SHAPES] = (
            lean,
            rates,
            tilt,
        )
        spread = design @ covariance
        total = spread @ design.T
        total[np.diag_indices_from(total)] += noise
        factor, _ = dpotrf(total, lower=1)
        learnt = dtrsm(1.0, factor, spread.T, side=1, lower=1, trans_a=1)  # (2 K, 6 R) of L⁻ᵀ
        gain = dtrsm(1.0, factor, learnt, side=1, lower=1, trans_a=0)
        return np.asarray(gain), np.asarray(covariance - learnt @ learnt.T)

    def _predicted(self, state: FilterState) -> FilterState:
        step, damping, spring = 1.0 / TICK_HZ, self._dynamics.damping, self._dynamics.spring
        weights, speed = state.mean[:_SHAPES], state.mean[_SHAPES:]
        ww = state.covariance[:_SHAPES, :_SHAPES]
        wv = state.covariance[:_SHAPES, _SHAPES:]
        vv = state.covariance[_SHAPES:, _SHAPES:]
        mean = np.concatenate((weights + step * speed, damping * speed - spring * weights))
        covariance = np.empty_like(state.covariance)
        covariance[:_SHAPES, :_SHAPES] = ww + step * (wv + wv.T) + step**2 * vv
        cross = damping * wv - spring * ww + step * (damping * vv - spring * wv.T)
        covariance[:_SHAPES, _SHAPES:] = cross
        covariance[_SHAPES:, :_SHAPES] = cross.T
        covariance[_SHAPES:, _SHAPES:] = (
            damping**2 * vv - damping * spring * (wv + wv.T) + spring**2 * ww + self._dynamics.noise
        )
        return FilterState(mean, covariance)

    def _noise(self, state: FilterState, force: Array, heard: NDArray[np.bool_]) -> Array:
        """(2 · 3 R,) variances of what is measured."""
        size = state.mean**2 + np.diag(state.covariance)
        far, fast = size[:_SHAPES], size[_SHAPES:]
        x, y, z = (self._variance @ far).reshape(-1, 3).T
        fx, fy, fz = force**2
        # Row i of f × A w is made of the two other axes of A.
        tilted = np.stack((fy * z + fz * y, fz * x + fx * z, fx * y + fy * x), axis=1)
        rate = RATE_NOISE_RAD_S**2 + _ALIKE * (self._variance @ fast)
        tilt = FORCE_NOISE_M_S2**2 + _ALIKE * tilted.ravel()
        deaf = np.repeat(~heard, 3)
        return np.where(np.concatenate((deaf, deaf)), _DEAF, np.concatenate((rate, tilt)))

    def _corrected(
        self, state: FilterState, lean: Array, tilt: Array, measured: Array, noise: Array
    ) -> FilterState:
        rates = self._mean.reshape(-1, _SHAPES)
        half = len(rates)
        far, fast = state.covariance[:_SHAPES], state.covariance[_SHAPES:]
        # Tilt does not see speeds: H = [[lean, rates], [tilt, 0]], of which no product is with 0.
        spread = np.empty((2 * half, 2 * _SHAPES))  # H P
        spread[:half] = lean @ far + rates @ fast
        spread[half:] = tilt @ far
        total = np.empty((2 * half, 2 * half))  # H P Hᵀ + R, of which the lower half is asked for
        total[:, half:] = spread[:, :_SHAPES] @ tilt.T
        total[:, :half] = spread[:, :_SHAPES] @ lean.T + spread[:, _SHAPES:] @ rates.T
        total[np.diag_indices_from(total)] += noise
        missed = measured.copy()
        missed[:half] -= lean @ state.mean[:_SHAPES] + rates @ state.mean[_SHAPES:]
        missed[half:] -= tilt @ state.mean[:_SHAPES]
        # With L Lᵀ = total, what is learnt is (L⁻¹ H P)ᵀ times L⁻¹ H P and L⁻¹ of what was missed.
        factor, _ = dpotrf(total, lower=1)
        learnt = dtrsm(1.0, factor, spread.T, side=1, lower=1, trans_a=1)  # (2 K, 6 R)
        missed = dtrsv(factor, missed, lower=1)
        mean = state.mean + learnt @ missed
        mean[:_SHAPES] = np.clip(mean[:_SHAPES], _LOWEST, _HIGHEST)
        return FilterState(mean, state.covariance - learnt @ learnt.T)


def filtered(weight_filter: WeightFilter, features: Floats) -> Floats:
    """(T, 104) estimates of (T, F) feature rows, from rest on."""
    states = weight_filter.states(weight_filter.at_rest(), features)
    return np.stack([state.row() for state in states])


def input_count(layout: SensorLayout) -> int:
    """Width of what the network is given: feature rows, then estimates."""
    return feature_count(layout) + ESTIMATED


class RunningFilter:
    """The filter live: rows settle when their last samples can be expected to have arrived.

    Args:
        window: rows of estimates that `advance` gives.
    """

    def __init__(self, weight_filter: WeightFilter, window: int) -> None:
        self._filter, self._window = weight_filter, window
        self._restart(0)

    def _restart(self, tick: int) -> None:
        """Believe in a face at rest up to `tick`."""
        self._tick, self._state = tick, self._filter.at_rest()
        self._settled = deque([self._state.row()] * self._window, maxlen=self._window)
        self._late: list[tuple[Floats, FilterState]] = []

    def advance(self, tick: int, features: Floats) -> Floats:
        """Estimates (W, 104) of the W rows up to `tick`.

        Args:
            features: rows up to `tick`, more than `_UNSETTLED_ROWS` of them. A filter that has not
                been asked for longer than they reach begins anew.
        """
        if tick - self._tick > len(features):
            self._restart(tick - len(features))
        new = features[len(features) - (tick - self._tick) :]
        steps = self._steps(new)
        settling = max(0, len(new) - _UNSETTLED_ROWS)
        for _, state in steps[:settling]:
            self._state = state
            self._settled.append(state.row())
        self._tick += settling
        self._late = steps[settling:]
        late = [state.row() for _, state in self._late]
        return np.stack([*self._settled, *late][-self._window :])

    def _steps(self, new: Floats) -> list[tuple[Floats, FilterState]]:
        """Each row with the state after it; those that did not change are not done again."""
        known = 0
        for (row, _), now in zip(self._late, new, strict=False):
            if not np.array_equal(row, now):
                break
            known += 1
        steps = self._late[:known]
        state = steps[-1][1] if steps else self._state
        states = self._filter.states(state, new[known:])
        return [*steps, *zip(new[known:], states, strict=True)]
