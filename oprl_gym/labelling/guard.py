"""Who may talk to the labelling page: the person who was told its address, nobody else.

Other pages open in the same browser can send requests to 127.0.0.1 as well. The token
in the address keeps them out; the Host check keeps out those that give this machine a
name of their own (DNS rebinding), the Origin check those that post forms.
"""

from __future__ import annotations

import asyncio
import hmac
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?", re.IGNORECASE)
"""This machine, at any port: an SSH tunnel may have one of its own."""
MAX_BODY = 1024
"""Bytes of a request's body; an answer takes some 40."""
MAX_URL = 512
BODY_S = 10.0
"""Seconds until the whole body has to be there."""

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
        send = _with_headers(send)
        answer = self._refusal(scope) or self._redirection(scope)
        if answer is not None:
            await answer(scope, receive, send)
            return
        body = await _whole_body(receive)
        if isinstance(body, Response):
            await body(scope, receive, send)
            return
        path = scope["path"].removeprefix(f"/{self.token}")
        scope = {**scope, "path": path, "raw_path": path.encode()}
        await self.app(scope, _replay(body, receive), send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not scope["path"].startswith("/"):  # of "OPTIONS *", or of a proxy
            return _refused("this server answers to paths alone", 400)
        if HOST.fullmatch(host) is None:
            return _refused("this server answers to 127.0.0.1 alone", 403)
        origins = headers.getlist("origin")
        if not origins and scope["method"] != "GET":
            return _refused("where does this request come from?", 403)
        if any(origin != f"http://{host}" for origin in origins):
            return _refused("requests of other pages are refused", 403)
        if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URL:
            return _refused("the address is too long", 414)
        token = scope["path"].split("/")[1]
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return _refused("the address lacks the token it was given", 403)
        return None

    def _redirection(self, scope: Scope) -> Response | None:
        """Add the last slash of the address, from which all others are counted."""
        whole = f"/{self.token}/"
        return RedirectResponse(whole) if scope["path"] == whole[:-1] else None


def _refused(text: str, status: int) -> Response:
    """Return a refusal, after which the connection is closed."""
    return PlainTextResponse(text, status, {"Connection": "close"})


async def _whole_body(receive: Receive) -> bytes | Response:
    """Return the body of a request, or why it is refused."""
    try:
        body = await asyncio.wait_for(_body(receive), BODY_S)
    except asyncio.TimeoutError:
        return _refused("the request does not end", 408)
    return _refused("the request is too large", 413) if body is None else body


async def _body(receive: Receive) -> bytes | None:
    """Return the body of a request; None once it is too large, or broken off."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY or message["type"] != "http.request":
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
