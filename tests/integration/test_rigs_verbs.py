"""`imusic identify` and `imusic stream --rig` as a user runs them, on virtual devices."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from firmware_host.rig import HubConfig, Rig, read_rig, write_rig
from firmware_host.virtual.lines import on_cable
from firmware_host.virtual.witmotion import VirtualWitMotion
from tests.integration.rigs import (
    BONE,
    LEFT,
    RIGHT,
    Session,
    device,
    hub,
    motion,
    rig_of,
    run,
    witmotion,
)

pytestmark = pytest.mark.integration
pytest.importorskip("serial")
pytest.importorskip("tty", reason="a pty needs POSIX")

ROOT = Path(__file__).parents[2]


async def imusic(*arguments: object) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "imusic", *map(str, arguments)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def tap_witmotion(sensor: VirtualWitMotion, height: float) -> None:
    at = sensor.sent + 10
    sensor._motion.accel_m_s2[at : at + 2, 2] += height


def tap_hub(device, heights) -> None:
    """What each of its sensors feels of a tap."""
    at = device._sent + 20
    counts = np.array(heights) / device._info.accel_range_m_s2 * 32768
    device._counts[at : at + 2, :, 2] += counts.astype(np.int16)


async def tapped_when_asked(process, fingers) -> list[str]:
    """Everything it says; whoever is named in it is tapped."""
    said = []
    while line := (await process.stderr.readline()).decode():
        said.append(line.rstrip())
        if found := re.match(r"tap (\w+)", line):
            fingers.get(found[1], lambda: None)()
    return said


def test_identify_finds_the_slots_of_two_makers_and_writes_them_down(tmp_path):
    wit = VirtualWitMotion(motion(60.0))
    both = hub(60.0, ("one", "two"), seed=3)
    asked = iter([(9.0, 8.0), (2.0, 20.0)])  # first too broadly, then only there
    fingers = {
        LEFT: lambda: tap_witmotion(wit, 25.0),
        BONE: lambda: tap_hub(both, next(asked)),
    }

    async def play():
        async with on_cable(wit, tmp_path / "a") as cable, on_cable(both, tmp_path / "b") as other:
            rig = rig_of(
                device("cheek", cable.url), device("ear", other.url, kind="hub"), name="desk"
            )
            write_rig(rig, tmp_path / "rig.toml")
            process = await imusic(
                *("identify", "--rig", tmp_path / "rig.toml", "--out", tmp_path / "named.toml"),
                *("--slot", LEFT, "--slot", RIGHT, "--slot", BONE, "--wait", 1),
            )
            said = await tapped_when_asked(process, fingers)
            await process.wait()
            return said, process.returncode

    said, code = run(play())
    assert f"{LEFT} is cheek" in said, said
    assert f"nothing was felt within 1 s: {RIGHT} is skipped" in said
    assert "felt it almost alike" in " ".join(said)
    assert f"{BONE} is sensor 1 of ear" in said
    assert code == 1  # one was skipped
    named = read_rig(tmp_path / "named.toml")
    assert named.name == "desk"
    assert [d.assigned for d in named.devices] == [(("0", LEFT),), (("two", BONE),)]


def test_identify_refuses_what_exists_and_what_the_layout_does_not_know(tmp_path, capsys):
    from imusic.cli import main

    write_rig(Rig(hub=HubConfig(url="serial:/dev/ttyNONE")), tmp_path / "rig.toml")
    rig = ("identify", "--rig", str(tmp_path / "rig.toml"))
    assert main([*rig, "--slot", "chin"]) == 2
    assert "'chin' is no slot of layout 'face-12'" in capsys.readouterr().err
    assert main([*rig, "--out", str(tmp_path / "rig.toml")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*rig, "--slot", LEFT]) == 3
    assert "serial:/dev/ttyNONE does not exist" in capsys.readouterr().err


def test_stream_shows_a_rig_device_by_device_and_what_happens_to_one(tmp_path):
    async def play():
        async with (
            on_cable(witmotion(60.0), tmp_path / "a") as cable,
            on_cable(hub(60.0, (BONE, RIGHT), seed=3), tmp_path / "b") as other,
        ):
            rig = rig_of(
                device("left", cable.url, LEFT),
                device("bone", other.url, BONE, RIGHT, kind="hub"),
            )
            write_rig(rig, tmp_path / "rig.toml")
            process = await imusic("stream", "--rig", tmp_path / "rig.toml", "--json")
            lines = []
            while len(lines) < 2 or not all(d["samples"] > 50 for d in lines[-1]["devices"]):
                lines.append(json.loads(await process.stdout.readline()))
            cable.pull()
            while lines[-1]["devices"][0]["state"] != "down":
                lines.append(json.loads(await process.stdout.readline()))
            process.send_signal(2)
            out, err = await process.communicate()
            return lines + [json.loads(line) for line in out.splitlines()], err.decode(), process

    lines, err, process = run(play())
    assert process.returncode == 0, err
    left, bone = lines[-1]["devices"]
    assert (left["name"], left["links_down"], bone["links_down"]) == ("left", 1, 0)
    assert [slot["name"] for slot in bone["slots"]] == [BONE, RIGHT]
    assert bone["lost"] == 0
    assert "imusic: left: lost serial:" in err
    assert "check the cable" in err


def test_stream_of_another_makers_device_needs_no_rig(tmp_path):
    async def play():
        async with on_cable(witmotion(60.0), tmp_path / "a") as cable:
            process = await imusic(
                "stream", cable.url, "--kind", "witmotion", "--seconds", 1.2, "--json"
            )
            out, err = await process.communicate()
            return [json.loads(line)["devices"] for line in out.splitlines()], err, process

    lines, err, process = run(play())
    assert process.returncode == 0, err
    (wit,) = lines[-1]
    assert wit["samples"] > 20
    assert wit["slots"][0]["verdict"] in ("ok", "silent")


def test_record_says_at_the_end_what_happened(tmp_path):
    async def play():
        async with on_cable(witmotion(60.0), tmp_path / "a") as cable:
            rig = rig_of(device("left", cable.url, LEFT))
            write_rig(rig, tmp_path / "rig.toml")
            process = await imusic(
                "record", "--rig", tmp_path / "rig.toml", "--out", tmp_path / "takes"
            )
            while not (tmp_path / "takes/take-001/data.mcap").is_file():
                await asyncio.sleep(0.05)
                assert process.returncode is None
            await asyncio.sleep(0.5)
            cable.pull()
            await asyncio.sleep(0.5)
            cable.plug()
            said = b""
            while b"back after" not in said:
                said += await process.stderr.readline()
            process.send_signal(2)
            out, _ = await process.communicate()
            return out.decode(), said.decode(), process.returncode

    out, said, code = run(play())
    assert code == 0
    assert "1 links lost" in out
    assert "note: nobody serves frontalis_left, " in said
    assert "imusic: left: lost serial:" in said


def test_allow_missing_knows_the_devices_of_the_rig(tmp_path, capsys):
    from imusic.cli import main

    write_rig(rig_of(device("left", "serial:/dev/ttyNONE", LEFT)), tmp_path / "rig.toml")
    record = ("record", "--rig", str(tmp_path / "rig.toml"), "--out", str(tmp_path / "takes"))
    assert main([*record, "--allow-missing", "right"]) == 2
    assert "expected one of: left, phone" in capsys.readouterr().err
    assert main([*record, "--allow-missing", "left", "--start-timeout", "0.5"]) == 3


def test_an_optional_device_may_come_late(tmp_path):
    async def play():
        async with on_cable(hub(60.0, (BONE,), seed=3), tmp_path / "b") as other:
            rig = rig_of(
                device("left", f"serial:{tmp_path}/a", LEFT, required=False),
                device("bone", other.url, BONE, kind="hub"),
            )
            session = Session(rig, tmp_path / "takes")
            await session.heard(0, 100)
            async with on_cable(witmotion(60.0), tmp_path / "a"):
                await session.heard(50, 100)
                return await session.end()

    result = run(play())
    assert result.take.counts["left.samples"] >= 50
    assert result.lost is None
