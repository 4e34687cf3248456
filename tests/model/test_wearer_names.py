"""Profiles are found by name."""

import pytest

from firmware_host.errors import ConfigError
from model.wearer import find_wearer


def test_a_file_goes_before_a_name_and_folders_are_looked_through(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / "kept"
    for place in (tmp_path / "wearers", kept):
        place.mkdir()
        (place / "anna.safetensors").touch()
    (tmp_path / "ben.safetensors").touch()
    assert find_wearer("ben.safetensors").name == "ben.safetensors"
    assert find_wearer("ben").resolve() == tmp_path / "ben.safetensors"
    assert find_wearer("anna").resolve() == tmp_path / "wearers" / "anna.safetensors"
    assert find_wearer("anna", [kept]) == kept / "anna.safetensors"


def test_a_name_that_nobody_has_is_refused_with_those_that_there_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "anna.safetensors").touch()
    with pytest.raises(ConfigError, match="no profile of 'bob'") as caught:
        find_wearer("bob")
    assert "anna" in caught.value.hint
