"""What is said of a stream, slot by slot."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_host.boards import advertised_looks_like, printable, usb_looks_like
from firmware_host.samples import Duplicate, Gap, Garbage, HubInfo, ImuBlock
from firmware_host.slot_health import StreamWatch
from firmware_host.slot_table import told_health
from firmware_host.vendors.events import Health

SLOTS = ("brow", "cheek", "chin")
INFO = HubInfo("hub", "f", 1, 200.0, 80.0, 17.0, SLOTS)
MS = 1_000_000


def readings(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, (count, 3, 6)).astype(np.float32)


def played(values: np.ndarray, sizes: list[int] | None = None) -> tuple[StreamWatch, int]:
    """A watch that took `values` at 200 Hz, in blocks of the given sizes; and the time then."""
    watch, at, now_ns = StreamWatch(), 0, 1000 * MS
    watch.take(INFO)
    for size in sizes or [4] * len(values):
        part = values[at : at + size]
        if not len(part):
            break
        at += len(part)
        now_ns += 5 * MS * len(part)
        ticks = np.arange(at - len(part), at)
        watch.take(ImuBlock(ticks * 5000, ticks, part[..., :3], part[..., 3:], now_ns))
    return watch, now_ns


def test_a_healthy_stream_has_its_rate_and_no_faults():
    watch, now_ns = played(readings(800))
    states = watch.slots(now_ns)
    assert [state.name for state in states] == list(SLOTS)
    assert [state.verdict for state in states] == 3 * ["ok"]
    assert [state.rate_hz for state in states] == pytest.approx(3 * [200], rel=0.02)
    assert watch.rate_hz(now_ns) == pytest.approx(200, rel=0.02)
    assert all(state.missing == 0 and state.age_s == 0 and state.clipped == 0 for state in states)


def test_a_slot_that_is_absent_half_the_time_has_half_the_rate():
    values = readings(800)
    values[::2, 1] = np.nan
    watch, now_ns = played(values)
    _, cheek, chin = watch.slots(now_ns)
    assert (cheek.missing, chin.missing) == (pytest.approx(0.5), 0)
    assert cheek.rate_hz == pytest.approx(100, rel=0.02)


def test_a_slot_that_falls_silent_ages_and_says_so():
    values = readings(1000)
    values[400:, 2] = np.nan
    watch, now_ns = played(values)
    brow, _, chin = watch.slots(now_ns)
    assert (brow.verdict, chin.verdict) == ("ok", "silent")
    assert chin.age_s == pytest.approx(3.0)


def test_a_hub_that_falls_silent_has_no_rate():
    watch, now_ns = played(readings(400))
    later_ns = now_ns + 5000 * MS
    assert watch.rate_hz(later_ns) == 0
    assert [state.verdict for state in watch.slots(later_ns)] == 3 * ["silent"]
    assert watch.slots(later_ns)[0].age_s == pytest.approx(5.0)


def test_readings_at_the_end_of_a_range_are_counted():
    values = readings(100)
    values[10:15, 0, 1] = -80.0
    values[20, 0, 5] = np.float32(32767 / 32768) * 17  # the last count at the upper end
    values[21, 0, 5] = np.float32(32766 / 32768) * 17  # the one before
    watch, now_ns = played(values)
    assert [state.clipped for state in watch.slots(now_ns)] == [6, 0, 0]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(0, 120))
def test_a_stuck_sensor_is_found_however_its_readings_are_cut_into_blocks(sizes, stuck_for):
    values = readings(200)
    values[200 - stuck_for :, 1] = values[200 - stuck_for - 1, 1]
    watch, now_ns = played(values, [*sizes, 200])
    brow, cheek, _ = watch.slots(now_ns)
    assert cheek.is_stuck == (stuck_for >= 50)
    assert not brow.is_stuck


def test_one_new_reading_is_enough_to_be_stuck_no_more():
    values = readings(200)
    values[:199, 1] = 1.0
    watch, now_ns = played(values)
    assert not watch.slots(now_ns)[1].is_stuck


def test_losses_are_added_up():
    watch, _ = played(readings(8))
    for event in (Gap(8, 3), Gap(20, 2), Garbage(7), Duplicate(1)):
        watch.take(event)
    counts = watch.counts
    assert (counts.samples, counts.lost, counts.garbage_bytes, counts.duplicates) == (8, 5, 7, 1)


def test_battery_and_radio_are_what_was_told_last():
    watch, _ = played(readings(8))
    for told in (Health(battery=0.5), Health(rssi_dbm=-70.0), Health(temperature_c=30.0)):
        watch.take(told)
    assert told_health(watch.counts) == ["battery 50 %", "radio -70 dBm"]
    assert told_health(StreamWatch().counts) == []


def test_before_the_first_word_of_the_hub_nothing_is_said():
    assert StreamWatch().slots(5) == ()
    assert StreamWatch().rate_hz(5) == 0


def test_another_hub_on_the_line_begins_anew():
    watch, now_ns = played(readings(100))
    watch.take(HubInfo("other", "f", 1, 100.0, 80.0, 17.0, ("left", "right")))
    assert [state.name for state in watch.slots(now_ns)] == ["left", "right"]
    assert watch.rate_hz(now_ns) == 0


@pytest.mark.parametrize(
    ("vendor", "product", "description", "says"),
    [
        (0x2E8A, 0x000A, "Board", "Raspberry Pi Pico, firmware of its SDK"),
        (0x2E8A, 0x9999, "Board", "Raspberry Pi Pico or other RP2 board"),
        (0x9999, 0x0001, "My board", "My board"),
        (None, None, "n/a", "serial port"),
        (None, None, None, "serial port"),
        (0x9999, 0x0001, "x\x1b]0;y\x07", "x?]0;y?"),
    ],
)
def test_a_port_looks_like_its_board_else_its_vendor_else_its_name(
    vendor, product, description, says
):
    assert usb_looks_like(vendor, product, description) == says


BATTERY = "0000180f-0000-1000-8000-00805f9b34fb"
UART = "6E400001-B5A3-F393-E0A9-E50E24DCCA9E"


@pytest.mark.parametrize(
    ("services", "name", "what", "profile"),
    [
        ([BATTERY, "15171000-4947-11e9-8646-d663bd873d93"], "", "Movella DOT", "dot"),
        ([], "Xsens DOT", "Movella DOT", "dot"),
        ([BATTERY], "Movella Dot", "Movella DOT", "dot"),
        ([], "Movella DOTTED", "", ""),
        (["0000ffe5-0000-1000-8000-00805f9a34fb"], "x", "WitMotion sensor", "witmotion"),
        ([], "WT901BLE68", "WitMotion sensor", "witmotion"),
        ([], "BWT901BLE5.0", "WitMotion sensor", "witmotion"),
        ([], "WTF", "", ""),
        ([UART], "imusic-7", "hub", "hub"),
        ([], "imusic-7", "hub", "hub"),
        ([UART], "lamp", "hub, or other device with a Nordic UART", "hub"),
        (["34c2e3bb-34aa-11eb-adc1-0242ac120002"], "OpenEarable-1", "OpenEarable", ""),
        ([BATTERY], "Ann's phone", "", ""),
        ([], "", "", ""),
    ],
)
def test_what_advertises_is_known_by_its_service_or_else_its_name(services, name, what, profile):
    assert advertised_looks_like(services, name) == (what, profile)


@given(st.text())
def test_names_cannot_steer_a_terminal(text):
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)


def test_a_device_without_rates_is_neither_silent_nor_beyond_being_stuck():
    values = readings(400)
    values[..., 3:] = np.nan
    values[300:, 1] = values[299, 1]
    watch, now_ns = played(values)
    assert [state.verdict for state in watch.slots(now_ns)] == ["ok", "stuck", "ok"]
    assert all(state.missing == 0 for state in watch.slots(now_ns))
