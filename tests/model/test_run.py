"""One training run: broken off and resumed, in small batches, in bfloat16, and what it logs."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from capture.provenance import DataUse
from dataset_tools.casting import DataConfig
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import FACE_12
from model.config import DenoiserConfig, DiffusionConfig, Recipe, StageConfig, WearerConfig
from model.diffusion import cosine_alphas_cumprod
from model.epochs import Drawer, Epochs, plans
from model.features import feature_count
from model.ranks import Ranks, open_ranks
from model.run import Run
from model.run_logs import LOG_FILE, EpochDone, Pace, RunLogs
from model.run_state import STATE_FILE, RunState, load_state, save_state
from model.sequences import Sequence
from model.stages import add_drawn_noise
from model.train import train

ROOT = Path(__file__).parents[2]
ALONE = Ranks(0, 1, torch.device("cpu"))
STAGE = StageConfig(epochs=2, steps_per_epoch=3, batch=4)
# Dropout on purpose: its chance must come back after a break as well.
RECIPE = Recipe(
    name="test",
    data=DataConfig(hours=0.01, sequence_s=6.0, generated_share=1.0),
    pretrain=STAGE,
    refine=msgspec.structs.replace(STAGE, learning_rate=2e-4),
    denoiser=DenoiserConfig(width=16, layers=2, heads=2, window=12, dropout=0.1),
    wearer=WearerConfig(prior_wearers=6, enrolled_share=0.5, enrolment_s=(4.0, 5.0)),
)
USES = (DataUse("anna", "0" * 64, "CC0-1.0"),)


def sequences(number: int) -> list[Sequence]:
    """Faces that follow linearly from what is felt, others in every epoch."""
    mixing = np.random.default_rng(0).normal(0, 0.02, (feature_count(FACE_12), 52))
    rng, made = np.random.default_rng((1, number)), []
    for i in range(4):
        seen = rng.normal(size=(60, feature_count(FACE_12)))
        change = (seen @ mixing).astype(np.float16)
        estimates = np.concatenate((0.5 * change, np.full_like(change, 0.1)), axis=1)
        made.append(Sequence(f"p{i % 2}", seen.astype(np.float16), change, np.zeros(52), estimates))
    return made


def run_of(recipe: Recipe) -> tuple[Run, Epochs]:
    epochs = Epochs(sequences)
    return Run(recipe, epochs.get(0), ALONE), epochs


def trained(recipe: Recipe = RECIPE, epochs_done: int = 4) -> Run:
    run, epochs = run_of(recipe)
    for plan in list(plans(recipe))[:epochs_done]:
        run.epoch(plan, epochs.get(plan.number))
        run.keep({"r": float(-plan.number), "offset_free_ratio": 0.0})  # the first stays the best
    return run


def same(one: RunState, other: RunState) -> bool:
    parts = ("network", "averaged", "best", "optimiser")
    pairs = [(getattr(one, part), getattr(other, part)) for part in parts]
    return all(a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a) for a, b in pairs)


def test_a_run_broken_off_after_any_epoch_ends_bit_for_bit_as_one_that_was_not(tmp_path):
    whole = trained().state()
    assert whole.optimiser  # or nothing of it is compared
    for broken_after in (1, 2, 3):
        save_state(trained(epochs_done=broken_after).state(), RECIPE, USES, 1, tmp_path)
        run, epochs = run_of(RECIPE)
        state = load_state(RECIPE, USES, 1, tmp_path)
        assert state is not None
        run.resume(state)
        assert run.done == broken_after
        for plan in plans(RECIPE, run.done):
            run.epoch(plan, epochs.get(plan.number))
            run.keep({"r": float(-plan.number), "offset_free_ratio": 0.0})
        assert same(run.state(), whole), broken_after
        assert run.state().best_score == whole.best_score == 0.0


def test_without_the_optimiser_the_rest_would_be_another(tmp_path):
    save_state(trained(epochs_done=1).state(), RECIPE, USES, 1, tmp_path)
    run, epochs = run_of(RECIPE)
    state = load_state(RECIPE, USES, 1, tmp_path)
    assert state is not None
    run.resume(RunState(1, None, state.network, state.averaged, state.best, {}))
    for plan in list(plans(RECIPE, 1))[:1]:
        run.epoch(plan, epochs.get(plan.number))
    assert run.digest() != trained(epochs_done=2).digest()


class Drifted(Ranks):
    """One of two processes whose other has come to weights of its own."""

    def gathered(self, what: object) -> list[object]:
        assert isinstance(what, tuple)
        return [what, ("other", what[1])]


def test_processes_that_came_to_different_weights_stop():
    run, epochs = run_of(RECIPE)
    run._ranks = Drifted(0, 2, torch.device("cpu"))
    with pytest.raises(RuntimeError, match="2 different networks"):
        run.epoch(next(plans(RECIPE)), epochs.get(0))


def test_the_best_averages_are_not_those_of_later_epochs():
    run = trained(epochs_done=3)
    best, averaged = run.best().state_dict(), run.averaged().state_dict()
    assert any(not torch.equal(best[key], averaged[key]) for key in best)
    first = trained(epochs_done=1).averaged().state_dict()
    assert all(torch.equal(best[key], first[key]) for key in best)


DYING = """
import os, signal, sys
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
import msgspec
import model.run_state
from model.config import Recipe
from model.train import train

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def half(tensors, path, header):
    path.write_bytes(b"half a file")
    die()

