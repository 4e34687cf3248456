"""Pages appear whole, show their pictures, and let no name become markup."""

import base64
import re

import numpy as np
import pytest

from firmware_host.errors import ConfigError
from viz.pages import Heading, Paragraph, Picture, Table, check_page, write_page

RED = np.full((8, 8, 3), (255, 0, 0), np.uint8)
BLOCKS = (
    Heading(1, "Faces <b>judged</b>"),
    Paragraph("take|1 and *more*"),
    Table(("", "network"), (("r", "0.80"), ("a|b", "-"))),
    Picture("red", RED, "a red square"),
)


def test_html_is_one_file_that_holds_its_pictures(tmp_path):
    write_page(BLOCKS, tmp_path / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    text = (tmp_path / "page.html").read_text("utf-8")
    assert "Faces &lt;b&gt;judged&lt;/b&gt;" in text
    assert "<td>a|b</td><td>-</td>" in text
    picture = re.search(r'alt="a red square" src="data:image/png;base64,([^"]+)"', text)
    assert base64.b64decode(picture[1]).startswith(b"\x89PNG")


def test_markdown_has_its_pictures_beside_it(tmp_path):
    write_page(BLOCKS, tmp_path / "page.md")
    assert {p.name for p in tmp_path.iterdir()} == {"page.md", "page-pictures"}
    text = (tmp_path / "page.md").read_text("utf-8")
    linked = re.search(r"!\[a red square\]\(<(.+)>\)", text)
    assert (tmp_path / linked[1]).read_bytes().startswith(b"\x89PNG")
    assert "| a\\|b | - |" in text
    assert "take\\|1 and \\*more\\*" in text


@pytest.mark.parametrize("there", ["page.md", "page-pictures"])
def test_nothing_is_overwritten(tmp_path, there):
    (tmp_path / there).mkdir()
    with pytest.raises(ConfigError, match="exists already"):
        write_page(BLOCKS, tmp_path / "page.md")
    assert [path.name for path in tmp_path.iterdir()] == [there]


def test_a_page_of_another_kind_is_refused_before_the_work(tmp_path):
    with pytest.raises(ConfigError, match=r"expected \.md or \.html, got '\.pdf'"):
        check_page(tmp_path / "page.pdf")
    with pytest.raises(ConfigError, match="there is no folder"):
        check_page(tmp_path / "missing" / "page.md")


@pytest.mark.parametrize("suffix", [".md", ".html"])
def test_a_page_that_fails_leaves_nothing(tmp_path, monkeypatch, suffix):
    def failing(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", failing)
    with pytest.raises(OSError, match="No space"):
        write_page(BLOCKS, tmp_path / f"page{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_two_pictures_of_one_name_are_a_mistake(tmp_path):
    with pytest.raises(ValueError, match="share a name"):
        write_page([*BLOCKS, BLOCKS[-1]], tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []
