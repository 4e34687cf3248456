"""Who sees the console from another device: only those with the link."""

import asyncio

import pytest

from viz.web.gate import COOKIE, Gate, new_token

TOKEN = "only-we-know"


async def _inner(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"the page"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
    else:
        await send({"type": f"{scope['type']}.seen"})


def sent(kind, query="", cookie=""):
    """What a gate answers to one request."""
    messages = []
    headers = [(b"cookie", cookie.encode())] if cookie else []

    async def receive():
        return {"type": f"{kind}.connect"}

    async def send(message):
        messages.append(message)

    scope = {"type": kind, "query_string": query.encode(), "headers": headers}
    asyncio.run(Gate(_inner, TOKEN)(scope, receive, send))
    return messages


def test_the_link_opens_the_page_and_leaves_a_cookie():
    start, body = sent("http", f"token={TOKEN}")
    assert start["status"] == 200
    assert body["body"] == b"the page"
    ((name, value),) = start["headers"]
    assert name == b"set-cookie"
    assert value.decode().startswith(f"{COOKIE}={TOKEN}; HttpOnly")


def test_the_cookie_is_enough_for_pages_and_sockets():
    cookie = f"other=1; {COOKIE}={TOKEN}"
    assert sent("http", cookie=cookie)[0]["status"] == 200
    assert sent("websocket", cookie=cookie) == [{"type": "websocket.accept"}]


@pytest.mark.parametrize(
    ("query", "cookie"),
    [("", ""), ("token=", ""), ("token=only", ""), ("", f"{COOKIE}=guess"), ("t=" + TOKEN, "")],
)
def test_whoever_does_not_know_the_token_sees_nothing(query, cookie):
    start, body = sent("http", query, cookie)
    assert start["status"] == 403
    assert b"the page" not in body["body"]
    assert all(name != b"set-cookie" for name, _ in start["headers"])
    (closed,) = sent("websocket", query, cookie)
    assert closed["type"] == "websocket.close"


def test_events_of_the_server_pass():
    assert sent("lifespan") == [{"type": "lifespan.seen"}]


def test_tokens_are_long_and_never_the_same():
    assert len(new_token()) >= 24
    assert new_token() != new_token()
