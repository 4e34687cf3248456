"""A network that is not the one its checkpoint.json speaks of is refused by what differs."""

import shutil

import msgspec
import numpy as np
import pytest

from capture.blendshapes import ARKIT_NAMES
from firmware_host.errors import DataError
from firmware_host.layout import layout_to_dict, select
from model.checkpoint import SHIPPED, CheckpointFacts, load_checkpoint
from model.kalman import input_count
from model.network import open_network


def changed(folder, **facts):
    """The shipped checkpoint with other facts in its JSON, loaded from `folder`."""
    for name in (
        "checkpoint.json",
        "denoiser.onnx",
        "baselines.safetensors",
        "belief.safetensors",
    ):
        shutil.copy(SHIPPED / name, folder)
    path = folder / "checkpoint.json"
    before = msgspec.json.decode(path.read_bytes(), type=CheckpointFacts)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(before, **facts)))
    return load_checkpoint(folder)


def test_the_shipped_network_fits():
    checkpoint = load_checkpoint()
    window = checkpoint.facts.window
    features = np.zeros((1, window, input_count(checkpoint.layout)), np.float32)
    noise = np.zeros((1, window, len(ARKIT_NAMES)), np.float32)
    assert open_network(checkpoint)(noise, 10, features).shape == noise.shape


@pytest.mark.parametrize("more", [-1, 1, 100])
def test_another_window_is_refused(tmp_path, more):
    window = load_checkpoint().facts.window
    said = rf"expected xt of shape \[1, {window + more}, 52\].*got \[1, {window}, 52\]"
    with pytest.raises(DataError, match=said):
        open_network(changed(tmp_path, window=window + more))


def test_another_layout_is_refused(tmp_path):
    known = load_checkpoint().layout
    fewer = select(known, [name for name in known.names if name != known.names[0]])
    with pytest.raises(DataError, match=r"belief.safetensors: expected tensor 'responses_mean'"):
        changed(tmp_path, layout=layout_to_dict(fewer))


def test_a_network_of_another_kind_is_refused(tmp_path):
    onnx = pytest.importorskip("onnx")
    checkpoint = changed(tmp_path)
    graph = onnx.load(checkpoint.onnx_path)
    graph.graph.input[1].name = "time"
    for node in graph.graph.node:
        node.input[:] = ["time" if name == "t" else name for name in node.input]
    onnx.save(graph, checkpoint.onnx_path)
    with pytest.raises(
        DataError, match="expected a network of xt, t, features, x0, got one of xt,"
    ):
        open_network(checkpoint)
