"""The phone's part in a recording: its bytes, its faces, and its own recording beside ours."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from capture.phone_apps import APPS, decoder
from capture.phone_faces import PhoneFace
from capture.phone_remote import RemoteEvent
from capture.phone_remote_link import PhoneRemoteLink, facts_of
from capture.phone_source import PhoneSource
from capture.preflight import Problem, SourceWatch
from capture.take import PHONE_CSV
from firmware_host.errors import TransportError
from firmware_host.phone_rig import PhoneConfig

PHONE = "phone"
STOP_S = 5.0  # how long the phone may take to close its files

Keep = Callable[..., None]


class PhoneSession:
    """One phone, while a take is prepared, recorded and ended.

    Args:
        config: of the rig.
        keep: called as a method of the take's writer would be: name, then its arguments.
        on_face: called with every face.
    """

    def __init__(
        self, config: PhoneConfig, keep: Keep, on_face: Callable[[PhoneFace], None]
    ) -> None:
        self.config = config
        self.watch = SourceWatch(PHONE)
        self._keep, self._on_face = keep, on_face
        self._source = PhoneSource(config)
        self._link: PhoneRemoteLink | None = None
        self._listener: asyncio.Task[None] | None = None
        self._open = contextlib.AsyncExitStack()

    async def _listen(self) -> None:
        faces = decoder(self.config)
        async for data, arrival_ns in self._source:
            self._keep("phone_bytes", data, arrival_ns)
            for found in faces.receive(data, arrival_ns):
                self._keep("phone_face", found, arrival_ns)
                if isinstance(found, PhoneFace):
                    self.watch.take_face(found.device_ns, found.arrival_ns)
                    self._on_face(found)

    def _tell(self, event: RemoteEvent, now_ns: int) -> None:
        self._keep("health", "phone_remote", now_ns, **facts_of(event))

    @property
    def name(self) -> str:
        """What recorders call it."""
        return PHONE

    @property
    def error(self) -> BaseException | None:
        """Why it is not listened to any more; None while it is."""
        listener = self._listener
        return listener.exception() if listener is not None and listener.done() else None

    @property
    def setup(self) -> str:
        """What the operator does so that faces come."""
        app = APPS[self.config.app]
        return f"{app.setup}, port {self._source.port}, and check the firewall"

    def problems(self, now_ns: int) -> list[Problem]:
        """What stands against beginning a take."""
        found = self.watch.problems(now_ns)
        if self._link is not None and not self._link.remote.answers:
            host, port = self._link.phone
            hint = "is OSC switched on in the app's settings? or leave out phone.remote"
            text = f"Live Link Face does not answer at {host}:{port} (OSC)"
            found.append(Problem(PHONE, text, hint))
        return found

    def warnings(self, now_ns: int) -> tuple[str, ...]:
        """What may end the take soon."""
        return () if self._link is None else self._link.remote.warnings(now_ns)

    def start(self, slate: str, number: int) -> None:
        """Let the phone record too."""
        if self._link is not None:
            self._link.start(slate, number)

    def ask_to_stop(self) -> None:
        """Tell the phone that the take is over; `stop` waits for its answer."""
        if self._link is not None:
            self._link.remote.stop()

    async def stop(self, folder: Path) -> dict[str, Any]:
        """Let the phone stop, and fetch its CSV where that is wanted; facts for `origin`."""
        if self._link is None or self.config.remote is None:
            return {}
        stopped = await self._link.stop(STOP_S)
        if stopped is None:
            return {"phone_recorded": False}
        facts = {"phone_recorded": True, "phone_slate": stopped.slate, "phone_take": stopped.take}
        if not self.config.remote.fetch or not stopped.csv:
            return facts
        try:
            digest = await self._link.fetch(stopped.csv, folder / PHONE_CSV)
        except TransportError as error:
            self._keep(
                "health", "phone_remote", time.monotonic_ns(), state="unfetched", reason=str(error)
            )
            return facts
        return facts | {"phone_csv": PHONE_CSV, "phone_csv_sha256": digest}

    async def __aenter__(self) -> Self:
        remote = self.config.remote
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._source)
            if remote is not None:
                host, _ = self.config.endpoint(remote.port)
                link = PhoneRemoteLink(
                    (host, remote.port), self._source.port if remote.stream else None, self._tell
                )
                self._link = await stack.enter_async_context(link)
            self._listener = asyncio.create_task(self._listen())
            stack.push_async_callback(_cancelled, self._listener)
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._open.aclose()


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a listener and wait until it is gone; its error, if any, was looked at before."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
