"""The verb `console`: a page in a browser about a recording or a live face."""

from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None)

USUAL_PORT = 8790


@app.command()
def console(
    faces: Annotated[str, typer.Option(help="Where faces are published.")] = "tcp://127.0.0.1:5570",
    status: Annotated[
        str, typer.Option(help="Where the heartbeat of `imusic live` is published.")
    ] = "tcp://127.0.0.1:5571",
    record: Annotated[
        str, typer.Option(help="Where a recording is published, instead of --status.")
    ] = "",
    control: Annotated[str, typer.Option(help="Where a recording obeys; default: nowhere.")] = "",
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Of the page, on this computer only.")
    ] = USUAL_PORT,
    layout: Annotated[str, typer.Option(help="Slots that are drawn.")] = "face-12",
) -> None:
    """Show a live face in a browser, or what `imusic record --console` publishes. Ctrl-C ends it.

    Example: imusic console --port 8790
    """
    from capture.head import standard_head
    from firmware_host.errors import ConfigError, EnvironmentMissing
    from firmware_host.layout import LAYOUTS

    if layout not in LAYOUTS:
        raise ConfigError(f"--layout: expected {', '.join(LAYOUTS)}, got {layout!r}")
    try:
        import nicegui  # noqa: F401
    except ImportError as error:
        raise EnvironmentMissing(
            f"the console needs NiceGUI: {error}", "pip install 'imusic[web]'"
        ) from error
    _require_free(port)
    from viz.web.head_data import head_bytes
    from viz.web.page import Console
    from viz.web.sockets import Sockets

    slots = LAYOUTS[layout]
    sockets = Sockets(faces, record or status, control)
    page = Console(sockets, head_bytes(standard_head(), slots), slots.names, bool(record))
    typer.echo(f"http://127.0.0.1:{port}")
    page.serve(port)


def _require_free(port: int) -> None:
    """Refuse a port that is taken. Raises TransportError."""
    import socket

    from firmware_host.errors import TransportError

    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError as error:
            raise TransportError(
                f"port {port} is taken: {error.strerror}",
                "choose another with --port (--console-port of `imusic record`)",
                f"127.0.0.1:{port}",
            ) from error
