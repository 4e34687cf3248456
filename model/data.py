"""Training data: performances × virtual wearers → feature sequences. No torch.

Everything that differs between people is drawn anew for every sequence: what is performed (real
takes warped, mirrored, recombined and scaled, or generated ones), who wears it, how the sensors sit
and what the chips do. Calibration runs on the sequence's own rest and routine, as it will live.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.calibration import calibrate
from capture.head import Head, head_from_npz, identity_head, standard_head
from dataset_tools.augment import varied
from dataset_tools.performance import (
    REST_S,
    ROUTINE_S,
    Performance,
    baseline,
    generate_performance,
    with_routine,
)
from dataset_tools.recordings import file_sha256, read_performance
from dataset_tools.virtual_imu import SiteModel, VirtualWearer, feel, put_on
from dataset_tools.wearers import WIDE, blend, placed, site_model, vary
from firmware_host.errors import DataError
from firmware_host.layout import SensorLayout
from model.config import DataConfig, Source
from model.features import features
from model.sequences import Sequence
from model.windows import TICK_HZ, rows_of

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording in memory."""

    person: str
    performance: Performance
    sha256: str
    licence: str


def read_sources(sources: tuple[Source, ...], root: Path) -> list[Recorded]:
    """Read all files of all sources. Raises DataError where a glob finds nothing."""
    found = []
    for source in sources:
        paths = sorted(root.glob(source.files))
        if not paths:
            raise DataError(
                f"no recording matches {source.files!r} below {root}",
                "set IMUSIC_DATA or --data to the folder that holds the recordings",
            )
        for path in paths:
            performance = read_performance(path)
            found.append(Recorded(source.person, performance, file_sha256(path), source.licence))
    return found


class HeadFamilies:
    """Site models of random people: our head, a second family if given, and people in between.

    Heads and placements are drawn once, as a pool; strengths, directions, mounting and chips of
    every wearer are drawn anew.
    """

    def __init__(self, layout: SensorLayout, ict: Path | None, pool: int = 150) -> None:
        self._layout = layout
        self._kinds = ["ours"] if ict is None else ["ours", "ict", "between"]
        ours, rng = standard_head(), np.random.default_rng(pool)
        second = None if ict is None else head_from_npz(ict)
        self._pool: dict[str, list[SiteModel]] = {}
        for kind in self._kinds:
            self._pool[kind] = [
                self._draw(kind, ours, second, ict, rng) for _ in range(pool // len(self._kinds))
            ]

    def _draw(
        self, kind: str, ours: Head, second: Head | None, ict: Path | None, rng: np.random.Generator
    ) -> SiteModel:
        layout = placed(self._layout, rng, WIDE.placement_m)
        if kind == "ours" or ict is None or second is None:
            return site_model(ours, layout)
        theirs = site_model(identity_head(ict, rng.normal(0.0, 1.0, 40)), layout)
        if kind == "ict":
            return theirs
        return blend(site_model(ours, layout), theirs, float(rng.uniform(0.2, 0.8)))

    def wearer(self, rng: np.random.Generator, family: str = "any") -> VirtualWearer:
        """Draw someone with sensors on. `family`: any, ours, ict or between."""
        kind = str(rng.choice(self._kinds)) if family == "any" else family
        sites = self._pool[kind][int(rng.integers(len(self._pool[kind])))]
        mounting = float(np.radians(rng.uniform(2.0, 10.0)))
        return put_on(self._layout, vary(sites, rng, WIDE), rng, mounting)


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
    people = sorted({r.person for r in recorded})
    share = _shares(recorded, people)
    out = []
    for i in range(count):
        if not people or rng.random() < config.generated_share:
            seed = int(rng.integers(1 << 31))
            person, performance = "generated", generate_performance(seed, config.sequence_s)
        else:
            person = str(rng.choice(people, p=share))
            own = [r.performance for r in recorded if r.person == person]
            first = own[int(rng.integers(len(own)))]
            other = recorded[int(rng.integers(len(recorded)))].performance
            performance = varied(first, other, rng, config.sequence_s)
        worn = with_routine(performance, int(rng.integers(1 << 31)))
        rate_hz = config.rate_hz * float(rng.choice([1.0, 1.0, 5 / 3]))
        out.append(perceive(worn, families.wearer(rng), rng, rate_hz, person))
        if report is not None:
            report((i + 1) / count)
    return out


def _shares(recorded: list[Recorded], people: list[str]) -> Array:
    """How often each person performs: by the root of what they recorded, so that nobody rules."""
    seconds = [sum(r.performance.duration_s for r in recorded if r.person == p) for p in people]
    root = np.sqrt(np.array(seconds))
    return np.asarray(root / root.sum()) if people else root


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
