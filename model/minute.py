"""Movements too small for a camera, felt: band energies against the wearer's own rest. Pure.

    feature rows ─► bands 1–3, 3–8, 8–20 Hz ─► energy / (rest + what head motion leaks) ─► events
       60 Hz        of rate and force, per slot        calibrated at rest and in the routine

Head motion is removed by the reference sensor (`model.features`). What it leaves behind, because no
mounting is known exactly, grows with the motion: the routine of nods, tilts and turns with a still
face tells how much, slot by slot, and the floor rises with the head. Ordinary expressions fill the
same bands: an event during which the skin turned as far as a camera sees is marked `visible`.

docs/minute.md says how small a movement is found, and what was measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.resample import TICK_HZ, tick_time_ns
from firmware_host.layout import SensorLayout
from firmware_host.samples import Floats
from model.features import Perceived, leaky_angles, perceived

Array = NDArray[np.float64]

BANDS_HZ: tuple[tuple[float, float], ...] = ((1.0, 3.0), (3.0, 8.0), (8.0, 20.0))
# Energy is averaged over so long (exponentially): some periods of the slowest wave of the band.
WINDOWS_S = (0.7, 0.4, 0.2)
# Energy over floor at which an event begins; benchmarks/minute.py finds where one event a minute
# is false.
BEGINS_AT = (2.3, 1.9, 1.8)
# Patches turn about 0.025 rad for a millimetre of skin (our head, the median over sites and
# shapes): who moved by more than that within a second is seen by a camera.
VISIBLE_RAD = 0.03
VISIBLE_FOR_S = 1.0
LONGEST_S = 2.0  # what goes on longer is told in pieces
# Shares of where it began and of its most, below which for so long an event ends. What rings on
# after it is another one only where it rises to so many times where the first ended.
_ENDS_AT, _ENDS_AT_SHARE, _ENDS_AFTER_S = 0.5, 0.4, 0.1
_AGAIN = 2.0
_DEAF_S = 1.0  # after a gap a slot's filters settle
_SETTLE_ROWS = TICK_HZ // 2
# A nod is not a turn: what leaks may be so much more than it was in the routine.
_LEAK_MARGIN = 3.0
# What leaks at least, as a share of the head's own energy: two degrees of mounting.
_LEAST_LEAK = float(np.radians(2.0)) ** 2
_LEAK_WITHOUT_ROUTINE = float(np.radians(10.0)) ** 2
_ARM_M = 0.1  # from the reference to the face, for what turning adds to force
_POOLED = 30.0  # how much all slots together weigh beside the few seconds of one
_FOLLOW_S = 20.0  # the floor follows what is quiet
_QUIET = 1.6


@dataclass(frozen=True, slots=True)
class MinuteEvent:
    """One movement of one patch of skin.

    time_ns: when it began, on the clock of the ticks. low_hz, high_hz: the band it stood out most
    in. strength: its rms as a multiple of the floor's. rate_rad_s, force_m_s2: rms at its peak, the
    head's motion removed. visible: the face moved by what a camera sees, or the head shook it.
    """

    time_ns: int
    slot: str
    low_hz: float
    high_hz: float
    strength: float
    duration_s: float
    rate_rad_s: float
    force_m_s2: float
    visible: bool


@dataclass(frozen=True, slots=True, eq=False)
class Floor:
    """What a face at rest fills each band with. B bands, R face slots; rate, then force.

    rest: (B, R, 2) mean squares. leak: (B, R, 2) how much of the head's own energy comes on top.
    """

    rest: Array
    leak: Array


class Bands:
    """Band energies of feature rows, row by row: a high-pass and a low-pass for each band, both
    Butterworth of second order by the bilinear transform, then an exponential mean of squares.
    """

    def __init__(self, sites: int) -> None:
        self._sites = sites
        sections = [(_high_pass(low), _low_pass(high)) for low, high in BANDS_HZ]
        self._taps = np.array(sections)[..., None, None]  # (B, 2, 5, 1, 1)
        self._share = 1.0 - np.exp(-1.0 / (np.array(WINDOWS_S) * TICK_HZ))[:, None, None]
        self.restart()

    def restart(self) -> None:
        """Forget all rows."""
        self._fresh = np.ones(self._sites + 1, bool)
        self._state = np.zeros((len(BANDS_HZ), 2, 2, self._sites + 1, 6))
        self._energy = np.zeros((len(BANDS_HZ), self._sites + 1, 2))

    def silence(self, sites: NDArray[np.bool_]) -> None:
        """Forget what these (R,) sites did."""
        gone = np.flatnonzero(sites)
        self._fresh[gone] = True
        self._state[:, :, :, gone] = 0.0
        self._energy[:, gone] = 0.0

    def advance(self, seen: Perceived) -> Array:
        """(T, B, R + 1, 2) energies of rate and force after each row; the head is the last."""
        sites = np.where(seen.heard[..., None], np.concatenate((seen.rate, seen.force), -1), 0.0)
        head = np.concatenate((seen.head_rate, seen.head_force - _up(seen)), axis=-1)
        rows = np.concatenate((sites, head[:, None]), axis=1)
        out = np.empty((len(rows), *self._energy.shape))
        for k, row in enumerate(rows):
            square = self._filtered(row) ** 2
            both = np.stack((square[..., :3].sum(-1), square[..., 3:].sum(-1)), axis=-1)
            self._energy += self._share * (both - self._energy)
            out[k] = self._energy
        return out

    def _filtered(self, row: Array) -> Array:
        """(B, R + 1, 6) by direct form II transposed."""
        x = np.broadcast_to(row, (len(BANDS_HZ), *row.shape))
        if self._fresh.any():
            self._settle(x)
        for section in range(2):
            b0, b1, b2, a1, a2 = (self._taps[:, section, tap] for tap in range(5))
            state = self._state[:, section]
            y = b0 * x + state[:, 0]
            state[:, 0] = b1 * x - a1 * y + state[:, 1]
            state[:, 1] = b2 * x - a2 * y
            x = y
        return np.asarray(x)

    def _settle(self, x: Array) -> None:
        """Begin as if what is heard first had always been so: a high-pass says nothing then."""
        taps, new = self._taps[:, 0], self._fresh
        self._state[:, 0, 0][:, new] = -taps[:, 0] * x[:, new]
        self._state[:, 0, 1][:, new] = taps[:, 2] * x[:, new]
        new[:] = False


def _up(seen: Perceived) -> Array:
    """(T, 3) what the reference would feel at rest: taken out, so that filters start calm."""
    length = np.linalg.norm(seen.head_force, axis=1, keepdims=True)
    return np.concatenate((np.zeros_like(length), length, np.zeros_like(length)), axis=1)


def _high_pass(corner_hz: float) -> list[float]:
    k = float(np.tan(np.pi * corner_hz / TICK_HZ))
    norm = 1.0 + np.sqrt(2.0) * k + k * k
    return [1.0 / norm, -2.0 / norm, 1.0 / norm, *_poles(k, norm)]


def _low_pass(corner_hz: float) -> list[float]:
    k = float(np.tan(np.pi * corner_hz / TICK_HZ))
    norm = 1.0 + np.sqrt(2.0) * k + k * k
    return [k * k / norm, 2.0 * k * k / norm, k * k / norm, *_poles(k, norm)]


def _poles(k: float, norm: float) -> tuple[float, float]:
    return 2.0 * (k * k - 1.0) / norm, (1.0 - np.sqrt(2.0) * k + k * k) / norm


def head_energy(energy: Array) -> Array:
    """(…, B, 1, 2) what the head does that could leak into rate and force of every site.

    Args:
        energy: (…, B, R + 1, 2) as `Bands.advance` gives it.
    """
    rate, force = energy[..., -1:, 0], energy[..., -1:, 1]
    turning = np.array([(2.0 * np.pi * np.sqrt(low * high)) ** 2 for low, high in BANDS_HZ])
    return np.stack((rate, force + _ARM_M**2 * turning[:, None] * rate), axis=-1)


class FloorLearner:
    """Finds the floor by feature rows (T, F) of a face at rest, and of a still face on a moving
    head, some rows at a time: beside a face that is live nothing may take long.
    """

    def __init__(self, rest: Floats, routine: Floats | None, sites: int) -> None:
        self._sites = sites
        parts = [rest]
        if routine is not None and len(routine) >= 2 * _SETTLE_ROWS:
            parts.append(routine)
        self._left = [perceived(part, sites) for part in parts]
        self._energies: list[list[Array]] = [[] for _ in parts]
        self._part, self._row, self._bands = 0, 0, Bands(sites)

    def step(self, rows: int) -> Floor | None:
        """Take so many rows more; the floor once there are no more."""
        while rows > 0 and self._part < len(self._left):
            seen = self._left[self._part]
            part = slice(self._row, self._row + rows)
            energy = self._bands.advance(_rows(seen, part))
            self._energies[self._part].append(energy)
            rows, self._row = rows - max(len(energy), 1), self._row + len(energy)
            if self._row >= len(seen.rate):
                self._part, self._row, self._bands = self._part + 1, 0, Bands(self._sites)
        return self._floor() if self._part == len(self._left) else None

    def _floor(self) -> Floor:
        quiet, *moved = (np.concatenate(parts) for parts in self._energies)
        kept = quiet[min(_SETTLE_ROWS, len(quiet) // 2) :]
        own = np.maximum(kept[:, :, :-1].mean(axis=0), 1e-12)
        pooled = np.median(own, axis=1, keepdims=True)
        widths = np.array([high - low for low, high in BANDS_HZ])[:, None, None]
        known = 6.0 * widths * len(kept) / TICK_HZ  # degrees of freedom of three axes
        level = (_POOLED * pooled + known * own) / (_POOLED + known)
        if not moved:
            return Floor(level, np.full_like(level, _LEAK_WITHOUT_ROUTINE))
        after = moved[0][_SETTLE_ROWS:]
        felt, head = after[:, :, :-1].sum(axis=0), head_energy(after).sum(axis=0)
        above = np.maximum(felt - len(after) * level, 0.0)
        leak = _LEAK_MARGIN * above / np.maximum(head, 1e-9)
        return Floor(level, np.maximum(leak, _LEAST_LEAK))


def floor_of(rest: Floats, routine: Floats | None, sites: int) -> Floor:
    """The floor at once, see `FloorLearner`."""
    learner = FloorLearner(rest, routine, sites)
    while (floor := learner.step(1000)) is None:
        continue
    return floor


@dataclass(slots=True)
class _Going:
    """An event that has not ended. beyond: its most, 1 where an event begins."""

    began: int
    last: int
    band: int
    strength: float
    beyond: float
    rate: float
    force: float
    visible: bool


class MinuteDetector:
    """Finds events in feature rows, which come in order of time.

    Args:
        layout: of the feature rows. floor: what rest is like. first_tick: earlier rows are not
            looked at. begins_at: energy over floor at which an event begins, by band.
    """

    def __init__(
        self,
        layout: SensorLayout,
        floor: Floor,
        first_tick: int = 0,
        begins_at: Sequence[float] = BEGINS_AT,
    ) -> None:
        self._slots = tuple(layout.slots[i].name for i in layout.face_indices)
        self._rest, self._leak = floor.rest.copy(), floor.leak
        self._bands = Bands(len(self._slots))
        self._first_tick, self._tick = first_tick, first_tick - 1
        self._deaf = np.full(len(self._slots), round(_DEAF_S * TICK_HZ))
        self._head: Array | None = None
        self._angles = np.zeros((round(VISIBLE_FOR_S * TICK_HZ), len(self._slots), 3))
        self._visible_until = -1
        self._going: list[_Going | None] = [None] * len(self._slots)
        self._fading = np.zeros(len(self._slots))
        self._begins_at = np.array(begins_at)[:, None]

    def advance(self, last_tick: int, rows: Floats) -> list[MinuteEvent]:
        """The events that ended in feature rows (T, F), the last of which is of `last_tick`."""
        first = max(last_tick - len(rows) + 1, self._first_tick)
        rows = rows[len(rows) - (last_tick - first + 1) :]
        if last_tick < first:
            return []
        events: list[MinuteEvent] = []
        if first != self._tick + 1:
            events += self._cut()
        self._tick = last_tick
        seen = perceived(rows, len(self._slots))
        angles = leaky_angles(rows, len(self._slots))
        for k in range(len(rows)):
            events += self._row(first + k, _rows(seen, slice(k, k + 1)), angles[k])
        return events

    def _cut(self) -> list[MinuteEvent]:
        """Rows are missing: what went on ends, filters start anew."""
        self._bands.restart()
        self._deaf[:] = round(_DEAF_S * TICK_HZ)
        self._angles[:] = 0.0
        ended = [self._end(slot) for slot, going in enumerate(self._going) if going]
        return [event for event in ended if event is not None]

    def _row(self, tick: int, seen: Perceived, angle: Array) -> list[MinuteEvent]:
        silent = ~seen.heard[0]
        self._deaf = np.where(silent, round(_DEAF_S * TICK_HZ), np.maximum(self._deaf - 1, 0))
        energy = self._bands.advance(seen)[0]
        if silent.any():
            self._bands.silence(silent)
        head = head_energy(energy)
        # What the head shook keeps ringing in the mean of a slot as long as in its own.
        self._head = head if self._head is None else np.maximum(head, 0.9 * self._head)
        leaked = self._leak * self._head
        ratio = energy[:, :-1] / (self._rest + leaked)
        # What most of the face feels alike is the head, or teeth that meet, and no patch of skin.
        ratio = ratio / np.maximum(np.median(ratio, axis=1, keepdims=True), 1.0)
        over = np.where(self._deaf > 0, 0.0, ratio.mean(axis=-1))  # (B, R)
        self._follow(energy[:, :-1], leaked, over)
        self._look_for_visible(tick, angle)
        return self._events(tick, energy, over)

    def _follow(self, energy: Array, leaked: Array, over: Array) -> None:
        """Let the floor of what is quiet go where it goes."""
        quiet = ((over < _QUIET) & (self._deaf == 0))[..., None] & (leaked < self._rest)
        step = (energy - self._rest) / (_FOLLOW_S * TICK_HZ)
        self._rest += np.where(quiet, step, 0.0)

    def _look_for_visible(self, tick: int, angle: Array) -> None:
        self._angles[tick % len(self._angles)] = angle
        turned = self._angles - angle
        if np.einsum("tri,tri->tr", turned, turned).max() > VISIBLE_RAD**2:
            self._visible_until = tick + round(VISIBLE_FOR_S * TICK_HZ)

    def _events(self, tick: int, energy: Array, over: Array) -> list[MinuteEvent]:
        beyond = (over - 1.0) / (self._begins_at - 1.0)
        bands, most = beyond.argmax(axis=0), beyond.max(axis=0)
        ended: list[MinuteEvent | None] = []
        for slot, going in enumerate(self._going):
            if going is None:
                self._fading[slot] = min(self._fading[slot], most[slot])
                if most[slot] >= max(1.0, _AGAIN * self._fading[slot]):
                    before = round(0.5 * WINDOWS_S[bands[slot]] * TICK_HZ)
                    began = max(tick - before, self._first_tick)
                    self._going[slot] = _Going(began, tick, 0, 0.0, 0.0, 0.0, 0.0, False)
                    self._note(slot, tick, bands[slot], over, beyond, energy)
                continue
            if most[slot] >= max(_ENDS_AT, _ENDS_AT_SHARE * going.beyond):
                self._note(slot, tick, bands[slot], over, beyond, energy)
            if (tick - going.last) / TICK_HZ > _ENDS_AFTER_S:
                self._fading[slot] = most[slot]
                ended.append(self._end(slot))
            elif (tick - going.began) / TICK_HZ >= LONGEST_S:
                self._fading[slot] = 0.0
                ended.append(self._end(slot))
        return [event for event in ended if event is not None]

    def _note(
        self, slot: int, tick: int, band: int, over: Array, beyond: Array, energy: Array
    ) -> None:
        going = self._going[slot]
        assert going is not None
        going.last = tick
        going.visible |= tick <= self._visible_until
        if beyond[band, slot] > going.beyond:
            going.beyond, going.band = float(beyond[band, slot]), int(band)
            going.strength = float(np.sqrt(over[band, slot]))
            going.rate, going.force = np.sqrt(energy[band, slot]).tolist()

    def _end(self, slot: int) -> MinuteEvent | None:
        going = self._going[slot]
        self._going[slot] = None
        if going is None:
            return None
        low, high = BANDS_HZ[going.band]
        return MinuteEvent(
            tick_time_ns(going.began),
            self._slots[slot],
            low,
            high,
            going.strength,
            (going.last - going.began + 1) / TICK_HZ,
            going.rate,
            going.force,
            going.visible,
        )


def _rows(seen: Perceived, rows: slice) -> Perceived:
    return Perceived(
        seen.rate[rows],
        seen.force[rows],
        seen.heard[rows],
        seen.head_rate[rows],
        seen.head_force[rows],
    )
