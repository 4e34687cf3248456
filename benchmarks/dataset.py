"""How fast data sets are built, checked and read, and how much they take on disk and in memory.

    python benchmarks/dataset.py --hours 0.5 --executors here processes ray
    python benchmarks/dataset.py --grow 0.25 0.5 1.0           # memory against hours
    python benchmarks/dataset.py --hours 0.5 --windows         # bytes per hour, one-second windows
    python benchmarks/dataset.py --synth SET --grow 1 10 100   # check and summary
    python benchmarks/dataset.py --hours 1 --make-only --keep F  # takes for a later, quiet run

Takes of virtual wearers are made first (the writer of `imusic synth`, 200 Hz, 12 slots, `--minutes`
each). Four of them perform; to have more hours the same are written again under other names, each
with noise of its own in the samples. Their faces are the same, so `check` finds them to be copies
and ends with 1: that costs what it costs with other faces. With `--synth` a set of `imusic synth`
is checked, as many of its shards as give the hours; where it has fewer, the same files are linked
under further names: their bytes are read, hashed and judged again, from memory rather than the
disk. Every command runs in a process of its own and tells its processor time and its largest
resident memory. Wall clock is that of this machine and of whoever else uses it: compare with the
bare copy of the same bytes in the same run.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from capture.importers import write_samples
from capture.recording import read_recording
from capture.take import new_take
from capture.take_writer import TakeWriter
from dataset_tools.manifest import Shard, read_manifest, write_manifest
from dataset_tools.parquet_files import matrix
from dataset_tools.sets.versions import link_or_copy

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Print what was measured as lines, and all of it as JSON at the end."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    options.add_argument("--hours", type=float, default=0.5)
    options.add_argument("--minutes", type=float, default=3.0, help="of each take")
    options.add_argument("--executors", nargs="*", default=["here", "processes"])
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--grow", nargs="*", type=float, default=[])
    options.add_argument("--windows", action="store_true")
    options.add_argument("--synth", type=Path, help="a set of `imusic synth`")
    options.add_argument("--make-only", action="store_true", help="takes, and nothing else")
    options.add_argument("--keep", type=Path, help="folder for takes and sets; kept")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as made:
        work = chosen.keep or Path(made)
        work.mkdir(parents=True, exist_ok=True)
        told: dict[str, Any] = {"commit": _commit(), "load_before": os.getloadavg()}
        for hours in chosen.grow or [chosen.hours]:
            if chosen.make_only:
                make_takes(work / f"takes-{hours:g}", hours, chosen.minutes)
            else:
                measured = _measured_synth if chosen.synth else _measured
                told[f"{hours:g} h"] = measured(work, hours, chosen)
        told["load_after"] = os.getloadavg()
    print(json.dumps(told, indent=1))


def _measured(work: Path, hours: float, chosen: argparse.Namespace) -> dict[str, Any]:
    takes = make_takes(work / f"takes-{hours:g}", hours, chosen.minutes)
    copied_s = _copied(takes, work / "copy")
    found: dict[str, Any] = {"bare_copy_s": round(copied_s, 2), "takes_mb": _mb(takes)}
    for executor in chosen.executors:
        out = work / f"set-{hours:g}-{executor}"
        shutil.rmtree(out, ignore_errors=True)
        shared = ["--executor", executor, "--workers", str(chosen.workers)]
        build = _timed("build", str(takes), "--out", str(out), *shared)
        check = _timed("check", str(out), *shared, "--json")
        summary = _timed("summary", str(out), "--json")
        for name, run in (("build", build), ("check", check), ("summary", summary)):
            run["times_real_time"] = round(3600 * hours / run["wall_s"], 1)
            run["times_real_time_by_cpu"] = round(3600 * hours / max(run["cpu_s"], 1e-3), 1)
            print(f"{hours:g} h, {executor}, {name}: {run}", flush=True)
        digest = {p.relative_to(out).as_posix(): _hash(p) for p in out.rglob("*.parquet")}
        digest["manifest"] = _hash(out / "v1" / "manifest.json")
        found[executor] = {"build": build, "check": check, "summary": summary}
        found.setdefault("digest", digest)
        found[executor]["same_bytes"] = digest == found["digest"]
    if chosen.windows:
        found["disk"] = _windows(work / f"set-{hours:g}-{chosen.executors[0]}" / "v1", work)
        print(f"{hours:g} h: {found['disk']}", flush=True)
    del found["digest"]
    return found


def _measured_synth(work: Path, hours: float, chosen: argparse.Namespace) -> dict[str, Any]:
    version = synthetic_part(chosen.synth, work / f"synth-{hours:g}", hours)
    have_h = read_manifest(version).seconds / 3600
    found: dict[str, Any] = {"hours": round(have_h, 3), "mb": _mb(version)}
    start = time.perf_counter()
    for path in sorted(version.rglob("*.parquet")):
        path.read_bytes()
    found["bare_read_s"] = round(time.perf_counter() - start, 2)
    for executor in chosen.executors:
        shared = ["--executor", executor, "--workers", str(chosen.workers), "--json"]
        runs = {verb: _timed(verb, str(version), *shared) for verb in ("check", "summary")}
        wall_s = sum(run["wall_s"] for run in runs.values())
        found[executor] = {
            **runs,
            "both_times_real_time": round(3600 * have_h / wall_s, 1),
            "peak_mb": max(run["peak_mb"] for run in runs.values()),
        }
        print(f"{hours:g} h of virtual wearers, {executor}: {found[executor]}", flush=True)
    return found


def synthetic_part(source: Path, folder: Path, hours: float) -> Path:
    """A set of the first shards of another, the same ones again where it has fewer."""
    shutil.rmtree(folder, ignore_errors=True)
    manifest = read_manifest(source)
    shards: list[Shard] = []
    while sum(shard.seconds for shard in shards) < 3600 * hours:
        shard = manifest.shards[len(shards) % len(manifest.shards)]
        again = msgspec.structs.replace(shard, name=f"{len(shards):05d}")
        for old, new in zip(shard.files, again.files, strict=True):
            (folder / new).parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(source / old, folder / new)
        shards.append(again)
    write_manifest(msgspec.structs.replace(manifest, shards=tuple(shards)), folder)
    return folder


def make_takes(folder: Path, hours: float, minutes: float) -> Path:
    """Takes of virtual wearers, as many as fill the hours."""
    from dataset_tools.casting import DataConfig
    from dataset_tools.synth import open_studio
    from dataset_tools.synth_plan import SynthPlan, encode_plan
    from dataset_tools.synth_takes import write_takes

    count = max(1, round(hours * 60 / minutes))
    if folder.exists():
        return folder
    originals = folder.with_name(f".{folder.name}")
    shutil.rmtree(originals, ignore_errors=True)
    data = DataConfig(hours=4 * minutes / 60, sequence_s=60 * minutes, rate_hz=200.0)
    studio = open_studio(encode_plan(SynthPlan(data=data, wearers=4, seed=1)), folder)
    first = list(write_takes(studio, min(count, 4), originals))
    made = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(made, ignore_errors=True)
    for number in range(count):
        _again(first[number % len(first)], made / f"take-{number:05d}", number)
    shutil.rmtree(originals)
    made.rename(folder)
    return folder


def _again(original: Path, folder: Path, number: int) -> None:
    """The same wearer performing with other noise."""
    rng = np.random.default_rng(number)
    recording = read_recording(original)
    take = recording.take
    unfinished = folder.with_name(f".{folder.name}")
    unfinished.mkdir(parents=True)
    again = new_take(
        folder.name, take.sensor_layout, take.origin, take.segments, simulated=True,
        subject=f"virtual-{number}",
    )  # fmt: skip
    writer = TakeWriter(unfinished, again)
    accel = recording.accel_m_s2 + rng.normal(0, 0.01, recording.accel_m_s2.shape)
    gyro = recording.gyro_rad_s + rng.normal(0, 0.001, recording.gyro_rad_s.shape)
    write_samples(
        writer, recording.tick_us * 1000, accel.astype(np.float32), gyro.astype(np.float32)
    )
    faces = recording.faces
    writer.faces(faces.device_ns, faces.arrival_ns, faces.weights, faces.tracked)
    writer.close()
    unfinished.rename(folder)


_CHILD = """
import json, resource, sys, time
start = time.perf_counter()
from imusic.cli import main
code = main(["dataset", *sys.argv[1:]])
wall = time.perf_counter() - start
own, others = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
cpu = sum(u.ru_utime + u.ru_stime for u in (own, others))
sys.stderr.write(json.dumps({"code": code, "wall_s": round(wall, 2), "cpu_s": round(cpu, 2),
    "peak_mb": round(max(own.ru_maxrss, others.ru_maxrss) / 1024)}) + chr(10))
