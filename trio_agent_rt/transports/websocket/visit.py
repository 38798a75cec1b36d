"""The life of one connection, from TCP to its close.

```
 TLS ──▶ request ──▶ admitted ──▶ attached ──▶ served ──▶ parted
  │         │            │            │
  │         │ not HTTP   │ 401 403    │ 1013, 4502: let in, to be told so in a close frame
  ▼         ▼ 400 426    ▼ 404 500    ▼
 parted ◀───┴────────────┴────────────┘
```

Everything up to `parted` happens inside one cancel scope, which has the handshake's
deadline until the peer is let in. Whatever ends the connection (the peer, a deadline,
a decision of ours) cancels that scope; `parted` then says the last words that are owed.
"""

from __future__ import annotations

import contextlib
import logging
import math
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    WebSocketRequest,
    wrap_server_stream,
)

from ...errors import ConnectionRejected, ShuttingDown, TooManyConnections, UnknownSession
from ...events import Encoded
from ...protocol import CloseCode, websocket_close_frame
from ..admission import Admission, report
from ..listeners import is_loopback
from ..request import SUBPROTOCOL, Request, http_response, read_request
from ..visitors import endpoints_of
from .stream import WebSocketStream

if TYPE_CHECKING:
    from ...realtime import Connection, RealtimeAgent

__all__ = ["Visit"]

_log = logging.getLogger(__name__)

# trio-websocket parses what it received in one go, some 10 µs a frame, while everybody else
# waits: this holds 300 of the smallest frames.
_RECEIVE_BYTES = 2048

_NOT_WEBSOCKET = ConnectionRejected(
    426,
    "This address speaks WebSocket only.",
    {"Upgrade": "websocket", "Connection": "Upgrade, close", "Sec-WebSocket-Version": "13"},
)
_TOO_LATE = ConnectionRejected(408, "The handshake took too long.")
_UNDECIDED = ConnectionRejected(503, "The server did not decide in time.", {"Retry-After": "1"})


