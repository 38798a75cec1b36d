"""The stream that trio-websocket and its owner share, with one writer at a time.

trio-websocket reads, parses and answers pings through it, and its owner writes frames
that were made elsewhere. What may pass depends on where the connection stands:

```
 asking ──open()──▶ open ──a close frame passes──▶ closing ──finish()──▶ closed
   │                                                            ▲
   └─ refused: a readable answer is sent by finish() ───────────┘
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


class WebSocketStream(BoundedStream):
    """A `BoundedStream` that knows what a WebSocket may still send.

    Args:
        transport: TCP, or TLS over it.
        write_timeout: how long one write may take, in seconds.
    """

    def __init__(
        self,
        transport: trio.abc.Stream,
        *,
        write_timeout: float,
    ) -> None:
        super().__init__(transport, write_timeout=write_timeout)
        self.opened: bool = False
        """Whether the peer was let in, so that it is spoken to in frames."""
        self.flooded: bool = False
        """Whether the peer sent too much that means nothing."""
        self._released = False
        self._close_sent = False
        self._budget: FrameBudget | None = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write `data`, unless the peer was sent a close frame."""
        if self._released:
            raise trio.ClosedResourceError("trio-websocket has let go of this stream")
        await super().send_all(data)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Some bytes of the peer's, or none when it has closed its side.

        Raises:
            trio.BrokenResourceError: also when it sends too much that means nothing.
        """
        if self._released:
            raise trio.ClosedResourceError("trio-websocket has let go of this stream")
        data = await self.transport.receive_some(max_bytes)
        if self.opened:
            self.spend(data)
        return data

    def spend(self, data: bytes | bytearray) -> None:
        """Take note of what a peer has sent that was let in.

        Raises:
            trio.BrokenResourceError: when that is too much that means nothing.
        """
        now = trio.current_time()
        if self._budget is None:  # whoever has sent nothing yet has it whole
            self._budget = FrameBudget(now)
        self.flooded = not self._budget.spend(data, now)
        if self.flooded:
            raise trio.BrokenResourceError("the peer sent too much that means nothing")

    async def aclose(self) -> None:
        """Let go of it; `finish` closes it."""
        self._released = True
        await trio.lowlevel.checkpoint()

    @property
    def torn(self) -> bool:
        """Whether a write was cut, so that nothing can follow it."""
        return self._torn

    async def open(self, answer: bytes) -> None:
        """Let the peer in: from now on it is spoken to in frames.

        Args:
            answer: to its handshake, and the first frames.

        Raises:
            trio.BrokenResourceError: when they cannot be written within the deadline.
        """
        self.opened = True
        if self.write_now(answer):
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await super().send_all(answer)

    async def send_frames(self, frames: bytes) -> None:
        """Write whole frames, unless a close frame was sent.

        Raises:
            trio.BrokenResourceError: when they cannot be written within the deadline.
        """
        await super().send_all(frames)

    def write_now(self, data: bytes) -> bool:
        """Take whole frames without waiting, or nothing and say False."""
        return self.opened and not self._close_sent and super().write_now(data)

    def lend(self, on_recall: Callable[[], None]) -> Callable[[bytes], int] | None:
        """Lend what writes whole frames without waiting; None where `write_now` says False."""
        return super().lend(on_recall) if self.opened and not self._close_sent else None

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
            self._tear()
            await trio.aclose_forcefully(self.transport)

    async def _write(self, data: bytes | bytearray | memoryview) -> None:
        # Cancelled here, nothing is torn; after this there is no cancelled checkpoint
        # until a part was written or the peer was waited for.
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._close_sent:
            return
        self._close_sent = self.opened and data[:1] == bytes((_CLOSE_FRAME,))
        await super()._write(data)
