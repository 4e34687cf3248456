"""Samples in, faces out, causally: `push` what arrived, ask `frame_at` a tick. Pure; no torch.

    waiting for rest ──► waiting for the routine ──► driving
      rest face, confidence 0                         network, confidence = share of slots heard

The clock is the caller's: the host's monotonic clock live, the recorded one offline. The same
pushes and ticks give the same faces, which is how offline equals live.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, BlendshapeFrame
from capture.calibration import Calibration, calibrate, nominal_calibration, rezeroed
from capture.merging import Merger
from capture.resample import TICK_HZ, RowBuffer, tick_of
from capture.rest_bias import BiasFollower
from firmware_host.layout import SensorLayout, Slot
from firmware_host.samples import Floats, ImuBlock
from firmware_host.sensor_profile import Correction
from model.checkpoint import Checkpoint, select_slots
from model.diffusion import cosine_alphas_cumprod, inference_timesteps, sample_ddim
from model.features import HISTORY_ROWS, RunningFeatures, features, heard_share
from model.head import HeadRotation
from model.kalman import RunningFilter, WeightFilter
from model.wearer import Wearer

Array = NDArray[np.float64]
Denoise = Callable[[Floats, int, Floats], Floats]

# Rows are complete this long after their tick: serial and USB latency stay well below.
_LATE_ROWS = 6
# So the first face that moves comes this long after the opening, two ticks of grace included.
SETTLED_S = (_LATE_ROWS + 2) / TICK_HZ
# Without any sample: hold this long, then let the face go back to rest.
_HOLD_S, _DECAY_S = 0.25, 0.5
# A re-zero looks back so long, and wants all sensors this still meanwhile.
REZERO_S, _STILL_RAD_S = 1.0, 0.12


@dataclass(frozen=True, slots=True)
class Opening:
    """How a take begins, in seconds after the first sample: rest, then perhaps a routine."""

    rest_start_s: float = 0.0
    rest_end_s: float = 2.0
    routine_start_s: float = 0.0
    routine_end_s: float = 0.0

    @property
    def end_s(self) -> float:
        """When calibration is complete."""
        return max(self.rest_end_s, self.routine_end_s)

    @property
    def has_routine(self) -> bool:
        """Whether there is a routine at all."""
        return self.routine_end_s > self.routine_start_s

    @property
    def length_s(self) -> float:
        """From the beginning of rest or routine to the end of both."""
        start_s = min(self.rest_start_s, self.routine_start_s if self.has_routine else np.inf)
        return self.end_s - start_s


@dataclass(frozen=True, slots=True, eq=False)
class OpeningFeatures:
    """Feature rows of the rest and the routine that the calibration in use was learnt from.

    rest, routine: (T, F); routine is None where there was none. end_tick: of the last of them.
    version: another one whenever the calibration is another.
    """

    rest: Floats
    routine: Floats | None
    end_tick: int
    version: int


@dataclass(frozen=True, slots=True, eq=False)
class _Worn:
    """What an undo goes back to."""

    calibration: Calibration
    rest: Array
    routine: Array | None
    wearer: Wearer | None


class Predictor:
    """From sample blocks to a `BlendshapeFrame` per tick.

    Args:
        checkpoint: facts and normalisation.
        worn: the layout that the pushed blocks have, in their slot order.
        denoise: (xt (1, W, 52), timestep, inputs (1, W, F)) → x0; see `model.network`.
        opening: when the wearer rests and does the routine.
        postponed: the opening has yet to begin; only its length counts, and `begin` says the rest.
        wearer: the profile of who wears the sensors; None of a stranger.
        corrections: of the readings, by slot (`capture.merging`).
        devices: the slots of each device whose blocks are pushed, where there are several; by
            default one that has all of `worn`, in that order.

    Raises:
        ConfigError: `worn` has a slot the checkpoint does not know, or no head reference.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        worn: SensorLayout,
        denoise: Denoise,
        opening: Opening | None = None,
        noise_seed: int = 0,
        postponed: bool = False,
        wearer: Wearer | None = None,
        devices: Sequence[tuple[str, ...]] = (),
        corrections: Mapping[str, Correction] | None = None,
    ) -> None:
        self._checkpoint = checkpoint
        self._order = select_slots(checkpoint.layout, worn)
        self._merger = Merger(checkpoint.layout.names, devices or (worn.names,), corrections)
        self._layout = fitted_layout(checkpoint.layout, worn)
        self._denoise = denoise
        self._opening = opening or Opening()
        self._postponed = postponed
        self._noise_seed = noise_seed
        diffusion = checkpoint.facts.diffusion
        self._alphas_cumprod = cosine_alphas_cumprod(diffusion.num_train_timesteps)
        self._timesteps = inference_timesteps(
            diffusion.num_train_timesteps, diffusion.num_inference_steps
        )
        self._span = HISTORY_ROWS + checkpoint.facts.window
        self._kept_rows = max(self._span, _rows_needed(self._opening))
        self._rows = RowBuffer(self._kept_rows, len(self._order))
        self._calibration = nominal_calibration(self._layout)
        self._first_ns: int | None = None
        self._stage = 0  # 0 waiting for rest, 1 rest known, 2 routine known as well
        self._head = HeadRotation(_LATE_ROWS)
        self._dress(wearer)
        self._features: RunningFeatures | None = None  # from the end of the opening on
        self._newest_ns = 0
        self._driven_ns = 0  # arrival of the newest block that is in the face
        self._last_heard_tick: int | None = None
        self._change = np.zeros(len(ARKIT_NAMES), np.float32)
        self._deviation: Floats | None = None
        self._learnt: OpeningFeatures | None = None
        self._opening_rows: tuple[Array, Array | None] | None = None
        self._bias: BiasFollower | None = None
        self._asked_tick: int | None = None
        self._past: list[_Worn] = []

    @property
    def newest_arrival_ns(self) -> int:
        """Arrival of the newest block pushed; 0 before the first."""
        return self._newest_ns

    @property
    def first_ns(self) -> int | None:
        """Host time of the first sample; None before it."""
        return self._first_ns

    @property
    def calibrated(self) -> bool:
        """Whether rest (and the routine, where there is one) lie behind."""
        return self._stage == 2

    @property
    def calibration(self) -> Calibration:
        """What is believed about bias and mounting so far, in the checkpoint's slot order."""
        return self._calibration

    @property
    def wearer(self) -> Wearer | None:
        """Whose profile is in use; None of a stranger."""
        return self._wearer

    def heard(self) -> tuple[tuple[str, bool], ...]:
        """Each slot, and whether it was heard just now."""
        tick = self._asked_tick
        if tick is None:
            return tuple((name, False) for name in self._layout.names)
        rows = np.isfinite(self._rows.rows(tick, _LATE_ROWS))
        heard = np.asarray(rows.all(axis=-1).any(axis=0))
        return tuple(zip(self._layout.names, map(bool, heard), strict=True))

    @property
    def layout(self) -> SensorLayout:
        """The checkpoint's slots with the places and mountings of what is worn."""
        return self._layout

    def opening_features(self) -> OpeningFeatures | None:
        """What rest and routine felt like, once they are over."""
        return self._learnt

    def settled(self) -> tuple[int, Floats]:
        """The tick of the last final feature row, and the (N, F) rows since the last call."""
        return (
            (0, np.zeros((0, 0), np.float32))
            if self._features is None
            else (self._features.settled())
        )

    def begin(self, opening: Opening) -> None:
        """Say when a postponed opening is, before its end is due.

        Raises:
            ValueError: it is longer than the one that was announced.
        """
        if _rows_needed(opening) > self._kept_rows:
            raise ValueError(f"expected at most {self._kept_rows} rows, got {opening}")
        self._opening, self._postponed = opening, False

    def push(self, block: ImuBlock) -> None:
        """Take samples in order of arrival. Block slots are those of its device."""
        if len(block) == 0:
            return
        placed = self._merger.place(block)
        if self._first_ns is None:
            self._first_ns = int(placed.time_ns[0])
        self._newest_ns = max(self._newest_ns, block.arrival_ns)
        self._rows.push(placed.time_ns, placed.accel_m_s2, placed.gyro_rad_s)

    def frame_at(self, time_ns: int) -> BlendshapeFrame:
        """The face at the last tick at or before `time_ns`; ask ticks in increasing order."""
        tick = int(time_ns) * TICK_HZ // 1_000_000_000
        self._rows.advance(tick)
        self._calibrate(tick)
        self._follow_bias(tick)
        self._asked_tick = tick
        rows = self._rows.rows(tick, min(self._rows_wanted(tick), self._span))
        head = self._head_at(tick, rows)
        confidence = 0.0
        if self._features is not None:
            confidence = self._drive(tick, rows, self._features)
        weights = np.clip(self._rest_weights + self._change, 0.0, 1.0)
        return BlendshapeFrame(
            time_ns,
            weights.astype(np.float32),
            head.astype(np.float32),
            confidence > 0,
            confidence,
            spread=self._deviation if confidence > 0 else None,
        )

    def _rows_wanted(self, tick: int) -> int:
        driving = self._features.rows_wanted(tick) if self._features is not None else 0
        return max(_LATE_ROWS, self._head.rows_wanted(tick), driving)

    def _drive(self, tick: int, rows: Array, running: RunningFeatures) -> float:
        """Update the change from rest; return the confidence.

        A face is made of the newest row that was heard: rows whose samples are still on their way
        would be guesses that no network was trained on.
        """
        face, reference = list(self._layout.face_indices), self._layout.reference_index
        heard = np.asarray(np.isfinite(rows[-_LATE_ROWS:]).all(axis=-1))  # (T, S)
        usable = np.flatnonzero(heard[:, reference] & heard[:, face].any(axis=1))
        if len(usable):
            self._last_heard_tick = tick
            behind = len(heard) - 1 - int(usable[-1])
            if behind == 0 or self._driven_ns != self._newest_ns:
                self._driven_ns = self._newest_ns
                self._follow(tick - behind, rows[: len(rows) - behind], running)
            return float(heard[:, face].any(axis=0).mean())
        silent_s = (tick - (self._last_heard_tick or tick)) / TICK_HZ
        if silent_s > _HOLD_S:
            self._change = self._change * np.float32(np.exp(-1.0 / (TICK_HZ * _DECAY_S)))
        return 0.0

    def _follow(self, tick: int, rows: Array, running: RunningFeatures) -> None:
        """Make the change from rest that of row `tick`, the last of `rows`."""
        wanted = running.rows_wanted(tick)
        seen = running.advance(tick, rows[max(0, len(rows) - wanted) :])
        inputs = np.concatenate((seen, self._filter.advance(tick, seen)), axis=1)
        self._change = self._sample(tick, inputs[None])[0, -1] * self._checkpoint.target_scale
        spread = self._checkpoint.spread
        if spread is not None:
            heard = heard_share(seen[-1:], len(self._layout.face_indices))
            row = inputs[-1:, seen.shape[1] :]
            self._deviation = spread.deviation(self._change[None], row, heard)[0]

    def _sample(self, tick: int, inputs: Floats) -> Floats:
        """DDIM from this tick's noise: every row keeps its own noise as the window slides."""
        window = inputs.shape[1]
        noise = np.zeros((1, window, len(ARKIT_NAMES)), np.float32)
        scale = self._checkpoint.facts.diffusion.noise_scale
        if scale > 0:
            for row in range(window):
                rng = np.random.default_rng((self._noise_seed, max(tick - window + 1 + row, 0)))
                noise[0, row] = scale * rng.standard_normal(len(ARKIT_NAMES))
        sampled = sample_ddim(
            lambda xt, t: self._denoise(xt, t, inputs), noise, self._alphas_cumprod, self._timesteps
        )
        return np.asarray(sampled, np.float32)

    def _calibrate(self, tick: int) -> None:
        if self._first_ns is None or self._postponed or self._stage == 2:
            return
        settled = tick - _LATE_ROWS
        opening = self._opening
        if self._stage == 0 and settled >= self._tick(opening.rest_end_s):
            self._calibration = self._estimate(tick, with_routine=False)
            self._stage = 1
        if self._stage == 1 and settled >= self._tick(opening.end_s):
            if opening.has_routine:
                self._calibration = self._estimate(tick, with_routine=True)
            self._stage = 2
            rest = self._stretch(tick, opening.rest_start_s, opening.rest_end_s)
            routine = None
            if opening.has_routine:
                routine = self._stretch(tick, opening.routine_start_s, opening.routine_end_s)
            self._start(rest, routine, self._tick(opening.end_s))

    def _start(self, rest: Array, routine: Array | None, end_tick: int) -> None:
        """Drive by the calibration in use, learnt from these rows, from now on."""
        known, window = self._calibration, self._checkpoint.facts.window
        self._features = RunningFeatures(self._layout, known, window, _LATE_ROWS)
        self._bias = BiasFollower(known.gyro_bias_rad_s)
        self._opening_rows = (rest, routine)
        version = 0 if self._learnt is None else self._learnt.version + 1
        self._learnt = OpeningFeatures(
            features(rest, self._layout, known),
            None if routine is None else features(routine, self._layout, known),
            end_tick,
            version,
        )

    def _dress(self, wearer: Wearer | None) -> None:
        checkpoint = self._checkpoint
        belief, self._wearer = checkpoint.belief, wearer
        responses = wearer.responses if wearer else belief.responses
        self._rest_weights = wearer.rest_weights if wearer else checkpoint.rest_weights
        weight_filter = WeightFilter(responses, belief.dynamics)
        self._filter = RunningFilter(weight_filter, checkpoint.facts.window)

    def rezero(self) -> str:
        """Take the face for one at rest during the last second, wherever its sensors sit now.

        Gives "" where that was done, else why not. `undo` takes it back.
        """
        if not self.calibrated or self._asked_tick is None:
            return "rest and routine are not over yet"
        rows = self._rows.rows(self._asked_tick - _LATE_ROWS, round(REZERO_S * TICK_HZ))
        heard = np.asarray(np.isfinite(rows).all(axis=-1))
        if heard[:, self._layout.reference_index].mean() < 0.5:
            return f"the head reference {self._layout.reference!r} is not heard"
        gyro = np.where(heard[..., None], rows[..., 3:], 0.0)
        count = np.maximum(heard.sum(axis=0), 1)[:, None]
        mean = gyro.sum(axis=0) / count
        spread = np.where(heard[..., None], (gyro - mean) ** 2, 0.0).sum(axis=0) / count
        if np.sqrt(spread.max()) > _STILL_RAD_S:
            worst = self._layout.names[int(np.sqrt(spread).max(axis=1).argmax())]
            return f"{worst} moved: hold head and face still for a second, then again"
        self._remember()
        self._calibration = rezeroed(self._layout, self._calibration, rows[..., :3], rows[..., 3:])
        routine = self._opening_rows[1] if self._opening_rows else None
        self._start_over(rows, routine)
        return ""

    def wear(self, wearer: Wearer | None) -> str:
        """Somebody else's profile from now on, None a stranger's; `undo` takes it back."""
        self._remember()
        self._dress(wearer)
        return ""

    def undo(self) -> str:
        """Take back the last re-zero or change of wearer; why not, where there is none."""
        if not self._past:
            return "there is nothing to undo"
        before = self._past.pop()
        self._calibration = before.calibration
        self._dress(before.wearer)
        if self.calibrated:
            self._start_over(before.rest, before.routine)
        return ""

    def _remember(self) -> None:
        rest, routine = self._opening_rows or (np.zeros((0, len(self._order), 6)), None)
        self._past.append(_Worn(self._calibration, rest, routine, self._wearer))

    def _start_over(self, rest: Array, routine: Array | None) -> None:
        assert self._asked_tick is not None
        self._start(rest, routine, self._asked_tick)
        self._dress(self._wearer)

    def _follow_bias(self, tick: int) -> None:
        if self._features is None or self._bias is None:
            return
        if self._bias.step(self._rows.rows(tick - _LATE_ROWS, 1)[0]):
            self._calibration = replace(self._calibration, gyro_bias_rad_s=self._bias.bias_rad_s)
            self._features.recalibrate(self._calibration)

    def _estimate(self, tick: int, with_routine: bool) -> Calibration:
        opening = self._opening
        rest = self._stretch(tick, opening.rest_start_s, opening.rest_end_s)
        routine = None
        if with_routine:
            routine = self._stretch(tick, opening.routine_start_s, opening.routine_end_s)[:, :, 3:]
        return calibrate(self._layout, rest[:, :, :3], rest[:, :, 3:], routine)

    def _stretch(self, tick: int, start_s: float, end_s: float) -> Array:
        first, last = self._tick(start_s) + 1, self._tick(end_s)
        rows = self._rows.rows(tick, tick - first + 1)
        return rows[: max(last - first + 1, 1)]

    def _tick(self, after_s: float) -> int:
        assert self._first_ns is not None
        return int(tick_of(np.array([self._first_ns + int(after_s * 1e9)]))[0])

    def _head_at(self, tick: int, rows: Array) -> Array:
        """Head rotation (4,) from the reference sensor; straight ahead until rest is known."""
        if self._stage == 0:
            return self._head.wait(tick)
        slot = self._layout.reference_index
        known = self._calibration
        quat, bias = known.quat_head_from_sensor[slot], known.gyro_bias_rad_s[slot]
        return self._head.at(tick, rows[:, slot], quat, bias)


def _rows_needed(opening: Opening) -> int:
    return int(np.ceil(opening.length_s * TICK_HZ)) + 4 * _LATE_ROWS


def fitted_layout(known: SensorLayout, worn: SensorLayout) -> SensorLayout:
    """The checkpoint's slots with the places and mountings of what is worn."""
    here: dict[str, Slot] = {slot.name: slot for slot in worn.slots}
    slots = tuple(here.get(slot.name, slot) for slot in known.slots)
    return SensorLayout(worn.name, slots, known.reference)
