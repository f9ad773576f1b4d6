"""Connections to the labelling page: those that say nothing do not keep others out."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

FIRST_REQUEST_S = 10.0
"""Seconds until a connection has to have asked for something."""
MAX_CONNECTIONS = 128


class PageConnection(H11Protocol):
    """One connection, which has to ask for something soon.

    A *stranger* has not sent the head of a request yet. What is asked without the token
    is refused and the connection closed (:mod:`oprl_gym.labelling.guard`), so whoever
    stays and is no stranger knows the token. If there are too many connections the
    strangers go, the oldest first: a person always gets through.
    """

    @property
    def is_stranger(self) -> bool:
        """Whether it has not sent the head of a request yet."""
        cycle: object = self.cycle  # None at first, which uvicorn's types do not say
        return cycle is None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection in; of too many the oldest stranger is closed."""
        super().connection_made(transport)
        self.deadline = self.loop.call_later(FIRST_REQUEST_S, self.close_stranger)
        if len(self.connections) > MAX_CONNECTIONS:
            ours = [one for one in self.connections if isinstance(one, PageConnection)]
            strangers = [one for one in ours if one.is_stranger]
            min(strangers, key=lambda one: one.deadline.when()).close_stranger()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self.deadline.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """End with the server; who sends or reads half of something is left alone."""
        stuck = self.flow.write_paused or (
            not self.is_stranger and self.cycle.more_body
        )
        if stuck:
            self.transport.abort()
        else:
            super().shutdown()

    def close_stranger(self) -> None:
        """Close the connection unless it has asked for something."""
        if self.is_stranger:
            self.connections.discard(self)  # at once: others may come before it is gone
            self.transport.abort()
