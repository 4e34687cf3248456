"""`sim:`: every kind of device without one, in this process, through its real decoder."""

import asyncio

import numpy as np
import pytest

from firmware_host.errors import ConfigError, DataError, TransportError
from firmware_host.layout import FACE_12
from firmware_host.rig import KINDS, SIM, DeviceConfig, HubConfig, Rig
from firmware_host.samples import Garbage, HubEnd, HubInfo, ImuBlock
from firmware_host.supervisor import LinkState, RigLinks
from firmware_host.transports.base import open_transport
from firmware_host.transports.sim import SimOptions, parse_sim
from firmware_host.virtual.scenes import GRAVITY_M_S2, SCENES, read_scene, scene, upright
from imusic.cli import main

MAC = "02:00:00:00:00:07"
IDS = {"hub": "left", "ximu3": "0042", "slimevr": MAC}


def heard_of(kind: str, target: str = "head,seconds=1.5", **more: object):
    """Everything that a link to `sim:` says until it ends, and the link."""
    events: list = []
    its_id = IDS.get(kind, "")
    config = DeviceConfig(name="it", url=f"sim:{target}", kind=kind, id=its_id, **more)
    links = RigLinks((config,), lambda _, event, __: events.append(event))

    async def play() -> None:
        async with asyncio.timeout(60), links:
            while not links.is_over:
                links.check()
                await asyncio.sleep(0.01)

    asyncio.run(play())
    return events, links.links[0]


def values(events: list, name: str) -> np.ndarray:
    return np.concatenate([getattr(e, name) for e in events if isinstance(e, ImuBlock)])


@pytest.mark.parametrize("kind", [kind for kind, ways in KINDS.items() if SIM in ways])
def test_every_kind_is_heard_as_it_was_felt_and_then_it_is_over(kind):
    events, link = heard_of(kind)
    assert link.state is LinkState.ENDED
    info = next(event for event in events if isinstance(event, HubInfo))
    assert info.device_id == (IDS.get(kind) or "it")
    assert info.slots == (FACE_12.names if kind == "hub" else info.slots[:1])
    felt = scene("head", seconds=1.5)
    accel, gyro = values(events, "accel_m_s2"), values(events, "gyro_rad_s")
    known = ~np.isnan(accel[:, 0]).any(axis=1)
    assert known.sum() > 50
    assert sum(e.count for e in events if isinstance(e, Garbage)) <= 33  # joined in its middle
    mean = felt.accel_m_s2[: len(accel), 0].mean(axis=0)
    np.testing.assert_allclose(np.nanmean(accel[:, 0], axis=0), mean, atol=0.05)
    assert np.isnan(gyro).all() == (kind == "slimevr")
    if kind == "hub":
        assert isinstance(events[-1], HubEnd)
        np.testing.assert_allclose(accel, felt.accel_m_s2, atol=0.01)
        np.testing.assert_allclose(gyro, felt.gyro_rad_s, atol=0.01)


def test_a_file_is_played_and_other_devices_have_one_of_its_sensors(tmp_path):
    time_s = np.arange(100) / 100
    accel = np.zeros((100, 2, 3))
    accel[:, 0, 1], accel[:, 1, 2] = GRAVITY_M_S2, -GRAVITY_M_S2
    path = tmp_path / "felt.npz"
    np.savez(path, time_s=time_s, accel_m_s2=accel, gyro_rad_s=accel / 10, slots=["brow", "chin"])
    assert read_scene(path).slots == ("brow", "chin")
    events, _ = heard_of("hub", str(path))
    np.testing.assert_allclose(values(events, "accel_m_s2"), accel, atol=0.01)
    events, _ = heard_of("ximu3", f"{path},sensor=1")
    np.testing.assert_allclose(values(events, "accel_m_s2")[:, 0], accel[:, 1], atol=0.01)
    with pytest.raises(DataError, match="sensor 2: the scene has 0 to 1"):
        read_scene(path).of(2)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("bla", "expected a scene"),
        ("head,colour=red", "no 'colour'; known: seed"),
        ("rate=0", "expected rate from 1 to 2000"),
        ("seed=x", "expected seed"),
        ("seed=nan", "expected seed"),
    ],
)
def test_what_is_wrong_in_a_url_is_said_with_an_example(target, says):
    with pytest.raises(ConfigError, match=says) as caught:
        open_transport(f"sim:{target}")
    assert "sim:taps" in caught.value.hint


