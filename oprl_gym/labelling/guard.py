"""Who may talk to the labelling page: the person who was told its address, nobody else.

Other pages open in the same browser can send requests to 127.0.0.1 as well. The token
in the address keeps them out; the Host check keeps out those that give this machine a
name of their own (DNS rebinding), the Origin check those that post forms.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost")
MAX_BODY = 1024
"""Bytes of a request's body; an answer takes some 40."""
MAX_URL = 512

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Lets requests through that know the token and come from the page itself.

    Args:
        app: What is guarded; it sees paths without the token.
        token: First part of every path.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on or refuse it."""
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        path = scope["path"].removeprefix(f"/{self.token}")
        body = await _body(receive)
        if body is None:
            too_large = PlainTextResponse("the request is too large", 413)
            await too_large(scope, receive, _with_headers(send))
            return
        scope = {**scope, "path": path, "raw_path": path.encode()}
        await self.app(scope, _replay(body, receive), _with_headers(send))

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if _hostname(f"http://{host}") not in HOSTS:
            return PlainTextResponse("this server answers to 127.0.0.1 alone", 403)
        origin = headers.get("origin")
        if origin is None and scope["method"] != "GET":
            return PlainTextResponse("where does this request come from?", 403)
        if origin is not None and origin != f"http://{host}":
            return PlainTextResponse("requests of other pages are refused", 403)
        if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URL:
            return PlainTextResponse("the address is too long", 414)
        token = scope["path"].split("/")[1]
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return PlainTextResponse("the address lacks the token it was given", 403)
        return None


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


async def _body(receive: Receive) -> bytes | None:
    """Return the body of a request; None once it is too large."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once more, then what comes after it."""
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
        await send(message)

    return sending
