"""Movements too small for a camera in a recorded take: the live detector on its blocks. Pure."""

from collections.abc import Callable

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from capture.recording import Recording
from firmware_host.samples import Floats
from model.adjusting import adjustments
from model.checkpoint import Checkpoint
from model.driving import drive
from model.minute import MinuteEvent
from model.predict import predictor_of
from model.watch import FaceWatch


def minute_of(
    recording: Recording,
    checkpoint: Checkpoint,
    report: Callable[[float], None] | None = None,
) -> tuple[list[MinuteEvent], float]:
    """All events of a take, those of visible expressions too, and how many seconds it has.

    Raises:
        ConfigError: its slots are unknown to the checkpoint, or it has no head reference.
    """
    predictor = predictor_of(recording, checkpoint, _still)
    watch, found = FaceWatch(predictor), list[MinuteEvent]()
    blocks = list(recording.blocks())
    if not blocks:
        return [], 0.0
    seconds = max((blocks[-1].arrival_ns - blocks[0].arrival_ns) / 1e9, 1e-9)
    for number, frame in enumerate(drive(predictor, blocks, adjustments(recording.health))):
        found += [event for event in watch.look() if isinstance(event, MinuteEvent)]
        if report is not None and number % 60 == 0:
            report(min(1.0, (frame.time_ns - blocks[0].arrival_ns) / 1e9 / seconds))
    return found, seconds


def _still(xt: Floats, t: int, inputs: Floats) -> Floats:  # noqa: ARG001 - a network's signature
    """No network: the face is not asked for."""
    return np.zeros((*xt.shape[:2], len(ARKIT_NAMES)), np.float32)
