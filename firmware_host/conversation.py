"""Asking a hub for something while it does not stream: the shell behind `imusic hub`."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from firmware_host.commands import Identify, Request, is_possible
from firmware_host.device import HubDevice
from firmware_host.errors import TransportError
from firmware_host.samples import Answer, HubEvent, HubInfo, Result, SyncEdge
from firmware_host.stream import events
from firmware_host.transports.base import Transport

MAX_TRIES = 5
ANSWER_WITHIN_S = 0.4  # less than the 0.5 s after which a quiet line brings another INFO


@dataclass(frozen=True, slots=True)
class Talk:
    """What came of it: the hub as it is now, what it refused and why, when its sync line rose."""

    info: HubInfo
    refused: dict[Request, Result]
    sync_ticks_us: tuple[int, ...]


async def ask(transport: Transport, wanted: Callable[[HubInfo], Sequence[Request]]) -> Talk:
    """Open the transport, ask for what `wanted` makes of the hub's INFO, and close it.

    Raises:
        TransportError: the link was lost, or a request was never answered; DeviceNotFound: no hub.
        ProtocolError: the hub speaks another version of the protocol.
        ConfigError: what `wanted` raises.
    """
    device = HubDevice(stream=False)
    asking: _Asking | None = None
    await transport.open()
    try:
        async for event in events(transport, device):
            if isinstance(event, HubInfo) and asking is None:
                asking = _Asking(device, wanted(event), transport.address)
            if asking is not None and asking.take(event):
                return asking.talk()
    finally:
        await transport.close()
    raise TransportError(f"{transport.address} ended before the hub had answered")


class _Asking:
    """One request at a time. The next one goes out after what follows from the last: INFO, SYNC.

    Whatever the hub says while an answer is overdue, the request is repeated; a hub that is quiet
    is greeted, and says INFO.
    """

    def __init__(
        self,
        device: HubDevice,
        requests: Sequence[Request],
        address: str,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device = device
        self._address = address
        self._now_s = now_s
        self._sent_s = 0.0
        self._left = list(requests)
        self._current: Request | None = None
        self._numbers: list[int] = []  # of the current request, one a try
        self._info: HubInfo | None = None
        self._refused: dict[Request, Result] = {}
        self._ticks: list[int] = []

    def take(self, event: HubEvent) -> bool:
        """Heed one event; True once everything was answered."""
        if isinstance(event, HubInfo):
            self._info = event
        if isinstance(event, SyncEdge):
            self._ticks.append(event.tick_us)
        if isinstance(event, Answer) and event.request in self._numbers:
            return self._answered(event.result)
        if self._current is not None:
            overdue = self._now_s() - self._sent_s > ANSWER_WITHIN_S
            return overdue and self._send()
        return isinstance(event, HubInfo | SyncEdge) and self._send()

    def talk(self) -> Talk:
        """The outcome, once `take` said True."""
        assert self._info is not None
        return Talk(self._info, self._refused, tuple(self._ticks))

    def _answered(self, result: Result) -> bool:
        done, self._current, self._numbers = self._current, None, []
        if done is not None and result != Result.DONE:
            self._refused[done] = result
        elif not isinstance(done, Identify):
            return False  # INFO or SYNC follows
        return self._send()

    def _send(self) -> bool:
        """Send the current request again, or else the next; True where none is left."""
        while self._current is None:
            if not self._left:
                return True
            request = self._left.pop(0)
            if self._info is not None and is_possible(request, self._info.features):
                self._current = request
            else:
                self._refused[request] = Result.UNKNOWN_COMMAND
        if len(self._numbers) == MAX_TRIES:
            raise TransportError(
                f"the hub at {self._address} does not answer {self._current}",
                "switch it off and on; its INFO says that it can do this",
                self._address,
            )
        self._numbers.append(self._device.request(self._current))
        self._sent_s = self._now_s()
        return False
