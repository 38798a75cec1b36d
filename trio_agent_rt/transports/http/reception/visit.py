"""The life of a connection that may be answered past the application.

```
 TLS ──▶ first bytes ──a plain request for it──▶ deciding ──a stream──▶ streaming ──▶ ended
  │         │                                       │                      │           │
  │         │ whatever else                         │ a whole answer       │ the peer    │ drained
  ▼         ▼                                       ▼                      ▼ has left    ▼
 parted  handed on to `HTTPVisit`, with what was received of it          parted ◀──────┘
```

Whatever is out of the ordinary is handed on before anything was decided about it; a whole
answer is handed on to be written there, and what follows it to be answered.

One Trio task reads, and that is all there is while the peer keeps up: one cancel scope, and
no nursery. What cannot be written at once is written by another Trio task, which is gone when
that is done; from then on there is a nursery for it.
"""

from __future__ import annotations

import logging
import math
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from ....streams import MAX_DRAINED_BYTES, BoundedStream, drain
from ...admission import report
from ...listeners import bound_silence
from ...request import PlainHead, Request, plain_head
from ...visitors import NoteProven, endpoints_of, secured, shown
from ..inlet import MAX_HELD_BYTES
from ..protocol import may_be_host
from ..visit import LAST_ANSWERS_TIMEOUT, RECEIVE_BYTES, Begun, HTTPVisit
from .shortcut import Feed, Shortcut, Told

if TYPE_CHECKING:
    from ....realtime import Limits

__all__ = ["Reception"]

_log = logging.getLogger(__name__)

# What changes the meaning of a request, is to be answered before it, or is Quart's own to add.
_UNUSUAL = ("upgrade", "expect", "sec-websocket-protocol", "http2-settings", "remote-addr")


