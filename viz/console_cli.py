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
    phone: Annotated[
        bool,
        typer.Option("--phone", help="Also for others on this network who have the printed link."),
    ] = False,
) -> None:
    """Show a live face in a browser, or what `imusic record --console` publishes. Ctrl-C ends it.

    With --phone a phone or tablet on the same network may look, and start and stop where --control
    is given, by a link with a token that is new each time. It is not encrypted: trust the network.

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
    host = "0.0.0.0" if phone else "127.0.0.1"
    _require_free(port, host)
    from viz.web.head_data import head_bytes
    from viz.web.page import Console
    from viz.web.sockets import Sockets

    slots = LAYOUTS[layout]
    sockets = Sockets(faces, record or status, control)
    page = Console(sockets, head_bytes(standard_head(), slots), slots.names, bool(record))
    token = ""
    if phone:
        from viz.web.gate import PARAMETER, new_token

        token = new_token()
        typer.echo(f"http://{_address()}:{port}/?{PARAMETER}={token}")
    else:
        typer.echo(f"http://127.0.0.1:{port}")
    page.serve(port, token)


def _address() -> str:
    """Of this computer on its network; nothing is sent to find it."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))  # a network that is only in books (RFC 5737)
            return str(asked.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def _require_free(port: int, host: str) -> None:
    """Refuse a port that is taken. Raises TransportError."""
    import socket

    from firmware_host.errors import TransportError

    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            raise TransportError(
                f"port {port} is taken: {error.strerror}",
                "choose another with --port (--console-port of `imusic record`)",
                f"127.0.0.1:{port}",
            ) from error
