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

One Trio task reads, and that is all there is while the peer keeps up and says nothing; a
`WebSocketEngine` is made when it does, and another Trio task writes what cannot be written
at once, and is gone when that is done.
"""

from __future__ import annotations

import functools
import logging
import math
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from ...errors import ConnectionRejected, ShuttingDown, TooManyConnections, UnknownSession
from ...events import Encoded
from ...protocol import CloseCode, websocket_close_frame
from ...realtime import Writing
from ..admission import Admission, Admitted, report
from ..visitors import endpoints_of, secured, shown
from .engine import RECEIVE_BYTES, WebSocketEngine, is_pong
from .errands import Errands
from .opening import SHUTTING_DOWN, Entrance
from .pulse import Pulse
from .stream import WebSocketStream

if TYPE_CHECKING:
    from ...realtime import Connection, RealtimeAgent

__all__ = ["Visit"]

_log = logging.getLogger(__name__)

_PING = bytes((0x89, 0))


class Visit:
    """One connection of one peer.

    Args:
        admission: who may come in.
        transport: the connection, just accepted: TCP, or what else carries bytes.
        path: of the one resource there is.
        ssl_context: for TLS, or None for none.
        pulse: asks whether it is still there.
        on_admitted: called once when the peer is let in.
    """

    __slots__ = (
        "_connection",
        "_cut",
        "_engine",
        "_entrance",
        "_errands",
        "_goodbye",
        "_life",
        "_limits",
        "_on_admitted",
        "_parting",
        "_pulse",
        "_realtime",
        "_remote",
        "_ssl_context",
        "_stream",
        "_transport",
        "_writes",
    )

    def __init__(
        self,
        realtime: RealtimeAgent,
        admission: Admission,
        transport: trio.abc.Stream,
        *,
        path: str,
        ssl_context: ssl.SSLContext | None,
        pulse: Pulse,
        on_admitted: Callable[[], None],
    ) -> None:
        self._realtime = realtime
        self._limits = realtime.limits
        self._ssl_context = ssl_context
        self._transport = transport
        self._pulse = pulse
        self._on_admitted = on_admitted
        self._remote, local = endpoints_of(transport)
        # Shielded, so that a cancel from outside leaves time for a close frame.
        deadline = trio.current_time() + self._limits.handshake_timeout
        self._life = trio.CancelScope(deadline=deadline, shield=True)
        self._parting: trio.CancelScope | None = None
        self._cut = False
        self._entrance: Entrance | None = Entrance(
            admission,
            path=path,
            secure=ssl_context is not None,
            remote=self._remote,
            local=local,
        )
        self._stream: WebSocketStream | None = None
        self._engine: WebSocketEngine | None = None
        self._connection: Connection | None = None
        # While it is served.
        self._errands: Errands | None = None
        self._writes = False
        self._goodbye: tuple[CloseCode, str] | None = None

    def __str__(self) -> str:
        return shown(self._remote)

    def turn_away(self) -> None:
        """A shutdown has begun: nobody is let in any more."""
        self.close()

    def close(self) -> None:
        """End it: with 1001, or with a 503 if the peer was not let in yet."""
        if self._connection is not None:
            self._connection.close(CloseCode.GOING_AWAY, "the server is shutting down")
        elif self._stream is None or not self._stream.opened:
            self._refuse(SHUTTING_DOWN)
            self._life.cancel()

    def cut(self) -> None:
        """End it at once, without a word."""
        self._cut = True
        self._life.cancel()
        if self._parting is not None:
            self._parting.cancel()

    async def attend(self) -> None:
        """Serve the peer until it is gone. Raises nothing that is the peer's fault."""
        with self._life:
            try:
                stream = await secured(self._transport, self._ssl_context)
            except trio.BrokenResourceError as broken:
                _log.debug("%s: no TLS handshake: %s", self, broken)
            else:
                await self._speak_websocket(stream)
        await self._part()

    async def _speak_websocket(self, transport: trio.abc.Stream) -> None:
        """Serve it, where a mistake of ours costs this connection and no other."""
        stream = self._stream = WebSocketStream(
            transport,
            write_timeout=self._limits.write_timeout,
        )
        try:
            try:
                await self._welcome(stream)
            except trio.BrokenResourceError as broken:
                _log.debug("%s: gone: %s", self, broken)
        except* Exception as group:
            self._fail(group)

    def _fail(self, mistake: Exception) -> None:
        reference = report(f"{self}: the connection failed", mistake)
        self._refuse(ConnectionRejected(500, f"Internal error, reference {reference}."))
        self._say_goodbye(CloseCode.INTERNAL_ERROR, f"internal error, reference {reference}")
        self._life.cancel()

    async def _welcome(self, stream: WebSocketStream) -> None:
        entrance = self._entrance
        assert entrance is not None
        try:
            admitted, answer, early = await entrance.let_in(stream, self._life)
        except ConnectionRejected as rejected:
            if entrance.begun:
                _log.info("%s: refused: %s", self, rejected)
            return
        del entrance  # as long as it is open, nothing of this is kept
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            connection = self._attach(stream, admitted)
        except ShuttingDown:
            self._refuse(SHUTTING_DOWN)
            return
        except UnknownSession as unknown:
            self._say_goodbye(CloseCode.SESSION_UNKNOWN, str(unknown))
            await stream.open(answer)
            return
        except TooManyConnections as full:
            _log.warning("%s: refused: %s", self, full)
            self._say_goodbye(CloseCode.TRY_AGAIN_LATER, str(full))
            await stream.open(answer)
            return
        del admitted
        try:
            await self._serve(stream, connection, answer, early)
        finally:
            self._note_how_it_ended(stream, connection)
            self._realtime.detach(connection)

    def _attach(self, stream: WebSocketStream, admitted: Admitted) -> Connection:
        writing = Writing(
            Encoded.websocket,
            stream,
            wake=self._wake,
            on_closing=self._note_closing,
        )
        connection = self._connection = self._realtime.attach(
            writing,
            admitted.principal,
            admitted.session_id,
            admitted.last_position,
            create=admitted.chosen,
        )
        return connection

    async def _serve(
        self, stream: WebSocketStream, connection: Connection, answer: bytes, early: bytes
    ) -> None:
        self._entrance = None
        self._life.deadline = math.inf
        self._on_admitted()
        if stream.writes_at_once:
            answer += connection.next_batch_nowait()
        await stream.open(answer)
        if early:
            stream.spend(early)
        nursery = trio.lowlevel.current_task().parent_nursery
        assert nursery is not None
        async with Errands(nursery, self._fail) as errands:
            self._errands = errands
            stream.pays_back(self._wake)
            if connection.has_queued or stream.owes or connection.closing is not None:
                self._wake()
            else:
                connection.next_batch_nowait()  # from now on it may be written to
            if connection.principal.expires_at is not None:
                errands.start(connection.wait_closing)
            self._pulse.add(self)
            try:
                await self._read(stream, early)
            finally:
                self._pulse.remove(self)
                self._errands = None

    async def _read(self, stream: WebSocketStream, data: bytes | bytearray) -> None:
        # Who only watches sends pongs, and needs no engine for them.
        while not data or is_pong(data):
            if data:
                self._note_pong()
            try:
                data = await stream.receive_some(RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            if not data:
                return
        try:
            engine = self._engine = WebSocketEngine(
                stream,
                bytes(data),
                max_message_bytes=self._limits.max_message_bytes,
                on_message=self._take,
                on_pong=self._note_pong,
            )
            del data
            await engine.run()
        except Exception as wrong:
            # Of some errors the text is what was sent, which can be a token.
            _log.debug("%s: sent what cannot be read: %s", self, type(wrong).__name__)
            self._say_goodbye(CloseCode.PROTOCOL_VIOLATED, "this cannot be read")

    def _note_pong(self) -> None:
        self._pulse.note_sign(self)

    def _take(self, message: str | None, too_long: bool) -> None:
        connection = self._connection
        assert connection is not None
        try:
            if message is not None:
                connection.receive(message)
            elif too_long:
                limit = self._limits.max_message_bytes
                connection.close(CloseCode.MESSAGE_TOO_BIG, f"at most {limit} bytes")
            else:
                connection.close(CloseCode.UNSUPPORTED_DATA, "text frames only")
        except Exception as wrong:
            self._fail(wrong)

    def _wake(self) -> None:
        """Something is to be written that could not be at once, unless the peer has left."""
        stream, connection, errands = self._stream, self._connection, self._errands
        if stream and connection and errands and not self._writes:
            self._writes = True
            errands.start(functools.partial(self._write, stream, connection))

    async def _write(self, stream: WebSocketStream, connection: Connection) -> None:
        """Write what is owed, and all that is queued."""
        try:
            batch = b""
            while stream.owes or (batch := connection.next_batch_nowait()):
                await stream.send_frames(batch)
                batch = b""
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._life.cancel()
        self._writes = False
        if connection.closing is not None:
            self._life.cancel()

    def _note_closing(self, drained: bool) -> None:
        """It is to be closed: when all is written, within bounds."""
        if drained and not self._writes:
            self._life.cancel()
        else:
            until = trio.current_time() + self._limits.close_timeout
            self._life.deadline = min(self._life.deadline, until)

    def ping(self) -> bool:
        """Ask the peer whether it is still there; see `Pulse`."""
        stream, errands = self._stream, self._errands
        assert stream is not None
        assert errands is not None
        if stream.busy:
            return False  # what is being written has a deadline, and tells as much
        if not stream.write_now(_PING):
            errands.start(functools.partial(self._send_ping, stream))
        return True

    async def _send_ping(self, stream: WebSocketStream) -> None:
        try:
            await stream.send_frames(_PING)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._life.cancel()

    def note_silence(self) -> None:
        """It was asked, and nothing came."""
        if self._connection is not None:
            why = "a ping was not answered"
            self._connection.close(CloseCode.HEARTBEAT_MISSED, why, flush=False)

    def _note_how_it_ended(self, stream: WebSocketStream, connection: Connection) -> None:
        if stream.torn:
            _log.info("%s: cut in the middle of a write: it did not take it, or left", self)
            connection.close(CloseCode.TOO_SLOW, "did not take what was written", flush=False)
        if connection.closing is not None:
            self._say_goodbye(*connection.closing)

    def _refuse(self, rejected: ConnectionRejected) -> None:
        if self._entrance is not None:
            self._entrance.refusal = rejected

    def _say_goodbye(self, code: CloseCode, reason: str) -> None:
        if self._goodbye is None:
            self._goodbye = (code, reason)

    async def _part(self) -> None:
        stream = self._stream
        if stream is None:
            await trio.aclose_forcefully(self._transport)
            return
        with trio.CancelScope(shield=True) as self._parting:
            if self._cut:
                self._parting.cancel()
            await stream.finish(self._last_words(stream), within=self._limits.close_timeout)

    def _last_words(self, stream: WebSocketStream) -> bytes:
        if stream.opened:
            goodbye = self._farewell(stream)
            return b"" if goodbye is None else websocket_close_frame(*goodbye)
        if self._entrance is None:
            return b""
        return self._entrance.last_words(too_late=self._life.deadline <= trio.current_time())

    def _farewell(self, stream: WebSocketStream) -> tuple[CloseCode, str] | None:
        """The close frame that is owed, if none was sent yet."""
        if self._goodbye is not None:
            return self._goodbye
        if stream.flooded:
            return CloseCode.PROTOCOL_VIOLATED, "too many frames"
        return self._engine.objection if self._engine is not None else None
