"""Other words for a description, by a server that speaks OpenAI's chat protocol. Off by default.

Whatever the server says, its words are kept only where every unit, letter and number of ours is
still in them, and no other number: a model may not change what was seen.
"""

import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from firmware_host.errors import ConfigError, TransportError

ASKED = (
    "Rephrase the description in plain English. Keep its three paragraphs, every action unit "
    "(AU12), every letter of intensity and every number exactly as it is, and add nothing."
)
_FACTS = re.compile(r"AU\d+|(?<=intensity )[A-E]\b|\d+\.\d+|\b(?:left|right)\b")
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")
TIMEOUT_S = 120.0
MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Endpoint:
    """url: up to `/v1`. model: as the server calls it. key: of the server, or nothing."""

    url: str
    model: str
    key: str = ""

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ConfigError(f"--rephrase {self.url}: expected http:// or https://")
        if not self.model:
            raise ConfigError("--rephrase needs --model, as the server calls it")


def read_key(path: Path | None) -> str:
    """The key in a file. Raises ConfigError where it cannot be read."""
    try:
        return "" if path is None else path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{path}: cannot read it: {error.strerror}") from error


def rephrase(endpoint: Endpoint, text: str) -> str | None:
    """The server's words, or None where they say something else.

    Raises:
        TransportError: the server cannot be reached, or does not answer as such servers do.
    """
    messages = [{"role": "system", "content": ASKED}, {"role": "user", "content": text}]
    body = {"model": endpoint.model, "messages": messages, "temperature": 0, "seed": 0}
    request = urllib.request.Request(
        endpoint.url.rstrip("/") + "/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"}
        | ({"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}),
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            told = json.loads(answer.read(MAX_BYTES))
        words = str(told["choices"][0]["message"]["content"]).strip()
    except (OSError, urllib.error.URLError) as error:
        raise TransportError(f"{endpoint.url}: {error}") from error
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise TransportError(f"{endpoint.url}: no answer of a chat server: {error!r}") from error
    return words if says_the_same(text, words) else None


def says_the_same(ours: str, theirs: str) -> bool:
    """Whether all units, letters, sides and numbers of ours are in theirs, and no other number."""
    facts = set(_FACTS.findall(ours))
    kept = all(re.search(rf"(?<![\w.]){re.escape(fact)}(?![\w])", theirs) for fact in facts)
    return kept and set(_NUMBERS.findall(theirs)) <= set(_NUMBERS.findall(ours))
