"""The labelling page: a small server for one person on this machine."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from oprl_gym.labelling.clips import Clip
from oprl_gym.labelling.connections import PageConnection
from oprl_gym.labelling.guard import Guard
from oprl_gym.labelling.outcome import RunWatch
from oprl_gym.labelling.session import Choice, LabellingSession
from oprl_gym.preferences.store.opening import LockedError, StoreError

HOST = "127.0.0.1"
PORT = 8765
"""Tried first, so that a tunnel or a bookmark need not be made anew each time."""
SHUTDOWN_S = 5
"""Seconds in which requests that go on may end."""

_FOLDER = Path(__file__).parent / "page"
_FILES = {
    "/": ("label.html", "text/html"),
    "/label.css": ("label.css", "text/css"),
    "/label.js": ("label.js", "text/javascript"),
    "/clips.js": ("clips.js", "text/javascript"),
}
"""All that is ever served from disk; no path of a request is made a file's name."""


@dataclass(frozen=True)
class Labelled:
    """What the page tells beside the pairs.

    Attributes:
        title: What is labelled; shown as it is, whatever characters it has.
        instructions: What the person is to go by, shown the same way.
        watch: Knows how the run fares.
        agent: Returns what the run's agent does now; None if it cannot be shown.
    """

    title: str
    instructions: str
    watch: RunWatch
    agent: Callable[[], Clip | None]


def make_app(session: LabellingSession, labelled: Labelled, token: str) -> ASGIApp:
    """Return the server's application.

    Args:
        session: The person's session.
        labelled: What the page tells beside the pairs.
        token: First part of every path.
    """
    desk = _Desk(session, labelled)

    async def question(request: Request) -> Response:
        return await desk.do(desk.question)

    async def answer(request: Request) -> Response:
        values = _object(await request.body())
        if values is None or set(values) != {"showing", "choice"}:
            return _json({"error": "an answer has a showing and a choice"}, 400)
        showing, choice = values["showing"], values["choice"]
        if type(showing) is not int or not 0 < showing < 2**63:
            return _json({"error": "a showing is a number"}, 400)
        if not isinstance(choice, str):
            return _json({"error": "a choice is a word"}, 400)
        return await desk.do(desk.answer, showing, choice)

    async def undo(request: Request) -> Response:
        if _object(await request.body()) != {}:
            return _json({"error": "nothing is to be said of an undo"}, 400)
        return await desk.do(desk.undo)

    async def outcome(request: Request) -> Response:
        return await desk.do(desk.outcome)

    async def agent(request: Request) -> Response:
        return await desk.agent()

    routes = [
        Route("/question", question, methods=["GET"]),
        Route("/outcome", outcome, methods=["GET"]),
        Route("/agent", agent, methods=["GET"]),
        Route("/answer", answer, methods=["POST"]),
        Route("/undo", undo, methods=["POST"]),
        *(_static(path, name, kind) for path, (name, kind) in _FILES.items()),
    ]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False  # it knows nothing of the token
    return Guard(app, token)


class _Desk:
    """What is asked of a session, one thing at a time and beside the event loop.

    A store may have to be waited for, and files go out meanwhile.
    """

    def __init__(self, session: LabellingSession, labelled: Labelled) -> None:
        self._session = session
        self._labelled = labelled
        self._turn = asyncio.Lock()
        self._stage = asyncio.Lock()  # where the agent plays, which takes seconds
        self._clip: dict[str, Any] | None = None

    async def do(self, work: Callable[..., dict[str, Any]], *args: Any) -> Response:
        """Return what some work returns, or what is wrong."""
        try:
            async with self._turn:
                values = await asyncio.to_thread(work, *args)
        except LockedError as error:
            return _json({"error": str(error)}, 503)
        except (StoreError, sqlite3.Error) as error:
            return _json({"error": str(error)}, 500)
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        return _json(values)

    def question(self) -> dict[str, Any]:
        """Return the pair to be shown."""
        shown = self._session.current()
        pair = None
        if shown is not None:
            pair = {
                "showing": shown.showing,
                "left": shown.left.values(),
                "right": shown.right.values(),
            }
        return {
            "title": self._labelled.title,
            "instructions": self._labelled.instructions,
            "run": asdict(self._labelled.watch.state()),
            "pair": pair,
            **self._progress(),
        }

    def answer(self, showing: int, choice: Choice) -> dict[str, Any]:
        """Keep an answer."""
        scores = self._session.answer(showing, choice)
        told = None if scores is None else asdict(scores)
        return {"scores": told, **self._progress()}

    def undo(self) -> dict[str, Any]:
        """Take the latest answer back."""
        return {"undone": self._session.undo(), **self._progress()}

    def outcome(self) -> dict[str, Any]:
        """Return what the answers did."""
        return asdict(self._labelled.watch.outcome(self._session))

    async def agent(self) -> Response:
        """Return a clip of what the agent does once its run is over."""
        async with self._stage:
            if self._clip is None and self._labelled.watch.folder.is_finished():
                clip = await asyncio.to_thread(self._labelled.agent)
                self._clip = {"clip": None if clip is None else clip.values()}
        return _json(self._clip or {"clip": None})

    def _progress(self) -> dict[str, Any]:
        return {"progress": asdict(self._session.progress())}


def serve(
    session: LabellingSession, labelled: Labelled, port: int | None = None
) -> None:
    """Serve the page on this machine until Ctrl-C; prints its address.

    Args:
        session: The person's session.
        labelled: What the page tells beside the pairs.
        port: Where; None takes 8765, or any other if that is taken.

    Raises:
        OSError: The port given is taken.
        OverflowError: It is no port.
    """
    token = secrets.token_urlsafe(16)
    with _bound(port) as listener:
        listener.listen()  # who opens the address at once has to wait, not to try again
        where = listener.getsockname()[1]
        print(f"http://{HOST}:{where}/{token}/", flush=True)
        config = uvicorn.Config(
            make_app(session, labelled, token),
            log_level="error",  # nor do strangers fill the terminal
            proxy_headers=False,
            lifespan="off",
            ws="none",
            server_header=False,
            http=PageConnection,
            timeout_graceful_shutdown=SHUTDOWN_S,
        )
        uvicorn.Server(config).run(sockets=[listener])
    # It ends by Ctrl-C alone, which uvicorn hands on, but not at every moment.
    raise KeyboardInterrupt


def _bound(port: int | None) -> socket.socket:
    # With the protocol named asyncio sends what it has at once: no 40 ms of waiting.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, PORT if port is None else port))
    except (OSError, OverflowError):
        if port is None:
            listener.bind((HOST, 0))
            return listener
        listener.close()
        raise
    return listener


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _json(values: dict[str, Any], status: int = 200) -> Response:
    return JSONResponse(values, status)


def _static(path: str, name: str, kind: str) -> Route:
    content = (_FOLDER / name).read_bytes()

    async def file(request: Request) -> Response:
        return Response(content, media_type=f"{kind}; charset=utf-8")

    return Route(path, file, methods=["GET"], name=name)
