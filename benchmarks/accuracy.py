"""Accuracy on strangers, simulated IMUs: recordings × virtual wearers through import and predict.

    python benchmarks/accuracy.py --wearers 3            # the public test set
    python benchmarks/accuracy.py --files 'arkit/animavr/*.csv' --head ict

Prints one JSON line per take and a summary in which every recording weighs the same. The sensors
sit on our standard head, with `--head people` on other people of it, with `--head ict` on random
identities of the ICT-FaceKit head, with `--head FILE` on any avatar. Wearer seeds are disjoint
from those of training. `figures.py` has the figures of all methods, with and without enrolment.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from takes import SEED, head_of, worn

from capture.provenance import file_sha256
from capture.recording import read_recording
from dataset_tools.performance import with_routine
from dataset_tools.recordings import read_performance
from dataset_tools.wearers import draw_wearer
from firmware_host.layout import FACE_12
from model.checkpoint import SHIPPED, Checkpoint, load_checkpoint
from model.evaluate import judge_take
from model.predict import predict_recording

PUBLIC_TEST = ("arkit/alexdjulin/S07-001.csv", "arkit/applicator/SampleTest0*.csv")
KEPT = (
    "correlation",
    "mae_offset_free",
    "mae",
    "jitter_ratio",
    "spread_coverage_90",
    "correlation_per_shape",
)
Row = dict[str, Any]


def main() -> None:
    """Judge every file on every wearer."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument(
        "--data", type=Path, default=os.environ.get("IMUSIC_DATA", "../shared/data")
    )
    options.add_argument("--files", nargs="*", default=PUBLIC_TEST)
    options.add_argument("--wearers", type=int, default=3)
    options.add_argument("--head", default="ours", help="ours, people, ict, or a head's file")
    options.add_argument("--checkpoint", type=Path, default=SHIPPED)
    options.add_argument("--markdown", action="store_true", help="print tables for docs")
    asked = options.parse_args()
    checkpoint = load_checkpoint(asked.checkpoint)
    root = Path(asked.data)
    rows = [
        judge(path, seed, asked, checkpoint)
        for pattern in asked.files
        for path in sorted(root.glob(pattern))
        for seed in range(SEED, SEED + asked.wearers)
    ]
    if asked.markdown:
        print_markdown(rows, asked.head)
        return
    for row in rows:
        print(json.dumps(row))
    print(json.dumps({"head": asked.head, **summary(rows)}))


def judge(path: Path, seed: int, asked: argparse.Namespace, checkpoint: Checkpoint) -> Row:
    """One recording on one wearer, through the interchange format."""
    rng = np.random.default_rng(seed)
    head = head_of(asked.head, Path(asked.data), seed)
    wearer = draw_wearer(head, FACE_12, rng)
    performance = with_routine(read_performance(path, seed=seed), seed)
    with worn(performance, wearer, rng) as take:
        recording = read_recording(take)
    figures = judge_take(recording, checkpoint, predict_recording(recording, checkpoint)).figures()
    return {
        "file": path.name,
        "wearer": seed,
        "in_training": checkpoint.saw(file_sha256(path)),
        **{key: figures[key] for key in KEPT},
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over recordings of means over wearers."""
    files = sorted({row["file"] for row in rows})

    def mean(*keys: str) -> float:
        per_file = []
        for file in files:
            values = [_at(row, keys) for row in rows if row["file"] == file]
            per_file.append(np.mean(values))
        return round(float(np.mean(per_file)), 4)

    still = mean("mae_offset_free", "mean_face")
    return {
        "takes": len(rows),
        "r_model": mean("correlation", "model"),
        "r_ridge": mean("correlation", "ridge"),
        "offset_free_ratio_model": round(mean("mae_offset_free", "model") / still, 4),
        "offset_free_ratio_ridge": round(mean("mae_offset_free", "ridge") / still, 4),
        "mae_model": mean("mae", "model"),
        "mae_mean_face": mean("mae", "mean_face"),
        "jitter_model": mean("jitter_ratio", "model"),
        "jitter_ridge": mean("jitter_ratio", "ridge"),
        "coverage_model": mean("spread_coverage_90", "model"),
        "coverage_filter": mean("spread_coverage_90", "kalman"),
    }


def print_markdown(rows: list[dict[str, Any]], head: str) -> None:
    """Tables as they stand in docs/accuracy.md."""
    print(f"Sensors on head family `{head}`, {len({r['wearer'] for r in rows})} wearers each.\n")
    columns = ("r network", "r ridge", "ratio network", "ratio ridge", "jitter", "of 90 %")
    print(f"| recording | {' | '.join(columns)} | of 90 %, filter |")
    print("|---|---|---|---|---|---|---|---|")
    for file in [*sorted({row["file"] for row in rows}), None]:
        found = summary([row for row in rows if file in (None, row["file"])])
        figures = ("r_model", "r_ridge", "offset_free_ratio_model", "offset_free_ratio_ridge")
        others = ("jitter_model", "coverage_model", "coverage_filter")
        cells = (f"{found[key]:.2f}" for key in (*figures, *others))
        print(f"| {file or 'mean'} | " + " | ".join(cells) + " |")
    low, high = interval(rows)
    print(f"\n95 % interval of the mean r over wearers and recordings: {low:.2f} … {high:.2f}.\n")
    print(per_shape(rows))


def interval(rows: list[dict[str, Any]], draws: int = 2000) -> tuple[float, float]:
    """Bootstrap of the network's mean r over recordings and wearers, both drawn anew."""
    files = sorted({row["file"] for row in rows})
    r = [
        np.array([_at(x, ("correlation", "model")) for x in rows if x["file"] == f]) for f in files
    ]
    rng = np.random.default_rng(0)
    means = [
        np.mean([rng.choice(r[k], len(r[k])).mean() for k in rng.integers(len(r), size=len(r))])
        for _ in range(draws)
    ]
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def per_shape(rows: list[dict[str, Any]]) -> str:
    """Mean r of every shape that moves in some recording, best first, left and right together."""
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, r in row["correlation_per_shape"].items():
            found.setdefault(_both_sides(name), []).append(r)
    ordered = sorted(found.items(), key=lambda item: -float(np.mean(item[1])))
    return ", ".join(f"{name} {np.mean(values):.2f}" for name, values in ordered) + "."


def _both_sides(name: str) -> str:
    if name.startswith(("jawLeft", "jawRight", "mouthLeft", "mouthRight")):
        return name.removesuffix("Left").removesuffix("Right") + " sideways"
    return name.removesuffix("Left").removesuffix("Right")


def _at(row: dict[str, Any], keys: tuple[str, ...]) -> float:
    for key in keys:
        row = row[key]
    return float(row)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
