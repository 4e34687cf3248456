"""`imusic synth`: many virtual wearers performing, streamed to a data set on disk.

    plan ─► shard k: sequences k·n … ─► (performance, wearer) drawn from (seed, number) ─► Parquet

Every sequence depends on the plan and its own number alone, so shards can be made in any order, by
any number of processes, and after a kill only what is missing is made: same plan, same bytes.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from capture.resample import TICK_HZ, rows_of
from capture.take import software
from dataset_tools.casting import Cast, cast_of, draw_performance
from dataset_tools.executors import Processes
from dataset_tools.families import HeadFamilies, families_of
from dataset_tools.manifest import Manifest, Shard, read_manifest, write_manifest, write_whole
from dataset_tools.performance import REST_S, ROUTINE_S, Performance
from dataset_tools.recordings import read_sources
from dataset_tools.shards import Stored, write_shard
from dataset_tools.synth_plan import SEQUENCES_PER_SHARD, SynthPlan, encode_plan
from dataset_tools.virtual_imu import VirtualSamples, VirtualWearer, feel
from firmware_host.errors import ConfigError
from firmware_host.layout import LAYOUTS, SensorLayout, layout_to_dict

PLAN_FILE = "plan.json"
SHARD_FILE = "shard-{}.json"


@dataclass(frozen=True, slots=True, eq=False)
class Studio:
    """What every sequence of a plan is drawn from, in memory."""

    plan: SynthPlan
    layout: SensorLayout
    cast: Cast
    families: HeadFamilies

    def sequence(self, number: int) -> tuple[str, int, Performance, VirtualWearer]:
        """(person, wearer number, performance, wearer) of sequence `number`."""
        rng = np.random.default_rng((self.plan.seed, 1, number))
        wearer_number = int(rng.integers(self.plan.wearers))
        data = self.plan.data
        person, worn = draw_performance(
            self.cast, data.generated_share, data.sequence_s, rng, data.quiet_share
        )
        wearer = self.families.wearer(np.random.default_rng((self.plan.seed, 2, wearer_number)))
        return person, wearer_number, worn, wearer

    def samples(
        self, number: int, rate_hz: float
    ) -> tuple[dict[str, Any], Performance, VirtualSamples]:
        """(facts, performance, what its wearer's sensors feel) of sequence `number`."""
        person, wearer_number, performance, wearer = self.sequence(number)
        rng = np.random.default_rng((self.plan.seed, 3, number))
        facts = {
            "sequence": number,
            "person": person,
            "wearer": wearer_number,
            "rest_s": REST_S,
            "routine_s": ROUTINE_S,
            **_mistakes(wearer),
        }
        return facts, performance, feel(performance, wearer, rate_hz, rng)

    def stored(self, number: int) -> Stored:
        """Sequence `number` at 60 Hz."""
        facts, performance, felt = self.samples(number, self.plan.data.rate_hz)
        time_ns = np.rint(felt.time_s * 1e9).astype(np.int64)
        count = int(felt.time_s[-1] * TICK_HZ)
        rows = rows_of(time_ns, felt.accel_m_s2, felt.gyro_rad_s, 1, count)
        at = np.arange(1, count + 1) / TICK_HZ
        weights = np.stack(
            [np.interp(at, performance.time_s, column) for column in performance.weights.T], axis=1
        )
        return Stored(
            rows[..., :3].astype(np.float32),
            rows[..., 3:].astype(np.float32),
            weights.astype(np.float32),
            facts,
        )


def _mistakes(wearer: VirtualWearer) -> dict[str, str]:
    """Names of slots that are never heard, and of those that deliver each other's signal."""
    names, wiring = wearer.layout.names, wearer.wiring
    return {
        "missing": " ".join(names[slot] for slot in wiring.missing),
        "swapped": " ".join(names[slot] for pair in wiring.swapped for slot in pair),
    }


@cache
def open_studio(plan_json: bytes, root: Path) -> Studio:
    """The studio of an encoded plan; a process opens each once.

    Raises:
        DataError: a source of the plan is not below `root`.
    """
    plan = msgspec.json.decode(plan_json, type=SynthPlan)
    layout = LAYOUTS[plan.layout]
    cast = cast_of(read_sources(plan.data.sources, root))
    families = HeadFamilies(layout, families_of(plan.data.ict_head, root), plan.wearers)
    return Studio(plan, layout, cast, families)


def synthesise(
    plan: SynthPlan,
    root: Path,
    out: Path,
    report: Callable[[float], None],
    workers: int | None = None,
) -> Manifest:
    """Make, or go on making, the data set of `plan` in `out`.

    Args:
        root: folder of recordings. report: called with the share that is done. workers: processes;
            None takes all cores.

    Raises:
        ConfigError: `out` holds something else, or a data set of another plan.
        DataError: a recording is missing or not readable.
        EnvironmentMissing: pyarrow is not installed.
    """
    encoded = encode_plan(plan)
    _claim(out, encoded)
    if (out / "manifest.json").exists():
        report(1.0)
        return read_manifest(out)
    studio = open_studio(encoded, root)  # complains here, before any process is started
    done = {k: shard for k in range(plan.shards) if (shard := _finished(out, k)) is not None}
    missing = [k for k in range(plan.shards) if k not in done]
    for k, shard in _made(encoded, root, out, missing, workers):
        done[k] = shard
        report(len(done) / plan.shards)
    manifest = Manifest(
        layout=layout_to_dict(studio.layout),
        plan=msgspec.to_builtins(plan),
        shards=tuple(done[k] for k in sorted(done)),
        data=tuple(r.use for r in studio.cast.recorded),
        software=software(),
    )
    write_manifest(manifest, out)
    for k in done:
        (out / SHARD_FILE.format(_name(k))).unlink(missing_ok=True)
    return read_manifest(out)


def _claim(out: Path, encoded: bytes) -> None:
    """Make `out` the folder of this plan, or see that it is already."""
    path = out / PLAN_FILE
    if path.exists():
        if path.read_bytes() != encoded:
            raise ConfigError(
                f"{out} holds a data set of another plan", "choose another --out, or its options"
            )
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} exists and is no data set", "choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    write_whole(path, encoded)


def _name(k: int) -> str:
    return f"{k:05d}"


def _finished(out: Path, k: int) -> Shard | None:
    """Shard k, where an earlier run finished it: its note is written last."""
    path = out / SHARD_FILE.format(_name(k))
    return msgspec.json.decode(path.read_bytes(), type=Shard) if path.exists() else None


def _made(
    encoded: bytes, root: Path, out: Path, missing: list[int], workers: int | None
) -> Iterator[tuple[int, Shard]]:
    """Make shards in processes."""
    make = partial(make_shard, encoded, root, out)
    for index, shard in Processes(workers or os.cpu_count() or 1).run(make, missing):
        yield missing[index], shard


def make_shard(encoded: bytes, root: Path, out: Path, k: int) -> Shard:
    """Draw and write shard `k`, then the note that it is finished."""
    studio = open_studio(encoded, root)
    last = min((k + 1) * SEQUENCES_PER_SHARD, studio.plan.sequences)
    sequences = [studio.stored(n) for n in range(k * SEQUENCES_PER_SHARD, last)]
    shard = write_shard(out, _name(k), sequences, len(studio.layout.slots))
    write_whole(out / SHARD_FILE.format(_name(k)), msgspec.json.encode(shard))
    return shard
