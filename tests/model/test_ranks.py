"""Two real processes that train one network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import tomli_w

from dataset_tools.casting import DataConfig
from model.checkpoint import load_checkpoint
from model.config import DenoiserConfig, Recipe, StageConfig, WearerConfig
from model.run_logs import LOG_FILE
from model.run_state import STATE_FILE

ROOT = Path(__file__).parents[2]
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
import json, os, sys
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

def write(*args, write=model.export.write_checkpoint):
    SEEN["wrote"] += 1
    write(*args)

if __name__ == "__main__":
    model.train.Run = Watched
    model.export.write_checkpoint = write
    code = main(sys.argv[2:])
    Path(sys.argv[1], os.environ["RANK"] + ".json").write_text(json.dumps(SEEN))
    sys.exit(code)
"""


@pytest.mark.slow
@pytest.mark.integration
def test_two_processes_draw_different_batches_and_come_to_one_network(tmp_path):
    script, recipe, out = tmp_path / "watched.py", tmp_path / "two.toml", tmp_path / "out"
    script.write_text(WATCHED)
    recipe.write_text(tomli_w.dumps(msgspec.json.decode(msgspec.json.encode(RECIPE))))
    verb = ["train", "--recipe", str(recipe), "--out", str(out), "--data", str(tmp_path)]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    ended = subprocess.run(
        [sys.executable, *launcher, str(script), str(tmp_path), *verb, "--device", "cpu"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert len(first["digests"]) == 2
    assert first["digests"] == second["digests"]
    assert first["digests"][0] != first["digests"][1]
    assert len(first["drawn"]) == len(second["drawn"]) == 6
    assert all(one != other for one, other in zip(first["drawn"], second["drawn"], strict=True))
    assert (first["wrote"], second["wrote"]) == (1, 0)
    assert ended.stdout.splitlines() == [str(out / "checkpoint")]
    assert load_checkpoint(out / "checkpoint").facts.name == "two"
    rows = [json.loads(line) for line in (out / LOG_FILE).read_text().splitlines()]
    assert [row["stage"] for row in rows] == ["pretrain", "refine"]
    for row in rows:  # 3 steps of 4 windows, twice, in 2 processes
        assert row["samples_per_second"] * row["seconds"] == pytest.approx(48)
    assert (out / STATE_FILE).is_file()
