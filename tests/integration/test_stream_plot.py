"""`imusic stream --plot` in a terminal of its own: a real pty of a given size."""

import asyncio
import fcntl
import os
import re
import struct
import sys
import termios
import threading
from pathlib import Path

import pytest

from firmware_host.rig import write_rig
from firmware_host.virtual.lines import on_cable
from imusic.cli import main
from tests.integration.rigs import BONE, LEFT, RIGHT, device, hub, rig_of, run, witmotion

pytestmark = pytest.mark.integration
pytest.importorskip("serial")
pytest.importorskip("tty", reason="a pty needs POSIX")

ROOT = Path(__file__).parents[2]
# Else the size that somebody else gave would count, not that of this screen.
SIZELESS = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
STEERING = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """What a program showed on a screen of `width` letters, and how it ended."""

    def __init__(self, width: int) -> None:
        self._ours, self._theirs = os.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        self.shown = ""

    async def run(self, *arguments: object) -> int:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "imusic", *map(str, arguments)),
            cwd=ROOT, stdout=self._theirs, stderr=self._theirs,
            env={**SIZELESS, "TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(self._theirs)
        reading = threading.Thread(target=self._read)
        reading.start()
        code = await process.wait()
        await asyncio.to_thread(reading.join)
        os.close(self._ours)
        return code

    def _read(self) -> None:
        heard = b""
        while True:
            try:
                heard += (data := os.read(self._ours, 65536))
            except OSError:  # the program is gone
                data = b""
            if not data:
                self.shown = STEERING.sub("", heard.decode())
                return

    def traces_of(self, slot: str) -> list[str]:
        """The rows of a slot, as far as they show anything but rest and emptiness."""
        rows = [line for line in self.shown.splitlines() if slot in line]
        return [row for row in rows if re.search("[\u2801-\u28ff]", row)]


@pytest.mark.parametrize("width", [150, 80])
def test_a_hub_is_drawn_slot_by_slot_on_wide_and_narrow_screens(tmp_path, width):
    terminal = Terminal(width)

    async def play() -> int:
        async with on_cable(hub(60.0, (LEFT, BONE), seed=3), tmp_path / "a") as cable:
            return await terminal.run("stream", cable.url, "--plot", "--seconds", 2)

    assert run(play()) == 0, terminal.shown
    for slot in (LEFT, BONE):  # whole names, even on a narrow screen
        assert terminal.traces_of(slot), terminal.shown
    assert ("clipped" in terminal.shown) == (width == 150)
    assert "turning, 0 to" in terminal.shown


def test_a_rig_is_drawn_device_by_device(tmp_path):
    terminal = Terminal(150)

    async def play() -> int:
        async with (
            on_cable(witmotion(60.0), tmp_path / "a") as cable,
            on_cable(hub(60.0, (BONE, RIGHT), seed=3), tmp_path / "b") as other,
        ):
            rig = rig_of(
                device("cheek", cable.url, LEFT),
                device("ear", other.url, BONE, RIGHT, kind="hub"),
            )
            write_rig(rig, tmp_path / "rig.toml")
            return await terminal.run(
                "stream", "--rig", tmp_path / "rig.toml", "--plot", "--seconds", 3
            )

    assert run(play()) == 0, terminal.shown
    for name, slot in (("cheek", LEFT), ("ear", BONE), ("ear", RIGHT)):
        assert any(name in row for row in terminal.traces_of(slot)), terminal.shown


def test_a_plot_is_not_for_machines(capsys):
    assert main(["stream", "tcp:127.0.0.1:9", "--plot", "--json"]) == 2
    assert "--plot is for people" in capsys.readouterr().err
