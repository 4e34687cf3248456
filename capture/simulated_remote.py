"""Live Link Face's remote control as the app has it, for a phone that is not there.

Listens for OSC on a real port, answers to the target it was given, keeps its takes as files, and
sends them by TCP when asked. `deaf` makes it lose what arrives, as Wi-Fi does.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from capture import osc
from capture.osc import Message
from capture.phone_faces import Malformed
from capture.udp import Address, address_of, open_udp


class SimulatedRemote:
    """The app's side.

    Args:
        bind, port: where it listens; 0 takes a free port.
        content: what a take's CSV holds.
        deaf: how many datagrams it loses first, of each address.
        on_target: called with the address that faces are to be sent to.
    """

    def __init__(
        self,
        *,
        bind: str = "127.0.0.1",
        port: int = 0,
        content: bytes = b"Timecode,BlendShapeCount\n",
        deaf: int = 0,
        on_target: Callable[[Address], None] | None = None,
    ) -> None:
        self.address: Address = (bind, port)
        self.battery, self.thermal = 0.8, 0
        self.recording: tuple[str, int] | None = None
        self.heard: list[Message] = []
        self.is_active = True
        self._content, self._deaf = content, deaf
        self._missed: dict[str, int] = {}
        self._on_target = on_target
        self._target: Address | None = None
        self._udp: asyncio.DatagramTransport | None = None
        self._sending: set[asyncio.Task[None]] = set()

    def deactivate(self) -> None:
        """Put the app into the background; it answers no more."""
        self._answer(Message("/AppDeactivated"))
        self.is_active = False

    def activate(self) -> None:
        """Bring it back."""
        self.is_active = True
        self._answer(Message("/AppActivated"))

    def _receive(self, data: bytes, _: Address) -> None:
        messages = osc.decode(data)
        if isinstance(messages, Malformed) or not self.is_active:
            return
        for message in messages:
            missed = self._missed.get(message.address, 0)
            if missed < self._deaf:
                self._missed[message.address] = missed + 1
            else:
                self.heard.append(message)
                self._obey(message)

    def _obey(self, message: Message) -> None:
        match message.address, message.arguments:
            case "/OSCSetSendTarget", (str() as host, int() as port):
                self._target = (host, port)
                self._answer(Message("/OSCSetSendTargetConfirm"))
            case "/AddLiveLinkAddress", (str() as host, int() as port):
                if self._on_target is not None:
                    self._on_target((host, port))
            case "/BatteryQuery", _:
                self._answer(Message("/Battery", (self.battery,)))
            case "/ThermalsQuery", _:
                self._answer(Message("/Thermals", (self.thermal,)))
            case "/RecordStart", (str() as slate, int() as take):
                if self.recording is None:
                    self.recording = (slate, take)
                    self._answer(Message("/RecordStartConfirm", ("00:00:00.000",)))
            case "/RecordStop", _:
                self._stop()
            case "/Transport", (str() as to, str() as path):
                task = asyncio.ensure_future(self._transport(to, path))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)

    def _stop(self) -> None:
        if self.recording is None:
            return
        slate, take = self.recording
        self.recording = None
        name = f"20250101_{slate}_{take}/{slate}_{take}_phone"
        self._answer(Message("/RecordStopConfirm", ("00:00:05.000", f"{name}.csv", f"{name}.mov")))

    async def _transport(self, to: str, path: str) -> None:
        host, _, port = to.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        content = self._content if Path(path).suffix == ".csv" else b""
        writer.write(len(content).to_bytes(4, "big") + content)
        await writer.drain()
        writer.close()

    def _answer(self, message: Message) -> None:
        if self._udp is not None and self._target is not None:
            self._udp.sendto(osc.encode(message), self._target)

    async def __aenter__(self) -> Self:
        self._udp = await open_udp(self.address, self._receive)
        self.address = address_of(self._udp)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._sending:
            task.cancel()
        if self._udp is not None:
            self._udp.close()
