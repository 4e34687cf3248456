"""The verb `head`: the mesh and its shapes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firmware_host.errors import ConfigError
from viz.options import Force, HeadFile, RendererName, check_out, head_from

if TYPE_CHECKING:
    from viz.offscreen import Prefer
    from viz.scene import Image

app = typer.Typer(rich_markup_mode=None)
head_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(head_app, name="head", help="Look at the head mesh and its 52 shapes.")


@head_app.command()
def sheet(
    out: Annotated[Path, typer.Option(help="The .png or .webp to write.")],
    size: Annotated[int, typer.Option(min=64, max=1024, help="Pixels of one cell.")] = 224,
    head: HeadFile = None,
    renderer: RendererName = "auto",
    force: Force = False,
) -> None:
    """Draw all 52 shapes at weight 1, where the sensors sit, and five other people's heads.

    Example: imusic head sheet --out shapes.png
    """
    from contextlib import closing

    from viz.offscreen import open_renderer, prefer_named
    from viz.sheet import shape_sheet, with_people
    from viz.video import STILLS, write_picture

    check_out(out, STILLS, force)
    prefer, mesh = prefer_named(renderer), head_from(head)
    with closing(open_renderer(2 * size, prefer=prefer, head=mesh, captions=False)) as opened:
        drawn = shape_sheet(mesh, opened)
    if head is None:
        people, labels = _people(2 * size, prefer)
        drawn = with_people(drawn, people, labels)
    write_picture(out, drawn)
    typer.echo(out)


@head_app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A head: .glb, .gltf or .npz.")],
    layout: Annotated[str, typer.Option(help="Sensors that must find their places.")] = "face-12",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Say which of the 52 shapes a head has, how large it is, and where sensors sit on it.

    Exit code 1 where a shape is missing or moves nothing (tongueOut may), left and right are
    swapped, or a sensor finds no place.

    Example: imusic head check avatar.glb
    """
    import msgspec
    from rich.console import Console

    from capture.head_check import check_head
    from firmware_host.layout import LAYOUTS
    from viz.head_table import fact_table, site_table

    if layout not in LAYOUTS:
        raise ConfigError(f"--layout: expected {', '.join(LAYOUTS)}, got {layout!r}")
    report = check_head(file, LAYOUTS[layout])
    if as_json:
        problems = {"problems": report.problems}
        typer.echo(msgspec.json.encode(msgspec.to_builtins(report) | problems).decode())
    else:
        console = Console()
        console.print(fact_table(report))
        if report.sites:
            console.print(site_table(report))
        for problem in report.problems:
            typer.echo(problem)
        if not report.problems:
            typer.echo("ready to use")
    raise typer.Exit(1 if report.problems else 0)


def _people(size: int, prefer: "Prefer") -> "tuple[list[Image], list[str]]":
    """Pictures of the heads of the first seeds, and their captions."""
    from contextlib import closing

    from capture.head import seeded_head
    from viz.offscreen import open_renderer
    from viz.sheet import PEOPLE, person_picture

    pictures, seeds = [], range(1, PEOPLE + 1)
    for seed in seeds:
        opened = open_renderer(size, prefer=prefer, head=seeded_head(seed), captions=False)
        with closing(opened) as renderer:
            pictures.append(person_picture(renderer))
    return pictures, [f"another person, seed {seed}" for seed in seeds]
