"""Random and mutated input by the million, and what decoding costs. JSON lines.

    python -m fuzz.storm                                   # seconds: a taste
    python -m fuzz.storm --random 1000000 --mutated 100000 # an hour of one core
    python -m fuzz.storm --target ximu3 --random 1000000

For each decoder: how much came. Nothing raised, what is kept stayed small, and good messages were
understood again, or this ends with the error (`fuzz.targets.check`). Then the cost of 64 KiB in
thread time: of noise, as a whole and in datagrams of 1200 bytes; of its own good messages with one
bit in a thousand flipped, most of which is work well done; of the worst that was thought of. And
how the cost of noise grows from 16 KiB to 256 KiB: 1 is linear, 0 is a refusal at first sight.
"""

import argparse
import json
import math
import time
from collections.abc import Callable

import numpy as np

from fuzz.targets import MAX_KEPT, TARGETS, Target, check, kept_bytes, mutations, noise

BLOCK = 65_536
MEMORY_EVERY = 500
HOSTILE: dict[str, bytes] = {
    "zeros": b"\0",
    "line feeds": b"\n",
    "heads": b"\x55",
    "heads and types": b"\x55\x51",
    "short frames": b"\x05\x01\x01\x01\x01\0",
    "nested": b'{"a":[' * 10 + b"\n",
    "escapes": b"\xc9\xdb\xdc\n",
}


def main() -> None:
    """One line for each decoder."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--random", type=int, default=2000)
    options.add_argument("--mutated", type=int, default=1000)
    options.add_argument("--target", action="append")
    asked = options.parse_args()
    for number, target in enumerate(TARGETS):
        if asked.target and target.name not in asked.target:
            continue
        random = np.random.default_rng(number)
        begin = time.monotonic()
        damaged = mutations(target, random)
        chunks = storm(target, asked.random, lambda: noise(random))  # noqa: B023
        mutated = storm(target, asked.mutated, lambda: next(damaged))  # noqa: B023
        line = {"decoder": target.name, "random_chunks": chunks, "mutated_chunks": mutated}
        line |= {"seconds": round(time.monotonic() - begin, 1)} | costs(target, random)
        print(json.dumps(line), flush=True)


def storm(target: Target, wanted: int, more: Callable[[], list[bytes]]) -> int:
    """Check with chunks until there were as many as wanted. Raises what was wrong."""
    count = rounds = 0
    while count < wanted:
        chunks = more()
        check(target, chunks, with_memory=rounds % MEMORY_EVERY == 0)
        count += len(chunks)
        rounds += 1
    return count


def costs(target: Target, random: np.random.Generator) -> dict[str, float | str]:
    """Milliseconds of thread time for 64 KiB, and how cost grows with length."""
    by_pattern = {name: cost_ms(target, fill(p)) for name, p in HOSTILE.items()}
    worst = max(by_pattern, key=by_pattern.__getitem__)
    small, large = (cost_ms(target, random.bytes(size)) for size in (BLOCK // 4, 4 * BLOCK))
    growth = math.log(max(large, 1e-3) / max(small, 1e-3)) / math.log(16)
    return {
        "noise_ms": cost_ms(target, random.bytes(BLOCK)),
        "noise_in_datagrams_ms": cost_ms(target, random.bytes(BLOCK), 1200),
        "damaged_traffic_ms": cost_ms(target, traffic(target, random), 1200),
        "worst_ms": by_pattern[worst],
        "worst": worst,
        "growth": round(growth, 2),
    }


def fill(pattern: bytes, size: int = BLOCK) -> bytes:
    """`pattern` over and over."""
    return (pattern * (size // len(pattern) + 1))[:size]


def traffic(target: Target, random: np.random.Generator) -> bytes:
    """64 KiB of good messages, of which one bit in a thousand is flipped."""
    data = bytearray()
    number = 0
    while len(data) < BLOCK:
        data += b"".join(target.golden(number % 64))
        number += 1
    bits = np.unpackbits(np.frombuffer(bytes(data[:BLOCK]), np.uint8))
    return np.packbits(bits ^ (random.random(len(bits)) < 1e-3)).tobytes()


def cost_ms(target: Target, data: bytes, chunk: int = 0) -> float:
    """The least of three times, in a decoder of its own each."""
    chunk = chunk or len(data)
    parts = [data[at : at + chunk] for at in range(0, len(data), chunk)]
    times = []
    for _ in range(3):
        feed = target.begin()
        begin = time.thread_time()
        for part in parts:
            feed(part)
        times.append(time.thread_time() - begin)
        assert kept_bytes(feed) < MAX_KEPT
    return round(1000 * min(times), 3)


if __name__ == "__main__":
    main()
