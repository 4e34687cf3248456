"""What the operator says about a sink: `--sink URL`, or a `[[sinks]]` table of the rig. No I/O.

--sink vmc://127.0.0.1:39539
--sink "vmc://127.0.0.1:39539?names=camel&unfelt=idle&mirror=true"
--sink csv:face.csv

[[sinks]]
url = "vmc://127.0.0.1:39539"
unfelt = "idle"
names = "camel"                       # of this kind of sink; the rest is for all
gain = { jawOpen = 1.2, brows = 1.1 }
dead_zone = { mouthPress = 0.05 }
clamp = { cheekPuff = [0.0, 0.8] }
filters = { mouth = { min_cutoff_hz = 1.5, beta = 0.4 } }
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from capture.sinks.kinds import KINDS, Kind
from capture.sinks.shaping import FilterSetting, Shaping, members
from capture.sinks.unfelt import Unfelt
from firmware_host.errors import ConfigError

MAX_CUTOFF_HZ = 1000.0
_PORTS = range(1, 65_536)


class FilterTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A One-Euro filter, see `capture.sinks.one_euro`."""

    min_cutoff_hz: float
    beta: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.min_cutoff_hz <= MAX_CUTOFF_HZ or not 0.0 <= self.beta < math.inf:
            raise ValueError(
                f"expected 0 < min_cutoff_hz <= {MAX_CUTOFF_HZ:g} and beta >= 0, "
                f"got {self.min_cutoff_hz} and {self.beta}"
            )


class ShapingTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every sink knows, see `Shaping`. gain: a number for all, or by shape and region."""

    unfelt: Unfelt | None = None
    seed: int = 1
    mirror: bool = False
    gain: float | dict[str, float] = 1.0
    dead_zone: dict[str, float] = {}
    clamp: dict[str, tuple[float, float]] = {}
    filters: dict[str, FilterTable] = {}

    def __post_init__(self) -> None:
        for key in (*self.gains, *self.dead_zone, *self.clamp, *self.filters):
            members(key)
        if not all(0.0 <= gain <= 10.0 for gain in self.gains.values()):
            raise ValueError(f"gain: expected 0 to 10, got {self.gain}")
        if not all(0.0 <= zone < 1.0 for zone in self.dead_zone.values()):
            raise ValueError(f"dead_zone: expected 0 up to 1, got {self.dead_zone}")
        if not all(-1.0 <= low < high <= 2.0 for low, high in self.clamp.values()):
            raise ValueError(f"clamp: expected -1 <= least < most <= 2, got {self.clamp}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed: expected 0 up to 2^63, got {self.seed}")

    @property
    def gains(self) -> dict[str, float]:
        """By shape and region."""
        return self.gain if isinstance(self.gain, dict) else {"all": self.gain}


@dataclass(frozen=True, slots=True)
class SinkConfig:
    """One sink. host and port are set where it is an address, target where it is something else."""

    url: str
    kind: Kind
    host: str
    port: int
    target: str
    shaping: Shaping
    options: msgspec.Struct


def sinks_from(urls: Sequence[str], tables: Sequence[Mapping[str, Any]] = ()) -> list[SinkConfig]:
    """The sinks of the command line and of the rig, those of the rig first.

    Raises:
        ConfigError: one of them is not to be understood; names it and what was expected.
    """
    found = [_from_table(table, number) for number, table in enumerate(tables)]
    return found + [parse_sink(url) for url in urls]


def parse_sink(url: str, settings: Mapping[str, Any] | None = None) -> SinkConfig:
    """Read one sink. settings: of its table, which go before those in the URL."""
    scheme, colon, rest = url.partition(":")
    kind = KINDS.get(scheme)
    if kind is None or not colon:
        known = ", ".join(KINDS)
        raise ConfigError(
            f"sink {url!r}: expected one of {known}",
            "for example vmc://127.0.0.1:39539, or csv:face.csv",
        )
    address, _, query = rest.partition("?")
    given: dict[str, Any] = {**dict(parse_qsl(query)), **(settings or {})}
    own = {key: given.pop(key) for key in kind.options.__struct_fields__ if key in given}
    table = _converted(url, given, ShapingTable)
    host, port = _endpoint(url, kind, address) if kind.port else ("", 0)
    return SinkConfig(
        url,
        kind,
        host,
        port,
        "" if kind.port else _target(url, kind, address),
        _shaping(table, kind),
        _converted(url, own, kind.options),
    )


def _from_table(table: Mapping[str, Any], number: int) -> SinkConfig:
    settings = dict(table)
    url = settings.pop("url", None)
    if not isinstance(url, str):
        raise ConfigError(f'sinks[{number}]: expected url = "…", got {url!r}')
    return parse_sink(url, settings)


def _converted(url: str, values: Mapping[str, Any], struct: type[Any]) -> Any:
    try:
        return msgspec.convert(values, struct, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"sink {url!r}: {error}", "see docs/avatars.md") from error


def _shaping(table: ShapingTable, kind: Kind) -> Shaping:
    return Shaping(
        table.unfelt or kind.unfelt,
        table.seed,
        table.mirror,
        {key: FilterSetting(f.min_cutoff_hz, f.beta) for key, f in table.filters.items()},
        table.gains,
        table.dead_zone,
        table.clamp,
    )


def _endpoint(url: str, kind: Kind, address: str) -> tuple[str, int]:
    """Host and port of `//HOST:PORT`; what is left out is usual for this kind."""
    host, colon, port = address.removeprefix("//").rstrip("/").rpartition(":")
    if not colon or (port.endswith("]")):
        host, port = address.removeprefix("//").rstrip("/"), str(kind.port)
    host = host.strip("[]") or kind.host
    if not (port.isascii() and port.isdecimal() and int(port) in _PORTS) or "/" in host:
        raise ConfigError(
            f"sink {url!r}: expected {kind.scheme}://HOST:PORT",
            f"for example {kind.scheme}://{kind.host}:{kind.port}",
        )
    return host, int(port)


def _target(url: str, kind: Kind, address: str) -> str:
    if not address or (kind.suffix and not address.lower().endswith(kind.suffix)):
        example = f"face{kind.suffix}" if kind.suffix else "imusic"
        raise ConfigError(f"sink {url!r}: expected a name, for example {kind.scheme}:{example}")
    return address
