"""The body of a stream: one viewer of a session, as bytes of a `text/event-stream`.

```
 preamble ──▶ events, a comment now and then ──the connection is to be closed──▶ retry: ──▶ end
```

A class and not a generator: Quart leaves it with `async with`, so that the viewer is
detached at once whatever ended the stream, and nothing hangs on a garbage collector.

Where nothing stands between it and the wire, it is handed to our own server after the
preamble, which iterates over the rest of it: Quart's Trio tasks, its request and its
contexts are gone then.
"""

from __future__ import annotations

import random
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Self

import trio
from quart import Response
from quart.wrappers.response import ResponseBody

from ...errors import CommandRefused
from ...protocol import CloseCode, sse_comment, sse_retry
from ...realtime import Connection, Framing, Writing
from ..http import Pieces, chunk

if TYPE_CHECKING:
    from ...realtime import RealtimeAgent
    from ..admission import Admitted
    from ..http.exchange import Exchange

__all__ = ["RETRY", "EventStreamBody"]

RETRY = (500, 1500)
"""Milliseconds after which a browser is to reconnect, at random between these: those who
lost their connection in one moment do not come back in one. Browsers' own is 3 or 5 s."""


class EventStreamBody(ResponseBody, Pieces):
    """The events of a session for one peer, until either side ends it.

    Args:
        admitted: who is let in, to what.
        framing: what an event looks like.
        exchange: of our own server, to be told when it ends; None under another one.
        carrier: the response that this is the body of. If an application has put something
            around it, then everything goes through that.
    """

    def __init__(
        self,
        realtime: RealtimeAgent,
        admitted: Admitted,
        framing: Framing,
        exchange: Exchange | None,
        carrier: Response,
    ) -> None:
        self._realtime = realtime
        self._exchange = exchange
        self._carrier = weakref.ref(carrier)
        self._admitted = admitted
        self._framing = framing
        self._connection: Connection | None = None
        self._begun = False
        self._given_away = False
        self._over = False
        self._beat_at = 0.0
        self._expires_at = admitted.principal.deadline()

    async def __aenter__(self) -> Self:
        admitted = self._admitted
        self._beat_at = trio.current_time() + self._realtime.limits.heartbeat_interval
        try:
            self._connection = self._realtime.attach(
                Writing(self._framing, self._exchange, chunk),
                admitted.principal,
                admitted.session_id,
                admitted.last_position,
                create=admitted.chosen,
            )
        except CommandRefused:
            # It could be let in a moment ago, when its status was written, and cannot now.
            # Its stream ends at once; when it comes again, its status says why.
            return self
        if self._exchange is not None:
            self._exchange.mark_streaming(self._end)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._given_away:
            self.release()

    def release(self) -> None:
        """Nothing more of it is written: the viewer has gone."""
        if self._connection is not None:
            self._realtime.detach(self._connection)
            self._connection = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes: at once all that waits, a comment when it is time for one."""
        if self._over:
            raise StopAsyncIteration
        if not self._begun:
            self._begun = True
            preamble = sse_comment("welcome") + sse_retry(random.randint(*RETRY))
            carrier = self._carrier()
            bare = carrier is not None and carrier.response is self
            if self._exchange is not None and bare and self._realtime.direct_writes:
                self._exchange.expect(preamble)
            return preamble
        if not self._given_away and self._exchange is not None and self._exchange.reaches_wire:
            # An application has its part of what a connection costs, and no more to say.
            self._given_away = True
            self._exchange.take_over(self)
            raise StopAsyncIteration
        batch = b"" if self._connection is None else await self._next_batch(self._connection)
        if batch:
            return batch
        self._over = True
        return sse_retry(random.randint(*RETRY))

    async def _next_batch(self, connection: Connection) -> bytes:
        """What waits, or a comment; empty once the connection is to be closed."""
        with trio.move_on_at(min(self._beat_at, self._expires_at)):
            return await connection.next_batch()
        if trio.current_time() >= self._expires_at:
            return b""
        self._beat_at = trio.current_time() + self._realtime.limits.heartbeat_interval
        return sse_comment()

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close(CloseCode.GOING_AWAY)
