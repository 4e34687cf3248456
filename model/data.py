"""Training data: performances × virtual wearers → feature sequences. No torch.

Everything that differs between people is drawn anew for every sequence: what is performed (real
takes warped, mirrored, recombined and scaled, or generated ones), who wears it, how the sensors sit
and what the chips do. Calibration runs on the sequence's own rest and routine, as it will live, and
some wearers were enrolled before, by a performance of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from capture.calibration import calibrate
from capture.resample import TICK_HZ, rows_of
from dataset_tools.casting import Cast, DataConfig, cast_of, draw_performance
from dataset_tools.families import HeadFamilies
from dataset_tools.performance import (
    REST_S,
    ROUTINE_S,
    Performance,
    baseline,
    exercise,
    generate_performance,
    with_routine,
)
from dataset_tools.recordings import Recorded
from dataset_tools.virtual_imu import VirtualSamples, VirtualWearer, feel
from dataset_tools.wearers import donned_again
from firmware_host.layout import SensorLayout
from firmware_host.samples import Floats
from model.config import WearerConfig
from model.features import features
from model.kalman import Belief, WeightFilter, filtered, fit_dynamics
from model.responses import SiteResponses, enrolled, responses_prior
from model.sequences import Sequence

_GENERATED_S = 60.0
_REST_ROWS = round(REST_S * TICK_HZ)
OPENING_ROWS = round((REST_S + ROUTINE_S) * TICK_HZ)
_ALL_HEARD: NDArray[np.int64] = np.array([], np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Acquaintance:
    """What is believed of strangers, and how many of the wearers are none."""

    belief: Belief
    config: WearerConfig


def belief_of(recorded: list[Recorded], families: HeadFamilies, wearers: int, seed: int) -> Belief:
    """Site responses over `wearers` virtual wearers, dynamics of recorded faces; of generated ones
    where none was recorded.
    """
    rng = np.random.default_rng((seed, 2))
    drawn = [families.wearer(rng) for _ in range(wearers)]
    rotations = np.stack([w.sites.rotation[list(w.layout.face_indices)] for w in drawn])
    people: dict[str, list[np.ndarray]] = {}
    for item in recorded:
        people.setdefault(item.person, []).append(_changes(item.performance))
    if not people:
        people["generated"] = [_changes(generate_performance(seed, _GENERATED_S))]
    return Belief(responses_prior(rotations), fit_dynamics(people))


def _changes(performance: Performance) -> np.ndarray:
    """(T, 52) changes from rest at 60 Hz."""
    at = np.arange(performance.time_s[0], performance.time_s[-1], 1.0 / TICK_HZ)
    return np.asarray(weights_at(at, performance) - baseline(performance))


def perceive(
    performance: Performance,
    wearer: VirtualWearer,
    rng: np.random.Generator,
    rate_hz: float,
    person: str = "",
    dead: NDArray[np.int64] = _ALL_HEARD,
) -> Sequence:
    """What the network will see of a performance with rest and routine in front.

    The performance must come from `with_routine` with its default lengths.

    Args:
        dead: slots that are never heard.
    """
    felt = feel(performance, wearer, rate_hz, rng)
    seen = noticed(felt, wearer.layout, dead)
    weights = weights_at(np.arange(1, len(seen) + 1) / TICK_HZ, performance)
    rest_weights = performance.weights[0]
    return Sequence(
        person,
        seen[OPENING_ROWS:].astype(np.float16),
        (weights - rest_weights)[OPENING_ROWS:].astype(np.float16),
        rest_weights,
    )


def noticed(
    felt: VirtualSamples, layout: SensorLayout, dead: NDArray[np.int64] = _ALL_HEARD
) -> Floats:
    """Feature rows (T, F) of the ticks 1 … T after the start of what was felt, rest and routine
    (`OPENING_ROWS`) among them; these calibrate, as live.
    """
    time_ns = np.rint(felt.time_s * 1e9).astype(np.int64)
    count = int(felt.time_s[-1] * TICK_HZ)
    rows = rows_of(time_ns, felt.accel_m_s2, felt.gyro_rad_s, 1, count)
    rows[:, dead] = np.nan
    rest, routine = rows[:_REST_ROWS], rows[_REST_ROWS:OPENING_ROWS]
    calibration = calibrate(layout, rest[:, :, :3], rest[:, :, 3:], routine[:, :, 3:])
    return features(rows, layout, calibration)


def weights_at(at_s: np.ndarray, performance: Performance) -> np.ndarray:
    """(T, 52) weights of a performance at times (T,)."""
    columns = performance.weights.T
    return np.stack([np.interp(at_s, performance.time_s, column) for column in columns], axis=1)


def estimated(sequence: Sequence, belief: Belief, responses: SiteResponses) -> Sequence:
    """The sequence with what the filter makes of it, `responses` being what is known of the
    wearer."""
    weight_filter = WeightFilter(responses, belief.dynamics)
    estimates = filtered(weight_filter, np.asarray(sequence.features, np.float32))
    return replace(sequence, estimates=estimates.astype(np.float16))


def draw_sequences(
    recorded: list[Recorded],
    families: HeadFamilies,
    config: DataConfig,
    rng: np.random.Generator,
    report: Callable[[float], None] | None = None,
    met: Acquaintance | None = None,
) -> list[Sequence]:
    """One epoch: `config.hours` of sequences on wearers that are all new.

    Without `met`, sequences hold raw features only and no slot is dead.
    """
    count = max(1, round(config.hours * 3600 / config.sequence_s))
    cast, out = cast_of(recorded), []
    for i in range(count):
        person, worn = draw_performance(
            cast, config.generated_share, config.sequence_s, rng, config.quiet_share
        )
        rate_hz = config.rate_hz * float(rng.choice([1.0, 1.0, 5 / 3]))
        wearer = families.wearer(rng)
        if met is None:
            out.append(perceive(worn, wearer, rng, rate_hz, person))
        else:
            dead = _dead_slots(wearer, met.config, rng)
            responses, wearer = _known(wearer, met, cast, config, rng)
            sequence = perceive(worn, wearer, rng, rate_hz, person, dead)
            out.append(estimated(sequence, met.belief, responses))
        if report is not None:
            report((i + 1) / count)
    return out


def _dead_slots(
    wearer: VirtualWearer, config: WearerConfig, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Face slots whose cable is loose: none in half of all sequences."""
    face = np.array(wearer.layout.face_indices)
    if rng.random() < 0.5:
        return _ALL_HEARD
    return face[rng.random(len(face)) < config.slot_dropout]


