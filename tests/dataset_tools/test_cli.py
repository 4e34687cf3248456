import numpy as np
import pytest

from dataset_tools.recordings import read_performance
from firmware_host.errors import ConfigError
from imusic import cli
from imusic.sim import SimOptions, load_performance, performed


def test_a_text_becomes_a_file_that_can_be_read_and_is_not_overwritten(tmp_path, capsys):
    out = tmp_path / "hello.npz"
    command = ["performances", "make", "--text", "Hello, my friend.", "--out", str(out)]
    assert cli.main(command) == 0
    made = read_performance(out)
    assert made.duration_s > 1.5
    assert np.ptp(made.weights, axis=0).max() > 0.1
    assert cli.main(command) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--out", "face.csv"], "ending in .npz"),
        (["--out", "new.npz", "--language", "klingon"], "there are english, spanish"),
        (["--out", "new.npz", "--text", "..."], "no word to say"),
    ],
)
def test_what_cannot_be_made_is_one_line(options, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["performances", "make", *options]) == 2
    assert says in capsys.readouterr().err


def test_a_report_from_the_command_line(tmp_path, capsys):
    face = tmp_path / "face.npz"
    assert cli.main(["performances", "make", "--seconds", "12", "--out", str(face)]) == 0
    out = tmp_path / "report"
    command = ["performances", "report", str(face), "--out", str(out), "--seeds", "1"]
    assert cli.main([*command, "--seconds", "10"]) == 0
    assert (out / "report.md").is_file()
    assert cli.main(command) == 2
    assert "exists already" in capsys.readouterr().err
    empty = ["performances", "report", "--data", str(tmp_path / "none"), "--out"]
    assert cli.main([*empty, str(tmp_path / "other")]) == 2


def test_a_virtual_wearer_says_a_text_for_as_long_as_it_takes():
    short, long = (
        load_performance(SimOptions(text=text, seed=2)).duration_s
        for text in ("Hello.", "Hello, my friend, how are you today?")
    )
    assert long > short + 1.0
    assert performed(SimOptions(text="Hello.", seed=2)) == {
        "performance": "said",
        "text": "Hello.",
        "seed": 2,
    }
    with pytest.raises(ConfigError, match="leave out"):
        load_performance(SimOptions(text="Hello.", seconds=3.0))
