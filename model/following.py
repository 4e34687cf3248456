"""What a face was like that followed an animation: labels for an enrolment without a camera. Pure.

The animation is known, the wearer's answer to it is not: it comes late, weaker or stronger, mixed
with other things, now and then not at all. So each movement that was shown gets the delay under
which the felt motion is likeliest, given what is believed about the site responses; a movement
that explains too little of what was felt teaches nothing. How the poses were really made is found
together with the site responses (`model.followed_poses`).

    felt rate F = u ṡ(t − τ) + noise,   u ~ N(A p, Cov) for a pose p,   τ ~ N(usual delay, jitter)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES
from capture.guided import Movement, Performed
from capture.resample import TICK_HZ
from model.features import Perceived
from model.followed_poses import STRENGTH_SPREAD, Turned, felt_angles
from model.responses import FELT, SiteResponses

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Reaction times of people who follow what they see: assumed; those of the take replace them.
USUAL_DELAY_S, DELAY_SPREAD_S = 0.4, 0.15
OWN_SPREAD_S = 0.09  # from one movement to the next of the same wearer
DELAYS_S: Array = np.arange(-6, 61) / TICK_HZ
NEAR_S: Array = np.arange(-18, 19) / TICK_HZ
# Smallest share of the felt motion that a movement explains, of one that was followed.
LEAST_EXPLAINED = 0.25
FELT_NOISE_RAD_S = 0.12
BEFORE_S, AFTER_S = 0.15, 0.25  # of a movement: what still belongs to it
_FEWEST_ROWS = 10
_LEAST_VARIANCE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """Movements that are placed in time together: one, or all of a step that melt into each other.

    start_s: of their step in the take.
    """

    start_s: float
    movements: tuple[Movement, ...]

    @property
    def bounds_s(self) -> tuple[float, float]:
        """When they are shown, in the take."""
        first, last = self.movements[0], self.movements[-1]
        return self.start_s + first.start_s, self.start_s + last.end_s

    @property
    def judges(self) -> bool:
        """Whether it was shown before: then its first time teaches and this one can judge."""
        return self.movements[0].again % 2 == 1 or len(self.movements) > 1


@dataclass(frozen=True, slots=True)
class Placed:
    """How a unit was followed. explained: the share of the felt motion, in [0, 1]."""

    delay_s: float
    explained: float

    @property
    def is_followed(self) -> bool:
        """Whether it can serve as truth."""
        return self.explained >= LEAST_EXPLAINED


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The face that the wearer is taken to have made.

    change: (T, 52) from rest, as shown. turned: what was felt of each pose that was followed.
    taught, judged: (T,) rows of movements that were followed, of the first time and of a second.
    delay_s: the usual one. followed, shown: units.
    """

    change: Array
    turned: tuple[Turned, ...]
    taught: Mask
    judged: Mask
    delay_s: float
    followed: int
    shown: int


def units_of(one: Performed) -> list[Unit]:
    """What a step shows, in pieces that have one delay each."""
    if one.step.melts:
        return [Unit(one.start_s, one.step.movements)]
    return [Unit(one.start_s, (movement,)) for movement in one.step.movements]


def labelled(
    steps: Sequence[Performed], row_s: Array, seen: Perceived, belief: SiteResponses
) -> Labels:
    """Labels for rows of features.

    Args:
        row_s: (T,) times of the rows in the take, 1/60 s apart. seen: those rows. belief: about A.
    """
    found = [_Step(one, row_s, seen, belief) for one in steps if one.step.movements]
    found = [step for step in found if step.is_whole]
    usual = [step.place_together(USUAL_DELAY_S, DELAY_SPREAD_S) for step in found]
    delays = [place.delay_s for place in usual if place.is_followed]
    delay_s = float(np.median(delays)) if delays else USUAL_DELAY_S
    change = np.zeros((len(row_s), len(ARKIT_NAMES)))
    taught, judged = np.zeros(len(row_s), bool), np.zeros(len(row_s), bool)
    turned: list[Turned] = []
    followed = shown = 0
    for step in found:
        for unit, place in zip(step.units, step.place_apart(delay_s), strict=True):
            shown += 1
            if not place.is_followed:
                continue
            followed += 1
            rows = _rows(unit, row_s, place.delay_s - BEFORE_S, place.delay_s + AFTER_S)
            since = row_s[rows] - unit.start_s - place.delay_s
            levels, poses = _levels(unit, since), np.stack(list(_poses(unit).values()))
            change[rows] += levels @ poses
            (judged if unit.judges else taught)[rows] = True
            angles, variance = felt_angles(levels, seen, rows)
            parts = zip(angles, variance, poses[:, FELT], strict=True)
            turned += [Turned(*part, judges=unit.judges) for part in parts]
    judged &= ~taught
    change = np.minimum(change, 1.0)
    return Labels(change, tuple(turned), taught, judged, delay_s, followed, shown)


def _rows(unit: Unit, row_s: Array, earlier_s: float, later_s: float) -> slice:
    start_s, end_s = unit.bounds_s
    first, last = np.searchsorted(row_s, (start_s + earlier_s, end_s + later_s))
    return slice(int(first), int(last))


