"""What was received of a peer, on its way to the parser.

The reader never waits for the application: it would not notice then that the peer has left.
But Hypercorn stops parsing while a request is being answered and another one has begun to
come in. So there are two Trio tasks, and this between them:

```
 reader ──give──▶ held ──take──▶ parser ──▶ application
                                   │
                                   └ stopped: `wait` was called, until `set` is
```

While the parser runs, `give` waits for it; while it is stopped, a little is held for it.
"""

from __future__ import annotations

import trio

__all__ = ["Inlet"]

# What may be pipelined behind a request that is being answered: four heads of the greatest
# size. Browsers do not pipeline at all.
_MAX_HELD_BYTES = 64 * 1024


class Inlet:
    """Bytes for a parser, and what Hypercorn calls its `can_read` event."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._given = trio.Event()
        self._settled = trio.Event()
        self._stopped = False
        self._may_go_on = trio.Event()

    @property
    def empty(self) -> bool:
        """Whether nothing is held."""
        return not self._held

    async def give(self, data: bytes | bytearray) -> bool:
        """Hand over, and wait until it was parsed or the parser has stopped.

        Returns:
            False when there is no room for it.

        Cancellation: it was handed over.
        """
        if len(self._held) + len(data) > _MAX_HELD_BYTES:
            return False
        self._held += data
        self._given.set()
        if self._stopped:
            await trio.lowlevel.checkpoint()
        else:
            self._settled = trio.Event()
            await self._settled.wait()
        return True

    async def take(self) -> bytes:
        """Wait for something to parse.

        Cancellation: nothing is lost.
        """
        await trio.lowlevel.checkpoint()
        if not self._held:
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
        self._settled.set()
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
