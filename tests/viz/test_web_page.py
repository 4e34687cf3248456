"""What a browser that looks at the console is sent, and what is left of it once it has gone."""

import asyncio

import pytest

pytest.importorskip("nicegui", reason="the console needs NiceGUI: pip install 'imusic[web]'")
from fastapi import WebSocket

from viz.web.page import Console
from viz.web.sockets import Sockets


@pytest.mark.parametrize("what", ["_send_faces", "_send_traces"])
def test_a_browser_that_goes_while_nothing_comes_is_let_go(what):
    """Else the console would wait for it when it is to end."""

    async def look():
        told, said = asyncio.Queue(), []

        async def send(message):
            said.append(message["type"])

        sockets = Sockets("tcp://127.0.0.1:1", "tcp://127.0.0.1:1", "")
        console = Console(sockets, b"", ("a",), True)
        browser = WebSocket({"type": "websocket"}, told.get, send)
        told.put_nowait({"type": "websocket.connect"})
        serving = asyncio.create_task(getattr(console, what)(browser))
        told.put_nowait({"type": "websocket.receive", "text": "hello"})
        await asyncio.sleep(0)
        told.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await asyncio.wait_for(serving, 30)
        sockets.close()
        return said

    assert asyncio.run(look()) == ["websocket.accept"]


def test_every_new_face_is_sent():
    async def look():
        told, said = asyncio.Queue(), asyncio.Queue()
        sockets = Sockets("tcp://127.0.0.1:1", "tcp://127.0.0.1:1", "")
        console = Console(sockets, b"", ("a",), True)
        told.put_nowait({"type": "websocket.connect"})
        serving = asyncio.create_task(
            console._send_faces(WebSocket({"type": "websocket"}, told.get, said.put))
        )
        heard = [await said.get()]
        for face in (b"one", b"two"):
            console.latest.face, console.latest.faces = face, console.latest.faces + 1
            console.latest.face_came.set()
            heard.append(await asyncio.wait_for(said.get(), 30))
        told.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await asyncio.wait_for(serving, 30)
        sockets.close()
        return [message.get("bytes") for message in heard]

    assert asyncio.run(look()) == [None, b"one", b"two"]
