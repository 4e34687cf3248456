"""Profiles on disk, and readings corrected by them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_host.errors import ConfigError
from firmware_host.sensor_profile import (
    Correction,
    Corrector,
    file_stem,
    new_profile,
    read_profile,
    write_profile,
)

CORRECTION = Correction(
    accel_offset_m_s2=(0.1, -0.2, 0.3),
    accel_matrix=((1.01, 0.002, 0.0), (0.0, 0.99, 0.0), (0.0, 0.0, 1.0)),
    gyro_bias_rad_s=(0.01, 0.02, -0.03),
    rests=6,
    residual_m_s2=None,
)


def test_what_was_written_is_read(tmp_path):
    profile = new_profile("hub 7", {"chin": CORRECTION}, "six positions")
    path = write_profile(profile, tmp_path / "sensors")
    assert path.name == "hub-7.toml"
    assert read_profile(path) == profile


def test_nothing_is_written_over(tmp_path):
    profile = new_profile("hub", {"chin": CORRECTION}, "six positions")
    names = [write_profile(profile, tmp_path).name for _ in range(3)]
    assert names == ["hub.toml", "hub-2.toml", "hub-3.toml"]


@given(st.text(max_size=300))
def test_any_device_id_makes_a_file_name_for_every_system(device_id):
    stem = file_stem(device_id)
    assert 1 <= len(stem) <= 64
    assert all(c.isascii() and (c.isalnum() or c in "-_") for c in stem)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("device_id = 3", "Expected `str`"),
        ('device_id = "a"\nsensors = {}\ncolour = 1', "unknown field"),
        ('device_id = "a"\n[sensors.x]\naccel_offset_m_s2 = [nan, 0.0, 0.0]', "not finite"),
        (
            'device_id = "a"\n[sensors.x]\n'
            "accel_matrix = [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]]",
            "not close to the identity",
        ),
        ('device_id = "a"\nsensors = {}\nschema_version = 9', "expected schema version up to 1"),
        ("\xff", "toml"),
    ],
)
def test_what_is_no_profile_is_refused_by_name(tmp_path, text, said):
    path = tmp_path / "hub.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=said) as caught:
        read_profile(path)
    assert "hub.toml" in str(caught.value)


def test_a_profile_that_is_not_there_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read_profile(tmp_path / "none.toml")
    assert "calibrate-sensors" in caught.value.hint


def test_only_the_sensors_of_the_profile_are_changed_and_nan_stays():
    rng = np.random.default_rng(0)
    accel, gyro = rng.normal(0, 9, (2, 5, 2, 3)).astype(np.float32)
    accel[2, 1] = np.nan
    read, turned = Corrector(("brow", "chin"), {"chin": CORRECTION}).correct(accel, gyro)
    np.testing.assert_array_equal(read[:, 0], accel[:, 0])
    expected = (accel[:, 1] - CORRECTION.accel_offset_m_s2) @ np.array(CORRECTION.accel_matrix).T
    np.testing.assert_allclose(read[:, 1], expected, rtol=1e-6)
    np.testing.assert_allclose(turned[:, 1], gyro[:, 1] - CORRECTION.gyro_bias_rad_s, rtol=1e-5)
    assert np.isnan(read[2, 1]).all()
    assert read.dtype == turned.dtype == np.float32


def test_without_a_correction_readings_are_handed_on_as_they_are():
    accel = np.ones((1, 1, 3), np.float32)
    read, turned = Corrector(("chin",), {"brow": CORRECTION}).correct(accel, accel)
    assert read is accel
    assert turned is accel
