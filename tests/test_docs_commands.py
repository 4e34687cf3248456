"""Commands in the documents that operators follow: verbs and options that there are."""

import re
from pathlib import Path

import pytest

from imusic.cli import VERBS, main

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("recording.md", "privacy.md", "skin.md", "take-format.md", "wire.md")
GROUPS = {"consent", "import", "dataset", "plot", "performances", "head"}


def commands(page: str) -> set[tuple[tuple[str, ...], tuple[str, ...]]]:
    """((verb, …), options) of every command between backquotes or in an indented line."""
    text = (DOCS / page).read_text("utf-8")
    found = set()
    for line in re.findall(r"`imusic ([^`]+)`|^\s+imusic (.+)$", text, re.M):
        words = "".join(line).split("#")[0].split()
        if not words or words[0] not in VERBS:
            assert not words or not re.fullmatch(r"[a-z-]+", words[0]), f"{page}: {words[0]}"
            continue
        is_group = words[0] in GROUPS and len(words) > 1
        verb = tuple(words[:2]) if is_group else (words[0],)
        found.add((verb, tuple(w for w in words if w.startswith("--"))))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_told_exists_with_its_options(page, capsys):
    for verb, options in sorted(commands(page)):
        assert main([*verb, "--help"]) == 0, (page, verb)
        told = capsys.readouterr().out
        for option in options:
            assert re.search(rf"{re.escape(option)}\b", told), (page, verb, option)
