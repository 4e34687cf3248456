"""Every protocol at once for minutes, each read by a decoder that is not ours where there is one.

    python benchmarks/protocols.py [--seconds 300] [--json]

A virtual hub on a pseudo-terminal, `imusic live` in a process of its own with every kind of sink,
and this process is all the programs: sockets keep what comes, and when it is over it is decoded by
python-osc (VMC, VRChat, Face Cap), PyLiveLinkFace, liblsl, and for the two text protocols, for
which there is none, by our importers of the makers' examples. Told are faces a second, the longest
time without one, what could not be decoded, and how far the jaw was opened.
"""

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from capture.facecap import NAMES as FACECAP_NAMES
from capture.ifacialmocap import decode as decode_text
from capture.phone_faces import PhoneFace
from capture.tracks import read_track
from imusic.latency import free_port, imusic_command, running, wait_for

HERE = "127.0.0.1"
# kind: what is added to its address
KINDS = {
    "livelink": "?device_id=12345678-1234-1234-1234-123456789012",
    "vmc": "",
    "vrchat": "",
    "vrchat bits": "?form=binary",
    "facecap": "",
    "ifacialmocap": "",
    "facemotion3d": "",
}


class Ear:
    """A program that listens: keeps every datagram and when it came."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
        self.socket.bind((HERE, 0))
        self.socket.settimeout(0.2)
        self.port = self.socket.getsockname()[1]
        self.heard: list[tuple[float, bytes]] = []
        self.is_open = True
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        while self.is_open:
            try:
                data = self.socket.recv(65_535)
            except TimeoutError:
                continue
            self.heard.append((time.monotonic(), data))

    def close(self) -> None:
        """Hear no more."""
        self.is_open = False
        self.thread.join()
        self.socket.close()


Found = tuple[list[float], list[float], int]  # when faces came, jaws, how many were not decoded


def by_osc(address: str, jaw_of: Callable[[list], float | None], is_bundle: bool) -> Callable:
    """Faces of OSC: one message of each face has this address and tells the jaw, or None."""

    def read(heard: list[tuple[float, bytes]]) -> Found:
        from pythonosc.osc_bundle import OscBundle
        from pythonosc.osc_message import OscMessage

        times, jaws, bad = [], [], 0
        for at, data in heard:
            try:
                parts = OscBundle(data) if is_bundle else [OscMessage(data)]
                found = [jaw_of(part.params) for part in parts if part.address == address]
            except Exception:  # noqa: BLE001 - whatever it raises, it could not read it
                bad += 1
                continue
            for jaw in found:
                if jaw is not None:
                    times.append(at)
                    jaws.append(jaw)
        return times, jaws, bad

    return read


def by_livelink(heard: list[tuple[float, bytes]]) -> Found:
    """Faces of Live Link Face."""
    from pylivelinkface import FaceBlendShape, PyLiveLinkFace

    times, jaws, bad = [], [], 0
    for at, data in heard:
        ok, face = PyLiveLinkFace.decode(data)
        if ok:
            times.append(at)
            jaws.append(face.get_blendshape(FaceBlendShape.JawOpen))
        else:
            bad += 1
    return times, jaws, bad


def by_text(heard: list[tuple[float, bytes]]) -> Found:
    """Faces of iFacialMocap and Facemotion3d."""
    from capture.blendshapes import INDEX

    times, jaws, bad = [], [], 0
    for at, data in heard:
        found = decode_text(data)
        if isinstance(found, PhoneFace) and found.weights is not None:
            times.append(at)
            jaws.append(float(found.weights[INDEX["jawOpen"]]))
        else:
            bad += 1
    return times, jaws, bad


FACECAP_JAW = FACECAP_NAMES.index("jawOpen")
READ = {
    "livelink": by_livelink,
    "vmc": by_osc(
        "/VMC/Ext/Blend/Val", lambda p: p[1] if p[0] == "JawOpen" else None, is_bundle=True
    ),
    "vrchat": by_osc("/avatar/parameters/v2/JawOpen", lambda p: p[0], is_bundle=True),
    "vrchat bits": by_osc("/avatar/parameters/v2/JawOpen1", lambda p: float(p[0]), is_bundle=True),
    "facecap": by_osc("/W", lambda p: p[1] if p[0] == FACECAP_JAW else None, is_bundle=False),
    "ifacialmocap": by_text,
    "facemotion3d": by_text,
}


def row(found: Found) -> dict[str, float]:
    """The figures of one protocol."""
    times, jaws, bad = found
    if len(times) < 2:
        return {"faces": len(times), "undecodable": bad}
    return {
        "faces": len(times),
        "per_second": (len(times) - 1) / (times[-1] - times[0]),
        "longest_gap_ms": 1000 * float(np.diff(times).max()),
        "undecodable": bad,
        "jaw_most": float(max(jaws)),
    }


def lsl_ear(name: str, over: threading.Event, into: list[tuple[float, float]]) -> None:
    """Pull samples of the stream until it is over."""
    import pylsl

    found = pylsl.resolve_byprop("name", name, timeout=60)
    if not found:
        return
    inlet = pylsl.StreamInlet(found[0])
    while not over.is_set():
        sample, _ = inlet.pull_sample(timeout=0.2)
        if sample is not None:
            into.append((time.monotonic(), sample[17]))


def main() -> None:
    """Drive all, decode all, print a table."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seconds", type=float, default=300.0)
    options.add_argument("--json", action="store_true")
    asked = options.parse_args()
    ears = {kind: Ear() for kind in KINDS}
    over, pulled = threading.Event(), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sinks = [
            f"{kind.split()[0]}://{HERE}:{ears[kind].port}{more}" for kind, more in KINDS.items()
        ]
        sinks += [f"{kind}:{folder}/face.{kind}" for kind in ("csv", "npz", "glb")]
        stream = f"imusic-{free_port()}"
        listening = threading.Thread(target=lsl_ear, args=(stream, over, pulled))
        if find_spec("pylsl"):
            sinks.append(f"lsl:{stream}")
            listening.start()
        drive(asked.seconds, folder, sinks)
        over.set()
        if listening.is_alive():
            listening.join()
        for ear in ears.values():
            ear.close()
        table = {kind: row(READ[kind](ear.heard)) for kind, ear in ears.items()}
        if pulled:
            table["lsl"] = row(([at for at, _ in pulled], [jaw for _, jaw in pulled], 0))
        for kind in ("csv", "npz"):
            track = read_track(folder / f"face.{kind}")
            table[kind] = {"faces": len(track)}
        table["glb"] = {"bytes": (folder / "face.glb").stat().st_size}
    if asked.json:
        print(json.dumps(table))
        return
    print("| protocol | faces | a second | gap, ms | no face, or not read | jaw, most |")
    print("|---|---|---|---|---|---|")
    for kind, told in table.items():
        cells = [
            f"{told.get(key, 0):.1f}" if key in told else ""
            for key in ("faces", "per_second", "longest_gap_ms", "undecodable", "jaw_most")
        ]
        print(f"| {kind} |", " | ".join(cells), "|")


def drive(seconds: float, folder: Path, sinks: list[str]) -> None:
    """Let somebody perform once, with all sinks."""
    faces = f"tcp://{HERE}:{free_port()}"
    rig = folder / "sim.toml"
    sim = ["sim", "--rig", str(rig), "--no-phone", "--seconds", str(seconds), "--faces", faces]
    with running(imusic_command(*sim)) as wearer:
        wait_for(rig.is_file, wearer, 60.0, "the virtual wearer")
        wanted = [part for url in sinks for part in ("--sink", url)]
        done = subprocess.run(
            [sys.executable, "-m", "imusic", "live", "--rig", str(rig), "--json", *wanted],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds + 300,
            check=False,
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    print(done.stdout.strip(), file=sys.stderr)


if __name__ == "__main__":
    main()
