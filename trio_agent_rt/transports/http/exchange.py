"""One request and its answer, as the code that answers it may see and steer them."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Callable

import trio

from ...streams import BoundedStream

__all__ = ["LAST_CHUNK", "Exchange", "Pieces", "chunk", "current_exchange", "set_current_exchange"]

_current: contextvars.ContextVar[Exchange] = contextvars.ContextVar("trio_agent_rt_exchange")


def current_exchange() -> Exchange | None:
    """The exchange that the calling code answers, or None under another server than ours."""
    return _current.get(None)


def set_current_exchange(exchange: Exchange) -> None:
    """Say which exchange the calling Trio task answers."""
    _current.set(exchange)


LAST_CHUNK = b"0\r\n\r\n"
"""Ends a body that is sent in chunks."""


def chunk(data: bytes) -> bytes:
    """A piece of a body that is sent in chunks (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Pieces(AsyncIterator[bytes]):
    """The pieces of a body, as an application would iterate over it."""

    def release(self) -> None:
        """Nothing more of it is written."""
        raise NotImplementedError


class Exchange:
    """A request that came in at `serve_app`, for a handler whose answer goes on and on.

    Such a handler calls `mark_streaming` before its answer begins, and ends it once
    `wait_closing` returns; otherwise the answer is cut when the server shuts down. Where the
    request came from is in its ASGI scope.

    Args:
        on_streaming: called once, when the answer is said to be a stream.
        on_taken_over: called once, with what the server is to write itself from then on.
        cut: ends the connection.
    """

    def __init__(
        self,
        *,
        on_streaming: Callable[[], None],
        on_taken_over: Callable[[Pieces], None],
        cut: Callable[[], None],
    ) -> None:
        self._streaming = False
        self._taken_over = False
        self._on_streaming = on_streaming
        self._on_taken_over = on_taken_over
        self._on_close: Callable[[], None] | None = None
        self._cut = cut
        self._closing = trio.Event()
        self._marker: bytes | None = None
        self._wire: BoundedStream | None = None

    @property
    def streaming(self) -> bool:
        """Whether the answer is a stream."""
        return self._streaming

    def mark_streaming(self, on_close: Callable[[], None] | None = None) -> None:
        """Say, before the answer begins, that it goes on until somebody ends it.

        Whatever the peer still sends is read and dropped, so that its leaving is noticed
        at once; too much of it ends the connection. The answer has `Connection: close`.

        Args:
            on_close: called by `close`, once; must not raise.
        """
        if not self._streaming:
            self._streaming = True
            self._on_close = on_close
            self._on_streaming()

    def expect(self, marker: bytes) -> None:
        """Say what the first piece of the stream's body will be, before it is given.

        If exactly that comes to the wire, as one chunk, then nothing stands between the stream
        and the wire that would change its bytes: it `reaches_wire`.
        """
        self._marker = chunk(marker)

    def note_written(self, data: bytes, wire: BoundedStream) -> None:
        """Take note of what was written to the wire."""
        if self._marker is not None and data == self._marker:
            self._marker = None
            self._wire = wire

    @property
    def reaches_wire(self) -> bool:
        """Whether what the stream gives comes to the wire as it is."""
        return self._wire is not None

    def take_over(self, pieces: Pieces) -> None:
        """Have the server write the rest of the stream, which `reaches_wire`.

        Whatever the application still says of its answer is not heard, and it may end.

        Args:
            pieces: of the body, to its end; released when nothing more of it is written.
        """
        self._taken_over = True
        self._on_taken_over(pieces)

    @property
    def taken_over(self) -> bool:
        """Whether the server writes the rest of the answer itself."""
        return self._taken_over

    def write_now(self, data: bytes) -> bool:
        """Take whole chunks of the body without waiting, or nothing and say False.

        To be called only while the stream's next piece is being waited for.
        """
        return self._wire is not None and self._wire.write_now(data)

    def lend(self, on_recall: Callable[[], None]) -> Callable[[bytes], int] | None:
        """Lend what `write_now` writes with, until it is recalled; None where it says False."""
        return None if self._wire is None else self._wire.lend(on_recall)

    def note_taken(self, data: bytes, taken: int) -> bool:
        """Take the rest of `data`; of nothing taken, nothing, and say False."""
        return self._wire is not None and self._wire.note_taken(data, taken)

    @property
    def closing(self) -> bool:
        """Whether the answer is to be brought to its end: the server is about to close."""
        return self._closing.is_set()

    async def wait_closing(self) -> None:
        """Return when the answer is to be brought to its end.

        What is not written within 0.8 s after that is cut.

        Cancellation: safe.
        """
        await self._closing.wait()

    def close(self) -> None:
        """Have the answer brought to its end by whoever writes it."""
        if not self._closing.is_set():
            self._closing.set()
            if self._on_close is not None:
                self._on_close()

    def cut(self) -> None:
        """End the connection at once, even in the middle of a write; safe to repeat."""
        self._cut()