if __name__ == "__main__":
    where, out = sys.argv[1], Path(sys.argv[2])
    if where == "while saving":
        model.run_state.save_file = half
    recipe = msgspec.json.decode(sys.argv[3], type=Recipe)
    train(recipe, out, out, die, "cpu")
"""


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_run_killed_again_and_again_ends_as_one_that_was_not(tmp_path):
    script = tmp_path / "dying.py"
    script.write_text(DYING)
    plan = msgspec.json.encode(RECIPE).decode()
    killed, calm = tmp_path / "killed", tmp_path / "calm"
    kept = []
    # Between two epochs, and in the middle of a state whose epoch is in the log already.
    for where in ("after", "while saving", "after"):
        ended = subprocess.run(
            [sys.executable, str(script), where, str(killed), plan],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        with safe_open(killed / STATE_FILE, "pt") as file:
            kept.append(json.loads(file.metadata()["facts"])["epochs_done"])
    assert kept == [1, 1, 2]
    broken, whole = (train(RECIPE, out, out, lambda _: None, "cpu") for out in (killed, calm))
    assert broken is not None
    assert whole is not None
    for key, value in whole.denoiser.state_dict().items():
        assert torch.equal(broken.denoiser.state_dict()[key], value), key
    states = [load_file(out / STATE_FILE) for out in (killed, calm)]
    assert all(torch.equal(states[0][key], value) for key, value in states[1].items())
    logs = [
        [json.loads(line) for line in (out / LOG_FILE).read_text().splitlines()]
        for out in (killed, calm)
    ]
    facts = [[(r["stage"], r["epoch"], r["loss"]) for r in log] for log in logs]
    assert facts[0] == facts[1]
    assert len(facts[0]) == 4


@pytest.fixture
def saved(tmp_path) -> Path:
    save_state(trained(epochs_done=1).state(), RECIPE, USES, 1, tmp_path)
    return tmp_path


def test_where_no_run_was_there_is_no_state(tmp_path):
    assert load_state(RECIPE, USES, 1, tmp_path) is None


def test_another_recipe_does_not_go_on_from_here(saved):
    stage = msgspec.structs.replace(RECIPE.pretrain, batch=5)
    other = msgspec.structs.replace(RECIPE, pretrain=stage)
    with pytest.raises(ConfigError, match=r"pretrain\.batch = 4, this recipe 5"):
        load_state(other, USES, 1, saved)


def test_other_recordings_do_not_go_on_from_here(saved):
    with pytest.raises(ConfigError, match="other recordings"):
        load_state(RECIPE, (), 1, saved)


def test_another_number_of_processes_does_not_go_on_from_here(saved):
    with pytest.raises(ConfigError, match="1 processes, this one 2"):
        load_state(RECIPE, USES, 2, saved)


def test_a_damaged_state_and_one_of_an_older_version_are_refused(saved):
    path = saved / STATE_FILE
    whole = path.read_bytes()
    for cut in (0, 7, 100, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match="not readable"):
            load_state(RECIPE, USES, 1, saved)
    save_file({"scale": torch.ones(52)}, path)
    with pytest.raises(DataError, match="older version"):
        load_state(RECIPE, USES, 1, saved)


def with_stages(**changes: object) -> Recipe:
    stage = msgspec.structs.replace(RECIPE.pretrain, **changes)
    denoiser = msgspec.structs.replace(RECIPE.denoiser, dropout=0.0)
    return msgspec.structs.replace(RECIPE, pretrain=stage, refine=stage, denoiser=denoiser)


def test_two_batches_of_four_teach_what_one_of_eight_does():
    together = trained(with_stages(batch=8, accumulate=1)).state().network
    apart = trained(with_stages(batch=4, accumulate=2)).state().network
    fewer = trained(with_stages(batch=4, accumulate=1)).state().network
    for key, value in together.items():
        torch.testing.assert_close(apart[key], value, atol=2e-5, rtol=1e-3)
    assert max(float((fewer[k] - v).abs().max()) for k, v in together.items()) > 1e-3


def test_the_parts_of_a_step_are_its_examples_in_order():
    torch.manual_seed(0)
    signal_left = torch.from_numpy(cosine_alphas_cumprod(1000)).float()
    drawn = add_drawn_noise(
        torch.randn(6, 3, 9), torch.randn(6, 3, 52), signal_left, DiffusionConfig()
    )
    parts = drawn.parts(3)
    assert [len(part.t) for part in parts] == [2, 2, 2]
    for name in ("features", "target", "xt", "t"):
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(joined, getattr(drawn, name))


def test_bfloat16_trains_and_keeps_its_weights_in_float32():
    stage = msgspec.structs.replace(STAGE, epochs=4, steps_per_epoch=20, batch=16)
    exact = msgspec.structs.replace(with_stages(), pretrain=stage)
    mixed = msgspec.structs.replace(exact, precision="bfloat16")
    run, epochs = run_of(mixed)
    losses = [run.epoch(p, epochs.get(0)).loss for p in plans(mixed) if p.stage == "pretrain"]
    assert losses[-1] < 0.9 * losses[0]
    state = run.state()
    for tensor in (*state.network.values(), *state.averaged.values(), *state.optimiser.values()):
        assert tensor.dtype == torch.float32
        assert tensor.isfinite().all()
    plain, epochs = run_of(exact)
    unmixed = [plain.epoch(p, epochs.get(0)).loss for p in plans(exact) if p.stage == "pretrain"]
    assert losses != unmixed  # or nothing was rounded
    np.testing.assert_allclose(losses, unmixed, rtol=0.05)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pretrain": {"accumulate": 0}}, "accumulate must be at least 1"),
        ({"pretrain": {"batch": 0}}, "batch must be at least 1"),
        ({"precision": "float16"}, "float16"),
    ],
)
def test_a_recipe_that_cannot_train_is_refused(change, says):
    facts = msgspec.to_builtins(RECIPE)
    for key, value in change.items():
        facts[key] = facts[key] | value if isinstance(value, dict) else value
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(facts, Recipe)


def told(epoch: int) -> EpochDone:
    return EpochDone("pretrain", epoch, 9, 0.5, 1e-3, 2.0, 640.0, 60.0, {"r": 0.25})


def test_the_log_forgets_what_was_not_saved(tmp_path):
    logs = RunLogs(tmp_path, 0)
    for number in range(3):
        logs.add(number, told(number + 1))
    with (tmp_path / LOG_FILE).open("ab") as file:
        file.write(b'{"stage": "pre')
    resumed = RunLogs(tmp_path, 2)
    resumed.add(2, told(3))
    rows = [json.loads(line) for line in (tmp_path / LOG_FILE).read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[0] == {
        "stage": "pretrain",
        "epoch": 1,
        "epochs": 9,
        "loss": 0.5,
        "learning_rate": 1e-3,
        "seconds": 2.0,
        "samples_per_second": 640.0,
        "seconds_left": 60.0,
        "r": 0.25,
    }


def test_the_time_left_follows_the_pace_of_this_run():
    clock = iter([100.0, 110.0, 140.0])
    pace = Pace(lambda: next(clock))
    assert pace.seconds_left(5) == 50.0
    assert pace.seconds_left(4) == 80.0


def test_tensorboard_is_told_the_same_figures(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logs = RunLogs(tmp_path, 0)
    for number in range(2):
        logs.add(number, told(number + 1))
    logs.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("r")] == [(0, 0.25), (1, 0.25)]
    assert events.Scalars("samples_per_second")[0].value == 640.0


@pytest.mark.parametrize("device", ["quantum", "meta", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(ConfigError, match=device), open_ranks(device):
        pass


def test_nothing_is_drawn_that_no_epoch_wants(monkeypatch):
    asked: list[int] = []

    def ask(drawer: Drawer, number: int) -> None:
        asked.append(number)
        future: Future[list[Sequence]] = Future()
        future.set_result(sequences(number))
        drawer._next = (number, future)

    monkeypatch.setattr(Drawer, "_ask", ask)
    recipe = msgspec.structs.replace(RECIPE, refine=msgspec.structs.replace(STAGE, epochs=5))
    for done, wanted in ((0, [0, 1, 2, 3, 4, 5, 6]), (5, [0, 3, 4, 5, 6]), (7, [0])):
        asked.clear()
        with closing(Drawer(recipe, Path(), None, done)) as drawer:
            epochs = Epochs(drawer.draw)
            epochs.get(0)
            for plan in plans(recipe, done):
                epochs.get(plan.number)
        assert asked == wanted
