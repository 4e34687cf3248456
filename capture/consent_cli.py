"""Verbs about the people in takes: consent, pseudonym, scrub."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from capture.consent import Subject
    from capture.take import Take

app = typer.Typer()
consent_app = typer.Typer(
    help="What the people in takes agreed to: shown, kept in the takes, taken back.",
    no_args_is_help=True,
)
app.add_typer(consent_app, name="consent")

FOUND_PROBLEMS = 1

Takes = Annotated[list[Path], typer.Argument(metavar="TAKES...", help="Takes, or folders of.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per take.")]


@consent_app.command()
def show(takes: Takes, as_json: Json = False) -> None:
    """Tell of every take whether it may be used today.

    Exit code 1 where one may not, or where nothing is known.

    Example: imusic consent show takes
    """
    import msgspec

    from capture.consent import consent_problem
    from capture.take import read_take
    from capture.take_folders import find_takes

    bad = 0
    for folder in find_takes(takes):
        take = read_take(folder)
        problem = None if take.simulated else consent_problem(take.consent, dt.date.today())
        bad += problem is not None
        told = "a virtual wearer" if take.simulated else ", ".join(take.consent.consent)
        if as_json:
            facts = {"take": str(folder), "subject": take.subject, "consent": take.consent}
            facts["problem"] = problem.rule if problem else None
            typer.echo(msgspec.json.encode(facts).decode())
        else:
            typer.echo(f"{folder}  {take.subject}  {problem.text if problem else told}")
    if bad:
        raise typer.Exit(FOUND_PROBLEMS)


@consent_app.command()
def keep(
    takes: Takes,
    subjects: Annotated[Path, typer.Option(help="What people agreed to, a subjects.toml.")],
) -> None:
    """Write what people agreed to into their takes.

    What was taken back in a take stays taken back.

    Example: imusic consent keep takes --subjects subjects.toml
    """
    from capture.consent import newest, read_subjects

    people = read_subjects(subjects)
    changed = _change(takes, lambda take: newest(take.consent, people.get(take.subject)))
    typer.echo(f"{changed} takes changed")


@consent_app.command()
def withdraw(
    takes: Takes,
    subject: Annotated[str, typer.Option(help="Who takes it back, by the subject of their takes.")],
    on: Annotated[str | None, typer.Option(help="Since when, YYYY-MM-DD; default today.")] = None,
) -> None:
    """Write into all takes of a person that they took their consent back.

    From then on nothing reads these takes. Deleting them, and `imusic dataset forget`, is yours.

    Example: imusic consent withdraw takes --subject p3f9k2
    """
    import msgspec

    from firmware_host.errors import ConfigError

    try:
        since = dt.date.today() if on is None else dt.date.fromisoformat(on)
    except ValueError as error:
        raise ConfigError(f"--on: expected YYYY-MM-DD, got {on!r}") from error
    found = 0

    def taken_back(take: "Take") -> "Subject":
        nonlocal found
        if take.subject != subject:
            return take.consent
        found += 1
        return msgspec.structs.replace(take.consent, withdrawn=since)

    changed = _change(takes, taken_back)
    if not found:
        raise ConfigError(f"no take of a subject {subject!r}", "`imusic consent show` lists them")
    typer.echo(f"{changed} takes changed; delete them, and `imusic dataset forget SET {subject}`")


def _change(takes: list[Path], told: "Callable[[Take], Subject]") -> int:
    import msgspec

    from capture.take import read_take, write_take
    from capture.take_folders import find_takes

    changed = 0
    for folder in find_takes(takes):
        take = read_take(folder)
        if (consent := told(take)) != take.consent:
            write_take(msgspec.structs.replace(take, consent=consent), folder)
            changed += 1
    return changed


@app.command()
def scrub(
    take: Annotated[Path, typer.Argument(metavar="TAKE", help="Folder of the take.")],
    out: Annotated[Path, typer.Option(help="Folder that becomes the copy.")],
    in_house: Annotated[
        bool, typer.Option("--in-house", help="Also without a consent to publication.")
    ] = False,
) -> None:
    """Copy a take without what tells who and where: names, ids, addresses, dates, raw bytes.

    Example: imusic scrub takes/scene-004 --out shared/scene-004
    """
    from capture.scrub import scrub as scrub_take

    kept = scrub_take(take, out, dt.date.today(), in_house)
    counts = kept.counts
    typer.echo(f"{out}: {counts.get('samples', 0)} samples, {counts.get('faces', 0)} faces")


@app.command()
def pseudonym(
    who: Annotated[str, typer.Argument(help="A name; with --whose, a pseudonym.")],
    people: Annotated[Path, typer.Option(help="The file that knows who is who; not with data.")],
    whose: Annotated[bool, typer.Option("--whose", help="Tell whose pseudonym it is.")] = False,
) -> None:
    """Print the pseudonym of a person, a new one at the first time: for `session.subject`.

    Example: imusic pseudonym "Anna Example" --people keys/people.toml
    """
    from capture.pseudonyms import person_of, pseudonym_of

    typer.echo(person_of(people, who) if whose else pseudonym_of(people, who))
