"""OSC bundles packed once, in which only numbers change from frame to frame. No I/O.

Packing 52 messages anew takes a library most of a millisecond. Here a datagram is an array of
32-bit words, and a frame writes its own words into it: a float32 argument, or the type tag of a
truth value (`,T` or `,F`, which carries no data: OSC 1.0, "Argument Types").
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from capture.osc import IMMEDIATELY, Message, encode

# Ethernet carries 1500 bytes with headers; what is longer is sent in pieces, and lost as a whole.
MAX_BUNDLE_BYTES = 1400

Words = NDArray[np.uint32]
TRUE_WORD, FALSE_WORD = (int.from_bytes(tag, "big") for tag in (b",T\0\0", b",F\0\0"))
_HEADER = b"#bundle\0" + IMMEDIATELY
_NOWHERE: list[int] = []


class OscTemplate:
    """Bundles of one frame.

    Args:
        messages: in order; the floats in them, and a sole truth value, are places to be filled, and
            stand there at first.
        first, last: messages that open the first bundle and close the last one, never filled.
        limit: bytes of a bundle at most.
    """

    def __init__(
        self,
        messages: Sequence[Message],
        first: Sequence[Message] = (),
        last: Sequence[Message] = (),
        limit: int = MAX_BUNDLE_BYTES,
    ) -> None:
        self.places = 0
        self._bundles: list[tuple[Words, NDArray[np.intp], int]] = []
        elements = [
            *((encode(message), _NOWHERE) for message in first),
            *((encode(message), _places(message)) for message in messages),
            *((encode(message), _NOWHERE) for message in last),
        ]
        for group in _grouped(elements, limit):
            self._add(group)

    def _add(self, group: Sequence[tuple[bytes, list[int]]]) -> None:
        data, words = _HEADER, []
        for part, places in group:
            data += len(part).to_bytes(4, "big")
            words += [len(data) // 4 + place for place in places]
            data += part
        filled = np.array(words, np.intp)
        self._bundles.append((np.frombuffer(data, ">u4").copy(), filled, self.places))
        self.places += len(words)

    def fill(self, words: Words) -> list[bytes]:
        """The datagrams of a frame. words: (places,) in order, see `float_words`, `bool_words`."""
        made = []
        for bundle, places, start in self._bundles:
            bundle[places] = words[start : start + len(places)]
            made.append(bundle.tobytes())
        return made


class OscDatagrams:
    """Messages that are a datagram each, filled likewise; see `OscTemplate`."""

    def __init__(self, messages: Sequence[Message]) -> None:
        data, words = b"", []
        ends = [0]
        for message in messages:
            words += [len(data) // 4 + place for place in _places(message)]
            data += encode(message)
            ends.append(len(data))
        self._all = np.frombuffer(data, ">u4").copy()
        self._filled = np.array(words, np.intp)
        self._cuts = [slice(start, end) for start, end in pairwise(ends)]

    def fill(self, words: Words) -> list[bytes]:
        """The datagrams of a frame. words: (places,) in order."""
        self._all[self._filled] = words
        data = self._all.tobytes()
        return [data[cut] for cut in self._cuts]


def float_words(values: NDArray[np.floating]) -> Words:
    """Numbers as the words that stand for them."""
    return np.ascontiguousarray(values, np.float32).view(np.uint32)


def bool_words(values: NDArray[np.bool_]) -> Words:
    """Truth values as the words that stand for them."""
    return np.where(values, np.uint32(TRUE_WORD), np.uint32(FALSE_WORD))


def _places(message: Message) -> list[int]:
    """Which words of an encoded message are to be filled, by counting back from its end."""
    at = len(encode(message)) // 4
    if len(message.arguments) == 1 and isinstance(message.arguments[0], bool):
        return [at - 1]
    found = []
    for argument in reversed(message.arguments):
        at -= (len(encode(Message("/", (argument,)))) - len(encode(Message("/", ())))) // 4
        if isinstance(argument, float):
            found.append(at)
    return found[::-1]


def _grouped(
    elements: Sequence[tuple[bytes, list[int]]], limit: int
) -> list[list[tuple[bytes, list[int]]]]:
    groups: list[list[tuple[bytes, list[int]]]] = [[]]
    size = len(_HEADER)
    for element in elements:
        needed = 4 + len(element[0])
        if groups[-1] and size + needed > limit:
            groups.append([])
            size = len(_HEADER)
        groups[-1].append(element)
        size += needed
    return groups
