"""What happens to sensors on a face that no face did: knocks, tugs, bites, slips, warmth. No I/O.

Each disturbance is a value with its own parameters and one pure function of motion and `rng`; a
wearer without them (`CALM`) feels none. Everything that pushes skin is a `Push`: one site is moved
and tilted along a smooth pulse or step, with exact derivatives, so that gyroscope and
accelerometer tell of one and the same movement. All sizes and counts are assumed unless a source
stands beside them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture import rotations
from dataset_tools.tissue import Skin, draw_skin, ring

Array = NDArray[np.float64]
Span = tuple[float, float]

# A knock of 12 ms has nothing left above some 250 Hz.
FAST_HZ = 800.0


@dataclass(frozen=True, slots=True)
class Tugs:
    """A cable pulls one sensor now and then: a slow tilt and shift that goes back."""

    per_minute: float = 2.0
    duration_s: Span = (0.15, 0.8)
    tilt_rad: float = float(np.radians(3.0))  # standard deviation per axis
    shift_m: float = 0.5e-3


@dataclass(frozen=True, slots=True)
class Taps:
    """Fingers touch the face: a short dent, also felt around it.

    Half a millimetre within 20 ms is some 30 m/s² at the sensor: between a touch and a knock.
    """

    per_minute: float = 1.0
    duration_s: Span = (0.012, 0.04)
    tilt_rad: float = float(np.radians(0.5))
    shift_m: float = 0.3e-3
    reach_m: float = 0.025  # falls to 0.6 at this distance


@dataclass(frozen=True, slots=True)
class Bites:
    """Teeth meet: a jolt that bone carries to every sensor, the reference included."""

    share: float = 0.7  # of the closings of the jaw
    duration_s: Span = (0.008, 0.02)
    tilt_rad: float = float(np.radians(0.05))
    shift_m: float = 0.03e-3


@dataclass(frozen=True, slots=True)
class Slips:
    """A sensor loses its place at some time of the take, and stays where it went."""

    chance: float = 0.1  # per sensor and take
    duration_s: Span = (0.05, 0.6)
    tilt_rad: float = float(np.radians(6.0))
    shift_m: float = 1.5e-3


@dataclass(frozen=True, slots=True)
class Warming:
    """Chips warm up on the skin: rise_k × (1 − exp(−t / time_constant_s))."""

    rise_k: float = 6.0
    time_constant_s: float = 180.0

    def rise(self, time_s: Array) -> Array:
        """(N,) kelvin above the start."""
        return np.asarray(-self.rise_k * np.expm1(-time_s / self.time_constant_s))


@dataclass(frozen=True, slots=True, eq=False)
class Tremor:
    """One patch trembles: a sine of `hz` under a raised cosine of `duration_s`.

    shift_m, tilt_rad: (3,) amplitudes in the sensor's frame.
    """

    site: int
    start_s: float
    duration_s: float
    hz: float
    shift_m: Array
    tilt_rad: Array


@dataclass(frozen=True, slots=True)
class Disturbances:
    """What is switched on for one wearer. tremors: each at its own time."""

    skin: Skin | None = None
    tugs: Tugs | None = None
    taps: Taps | None = None
    bites: Bites | None = None
    slips: Slips | None = None
    warming: Warming | None = None
    tremors: tuple[Tremor, ...] = ()

    @property
    def needs_hz(self) -> float:
        """The rate at which motion must be simulated for the fastest of them; 0 if any will do."""
        fast = (self.skin, self.taps, self.bites)
        return FAST_HZ if any(item is not None for item in fast) else 0.0


CALM = Disturbances()


def draw_disturbances(count: int, reference: int, rng: np.random.Generator) -> Disturbances:
    """A wearer as they come: ringing skin always, the rest more or less."""
    level = float(rng.uniform(0.3, 2.0))
    return Disturbances(
        skin=draw_skin(count, reference, rng),
        tugs=Tugs(per_minute=2.0 * level),
        taps=Taps(per_minute=0.5 * level),
        bites=Bites(share=float(rng.uniform(0.0, 1.0))),
        slips=Slips(chance=0.05 * level),
        warming=Warming(float(rng.uniform(1.0, 12.0)), float(rng.uniform(60.0, 400.0))),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Push:
    """One site moves by `tilt_rad` and `shift_m` (3,), in its sensor's frame; back, or for good."""

    site: int
    start_s: float
    duration_s: float
    tilt_rad: Array
    shift_m: Array
    stays: bool = False


