"""Pages about what sensors are like: frequencies over time, and Allan deviations at rest. Pure.

A recording and its alignment in, a page out.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from capture.allan import allan_deviation, noise_figures
from capture.recording import Recording
from capture.sync import Alignment, sample_times_s
from viz.axes import FAINT, GRID, INK, LABEL, SERIES, SMALL, Axes, Limits, title
from viz.legends import Key, draw_key, ramp
from viz.page import Line, Page, Pixels, Text
from viz.painting import heat
from viz.take_figures import LEFT, QUANTITIES, RIGHT, WIDE

Array = NDArray[np.float64]

_WINDOW_S, _COLUMNS = 1.0, 360
_DECIBELS = 60.0  # from pale to dark
_LEAST_REST = 64  # samples that an Allan deviation is worth drawing of
_UNITS = {"gyro": "rad/s", "accel": "m/s²"}


def spectrum(time_s: Array, values: Array, window_s: float = _WINDOW_S) -> tuple[Array, Array]:
    """Frequencies (F,) in Hz and power (F, K) of values (N, 3) in K moments spread evenly.

    Power is the sum over axes of a Hann window's squared amplitude; values between samples are
    interpolated. Empty where the time is shorter than a window.
    """
    if len(time_s) < 8 or time_s[-1] - time_s[0] < window_s:
        return np.zeros(0), np.zeros((0, 0))
    rate = 1.0 / float(np.median(np.diff(time_s)))
    grid = np.arange(time_s[0], time_s[-1], 1.0 / rate)
    even = np.stack([np.interp(grid, time_s, column) for column in values.T], axis=1)
    count = round(window_s * rate)
    starts = np.linspace(0, len(grid) - count, min(_COLUMNS, len(grid) - count + 1)).astype(int)
    windows = even[starts[:, None] + np.arange(count)]  # (K, W, 3)
    windows = (windows - windows.mean(axis=1, keepdims=True)) * np.hanning(count)[:, None]
    power = (np.abs(np.fft.rfft(windows, axis=1)) ** 2).sum(axis=2)
    return np.asarray(np.fft.rfftfreq(count, 1.0 / rate), np.float64), np.asarray(power.T)


def spectrogram_page(
    recording: Recording, alignment: Alignment, quantity: str, slots: Sequence[str]
) -> Page:
    """Power over frequency and time, a row a slot: dark is strong, all rows on one scale.

    quantity: of QUANTITIES. slots: names of the layout.
    """
    row, gap, head = 74, 14, 62
    page = Page(WIDE, head + len(slots) * (row + gap) + 44)
    times, readings = sample_times_s(recording, alignment), _readings(recording, quantity)
    names = recording.take.sensor_layout.names
    found = {}
    for slot in slots:
        own = readings[:, names.index(slot)]
        heard = np.isfinite(own).all(axis=1)
        order = np.argsort(times[heard], kind="stable")
        at = times[heard][order]
        found[slot] = at, *spectrum(at, np.asarray(own[heard][order], np.float64))
    loudest = max((float(p.max()) for _, _, p in found.values() if p.size), default=1.0)
    span: Limits = (float(times.min()), float(max(times.max(), times.min() + 1e-3)))
    high = _highest([(hertz, power) for _, hertz, power in found.values()], loudest)
    for number, (slot, (at, hertz, power)) in enumerate(found.items()):
        top, last = head + number * (row + gap), number == len(slots) - 1
        axes = Axes(page, LEFT, top, WIDE - LEFT - RIGHT, row, span, (0.0, high))
        axes.x_axis("s" if last else "", 10, labels=last)
        axes.y_axis("Hz" if number == 0 else "", 3)
        if power.size:
            shown = hertz <= high
            left, right = axes.x(np.array([at[0] + _WINDOW_S / 2, at[-1] - _WINDOW_S / 2]))
            level = 1 + 10 * np.log10(np.maximum(power[shown] / loudest, 1e-12)) / _DECIBELS
            page.add(Pixels(left, top, right - left, row, _coloured(level[::-1])))
        axes.frame()
        page.add(Text(LEFT - 56, top + row / 2 + 4, slot.replace("_", " "), SMALL, INK, "end"))
    words, _ = QUANTITIES[quantity]
    title(page, f"{recording.take.name}: frequencies", f"{words}, windows of {_WINDOW_S:g} s")
    scale = _coloured(np.linspace(0, 1, 64)[None])
    ramp(page, scale, f"−{_DECIBELS:.0f} dB", "the strongest")
    return page


def _highest(spectra: Sequence[tuple[Array, Array]], loudest: float) -> float:
    """The frequency above which nothing would be drawn, with some room; 10 Hz at least."""
    heard = [
        float(hertz[(power > loudest * 10 ** (-_DECIBELS / 10)).any(axis=1)].max(initial=0.0))
        for hertz, power in spectra
        if power.size
    ]
    return max(10.0, 1.1 * max(heard, default=0.0))


def _readings(recording: Recording, quantity: str) -> NDArray[np.float32]:
    return recording.gyro_rad_s if quantity == "gyro" else recording.accel_m_s2


def _coloured(level: Array) -> NDArray[np.uint8]:
    amount = np.clip(level, 0.0, 1.0)
    cover = np.clip(amount * 4, 0, 1)[..., None]
    return np.rint(255 * ((1 - cover) + heat(amount.astype(np.float32)) * cover)).astype(np.uint8)


def allan_page(recording: Recording, alignment: Alignment, quantity: str, stretch: Limits) -> Page:
    """Overlapping Allan deviations of every slot while nothing moved, the mean of its axes.

    quantity: of QUANTITIES. stretch: when it rested, s on the take's timeline.
    """
    times, readings = sample_times_s(recording, alignment), _readings(recording, quantity)
    curves: list[tuple[str, Array, Array]] = []
    for slot, name in enumerate(recording.take.sensor_layout.names):
        own = readings[:, slot]
        still = np.isfinite(own).all(axis=1) & (times >= stretch[0]) & (times <= stretch[1])
        if still.sum() >= _LEAST_REST:
            rate = 1.0 / float(np.median(np.diff(np.sort(times[still]))))
            tau, deviation = allan_deviation(np.asarray(own[still], np.float64), rate)
            mean = np.sqrt((deviation**2).mean(axis=1))
            if (mean > 0).any():  # a chip that gives one number says nothing of its noise
                curves.append((name, tau[mean > 0], mean[mean > 0]))
    high, top, left = 300, 70, 90
    page = Page(WIDE, top + high + 60 + 16 * -(-max(len(curves), 1) // 2) + 12)
    words, _ = QUANTITIES[quantity]
    beneath = f"{words} from {stretch[0]:.1f} to {stretch[1]:.1f} s, root mean square of the axes"
    title(page, f"{recording.take.name}: Allan deviation at rest", beneath)
    if not curves:
        words = f"no slot gave {_LEAST_REST} samples that differ there"
        page.add(Text(left, top + 40, words, SMALL + 2, FAINT))
        return page
    across, up = _decades([c[1] for c in curves]), _decades([c[2] for c in curves])
    axes = Axes(page, left, top, WIDE - left - RIGHT, high, across, up)
    _log_grid(axes, "averaging time, s", f"deviation, {_UNITS[quantity]}")
    for number, (name, tau, deviation) in enumerate(curves):
        ink = SERIES[number % len(SERIES)]
        axes.curve(np.log10(tau), np.log10(deviation), ink, 1.5, number >= len(SERIES))
        figures = noise_figures(tau, deviation)
        x, y = left + 420.0 * (number % 2), top + high + 58.0 + 16 * (number // 2)
        said = f"{name.replace('_', ' ')}: {figures.density:.2e} {_UNITS[quantity]}/√Hz"
        draw_key(page, x, y, Key(said, ink, "dashed" if number >= len(SERIES) else "line"), SMALL)
    axes.frame()
    return page


def _decades(values: Sequence[Array]) -> Limits:
    """Whole powers of ten around positive values."""
    whole = np.concatenate(values)
    whole = whole[whole > 0]
    if not len(whole):
        return -1.0, 0.0
    low, high = float(np.floor(np.log10(whole.min()))), float(np.ceil(np.log10(whole.max())))
    return low, max(high, low + 1)


def _log_grid(axes: Axes, x_words: str, y_words: str) -> None:
    page, low = axes.page, axes.top + axes.high
    for power in np.arange(axes.x_limits[0], axes.x_limits[1] + 1):
        x = float(axes.x(np.array([power]))[0])
        page.add(Line(np.array([[x, axes.top], [x, low]]), GRID, 0.8))
        page.add(Text(x, low + 14, f"{10.0**power:g}", SMALL, FAINT, "middle"))
    for power in np.arange(axes.y_limits[0], axes.y_limits[1] + 1):
        y = float(axes.y(np.array([power]))[0])
        page.add(Line(np.array([[axes.left, y], [axes.left + axes.wide, y]]), GRID, 0.8))
        page.add(Text(axes.left - 6, y + 3.5, f"1e{power:.0f}", SMALL, FAINT, "end"))
    page.add(Text(axes.left + axes.wide / 2, low + 32, x_words, LABEL, INK, "middle"))
    middle = axes.top + axes.high / 2
    page.add(Text(axes.left - 52, middle, y_words, LABEL, INK, "middle", upright=True))
