"""How fast the decoder is, against a plain pyserial loop that only reads, in one run.

    python benchmarks/decoder.py

Prints bytes per second of both: the same stream of a 12-slot hub, decoded from memory in chunks of
the size that the read loop got, and pushed through a pty and read with pyserial. The ratio says how
much of the time of a reader that is never idle the decoding would take.
"""

import json
import os
import threading
import time

import numpy as np
import serial

from firmware_host import messages
from firmware_host.device import HubDevice
from firmware_host.layout import FACE_12
from firmware_host.messages import Kind
from firmware_host.samples import ImuBlock
from firmware_host.simulator import SimulatedHub
from firmware_host.transports.pty import open_pty

SAMPLES = 20_000
RATE_HZ = 200.0


def stream() -> bytes:
    """INFO and SAMPLES as a hub would send them."""
    random = np.random.default_rng(0)
    shape = (SAMPLES, len(FACE_12.names), 3)
    hub = SimulatedHub(
        np.arange(SAMPLES) / RATE_HZ,
        random.normal(0, 9, shape),
        random.normal(0, 3, shape),
        FACE_12.names,
    )
    return hub.boot() + hub.receive(messages.encode_command(Kind.START)) + hub.due(1e9)


def read_plainly(data: bytes) -> tuple[float, int]:
    """(bytes per second, mean chunk) of pyserial reading `data` from a pty as fast as it comes."""

    def send() -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(ours, rest) :]

    with open_pty() as (ours, path), serial.Serial(path, timeout=1) as port:
        sender = threading.Thread(target=send)
        begin = time.perf_counter()
        sender.start()
        received = chunks = 0
        while received < len(data):
            received += len(port.read(max(1, port.in_waiting)))
            chunks += 1
        elapsed_s = time.perf_counter() - begin
        sender.join()
    return len(data) / elapsed_s, len(data) // chunks


def decode(data: bytes, chunk: int) -> float:
    """Bytes per second of HubDevice, fed `chunk` bytes at a time."""
    device, count = HubDevice(), 0
    begin = time.perf_counter()
    for at in range(0, len(data), chunk):
        found = device.receive(data[at : at + chunk], 0)
        count += sum(len(event) for event in found if isinstance(event, ImuBlock))
    elapsed_s = time.perf_counter() - begin
    if count != SAMPLES:
        raise SystemExit(f"expected {SAMPLES} samples, decoded {count}")
    return len(data) / elapsed_s


def main() -> None:
    """Print one JSON object."""
    data = stream()
    read_rate, chunk = read_plainly(data)
    frame = len(data) // SAMPLES
    decoded, one_by_one = decode(data, chunk), decode(data, frame)
    print(
        json.dumps(
            {
                "read_bytes_per_s": round(read_rate),
                "read_chunk_bytes": chunk,
                "decode_bytes_per_s": round(decoded),
                "decode_to_read_ratio": round(decoded / read_rate, 2),
                "decode_one_frame_at_a_time_bytes_per_s": round(one_by_one),
                "core_share_at_200_hz": round(frame * 200 / one_by_one, 4),
                "core_share_at_1000_hz": round(frame * 1000 / one_by_one, 4),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
