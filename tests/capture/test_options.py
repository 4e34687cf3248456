"""Durations as options: what no recording can last is refused before anything is opened."""

import pytest

from imusic.cli import main

RECORD = ["record", "--rig", "no-rig.toml", "--out", "no-takes"]


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e300", "0", "-1", "604801"])
@pytest.mark.parametrize(
    "argv",
    [
        [*RECORD, "--seconds"],
        [*RECORD, "--start-timeout"],
        ["view", "--headless", "--seconds"],
    ],
    ids=lambda argv: f"{argv[0]} {argv[-1]}",
)
def test_a_duration_that_nothing_can_last_is_one_line_that_names_the_option(argv, value, capsys):
    assert main([*argv, value]) == 2
    message, hint = capsys.readouterr().err.splitlines()
    assert argv[-1] in message
    assert hint == f"  hint: see `imusic {argv[0]} --help`"


def test_a_week_is_a_duration(capsys):
    assert main([*RECORD, "--seconds", "604800"]) == 2
    assert "no-rig.toml" in capsys.readouterr().err
