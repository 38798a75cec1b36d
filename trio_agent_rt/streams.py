"""A byte stream that waits with a bound, for transports and clients.

Whoever parses a protocol writes when it likes and without a deadline, and after a cancelled
write its next bytes land inside the torn ones. Given a `BoundedStream`, it and its user share
one owner of the socket:

```
 open ──write done──▶ open ──write_now took a part──▶ owing ──the rest is written──▶ open
  │ write cancelled, timed out or failed                │
  ▼                                                     │
 torn ◀─────────────────────────────────────────────────┘
  └──▶ closed                 a torn stream is closed at once and stays so: nothing may
                              follow half a frame; nothing comes before what is owed
```

Who writes to thousands may `lend` of each what writes to it. It is recalled before anything
else is written that may wait, when something is owed, and before the stream is closed: so
what was lent never writes into the middle of something.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from types import TracebackType
from typing import Generic, Protocol, TypeVar, cast, runtime_checkable

import trio

__all__ = ["MAX_DRAINED_BYTES", "BoundedStream", "Draining", "Readable", "WritableNow", "drain"]

MAX_DRAINED_BYTES = 16 * 1024 * 1024
"""What is still read of a peer that was told that this is the end: enough for whatever an
honest one had on its way, and no work for a flood."""

T = TypeVar("T")


@runtime_checkable
class Readable(Protocol):
    """A stream without a socket that can be asked whether something has come."""

    def is_readable(self) -> bool:
        """Whether a read would not wait: there are bytes, or it is over."""
        ...


@runtime_checkable
class WritableNow(Protocol):
    """A stream without a socket that can be written to without waiting."""

    def send_nowait(self, data: bytes) -> int:
        """How many of these bytes it has taken, from the first on; 0 if `send_all` is to say why.

        Never raises, takes nothing while a `send_all` is under way, and calls nobody back
        before it returns.
        """
        ...


class BoundedStream(trio.abc.Stream):
    """A stream whose every write is whole, exclusive, and done within a deadline.

    Args:
        transport: the stream underneath, which is closed together with this one.
        write_timeout: how long one `send_all` may take, in seconds.
        on_end: called, once, when the peer has closed its side or the connection broke.
    """

    def __init__(
        self,
        transport: trio.abc.Stream,
        *,
        write_timeout: float,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.transport = transport
        self._write_timeout = write_timeout
        self._on_end = on_end
        self._ended = False
        self._lock = trio.StrictFIFOLock()
        self._torn = False
        self._send_nowait = _sender(transport)
        self._owed: bytes | memoryview = b""
        self._on_owing: Callable[[], None] = _nothing
        self._on_recall: Callable[[], None] | None = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write all of `data`, after what others are writing now.

        Raises:
            trio.BrokenResourceError: when it is torn, or not written within the deadline.

        Cancellation: what was being written is lost, and so is the stream.
        """
        self._recall()
        async with self._lock:
            await self._write(data)

    def write_now(self, data: bytes) -> bool:
        """Take all of `data` without waiting, or nothing and say False.

        What the peer does not take at once is owed: nothing is written before it, and
        whoever `pays_back` is told. False where something is being written or owed, where
        the peer takes nothing, or where only `send_all` can write: `send_all` says why.
        """
        if self._send_nowait is None or self._torn or self.busy:
            return False
        return self.note_taken(data, self._send_nowait(data))

    def lend(self, on_recall: Callable[[], None]) -> Callable[[bytes], int] | None:
        """Lend what `write_now` writes with; None where that would say False.

        It says how many bytes it has taken, 0 or an OSError for none, and is not to be
        called after `on_recall` is. When it did not take all, `note_taken` is to be told.
        """
        if self._send_nowait is None or self._torn or self.busy:
            return None
        lent = _bare_sender(self.transport)
        self._on_recall = None if lent is None else on_recall
        return lent

    @trio.lowlevel.enable_ki_protection
    def note_taken(self, data: bytes, taken: int) -> bool:
        """Take the rest of `data`: it is owed. Of nothing taken, nothing, and say False."""
        if not taken:
            return False
        if taken < len(data):
            self._recall()
            self._owed = memoryview(data)[taken:]
            self._on_owing()
        return True

    @trio.lowlevel.enable_ki_protection
    def _recall(self) -> None:
        on_recall, self._on_recall = self._on_recall, None
        if on_recall is not None:
            on_recall()

    def _tear(self) -> None:
        """Nothing is written any more: it is closed next."""
        self._torn = True
        self._recall()

    @property
    def writes_at_once(self) -> bool:
        """Whether anything can be written to it without waiting."""
        return self._send_nowait is not None

    @property
    def owes(self) -> bool:
        """Whether some of what `write_now` took is still to be written."""
        return bool(self._owed)

    @property
    def busy(self) -> bool:
        """Whether something is being written, or owed."""
        return bool(self._owed) or self._lock.locked()

    def pays_back(self, start: Callable[[], None]) -> None:
        """Have `start` called whenever something is owed: it has `send_all(b"")` called."""
        self._on_owing = start

    async def _write(self, data: bytes | bytearray | memoryview) -> None:
        if self._owed:
            owed = self._owed
            await self._write_within_bound(owed)
            self._owed = b""
        if data:
            await self._write_within_bound(data)
        else:
            await trio.lowlevel.checkpoint()

    async def _write_within_bound(self, data: bytes | bytearray | memoryview) -> None:
        if self._torn:
            raise trio.BrokenResourceError("an earlier write was not finished")
        whole = False
        try:
            with trio.move_on_after(self._write_timeout):
                await self.transport.send_all(data)
                whole = True
        finally:
            if not whole:
                self._tear()
                await trio.aclose_forcefully(self.transport)
        if not whole:
            raise trio.BrokenResourceError(
                f"the peer did not take all of it within {self._write_timeout:g} s"
            )

    async def send_eof(self) -> None:
        """Say that nothing more comes, after what others are writing; reading goes on.

        Over TLS it is TCP's own word alone.
        """
        self._recall()
        async with self._lock:
            if self._owed:
                await self._write(b"")
            if not self._torn:
                await _send_eof(_tcp(self.transport))

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until a write may go through at once."""
        await self.transport.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Some bytes of the peer's, or none when it has closed its side."""
        try:
            data = await self.transport.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._end()
            raise
        if not data:
            self._end()
        return data

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._on_end()

    async def aclose(self) -> None:
        """Close it; a write that is under way is cut."""
        self._tear()
        await self.transport.aclose()


