"""What was received of a peer, on its way to the parser.

The reader does not wait for the application: it would not notice then that the peer has left.
But Hypercorn stops parsing while a request is being answered and another one has begun to
come in. So there are two Trio tasks, and this between them:

```
 reader ──give──▶ held ──take──▶ parser ──▶ application
                                   │
                                   └ stopped: `wait` was called, until `set` is
```

While the parser runs, `give` waits for it; while it is stopped, a little is held for it. What
comes beyond that waits in the kernel: a client may have its whole answer, and send its next
request of any size, before the application is done with the one before. As long as `give`
waits for that, a peer's leaving is not noticed.
"""

from __future__ import annotations

import trio

__all__ = ["MAX_HELD_BYTES", "Inlet"]

MAX_HELD_BYTES = 64 * 1024
"""What may be pipelined behind a request while the peer's leaving is still noticed: four heads
of the greatest size. Browsers do not pipeline at all."""


class Inlet:
    """Bytes for a parser, and what Hypercorn calls its `can_read` event."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._ended = False
        self._given = trio.Event()
        self._settled = trio.Event()
        self._stopped = False
        self._may_go_on = trio.Event()

    @property
    def empty(self) -> bool:
        """Whether nothing is held."""
        return not self._held

    async def give(self, data: bytes | bytearray) -> None:
        """Hand over; wait until it was parsed, or the parser has stopped and more may come.

        Cancellation: it was handed over.
        """
        self._held += data
        self._given.set()
        self._settled = trio.Event()
        self._settle_if_stopped()
        await self._settled.wait()

    def end(self) -> None:
        """Nothing more comes: `take` says so once all of it is taken."""
        self._ended = True
        self._given.set()

    def drop(self) -> None:
        """Forget what is held, and let the reader go on."""
        self._held.clear()
        self._settled.set()

    async def take(self) -> bytes:
        """Wait for something to parse; nothing is the end.

        Cancellation: nothing is lost.
        """
        await trio.lowlevel.checkpoint()
        while not (self._held or self._ended):
            self._given = trio.Event()
            self._settled.set()
            await self._given.wait()
        taken = bytes(self._held)
        self._held.clear()
        return taken

    async def clear(self) -> None:
        """Close the gate; only `wait` tells that somebody stands there."""
        self._may_go_on = trio.Event()

    async def wait(self) -> None:
        """Stop until `set` is called."""
        self._stopped = True
        self._settle_if_stopped()
        try:
            await self._may_go_on.wait()
        finally:
            self._stopped = False

    async def set(self) -> None:
        """Let the parser go on."""
        self._may_go_on.set()

    def is_set(self) -> bool:
        """Whether the parser may go on."""
        return self._may_go_on.is_set()

    def _settle_if_stopped(self) -> None:
        if self._stopped and len(self._held) <= MAX_HELD_BYTES:
            self._settled.set()
