"""Rules of a check where no hub is needed; the others are in tests/integration/test_check.py."""

import numpy as np

from capture.check import DeviceEar, at_rest, device_row, slot_rows
from firmware_host.samples import HubInfo, HubMode, ImuBlock

MS = 1_000_000
NAN = float("nan")


def ear_of(accel: np.ndarray, gyro: np.ndarray, info: HubInfo) -> tuple[DeviceEar, int]:
    """A device that gave these readings at 100 Hz; and the time then."""
    ear = DeviceEar("cheek")
    ear.take(info)
    for k in range(len(accel)):
        number = np.array([k], np.int64)
        row = slice(k, k + 1)
        ear.take(ImuBlock(number * 10_000, number, accel[row], gyro[row], (k + 1) * 10 * MS))
    return ear, len(accel) * 10 * MS


def test_a_device_without_rates_and_without_a_known_rate_is_not_judged_by_them():
    rng = np.random.default_rng(0)
    accel = (np.array([0.0, 9.8, 0.0]) + rng.normal(0, 0.03, (200, 1, 3))).astype(np.float32)
    gyro = np.full_like(accel, np.nan)
    info = HubInfo("t", "", 0, NAN, NAN, NAN, ("mentalis",), mode=HubMode.FUSED)
    ear, now_ns = ear_of(accel, gyro, info)
    (row,) = slot_rows(ear, (0, now_ns), now_ns)
    assert row.is_green
    assert np.isnan(row.gyro_bias_rad_s)
    assert device_row(ear, now_ns).is_green


def test_a_device_that_never_spoke_is_silent_and_has_no_slots():
    ear = DeviceEar("cheek")
    assert [problem.rule for problem in device_row(ear, 0).problems] == ["silent"]
    assert slot_rows(ear, (0, 1), 1) == []


def test_a_pulse_is_no_noise():
    time_s = np.arange(400)[:, None] / 200
    beat = 0.2 * np.sin(2 * np.pi * 1.2 * time_s) * np.ones(3)
    found = at_rest(beat + np.array([0.0, 9.8, 0.0]), 0.05 * beat)
    assert found is not None
    assert found.accel_spread.max() > 0.1
    assert found.accel_noise.max() < 0.01