def _nothing() -> None:
    pass


def _bare_sender(transport: trio.abc.Stream) -> Callable[[bytes], int] | None:
    """As `_sender`, without asking for the descriptor each time."""
    if isinstance(transport, trio.SocketStream) and os.name == "posix":
        # Trio's name for the socket that it has is not a public one; where it is another,
        # it is written to by its descriptor. What is closed takes nothing, either way.
        inside: object = getattr(transport.socket, "_sock", None)
        if isinstance(inside, socket.socket):
            return None if inside.fileno() < 0 else inside.send
    return _sender(transport)


def _sender(transport: trio.abc.Stream) -> Callable[[bytes], int] | None:
    """What writes to it without waiting, if anything can."""
    # Asked first, since it is asked so of every connection: a protocol takes longer to ask.
    if not isinstance(transport, trio.SocketStream):
        return transport.send_nowait if isinstance(transport, WritableNow) else None
    # Only Trio's own sockets can be written to without it, and only where a socket is a file
    # descriptor like any other.
    if os.name != "posix":
        return None
    raw = transport.socket

    def send_nowait(data: bytes) -> int:
        try:
            # Asked for each time: -1 once it is closed, and never another one's.
            return os.write(raw.fileno(), data)
        except OSError:
            return 0

    return send_nowait


async def drain(transport: trio.abc.Stream) -> None:
    """Close our side, and read until the peer closes its own.

    A TCP connection that is closed with bytes unread is reset, and a reset takes from the
    peer what it had not read either.

    Args:
        transport: TCP, or TLS over it.
    """
    raw = _tcp(transport)
    await _send_eof(raw)
    drained = 0
    while drained < MAX_DRAINED_BYTES and (data := await raw.receive_some()):
        drained += len(data)


def _tcp(transport: trio.abc.Stream) -> trio.abc.Stream:
    while isinstance(transport, trio.SSLStream):
        transport = cast("trio.SSLStream[trio.abc.Stream]", transport).transport_stream
    return transport


async def _send_eof(raw: trio.abc.Stream) -> None:
    if isinstance(raw, trio.abc.HalfCloseableStream):
        await raw.send_eof()


class Draining(Generic[T]):
    """An async generator of httpx, to be used with `async with` and left at any point.

    It stands on a tower of others, and closing the topmost leaves the rest to the garbage
    collector, which complains. A tower that is cancelled while it waits falls as one: so
    it is asked for more until it would have to wait.
    """

    def __init__(self, iterator: AsyncIterator[T]) -> None:
        self._iterator = iterator

    async def __aenter__(self) -> AsyncIterator[T]:
        return self._iterator

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with trio.CancelScope(shield=True) as scope, suppress(Exception):
            scope.cancel(reason="the rest is not wanted")
            async for _ in self._iterator:
                pass
