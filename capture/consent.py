"""What a person agreed to: kept in every take of theirs, and asked by whoever reads one.

`subjects.toml`, which the rig's `session.consents` names, is where an operator writes it:

[subjects.p3f9k2]                      # the `subject` of their takes, better a pseudonym
consent = ["training", "publication"]  # purposes, in words of your own
version = "form 2, 2026-03"            # which text was signed
licence = "CC-BY-4.0"
granted = 2026-03-01
expires = 2031-03-01                   # optional, and so is all below
withdrawn = 2026-05-01
language = "english"
facts = { age = "30-39" }
"""

import datetime as dt
from pathlib import Path
from typing import NamedTuple

import msgspec

from firmware_host.errors import ConfigError, DataError


class Subject(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What a person agreed to, and what they let us say of them.

    consent: purposes, such as "training" and "publication". version: of the text they signed.
    facts: of the person, for stratified splits, only with their consent.
    """

    consent: tuple[str, ...] = ()
    version: str = ""
    licence: str = ""
    granted: dt.date | None = None
    expires: dt.date | None = None
    withdrawn: dt.date | None = None
    language: str = ""
    facts: dict[str, str] = {}


UNTOLD = Subject()
PUBLICATION = "publication"  # the purpose that lets data be given away
AUDIO = "audio"  # the purpose that lets a microphone listen


class ConsentProblem(NamedTuple):
    """rule: consent_missing, consent_withdrawn or consent_expired. text: for people."""

    rule: str
    text: str


def consent_problem(told: Subject | None, today: dt.date) -> ConsentProblem | None:
    """Why somebody's data may not be used today; None where it may."""
    if told is not None and told.withdrawn is not None and told.withdrawn <= today:
        text = f"they took their consent back on {told.withdrawn}"
        return ConsentProblem("consent_withdrawn", text)
    if told is None or not told.consent:
        return ConsentProblem("consent_missing", "nothing says what they agreed to")
    if told.expires is not None and told.expires < today:
        return ConsentProblem("consent_expired", f"their consent ended on {told.expires}")
    if told.granted is not None and told.granted > today:
        return ConsentProblem("consent_missing", f"their consent begins on {told.granted}")
    return None


def may_publish(told: Subject | None, today: dt.date) -> bool:
    """Whether somebody agreed that their data is given away, and still does."""
    return consent_problem(told, today) is None and PUBLICATION in (told or UNTOLD).consent


def require_usable(told: Subject, what: str, subject: str, today: dt.date) -> None:
    """Refuse to read what may not be used any more. Silence is for others to judge.

    Raises:
        DataError: the consent was withdrawn, has ended, or has not begun.
    """
    problem = consent_problem(told, today)
    if problem is None or told == UNTOLD:
        return
    hint = {
        "consent_withdrawn": "delete it; from data sets: `imusic dataset forget SET SUBJECT`",
        "consent_expired": "ask them again, then `imusic consent keep TAKES --subjects FILE`",
    }.get(problem.rule, "`imusic consent keep TAKES --subjects FILE` says what they agreed to")
    raise DataError(f"{what}: subject {subject}: {problem.text}", hint)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    subjects: dict[str, Subject] = {}


def read_subjects(path: Path) -> dict[str, Subject]:
    """Read a `subjects.toml`. Raises ConfigError naming the key and what was expected."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=_File).subjects
    except OSError as error:
        raise ConfigError(f"{path}: cannot read it: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def newest(in_take: Subject, told_later: Subject | None) -> Subject:
    """What holds of a take by its own record and by what was told later, which may be nothing.

    What was told later stands, but what was taken back stays so until they agree anew after it.
    """
    if told_later is None:
        return in_take
    back = in_take.withdrawn
    anew = back is not None and told_later.granted is not None and told_later.granted > back
    if back is None or anew or told_later.withdrawn is not None:
        return told_later
    return msgspec.structs.replace(told_later, withdrawn=back)
