"""How well simulated raters of virtual wearers are found out, fused and predicted.

    python benchmarks/tracks.py --subjects 8 --seconds 60

Virtual wearers perform; simulated raters with known delay, scale and noise say how a made-up
valence goes (`dataset_tools/annotations/simulated_raters.py`); the tracks go the way of any user's:
added, compared, fused, predicted from faces and from simulated sensors on subjects not seen.
Nothing here is of people: it says what the tools can find, not how people are judged.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from dataset_tools.annotations.agreement import ccc
from dataset_tools.annotations.csv_files import encode_csv
from dataset_tools.annotations.delays import earlier
from dataset_tools.annotations.marks import Mark, curve_marks
from dataset_tools.annotations.simulated_raters import SimulatedRater, rate, truth
from dataset_tools.casting import DataConfig
from dataset_tools.executors import Here
from dataset_tools.sets.build import build
from dataset_tools.sets.edits import edit, relabel
from dataset_tools.sets.tables import read_rows, shard_name
from dataset_tools.sets.tracks import add, agreement_of, fuse_track, told
from dataset_tools.synth import open_studio
from dataset_tools.synth_plan import SynthPlan, encode_plan
from dataset_tools.synth_takes import write_takes
from model.track_baselines import REGRESSORS, read_rated, scored

RATERS = (
    SimulatedRater("r1", 1.2, 1.0, 0.1, 0.05),
    SimulatedRater("r2", 2.6, 0.6, -0.2, 0.08),
    SimulatedRater("r3", 0.4, 1.4, 0.0, 0.10),
)
TRACK = "valence"


def main() -> None:
    """Print what was found as JSON."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    options.add_argument("--subjects", type=int, default=8)
    options.add_argument("--seconds", type=float, default=60.0)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as made:
        print(json.dumps(_measured(Path(made), chosen.subjects, chosen.seconds), indent=1))


def _measured(work: Path, subjects: int, seconds: float) -> dict[str, Any]:
    dataset = _dataset(work, subjects, seconds)
    felt = _rated(dataset, work)
    agreed = agreement_of(dataset, TRACK)
    gold = fuse_track(dataset, TRACK)
    data = told(dataset)
    found: dict[str, Any] = {
        "ccc_between_raters": agreed["curves"]["ccc_mean"],
        "ccc_without_delays": agreed["curves_without_delays"]["ccc_mean"],
        "delay_errors_s": {
            r.name: round(gold.delays[r.name].delay_s - r.delay_s, 3) for r in RATERS
        },
        "correlation_with_truth": {},
    }
    rated = data.rated(TRACK)
    late = {r.name: r.delay_s for r in RATERS}
    for name, curves in rated.items():
        x, y = [], []
        for row, curve in zip(data.facts, curves, strict=True):
            true = felt[row["take"]]
            x.append(earlier(curve, late.get(name, 0.0)).at(true.time_s))
            y.append(true.value)
        one, other = np.concatenate(x), np.concatenate(y)
        both = np.isfinite(one)
        found["correlation_with_truth"][name] = round(
            float(np.corrcoef(one[both], other[both])[0, 1]), 3
        )
        if name == "gold":
            found["ccc_of_gold_with_truth"] = round(ccc(one, other), 3)
    for features in ("face", "imu"):
        table = read_rated(dataset, TRACK, "gold", features)
        found[f"baselines_{features}"] = {
            name: {"ccc": round(s.pooled, 3), "folds": [round(f, 3) for f in s.folds]}
            for name, regressor in REGRESSORS.items()
            for s in [scored(table, regressor, 0)]
        }
    return found


def _dataset(work: Path, subjects: int, seconds: float) -> Path:
    """A set of virtual wearers, each a subject of its own."""
    data = DataConfig(hours=subjects * seconds / 3600, sequence_s=seconds, rate_hz=100.0)
    plan = encode_plan(SynthPlan(data=data, wearers=subjects, seed=11))
    list(write_takes(open_studio(plan, work), subjects, work / "takes"))
    dataset = build([work / "takes"], work / "set", lambda _: Here()).version.parent
    for number, row in enumerate(told(dataset).facts):
        edit(dataset, lambda _, f, t=row["take"], n=number: relabel(
            t, [r for r in f if r["take"] == t], {"subject": f"s{n}"}
        ))  # fmt: skip
    return dataset


def _rated(dataset: Path, work: Path) -> dict[str, Any]:
    """Let the raters watch; returns what was truly there, by take."""
    data, felt = told(dataset), {}
    takes: dict[str, list[Mark]] = {}
    for row in data.facts:
        rows, _ = read_rows(data.version, shard_name(row["sequence"]), 12)
        time_s = np.arange(1, len(rows) + 1) / 60
        felt[row["take"]] = true = truth(TRACK, rows.weights.astype(float), time_s)
        takes[row["take"]] = [
            mark
            for rater in RATERS
            for curve in [rate(rater, true, row["sequence"] % 1000)]
            for mark in curve_marks(TRACK, rater.name, curve.time_s, curve.value)
        ]
    path = work / "ratings.csv"
    path.write_text(encode_csv(dict(takes)), "utf-8")
    add(dataset, [path])
    return felt


if __name__ == "__main__":
    main()
