"""One request, and the Trio task in which the application answers it.

```
 asked ──the whole body is there──▶ heard ──the answer begins──▶ answering ──▶ answered
   │                                 │                               │
   └─ too slow, too large ───────────┴─ the application failed ──────┴─ failed: cut
      408, 413                          500
```

However much comes, and whether the application takes it or not, no more is held than a
body may have; a body in a million pieces is held as one.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import trio

from ..admission import report
from .exchange import Exchange, set_current_exchange
from .lifespan import ASGIApp, Message, Scope, Send
from .refusal import TOO_LARGE, Refusal

__all__ = ["PendingRequest"]

_log = logging.getLogger(__name__)

# Pieces of a body that are taken in one go; each is some 30 µs of h11's, while everybody
# else waits.
_PIECES_AT_ONCE = 64

_TOO_SLOW = Refusal(status=408, code="bad_message", message="the body took too long")


class PendingRequest:
    """One request of a connection.

    Args:
        exchange: what the application sees of the connection.
        name: for the log.
        body_timeout: seconds for the whole body to come.
        max_body_bytes: that it may have.
        on_heard: called once, when all of it is there, or no more is waited for.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        name: str,
        body_timeout: float,
        max_body_bytes: int,
        on_heard: Callable[[], None],
    ) -> None:
        self._exchange = exchange
        self._name = name
        self._max_body_bytes = max_body_bytes
        self._on_heard = on_heard
        self._scope = trio.CancelScope(deadline=trio.current_time() + body_timeout)
        self._held = bytearray()
        self._size = 0
        self._pieces = 0
        self._heard = False
        self._told = False
        self._left = False
        self._news = trio.Event()
        self._refusal: Refusal | None = None
        self._begun = False
        self._answered = False

    async def put(self, message: Any) -> None:
        """Take a piece of the body, or the news that nobody waits for the answer any more."""
        if message["type"] == "http.disconnect":
            self._left = True
            self._news.set()
            # No checkpoint: Hypercorn says this from within the application's last `send`, and
            # Quart cancels that on hearing it. The connection would never be used again.
            return
        if self._refusal is None:
            self._take(message["body"], last=not message["more_body"])
        self._news.set()
        self._pieces += 1
        if self._pieces % _PIECES_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()

    def _take(self, body: bytes, *, last: bool) -> None:
        self._size += len(body)
        if self._size > self._max_body_bytes:
            self._held.clear()
            self._refusal = TOO_LARGE
            self._scope.cancel()
            return
        self._held += body
        if last:
            self.hear_no_more()

    def hear_no_more(self) -> None:
        """What is still missing of the body is not waited for."""
        if not self._heard:
            self._heard = True
            self._scope.deadline = math.inf
            self._on_heard()
            self._news.set()

    async def answer(self, app: ASGIApp, scope: Scope, send: Send) -> None:
        """Have the application answer. Raises nothing but a cancel.

        Args:
            send: where its answer goes to.
        """
        set_current_exchange(self._exchange)
        try:
            await self._have_answered(app, scope, send)
            if self._left:
                return
            if not self._begun:
                await self._refuse(send)
            elif not self._answered:
                self._exchange.cut()
        except* Exception as group:
            report(f"{self._name}: not answered", group)
            self._exchange.cut()

    async def _have_answered(self, app: ASGIApp, scope: Scope, send: Send) -> None:
        async def send_on(message: Message) -> None:
            # Hypercorn drops without one what nobody will read any more: an application that
            # does nothing but write could not even be cancelled.
            await trio.lowlevel.checkpoint()
            if not self._exchange.taken_over:
                await send(message)
            if message["type"] == "http.response.start":
                self._begun = True
            elif message["type"] == "http.response.body" and not message.get("more_body"):
                self._answered = True

        try:
            with self._scope:
                await app(scope, self._receive, send_on)
            if self._scope.cancelled_caught:
                self._refusal = self._refusal or _TOO_SLOW
        except* Exception as group:
            reference = report(f"{self._name}: the app failed", group)
            self._refusal = _internal(f"internal error, reference {reference}")

    async def _receive(self) -> Message:
        while True:
            if self._held or (self._heard and not self._told):
                body = bytes(self._held)
                self._held.clear()
                self._told = self._heard
                await trio.lowlevel.checkpoint_if_cancelled()
                return {"type": "http.request", "body": body, "more_body": not self._told}
            if self._left or self._answered:
                await trio.lowlevel.checkpoint_if_cancelled()
                return {"type": "http.disconnect"}
            self._news = trio.Event()
            await self._news.wait()

    async def _refuse(self, send: Send) -> None:
        refusal = self._refusal
        if refusal is None:
            _log.error("%s: the app gave no answer", self._name)
            refusal = _internal("the application gave no answer")
        start = {"type": "http.response.start", "status": refusal.status}
        await send({**start, "headers": refusal.fields})
        await send({"type": "http.response.body", "body": refusal.body, "more_body": False})


def _internal(message: str) -> Refusal:
    return Refusal(status=500, code="internal", message=message)