class _Step:
    """One step beside what was felt meanwhile.

    Letters: M rows, U units, P poses of all units (each unit has its own), C = 3 R channels.
    """

    def __init__(
        self, one: Performed, row_s: Array, seen: Perceived, belief: SiteResponses
    ) -> None:
        self.units = units_of(one)
        whole = Unit(one.start_s, one.step.movements)
        rows = _rows(whole, row_s, DELAYS_S[0], DELAYS_S[-1])
        self.is_whole = rows.stop - rows.start >= _FEWEST_ROWS
        felt = np.where(seen.heard[rows, :, None], seen.rate[rows], 0.0)
        self._felt = felt.reshape(rows.stop - rows.start, -1)  # (M, C)
        self._row_s = row_s[rows]
        directions = [_directions(unit, belief) for unit in self.units]
        self._mean = np.concatenate([mean for mean, _ in directions], axis=1)  # (C, P)
        self._variance = np.concatenate([variance for _, variance in directions], axis=1)
        self._delays = [USUAL_DELAY_S] * len(self.units)

    def place_together(self, usual_s: float, spread_s: float) -> Placed:
        """One delay for all units."""
        likely = np.array(
            [self._evidence([float(delay)] * len(self.units))[0] for delay in DELAYS_S]
        )
        delay_s = _best(DELAYS_S, likely, usual_s, spread_s)
        self._delays = [delay_s] * len(self.units)
        return Placed(delay_s, self._explained(slice(0, len(self._row_s))))

    def place_apart(self, usual_s: float) -> list[Placed]:
        """A delay for each unit, near that of the step and the usual one of the take."""
        for number in range(len(self.units)) if len(self.units) > 1 else ():
            near = self._delays[number] + NEAR_S
            likely = np.array([self._with(number, float(delay)) for delay in near])
            self._delays[number] = _best(near, likely, usual_s, OWN_SPREAD_S)
        found = []
        for unit, delay_s in zip(self.units, self._delays, strict=True):
            rows = _rows(unit, self._row_s, delay_s - BEFORE_S, delay_s + AFTER_S)
            found.append(Placed(delay_s, self._explained(rows)))
        return found

    def _with(self, number: int, delay_s: float) -> float:
        delays = list(self._delays)
        delays[number] = delay_s
        return self._evidence(delays)[0]

    def _explained(self, rows: slice) -> float:
        """The share of what was felt in these rows that the placed movements explain."""
        _, remains = self._evidence(self._delays)
        total = float((self._felt[rows] ** 2).sum())
        return 1.0 - float((remains[rows] ** 2).sum()) / total if total else 0.0

    def _evidence(self, delays: Sequence[float]) -> tuple[float, Array]:
        """Log likelihood of the felt rates, and what no movement explains of them (M, C).

        A Gaussian linear model per channel, its direction u integrated out (Bishop 2006, 3.5).
        """
        pairs = zip(self.units, delays, strict=True)
        speeds = np.concatenate([_speeds(u, self._row_s - u.start_s - d) for u, d in pairs], axis=1)
        noise = FELT_NOISE_RAD_S**2
        left = self._felt - speeds @ self._mean.T  # (M, C)
        precision = speeds.T @ speeds / noise + self._variance[:, :, None] ** -1 * np.eye(
            speeds.shape[1]
        )  # (C, P, P)
        pull = (speeds.T @ left / noise).T  # (C, P)
        step = np.linalg.solve(precision, pull[..., None])[..., 0]
        _, determinant = np.linalg.slogdet(precision)
        fit = float((left**2).sum() / noise - (pull * step).sum())
        return -0.5 * (fit + float(determinant.sum())), left - speeds @ step.T


def _directions(unit: Unit, belief: SiteResponses) -> tuple[Array, Array]:
    """Mean and variance (C, P) of how each channel turns per unit level of each pose."""
    poses = np.stack(list(_poses(unit).values()), axis=1)[FELT]  # (K, P)
    sites, axes, shapes = belief.mean.shape
    mean = belief.mean.reshape(sites * axes, shapes) @ poses
    blocks = belief.covariance.reshape(sites, axes, shapes, axes, shapes)
    own = np.stack([blocks[:, axis, :, axis, :] for axis in range(axes)], axis=1)  # (R, 3, K, K)
    variance = np.einsum("raij,ip,jp->rap", own, poses, poses).reshape(sites * axes, -1)
    return mean, variance + (STRENGTH_SPREAD * mean) ** 2 + _LEAST_VARIANCE


def _poses(unit: Unit) -> dict[int, Array]:
    """(52,) weights of each pose of a unit, by its number."""
    return {movement.pose: movement.weights for movement in unit.movements}


def _levels(unit: Unit, since_s: Array) -> Array:
    """(M, P) how far each pose of a unit is gone into."""
    numbers = list(_poses(unit))
    out: Array = np.zeros((len(since_s), len(numbers)))
    for movement in unit.movements:
        out[:, numbers.index(movement.pose)] += movement.level(since_s)
    return out


def _speeds(unit: Unit, since_s: Array) -> Array:
    """(M, P) how fast, per second."""
    return np.asarray(np.gradient(_levels(unit, since_s), axis=0)) * TICK_HZ


def _best(delays_s: Array, likely: Array, usual_s: float, spread_s: float) -> float:
    """The likeliest delay, between the steps of the grid."""
    curve = likely - 0.5 * ((delays_s - usual_s) / spread_s) ** 2
    peak = int(np.argmax(curve))
    return float(delays_s[peak]) + _vertex(curve, peak) / TICK_HZ


def _vertex(curve: Array, peak: int) -> float:
    """Where the parabola through a peak and its neighbours is highest, in steps from the peak."""
    if not 0 < peak < len(curve) - 1:
        return 0.0
    left, top, right = curve[peak - 1 : peak + 2]
    bend = left - 2 * top + right
    return float(0.5 * (left - right) / bend) if bend < 0 else 0.0
