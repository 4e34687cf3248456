"""A picture of what a command shows in a terminal, for docs/gallery.md.

    python benchmarks/terminal.py OUT.webp [--seconds 8] [--type 4:m] -- imusic list takes

The command runs on a pseudo-terminal of so many columns. The picture is taken when it ends, or
after --seconds, when it is interrupted as by Ctrl-C; --type sends letters after so many seconds. A
headless Chromium draws the letters. Nothing is overwritten. Needs playwright, a Chromium, POSIX.
"""

import argparse
import fcntl
import html
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

LINES = 60
_GROUND, _INK = "#1d2229", "#d9dee4"
# Calm, and apart for every kind of colour vision: black, red … white, then their bright ones.
_COLOURS = (
    "#5b6570", "#e8794a", "#2fb38a", "#e6b23c", "#4c9fd8", "#d48fb8", "#6cc3e8", "#d9dee4",
    "#808b96", "#f08f66", "#4cc9a2", "#f0c65e", "#6cb3e6", "#e2a9cb", "#8fd5f2", "#ffffff",
)  # fmt: skip
_ESCAPE = re.compile(r"\x1b(?:\[([?0-9;]*)([A-Za-z])|\][^\x07]*\x07|[()][A-Z0-9]|[=>78])")
_STYLE = (
    f"body{{margin:0}}pre{{margin:0;padding:16px 20px;background:{_GROUND};color:{_INK};"
    "font:14px/1.3 'DejaVu Sans Mono',monospace;display:inline-block}"
)


@dataclass(frozen=True, slots=True)
class Look:
    """How letters look. ink: CSS."""

    ink: str = ""
    bold: bool = False
    faint: bool = False
    turned: bool = False


@dataclass(slots=True)
class Terminal:
    """Letters by line and column, as a terminal of `wide` columns would show them."""

    wide: int
    cells: dict[tuple[int, int], tuple[str, Look]] = field(default_factory=dict)
    row: int = 0
    column: int = 0
    look: Look = field(default_factory=Look)

    def take(self, text: str) -> None:
        """What a program writes; escapes that only blink or ring are passed over."""
        at = 0
        for found in _ESCAPE.finditer(text):
            self._letters(text[at : found.start()])
            at = found.end()
            if found.group(2):
                self._obey(found.group(1), found.group(2))
        self._letters(text[at:])

    def _letters(self, text: str) -> None:
        for letter in text:
            if letter == "\n":
                self.row += 1
            elif letter == "\r":
                self.column = 0
            elif letter == "\b":
                self.column = max(0, self.column - 1)
            elif letter == "\t":
                self.column += 8 - self.column % 8
            elif letter >= " ":
                if self.column >= self.wide:
                    self.row, self.column = self.row + 1, 0
                self.cells[self.row, self.column] = letter, self.look
                self.column += 1

    def _obey(self, words: str, verb: str) -> None:
        numbers = [int(word) for word in words.split(";") if word.isdecimal()]
        first = numbers[0] if numbers else 1
        match verb:
            case "A":
                self.row = max(0, self.row - first)
            case "B":
                self.row += first
            case "C":
                self.column += first
            case "D":
                self.column = max(0, self.column - first)
            case "G":
                self.column = first - 1
            case "H":
                self.row, self.column = (place - 1 for place in [*numbers, 1, 1][:2])
            case "J":
                self._erase(below=not (numbers and numbers[0] == 2), all_rows=True)
            case "K":
                self._erase(below=not (numbers and numbers[0] == 2), all_rows=False)
            case "m":
                self._restyle(numbers or [0])

    def _erase(self, below: bool, all_rows: bool) -> None:
        here = self.row, self.column
        for place in [p for p in self.cells if all_rows or p[0] == self.row]:
            if not below or place >= here:
                del self.cells[place]

    def _restyle(self, numbers: list[int]) -> None:
        while numbers:
            number = numbers.pop(0)
            if number == 0:
                self.look = Look()
            elif number in (1, 2, 7):
                name = {1: "bold", 2: "faint", 7: "turned"}[number]
                self.look = replace(self.look, **{name: True})
            elif number == 22:
                self.look = replace(self.look, bold=False, faint=False)
            elif number in (27, 39):
                self.look = replace(
                    self.look, **({"turned": False} if number == 27 else {"ink": ""})
                )
            elif 30 <= number <= 37 or 90 <= number <= 97:
                place = number - 30 if number < 40 else number - 82
                self.look = replace(self.look, ink=_COLOURS[place])
            elif number in (38, 48) and numbers:
                ink = _deep(numbers)
                if number == 38:
                    self.look = replace(self.look, ink=ink)

    def as_html(self) -> str:
        """All lines that have letters, from the first to the last."""
        rows = [row for (row, _), (letter, _) in self.cells.items() if letter != " "]
        lines = [self._line(row) for row in range(min(rows), max(rows) + 1)] if rows else []
        return "\n".join(lines)

    def _line(self, row: int) -> str:
        columns = [column for r, column in self.cells if r == row]
        blank = " ", Look()
        parts = []
        for column in range(max(columns, default=-1) + 1):
            letter, look = self.cells.get((row, column), blank)
            words = html.escape(letter)
            parts.append(words if look == Look() else f'<span style="{_css(look)}">{words}</span>')
        return "".join(parts)


