"""A profile is read back as it was written, and refused by name where it is none."""

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save_file

from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import FACE_12, select
from model.responses import FELT, SiteResponses
from model.wearer import Wearer, WearerFacts, load_wearer, save_wearer

SLOTS = tuple(FACE_12.slots[i].name for i in FACE_12.face_indices)


@pytest.fixture
def anna() -> Wearer:
    rng = np.random.default_rng(0)
    width = 3 * len(FELT)
    facts = WearerFacts(
        name="anna",
        slots=SLOTS,
        take="take-001",
        take_sha256="ab",
        seconds=120.0,
        simulated=True,
        before={"mae": 0.04},
        after={"mae": 0.02},
    )
    covariance = np.repeat(0.01 * np.eye(width)[None], len(SLOTS), axis=0)
    responses = SiteResponses(rng.normal(size=(len(SLOTS), 3, len(FELT))), covariance)
    return Wearer(facts, responses, rng.uniform(0, 0.1, 52).astype(np.float32))


def test_a_profile_comes_back_as_it_was_written(anna, tmp_path):
    path = tmp_path / "anna.safetensors"
    save_wearer(anna, path)
    again = load_wearer(path, FACE_12)
    assert again.facts == anna.facts
    np.testing.assert_allclose(again.responses.mean, anna.responses.mean, atol=1e-6)
    np.testing.assert_allclose(again.responses.variance, anna.responses.variance, atol=1e-6)
    np.testing.assert_array_equal(again.rest_weights, anna.rest_weights)
    assert [p.name for p in tmp_path.iterdir()] == ["anna.safetensors"]


def test_nothing_is_overwritten_and_names_are_checked_before_the_work(anna, tmp_path):
    path = tmp_path / "anna.safetensors"
    save_wearer(anna, path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="exists already"):
        save_wearer(anna, path)
    assert path.read_bytes() == before
    with pytest.raises(ConfigError, match=r"expected a name that ends in \.safetensors"):
        save_wearer(anna, tmp_path / "anna.bin")
    with pytest.raises(ConfigError, match="there is no folder"):
        save_wearer(anna, tmp_path / "missing" / "anna.safetensors")


def test_a_profile_for_other_slots_is_refused_by_name(anna, tmp_path):
    path = tmp_path / "anna.safetensors"
    save_wearer(anna, path)
    fewer = select(FACE_12, FACE_12.names[2:])
    with pytest.raises(ConfigError, match=r"enrolled with the slots frontalis_left.*knows orbic"):
        load_wearer(path, fewer)


def test_a_profile_of_another_schema_is_refused(anna, tmp_path):
    path = tmp_path / "anna.safetensors"
    facts = msgspec.structs.replace(anna.facts, schema_version=9)
    save_wearer(Wearer(facts, anna.responses, anna.rest_weights), path)
    with pytest.raises(ConfigError, match="expected wearer schema 1, got 9"):
        load_wearer(path, FACE_12)


@pytest.mark.parametrize("contents", [b"", b"\x00" * 7, b"not safetensors at all" * 9])
def test_garbage_is_named(tmp_path, contents):
    path = tmp_path / "anna.safetensors"
    path.write_bytes(contents)
    with pytest.raises(DataError, match=r"anna\.safetensors"):
        load_wearer(path, FACE_12)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(DataError, match=r"nobody.safetensors: cannot be read"):
        load_wearer(tmp_path / "nobody.safetensors", FACE_12)
    with pytest.raises(DataError, match=r"cannot be read|not a safetensors"):
        load_wearer(tmp_path, FACE_12)


def test_safetensors_of_something_else_are_no_profile(tmp_path):
    path = tmp_path / "network.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, path)
    with pytest.raises(DataError, match="is no wearer's profile"):
        load_wearer(path, FACE_12)


def test_a_profile_cut_short_or_with_wild_numbers_is_refused(anna, tmp_path):
    path = tmp_path / "anna.safetensors"
    wild = SiteResponses(np.full_like(anna.responses.mean, np.nan), anna.responses.covariance)
    save_wearer(Wearer(anna.facts, wild, anna.rest_weights), path)
    with pytest.raises(DataError, match="not finite"):
        load_wearer(path, FACE_12)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="not a safetensors file"):
        load_wearer(path, FACE_12)
