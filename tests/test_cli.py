"""The front door: what every verb promises, whatever it does."""

import errno
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.main import get_group

from firmware_host.errors import ConfigError, DeviceNotFound, EnvironmentMissing
from imusic import cli, demo
from model import cli as model_cli

ROOT = Path(__file__).parents[1]
HEAVY = {"cv2", "mcap", "msgspec", "numpy", "onnxruntime", "open3d", "rich", "scipy", "serial"}
HEAVY |= {"torch", "zmq"}


def imusic(*args: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    # GitHub's runners make Rich believe in a terminal.
    for name in ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, "-m", "imusic", *args],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


MODULES = sorted({verb.module for verb in cli.VERBS.values()})


def written(module: str) -> bool:
    return (ROOT / (module.replace(".", "/") + ".py")).is_file()


def verb_paths() -> list[str]:
    """Every verb that a package owns, and every verb of a verb, as it is typed."""
    paths = []
    for module in filter(written, MODULES):
        for verb, command in get_group(import_module(module).app).commands.items():
            paths += [verb, *(f"{verb} {name}" for name in getattr(command, "commands", {}))]
    return paths


def test_help_lists_every_verb_with_its_line():
    result = imusic("--help")
    assert result.returncode == 0
    assert result.stderr == ""
    for name, verb in cli.VERBS.items():
        assert any(line.split(maxsplit=1) == [name, verb.summary] for line in text_lines(result))


def text_lines(result: subprocess.CompletedProcess[str]) -> list[str]:
    return [line.strip() for line in result.stdout.splitlines()]


def test_no_arguments_gives_the_help():
    assert imusic().stdout == imusic("--help").stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from imusic.cli import main; code = main(['--help'])\n"
        f"print('heavy:', code, sorted({HEAVY!r} & sys.modules.keys()))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "heavy: 0 []"


@pytest.mark.parametrize("path", verb_paths())
def test_every_verb_has_help(path, capsys):
    assert cli.main([*path.split(), "--help"]) == 0
    shown = capsys.readouterr()
    assert "Usage:" in shown.out
    assert shown.err == ""


@pytest.mark.parametrize("path", verb_paths())
def test_the_help_of_a_verb_shows_an_example(path, capsys):
    if hasattr(cli.load(path.split()[0]), "commands") and " " not in path:
        pytest.skip("its own verbs show theirs")
    assert cli.main([*path.split(), "--help"]) == 0
    usage_and_rest = capsys.readouterr().out.split("Usage:")[1]
    words = " ".join(usage_and_rest.split("\n", 1)[1].replace("│", " ").split())
    assert f"imusic {path} " in words + " "


@pytest.mark.parametrize("path", verb_paths())
def test_an_unknown_option_is_one_line_and_a_hint(path, capsys):
    assert cli.main([*path.split(), "--no-such-option"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("imusic: ")
    assert lines[1] == f"  hint: see `imusic {path} --help`"
    assert len(lines) == 2


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_in_the_table_is_owned_by_its_package(verb):
    assert cli.load(verb).name == verb


@pytest.mark.parametrize("module", MODULES)
def test_every_verb_of_a_package_is_in_the_table(module):
    owned = get_group(import_module(module).app).commands.keys()
    assert owned == {name for name, verb in cli.VERBS.items() if verb.module == module}


def test_a_typo_is_answered_with_a_suggestion_and_no_traceback():
    result = imusic("recrod")
    assert result.returncode == 2
    assert result.stdout == ""
    message, hint = result.stderr.splitlines()
    assert "'recrod'" in message
    assert "Did you mean 'record'" in message
    assert hint == "  hint: see `imusic --help`"


def no_constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


@pytest.mark.parametrize(
    ("module", "writer"),
    [("imusic.demo", "_json"), ("model.console", "json_line"), ("capture.cli", "_json")],
)
def test_json_for_machines_has_null_where_there_is_no_number(module, writer):
    line = getattr(import_module(module), writer)({"correlation": float("nan"), "n": 1})
    assert json.loads(line, parse_constant=no_constant) == {"correlation": None, "n": 1}
    assert line.strip().count("\n") == 0


FIGURES = {"model": 0.5, "ridge": 0.4, "mean_face": 0.3}
BY_REGION = {track: {"jaw": value} for track, value in FIGURES.items()}


def test_names_in_brackets_reach_the_demos_reader_whole(capsys):
    demo._show(
        {
            "latency_ms": {"p50": 1.0, "p99": 2.0},
            "sync_error_ms": 1.0,
            "samples_sent": 3,
            "samples_received": 3,
            "samples_lost": 0,
            "frames_published": 1,
            "recording": "[x] :face: ",
            "correlation": FIGURES,
            "mae_offset_free": FIGURES,
            "mae_offset_free_by_region": BY_REGION,
            "mae": FIGURES,
            "outputs": {"video": "a[x]/:face:[/b].webm"},
        }
    )
    shown = capsys.readouterr().out
    assert "[x] :face:" in shown
    assert "video: a[x]/:face:[/b].webm" in shown


def test_names_of_takes_in_brackets_stay_whole_in_the_table(capsys):
    names = ("correlation", "mae_offset_free", "mae", "jitter_ratio")
    figures = {"mae_offset_free_by_region": BY_REGION, **dict.fromkeys(names, FIGURES)}
    model_cli._table({"take[x]": {"simulated": True, **figures}})
    assert "take[x] (simulated IMUs)" in capsys.readouterr().out


def test_version_is_one_line():
    result = imusic("--version")
    assert result.returncode == 0
    assert result.stdout.split()[0] == "imusic"
    assert len(result.stdout.split()) == 2


def test_a_reader_who_goes_away_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-m", "imusic", "--help"],
        cwd=ROOT,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert result.returncode == cli.READER_GONE
    assert result.stderr == ""


@pytest.fixture
def verb_that_raises(monkeypatch):
    """Run a verb of our own that raises what it is given; return the exit code."""

    def run(error: BaseException) -> int:
        app = typer.Typer()

        @app.command()
        def view() -> None:
            raise error

        monkeypatch.setattr(cli, "load", lambda _: get_group(app).commands["view"])
        return cli.main(["view"])

    return run


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (ConfigError("rig.toml: no hub", "name one"), 2, ["imusic: rig.toml: no hub", "name one"]),
        (EnvironmentMissing("no Open3D"), 3, ["imusic: no Open3D"]),
        (
            DeviceNotFound("serial:COM5", 2.0),
            3,
            ["imusic: no sensor hub answered at serial:COM5 within 2 s", "check the cable"],
        ),
        (typer.BadParameter("not a colour"), 2, ["not a colour", "see `imusic view --help`"]),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 3, ["x: Permission denied"]),
        (OSError(errno.ENOSPC, "No space left on device"), 3, ["imusic: No space left"]),
        (KeyboardInterrupt(), 130, []),
        (typer.Abort(), 130, []),
        (typer.Exit(1), 1, []),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, []),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_went_wrong_becomes_lines_and_a_code(verb_that_raises, capsys, error, code, lines):
    assert verb_that_raises(error) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    found = shown.err.splitlines()
    assert len(found) == len(lines)
    assert all(expected in line for expected, line in zip(lines, found, strict=True))


@pytest.mark.parametrize("bug", [ZeroDivisionError(), KeyError("x"), OSError(errno.EBADF, "bad")])
def test_a_bug_keeps_its_traceback(verb_that_raises, bug):
    with pytest.raises(type(bug)):
        verb_that_raises(bug)
