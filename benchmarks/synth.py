"""`imusic synth` to disk: speed against real time, against its own drawing, and its memory.

    python benchmarks/synth.py --hours 0.5
    python benchmarks/synth.py --hours 0.25 --wearers 20 --command

Makes data sets of one, two and four times `--hours` with one process each, in the same run, and
prints hours of data per hour of processor time, megabytes per hour, and the largest resident
memory of the process that made them: linear in hours and flat in memory is what it should show.
The first line pays for building heads; lines with other heads to build cannot be compared with it.

`--command` runs `imusic synth` itself instead, on all cores, everything it pays for included:
recordings read and heads built once in every process. What every further hour costs is therefore
told apart; it is the same from line to line where time is linear. Memory is that of the largest
process. It grows with the heads that were met, up to `--wearers` of them or the 60 people of our
family, so few wearers show sooner that hours add nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RECIPE = Path(__file__).parents[1] / "recipes" / "base-many.toml"
_CHILD = """
import json, resource, sys, time
from pathlib import Path
from dataset_tools.synth import make_shard, open_studio
from dataset_tools.synth_plan import encode_plan, plan_of
recipe, root, out, hours, wearers = sys.argv[1:]
plan = plan_of(Path(recipe) if recipe else None, hours=float(hours), wearers=int(wearers), seed=0)
studio = open_studio(encode_plan(plan), Path(root))
for number in range(plan.sequences):  # heads are built once, however many hours follow
    studio.sequence(number)
start = time.process_time()
shards = [make_shard(encode_plan(plan), Path(root), Path(out), k) for k in range(plan.shards)]
made = time.process_time() - start
start = time.process_time()
for number in range(plan.sequences):
    studio.stored(number)
drawn = time.process_time() - start
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"seconds": sum(s.seconds for s in shards), "made_s": made, "drawn_s": drawn,
                  "peak_mb": usage.ru_maxrss / 1024}))
"""


def main() -> None:
    """Print one line per length."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument(
        "--data", type=Path, default=os.environ.get("IMUSIC_DATA", "../shared/data")
    )
    options.add_argument("--hours", type=float, default=0.5)
    options.add_argument("--wearers", type=int, default=100)
    options.add_argument("--generated", action="store_true", help="no recordings")
    options.add_argument("--command", action="store_true", help="the whole command, on all cores")
    options.add_argument("--workers", type=int, default=os.cpu_count(), help="with --command")
    asked = options.parse_args()
    recipe = "" if asked.generated else str(RECIPE)
    lengths = (asked.hours, 2 * asked.hours, 4 * asked.hours)
    if asked.command:
        of_command(recipe, asked.data, lengths, asked.wearers, asked.workers)
    else:
        of_one_process(recipe, asked.data, lengths, asked.wearers)


def of_one_process(recipe: str, data: Path, lengths: Sequence[float], wearers: int) -> None:
    """Print what one process does in memory and to disk."""
    print("hours  x real time to disk  in memory  ratio  MB per hour  peak MB")
    for hours in lengths:
        with tempfile.TemporaryDirectory() as folder:
            found = measured(recipe, data, folder, hours, wearers)
            size = sum(p.stat().st_size for p in Path(folder).rglob("*.parquet")) / 1e6
        seconds, made, drawn = found["seconds"], found["made_s"], found["drawn_s"]
        print(
            f"{seconds / 3600:5.2f}  {seconds / made:19.0f}  {seconds / drawn:9.0f}  "
            f"{made / drawn:5.2f}  {size * 3600 / seconds:11.0f}  {found['peak_mb']:7.0f}"
        )


def measured(recipe: str, data: Path, out: str, hours: float, wearers: int) -> dict[str, float]:
    """One data set in a process of its own, on one core."""
    command = [sys.executable, "-c", _CHILD, recipe, str(data), out, str(hours), str(wearers)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def of_command(
    recipe: str, data: Path, lengths: Sequence[float], wearers: int, workers: int
) -> None:
    """Print how time and memory of the whole command grow with the hours it makes."""
    runs = [commanded(recipe, data, hours, wearers, workers) for hours in lengths]
    first = runs[0]
    print(f"{workers} processes, {wearers} wearers")
    print("hours    x   wall s    x   processor s    x   s per further hour   largest MB    x")
    for before, run in zip((None, *runs), runs, strict=False):
        further = "" if before is None else f"{run.slope(before):.1f}"
        print(
            f"{run.hours:5.2f} {run.hours / first.hours:4.2f}   {run.wall_s:6.1f} "
            f"{run.wall_s / first.wall_s:4.2f}   {run.processor_s:11.1f} "
            f"{run.processor_s / first.processor_s:4.2f}   {further:>18}   {run.peak_mb:10.0f} "
            f"{run.peak_mb / first.peak_mb:4.2f}"
        )


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the command: seconds by the clock and of all processors, and its memory."""

    hours: float
    wall_s: float
    processor_s: float
    peak_mb: float

    def slope(self, before: "Run") -> float:
        """Processor seconds for every hour more than `before` made."""
        return (self.processor_s - before.processor_s) / (self.hours - before.hours)


def commanded(recipe: str, data: Path, hours: float, wearers: int, workers: int) -> Run:
    """One data set made by `imusic synth`, its workers included in what it used."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "imusic", "synth", "--json", "--out", f"{folder}/set"]
        command += ["--data", str(data), "--hours", str(hours), "--wearers", str(wearers)]
        command += ["--workers", str(workers), *(["--recipe", recipe] if recipe else [])]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        start = time.perf_counter()
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as running:
            assert running.stdout is not None
            told = running.stdout.read()
            _, status, usage = os.wait4(running.pid, 0)
            running.returncode = os.waitstatus_to_exitcode(status)
        if running.returncode != 0:
            raise SystemExit(f"imusic synth ended with {running.returncode}")
        wall_s = time.perf_counter() - start
    processor_s = usage.ru_utime + usage.ru_stime
    return Run(json.loads(told)["hours"], wall_s, processor_s, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
