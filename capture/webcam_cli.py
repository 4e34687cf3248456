"""The verb `webcam`: a camera of this computer as a face source."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capture.options import seconds_option

if TYPE_CHECKING:
    from capture.webcam import WebcamCounts

app = typer.Typer(rich_markup_mode=None)


@app.command()
def webcam(
    model: Annotated[Path, typer.Option(help="Google's face_landmarker.task, which you download.")],
    camera: Annotated[int, typer.Option(min=0, help="Number of the camera.")] = 0,
    video: Annotated[Path | None, typer.Option(help="A video instead, at its own pace.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Play a video again and again.")] = False,
    to: Annotated[str, typer.Option(help="HOST:PORT of the recorder.")] = "127.0.0.1:11126",
    seconds: Annotated[float | None, seconds_option("Stop after so long.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Send the face that a webcam sees to a recorder whose rig has `app = "mediapipe"`.

    No picture leaves this process, and none is kept. Ends at Ctrl-C.

    Example: imusic webcam --model face_landmarker.task
    """
    import contextlib
    from dataclasses import asdict

    import msgspec
    from rich.console import Console

    from capture.webcam import Camera, MediaPipe, send_faces

    address = _address(to)
    console = Console(stderr=True)
    newest: list[WebcamCounts] = []

    def tell(counts: "WebcamCounts") -> None:
        newest[:] = [counts]
        if console.is_terminal:
            console.print(_line(counts), end="\r", highlight=False)

    with contextlib.closing(MediaPipe(model)) as landmarker:
        with Camera(camera if video is None else video, loop) as pictures:
            with contextlib.suppress(KeyboardInterrupt):  # the normal end
                newest[:] = [send_faces(iter(pictures), landmarker, address, seconds, tell)]
    for counts in newest:
        facts = msgspec.json.encode(asdict(counts)).decode()
        typer.echo(facts if as_json else _line(counts))


def _line(counts: "WebcamCounts") -> str:
    each_ms = 1000 * counts.busy_s / max(1, counts.pictures)
    unsent = f", {counts.unsent} not sent" if counts.unsent else ""
    return f"{counts.pictures} pictures, {counts.faces} faces, {each_ms:.0f} ms each{unsent}"


def _address(text: str) -> tuple[str, int]:
    import socket

    from firmware_host.errors import ConfigError

    host, colon, port = text.rpartition(":")
    if not host or not colon or not port.isdecimal() or not 0 < int(port) <= 65535:
        raise ConfigError(f"--to: expected HOST:PORT, got {text!r}", "for example 127.0.0.1:11126")
    try:  # once: a name that is asked for with every picture holds pictures up
        return socket.gethostbyname(host), int(port)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"--to: no computer is called {host!r}", "give its address") from error
