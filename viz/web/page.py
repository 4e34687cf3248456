"""The console's page: sources, slots, the live head, the time, and the buttons."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from fastapi import Response, WebSocket, WebSocketDisconnect
from nicegui import app, ui
from nicegui.element import Element
from nicegui.elements.scene import Scene  # registers three.js, which our head imports

from capture.wire_control import ControlVerb
from capture.wire_traces import in_slots
from viz.web.facts import Facts, Light, Prompt, of_live, of_record, prompt_of
from viz.web.gate import Gate
from viz.web.sockets import Latest, Sockets

REFRESH_S = 0.25
GONE_S = (
    10.0  # after which a browser that comes back begins anew: a busy computer is slow to answer
)
FACES_URL, HEAD_URL = "/imusic/faces", "/imusic/head.bin"
TRACES_URL = "/imusic/traces"
INKS: dict[Light, str] = {"green": "#009e73", "amber": "#e69f00", "red": "#d55e00"}
SHAPES: dict[Light, str] = {"green": "check_circle", "amber": "warning", "red": "error"}
_STYLE = """
body { background: #eef1f4; color: #3a424c; font-family: Rubik, Inter, Arial, sans-serif; }
.card { background: #fff; border-radius: 14px; padding: 20px 22px; }
.clock { font-size: 56px; line-height: 1; font-variant-numeric: tabular-nums; font-weight: 500; }
.small { font-size: 13px; color: #707882; }
.remedy { font-size: 14px; color: #d55e00; }
.name { font-weight: 600; }
.charge { font-size: 13px; color: #707882; margin-left: auto; white-space: nowrap; }
.page { display: flex; gap: 16px; width: 100%; height: 94vh; }
.part { display: flex; flex-direction: column; gap: 16px; flex: 1 1 0; min-width: 260px; }
.middle { flex-grow: 1.6; }
.scrolls { flex: 1 1 0; overflow: auto; }
.head { flex: 1.7 1 0; min-height: 0; padding: 0; }
.traces { flex: 1 1 0; min-height: 220px; padding: 12px 10px 10px; }
.traces { display: flex; flex-direction: column; gap: 8px; }
.told { padding-left: 12px; }
.slots { flex: 0.8 1 0; min-width: 220px; overflow: auto; }
@media (max-width: 800px) {  /* a phone: one below the other, the face first after the time */
  .page { flex-direction: column; height: auto; }
  .part, .slots, .scrolls { flex: none; min-width: 0; }
  .head { flex: none; height: 105vw; max-height: 62vh; }
  .traces { flex: none; height: 320px; }
  .first { order: 1; } .middle { order: 2; } .slots { order: 3; }
}
"""

_BUTTONS: tuple[tuple[ControlVerb, str], ...] = (
    ("start", "Start"),
    ("stop", "Stop"),
    ("mark", "Mark"),
)

assert Scene is not None


class LiveHead(Element, component="live_head.js"):
    """Our head in the browser: it fetches the mesh once, and then only weights."""

    def __init__(self) -> None:
        super().__init__()
        self._props["head_url"], self._props["faces_url"] = HEAD_URL, FACES_URL
        self._props["slots"], self._props["charges"] = {}, {}

    def tell(self, slots: dict[str, str], charges: dict[str, float]) -> None:
        """Colour the dots of slots by their state, and draw what is left in their batteries."""
        said = {"slots": slots, "charges": charges}
        if any(self._props[name] != value for name, value in said.items()):
            self._props.update(said)
            self.update()


class LiveTraces(Element, component="live_traces.js"):
    """The last ten seconds of every slot, drawn in the browser."""

    def __init__(self, slots: Sequence[str]) -> None:
        super().__init__()
        self._props["traces_url"], self._props["slots"] = TRACES_URL, list(slots)


class Console:
    """All pages of one console.

    Args:
        sockets: what is listened to.
        head: bytes of `viz.web.head_data`.
        slots: names, in the order of the layout.
        records: whether a recording is shown, else a live face.
    """

    def __init__(self, sockets: Sockets, head: bytes, slots: Sequence[str], records: bool) -> None:
        self._sockets, self._head = sockets, head
        self._slots, self._records = tuple(slots), records
        self.latest = Latest()
        self._task: asyncio.Task[None] | None = None

    def serve(self, port: int, token: str = "") -> None:
        """Serve the page until the process ends: on this computer, or with a token to all others.

        token: what whoever opens the page must know; "" for this computer only.
        """
        if token:
            app.add_middleware(Gate, token=token)
        app.on_startup(self._begin)
        app.on_shutdown(self._end)
        app.get(HEAD_URL)(self._head_response)
        app.websocket(FACES_URL)(self._send_faces)
        app.websocket(TRACES_URL)(self._send_traces)
        ui.page("/")(self._page)
        ui.run(
            host="0.0.0.0" if token else "127.0.0.1",
            port=port,
            title="imusic",
            show=False,
            reload=False,
            show_welcome_message=False,
            favicon=None,
            binding_refresh_interval=1.0,
            reconnect_timeout=GONE_S,
            uvicorn_logging_level="error",
        )

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._sockets.listen(self.latest))

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._sockets.close()

    def _head_response(self) -> Response:
        return Response(self._head, media_type="application/octet-stream")

    async def _send_faces(self, socket: WebSocket) -> None:
        """The newest face whenever the browser is ready for one: a slow one misses some."""
        seen = -1

        async def send() -> None:
            nonlocal seen
            if self.latest.faces == seen or not self.latest.face:
                self.latest.face_came.clear()
                await self.latest.face_came.wait()
            seen = self.latest.faces
            await socket.send_bytes(self.latest.face)

        await _while_there(socket, send)

    async def _send_traces(self, socket: WebSocket) -> None:
        """As faces: a browser that is slow misses some."""
        seen = -1

        async def send() -> None:
            nonlocal seen
            if self.latest.traces == seen or self.latest.trace is None:
                self.latest.trace_came.clear()
                await self.latest.trace_came.wait()
            seen = self.latest.traces
            if self.latest.trace is not None:
                await socket.send_bytes(in_slots(self.latest.trace, self._slots))

        await _while_there(socket, send)

    def facts(self) -> Facts:
        """What there is to say now."""
        latest, age_s = self.latest, time.monotonic() - self.latest.told_s
        if self._records:
            return of_record(latest.record, age_s, self._slots)
        if latest.status is None and latest.faces:
            return Facts("faces come, and no heartbeat", "amber", f"{latest.faces} faces")
        return of_live(latest.status, age_s, self._slots)

    def prompt(self) -> Prompt | None:
        """What a guided performer is to do now."""
        return prompt_of(self.latest.guide, time.monotonic() - self.latest.guided_s)

    def _page(self) -> None:
        ui.add_css(_STYLE)
        ui.colors(primary="#0072b2")
        with _part("page"):
            with _part("part first"):
                with _part("card"):
                    top = _Top(self._sockets)
                with _part("card scrolls"):
                    ui.label("Sources").classes("small")
                    sources = ui.column().classes("w-full").style("gap:14px;margin-top:10px")
            with _part("part middle"):
                with _part("card head"):
                    head = LiveHead()
                    head.style("height:100%")
                guided = _Guided(self._sockets)
                with _part("card traces"):
                    ui.label("How fast sensors turn, last ten seconds").classes("small told")
                    LiveTraces(self._slots).style("flex:1;min-height:0")
            with _part("card slots"):
                ui.label("Slots").classes("small")
                slots = ui.column().style("gap:6px;margin:10px 0 22px;width:100%")
                ui.label("What happened").classes("small")
                notices = ui.column().style("gap:6px;margin-top:10px")
        shown = _Shown(top, sources, slots, notices, head)

        def update() -> None:
            shown.update(self.facts())
            guided.update(self.prompt())

        update()
        ui.timer(REFRESH_S, update)


async def _while_there(socket: WebSocket, send: Callable[[], Awaitable[None]]) -> None:
    """Accept a browser and send until it goes, also while there is nothing to send."""

    async def send_on() -> None:
        while True:
            await send()

    await socket.accept()
    sending = asyncio.create_task(send_on())
    gone = asyncio.create_task(_gone(socket))
    try:
        await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, gone):
            task.cancel()
        for end in await asyncio.gather(sending, gone, return_exceptions=True):
            if isinstance(end, Exception) and not isinstance(
                end, WebSocketDisconnect | RuntimeError
            ):
                raise end


async def _gone(socket: WebSocket) -> None:
    """Wait until the browser goes; what it says meanwhile is nothing to us."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


def _part(classes: str) -> Element:
    return ui.element("div").classes(classes)


class _Top:
    """The state, the time, and the buttons."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        with ui.row().classes("items-center no-wrap").style("gap:10px"):
            self._icon = ui.icon("error", size="26px")
            self._headline = ui.label().classes("text-lg").mark("headline")
        self._clock = ui.label().classes("clock").style("margin:14px 0 6px").mark("clock")
        self._disk = ui.label().classes("small")
        self._trouble = ui.column().style("gap:2px;margin-top:8px")
        self._said: tuple[str, ...] | None = None
        self._buttons: dict[ControlVerb, ui.button] = {}
        if sockets.can_control:
            with ui.row().style("gap:10px;margin-top:16px"):
                self._buttons = {verb: self._button(words, verb) for verb, words in _BUTTONS}

    def _button(self, words: str, verb: ControlVerb) -> ui.button:
        async def press() -> None:
            if trouble := await self._sockets.say(verb):
                ui.notify(trouble, type="negative")

        return ui.button(words, on_click=press).props("unelevated no-caps rounded color=primary")

    def update(self, facts: Facts) -> None:
        """Show them."""
        self._icon.props(f"name={SHAPES[facts.light]}").style(f"color:{INKS[facts.light]}")
        self._headline.text, self._clock.text = facts.headline, facts.clock
        self._disk.text = facts.disk
        if facts.trouble != self._said:
            self._said = facts.trouble
            self._trouble.clear()
            with self._trouble:
                for words in facts.trouble:
                    ui.label(words).classes("remedy")
        may = (facts.may_start, facts.may_stop, facts.may_mark)
        for (verb, _), allowed in zip(_BUTTONS, may, strict=True):
            if verb in self._buttons:
                self._buttons[verb].set_enabled(allowed)


class _Guided:
    """The step of a guided session; not there where nobody is guided."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._card = ui.element("div").classes("card w-full").style("padding:18px 22px")
        with self._card:
            with ui.row().classes("items-center no-wrap w-full").style("gap:10px"):
                self._head = ui.label().classes("small").style("flex:1")
                if sockets.can_control:
                    self._button("Once more", "again")
                    self._button("Skip", "skip")
                    self._button("Hold, go on", "start")
            self._words = ui.label().style("font-size:30px;line-height:1.2;margin:8px 0 12px")
            self._bar = ui.linear_progress(0.0, show_value=False).props("rounded size=8px")
        self._card.set_visibility(False)

    def _button(self, words: str, verb: ControlVerb) -> None:
        async def press() -> None:
            if trouble := await self._sockets.say(verb):
                ui.notify(trouble, type="negative")

        ui.button(words, on_click=press).props("flat dense no-caps rounded color=primary")

    def update(self, prompt: Prompt | None) -> None:
        """Show it."""
        self._card.set_visibility(prompt is not None)
        if prompt is not None:
            self._head.text, self._words.text = prompt.head, prompt.words
            self._bar.value = round(prompt.share, 2)


class _Shown:
    """What of one browser's page changes; only what did is sent."""

    def __init__(
        self, top: _Top, sources: ui.column, slots: ui.column, notices: ui.column, head: LiveHead
    ) -> None:
        self._top, self._head = top, head
        self._lists = {"sources": sources, "slots": slots, "notices": notices}
        self._said: dict[str, object] = {}

    def update(self, facts: Facts) -> None:
        """Show them."""
        self._top.update(facts)
        self._head.tell(dict(facts.slots), dict(facts.charges))
        for name, column in self._lists.items():
            says = getattr(facts, name), facts.charges if name == "slots" else ()
            if self._said.get(name) != says:
                self._said[name] = says
                column.clear()
                with column:
                    _FILL[name](facts)


def _fill_sources(facts: Facts) -> None:
    for source in facts.sources:
        with ui.row().classes("no-wrap items-start").style("gap:10px"):
            ui.icon(SHAPES[source.light], size="22px").style(f"color:{INKS[source.light]}")
            with ui.column().style("gap:0"):
                ui.label(source.name).classes("name")
                ui.label(source.words)
                if source.remedy:
                    ui.label(source.remedy).classes("remedy")


def _fill_slots(facts: Facts) -> None:
    lights: dict[str, Light] = {
        "heard": "green",
        "low": "amber",
        "silent": "red",
        "unknown": "amber",
    }
    charges = dict(facts.charges)
    for slot, state in facts.slots:
        with ui.row().classes("items-center no-wrap").style("gap:8px;width:100%"):
            light = lights[state]
            ui.icon(SHAPES[light], size="16px").style(f"color:{INKS[light]}")
            ui.label(slot.replace("_", " ")).style("font-size:14px")
            if slot in charges:
                ui.label(f"{100 * charges[slot]:.0f} %").classes("charge")


def _fill_notices(facts: Facts) -> None:
    for words in facts.notices:
        ui.label(words).style("font-size:14px")


_FILL = {"sources": _fill_sources, "slots": _fill_slots, "notices": _fill_notices}
