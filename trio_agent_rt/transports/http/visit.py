"""The life of one connection, from TCP to its close.

```
 TLS ──▶ asking ──a head is there──▶ answering ──▶ idle ──a byte──▶ asking …
  │         │                            │           │
  │         │ 408, 400, 413, 431         │ closed    │ kept alive long enough, shutdown
  ▼         ▼                            ▼           ▼
 parted ◀───┴────────────────────────────┴───────────┘
```

Everything up to `parted` happens inside one cancel scope, whose deadline is that of the
state. One Trio task reads; one parses, and may stop between two requests; each
request has one of its own in which the application answers it.
"""

from __future__ import annotations

import functools
import logging
import math
import ssl
from typing import TYPE_CHECKING, Literal, cast

import h11
import trio
from attrs import frozen
from hypercorn.events import Closed, RawData, Updated

from ...streams import MAX_DRAINED_BYTES, BoundedStream, drain
from ..admission import report
from ..listeners import bound_silence
from ..visitors import NoteProven, endpoints_of, secured, shown
from .exchange import LAST_CHUNK, Exchange, Pieces, chunk
from .inlet import Inlet
from .lifespan import Scope
from .pending import PendingRequest
from .protocol import HTTPProtocol, Requests, Service
from .refusal import SHUTTING_DOWN, TOO_LATE, Refused, SpeaksHTTP2

if TYPE_CHECKING:
    from hypercorn.typing import TaskGroup

    from ...realtime import RealtimeAgent

__all__ = ["LAST_ANSWERS_TIMEOUT", "RECEIVE_BYTES", "Begun", "HTTPVisit"]

_log = logging.getLogger(__name__)

RECEIVE_BYTES = 16 * 1024
"""h11 parses what it holds in one go, and refuses a head of more than 16 KiB only when some
of it is still missing: with this no head is greater than twice that."""

_State = Literal["resting", "asking", "answering"]

# An empty SETTINGS frame, and a GOAWAY that says HTTP_1_1_REQUIRED (RFC 9113, 7): clients
# come again with HTTP/1.1.
_SPEAK_HTTP_1 = bytes.fromhex("000000 04 00 00000000") + bytes.fromhex(
    "000008 07 00 00000000 00000000 0000000d"
)

LAST_ANSWERS_TIMEOUT = 0.5
"""A peer that has ended its side cannot be told from one that has left, until it is written
to: this long what it has asked for is still worked on. Most answers take less."""


@frozen(kw_only=True)
class Begun:
    """A connection of which somebody else has received the first bytes."""

    stream: BoundedStream
    data: bytes
    deadline: float
    """Of a request that `data` is not the whole of."""
    closing: bool
    """Whether it was to be closed already: then what was asked for is still answered."""


