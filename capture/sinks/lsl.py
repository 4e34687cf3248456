"""Lab Streaming Layer: faces as a stream that LabRecorder and others find by its name.

Channels are the 52 weights, the head's quaternion wxyz (NaN where unknown), the confidence, and
whether there was a face. liblsl sends from a thread of its own, so that pushing never waits.
"""

import time

import numpy as np

from capture.blendshapes import ARKIT_NAMES, BlendshapeFrame
from capture.sinks.shaping import Shaped
from capture.sinks.shells import SinkCounts
from firmware_host.clock import NS_PER_S
from firmware_host.errors import EnvironmentMissing
from firmware_host.samples import Floats

RATE_HZ = 60
CHANNELS = (*ARKIT_NAMES, "head_w", "head_x", "head_y", "head_z", "confidence", "tracked")


class LslSink:
    """A stream of type `Face` called `name`.

    Raises:
        EnvironmentMissing: pylsl is not installed, or finds no liblsl.
    """

    every_face = False

    def __init__(self, name: str) -> None:
        try:
            import pylsl
        except (ImportError, RuntimeError) as error:  # RuntimeError: pylsl without its liblsl
            raise EnvironmentMissing(
                f"the sink lsl:{name} needs pylsl and liblsl: {error}", 'pip install "imusic[lsl]"'
            ) from error
        self.counts = SinkCounts()
        self._clock = pylsl.local_clock
        info = pylsl.StreamInfo(
            name, "Face", len(CHANNELS), RATE_HZ, pylsl.cf_float32, f"imusic-{name}"
        )
        channels = info.desc().append_child("channels")
        for label in CHANNELS:
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("type", "Face")
        self._outlet = pylsl.StreamOutlet(info)

    def show(self, shaped: Shaped) -> None:
        """Push one face, stamped with the time it belongs to on LSL's clock."""
        age_s = (time.monotonic_ns() - shaped.frame.time_ns) / NS_PER_S
        self._outlet.push_sample(sample_of(shaped.frame), self._clock() - age_s)
        self.counts.frames += 1
        self.counts.datagrams += 1

    def close(self) -> None:
        """End the stream. Safe to call twice."""
        self._outlet = None


def sample_of(frame: BlendshapeFrame) -> Floats:
    """(58,) values of CHANNELS."""
    quat = frame.quat_world_from_head
    return np.concatenate(
        [
            frame.weights,
            np.full(4, np.nan) if quat is None else quat,
            [frame.confidence, frame.tracked],
        ]
    ).astype(np.float32)
