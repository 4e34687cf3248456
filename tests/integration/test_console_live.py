"""The console of a live face: head, traces and latency in one page, of a hub of software."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from capture.publisher import subscribe
from capture.wire_traces import TRACE_TOPIC, decode_trace
from firmware_host.layout import FACE_12
from firmware_host.rig import HubConfig, PublishConfig, Rig, SessionConfig, write_rig
from tests.integration.browsers import (
    DRAWN,
    PATIENCE_S,
    child_of,
    free_port,
    opened_page,
    require_browser,
    screenshot,
    wait_for_page,
)

pytestmark = [pytest.mark.integration, pytest.mark.slow]
DESK, PHONE = (1000, 640), (390, 844)
HEARD = "document.querySelector('[data-heard]')?.dataset"


@pytest.fixture
def live(tmp_path) -> Iterator[tuple[PublishConfig, subprocess.Popen[bytes]]]:
    """Where `imusic live` publishes, and the process that it is."""
    addresses = [f"tcp://127.0.0.1:{free_port()}" for _ in range(4)]
    publish = PublishConfig(
        faces=addresses[0], status=addresses[1], events=addresses[2], minute=addresses[3]
    )
    session = SessionConfig(rest_s=0.5, routine_s=0.5)
    # An hour of motion takes seconds of processor to make up.
    rig = Rig(hub=HubConfig(url="sim:head,seconds=600"), session=session, publish=publish)
    write_rig(rig, tmp_path / "rig.toml")
    with child_of("live", "--rig", tmp_path / "rig.toml") as child:
        yield publish, child


def test_a_live_face_tells_how_its_sensors_move(live):
    publish, _ = live
    stream = subscribe(publish.status, PATIENCE_S, topic=TRACE_TOPIC)
    heard = [decode_trace(message) for message in islice(stream, 10)]
    assert heard[0].slots == FACE_12.names
    assert heard[-1].sequence - heard[0].sequence == 9
    assert (heard[-1].unix_ns - heard[0].unix_ns) / 1e9 >= 0.4  # no more than eyes can follow
    rates = np.stack([np.frombuffer(message.rates, "<f4") for message in heard])
    assert np.isfinite(rates).all()
    assert rates.std(axis=0).max() > 0.001  # the head of the scene turns


@pytest.mark.skipif(sys.platform == "win32", reason="a process is killed by a signal")
def test_face_traces_and_latency_are_in_one_page_and_silence_is_seen(live, tmp_path):
    require_browser()
    publish, child = live
    port = free_port()
    told = ("--faces", publish.faces, "--status", publish.status)
    with contextlib.ExitStack() as stack:
        console = stack.enter_context(child_of("console", "--port", port, *told))
        wait_for_page(f"http://127.0.0.1:{port}", console)
        page = stack.enter_context(opened_page(f"http://127.0.0.1:{port}", *DESK))
        page.wait_for_function(f"{DRAWN} > 3")
        page.wait_for_function(f"Number({HEARD}.heard) > 60")
        page.wait_for_function(f"{HEARD}.silent === '0'")
        page.wait_for_function("/[0-9]+ Hz · [0-9]+ ms/.test(document.body.innerText)")
        page.wait_for_function("document.body.innerText.includes('samples')")
        for width, height in (DESK, PHONE):  # nothing lies beside the page: none is pushed around
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function(f"innerWidth === {width}")
            page.wait_for_function(f"document.documentElement.scrollWidth <= {width}")
            inked = screenshot(page, tmp_path / f"live{width}.png")
            blue = np.abs(inked.astype(int) - (178, 114, 0)).max(axis=2) < 40
            assert blue.sum() > 300
        child.send_signal(signal.SIGKILL)
        page.wait_for_function(f"{HEARD}.silent === '12'")
        page.get_by_text("no word from the live face").wait_for()
        page.wait_for_function("!/[0-9] ms/.test(document.body.innerText)")
        screenshot(page, tmp_path / "silent.png")
