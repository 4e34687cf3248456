"""Which library reads a serial line best: pyserial in a thread, as we do, or serialx. JSON lines.

    pip install serialx==1.15.1
    python benchmarks/serial_libraries.py

A process plays a hub of 12 sensors at 1000 Hz (159 kB/s) into a real pty, for `--seconds` each:

(With one's own imports done, and the line open for a second before the first byte.)

thread    our transport: a thread blocks in pyserial and hands what arrives to the event loop
serialx   the native asyncio of serialx (`serialx.open_serial_connection`), by epoll, no thread
poll      pyserial without a thread, asked for what has come every millisecond: what to avoid

CPU time of this process, chunks a second, bytes that never came, and how late a chunk is against
the moment when its last byte was written (the writer stamps every frame it sends).
"""

import argparse
import asyncio
import importlib
import importlib.util
import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import numpy as np
import serial

from firmware_host.transports.pty import open_pty
from firmware_host.transports.serial import SerialTransport

FRAME = 159  # bytes of 12 slots on the wire
RATE_HZ = 1000.0
MARK = b"\xa5\x5a\xa5\x5a"


async def by_thread(path: str) -> AsyncIterator[bytes]:
    """As `imusic` does."""
    transport = SerialTransport(path)
    await transport.open()
    try:
        async for chunk in transport.chunks():
            yield chunk
    finally:
        await transport.close()


async def by_serialx(path: str) -> AsyncIterator[bytes]:
    """As serialx advises."""
    import serialx

    reader, writer = await serialx.open_serial_connection(path, baudrate=921_600)
    try:
        while chunk := await reader.read(65_536):
            yield chunk
    finally:
        writer.close()


async def by_polling(path: str) -> AsyncIterator[bytes]:
    """Without a thread."""
    with serial.Serial(path, 921_600, timeout=0) as port:
        while True:
            if chunk := port.read(65_536):
                yield chunk
            await asyncio.sleep(0.001)


WAYS = {"thread": by_thread, "serialx": by_serialx, "poll": by_polling}


async def listen(way: str, path: str, expected: int) -> tuple[int, int, list[float]]:
    """(bytes, chunks, ms late of each chunk) until all has come, or nothing does for 4 s."""
    heard, chunks, late = 0, 0, []
    rest = b""
    words = WAYS[way](path)
    try:
        while heard < expected:
            async with asyncio.timeout(4.0):
                chunk = await anext(words)
            now_ns = time.monotonic_ns()
            heard, chunks, rest = heard + len(chunk), chunks + 1, rest + chunk
            at = rest.rfind(MARK, 0, len(rest) - 11)
            if at >= 0:
                (sent_ns,) = struct.unpack_from("<q", rest, at + len(MARK))
                late.append((now_ns - sent_ns) / 1e6)
            rest = rest[-FRAME:]
    except OSError:  # silence (TimeoutError is one), or the line is gone
        pass
    finally:
        await words.aclose()
    return heard, chunks, late


def measured(way: str, seconds: float) -> dict[str, object]:
    """One way of reading."""
    command = [sys.executable, __file__, "--play", str(seconds)]
    expected = FRAME * round(seconds * RATE_HZ)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout is not None
        assert it.stdin is not None
        path = it.stdout.readline().strip()
        it.stdin.write("go\n")
        it.stdin.flush()
        cpu, wall = time.process_time(), time.monotonic()
        heard, chunks, late = asyncio.run(listen(way, path, expected))
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        it.wait(timeout=30)
    return {
        "way": way,
        "core_share": round(cpu / wall, 4),
        "chunks_per_s": round(chunks / wall),
        "bytes_lost": expected - heard,
        "late_p50_ms": round(float(np.median(late)), 3),
        "late_p99_ms": round(float(np.percentile(late, 99)), 3),
    }


def play(seconds: float) -> None:
    """The other process: frames with the time at which each was sent, after a while."""
    with open_pty() as line:
        descriptor = line.ours
        print(line.path, flush=True)
        sys.stdin.readline()
        begin_ns = time.monotonic_ns() + 1_500_000_000  # they open the line meanwhile
        for number in range(round(seconds * RATE_HZ)):
            due_ns = begin_ns + round(number * 1e9 / RATE_HZ)
            time.sleep(max(0.0, (due_ns - time.monotonic_ns()) * 1e-9))
            stamp = MARK + struct.pack("<q", time.monotonic_ns())
            os.write(descriptor, bytes(FRAME - len(stamp)) + stamp)
        time.sleep(1.0)  # what it wrote last may still be unread


def main() -> None:
    """Print a JSON line for each way."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--play", type=float, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.play:
        play(asked.play)
        return
    for way in WAYS:
        if way == "serialx" and importlib.util.find_spec("serialx") is None:
            print(json.dumps({"way": way, "skipped": "pip install serialx"}))
            continue
        if way == "serialx":
            importlib.import_module("serialx")
        print(json.dumps(measured(way, asked.seconds)), flush=True)


if __name__ == "__main__":
    main()
