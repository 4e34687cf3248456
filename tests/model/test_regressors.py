"""What diffusion is compared with is as causal, learns as whole, and exports alike."""

import numpy as np
import pytest
import torch

from firmware_host.errors import ConfigError
from firmware_host.layout import FACE_12
from model.config import DenoiserConfig, read_recipe
from model.ensemble import Ensemble
from model.export import export_onnx
from model.features import feature_count
from model.kalman import input_count
from model.regressors import KINDS, TcnRegressor

REGRESSORS = [kind for kind in KINDS if kind != "diffusion"]
WIDTH, WINDOW = input_count(FACE_12), 12


def network(kind: str) -> Ensemble:
    torch.manual_seed(0)
    config = DenoiserConfig(kind=kind, width=16, layers=3, heads=2, window=WINDOW, dropout=0.0)
    made = Ensemble(WIDTH, feature_count(FACE_12), config)
    for member in made.members:
        torch.nn.init.normal_(member.to_weights.weight, std=0.1)  # a fresh one answers zero
    return made.eval()


def inputs():
    torch.manual_seed(1)
    return torch.randn(2, WINDOW, 52), torch.full((2,), 500.0), torch.randn(2, WINDOW, WIDTH)


@pytest.mark.parametrize("kind", REGRESSORS)
def test_row_k_never_sees_later_rows_but_sees_earlier_ones(kind):
    made, (xt, t, seen) = network(kind), inputs()
    before, other = made(xt, t, seen), seen.clone()
    other[:, 5] += 1.0
    after = made(xt, t, other)
    assert torch.equal(before[:, :5], after[:, :5])
    assert (before - after).abs()[:, 5:].amax(dim=(0, 2)).min() > 1e-6


@pytest.mark.parametrize("kind", REGRESSORS)
def test_neither_noise_nor_time_changes_the_answer(kind):
    made, (xt, t, seen) = network(kind), inputs()
    assert torch.equal(made(xt, t, seen), made(xt + 1.0, t - 400.0, seen))


@pytest.mark.parametrize("kind", REGRESSORS)
def test_gradients_reach_every_parameter(kind):
    made, (xt, t, seen) = network(kind), inputs()
    made.train()
    made(xt, t, seen).square().sum().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("kind", REGRESSORS)
def test_the_exported_network_has_the_same_inputs_and_says_the_same(kind, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    made, (xt, t, seen) = network(kind), inputs()
    export_onnx(made, tmp_path / "x.onnx")
    session = runtime.InferenceSession(tmp_path / "x.onnx", providers=["CPUExecutionProvider"])
    assert [given.name for given in session.get_inputs()] == ["xt", "t", "features"]
    feed = {"xt": xt[:1].numpy(), "t": t[:1].numpy(), "features": seen[:1].numpy()}
    with torch.no_grad():
        expected = made(xt[:1], t[:1], seen[:1]).numpy()
    np.testing.assert_allclose(session.run(["x0"], feed)[0], expected, atol=1e-5)


def test_four_blocks_of_convolutions_see_as_far_back_as_said():
    config = DenoiserConfig(kind="tcn", width=4, layers=4, heads=1, window=80)
    made = TcnRegressor(WIDTH, config).eval()
    x = torch.randn(1, 80, 4, requires_grad=True)
    made.understood(x, x, x)[0, -1].sum().backward()
    seen = x.grad.abs().amax(dim=(0, 2)) > 0
    assert int(seen.sum()) == 61
    assert bool(seen[-61:].all())


def test_a_regressor_of_many_steps_is_refused(tmp_path):
    path = tmp_path / "r.toml"
    stage = "epochs = 1\nsteps_per_epoch = 1\n"
    path.write_text(
        f'name = "r"\n[denoiser]\nkind = "gru"\n[data]\n[pretrain]\n{stage}[refine]\n{stage}'
    )
    with pytest.raises(ConfigError, match="a gru answers in one pass"):
        read_recipe(path)
