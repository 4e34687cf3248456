"""A page of paragraphs, tables and pictures, written as one HTML file or as Markdown.

HTML holds its pictures; Markdown has them in a folder beside it, named after it.
"""

import base64
import html
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from capture.outputs import require_writable, whole_file
from firmware_host.errors import ConfigError
from viz.scene import Image

SUFFIXES = (".md", ".html")
_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}td,th{padding:.2em .7em;border-bottom:1px solid #ddd}"
    "td+td,th+th{text-align:right;white-space:nowrap}img{max-width:100%}"
)


@dataclass(frozen=True, slots=True)
class Heading:
    """level: 1 for the page, 2 for a chapter, 3 below."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text, plain."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """The first column names the row; every row is as long as the head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """caption: also what is read where nothing is seen. name: of its file, without suffix."""

    name: str
    image: Image
    caption: str


Block = Heading | Paragraph | Table | Picture


def check_page(out: Path) -> None:
    """Refuse a page early.

    Raises:
        ConfigError: it or the folder of its pictures exists, it is neither Markdown nor HTML, or
            it cannot be written there.
    """
    if out.suffix not in SUFFIXES:
        raise ConfigError(f"{out}: expected .md or .html, got {out.suffix!r}")
    for path in (out, pictures_folder(out)) if out.suffix == ".md" else (out,):
        if path.exists():
            raise ConfigError(
                f"{path} exists already", "choose another name; nothing is overwritten"
            )
    require_writable(out)


def pictures_folder(out: Path) -> Path:
    """Where the pictures of a Markdown page lie."""
    return out.with_name(f"{out.stem}-pictures")


def write_page(blocks: Sequence[Block], out: Path) -> None:
    """Write a page, whole or not at all; never overwrites.

    Raises:
        ConfigError: see `check_page`. ValueError: two pictures have one name.
    """
    from viz.video import write_png

    check_page(out)
    pictures = [block for block in blocks if isinstance(block, Picture)]
    if len({picture.name for picture in pictures}) < len(pictures):
        raise ValueError(f"pictures share a name: {sorted(p.name for p in pictures)}")
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.stem}.") as made:
        folder = Path(made) / "pictures"
        folder.mkdir()
        for picture in pictures:
            write_png(folder / f"{picture.name}.png", picture.image)
        if out.suffix == ".html":
            with whole_file(out) as beside:
                beside.write_text(as_html(blocks, folder), "utf-8")
        else:
            _write_markdown(blocks, folder, out)


def _write_markdown(blocks: Sequence[Block], folder: Path, out: Path) -> None:
    target = pictures_folder(out)
    if any(folder.iterdir()):
        folder.rename(target)
    try:
        with whole_file(out) as beside:
            beside.write_text(as_markdown(blocks, target.name), "utf-8")
    except BaseException:  # Ctrl-C too must not leave half a page
        shutil.rmtree(target, ignore_errors=True)
        raise


def as_markdown(blocks: Sequence[Block], folder: str) -> str:
    """The page in Markdown; its pictures are `folder`/NAME.png."""
    return "\n\n".join(_in_markdown(block, folder) for block in blocks) + "\n"


def _in_markdown(block: Block, folder: str) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {_quoted(text)}"
        case Paragraph(text):
            return _quoted(text)
        case Picture():
            return f"![{_quoted(block.caption)}](<{folder}/{block.name}.png>)"
        case Table(head, rows):
            rule = "|---" + "|---:" * (len(head) - 1) + "|"
            lines = ["| " + " | ".join(map(_quoted, row)) + " |" for row in (head, *rows)]
            return "\n".join((lines[0], rule, *lines[1:]))


def _quoted(text: str) -> str:
    """Text in which nothing is markup: the names of takes are whatever somebody typed."""
    for letter in "\\`*_[]<>|#":
        text = text.replace(letter, "\\" + letter)
    return " ".join(text.split())


def as_html(blocks: Sequence[Block], folder: Path) -> str:
    """The page in HTML with the pictures `folder`/NAME.png inside."""
    title = next((block.text for block in blocks if isinstance(block, Heading)), "")
    body = "\n".join(_in_html(block, folder) for block in blocks)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _in_html(block: Block, folder: Path) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{html.escape(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{html.escape(text)}</p>"
        case Picture():
            data = base64.b64encode((folder / f"{block.name}.png").read_bytes()).decode()
            alt = html.escape(block.caption)
            return f'<p><img alt="{alt}" src="data:image/png;base64,{data}"></p>'
        case Table(head, rows):
            top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
            lines = (
                "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
                for row in rows
            )
            return f"<table><tr>{top}</tr>{''.join(lines)}</table>"
