"""What one output frame costs, beside networks of the sizes that others published. One thread.

    python benchmarks/predictor.py [--rounds 300] [--json]

Ours is the shipped predictor with everything it does for a frame at 60 Hz: samples pushed, rows,
features, filter, sampling. The others are their networks alone, written anew from published sizes
with random weights, as torch runs them and exported to the runtime that ours uses; they output
bodies, not faces, so this compares time and nothing else. All take turns, frame by frame, so that a
busy machine is busy for each of them. CPU time of the thread beside the time on the wall.
"""

import argparse
import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import cast

# As the command line does, and before numpy is imported: see imusic/cli.py.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import torch
from torch import Tensor, nn

from capture.blendshapes import BlendshapeFrame
from firmware_host.layout import FACE_12
from firmware_host.samples import ImuBlock
from model.checkpoint import SHIPPED, load_checkpoint
from model.driving import Driver
from model.network import open_network
from model.predictor import Opening, Predictor

OPENING = Opening(0.0, 1.0, 1.0, 2.0)
RATE_HZ = 200
NS = 1_000_000_000


class DiffusionMlp(nn.Module):
    """AGRoL's sizes: 12 blocks 512 wide over 196 rows; a line over time, one over width."""

    def __init__(self, rows: int = 196, width: int = 512, blocks: int = 12) -> None:
        super().__init__()
        self.enter = nn.Linear(54 + 132, width)
        self.leave = nn.Linear(width, 132)
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.over_rows = nn.ModuleList(nn.Conv1d(rows, rows, 1) for _ in range(blocks))
        self.over_width = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.of_time = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * blocks))

    def forward(self, x: Tensor) -> Tensor:
        """(1, 196, 186) → (1, 196, 132)."""
        x = self.enter(x)
        time_row = self.time(x[:, :1] * 0.0)
        for k, (rows, width, of_time) in enumerate(
            zip(self.over_rows, self.over_width, self.of_time, strict=True)
        ):
            x = x + of_time(time_row)
            x = x + nn.functional.silu(rows(self.norms[2 * k](x)))
            x = x + nn.functional.silu(width(self.norms[2 * k + 1](x)))
        return cast(Tensor, self.leave(x))


class Encoder(nn.Module):
    """EgoPoser's sizes: a Transformer of 3 layers, 256 wide, 2048 in its MLPs, over 40 tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(54, 256)
        layer = nn.TransformerEncoderLayer(256, 8, 2048, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.leave = nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 132))

    def forward(self, x: Tensor) -> Tensor:
        """(1, 40, 54) → (1, 132)."""
        return cast(Tensor, self.leave(self.encoder(self.enter(x))[:, -1]))


class Recurrent(nn.Module):
    """TransPose's sizes: five LSTMs of two layers over 26 rows, four of them in both directions."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (
            (72, 256, True),
            (87, 64, True),
            (141, 128, True),
            (87, 64, True),
            (141, 256, False),
        )
        self.enter = nn.ModuleList(nn.Linear(of, width) for of, width, _ in sizes)
        self.lstms = nn.ModuleList(
            nn.LSTM(width, width, 2, batch_first=True, bidirectional=both)
            for _, width, both in sizes
        )
        self.leave = nn.ModuleList(
            nn.Linear(width * (2 if both else 1), 15) for _, width, both in sizes
        )
        self.of = [of for of, _, _ in sizes]

    def forward(self, x: Tensor) -> Tensor:
        """(1, 26, 141) → (1, 75)."""
        said = []
        for of, enter, lstm, leave in zip(self.of, self.enter, self.lstms, self.leave, strict=True):
            out, _ = lstm(nn.functional.relu(enter(x[..., :of])))
            said.append(leave(out[:, 20]))
        return torch.cat(said, dim=-1)


# name: network, shape of its input, passes per output frame
PEERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "diffusion MLP 12 x 512, window 196, 5 steps (AGRoL)": (DiffusionMlp, (1, 196, 186), 5),
    "five LSTMs over 26 rows (TransPose)": (Recurrent, (1, 26, 141), 1),
    "Transformer 3 x 256, 40 tokens (EgoPoser)": (Encoder, (1, 40, 54), 1),
}


