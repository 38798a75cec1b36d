"""trio-websocket, for a peer that has been let in, in the Trio task that reads.

As it is, trio-websocket parses the handshake itself, reads in a Trio task of its own, and
hands on each message to another one. For viewers, who hardly ever say something, that is
most of what a connection holds and costs. So it begins here behind the handshake, reads in
the Trio task of whoever runs it, and gives each message to a callback.

This uses names of trio-websocket that are not its public ones: `_reader_task`,
`_handle_message_event`, `_handle_pong_event`, `_send_channel`, `_recv_channel` and
`_connection_proposal`.
`tests/transports/websocket/test_engine.py` says so when they change.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

import trio
import wsproto
from trio_websocket import WebSocketConnection
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, Event, Pong, TextMessage

from ...protocol import CloseCode

__all__ = ["RECEIVE_BYTES", "WebSocketEngine", "is_pong"]

# What is received is parsed in one go, some 10 µs a frame, while everybody else waits: this
# holds 300 of the smallest frames.
RECEIVE_BYTES = 2048
"""At once, of a peer that was let in."""


_PROTOCOL_ERROR = 1002  # RFC 6455, 7.4.1
_EMPTY_PONG = bytes((0x8A, 0x80))
_EMPTY_PONG_BYTES = 6


def is_pong(data: bytes | bytearray) -> bool:
    """Whether that is one whole pong without a payload, and nothing else."""
    return len(data) == _EMPTY_PONG_BYTES and data.startswith(_EMPTY_PONG)


class _Opened(wsproto.WSConnection):
    """wsproto behind the handshake, without the HTTP parser that it would keep.

    Args:
        early: what the peer has sent that nobody has parsed yet.
    """

    def __init__(self, early: bytes) -> None:
        self.client = False
        self._opened = self.connection = Connection(ConnectionType.SERVER)
        self._opened.receive_data(early)

    def events(self) -> Generator[Event, None, None]:
        yield from self._opened.events()


class _NoChannel:
    """Where trio-websocket would put messages for another Trio task."""

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        pass

    async def aclose(self) -> None:
        """Nothing to close."""


_NO_CHANNEL = _NoChannel()


class WebSocketEngine(WebSocketConnection):
    """Reads, answers pings and closes, and gives whole messages to `on_message`.

    Args:
        stream: what it reads from, and writes its answers to.
        early: what the peer has sent that nobody has parsed yet.
        max_message_bytes: what is longer is not collected.
        on_message: called with the text of each message, or with None for what is none:
            a binary message, or, if its second argument is true, one that is too long.
        on_pong: called when the peer has answered a ping.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        early: bytes,
        *,
        max_message_bytes: int,
        on_message: Callable[[str | None, bool], None],
        on_pong: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(stream, _Opened(early), receive_buffer_size=RECEIVE_BYTES)
        # All that is not needed behind a handshake, with a callback: 2 kB.
        self._send_channel = self._recv_channel = _NO_CHANNEL
        self._connection_proposal = None
        self._max_bytes = max_message_bytes
        self._on_message = on_message
        self._on_pong = on_pong
        self._parts: list[str] = []
        self._size = 0

    @property
    def objection(self) -> tuple[CloseCode, str] | None:
        """What is to be said of the peer, where it has closed because that broke the rules."""
        closed = self.closed
        if closed is not None and closed.code == CloseCode.INVALID_DATA:
            return CloseCode.INVALID_DATA, closed.reason or ""
        if closed is not None and closed.code == _PROTOCOL_ERROR:
            return CloseCode.PROTOCOL_VIOLATED, closed.reason or ""
        return None

    async def run(self) -> None:
        """Read until the peer or somebody else has closed the connection.

        Raises:
            Exception: some kind, when the peer has sent what trio-websocket does not survive.

        Cancellation: safe; what was read and is no whole message yet is lost.
        """
        await self._reader_task()

    async def _handle_message_event(self, event: BytesMessage | TextMessage) -> None:
        if self._tell(event):
            # A command may take its time, and a hundred may have come at once.
            await trio.lowlevel.checkpoint()

    async def _handle_pong_event(self, event: Pong) -> None:
        self._on_pong()

    def _tell(self, event: BytesMessage | TextMessage) -> bool:
        """Whether a message was given."""
        if isinstance(event, BytesMessage):
            self._on_message(None, False)
            return True
        text, last = event.data, event.message_finished
        self._size += len(text) if text.isascii() else len(text.encode())
        too_long = self._size > self._max_bytes
        if too_long:
            self._parts.clear()
            self._on_message(None, True)
        elif last:
            self._on_message("".join((*self._parts, text)) if self._parts else text, False)
        else:
            self._parts.append(text)
        if last:
            self._parts.clear()
            self._size = 0
        return last or too_long
