"""How much of a core a hub costs, from a real pty to blocks of samples, and what limits it.

    python benchmarks/decoder.py                 # half a minute
    python benchmarks/decoder.py --soak 600      # and then 12 x 200 Hz for ten minutes

One JSON line each:
limit   bytes a second of a plain pyserial loop that only reads, of our decoder fed from memory in
        chunks of the size that the loop got, and their ratio: how much of the time of a reader that
        is never idle decoding would take. Both in CPU time of their own thread.
live    12 sensors at 200 and at 1000 Hz: a simulated hub in a process of its own on a pty, this
        process reads with the transport that everything uses. CPU time of this process, loss, and
        how late blocks come against the fastest of the last seconds.
soak    the same at 200 Hz for as long as asked: loss, and resident memory as it goes.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import serial

from firmware_host import messages
from firmware_host.device import HubDevice
from firmware_host.layout import FACE_12
from firmware_host.messages import Kind
from firmware_host.running_clock import RunningClock
from firmware_host.samples import Gap, Garbage, HubEnd, ImuBlock
from firmware_host.simulator import HubOptions, SimulatedHub, run_hub
from firmware_host.stream import events
from firmware_host.transports.pty import open_pty
from firmware_host.transports.serial import SerialTransport

SAMPLES = 20_000
RATE_HZ = 200.0
NS = 1_000_000_000


def hub(samples: int, rate_hz: float) -> SimulatedHub:
    """12 sensors that feel noise."""
    random = np.random.default_rng(0)
    short = random.normal(0, 5, (min(samples, 20_000), len(FACE_12.names), 3)).astype(np.float32)
    values = np.resize(short, (samples, len(FACE_12.names), 3))
    options = HubOptions(jitter_s=0.0)
    return SimulatedHub(np.arange(samples) / rate_hz, values, values, FACE_12.names, options)


def stream() -> bytes:
    """INFO and SAMPLES as a hub would send them."""
    made = hub(SAMPLES, RATE_HZ)
    return made.boot() + made.receive(messages.encode_command(Kind.START)) + made.due(1e9)


def read_plainly(data: bytes) -> tuple[float, int]:
    """(bytes per CPU second, mean chunk) of pyserial reading `data` from a pty as it comes."""

    def send() -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(ours, rest) :]

    with open_pty() as line, serial.Serial(line.path, timeout=1) as port:
        ours = line.ours
        sender = threading.Thread(target=send)
        begin = time.thread_time()
        sender.start()
        received = chunks = 0
        while received < len(data):
            received += len(port.read(max(1, port.in_waiting)))
            chunks += 1
        elapsed_s = time.thread_time() - begin
        sender.join()
    return len(data) / elapsed_s, len(data) // chunks


def decode(data: bytes, chunk: int) -> float:
    """Bytes per CPU second of HubDevice, fed `chunk` bytes at a time."""
    device, count = HubDevice(), 0
    begin = time.thread_time()
    for at in range(0, len(data), chunk):
        found = device.receive(data[at : at + chunk], 0)
        count += sum(len(event) for event in found if isinstance(event, ImuBlock))
    elapsed_s = time.thread_time() - begin
    if count != SAMPLES:
        raise SystemExit(f"expected {SAMPLES} samples, decoded {count}")
    return len(data) / elapsed_s


def limit() -> dict[str, object]:
    """Our decoder beside a loop that only reads."""
    data = stream()
    read_rate, chunk = read_plainly(data)
    frame = len(data) // SAMPLES
    decoded, one_by_one = decode(data, chunk), decode(data, frame)
    return {
        "measured": "limit",
        "read_bytes_per_s": round(read_rate),
        "read_chunk_bytes": chunk,
        "decode_bytes_per_s": round(decoded),
        "decode_to_read_ratio": round(decoded / read_rate, 2),
        "decode_one_frame_at_a_time_bytes_per_s": round(one_by_one),
        "decoding_core_share_at_200_hz": round(frame * 200 / one_by_one, 4),
        "decoding_core_share_at_1000_hz": round(frame * 1000 / one_by_one, 4),
    }


class Count:
    """What came of a stream, and how late."""

    def __init__(self) -> None:
        self.samples = self.lost = self.garbage = self.blocks = self.sent = 0
        self.late_ms: list[float] = []
        self._clock = RunningClock()

    def take(self, event: object) -> None:
        """Take one event of the hub."""
        if isinstance(event, ImuBlock):
            self.samples += len(event)
            self.blocks += 1
            device_ns = event.tick_us[-1:] * 1000
            self._clock.update(int(device_ns[0]), event.arrival_ns)
            if self.blocks % 50 == 0:
                late_ns = event.arrival_ns - int(self._clock.to_host(device_ns)[0])
                self.late_ms.append(late_ns / 1e6)
        elif isinstance(event, Gap):
            self.lost += event.count
        elif isinstance(event, Garbage):
            self.garbage += event.count
        elif isinstance(event, HubEnd):
            self.sent = event.samples_sent


async def listen(path: str, on_second: Callable[[], None]) -> Count:
    """Read a hub to its end, as every verb does."""
    count, transport, told = Count(), SerialTransport(path), time.monotonic()
    await transport.open()
    try:
        async for event in events(transport, HubDevice()):
            count.take(event)
            if time.monotonic() - told >= 1.0:
                told = time.monotonic()
                on_second()
    finally:
        await transport.close()
    return count


def live(rate_hz: float, seconds: float, name: str = "live") -> dict[str, object]:
    """A hub in another process, through a pty."""
    command = [sys.executable, __file__, "--play", f"{rate_hz:g}", f"{seconds:g}"]
    memory: list[float] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        path = other.stdout.readline().strip()
        wall, cpu = time.monotonic(), time.process_time()
        count = asyncio.run(listen(path, lambda: memory.append(resident_mb())))
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        other.wait(timeout=30)
    return {
        "measured": name,
        "sensors": len(FACE_12.names),
        "rate_hz": rate_hz,
        "seconds": round(wall, 1),
        "core_share": round(cpu / wall, 4),
        "samples": count.samples,
        "lost": count.lost + max(0, count.sent - count.samples),
        "garbage_bytes": count.garbage,
        "samples_per_block": round(count.samples / max(count.blocks, 1), 2),
        "late_p50_ms": round(float(np.median(count.late_ms)), 2),
        "late_p99_ms": round(float(np.percentile(count.late_ms, 99)), 2),
        "memory_mb": [round(mb, 1) for mb in memory[5 :: max(1, len(memory) // 8)]],
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def resident_mb() -> float:
    """Resident memory of this process; NaN where the system has no /proc."""
    status = Path("/proc/self/statm")
    if not status.is_file():
        return float("nan")
    return int(status.read_text("ascii").split()[1]) * resource.getpagesize() / 1e6


def play(rate_hz: float, seconds: float) -> None:
    """The other process: a hub on a pty whose path is printed."""
    made = hub(round(rate_hz * seconds), rate_hz)
    with open_pty() as line:
        print(line.path, flush=True)
        asyncio.run(run_hub(made, line.ours))
        time.sleep(1.0)  # what it wrote last may still be unread


def main() -> None:
    """Print a JSON line for each."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seconds", type=float, default=10.0, help="of each live run")
    options.add_argument("--soak", type=float, default=0.0, help="seconds at 200 Hz")
    options.add_argument("--play", nargs=2, type=float, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.play:
        play(*asked.play)
        return
    print(json.dumps(limit()), flush=True)
    for rate_hz in (200.0, 1000.0):
        print(json.dumps(live(rate_hz, asked.seconds)), flush=True)
    if asked.soak:
        print(json.dumps(live(200.0, asked.soak, "soak")), flush=True)


if __name__ == "__main__":
    main()
