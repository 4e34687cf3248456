"""Training data: performances × virtual wearers → feature sequences. No torch.

Everything that differs between people is drawn anew for every sequence: what is performed (real
takes warped, mirrored, recombined and scaled, or generated ones), who wears it, how the sensors sit
and what the chips do. Calibration runs on the sequence's own rest and routine, as it will live.
"""

from collections.abc import Callable

import numpy as np

from capture.calibration import calibrate
from capture.resample import TICK_HZ, rows_of
from dataset_tools.casting import DataConfig, cast_of, draw_performance
from dataset_tools.families import HeadFamilies
from dataset_tools.performance import REST_S, ROUTINE_S, Performance, baseline, with_routine
from dataset_tools.recordings import Recorded
from dataset_tools.virtual_imu import VirtualWearer, feel
from model.features import features
from model.sequences import Sequence


def perceive(
    performance: Performance,
    wearer: VirtualWearer,
    rng: np.random.Generator,
    rate_hz: float,
    person: str = "",
) -> Sequence:
    """What the network will see of a performance with rest and routine in front.

    The performance must come from `with_routine` with its default lengths.
    """
    felt = feel(performance, wearer, rate_hz, rng)
    time_ns = np.rint(felt.time_s * 1e9).astype(np.int64)
    count = int(felt.time_s[-1] * TICK_HZ)
    rows = rows_of(time_ns, felt.accel_m_s2, felt.gyro_rad_s, 1, count)
    rest, lead = round(REST_S * TICK_HZ), round((REST_S + ROUTINE_S) * TICK_HZ)
    calibration = calibrate(
        wearer.layout, rows[:rest, :, :3], rows[:rest, :, 3:], rows[rest:lead, :, 3:]
    )
    seen = features(rows, wearer.layout, calibration)
    at = np.arange(1, count + 1) / TICK_HZ
    weights = np.stack(
        [np.interp(at, performance.time_s, column) for column in performance.weights.T], axis=1
    )
    rest_weights = performance.weights[0]
    return Sequence(
        person,
        seen[lead:].astype(np.float16),
        (weights - rest_weights)[lead:].astype(np.float16),
        rest_weights,
    )


def draw_sequences(
    recorded: list[Recorded],
    families: HeadFamilies,
    config: DataConfig,
    rng: np.random.Generator,
    report: Callable[[float], None] | None = None,
) -> list[Sequence]:
    """One epoch: `config.hours` of sequences on wearers that are all new."""
    count = max(1, round(config.hours * 3600 / config.sequence_s))
    cast, out = cast_of(recorded), []
    for i in range(count):
        person, worn = draw_performance(cast, config.generated_share, config.sequence_s, rng)
        rate_hz = config.rate_hz * float(rng.choice([1.0, 1.0, 5 / 3]))
        out.append(perceive(worn, families.wearer(rng), rng, rate_hz, person))
        if report is not None:
            report((i + 1) / count)
    return out


def plain_sequences(
    recorded: list[Recorded], families: HeadFamilies, wearers: int, seed: int, family: str = "any"
) -> list[Sequence]:
    """Recordings as they are, each on `wearers` different people: for validation."""
    out = []
    for number, item in enumerate(recorded):
        for k in range(wearers):
            rng = np.random.default_rng((seed, number, k))
            worn = with_routine(item.performance, seed + k, rest_weights=baseline(item.performance))
            out.append(perceive(worn, families.wearer(rng, family), rng, 200.0, item.person))
    return out