def test_options_and_defaults():
    assert parse_sim("") == SimOptions()
    assert parse_sim("seed=3") == SimOptions(seed=3)
    assert parse_sim("taps,seed=3,seconds=9,rate=100,sensor=2") == SimOptions("taps", 3, 9, 100, 2)


def test_a_file_that_is_none_is_one_line(tmp_path, capsys):
    (tmp_path / "no.npz").write_bytes(b"no")
    assert main(["stream", f"sim:{tmp_path / 'no.npz'}", "--seconds", "1"]) == 2
    assert "not a scene" in capsys.readouterr().err.splitlines()[0]
    np.savez(tmp_path / "flat.npz", time_s=np.arange(3), accel_m_s2=np.ones(3), gyro_rad_s=1)
    with pytest.raises(DataError, match=r"expected accel_m_s2 and gyro_rad_s of shape \(3, sens"):
        read_scene(tmp_path / "flat.npz")


def test_a_closed_one_says_and_hears_nothing():
    async def play() -> None:
        transport = open_transport("sim:")
        with pytest.raises(TransportError, match="sim: is not open"):
            await transport.send(b"x")
        await transport.open()
        await transport.close()
        assert [chunk async for chunk in transport.chunks()] == []

    asyncio.run(play())


def test_two_of_them_are_no_clash_in_a_rig():
    both = [DeviceConfig(name=n, url="sim:", kind="dot", slots=(s,)) for n, s in SIDES]
    assert len(Rig(devices=tuple(both)).sources) == 2


def test_a_take_of_one_says_that_it_is_simulated(tmp_path):
    from capture.daemon import record
    from capture.recording import read_recording

    rig = Rig(hub=HubConfig(url="sim:rest,seconds=2"))
    result = asyncio.run(record(rig, tmp_path, 1.0))
    assert result is not None
    recording = read_recording(result.folder)
    assert recording.take.simulated
    assert len(recording) >= 150
    assert not Rig(hub=HubConfig(url="serial:COM5")).is_simulated


SIDES = (("a", "mentalis"), ("b", "head_reference"))


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_is_the_same_for_the_same_seed_and_rests_at_one_g(name):
    one, two = scene(name, seconds=7, seed=4), scene(name, seconds=7, seed=4)
    np.testing.assert_array_equal(one.accel_m_s2, two.accel_m_s2)
    first = slice(0, 200) if name != "turns" else slice(200, 400)
    length = np.linalg.norm(one.accel_m_s2[first], axis=-1).mean()
    assert length == pytest.approx(GRAVITY_M_S2, abs=0.3)
    with pytest.raises(DataError, match="no scene 'smile': expected head"):
        scene("smile")


def test_upright_turns_what_is_felt_to_the_zenith():
    felt = np.random.default_rng(1).normal(0, 9, (50, 3))
    felt = np.concatenate((felt, [(0, 0, -9.8), (0, 0, 9.8)]))
    quat, linear = upright(felt)
    w, v = quat[:, :1], quat[:, 1:]
    turned = felt + 2 * np.cross(v, np.cross(v, felt) + w * felt)
    up = turned / np.linalg.norm(felt, axis=1, keepdims=True)
    np.testing.assert_allclose(up, np.tile((0.0, 0.0, 1.0), (52, 1)), atol=1e-6)
    assert np.linalg.norm(linear[-1]) == pytest.approx(0.00665)