"""


def _timed(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{arguments}: {done.stderr}")
    told: dict[str, Any] = json.loads(done.stderr.strip().splitlines()[-1])
    return told


def _copied(takes: Path, target: Path) -> float:
    """Seconds to read all bytes of the takes and write them again."""
    shutil.rmtree(target, ignore_errors=True)
    start = time.perf_counter()
    shutil.copytree(takes, target)
    seconds = time.perf_counter() - start
    shutil.rmtree(target)
    return seconds


def _windows(version: Path, work: Path) -> dict[str, Any]:
    """Megabytes per hour, and how long a random second of native samples takes to read."""
    import pyarrow.parquet as pq

    files = sorted((version / "native").glob("*.parquet"))
    parts = [pq.read_table(file, columns=["accel", "gyro"]) for file in files]
    arrays = [np.concatenate([matrix(t, key) for key in ("accel", "gyro")], axis=1) for t in parts]
    hours = sum(len(a) for a in arrays) / 200 / 3600
    found: dict[str, Any] = {
        "raw_float32_mb_per_hour": round(sum(a.nbytes for a in arrays) / 1e6 / hours, 1),
        "native_parquet_mb_per_hour": round(sum(f.stat().st_size for f in files) / 1e6 / hours, 1),
        "all_parquet_mb_per_hour": round(
            sum(f.stat().st_size for f in version.rglob("*.parquet")) / 1e6 / hours, 1
        ),
    }
    rng = np.random.default_rng(0)
    picks = [
        (int(k), int(rng.integers(len(arrays[k]) - 200)))
        for k in rng.integers(len(files), size=200)
    ]
    found["parquet_second_p50_ms"] = _p50(
        [lambda k=k, at=at: _read_second(files[k], at) for k, at in picks]
    )
    found["datasets_second_p50_ms"] = _datasets_p50(files, picks, work)
    try:
        import h5py
    except ImportError:
        return found
    path = work / "all.h5"
    with h5py.File(path, "w") as file:
        for k, array in enumerate(arrays):
            file.create_dataset(str(k), data=array, compression="gzip", chunks=(1200, 72))
    found["hdf5_gzip_mb_per_hour"] = round(path.stat().st_size / 1e6 / hours, 1)
    with h5py.File(path) as file:
        found["hdf5_second_p50_ms"] = _p50(
            [lambda k=k, at=at: file[str(k)][at : at + 200] for k, at in picks]
        )
    return found


def _datasets_p50(files: list[Path], picks: list[tuple[int, int]], work: Path) -> float | None:
    """The same seconds by `datasets`, which turns Parquet into a memory-mapped cache first."""
    try:
        from datasets import load_dataset
    except ImportError:
        return None
    names = [str(file) for file in files]
    cache = str(work / "cache")
    rows = load_dataset("parquet", data_files=names, split="train", cache_dir=cache)
    rows = rows.with_format("numpy", columns=["accel", "gyro"])
    counts = [pq_rows(file) for file in files]
    firsts = np.concatenate(([0], np.cumsum(counts)))
    return _p50([lambda at=int(firsts[k]) + at: rows[at : at + 200] for k, at in picks])


def pq_rows(path: Path) -> int:
    """Rows of a Parquet file."""
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def _read_second(path: Path, at: int) -> Any:
    """200 rows from row `at`: only the row groups that hold them."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    first, groups = 0, []
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if first < at + 200 and at < first + count:
            groups.append(group)
        first += count
    return file.read_row_groups(groups, columns=["accel", "gyro"])


def _p50(reads: list[Any]) -> float:
    taken = []
    for read in reads:
        start = time.perf_counter()
        read()
        taken.append(time.perf_counter() - start)
    return round(1e3 * float(np.median(taken)), 3)


def _hash(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def _mb(folder: Path) -> float:
    return round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6, 1)


def _commit() -> str:
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
