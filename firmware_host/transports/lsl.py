"""A stream on the Lab Streaming Layer: `lsl:NAME`, found by its name or its source id.

liblsl waits where it is asked; so it is asked in a thread of ours, which hands on what came as the
messages of `firmware_host.vendors.lsl`. liblsl itself keeps order and repeats what was lost.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import numpy as np

from firmware_host.errors import EnvironmentMissing, TransportError
from firmware_host.transports.arrivals import Arrivals
from firmware_host.vendors.lsl import Channel, Header, encode_header, encode_samples

FIND_S = 3.0
_WAIT_S = 0.2
_MOST = 512  # samples in one message


class LslTransport:
    """What one stream sends, from its description on. Nothing can be sent to it."""

    def __init__(self, name: str, find_s: float = FIND_S) -> None:
        self.address = f"lsl:{name}"
        self._name, self._find_s = name, find_s
        self._arrivals = Arrivals(self.address)
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Find the stream and begin to hear it.

        Raises:
            EnvironmentMissing: pylsl is not installed, or finds no liblsl.
            TransportError: no such stream within three seconds, several, or one of words.
        """
        try:
            import pylsl
        except (ImportError, RuntimeError) as error:  # RuntimeError: pylsl without its liblsl
            raise EnvironmentMissing(
                f"{self.address} needs pylsl and liblsl: {error}", 'pip install "imusic[lsl]"'
            ) from error
        self._loop = asyncio.get_running_loop()
        inlet, header = await asyncio.to_thread(self._found, pylsl)
        self._arrivals.put(encode_header(header))
        self._thread = threading.Thread(
            target=self._pull, args=(inlet, pylsl), name=self.address, daemon=True
        )
        self._thread.start()

    def _found(self, pylsl: Any) -> tuple[Any, Header]:
        found = []
        for key in ("name", "source_id"):
            found += pylsl.resolve_byprop(key, self._name, timeout=self._find_s / 2)
            if found:
                break
        if len({stream.uid() for stream in found}) > 1:
            raise TransportError(
                f"{len(found)} streams are called {self._name!r}",
                "name one by its source id: lsl:SOURCE_ID",
                self.address,
            )
        if not found:
            raise TransportError(
                f"no stream {self._name!r} on the Lab Streaming Layer",
                "is its program running, and in this network?",
                self.address,
            )
        if found[0].channel_format() == pylsl.cf_string:
            raise TransportError(
                f"the stream {self._name!r} sends words, not numbers",
                "name the stream of the sensors",
                self.address,
            )
        inlet = pylsl.StreamInlet(found[0], recover=False)
        try:
            return inlet, _header(inlet.info(timeout=self._find_s))
        except (RuntimeError, TimeoutError) as error:
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> TransportError:
        what = str(error) or "it ended"
        return TransportError(f"lost {self.address}: {what}", address=self.address)

    def _pull(self, inlet: Any, pylsl: Any) -> None:
        try:
            while not self._is_over.is_set():
                sample, stamp_s = inlet.pull_sample(timeout=_WAIT_S)
                if sample is None:
                    continue
                more, stamps_s = inlet.pull_chunk(timeout=0.0, max_samples=_MOST)
                data = encode_samples(
                    np.array([stamp_s, *stamps_s], float), np.array([sample, *more], float)
                )
                self._hand_on(self._arrivals_put, data)
        except (RuntimeError, TimeoutError, pylsl.util.LostError) as error:
            self._hand_on(self._arrivals.fail, self._lost(error))
        finally:
            inlet.close_stream()

    def _arrivals_put(self, data: bytes) -> None:
        if (overrun := self._arrivals.put(data)) is not None:
            self._arrivals.fail(overrun)

    def _hand_on(self, take: Any, what: Any) -> None:
        if self._loop is not None and not self._is_over.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(take, what)

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield messages until `close`. Raises TransportError where the stream is lost."""
        return self._arrivals.chunks()

    async def send(self, data: bytes) -> None:
        """Nothing goes to a stream."""

    async def close(self) -> None:
        """Hear no more and end `chunks`; safe to call twice."""
        self._is_over.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self._thread = None
            self._arrivals.end()


def _header(info: Any) -> Header:
    """What a pylsl.StreamInfo with its description says."""
    channels = []
    child = info.desc().child("channels").child("channel")
    for _ in range(info.channel_count()):
        channels.append(Channel(child.child_value("label"), child.child_value("unit")))
        child = child.next_sibling("channel")
    return Header(
        name=info.name(),
        source_id=info.source_id(),
        rate_hz=info.nominal_srate(),
        channels=tuple(channels),
    )
