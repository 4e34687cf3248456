"""What the verbs of the model refuse, and what they say."""

import pytest

from imusic.cli import main


@pytest.mark.parametrize("seconds", ["nan", "inf", "-inf", "-1", "0", "0.05"])
def test_live_refuses_a_time_that_is_none(seconds, tmp_path, capsys):
    rig = tmp_path / "rig.toml"
    rig.write_text('[hub]\nurl = "serial:/dev/none"\n')
    assert main(["live", "--rig", str(rig), "--seconds", seconds]) == 2
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.startswith("imusic: ")
    assert "--seconds" in first
    assert [line.startswith("  hint:") for line in rest] == [True]