class Visit:
    """One connection of one peer.

    Args:
        admission: who may come in.
        transport: the connection, just accepted: TCP, or what else carries bytes.
        path: of the one resource there is.
        ssl_context: for TLS, or None for none.
        on_admitted: called once when the peer is let in.
    """

    def __init__(
        self,
        realtime: RealtimeAgent,
        admission: Admission,
        transport: trio.abc.Stream,
        *,
        path: str,
        ssl_context: ssl.SSLContext | None,
        on_admitted: Callable[[], None],
    ) -> None:
        self._realtime = realtime
        self._limits = realtime.limits
        self._admission = admission
        self._path = path
        self._ssl_context = ssl_context
        self._transport = transport
        self._on_admitted = on_admitted
        self._remote, self._local = endpoints_of(transport)
        # Shielded, so that a cancel from outside leaves time for a close frame.
        self._whole = trio.CancelScope(shield=True)
        deadline = trio.current_time() + self._limits.handshake_timeout
        self._life = trio.CancelScope(deadline=deadline)
        self._stream: WebSocketStream | None = None
        self._websocket: WebSocketConnection | None = None
        self._connection: Connection | None = None
        self._refusal: ConnectionRejected | None = None
        self._goodbye: tuple[CloseCode, str] | None = None

    def __str__(self) -> str:
        host, port = self._remote
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def turn_away(self) -> None:
        """A shutdown has begun: nobody is let in any more."""
        self.close()

    def close(self) -> None:
        """End it: with 1001, or with a 503 if the peer was not let in yet."""
        if self._connection is not None:
            self._connection.close(CloseCode.GOING_AWAY, "the server is shutting down")
        elif self._stream is None or not self._stream.opened:
            self._refuse(_shutting_down())
            self._life.cancel()

    def cut(self) -> None:
        """End it at once, without a word."""
        self._whole.cancel()

    async def attend(self) -> None:
        """Serve the peer until it is gone. Raises nothing that is the peer's fault."""
        with self._whole:
            try:
                with self._life:
                    await self._speak_websocket(await self._secured())
            except trio.BrokenResourceError as broken:
                _log.debug("%s: no TLS handshake: %s", self, broken)
            await self._part()

    async def _secured(self) -> trio.abc.Stream:
        context = self._ssl_context
        if context is None:
            return self._transport
        secured = trio.SSLStream(self._transport, context, server_side=True, https_compatible=True)
        await secured.do_handshake()
        return secured

    async def _speak_websocket(self, transport: trio.abc.Stream) -> None:
        limits = self._limits
        stream = self._stream = WebSocketStream(
            transport,
            write_timeout=limits.write_timeout,
            on_end=self._note_end,
        )
        try:
            async with trio.open_nursery() as library:
                request = await wrap_server_stream(
                    library,
                    stream,
                    max_message_size=limits.max_message_bytes,
                    receive_buffer_size=_RECEIVE_BYTES,
                )
                await self._answer_for(stream, request)
                library.cancel_scope.cancel()
        except* Exception as group:
            # All that is left in that nursery is trio-websocket's reader: the peer sent
            # something that it does not survive. Of some errors the text is what was sent,
            # which can be a token.
            kinds = ", ".join(type(each).__name__ for each in group.exceptions)
            _log.debug("%s: sent what cannot be read: %s", self, kinds)
            self._say_goodbye(CloseCode.PROTOCOL_VIOLATED, "this cannot be read")

    def _note_end(self) -> None:
        """Nothing more comes. Once served, what has come is still to be read."""
        if self._stream is None or not self._stream.opened:
            self._life.cancel()

    async def _answer_for(self, stream: WebSocketStream, request: WebSocketRequest) -> None:
        """`_welcome`, where a mistake of ours costs this connection and no other."""
        try:
            await self._welcome(stream, request)
        except* Exception as group:
            reference = report(f"{self}: the connection failed", group)
            self._refuse(ConnectionRejected(500, f"Internal error, reference {reference}."))
            self._say_goodbye(CloseCode.INTERNAL_ERROR, f"internal error, reference {reference}")

    async def _welcome(self, stream: WebSocketStream, request: WebSocketRequest) -> None:
        try:
            asked = self._read_request(stream)
            self._refusal = _UNDECIDED
            admitted = await self._admission.admit(asked, loopback=is_loopback(self._local[0]))
        except ConnectionRejected as rejected:
            self._refuse(rejected)
            _log.info("%s: refused: %s", self, rejected)
            return
        async with contextlib.AsyncExitStack() as stack:
            try:
                connection = await stack.enter_async_context(
                    self._realtime.connect(
                        principal=admitted.principal,
                        session_id=admitted.session_id,
                        create=admitted.chosen,
                        last_position=admitted.last_position,
                        framing=Encoded.websocket,
                        write_now=stream.write_now,
                    )
                )
            except ShuttingDown:
                self._refuse(_shutting_down())
            except UnknownSession as unknown:
                self._say_goodbye(CloseCode.SESSION_UNKNOWN, str(unknown))
                await self._let_in(stream, request)
            except TooManyConnections as full:
                _log.warning("%s: refused: %s", self, full)
                self._say_goodbye(CloseCode.TRY_AGAIN_LATER, str(full))
                await self._let_in(stream, request)
            else:
                self._connection = connection
                if await self._let_in(stream, request):
                    self._life.deadline = math.inf
                    self._on_admitted()
                    try:
                        await self._serve(stream, connection)
                    finally:
                        self._note_how_it_ended(stream, connection)

    def _read_request(self, stream: WebSocketStream) -> Request:
        host, port = self._remote
        asked = read_request(
            bytes(stream.head),
            remote_host=host,
            remote_port=port,
            secure=self._ssl_context is not None,
        )
        if asked.path != self._path:
            raise ConnectionRejected(404, f"There is nothing here; try {self._path}")
        return asked

    async def _let_in(self, stream: WebSocketStream, request: WebSocketRequest) -> bool:
        """Finish the handshake; False if the peer is gone."""
        stream.open()
        try:
            # A browser that has proposed some goes away if none is taken; never a token.
            echoed = SUBPROTOCOL if SUBPROTOCOL in request.proposed_subprotocols else None
            self._websocket = await request.accept(subprotocol=echoed)
        except ConnectionClosed:
            return False
        return True

    async def _serve(self, stream: WebSocketStream, connection: Connection) -> None:
        assert self._websocket is not None
        flushed = trio.Event()
        async with trio.open_nursery() as nursery:
            stream.pays_back(lambda: nursery.start_soon(self._pay_back, stream))
            nursery.start_soon(self._write, stream, connection, flushed)
            nursery.start_soon(self._watch, connection, flushed)
            nursery.start_soon(self._beat, self._websocket, connection)
            await self._read(self._websocket, connection)
            nursery.cancel_scope.cancel()

    async def _read(self, websocket: WebSocketConnection, connection: Connection) -> None:
        """Take whatever comes, always: trio-websocket sees no ping while a message waits."""
        limit = self._limits.max_message_bytes
        while True:
            try:
                message = await websocket.get_message()
            except ConnectionClosed:
                return
            if isinstance(message, bytes):
                connection.close(CloseCode.UNSUPPORTED_DATA, "text frames only")
                continue
            # trio-websocket's limit counts characters.
            size = len(message) if message.isascii() else len(message.encode())
            if size > limit:
                connection.close(CloseCode.MESSAGE_TOO_BIG, f"at most {limit} bytes")
            elif connection.closing is None:
                connection.receive(message)

    async def _write(
        self, stream: WebSocketStream, connection: Connection, flushed: trio.Event
    ) -> None:
        try:
            while batch := await connection.next_batch():
                await stream.send_frames(batch)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._life.cancel()
        flushed.set()

    async def _pay_back(self, stream: WebSocketStream) -> None:
        try:
            await stream.send_frames(b"")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._life.cancel()

    async def _watch(self, connection: Connection, flushed: trio.Event) -> None:
        """When it is to be closed: let the writer finish, within bounds."""
        await connection.wait_closing()
        with trio.move_on_after(self._limits.close_timeout):
            await flushed.wait()
        self._life.cancel()

    async def _beat(self, websocket: WebSocketConnection, connection: Connection) -> None:
        """Ask now and then whether the peer is still there."""
        while True:
            await trio.sleep(self._limits.heartbeat_interval)
            answered = False
            with trio.move_on_after(self._limits.heartbeat_timeout):
                try:
                    await websocket.ping()
                except ConnectionClosed:
                    return
                answered = True
            if not answered:
                connection.close(CloseCode.HEARTBEAT_MISSED, "a ping was not answered", flush=False)
                return

    def _note_how_it_ended(self, stream: WebSocketStream, connection: Connection) -> None:
        if stream.torn:
            _log.info("%s: cut in the middle of a write: it did not take it, or left", self)
            connection.close(CloseCode.TOO_SLOW, "did not take what was written", flush=False)
        if connection.closing is not None:
            self._say_goodbye(*connection.closing)

    def _refuse(self, rejected: ConnectionRejected) -> None:
        self._refusal = rejected

    def _say_goodbye(self, code: CloseCode, reason: str) -> None:
        if self._goodbye is None:
            self._goodbye = (code, reason)

    async def _part(self) -> None:
        stream = self._stream
        if stream is None:
            await trio.aclose_forcefully(self._transport)
            return
        await stream.finish(self._last_words(stream), within=self._limits.close_timeout)

    def _last_words(self, stream: WebSocketStream) -> bytes:
        if stream.opened:
            goodbye = self._farewell(stream)
            return b"" if goodbye is None else websocket_close_frame(*goodbye)
        if not stream.head:
            return b""
        return http_response(self._refusal or self._early_refusal(stream))

    def _farewell(self, stream: WebSocketStream) -> tuple[CloseCode, str] | None:
        """The close frame that is owed, if none was sent yet."""
        if self._goodbye is not None:
            return self._goodbye
        if stream.flooded:
            return CloseCode.PROTOCOL_VIOLATED, "too many frames"
        closed = self._websocket.closed if self._websocket is not None else None
        if closed is not None and closed.code == CloseCode.INVALID_DATA:
            return CloseCode.INVALID_DATA, closed.reason or ""
        if closed is not None and closed.code == 1002:
            return CloseCode.PROTOCOL_VIOLATED, closed.reason or ""
        return None

    def _early_refusal(self, stream: WebSocketStream) -> ConnectionRejected:
        """What is said to a peer that never got as far as a decision."""
        if stream.flooded:
            return ConnectionRejected(431, "That is too much for a handshake.")
        if self._life.deadline <= trio.current_time():
            return _TOO_LATE
        try:
            read_request(bytes(stream.head))
        except ConnectionRejected as not_http:
            return not_http
        return _NOT_WEBSOCKET


def _shutting_down() -> ConnectionRejected:
    return ConnectionRejected(503, "The server is shutting down.", {"Retry-After": "1"})
