"""The verbs predict and evaluate, as typed."""

import pytest

from imusic.cli import main


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    """Rich believes in a terminal where GitHub's runners or these variables say so."""
    for name in ("FORCE_COLOR", "GITHUB_ACTIONS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_an_error_is_its_line_and_its_hint_and_no_empty_line(verb, tmp_path, capsys):
    out = ["--out", str(tmp_path / "face.npz")] if verb == "predict" else []
    assert main([verb, str(tmp_path), *out]) == 2
    message, hint = capsys.readouterr().err.splitlines()
    assert message == f"imusic: {tmp_path} is not a take: it has no take.toml"
    assert hint.startswith("  hint: ")
