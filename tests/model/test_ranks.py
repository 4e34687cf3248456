"""Two real processes that train one network."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomli_w

from dataset_tools.casting import DataConfig
from model.checkpoint import load_checkpoint
from model.config import DenoiserConfig, Recipe, StageConfig, WearerConfig
from model.run_logs import LOG_FILE
from model.run_state import STATE_FILE

ROOT = Path(__file__).parents[2]
_LONGEST_S = 600
STAGE = StageConfig(epochs=1, steps_per_epoch=3, batch=4, accumulate=2)
RECIPE = Recipe(
    name="two",
    data=DataConfig(hours=0.01, sequence_s=6.0, generated_share=1.0),
    pretrain=STAGE,
    refine=STAGE,
    denoiser=DenoiserConfig(width=16, layers=2, heads=2, window=12),
    wearer=WearerConfig(prior_wearers=6, enrolled_share=0.5, enrolment_s=(4.0, 5.0)),
)

# `imusic train` with someone who writes down, in every process, what it drew and came to.
WATCHED = """
import json, os, signal, sys
from pathlib import Path
import model.export
import model.train
from imusic.cli import main
from model.run import Run

SEEN = {"drawn": [], "digests": [], "wrote": 0}

class Watched(Run):
    def _drawn(self, stage, sequences, rng):
        drawn = super()._drawn(stage, sequences, rng)
        SEEN["drawn"].append([float(drawn.features.sum()), float(drawn.xt.sum())])
        return drawn

    def epoch(self, plan, sequences):
        steps = super().epoch(plan, sequences)
        SEEN["digests"].append(self.digest())
        return steps

def save(*args, save=model.train.save_state):
    save(*args)
    if os.environ["DYING"]:
        os.kill(os.getpid(), signal.SIGKILL)

def write(*args, write=model.export.write_checkpoint):
    SEEN["wrote"] += 1
    write(*args)

if __name__ == "__main__":
    model.train.Run = Watched
    model.train.save_state = save
    model.export.write_checkpoint = write
    code = main(sys.argv[2:])
    Path(sys.argv[1], os.environ["RANK"] + ".json").write_text(json.dumps(SEEN))
    sys.exit(code)
"""


def launch(folder: Path, dying: bool = False) -> subprocess.CompletedProcess[str]:
    """Train with two processes in `folder`; the first kills itself after an epoch if `dying`."""
    script, recipe = folder / "watched.py", folder / "two.toml"
    script.write_text(WATCHED)
    recipe.write_text(tomli_w.dumps(msgspec.json.decode(msgspec.json.encode(RECIPE))))
    verb = ["train", "--recipe", str(recipe), "--out", str(folder / "out"), "--data", str(folder)]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    told = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "DYING": "1" if dying else ""}
    # Into files: a pipe would stay open for as long as anybody whom a killed process had started.
    out, err = folder / "stdout", folder / "stderr"
    with out.open("w") as stdout, err.open("w") as stderr:
        ended = subprocess.run(
            [sys.executable, *launcher, str(script), str(folder), *verb, "--device", "cpu"],
            cwd=ROOT,
            env=os.environ | told,
            stdout=stdout,
            stderr=stderr,
            timeout=_LONGEST_S,
            check=False,
        )
    return subprocess.CompletedProcess(
        ended.args, ended.returncode, out.read_text(), err.read_text()
    )


def seen(folder: Path) -> list[dict[str, Any]]:
    """What each process wrote down."""
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.fixture(scope="module")
def calm(tmp_path_factory) -> tuple[Path, str]:
    """A whole run, and what it said on stdout."""
    folder = tmp_path_factory.mktemp("calm")
    ended = launch(folder)
    assert ended.returncode == 0, ended.stderr
    return folder, ended.stdout


@pytest.mark.slow
@pytest.mark.integration
def test_two_processes_draw_different_batches_and_come_to_one_network(calm):
    folder, said = calm
    first, second = seen(folder)
    assert len(first["digests"]) == 2
    assert first["digests"] == second["digests"]
    assert first["digests"][0] != first["digests"][1]
    assert len(first["drawn"]) == len(second["drawn"]) == 6
    assert all(one != other for one, other in zip(first["drawn"], second["drawn"], strict=True))
    assert (first["wrote"], second["wrote"]) == (1, 0)
    assert said.splitlines() == [str(folder / "out" / "checkpoint")]
    assert load_checkpoint(folder / "out" / "checkpoint").facts.name == "two"
    rows = [json.loads(line) for line in (folder / "out" / LOG_FILE).read_text().splitlines()]
    assert [row["stage"] for row in rows] == ["pretrain", "refine"]
    for row in rows:  # 3 steps of 4 windows, twice, in 2 processes
        assert row["samples_per_second"] * row["seconds"] == pytest.approx(48)
    assert (folder / "out" / STATE_FILE).is_file()


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_two_processes_go_on_after_a_kill_as_if_nothing_had_been(calm, tmp_path):
    assert launch(tmp_path, dying=True).returncode != 0
    assert len((tmp_path / "out" / LOG_FILE).read_text().splitlines()) == 1
    assert not (tmp_path / "out" / "checkpoint").exists()
    ended = launch(tmp_path)
    assert ended.returncode == 0, ended.stderr
    for resumed, whole in zip(seen(tmp_path), seen(calm[0]), strict=True):
        assert resumed["digests"] == whole["digests"][1:]