def _known(
    wearer: VirtualWearer,
    met: Acquaintance,
    cast: Cast,
    config: DataConfig,
    rng: np.random.Generator,
) -> tuple[SiteResponses, VirtualWearer]:
    """What is known of a wearer, and the wearer on the day they perform."""
    if rng.random() >= met.config.enrolled_share:
        return met.belief.responses, wearer
    length_s = float(rng.uniform(*met.config.enrolment_s))
    performance = _exercise(cast, length_s, rng, config.quiet_share)
    responses = enrol(wearer, met.belief.responses, performance, config.rate_hz, rng)
    if rng.random() < met.config.redonned_share:
        wearer = donned_again(wearer, rng)
    return responses, wearer


def _exercise(
    cast: Cast, length_s: float, rng: np.random.Generator, quiet_share: float
) -> Performance:
    """What somebody performs to be enrolled: a range of motion, or what people perform anyway."""
    if rng.random() < 0.5:
        return with_routine(exercise(int(rng.integers(1 << 31)), length_s), int(rng.integers(9999)))
    return draw_performance(cast, 0.3, length_s, rng, quiet_share)[1]


def enrol(
    wearer: VirtualWearer,
    prior: SiteResponses,
    performance: Performance,
    rate_hz: float,
    rng: np.random.Generator,
) -> SiteResponses:
    """What an enrolment by `performance`, rest and routine in front, teaches about a wearer."""
    seen = perceive(performance, wearer, rng, rate_hz)
    return enrolled(
        prior, np.asarray(seen.features, np.float32), np.asarray(seen.change, np.float32)
    )


def plain_sequences(
    recorded: list[Recorded],
    families: HeadFamilies,
    wearers: int,
    seed: int,
    family: str = "any",
    belief: Belief | None = None,
) -> list[Sequence]:
    """Recordings as they are, each on `wearers` different people: for validation."""
    out = []
    for number, item in enumerate(recorded):
        for k in range(wearers):
            rng = np.random.default_rng((seed, number, k))
            worn = with_routine(item.performance, seed + k, rest_weights=baseline(item.performance))
            sequence = perceive(worn, families.wearer(rng, family), rng, 200.0, item.person)
            if belief is not None:
                sequence = estimated(sequence, belief, belief.responses)
            out.append(sequence)
    return out
