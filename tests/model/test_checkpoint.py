"""A checkpoint on disk: what is accepted, and what is refused by the name of its file."""

import hashlib
import json

import msgspec
import pytest

from firmware_host.errors import DataError
from model.checkpoint import load_checkpoint, save_checkpoint


@pytest.fixture
def saved(checkpoint, tmp_path):
    """A whole checkpoint; what stands for its network is never run."""
    network = b"a network"
    (tmp_path / "denoiser.onnx").write_bytes(network)
    facts = msgspec.structs.replace(
        checkpoint.facts, onnx_sha256=hashlib.sha256(network).hexdigest()
    )
    save_checkpoint(tmp_path, facts, checkpoint.mean_change, checkpoint.ridge, checkpoint.belief)
    return tmp_path


def edit(path, change):
    facts = json.loads(path.read_text())
    change(facts)
    path.write_text(json.dumps(facts))


@pytest.mark.parametrize("name", ["denoiser.onnx", "baselines.safetensors", "belief.safetensors"])
def test_one_flipped_bit_anywhere_is_refused_and_the_file_named(saved, name):
    load_checkpoint(saved)
    path = saved / name
    contents = bytearray(path.read_bytes())
    contents[-1] ^= 1
    path.write_bytes(contents)
    with pytest.raises(DataError, match="hash differs") as caught:
        load_checkpoint(saved)
    assert str(path) in str(caught.value)


def test_a_checkpoint_from_before_baselines_had_a_hash_still_loads(saved):
    edit(saved / "checkpoint.json", lambda facts: facts.pop("baselines_sha256"))
    assert load_checkpoint(saved).facts.baselines_sha256 == ""


def test_a_malformed_layout_names_the_file_and_the_key(saved):
    path = saved / "checkpoint.json"
    edit(path, lambda facts: facts["layout"].pop("reference"))
    with pytest.raises(DataError, match="key 'reference' is missing") as caught:
        load_checkpoint(saved)
    assert str(path) in str(caught.value)