class Reception:
    """One connection of one peer.

    Args:
        shortcut: what answers it instead of the application.
        transport: the connection, just accepted: TCP, or what else carries bytes.
        ssl_context: for TLS, or None for none.
        note_proven: called when a whole request is there.
        hand_on: makes the visit that serves it if it is not answered here.
    """

    __slots__ = (
        "_asked",
        "_batch",
        "_closing",
        "_cut",
        "_feed",
        "_hand_on",
        "_life",
        "_limits",
        "_local",
        "_note_proven",
        "_nursery",
        "_reads",
        "_remote",
        "_shortcut",
        "_ssl_context",
        "_stream",
        "_successor",
        "_transport",
        "_woken",
        "_writes",
        "_written",
    )

    def __init__(
        self,
        limits: Limits,
        shortcut: Shortcut,
        transport: trio.abc.Stream,
        *,
        ssl_context: ssl.SSLContext | None,
        note_proven: NoteProven,
        hand_on: Callable[[trio.abc.Stream, NoteProven, Begun, Told | None], HTTPVisit],
    ) -> None:
        self._limits = limits
        self._shortcut = shortcut
        self._transport = transport
        self._ssl_context = ssl_context
        self._note_proven = note_proven
        self._hand_on = hand_on
        if isinstance(transport, trio.SocketStream):
            bound_silence(transport, limits.heartbeat_timeout)
        self._remote, self._local = endpoints_of(transport)
        # Shielded, so that a cancel from outside leaves time for a stream to end.
        deadline = trio.current_time() + limits.handshake_timeout
        self._life = trio.CancelScope(deadline=deadline, shield=True)
        self._stream: BoundedStream | None = None
        self._nursery: trio.Nursery | None = None
        self._feed: Feed | None = None
        self._successor: HTTPVisit | None = None
        self._asked = False
        self._closing = False
        self._cut = False
        self._reads = False
        self._woken = False
        self._writes = False
        self._written = False
        self._batch = b""

    def __str__(self) -> str:
        return shown(self._remote)

    def turn_away(self) -> None:
        """A shutdown has begun: requests are still answered."""

    def close(self) -> None:
        """End it: after the answer that has begun, or at once."""
        self._closing = True
        if self._successor is not None:
            self._successor.close()
        elif self._feed is not None:
            self._feed.end()
        elif not self._asked:
            self._life.cancel()

    def cut(self) -> None:
        """End it at once, without a word."""
        self._cut = True
        self._life.cancel()
        if self._successor is not None:
            self._successor.cut()

    async def attend(self) -> None:
        """Serve the peer until it is gone. Raises nothing that is the peer's fault."""
        try:
            with self._life:
                await self._receive_first()
            if self._woken and not self._cut:
                self._life = trio.CancelScope(shield=True)
                with self._life:
                    await self._write_on()
            if not self._cut:
                await self._part()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as broken:
            _log.debug("%s: gone: %s", self, broken)
        finally:
            if self._cut:
                self._successor = None
            if self._feed is not None:
                self._feed.release()
            if self._successor is None:
                await trio.aclose_forcefully(self._stream or self._transport)
        if self._successor is not None:
            await self._successor.attend()

    async def _receive_first(self) -> None:
        stream = self._stream = await self._secured()
        data = bytes(await stream.receive_some(RECEIVE_BYTES))
        asked = self._read(data)
        if asked is None:
            if data:
                self._pass_to_successor(stream, data, None)
            return
        self._asked = True
        self._life.deadline = math.inf
        self._note_proven(True)
        early = bytearray()
        told = await self._decide(stream, asked, early)
        if self._feed is not None:
            await self._stream_out(stream, self._feed)
        elif told is not None:
            self._pass_to_successor(stream, data + early, told)

    async def _secured(self) -> BoundedStream:
        stream = await secured(self._transport, self._ssl_context)
        return BoundedStream(stream, write_timeout=self._limits.write_timeout)

    def _read(self, data: bytes) -> Request | None:
        """The request that it is, and nothing else, if it is to be answered here."""
        found = plain_head(data)
        if found is None or found[1] != len(data) or not _is_usual(found[0]):
            return None
        secure = self._ssl_context is not None
        return self._shortcut.read(found[0], remote=self._remote, secure=secure)

    def _pass_to_successor(self, stream: BoundedStream, data: bytes, told: Told | None) -> None:
        begun = Begun(stream=stream, data=data, deadline=self._life.deadline, closing=self._closing)
        self._successor = self._hand_on(self._transport, self._note_proven, begun, told)

    async def _decide(self, stream: BoundedStream, asked: Request, early: bytearray) -> Told | None:
        """Have it answered, with a feed or with what this returns; neither if the peer left."""
        if not self._shortcut.may_wait:
            return self._keep(await self._answer(stream, asked))
        told: Told | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_meanwhile, stream, early, nursery.cancel_scope)
            told = self._keep(await self._answer(stream, asked))
            nursery.cancel_scope.cancel()
        return told

    def _answer(self, stream: BoundedStream, asked: Request) -> Awaitable[Feed | Told]:
        return self._shortcut.answer(asked, stream, self._wake, local=self._local)

    def _keep(self, found: Feed | Told) -> Told | None:
        if isinstance(found, Told):
            return found
        self._feed = found
        return None

    async def _watch_meanwhile(
        self, stream: BoundedStream, early: bytearray, deciding: trio.CancelScope
    ) -> None:
        """Notice when the peer leaves while somebody decides about it."""
        try:
            while len(early) <= MAX_HELD_BYTES:
                data = await stream.receive_some(RECEIVE_BYTES)
                if not data:
                    # It may still read.
                    await trio.sleep(LAST_ANSWERS_TIMEOUT)
                    deciding.cancel()
                early += data
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            deciding.cancel()

    async def _stream_out(self, stream: BoundedStream, feed: Feed) -> None:
        if self._closing:
            feed.end()
        first = feed.begin()
        if not stream.write_now(first):
            await stream.send_all(first)
        stream.pays_back(self._wake)
        self._batch = feed.take()
        self._woken = bool(self._batch) or stream.owes or feed.beside is not None
        if not self._woken:
            self._reads = True
            try:
                await self._read_on(stream)
            finally:
                self._reads = False

    async def _write_on(self) -> None:
        """Have written what cannot be at once, from now on."""
        stream, feed = self._stream, self._feed
        assert stream is not None
        assert feed is not None
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._writes = True
            nursery.start_soon(self._write, stream, feed)
            if feed.beside is not None:
                nursery.start_soon(feed.beside)
            try:
                await self._read_on(stream)
            finally:
                self._nursery = None
            nursery.cancel_scope.cancel()

    async def _read_on(self, stream: BoundedStream) -> None:
        """Drop whatever comes: it is how a peer's leaving is noticed."""
        dropped = 0
        transport = stream.transport
        try:
            if isinstance(transport, trio.SocketStream):
                # What it waits in is held by every idle stream: this is three calls less.
                await trio.lowlevel.wait_readable(transport.socket)
            while data := await stream.receive_some(RECEIVE_BYTES):
                dropped += len(data)
                if dropped > MAX_DRAINED_BYTES:
                    _log.debug("%s: cut: it sends too much during a stream", self)
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    def _wake(self, *, at_once: bool = False) -> None:
        """Something is to be written that could not be at once, unless the peer has left.

        Args:
            at_once: whether it can be tried now, before another Trio task does.
        """
        stream, feed = self._stream, self._feed
        if stream is None or feed is None or self._writes:
            return
        if not self._reads and self._nursery is None:
            return  # not begun, where it is looked after, or over
        if at_once and not stream.busy:
            while (batch := feed.take()) and stream.write_now(batch):
                pass
            self._batch = batch
            if not batch and feed.over and not stream.owes:
                self._written = True
                self._life.cancel()
                return
        if self._nursery is None:
            self._reads = False
            self._woken = True
            self._life.cancel()
        elif not self._writes:  # nor since it was tried, because of what is owed
            self._writes = True
            self._nursery.start_soon(self._write, stream, feed)

    async def _write(self, stream: BoundedStream, feed: Feed) -> None:
        """Write what is owed, and all that was or is to be taken."""
        try:
            batch, self._batch = self._batch, b""
            while batch or stream.owes or (batch := feed.take()):
                await stream.send_all(batch)
                batch, self._batch = self._batch, b""
            self._written = feed.over
        except (trio.BrokenResourceError, trio.ClosedResourceError) as broken:
            _log.debug("%s: cut: %s", self, broken)
            self._life.cancel()
        except Exception as wrong:
            report(f"{self}: the stream failed", wrong)
            self._life.cancel()
        self._writes = False
        if self._written:
            self._life.cancel()

    async def _part(self) -> None:
        """Let the peer read what was written last, if that was the end of the stream."""
        stream = self._stream
        if stream is None or self._successor is not None or (self._asked and not self._written):
            return
        until = trio.current_time() + self._limits.close_timeout
        self._life = trio.CancelScope(deadline=until, shield=True)
        with self._life:
            if not self._asked:
                # Nothing is under way, and a pool of connections would not look.
                await stream.aclose()
            else:
                await drain(stream.transport)


def _is_usual(head: PlainHead) -> bool:
    """Whether nothing of it asks for more than an answer."""
    headers = head.text_headers
    return (
        not any(name in headers for name in _UNUSUAL)
        and headers.get("connection", "keep-alive").lower() == "keep-alive"
        and may_be_host(headers["host"].encode())
    )
