"""What sinks cost: microseconds to encode a face, and the share of a core that all of them take.

    python benchmarks/sinks.py [SECONDS]

Encoding is timed face by face, median, in one thread, on faces that move; beside it, as a ratio,
what python-osc takes to build the same VMC bundle, if it is installed. Then every kind of sink at
once is served at 60 Hz for SECONDS (default 10), with programs that listen, and the processor time
of this process is compared with a loop that only sleeps. Limits of the project: 50 µs a face and
sink, 5 % of a core for all. On a busy machine times double: compare ratios.
"""

import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from capture.blendshapes import ARKIT_NAMES, BlendshapeFrame
from capture.sinks.config import parse_sink, sinks_from
from capture.sinks.opening import encoder_of
from capture.sinks.pump import SinkPump
from capture.sinks.shaping import Shaper

RATE_HZ = 60
ENCODE_LIMIT_US, CORE_LIMIT = 50.0, 0.05
NETWORK = (
    "livelink:",
    "vmc:",
    "vmc:?head=true",
    "vrchat:",
    "vrchat:?form=binary",
    "ifacialmocap:",
    "facemotion3d:",
    "facecap:",
)
SHAPED = "vmc:?unfelt=idle&mirror=true"
FILTERED = {"url": "vmc:", "filters": {"all": {"min_cutoff_hz": 1.0, "beta": 0.5}}}


def moving(count: int, seed: int = 0) -> list[BlendshapeFrame]:
    """Faces whose weights wander, 60 a second."""
    rng = np.random.default_rng(seed)
    wander = np.cumsum(rng.normal(0.0, 0.02, (count, len(ARKIT_NAMES))), axis=0)
    weights = np.abs((wander + 1.0) % 2.0 - 1.0).astype(np.float32)
    quat = np.array([0.98, 0.1, 0.15, 0.05], np.float32)
    return [BlendshapeFrame(n * 10**9 // RATE_HZ, w, quat) for n, w in enumerate(weights)]


def median_us(call: Callable[[BlendshapeFrame], object], frames: list[BlendshapeFrame]) -> float:
    """Median time of one call."""
    taken = []
    for frame in frames:
        start = time.perf_counter_ns()
        call(frame)
        taken.append(time.perf_counter_ns() - start)
    return statistics.median(taken) / 1000


def library_us(frames: list[BlendshapeFrame]) -> float:
    """What python-osc takes for the 54 messages of a VMC frame in one bundle."""
    from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
    from pythonosc.osc_message_builder import OscMessageBuilder

    def build(frame: BlendshapeFrame) -> bytes:
        bundle = OscBundleBuilder(IMMEDIATELY)
        for name, value in zip(ARKIT_NAMES, frame.weights.tolist(), strict=True):
            message = OscMessageBuilder("/VMC/Ext/Blend/Val")
            message.add_arg(name)
            message.add_arg(value)
            bundle.add_content(message.build())
        bundle.add_content(OscMessageBuilder("/VMC/Ext/Blend/Apply").build())
        return bytes(bundle.build().dgram)

    return median_us(build, frames[:60])


def encoding() -> bool:
    """Print a table of encoders; whether all are within the limit."""
    frames = moving(1200)
    kept = True
    found = {}
    for url in NETWORK:
        found[url] = median_us(encoder_of(parse_sink(url)).encode, frames)
        kept = kept and found[url] <= ENCODE_LIMIT_US
        print(f"encode {url:24s} {found[url]:7.1f} µs")
    for title, shaping in (
        ("idle, mirror", parse_sink(SHAPED).shaping),
        ("One-Euro on all", sinks_from((), [FILTERED])[0].shaping),
    ):
        print(f"shape  {title:24s} {median_us(Shaper(shaping).shape, frames):7.1f} µs")
    if find_spec("pythonosc"):
        theirs = library_us(frames)
        print(
            f"python-osc, VMC               {theirs:7.1f} µs   ratio {theirs / found['vmc:']:.0f}"
        )
    return kept


def busy_share(seconds: float, each: Callable[[int], None]) -> float:
    """Share of a core that this process takes while `each` is called at 60 Hz."""
    start, used = time.monotonic(), time.process_time()
    for number in range(round(seconds * RATE_HZ)):
        each(number)
        time.sleep(max(0.0, start + (number + 1) / RATE_HZ - time.monotonic()))
    return (time.process_time() - used) / (time.monotonic() - start)


def all_at_once(seconds: float) -> bool:
    """Print what every kind of sink takes together; whether that is within the limit."""
    frames = moving(round(seconds * RATE_HZ), seed=1)
    network = [url for url in NETWORK if "head" not in url]  # one of each kind
    ears = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in network]
    for ear in ears:
        ear.bind(("127.0.0.1", 0))
    bare = busy_share(min(seconds, 4.0), lambda _: None)
    with tempfile.TemporaryDirectory() as folder:
        urls = [
            url.replace(":", f"://127.0.0.1:{ear.getsockname()[1]}", 1)
            for url, ear in zip(network, ears, strict=True)
        ]
        urls += [f"{kind}:{Path(folder)}/face.{kind}" for kind in ("csv", "npz", "glb")]
        urls += ["lsl:imusic-benchmark"] if find_spec("pylsl") else []
        with SinkPump(sinks_from(urls)) as pump:
            for frame in frames[:RATE_HZ]:  # the first second imports and makes up idle eyes
                pump.show(frame)
                time.sleep(1 / RATE_HZ)
            shown: list[float] = []

            def show(number: int) -> None:
                start = time.perf_counter()
                pump.show(frames[number])
                shown.append(time.perf_counter() - start)

            share = busy_share(seconds, show)
            p50, p99 = np.percentile(shown, [50, 99]) * 1e6
    for ear in ears:
        ear.close()
    print(f"a loop that only sleeps        {bare:6.1%} of a core")
    print(
        f"{len(urls)} sinks at 60 Hz              {share:6.1%} of a core, ratio {share / bare:.0f}"
    )
    print(f"what the clock waits for them  p50 {p50:.0f} µs, p99 {p99:.0f} µs")
    return share <= CORE_LIMIT


def main(seconds: float) -> None:
    """Measure both, and say which limits are kept."""
    kept = encoding(), all_at_once(seconds)
    print(f"encode at most {ENCODE_LIMIT_US:g} µs: {'kept' if kept[0] else 'BROKEN'}")
    print(f"all at most {CORE_LIMIT:.0%} of a core: {'kept' if kept[1] else 'BROKEN'}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)
