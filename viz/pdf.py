"""A page of marks as a PDF: one page, vectors and text. Pure; PDF 1.4 (ISO 32000-1).

Text is in Helvetica, which every reader of PDF has, so nothing is embedded; letters that its
encoding lacks are replaced.
"""

import zlib
from collections.abc import Iterable

import numpy as np

from viz.lettering import Ink
from viz.page import DASH, Area, Array, Dots, Line, Mark, Page, Pixels, Rect, Text

# Widths of Helvetica's letters from space to tilde, thousandths of the size (Adobe's metrics).
_WIDTHS = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
_USUAL_WIDTH, _BOLD_WIDER = 556, 1.04
_BOLD_FROM = 600
_REPLACED = {"−": "–", "→": "->", "√": "sqrt ", "τ": "tau", "σ": "sigma"}


def as_pdf(page: Page) -> bytes:
    """The page, a point of it one point of the PDF."""
    opacities = sorted({_opacity(mark) for mark in page.marks})
    images = [mark for mark in page.marks if isinstance(mark, Pixels)]
    content = "\n".join(_drawn(page, opacities)).encode("cp1252", "replace")
    states = " ".join(f"/O{i} << /ca {o:g} /CA {o:g} >>" for i, o in enumerate(opacities))
    pictures = " ".join(f"/I{i} {7 + i} 0 R" for i in range(len(images)))
    resources = (
        f"<< /Font << /F0 5 0 R /F1 6 0 R >> /ExtGState << {states} >> /XObject << {pictures} >> >>"
    )
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {page.wide} {page.high}] "
            f"/Contents 4 0 R /Resources {resources} >>"
        ).encode(),
        _stream("", content),
        font.format("Helvetica").encode(),
        font.format("Helvetica-Bold").encode(),
        *(_image(mark) for mark in images),
    ]
    return _file(objects)


def _file(objects: list[bytes]) -> bytes:
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    end += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return bytes(out) + end.encode()


def _stream(facts: str, data: bytes) -> bytes:
    packed = zlib.compress(data)
    head = f"<< {facts} /Filter /FlateDecode /Length {len(packed)} >>\nstream\n"
    return head.encode() + packed + b"\nendstream"


def _image(mark: Pixels) -> bytes:
    high, wide = mark.colours.shape[:2]
    facts = f"/Type /XObject /Subtype /Image /Width {wide} /Height {high} "
    facts += "/ColorSpace /DeviceRGB /BitsPerComponent 8"
    return _stream(facts, np.ascontiguousarray(mark.colours).tobytes())


def _opacity(mark: Mark) -> float:
    return mark.opacity if isinstance(mark, Rect | Area | Dots) else 1.0


def _drawn(page: Page, opacities: list[float]) -> Iterable[str]:
    """Operators. The page's y points down, the PDF's up."""
    yield f"1 0 0 -1 0 {page.high} cm 1 j"
    number = 0
    for mark in page.marks:
        yield f"/O{opacities.index(_opacity(mark))} gs"
        if isinstance(mark, Pixels):
            yield (
                f"q {mark.wide:.2f} 0 0 {-mark.high:.2f} {mark.x:.2f} "
                f"{mark.y + mark.high:.2f} cm /I{number} Do Q"
            )
            number += 1
        else:
            yield _operators(mark)


def _operators(mark: Rect | Line | Area | Dots | Text) -> str:
    match mark:
        case Rect(x, y, wide, high, ink, _):
            return f"{_ink(ink)} rg {x:.2f} {y:.2f} {wide:.2f} {high:.2f} re f"
        case Line(points, ink, wide, dashed):
            dash = f"[{DASH[0]:g} {DASH[1]:g}] 0 d" if dashed else "[] 0 d"
            return f"{_ink(ink)} RG {wide:g} w 0 J {dash} {_path(points)} S"
        case Area(points, ink, _):
            return f"{_ink(ink)} rg {_path(points)} h f"
        case Dots(points, ink, radius, _):
            spots = " ".join(f"{x:.2f} {y:.2f} m {x:.2f} {y:.2f} l" for x, y in points.tolist())
            return f"{_ink(ink)} RG {2 * radius:g} w 1 J [] 0 d {spots} S"
        case Text():
            return _written(mark)


def _ink(ink: Ink) -> str:
    return " ".join(f"{part / 255:.3f}" for part in ink)


def _path(points: Array) -> str:
    words = [f"{x:.2f} {y:.2f} {'l' if i else 'm'}" for i, (x, y) in enumerate(points.tolist())]
    return " ".join(words)


def _written(mark: Text) -> str:
    text = "".join(_REPLACED.get(letter, letter) for letter in mark.text)
    bold = mark.weight >= _BOLD_FROM
    before = {"start": 0.0, "middle": 0.5, "end": 1.0}[mark.align] * _width(text, mark.size, bold)
    escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    # Letters would stand on their heads: they are turned back, and lie down where read upwards.
    if mark.upright:
        place = f"0 -1 -1 0 {mark.x:.2f} {mark.y + before:.2f} Tm"
    else:
        place = f"1 0 0 -1 {mark.x - before:.2f} {mark.y:.2f} Tm"
    return f"{_ink(mark.ink)} rg BT /F{int(bold)} {mark.size:g} Tf {place} ({escaped}) Tj ET"


def _width(text: str, size: float, bold: bool) -> float:
    """Of a line in points."""
    total = sum(
        _WIDTHS[ord(letter) - 32] if 32 <= ord(letter) < 127 else _USUAL_WIDTH for letter in text
    )
    return total * size / 1000 * (_BOLD_WIDER if bold else 1.0)
