"""`imusic check` over a real pty: a hub that is well, and one for each thing that can be wrong."""

import asyncio
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from capture.check import Row
from capture.checking import MOVE, REST, Verdict, check
from capture.head import standard_head
from dataset_tools.performance import generate_performance, with_routine
from dataset_tools.virtual_imu import feel
from dataset_tools.wearers import draw_wearer
from firmware_host.layout import FACE_12
from firmware_host.rig import HubConfig, Rig, SessionConfig, write_rig
from firmware_host.samples import HubStatus
from firmware_host.sensor_profile import Correction, new_profile, write_profile
from firmware_host.simulator import HubOptions, SimulatedHub, run_hub
from firmware_host.virtual.lines import on_cable
from firmware_host.virtual.motion import DeviceClock, Motion
from firmware_host.virtual.witmotion import VirtualWitMotion
from imusic.cli import main
from tests.integration.hub_threads import played
from tests.integration.rigs import BONE, LEFT, RIGHT, device, rig_of, run

pytestmark = pytest.mark.integration
pytest.importorskip("serial")
pytest.importorskip("tty", reason="a pty needs POSIX")

G = 9.80665
RATE_HZ = 200.0
NAMES = FACE_12.names


def at(slot: str) -> int:
    return NAMES.index(slot)


def resting(seconds: float = 4.0, slots: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A still wearer with ordinary sensors."""
    rng = np.random.default_rng(2)
    shape = (round(seconds * RATE_HZ), slots, 3)
    accel = np.array([0.0, G, 0.0]) + rng.normal(0, 0.03, shape)
    return np.arange(shape[0]) / RATE_HZ, accel, rng.normal(0, 0.004, shape)


def rig_at(path: str, rest_s: float = 1.2, routine_s: float = 0.0, profile: str = "") -> Rig:
    session = SessionConfig(rest_s=rest_s, routine_s=routine_s)
    return Rig(hub=HubConfig(url=f"serial:{path}", sensor_profile=profile), session=session)


def checked(cable: tuple[int, str], hub: SimulatedHub, rig: Rig, speed: float = 1.0) -> Verdict:
    async def both() -> Verdict:
        running = asyncio.create_task(run_hub(hub, cable[0], speed=speed))
        try:
            async with asyncio.timeout(30):
                return await check(rig, rig.session.routine_s > 0)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    return asyncio.run(both())


def rules(rows: tuple[Row, ...]) -> dict[str, list[str]]:
    return {row.name: [p.rule for p in row.problems] for row in rows if row.problems}


def test_a_rig_that_is_well_is_green(cable):
    verdict = checked(cable, SimulatedHub(*resting(), NAMES), rig_at(cable[1]))
    assert verdict.is_good
    assert [row.name for row in verdict.slots] == list(NAMES)
    assert all(row.gravity_m_s2 == pytest.approx(G, abs=0.05) for row in verdict.slots)
    assert all(row.rate_hz == pytest.approx(RATE_HZ, rel=0.06) for row in verdict.slots)


def test_every_fault_of_a_sensor_is_named_with_its_fix_and_no_other_slot_is_red(cable):
    time_s, accel, gyro = resting()
    rng = np.random.default_rng(3)
    accel[:, at("frontalis_left")] = np.nan
    accel[rng.random(len(time_s)) < 0.1, at("frontalis_right")] = np.nan
    stuck = at("orbicularis_oculi_left")
    accel[:, stuck], gyro[:, stuck] = accel[0, stuck], gyro[0, stuck]
    accel[::40, at("orbicularis_oculi_right"), 0] = 1000.0
    accel[:, at("zygomaticus_left")] *= 1.12
    gyro[:, at("zygomaticus_right"), 1] += math.radians(7)
    accel[:, at("levator_labii_left")] += rng.normal(0, 0.6, (len(time_s), 3))
    gyro[:, at("levator_labii_right")] += rng.normal(0, 0.06, (len(time_s), 3))
    gyro[:, at("buccinator_left"), 2] += 0.5 * np.sin(3 * time_s)
    verdict = checked(cable, SimulatedHub(time_s, accel, gyro, NAMES), rig_at(cable[1]))
    found = rules(verdict.slots)
    assert found == {
        "frontalis_left": ["silent"],
        "frontalis_right": ["missing"],
        "orbicularis_oculi_left": ["stuck"],
        "orbicularis_oculi_right": ["clipped", "noise"],
        "zygomaticus_left": ["gravity"],
        "zygomaticus_right": ["bias"],
        "levator_labii_left": ["noise"],
        "levator_labii_right": ["noise"],
        "buccinator_left": ["moved"],
    }
    for row in verdict.slots:
        assert all(problem.reason and problem.fix for problem in row.problems)
    assert rules(verdict.devices) == {}


def test_a_link_that_loses_and_garbles_is_told_of_the_device(cable):
    hub = SimulatedHub(*resting(), NAMES, HubOptions(loss=0.1, damage=0.05))
    verdict = checked(cable, hub, rig_at(cable[1]))
    assert rules(verdict.devices) == {"hub": ["loss", "garbage"]}


def test_a_hub_that_is_slower_than_it_says_is_told(cable):
    verdict = checked(cable, SimulatedHub(*resting(), NAMES), rig_at(cable[1], 2.0), speed=0.8)
    assert rules(verdict.devices) == {"hub": ["rate"]}


class Ailing(SimulatedHub):
    """Its battery is low, and it knows of a sensor that failed."""

    def _status(self) -> HubStatus:
        return replace(super()._status(), battery=0.1, error_mask=1 << at("mentalis"))


def test_a_battery_that_is_low_and_a_sensor_that_the_hub_gave_up_are_red(cable):
    verdict = checked(cable, Ailing(*resting(), NAMES), rig_at(cable[1], 1.5))
    assert rules(verdict.devices) == {"hub": ["battery"]}
    assert rules(verdict.slots) == {"mentalis": ["failed"]}


def test_a_slot_that_nobody_serves_is_red(cable):
    names = tuple(name for name in NAMES if name != "mentalis")
    verdict = checked(cable, SimulatedHub(*resting(slots=11), names), rig_at(cable[1]))
    assert rules(verdict.slots) == {"mentalis": ["absent"]}


def test_what_the_sensor_profile_corrects_is_green_again(cable, tmp_path):
    time_s, accel, gyro = resting()
    slot = at("zygomaticus_left")
    accel[:, slot] = accel[:, slot] / 0.92 + np.array([0.2, 0.0, 0.0])
    gyro[:, slot, 1] += math.radians(7)
    matrix = tuple(tuple(row) for row in (0.92 * np.eye(3)).tolist())
    correction = Correction(
        accel_offset_m_s2=(0.2, 0.0, 0.0),
        accel_matrix=matrix,
        gyro_bias_rad_s=(0.0, math.radians(7), 0.0),
    )
    profile = new_profile("simulated-hub", {"zygomaticus_left": correction}, "by hand")
    path = write_profile(profile, tmp_path)
    hub = SimulatedHub(time_s, accel, gyro, NAMES)
    assert checked(cable, hub, rig_at(cable[1], profile=str(path))).is_good


def test_a_profile_of_another_hub_is_refused(cable, tmp_path):
    path = write_profile(new_profile("another-hub", {}, "by hand"), tmp_path)
    rig = rig_at(cable[1], profile=str(path))
    with pytest.raises(OSError, match="asks for 'another-hub'"):
        checked(cable, SimulatedHub(*resting(), NAMES), rig)


def worn(seed: int, crossed: tuple[str, str] | None) -> SimulatedHub:
    """A virtual wearer who rests for a second and moves the head for six."""
    rng = np.random.default_rng(seed)
    performance = with_routine(generate_performance(seed, 2.0), seed, 1.2, 6.0)
    felt = feel(performance, draw_wearer(standard_head(), FACE_12, rng), RATE_HZ, rng)
    source = np.arange(12)
    if crossed:
        one, other = map(at, crossed)
        source[[one, other]] = other, one
    accel, gyro = felt.accel_m_s2[:, source], felt.gyro_rad_s[:, source]
    return SimulatedHub(felt.time_s, accel, gyro, NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("crossed", [None, ("buccinator_left", "buccinator_right")])
def test_sensors_on_the_wrong_side_are_told_by_how_the_head_moves(cable, crossed):
    rig = rig_at(cable[1], rest_s=1.2, routine_s=6.0)
    verdict = checked(cable, worn(5, crossed), rig)
    swapped = {name: found for name, found in rules(verdict.slots).items() if "swapped" in found}
    assert swapped == ({name: ["swapped"] for name in crossed} if crossed else {})
    assert verdict.notes == ()


def test_the_verb_tells_reason_and_fix_and_ends_with_1_where_something_is_red(
    cable, tmp_path, capsys
):
    time_s, accel, gyro = resting()
    accel[:, at("mentalis")] *= 1.2
    write_rig(rig_at(cable[1]), tmp_path / "rig.toml")
    with played(SimulatedHub(time_s, accel, gyro, NAMES), cable[0]):
        assert main(["check", "--rig", str(tmp_path / "rig.toml"), "--no-routine"]) == 1
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert len([line for line in lines if line.startswith("green")]) == 12
    red = next(i for i, line in enumerate(lines) if line.startswith("red"))
    assert "mentalis" in lines[red]
    assert "11.77 m/s² at rest instead of 9.81" in lines[red]
    assert "calibrate-sensors" in lines[red + 1]
    assert "hold the head and the face still" in printed.err


def test_the_verb_as_json_ends_with_0_where_all_is_green(cable, tmp_path, capsys):
    write_rig(rig_at(cable[1]), tmp_path / "rig.toml")
    with played(SimulatedHub(*resting(), NAMES), cable[0]):
        assert main(["check", "--rig", str(tmp_path / "rig.toml"), "--no-routine", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["good"]
    assert [row["name"] for row in told["slots"]] == list(NAMES)
    assert all(row["green"] for row in told["slots"])


def test_the_verb_ends_with_3_where_no_hub_answers_and_2_where_the_rig_is_wrong(
    cable, tmp_path, capsys
):
    write_rig(rig_at(cable[1]), tmp_path / "rig.toml")
    assert main(["check", "--rig", str(tmp_path / "rig.toml")]) == 3
    assert "no sensor hub answered" in capsys.readouterr().err
    assert main(["check", "--rig", str(tmp_path / "none.toml")]) == 2


def test_the_operator_is_told_when_to_rest_and_when_to_move(cable):
    phases: list[tuple[str, float]] = []

    async def both() -> None:
        running = asyncio.create_task(run_hub(SimulatedHub(*resting(), NAMES), cable[0]))
        try:
            rig = rig_at(cable[1], 0.5, 0.5)
            await check(rig, on_phase=lambda phase, seconds: phases.append((phase, seconds)))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(both())
    assert phases == [(REST, 0.5), (MOVE, 0.5)]


def still(seconds: float = 20.0, rate_hz: float = 100.0) -> Motion:
    rng = np.random.default_rng(6)
    shape = (round(seconds * rate_hz), 3)
    accel = np.array([0.0, G, 0.0]) + rng.normal(0, 0.03, shape)
    return Motion(np.arange(shape[0]) / rate_hz, accel, rng.normal(0, 0.004, shape))


@pytest.mark.parametrize("is_there", [True, False])
def test_devices_of_several_makers_are_checked_together(tmp_path, is_there):
    async def play() -> Verdict:
        wit = VirtualWitMotion(still(), DeviceClock())
        time_s, accel, gyro = resting(20.0, 2)
        bone = SimulatedHub(time_s, accel, gyro, (BONE, RIGHT))
        async with on_cable(wit, tmp_path / "a") as cable, on_cable(bone, tmp_path / "b") as other:
            if not is_there:
                cable.pull()
            rig = rig_of(
                device("left", cable.url, LEFT), device("bone", other.url, BONE, RIGHT, kind="hub")
            )
            return await check(rig, with_routine=False, start_timeout_s=3.0)

    verdict = run(play())
    red = rules(verdict.slots)
    served = {LEFT, BONE, RIGHT} if is_there else {BONE, RIGHT}
    assert set(red) == set(NAMES) - served
    assert all(found == ["absent"] for found in red.values())
    assert rules(verdict.devices) == ({} if is_there else {"left": ["silent"]})
