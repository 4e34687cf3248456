"""Takes are predicted in parallel to the same faces, and what cannot be done is said beforehand."""

import numpy as np
import pytest

from capture.importers import import_samples
from firmware_host.errors import ConfigError
from firmware_host.layout import FACE_12
from model.checkpoint import SHIPPED
from model.predict_many import plan, predict_many


@pytest.fixture(scope="module")
def takes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("takes")
    found = []
    for number in range(2):
        rng = np.random.default_rng(number)
        time_s = np.arange(600) / 200
        shape = (len(time_s), len(FACE_12.slots), 3)
        npz = folder / f"samples-{number}.npz"
        np.savez(
            npz,
            slots=np.array(FACE_12.names),
            time_s=time_s,
            accel_m_s2=rng.normal([0, 9.81, 0], 0.2, shape),
            gyro_rad_s=rng.normal(0.0, 0.1, shape),
            rest_s=np.array([0.0, 0.5]),
        )
        import_samples(npz, folder / f"take-{number}")
        found.append(folder / f"take-{number}")
    return found


def test_takes_in_parallel_are_those_of_one_after_the_other(takes, tmp_path):
    shares = []
    several = predict_many(plan(takes, tmp_path / "many", SHIPPED, None, False), 2, shares.append)
    alone = [
        predict_many(plan([take], tmp_path / f"{take.name}.npz", SHIPPED, None, False), 1)[0]
        for take in takes
    ]
    assert shares == [0.5, 1.0]
    for one, other in zip(several, alone, strict=True):
        assert one.frames == other.frames > 100
        first, second = (np.load(written.out, allow_pickle=False) for written in (one, other))
        np.testing.assert_array_equal(first["weights"], second["weights"])
    assert [written.out.name for written in several] == ["take-0.npz", "take-1.npz"]


def test_several_takes_want_a_folder_and_names_of_their_own(takes, tmp_path):
    with pytest.raises(ConfigError, match="2 takes do not go into one file"):
        plan(takes, tmp_path / "faces.npz", SHIPPED, None, False)
    with pytest.raises(ConfigError, match="two takes are called 'take-0'"):
        plan([takes[0], takes[0]], tmp_path / "faces", SHIPPED, None, False)
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces/take-1.npz").touch()
    with pytest.raises(ConfigError, match="exists already"):
        plan(takes, tmp_path / "faces", SHIPPED, None, False)
