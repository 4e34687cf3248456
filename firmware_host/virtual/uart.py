"""What a UART hears that samples a line at the wrong rate. Pure.

8N1: a line that rests is high; a byte is a low start bit, eight bits beginning with the lowest, and
a high stop bit. A receiver waits for the line to fall, then looks once in the middle of each bit it
expects. A pseudo-terminal knows no rate, so tests spoil bytes with this.
"""

import numpy as np

_FRAME_BITS = 10


def misread(data: bytes, sent_baud: int, read_baud: int, idle_bits: int = 20) -> bytes:
    """The bytes that a receiver at `read_baud` makes of `data`, sent at `sent_baud` in one go.

    Bytes whose stop bit is not high are given as well, as drivers do by default.
    """
    line = _levels(data, idle_bits)
    ratio = sent_baud / read_baud  # sender's bits per bit of the receiver
    heard, at = bytearray(), 0.0
    while True:
        fallen = np.flatnonzero(~line[int(np.ceil(at)) :])
        if not len(fallen):
            return bytes(heard)
        start = int(np.ceil(at)) + int(fallen[0])
        looks = start + ratio * (np.arange(1, 9) + 0.5)
        bits = line[np.minimum(looks.astype(int), len(line) - 1)]
        heard.append(int(np.packbits(bits, bitorder="little")[0]))
        at = start + ratio * (_FRAME_BITS - 0.5)


def _levels(data: bytes, idle_bits: int) -> np.ndarray:
    """The line, a level per bit of the sender; it rests before and after."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8)[:, None], axis=1, bitorder="little")
    frames = np.ones((len(data), _FRAME_BITS), bool)
    frames[:, 0] = False
    frames[:, 1:9] = bits
    rest = np.ones(idle_bits, bool)
    return np.concatenate((rest, frames.ravel(), rest))