def disturb(
    time_s: Array,
    force: Array,
    rate: Array,
    disturbances: Disturbances,
    position_m: Array,
    closings_s: Array,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Force and rate (N, S, 3), evenly sampled, with everything that is switched on.

    Args:
        position_m: (S, 3) places of the sites. closings_s: when the jaw closes.
    """
    end_s, count = float(time_s[-1]), force.shape[1]
    pushes: list[Push] = []
    if disturbances.tugs is not None:
        pushes += tugs(disturbances.tugs, end_s, count, rng)
    if disturbances.taps is not None:
        pushes += taps(disturbances.taps, end_s, position_m, rng)
    if disturbances.bites is not None:
        pushes += bites(disturbances.bites, closings_s, count, rng)
    if disturbances.slips is not None:
        pushes += slips(disturbances.slips, end_s, count, rng)
    force, rate = pushed(time_s, force, rate, pushes)
    force, rate = trembled(time_s, force, rate, disturbances.tremors)
    if disturbances.skin is not None:
        force, rate = ring(force, rate, disturbances.skin, 1.0 / (time_s[1] - time_s[0]))
    return force, rate


def tugs(kind: Tugs, end_s: float, count: int, rng: np.random.Generator) -> list[Push]:
    """Tugs of random sensors through the take."""
    starts = rng.uniform(0.0, end_s, rng.poisson(kind.per_minute * end_s / 60.0))
    return [_push(kind, int(rng.integers(count)), start, 1.0, rng) for start in starts]


def taps(kind: Taps, end_s: float, position_m: Array, rng: np.random.Generator) -> list[Push]:
    """Taps near random sensors; neighbours feel them less the further away they are."""
    out: list[Push] = []
    for start in rng.uniform(0.0, end_s, rng.poisson(kind.per_minute * end_s / 60.0)):
        hit = _push(kind, int(rng.integers(len(position_m))), start, 1.0, rng)
        far = np.linalg.norm(position_m - position_m[hit.site], axis=-1)
        near = np.exp(-0.5 * (far / kind.reach_m) ** 2)
        out += [_shared(hit, int(site), near[site]) for site in np.flatnonzero(near > 0.02)]
    return out


def bites(kind: Bites, closings_s: Array, count: int, rng: np.random.Generator) -> list[Push]:
    """A jolt of every sensor at some of the times at which the jaw closes."""
    out: list[Push] = []
    for start in closings_s[rng.random(len(closings_s)) < kind.share]:
        jolt = _push(kind, 0, start, float(rng.lognormal(0.0, 0.5)), rng)
        out += [_shared(jolt, site, float(rng.uniform(0.5, 1.0))) for site in range(count)]
    return out


def slips(kind: Slips, end_s: float, count: int, rng: np.random.Generator) -> list[Push]:
    """Lasting changes of pose, at most one per sensor."""
    loose = np.flatnonzero(rng.random(count) < kind.chance)
    out = [_push(kind, int(site), rng.uniform(0.0, end_s), 1.0, rng) for site in loose]
    return [Push(p.site, p.start_s, p.duration_s, p.tilt_rad, p.shift_m, True) for p in out]


def _push(
    kind: Tugs | Taps | Bites | Slips,
    site: int,
    start_s: float,
    level: float,
    rng: np.random.Generator,
) -> Push:
    duration = float(rng.uniform(*kind.duration_s))
    tilt = level * rng.normal(0.0, kind.tilt_rad, 3)
    return Push(site, float(start_s), duration, tilt, level * rng.normal(0.0, kind.shift_m, 3))


def _shared(push: Push, site: int, share: float) -> Push:
    return Push(
        int(site), push.start_s, push.duration_s, share * push.tilt_rad, share * push.shift_m
    )


def pushed(time_s: Array, force: Array, rate: Array, pushes: list[Push]) -> tuple[Array, Array]:
    """Force and rate (N, S, 3) of sensors that are pushed; the arguments stay as they are.

    The lever arm of the new place is not followed: a millimetre of it is worth 0.02 m/s² while a
    head speeds up by 20 rad/s².
    """
    if not pushes:
        return force, rate
    force, rate = force.copy(), rate.copy()
    for push in pushes:
        first = int(np.searchsorted(time_s, push.start_s))
        end = push.start_s + push.duration_s
        last = len(time_s) if push.stays else int(np.searchsorted(time_s, end))
        inside = slice(first, last)
        share = (time_s[inside] - push.start_s) / push.duration_s
        level, speed, change = _step(share) if push.stays else _pulse(share)
        back = rotations.conjugate(rotations.from_vector(level[:, None] * push.tilt_rad))
        knock = (change / push.duration_s**2)[:, None] * push.shift_m
        force[inside, push.site] = rotations.rotate(back, force[inside, push.site] + knock)
        # About one fixed axis the tilt's rate is the same seen from both sides.
        turning = (speed / push.duration_s)[:, None] * push.tilt_rad
        rate[inside, push.site] = rotations.rotate(back, rate[inside, push.site]) + turning
    return force, rate


def trembled(
    time_s: Array, force: Array, rate: Array, tremors: tuple[Tremor, ...]
) -> tuple[Array, Array]:
    """Force and rate (N, S, 3) of patches that tremble; the arguments stay as they are."""
    if not tremors:
        return force, rate
    force, rate = force.copy(), rate.copy()
    for one in tremors:
        ends = np.searchsorted(time_s, (one.start_s, one.start_s + one.duration_s))
        inside = slice(int(ends[0]), int(ends[1]))
        since = time_s[inside] - one.start_s
        envelope, wave = 2.0 * np.pi / one.duration_s, 2.0 * np.pi * one.hz
        window = 0.5 - 0.5 * np.cos(envelope * since)
        window1 = 0.5 * envelope * np.sin(envelope * since)
        window2 = 0.5 * envelope**2 * np.cos(envelope * since)
        sine, cosine = np.sin(wave * since), wave * np.cos(wave * since)
        level = window * sine
        speed = window1 * sine + window * cosine
        change = window2 * sine + 2.0 * window1 * cosine - wave**2 * window * sine
        back = rotations.conjugate(rotations.from_vector(level[:, None] * one.tilt_rad))
        knock = change[:, None] * one.shift_m
        force[inside, one.site] = rotations.rotate(back, force[inside, one.site] + knock)
        turning = speed[:, None] * one.tilt_rad
        rate[inside, one.site] = rotations.rotate(back, rate[inside, one.site]) + turning
    return force, rate


def _pulse(x: Array) -> tuple[Array, Array, Array]:
    """sin⁴ πx on [0, 1] and its derivatives: out and back, at rest at both ends."""
    sine, cosine = np.sin(np.pi * x), np.cos(np.pi * x)
    speed = 4.0 * np.pi * sine**3 * cosine
    change = 4.0 * np.pi**2 * sine**2 * (3.0 * cosine**2 - sine**2)
    return sine**4, speed, change


def _step(x: Array) -> tuple[Array, Array, Array]:
    """The quintic from 0 to 1 without speed or acceleration at its ends, and its derivatives."""
    x = np.clip(x, 0.0, 1.0)
    level = x**3 * (10.0 - 15.0 * x + 6.0 * x**2)
    return level, 30.0 * x**2 * (1.0 - x) ** 2, 60.0 * x * (1.0 - x) * (1.0 - 2.0 * x)


def closings(time_s: Array, jaw_open: Array, opened: float = 0.12, shut: float = 0.03) -> Array:
    """Times at which a jaw that was open by `opened` is back below `shut`, above its lowest."""
    level = jaw_open - np.min(jaw_open)
    state = np.where(level > opened, 1, np.where(level < shut, -1, 0))
    held = np.maximum.accumulate(np.where(state != 0, np.arange(len(state)), 0))
    state = state[held]
    return np.asarray(time_s[1:][(state[1:] == -1) & (state[:-1] == 1)])
