"""Who may see the console from another device: whoever has the link with its token. No I/O.

An ASGI layer around everything that the console serves, sockets too. The link brings the token
once; a cookie carries it from then on, so that it leaves the address bar's history at least.
"""

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PARAMETER, COOKIE = "token", "imusic_token"
REFUSED_HTTP, REFUSED_SOCKET = 403, 1008  # 1008: against the policy (RFC 6455, section 7.4.1)


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(18)


class Gate:
    """Lets through requests and sockets that know the token, and refuses all others."""

    def __init__(self, app: App, token: str) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, socket or the server's own events."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if not self._knows(scope):
            await self._refuse(scope, receive, send)
            return

        async def with_cookie(message: Any) -> None:
            if message["type"] == "http.response.start":
                cookie = f"{COOKIE}={self._token}; HttpOnly; SameSite=Strict; Path=/"
                message["headers"] = [
                    *message.get("headers", []), (b"set-cookie", cookie.encode()),
                ]  # fmt: skip
            await send(message)

        await self._app(scope, receive, with_cookie)

    def _knows(self, scope: Scope) -> bool:
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get(PARAMETER, [])
        told = [*asked, *(_cookies(scope))]
        return any(secrets.compare_digest(one.encode(), self._token.encode()) for one in told)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()  # the wish to connect, which is answered before it is accepted
            await send({"type": "websocket.close", "code": REFUSED_SOCKET})
            return
        body = b"This console asks for the link that `imusic console --phone` printed.\n"
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        start = {"type": "http.response.start", "status": REFUSED_HTTP, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": body})


def _cookies(scope: Scope) -> list[str]:
    """What cookies of ours a request brings."""
    found = []
    for name, value in scope.get("headers", []):
        if name == b"cookie":
            jar: SimpleCookie = SimpleCookie()
            try:
                jar.load(value.decode("latin-1"))
            except CookieError:
                continue
            if COOKIE in jar:
                found.append(jar[COOKIE].value)
    return found
