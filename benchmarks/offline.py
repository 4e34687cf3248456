"""How fast takes are predicted offline, and how far `--batch` is from live. Simulated IMUs.

    python benchmarks/offline.py [--seconds 60] [--takes 2] [--json]

Takes of virtual wearers who perform what strangers recorded. Live-equal prediction, as multiples of
real time of one core (processor time); the same takes in as many processes as there are cores (on
the wall); `--batch` likewise. The difference is between the weights of both, over ticks that move:
mean absolute, and correlation over shapes that move.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

# As the command line does, and before numpy is imported: see imusic/cli.py.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from strangers import STRANGERS
from takes import SEED, worn

from capture.head import standard_head
from capture.recording import read_recording
from dataset_tools.performance import baseline, trimmed, with_routine
from dataset_tools.recordings import read_performance
from dataset_tools.wearers import draw_wearer
from firmware_host.layout import FACE_12
from model import metrics
from model.batch import predict_batch
from model.checkpoint import SHIPPED, load_checkpoint
from model.network import open_network
from model.predict import predict_recording
from model.predict_many import plan, predict_many


def main() -> None:
    """Predict in every way, print figures."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--takes", type=int, default=2)
    options.add_argument(
        "--data", type=Path, default=Path(os.environ.get("IMUSIC_DATA", "../shared/data"))
    )
    options.add_argument("--json", action="store_true")
    asked = options.parse_args()
    with ExitStack() as stack:
        made = [stack.enter_context(_take(asked, number)) for number in range(asked.takes)]
        folders, lengths = [folder for folder, _ in made], sum(length for _, length in made)
        told = {**_on_one_core(folders, lengths), **_on_all_cores(folders, lengths)}
    if asked.json:
        print(json.dumps(told))
        return
    for name, value in told.items():
        print(f"{name:32s} {value:.4g}")
    kept = told["live_equal_x_per_core"] >= 4
    print(f"live-equal at least 4 x real time per core: {'kept' if kept else 'BROKEN'}")
    kept = told["batch_x_per_core"] * 2 >= 200
    print(f"batch at least 200 x on two cores: {'kept' if kept else 'BROKEN'}")


@contextmanager
def _take(asked: argparse.Namespace, number: int) -> Iterator[tuple[Path, float]]:
    """A worn recording as a take, and how many seconds it lasts."""
    source = STRANGERS[number % len(STRANGERS)]
    whole = read_performance(sorted(asked.data.glob(source.files))[0])
    part = trimmed(whole, whole.time_s[0], asked.seconds)
    performed = with_routine(part, SEED + number, rest_weights=baseline(whole))
    wearer = draw_wearer(standard_head(), FACE_12, np.random.default_rng(SEED + number))
    with worn(performed, wearer, np.random.default_rng(number)) as folder:
        yield folder, performed.duration_s


def _on_one_core(folders: Sequence[Path], length_s: float) -> dict[str, float]:
    """Both ways in this process, in seconds of takes per second of it, and how they differ."""
    checkpoint = load_checkpoint()
    denoise = open_network(checkpoint)
    recordings = [read_recording(folder) for folder in folders]
    began = time.process_time()
    live = [predict_recording(recording, checkpoint) for recording in recordings]
    live_s = time.process_time() - began
    predict_batch(recordings[0], checkpoint, denoise)  # imports
    began = time.process_time()
    batch = [predict_batch(read_recording(folder), checkpoint, denoise) for folder in folders]
    batch_s = time.process_time() - began
    differences, agreements = [], []
    for one, other in zip(live, batch, strict=True):
        _, here, there = np.intersect1d(one.host_ns, other.host_ns, return_indices=True)
        moves = (one.confidence[here] > 0) & (other.confidence[there] > 0)
        ours, theirs = one.weights[here][moves], other.weights[there][moves]
        differences.append(float(np.abs(ours - theirs).mean()))
        agreements.append(metrics.correlation(theirs.astype(float), ours.astype(float)))
    return {
        "live_equal_x_per_core": length_s / live_s,
        "batch_x_per_core": length_s / batch_s,
        "batch_mean_difference": float(np.mean(differences)),
        "batch_correlation_with_live": float(np.mean(agreements)),
    }


def _on_all_cores(folders: Sequence[Path], length_s: float) -> dict[str, float]:
    """Both ways as `imusic predict --jobs` does it, in seconds of takes per second."""
    told = {}
    with tempfile.TemporaryDirectory() as folder:
        links = [Path(folder) / f"take-{number}" for number in range(len(folders))]
        for link, take in zip(links, folders, strict=True):
            link.symlink_to(take.resolve())
        for name, is_batch in (("live_equal", False), ("batch", True)):
            wanted = plan(links, Path(folder) / name, SHIPPED, None, False, is_batch)
            began = time.monotonic()
            predict_many(wanted, os.cpu_count())
            told[f"{name}_x_on_all_cores"] = length_s / (time.monotonic() - began)
    return told


if __name__ == "__main__":
    main()
