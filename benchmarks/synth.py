"""`imusic synth` to disk: speed against real time, against its own drawing, and its memory.

    python benchmarks/synth.py --hours 0.5

Makes data sets of one, two and four times `--hours` with one process each, in the same run, and
prints hours of data per hour of processor time, megabytes per hour, and the largest resident
memory of the process that made them: linear in hours and flat in memory is what it should show.
The first line pays for building heads; lines with other heads to build cannot be compared with it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

RECIPE = Path(__file__).parents[1] / "recipes" / "base.toml"
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
    asked = options.parse_args()
    recipe = "" if asked.generated else str(RECIPE)
    print("hours  x real time to disk  in memory  ratio  MB per hour  peak MB")
    for hours in (asked.hours, 2 * asked.hours, 4 * asked.hours):
        with tempfile.TemporaryDirectory() as folder:
            found = measured(recipe, asked.data, folder, hours, asked.wearers)
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


if __name__ == "__main__":
    main()
