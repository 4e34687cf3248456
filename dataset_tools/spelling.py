"""Text to phones, by a table per language.

A table is a TOML file: rules that turn letters into phones, words that no rule gets right, words
said without weight, and sentences to say when nobody gives a text. `languages/english.toml`
explains the fields; a file of the same kind serves any other language.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import msgspec

from dataset_tools.visemes import PHONES
from firmware_host.errors import ConfigError

PAUSES = {",": "short", ";": "short", ":": "short", "-": "short", "–": "short", "—": "short",
          ".": "long", "!": "long", "?": "long", "…": "long"}  # fmt: skip
_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d|[,;:.!?…–—]|(?<=\s)-(?=\s)")


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word; without phones it is a pause, `short` or `long`."""

    text: str
    phones: tuple[str, ...] = ()
    weak: bool = False
    pause: str = ""


class SpeechTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """weak: words without weight. sentences: what is said when no text is given."""

    weak: tuple[str, ...] = ()
    sentences: tuple[str, ...]


class LanguageTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One language as its file says it: see `languages/english.toml`."""

    name: str
    vowels: str
    rules: tuple[tuple[str, str], ...]
    exceptions: dict[str, str] = {}
    speech: SpeechTable


class Language:
    """A language table, checked and compiled. Raises ConfigError where a rule is unusable."""

    def __init__(self, table: LanguageTable) -> None:
        self.name = table.name
        self.sentences = table.speech.sentences
        if not any(self.sentences):
            raise ConfigError(f"language {table.name!r}: expected at least one sentence")
        self._weak = frozenset(table.speech.weak)
        self._exceptions = {w: _phones(p, table.name) for w, p in table.exceptions.items()}
        self._rules = [
            (_compiled(pattern, table), _phones(phones, table.name))
            for pattern, phones in table.rules
        ]
        self._known: dict[str, tuple[str, ...]] = {}

    def say(self, text: str) -> list[Word]:
        """Words and pauses of a text, in order. Letters that no rule knows are silent."""
        words = []
        for token in _TOKEN.findall(unicodedata.normalize("NFC", text)):
            if token in PAUSES:
                words.append(Word(token, pause=PAUSES[token]))
                continue
            word = token.lower().replace("’", "'")
            words.append(Word(word, self.sounds(word), word in self._weak))
        return words

    def sounds(self, word: str) -> tuple[str, ...]:
        """Phones of one word in lower case."""
        if word not in self._known:
            self._known[word] = self._exceptions.get(word) or self._by_rules(word)
        return self._known[word]

    def _by_rules(self, word: str) -> tuple[str, ...]:
        phones: list[str] = []
        at = 0
        while at < len(word):
            for pattern, sounds in self._rules:
                match = pattern.match(word, at)
                if match is not None and match.end() > at:
                    phones += sounds
                    at = match.end()
                    break
            else:
                at += 1
        return tuple(phones)


def read_language(path: Path) -> Language:
    """Read a language table. Raises ConfigError naming the file and what was expected."""
    try:
        return Language(msgspec.toml.decode(path.read_bytes(), type=LanguageTable))
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}", "see dataset_tools/languages/english.toml") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


@cache
def built_in(name: str = "english") -> Language:
    """A language that comes with the package: english, spanish. Raises ConfigError for others."""
    folder = resources.files("dataset_tools") / "languages"
    files = (entry.name for entry in folder.iterdir())
    names = sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml"))
    if name not in names:
        raise ConfigError(
            f"no language {name!r} is built in; there are {', '.join(names)}",
            "give the path of a language table instead",
        )
    text = (folder / f"{name}.toml").read_text("utf-8")
    return Language(msgspec.toml.decode(text, type=LanguageTable))


def language(name_or_path: str) -> Language:
    """A built-in language by name, or any other by the path of its `.toml`."""
    if name_or_path.endswith(".toml"):
        return read_language(Path(name_or_path))
    return built_in(name_or_path)


def _compiled(pattern: str, table: LanguageTable) -> re.Pattern[str]:
    vowels = f"[{re.escape(table.vowels)}]"
    others = rf"[^{re.escape(table.vowels)}'\W\d]"
    try:
        return re.compile(pattern.replace("{V}", vowels).replace("{C}", others))
    except re.error as error:
        raise ConfigError(f"language {table.name!r}: rule {pattern!r}: {error}") from error


def _phones(text: str, name: str) -> tuple[str, ...]:
    phones = tuple(text.split())
    for phone in phones:
        if phone not in PHONES:
            raise ConfigError(f"language {name!r}: {phone!r} is no phone", " ".join(PHONES))
    return phones
