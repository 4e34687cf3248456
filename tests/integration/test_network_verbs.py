"""The verbs that speak to hubs in a network, each as a process of its own."""

import asyncio
import json
import signal
import sys

import pytest

from firmware_host.announcements import Link
from firmware_host.devices import hubs_in_network
from firmware_host.layout import FACE_12
from tests.integration.network_links import (
    LINKS,
    ROOT,
    free_port,
    hub_with,
    run,
    served,
)
from tests.integration.test_network_announcements import announced, announcement

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("hub", ["udp:0", "tcp:0"])
def test_a_virtual_wearer_in_the_network_is_recorded_whole(tmp_path, hub):
    from capture.daemon import record
    from capture.recording import read_recording
    from firmware_host.rig import read_rig
    from imusic.sim import SimOptions, run_sim

    rig = tmp_path / "rig.toml"
    options = SimOptions(seconds=3.0, hub=hub, loss=0.01, phone_port=free_port())

    async def both():
        playing = asyncio.create_task(run_sim(options, rig))
        while not rig.exists() and not playing.done():
            await asyncio.sleep(0.05)
        if playing.done():
            await playing  # says why
        assert read_rig(rig).hub.url.startswith(hub[:4] + "127.0.0.1:")
        result = await record(read_rig(rig), tmp_path / "takes", allow_missing=("phone",))
        return await playing, result

    truth, result = run(both())
    assert result is not None
    assert result.lost is None
    recording = read_recording(result.folder)
    counts = result.take.counts
    assert counts["samples"] == len(recording.tick_us) == truth.samples_sent - truth.samples_dropped
    assert counts["samples_lost"] == truth.samples_dropped > 0


async def streamed(
    link: Link,
    *arguments: str,
    hub_samples: int = 100_000,
    interrupt_after_lines: int | None = None,
) -> tuple[int, list[str], list[str]]:
    """`imusic stream` in a process of its own on a served hub: exit code, stdout, stderr."""
    async with served(hub_with(hub_samples), link) as (port, task):
        url = f"{link.name.lower()}:127.0.0.1:{port}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "imusic", "stream", url, *arguments),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        lines = []
        assert process.stdout is not None
        while line := await process.stdout.readline():
            lines.append(line.decode())
            if len(lines) == interrupt_after_lines:
                process.send_signal(signal.SIGINT)
        _, complaints = await process.communicate()
        if interrupt_after_lines or "--seconds" in arguments:
            await task  # the hub was told to stop
        return process.returncode, lines, complaints.decode().splitlines()


@pytest.mark.parametrize("link", LINKS)
def test_a_stream_is_watched_for_some_seconds_and_the_hub_told_to_stop(link):
    code, lines, complaints = run(streamed(link, "--seconds", "1.5"))
    assert (code, complaints) == (0, [])
    (summary,) = lines
    assert int(summary.split()[0]) > 50
    assert ", 0 lost, 0 duplicates, 0 garbage bytes" in summary


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_ends_a_stream_cleanly_with_a_summary():
    code, lines, complaints = run(streamed(Link.UDP, "--json", interrupt_after_lines=2))
    assert (code, complaints) == (0, [])
    *ticks, last = map(json.loads, lines)
    assert [slot["name"] for slot in ticks[1]["slots"]] == list(FACE_12.names)
    assert {slot["verdict"] for slot in ticks[1]["slots"]} == {"ok"}
    assert ticks[1]["battery"] is None
    assert last["summary"]["samples"] >= ticks[1]["samples"] > 0


def test_a_stream_that_ends_by_itself_is_good():
    code, lines, _ = run(streamed(Link.TCP, hub_samples=300))
    assert code == 0
    assert lines == ["300 samples, 0 lost, 0 duplicates, 0 garbage bytes, 0 reconnects\n"]


def test_devices_lists_the_hubs_that_announce_themselves():
    async def looking() -> list[dict[str, object]]:
        port = free_port()
        hub = announcement("brow\u00e9", 7, is_streaming=True, protocol_version=9)
        async with announced(port, hub, b"noise", announcement("x", 8, link=Link.TCP)):
            found = await hubs_in_network(0.5, port)
            return [device.to_json() for device in found.devices]

    tcp, udp = run(looking())
    assert (tcp["kind"], tcp["address"], tcp["looks_like"]) == (
        "tcp",
        "tcp:127.0.0.1:8",
        "hub x (f)",
    )
    assert udp == {
        "kind": "udp",
        "address": "udp:127.0.0.1:7",
        "looks_like": "hub browé (f), protocol version 9: too new or too old, streaming to a host",
        "device_id": "browé",
        "firmware": "f",
        "protocol_version": 9,
        "is_streaming": True,
        "battery": 0.5,
    }
