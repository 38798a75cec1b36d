"""The stream that trio-websocket and its owner share, with one writer at a time.

trio-websocket reads, parses and answers pings through it, and its owner writes frames
that were made elsewhere. What may pass depends on where the connection stands:

```
 asking ──open()──▶ open ──a close frame passes──▶ closing ──finish()──▶ closed
   │                                                            ▲
   └─ refused: trio-websocket's bare answer is held back, ──────┘
      the owner's readable one is sent by finish()
```

In `closing` whatever else is written is swallowed. That is what makes a close of ours
safe: trio-websocket, which was not told of it, may go on answering pings, refusing what
is too big and echoing the peer's close, and none of it can follow the close frame or
fail. When trio-websocket closes the stream, it only lets go of it: a close frame may
still be owed, and closing with bytes unread would reset the connection and take the
frame from the peer.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from ...streams import BoundedStream, drain
from .frames import FrameBudget

__all__ = ["WebSocketStream"]

_CLOSE_FRAME = 0x88

# What a handshake may have, and what may come before its answer: h11 takes 16 KiB of
# headers, and holds without a bound what follows them.
_MAX_HEAD_BYTES = 64 * 1024


class WebSocketStream(BoundedStream):
    """A `BoundedStream` that knows what a WebSocket may still send.

    Args:
        transport: TCP, or TLS over it.
        write_timeout: how long one write may take, in seconds.
        on_end: called, once, when nothing more is to come: the peer has closed its side,
            the connection broke, the peer sent too much that means nothing, or
            trio-websocket is done with it.
    """

    def __init__(
        self,
        transport: trio.abc.Stream,
        *,
        write_timeout: float,
        on_end: Callable[[], None],
    ) -> None:
        super().__init__(transport, write_timeout=write_timeout, on_end=on_end)
        self.head: bytearray = bytearray()
        """What the peer has sent before it was let in."""
        self.opened: bool = False
        """Whether the peer was let in, so that it is spoken to in frames."""
        self.flooded: bool = False
        """Whether the peer sent too much that means nothing."""
        self._released = False
        self._close_sent = False
        self._budget = FrameBudget(trio.current_time())

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write `data`, unless the peer is not let in yet or was sent a close frame."""
        if self._released:
            raise trio.ClosedResourceError("trio-websocket has let go of this stream")
        if self.opened:
            await super().send_all(data)
        else:
            await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Some bytes of the peer's, or none when it has closed its side.

        Raises:
            trio.BrokenResourceError: also when it sends too much that means nothing.
        """
        if self._released:
            raise trio.ClosedResourceError("trio-websocket has let go of this stream")
        data = await super().receive_some(max_bytes)
        if self.opened:
            self.flooded = not self._budget.spend(data, trio.current_time())
        else:
            self.head += data
            self.flooded = len(self.head) > _MAX_HEAD_BYTES
        if self.flooded:
            self._end()
            raise trio.BrokenResourceError("the peer sent too much that means nothing")
        return data

    async def aclose(self) -> None:
        """Let go of it; `finish` closes it."""
        self._released = True
        self._end()
        await trio.lowlevel.checkpoint()

    @property
    def torn(self) -> bool:
        """Whether a write was cut, so that nothing can follow it."""
        return self._torn

    def open(self) -> None:
        """The peer is let in: from now on trio-websocket may write."""
        self.opened = True

    async def send_frames(self, frames: bytes) -> None:
        """Write whole frames, unless a close frame was sent.

        Raises:
            trio.BrokenResourceError: when they cannot be written within the deadline.
        """
        await super().send_all(frames)

    def write_now(self, data: bytes) -> bool:
        """Take whole frames without waiting, or nothing and say False."""
        return self.opened and not self._close_sent and super().write_now(data)

    async def finish(self, last_words: bytes, *, within: float) -> None:
        """Say the last words if a peer can still hear them, and close.

        Args:
            last_words: a close frame, or the HTTP answer to a refused handshake. A peer
                that was sent a close frame already is not sent another one.
            within: seconds for the peer to take them and to close its side.

        Cancellation: closes at once.
        """
        try:
            with trio.move_on_after(within):
                if last_words:
                    await super().send_all(last_words)
                if (last_words or self._close_sent) and not self._torn:
                    await drain(self.transport)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self._torn = True
            await trio.aclose_forcefully(self.transport)

    async def _write(self, data: bytes | bytearray | memoryview) -> None:
        # Cancelled here, nothing is torn; after this there is no cancelled checkpoint
        # until a part was written or the peer was waited for.
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._close_sent:
            return
        self._close_sent = self.opened and data[:1] == bytes((_CLOSE_FRAME,))
        await super()._write(data)
