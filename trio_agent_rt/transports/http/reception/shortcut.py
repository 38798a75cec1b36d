"""What a short cut has to be: it answers one resource of an application instead of that.

An application costs a millisecond for each request. A connection that brings nothing but one
plain GET of that resource need not pay for it, as long as its peer cannot tell.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from attrs import frozen

from ....streams import BoundedStream
from ...request import PlainHead, Request
from ...visitors import Endpoint
from ..lifespan import ASGIApp, Receive, Scope, Send

__all__ = ["Answering", "Feed", "Shortcut", "Told", "Wake"]


@frozen(kw_only=True)
class Told:
    """A whole answer, which is no stream: the ordinary path writes it, and goes on."""

    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes


class Answering:
    """An ASGI application whose first answer is known, and whose others are those of `app`."""

    def __init__(self, told: Told, app: ASGIApp) -> None:
        self._told: Told | None = told
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        told, self._told = self._told, None
        if told is None:
            await self._app(scope, receive, send)
            return
        start = {"type": "http.response.start", "status": told.status, "headers": told.fields}
        await send(start)
        await send({"type": "http.response.body", "body": told.body, "more_body": False})


class Wake(Protocol):
    """Says that there is something to write."""

    def __call__(self, *, at_once: bool = False) -> None:
        """Have it written; `at_once` if it may be taken before this returns."""
        ...


class Feed(Protocol):
    """A stream: what is written after a request."""

    @property
    def beside(self) -> Callable[[], Awaitable[None]] | None:
        """What is to run as long as it is open; None for nothing."""
        ...

    def begin(self) -> bytes:
        """The head of the answer, and what follows at once."""
        ...

    def take(self) -> bytes:
        """What is to be written next; empty if that is nothing, be it that it is `over`."""
        ...

    @property
    def over(self) -> bool:
        """Whether all of it was taken: the connection is to be closed."""
        ...

    def end(self) -> None:
        """Bring it to its end in good order."""
        ...

    def release(self) -> None:
        """Nothing more of it is written."""
        ...


class Shortcut(Protocol):
    """Answers a resource. For all connections of a server."""

    @property
    def may_wait(self) -> bool:
        """Whether `answer` may wait, so that the peer can leave meanwhile."""
        ...

    def read(self, head: PlainHead, *, remote: Endpoint, secure: bool) -> Request | None:
        """The request, if it is answered here and nothing about it is out of the ordinary."""
        ...

    async def answer(
        self,
        asked: Request,
        stream: BoundedStream,
        wake: Wake,
        *,
        local: Endpoint,
    ) -> Feed | Told:
        """Answer it. Raises nothing: from here on the application is not shown it any more.

        Args:
            stream: where a stream is written to, and may be at once after `Feed.begin`.
            wake: has `Feed.take` asked until it gives nothing.
            local: the address that it came in at.

        Cancellation: nothing is left of it.
        """
        ...

    async def run(self) -> None:
        """What is to run for all streams while the server serves."""
        ...
