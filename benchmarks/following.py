"""Enrolment by following an animated face against enrolment by a camera and none. Simulated IMUs.

    python benchmarks/following.py --wearers 6

Each virtual wearer follows the script `enrol` once, late, in their own strength, and with mistakes
(`dataset_tools.followers`). From the same take one profile is made by what was shown and one by
what a camera saw; the public test set then judges both, and the network without any. Prints one
JSON line per recording and wearer, then means in which every recording weighs the same. Wearer
seeds are disjoint from those of training.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import PUBLIC_TEST, head_of, worn

from capture.guided import read_script
from capture.recording import read_recording
from dataset_tools.followers import follow
from dataset_tools.performance import with_routine
from dataset_tools.recordings import read_performance
from dataset_tools.synth_takes import write_followed
from dataset_tools.virtual_imu import VirtualWearer
from dataset_tools.wearers import draw_wearer
from firmware_host.layout import FACE_12
from model.adapt import Adapted, adapt_take
from model.checkpoint import SHIPPED, Checkpoint, load_checkpoint
from model.evaluate import judge_take
from model.predict import predict_recording
from model.wearer import Wearer

SEED = 83_000
WAYS = ("none", "followed", "camera")
KEPT = ("correlation", "mae_offset_free")
Row = dict[str, Any]


def main() -> None:
    """Enrol every wearer both ways and judge all three."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument(
        "--data", type=Path, default=os.environ.get("IMUSIC_DATA", "../shared/data")
    )
    options.add_argument("--files", nargs="*", default=PUBLIC_TEST)
    options.add_argument("--wearers", type=int, default=6)
    options.add_argument("--seed", type=int, default=SEED)
    options.add_argument("--head", default="people", help="ours, people, ict, or a head's file")
    options.add_argument("--checkpoint", type=Path, default=SHIPPED)
    asked = options.parse_args()
    checkpoint, root = load_checkpoint(asked.checkpoint), Path(asked.data)
    paths = [path for pattern in asked.files for path in sorted(root.glob(pattern))]
    rows = []
    for seed in range(asked.seed, asked.seed + asked.wearers):
        wearer = draw_wearer(head_of(asked.head, root, seed), FACE_12, np.random.default_rng(seed))
        profiles = profiles_of(wearer, seed, checkpoint)
        for path in paths:
            rows.append(judge(path, wearer, seed, profiles, checkpoint))
            print(json.dumps(rows[-1]), flush=True)
    print(json.dumps({"head": asked.head, **summary(rows)}))


def profiles_of(
    wearer: VirtualWearer, seed: int, checkpoint: Checkpoint
) -> dict[str, Adapted | None]:
    """What `imusic adapt` makes of one take in each way."""
    script = read_script("enrol")
    followed = follow(script, seed)
    with tempfile.TemporaryDirectory() as folder:
        take = Path(folder) / "enrol"
        rng = np.random.default_rng(seed + 5)
        write_followed(followed, script, wearer, rng, take, watched=True)
        recording = read_recording(take)
    return {
        "none": None,
        "followed": adapt_take(recording, checkpoint, "f", "", follow=True),
        "camera": adapt_take(recording, checkpoint, "c", ""),
    }


def judge(
    path: Path,
    wearer: VirtualWearer,
    seed: int,
    profiles: dict[str, Adapted | None],
    checkpoint: Checkpoint,
) -> Row:
    """One recording on one wearer, by every profile; a refused profile is not used."""
    performance = with_routine(read_performance(path, seed=seed), seed)
    with worn(performance, wearer, np.random.default_rng(seed + 9)) as take:
        recording = read_recording(take)
    row: Row = {"file": path.name, "wearer": seed}
    for way, adapted in profiles.items():
        profile: Wearer | None = adapted.wearer if adapted and adapted.better else None
        prediction = predict_recording(recording, checkpoint, wearer=profile)
        figures = judge_take(recording, checkpoint, prediction, wearer=profile).figures()
        row[f"{way}_kept"] = profile is not None
        for key in KEPT:
            row[f"{way}_{key}"] = round(float(figures[key]["model"]), 4)
            kalman = "kalman_enrolled" if profile else "kalman"
            row[f"{way}_kalman_{key}"] = round(float(figures[key][kalman]), 4)
        row["still"] = round(float(figures["mae_offset_free"]["mean_face"]), 4)
        if adapted is not None and adapted.wearer.facts.following:
            row.update(adapted.wearer.facts.following)
    return row


def summary(rows: list[Row]) -> Row:
    """Means over recordings of means over wearers; an interval over wearers of the difference."""
    files = sorted({row["file"] for row in rows})
    wearers = sorted({row["wearer"] for row in rows})

    def mean(value: Any, kept: list[Row]) -> float:
        return float(np.mean([np.mean([value(r) for r in kept if r["file"] == f]) for f in files]))

    out: Row = {"wearers": len(wearers), "recordings": len(files)}
    for way in WAYS:
        for part in ("", "kalman_"):
            out[f"r_{part}{way}"] = round(
                mean(lambda r, k=f"{way}_{part}correlation": r[k], rows), 4
            )
            out[f"ratio_{part}{way}"] = round(
                mean(lambda r, k=f"{way}_{part}mae_offset_free": r[k] / r["still"], rows), 4
            )
        if way != "none":
            out[f"kept_{way}"] = round(float(np.mean([r[f"{way}_kept"] for r in rows])), 3)

    def below(kept: list[Row]) -> float:
        return mean(lambda r: r["camera_correlation"] - r["followed_correlation"], kept)

    each = np.array([below([r for r in rows if r["wearer"] == w]) for w in wearers])
    rng = np.random.default_rng(0)
    drawn = rng.choice(each, (2000, len(each))).mean(axis=1)
    out["r_below_camera"] = round(below(rows), 4)
    out["r_below_camera_95"] = [round(float(v), 4) for v in np.percentile(drawn, (2.5, 97.5))]
    return out


if __name__ == "__main__":
    main()