def _deep(numbers: list[int]) -> str:
    """A colour of 256 or of all, taken off the front of the numbers that follow 38."""
    if numbers.pop(0) == 2:
        red, green, blue = (numbers.pop(0) for _ in range(3))
        return f"rgb({red},{green},{blue})"
    place = numbers.pop(0)
    if place < 16:
        return _COLOURS[place]
    if place >= 232:
        return f"rgb({8 + 10 * (place - 232)},{8 + 10 * (place - 232)},{8 + 10 * (place - 232)})"
    place -= 16
    levels = [0, 95, 135, 175, 215, 255]
    return f"rgb({levels[place // 36]},{levels[place // 6 % 6]},{levels[place % 6]})"


def _css(look: Look) -> str:
    ink, ground = look.ink or _INK, _GROUND
    ink, ground = (ground, ink) if look.turned else (ink, ground)
    weight = ";font-weight:600" if look.bold else ""
    return f"color:{ink};background:{ground}{weight}" + (";opacity:.65" if look.faint else "")


def ran(command: Sequence[str], wide: int, seconds: float, typed: dict[float, str]) -> Terminal:
    """What a command shows at its end, or after `seconds`."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, wide, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(wide)}
    child = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    terminal, began, waiting = Terminal(wide), time.monotonic(), b""
    while (since := time.monotonic() - began) < seconds:
        for at in [at for at in typed if at <= since]:
            os.write(ours, typed.pop(at).encode())
        if not select.select([ours], [], [], 0.1)[0]:
            if child.poll() is not None:
                break
            continue
        try:
            waiting += os.read(ours, 65536)
        except OSError:  # the command has ended
            break
        whole = waiting.rfind(b"\n") + 1 or len(waiting)
        whole = len(waiting) if b"\x1b" not in waiting[whole:] else whole
        terminal.take(waiting[:whole].decode("utf-8", "replace"))
        waiting = waiting[whole:]
    terminal.take(waiting.decode("utf-8", "replace"))
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGINT)
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    os.close(ours)
    return terminal


def draw(shown: str, said: str, out: Path) -> None:
    """Write the picture of what was shown, below the command that was typed."""
    import cv2
    import numpy as np
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("there is no chromium here")
    typed = f'<span style="color:{_COLOURS[2]}">$</span> <b>{html.escape(said)}</b>'
    page_of = f"<style>{_STYLE}</style><pre>{typed}\n{shown}</pre>"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.set_content(page_of)
        pixels = page.locator("pre").screenshot()
        browser.close()
    image = cv2.imdecode(np.frombuffer(pixels, np.uint8), cv2.IMREAD_COLOR)
    _, encoded = cv2.imencode(out.suffix, image, [cv2.IMWRITE_WEBP_QUALITY, 85])
    out.write_bytes(encoded.tobytes())


def main() -> None:
    """Run, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--type", action="append", default=[], help="SECONDS:LETTERS")
    parser.add_argument("--wide", type=int, default=100)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    if options.out.exists():
        raise SystemExit(f"{options.out} exists already")
    typed = {float(at): letters for at, _, letters in (t.partition(":") for t in options.type)}
    words = list(options.command)
    command = [sys.executable, "-m", *words] if words[0] == "imusic" else words
    terminal = ran(command, options.wide, options.seconds, typed)
    draw(terminal.as_html(), " ".join(words), options.out)
    print(options.out)


if __name__ == "__main__":
    main()