class HTTPVisit:
    """One connection of one peer.

    Args:
        service: what answers its requests.
        transport: the connection, just accepted: TCP, or what else carries bytes.
        ssl_context: for TLS, or None for none.
        note_proven: called when a whole request is there, and when it is answered.
        begun: what was received of it already; None for nothing.
    """

    def __init__(
        self,
        realtime: RealtimeAgent,
        service: Service,
        transport: trio.abc.Stream,
        *,
        ssl_context: ssl.SSLContext | None,
        note_proven: NoteProven,
        begun: Begun | None = None,
    ) -> None:
        self._limits = realtime.limits
        self._service = service
        self._transport = transport
        self._ssl_context = ssl_context
        self._note_proven = note_proven
        if isinstance(transport, trio.SocketStream):
            bound_silence(transport, self._limits.heartbeat_timeout)
        self._remote, self._local = endpoints_of(transport)
        # Shielded, so that a cancel from outside leaves time for an answer to end.
        self._whole = trio.CancelScope(shield=True)
        until = trio.current_time() + self._limits.handshake_timeout
        self._life = trio.CancelScope(deadline=until if begun is None else begun.deadline)
        self._wire = trio.CancelScope()
        self._parsing = trio.CancelScope()
        self._streaming = trio.CancelScope()
        self._streamed = False
        self._answers: trio.Nursery | None = None
        self._inlet = Inlet()
        self._stream: BoundedStream | None = None
        self._protocol: HTTPProtocol | None = None
        self._exchange: Exchange | None = None
        self._pending: PendingRequest | None = None
        self._state: _State = "resting"
        self._dropping = False
        self._ended = False
        self._begun = begun
        self._closing = begun is not None and begun.closing

    def __str__(self) -> str:
        return shown(self._remote)

    def turn_away(self) -> None:
        """A shutdown has begun: requests are the application's to refuse."""

    def close(self) -> None:
        """End it: after the answer that has begun, or at once."""
        self._closing = True
        if self._exchange is None:
            self._life.cancel()
        else:
            self._exchange.close()

    def cut(self) -> None:
        """End it at once, without a word."""
        self._whole.cancel()

    async def attend(self) -> None:
        """Serve the peer until it is gone. Raises nothing that is the peer's fault."""
        try:
            with self._whole:
                try:
                    with self._life:
                        self._stream = await self._secured()
                        await self._speak_http(self._stream)
                    await self._part()
                except (trio.BrokenResourceError, trio.ClosedResourceError) as broken:
                    _log.debug("%s: gone: %s", self, broken)
        finally:
            await trio.aclose_forcefully(self._stream or self._transport)

    async def _secured(self) -> BoundedStream:
        if self._begun is not None:
            return self._begun.stream
        stream = await secured(self._transport, self._ssl_context)
        return BoundedStream(stream, write_timeout=self._limits.write_timeout)

    async def _speak_http(self, stream: BoundedStream) -> None:
        async with trio.open_nursery() as answers:
            self._answers = answers
            stream.pays_back(lambda: answers.start_soon(self._write, b""))
            protocol = self._protocol = HTTPProtocol(
                self._service,
                self._inlet,
                secure=self._ssl_context is not None,
                client=self._remote,
                server=self._local,
                tasks=cast("TaskGroup", Requests(answers, self._begin_request)),
                send=self._protocol_send,
                is_last=self._is_last,
            )
            async with trio.open_nursery() as wire:
                self._wire = wire.cancel_scope
                wire.start_soon(self._parse, protocol)
                if await self._read(stream):
                    await self._hear_out(protocol)
                wire.cancel_scope.cancel()
            self._streaming.cancel()
            await protocol.handle(Closed())
            answers.cancel_scope.deadline = trio.current_time() + self._limits.close_timeout

    async def _read(self, stream: BoundedStream) -> bool:
        """Take whatever comes: it is how a peer's leaving is noticed.

        Returns:
            Whether the peer has ended its side; otherwise the connection is no more.
        """
        dropped = 0
        first, self._begun = self._begun, None
        while True:
            try:
                data = first.data if first is not None else await stream.receive_some(RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return False
            first = None
            if not data:
                return True
            if self._dropping:
                dropped += len(data)
                if dropped > MAX_DRAINED_BYTES:
                    _log.debug("%s: cut: it sends too much during a stream", self)
                    return False
                continue
            if self._state == "resting":
                self._begin_asking()
            with trio.move_on_after(self._limits.handshake_timeout) as patience:
                await self._inlet.give(data)
            if patience.cancelled_caught:
                # It may have left: that would be behind all that is not read.
                _log.debug("%s: cut: too much of it waits behind a request", self)
                return False

    async def _hear_out(self, protocol: HTTPProtocol) -> None:
        """Have answered what a peer that sends no more has asked for, within a bound.

        `_wire` is cancelled as soon as nothing more is to be answered, or a stream begins:
        that one has no end to wait for.
        """
        self._ended = True
        if self._dropping:
            return
        self._inlet.end()
        await trio.sleep(LAST_ANSWERS_TIMEOUT)
        if protocol.answering:
            await trio.sleep(self._limits.close_timeout)

    def _begin_asking(self) -> None:
        self._state = "asking"
        deadline = trio.current_time() + self._limits.handshake_timeout
        self._life.deadline = min(self._life.deadline, deadline)

    async def _parse(self, protocol: HTTPProtocol) -> None:
        try:
            with self._parsing:
                while data := await self._inlet.take():
                    await protocol.handle(RawData(data=data))
            if self._parsing.cancelled_caught:
                return
            await protocol.handle(RawData(data=b""))
            if self._state != "answering":
                self._wire.cancel()
        except Refused as refused:
            _log.debug("%s: refused: %s", self, refused)
            await protocol.refuse(refused.refusal)
            await self._finish()
        except SpeaksHTTP2:
            await self._write(_SPEAK_HTTP_1)
            await self._finish()
        except h11.ProtocolError as wrong:
            _log.debug("%s: sent what cannot be read: %s", self, wrong)
            self._life.cancel()
        except Exception as wrong:
            report(f"{self}: the connection failed", wrong)
            self._life.cancel()

    async def _protocol_send(self, event: object) -> None:
        """What Hypercorn wants done with the connection."""
        if isinstance(event, RawData):
            await self._write(event.data)
        elif isinstance(event, Closed):
            await self._finish()
        elif isinstance(event, Updated) and not event.idle:
            self._state = "answering"
            self._life.deadline = math.inf
        elif isinstance(event, Updated):
            await self._rest()

    async def _write(self, data: bytes) -> None:
        """Write it all within the deadline, or end the connection."""
        assert self._stream is not None
        try:
            await self._stream.send_all(data)
            if self._exchange is not None:
                self._exchange.note_written(data, self._stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as broken:
            _log.debug("%s: cut: %s", self, broken)
            self._life.cancel()

    async def _rest(self) -> None:
        """A request is answered, and another one may come."""
        assert self._protocol is not None
        self._exchange = None
        if self._closing or self._dropping:
            await self._finish()
            return
        self._note_proven(False)
        self._state = "resting"
        self._life.deadline = trio.current_time() + self._limits.keep_alive_timeout
        if self._protocol.http.trailing_data[0] or not self._inlet.empty:
            self._begin_asking()

    def _take_over(self, pieces: Pieces) -> None:
        assert self._answers is not None
        self._answers.start_soon(self._stream_out, pieces)
        self._parsing.cancel()
        if self._protocol is not None:
            self._protocol.let_go()

    async def _stream_out(self, pieces: Pieces) -> None:
        """Write a stream to its end, instead of the application."""
        try:
            with self._streaming:
                async for piece in pieces:
                    await self._write(chunk(piece))
                await self._write(LAST_CHUNK)
                self._streamed = True
        except Exception as wrong:
            report(f"{self}: the stream failed", wrong)
            self._life.cancel()
        finally:
            pieces.release()
        if self._streamed:
            await self._finish()

    async def _finish(self) -> None:
        """Nothing more is read or written; answers that are still being given end soon."""
        assert self._stream is not None
        assert self._protocol is not None
        self._wire.cancel()
        if self._protocol.whole or self._streamed:
            try:
                await self._stream.send_eof()
            except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
                self._life.cancel()

    async def _part(self) -> None:
        """Say the last words that are owed, and let the peer read them."""
        stream, protocol = self._stream, self._protocol
        if stream is None or protocol is None or not (protocol.whole or self._streamed):
            return
        with trio.move_on_after(self._limits.close_timeout):
            if self._state == "resting":
                # Nothing is under way, and a pool of connections would not look.
                await stream.aclose()
                return
            if self._state == "asking":
                await protocol.refuse(SHUTTING_DOWN if self._closing else TOO_LATE)
            await drain(stream.transport)

    def _is_last(self) -> bool:
        return self._closing or (self._exchange is not None and self._exchange.streaming)

    def _begin_request(self, scope: Scope) -> PendingRequest:
        exchange = self._exchange = Exchange(
            on_streaming=self._begin_dropping, on_taken_over=self._take_over, cut=self.cut
        )
        if self._closing:
            exchange.close()
        self._pending = PendingRequest(
            exchange,
            # The path as it was sent: decoded, it could have line breaks for the log.
            name=f"{self}: {scope['method']} {scope['raw_path'].decode('ascii')}",
            body_timeout=self._limits.body_timeout,
            max_body_bytes=self._service.max_body_bytes,
            on_heard=functools.partial(self._note_proven, True),
        )
        return self._pending

    def _begin_dropping(self) -> None:
        self._dropping = True
        self._inlet.drop()
        if self._pending is not None:
            self._pending.hear_no_more()
        if self._ended:
            self._wire.cancel()