def main() -> None:
    """Take turns, print a table."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--rounds", type=int, default=300)
    options.add_argument("--checkpoint", type=Path, default=SHIPPED)
    options.add_argument("--json", action="store_true")
    asked = options.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # of torchvision, which none needs
    torch.manual_seed(0)
    contenders = {"ours, all of a frame": our_frame(asked.checkpoint, asked.rounds)}
    for name, (make, shape, passes) in PEERS.items():
        network = make().eval()
        contenders[f"{name}, torch"] = in_torch(network, shape, passes)
        contenders[f"{name}, ONNX Runtime"] = in_runtime(network, shape, passes)
    wall: dict[str, list[float]] = {name: [] for name in contenders}
    cpu: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(asked.rounds):
        for name, once in contenders.items():
            began, began_cpu = time.perf_counter(), time.thread_time()
            once()
            wall[name].append(1e3 * (time.perf_counter() - began))
            cpu[name].append(1e3 * (time.thread_time() - began_cpu))
    table = {
        name: {
            "wall_p50_ms": float(np.percentile(wall[name], 50)),
            "wall_p99_ms": float(np.percentile(wall[name], 99)),
            "cpu_p50_ms": float(np.percentile(cpu[name], 50)),
        }
        for name in contenders
    }
    ours = next(iter(table.values()))["cpu_p50_ms"]
    for row in table.values():
        row["times_ours"] = row["cpu_p50_ms"] / ours
    if asked.json:
        print(json.dumps(table))
        return
    print("| one output frame | wall p50 | wall p99 | CPU p50 | times ours |")
    print("|---|---|---|---|---|")
    for name, row in table.items():
        print(
            f"| {name} | {row['wall_p50_ms']:.2f} ms | {row['wall_p99_ms']:.2f} ms | "
            f"{row['cpu_p50_ms']:.2f} ms | {row['times_ours']:.1f} |"
        )


def our_frame(folder: Path, rounds: int) -> Callable[[], object]:
    """A function that takes what arrived in a tick and gives the next face."""
    checkpoint = load_checkpoint(folder)
    driver = Driver(Predictor(checkpoint, FACE_12, open_network(checkpoint), OPENING))
    seconds = OPENING.end_s + 1.0 + (rounds + 10) / 60.0
    faces = one_by_one(driver, blocks(seconds))
    *_, last = islice(faces, int(60 * (OPENING.end_s + 0.5)))
    if last.confidence == 0:
        raise SystemExit("expected a face that moves after the opening")
    return lambda: next(faces)


def one_by_one(driver: Driver, waiting: Iterable[ImuBlock]) -> Iterator[BlendshapeFrame]:
    """The frames that come of these blocks."""
    for block in waiting:
        yield from driver.frames_until(block.arrival_ns - 1)
        driver.arrived(block)


def blocks(seconds: float) -> list[ImuBlock]:
    """A sample of all slots at a time, as a serial line brings them: noise on gravity."""
    rng = np.random.default_rng(0)
    slots = len(FACE_12.slots)
    out = []
    for k in range(int(seconds * RATE_HZ)):
        accel = np.array([0.0, 9.81, 0.0]) + rng.normal(0.0, 0.3, (1, slots, 3))
        out.append(
            ImuBlock(
                np.array([k * 1_000_000 // RATE_HZ], np.int64),
                np.array([k], np.int64),
                accel.astype(np.float32),
                rng.normal(0.0, 0.2, (1, slots, 3)).astype(np.float32),
                k * NS // RATE_HZ + 2_000_000,
            )
        )
    return out


def in_torch(network: nn.Module, shape: tuple[int, ...], passes: int) -> Callable[[], object]:
    """One output frame as torch runs it."""
    x = torch.randn(shape)

    def once() -> None:
        with torch.inference_mode():
            for _ in range(passes):
                network(x)

    return once


def in_runtime(network: nn.Module, shape: tuple[int, ...], passes: int) -> Callable[[], object]:
    """The same in ONNX Runtime, with the options of `model.network`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            network,
            (torch.randn(shape),),
            path,
            input_names=["x"],
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)

    def once() -> None:
        for _ in range(passes):
            session.run(None, {"x": x})

    return once


if __name__ == "__main__":
    main()
