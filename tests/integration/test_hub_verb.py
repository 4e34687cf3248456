"""`imusic hub`: a real line, a hub behind it, and what it was asked for."""

import asyncio
import json
from collections.abc import Sequence

import numpy as np
import pytest

from firmware_host import cli, conversation, frames, messages
from firmware_host.commands import Identify, Request, SetRange, SetRate, SyncPulse
from firmware_host.conversation import Talk, ask
from firmware_host.errors import ConfigError, DeviceNotFound, TransportError
from firmware_host.layout import FACE_12
from firmware_host.messages import Kind
from firmware_host.samples import Result
from firmware_host.simulator import SimulatedHub, run_hub
from firmware_host.transports.serial import SerialTransport

pytestmark = pytest.mark.integration
pytest.importorskip("serial")
pytest.importorskip("tty", reason="a pty needs POSIX")


def silent_face(of: type[SimulatedHub] = SimulatedHub) -> SimulatedHub:
    still = np.zeros((4000, 12, 3))
    return of(np.arange(4000) / 200, still, still, FACE_12.names)


class Forgetful(SimulatedHub):
    """Loses what it says to the first `losses` requests; `asked` counts all of them."""

    losses = 2
    asked = 0

    def receive(self, data: bytes, elapsed_s: float = 0.0) -> bytes:
        answer = super().receive(data, elapsed_s)
        found = frames.FrameDecoder().feed(answer)
        if not any(isinstance(f, frames.Frame) and f.kind == Kind.ANSWER for f in found):
            return answer
        self.asked += 1
        return b"" if self.asked <= self.losses else answer


def talk(cable: tuple[int, str], hub: SimulatedHub, requests: Sequence[Request]) -> Talk:
    descriptor, path = cable

    async def run() -> Talk:
        running = asyncio.create_task(run_hub(hub, descriptor))
        try:
            async with asyncio.timeout(15):
                return await ask(SerialTransport(path), lambda _: requests)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    return asyncio.run(run())


def test_what_can_be_set_is_set_and_what_the_hub_cannot_is_not_asked(cable):
    asked = [SetRate(400.0), SetRange(64.0, 16.0), Identify(3, 100), SyncPulse(50)]
    hub = silent_face()
    result = talk(cable, hub, asked)
    assert result.info.accel_range_m_s2 == 64.0
    assert result.info.gyro_range_rad_s == 16.0
    assert result.refused == dict.fromkeys((asked[0], asked[2]), Result.UNKNOWN_COMMAND)
    assert len(result.sync_ticks_us) == 1
    assert not hub.running


def test_asked_for_nothing_the_hub_only_tells_who_it_is(cable):
    assert talk(cable, silent_face(), []).info.slots == FACE_12.names


def test_a_request_whose_answer_was_lost_is_repeated(cable):
    hub = silent_face(Forgetful)
    result = talk(cable, hub, [SetRange(64.0, 16.0)])
    assert result.info.accel_range_m_s2 == 64.0
    assert hub.asked == 3


def test_a_pulse_is_not_repeated_only_because_the_hub_introduced_itself_twice(cable):
    hub = silent_face(Forgetful)
    hub.losses = 0
    result = talk(cable, hub, [SyncPulse(50)])  # INFO comes unasked, and for HELLO
    assert len(result.sync_ticks_us) == hub.asked == 1


def test_a_hub_that_never_answers_is_named(cable, monkeypatch):
    monkeypatch.setattr(conversation, "MAX_TRIES", 2)
    hub = silent_face(Forgetful)
    hub.losses = 1000
    with pytest.raises(TransportError, match=r"does not answer SyncPulse\(width_us=50\)"):
        talk(cable, hub, [SyncPulse(50)])
    assert hub.asked == 2


def test_a_hub_that_streams_refuses_to_be_configured(cable):
    hub = silent_face()
    hub.receive(messages.encode_command(Kind.START))
    request = SetRange(64.0, 16.0)
    assert talk(cable, hub, [request]).refused == {request: Result.BUSY_STREAMING}


def behind(cable: tuple[int, str], **options: object) -> None:
    """The verb as it is typed, with a hub on the line."""
    descriptor, path = cable

    async def run() -> None:
        running = asyncio.create_task(run_hub(silent_face(), descriptor))
        try:
            await asyncio.to_thread(cli.hub, f"serial:{path}", **options)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


def test_the_verb_tells_and_sets(cable, capsys):
    behind(cable, accel_range=64.0, sync_pulse_us=20, as_json=True)
    facts = json.loads(capsys.readouterr().out)
    assert facts["accel_range_m_s2"] == 64.0
    assert facts["features"] == ["PING", "SET_RANGE", "SYNC_PULSE"]
    assert facts["mode"] == "raw"
    assert len(facts["sync_ticks_us"]) == 1
    assert facts["refused"] == {}


def test_the_verb_says_what_was_refused_and_fails(cable, capsys):
    with pytest.raises(cli.typer.Exit) as ended:
        behind(cable, identify="mentalis", mode="fused")
    assert ended.value.exit_code == 1
    shown = capsys.readouterr()
    assert "device_id          simulated-hub" in shown.out
    assert shown.err.splitlines() == [
        "the hub refused SetMode: unknown command",
        "the hub refused Identify: unknown command",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "both"}, "--mode: expected raw or fused, got 'both'"),
        ({"identify": "nose"}, "the hub 'simulated-hub' has no slot 'nose'"),
        ({"rate_hz": -1.0}, "rate_hz: expected a positive finite number, got -1.0"),
        ({"identify": "hub", "seconds": 100.0}, "duration_ms: expected 0 to 65535, got 100000"),
    ],
)
def test_the_verb_refuses_what_makes_no_sense(cable, options, message):
    with pytest.raises(ConfigError, match=message):
        behind(cable, **options)


def test_without_a_hub_the_verb_says_so(cable):
    with pytest.raises(DeviceNotFound):
        cli.hub(f"serial:{cable[1]}")
