"""Who watches a session, and how what it publishes reaches them.

```
 publish ──▶ outbox ──flusher, once per scheduler pass──▶ each viewer: written at once if
                │                                          it waits for nothing else, or
                │                                          into its channel
                ├──before an answer to one viewer──▶ that viewer: `bring`
                └──too much for one pass──▶ all of them: `spill`
```

To give a viewer what it has not got yet is synchronous wherever it happens, so that no
order of these can lose, double or swap anything: a viewer stands at a number, and gets
what follows it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING
from weakref import WeakSet

from ...protocol import CloseCode
from .outbox import Batch, Outbox

if TYPE_CHECKING:
    from ...events import Encoded
    from ..peers import Connection
    from .flusher import Flusher

__all__ = ["Viewers"]

_log = logging.getLogger(__name__)

# A pass may do so much before others have their turn: to write to a socket is some 5 µs, and
# some 4 kB more cost as much again. That makes a millisecond or two.
_BYTES_PER_WRITE = 4096


class Viewers:
    """Those of one session.

    Args:
        flusher: gives them what was published.
        max_events: that wait for it; more are handed on at once.
        max_bytes: of JSON, likewise.
    """

    def __init__(self, flusher: Flusher, *, max_events: int, max_bytes: int) -> None:
        self._flusher = flusher
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._outbox = Outbox()
        # In the order of their coming, which is also the order in which they are given.
        self._connections: dict[Connection, None] = {}
        # Weak: an iterator that was let go of says nothing to anybody.
        self._observers: WeakSet[Connection] = WeakSet()

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def connections(self) -> list[Connection]:
        """Those that came through a transport, oldest first."""
        return list(self._connections)

    def add(self, connection: Connection) -> None:
        """One more, which was given all that was published until now."""
        connection.number = self._outbox.end
        self._connections[connection] = None

    def remove(self, connection: Connection) -> None:
        """It has gone; what it was not given is not for it any more."""
        self._connections.pop(connection, None)

    def add_observer(self, connection: Connection) -> None:
        """One inside this process, which is given everything at once."""
        self._observers.add(connection)

    def remove_observer(self, connection: Connection) -> None:
        """An observer has stopped looking."""
        self._observers.discard(connection)

    def publish(self, item: Encoded) -> None:
        """Have everybody given `item`, after all that came before. Never waits."""
        if self._observers:
            for observer in tuple(self._observers):
                observer.offer(item)
                if observer.closing is not None:
                    self.remove_observer(observer)
        self.publish_to_peers(item)

    def publish_to_peers(self, item: Encoded) -> None:
        """As `publish`, without the observers."""
        if not self._connections:
            return
        outbox = self._outbox
        outbox.put(item)
        if len(outbox) > self._max_events or outbox.size > self._max_bytes:
            self.spill()
        else:
            self._flusher.note(self)

    def bring(self, connection: Connection) -> None:
        """Give one of them now what it has not got yet."""
        outbox = self._outbox
        if connection.number < outbox.end and connection in self._connections:
            self._give(connection, outbox.after(connection.number))

    def spill(self) -> None:
        """Give all of them now what they have not got yet, in one go."""
        for _ in self.flush():
            pass

    def flush(self) -> Iterator[int]:
        """Give all of them what they have not got yet, one after the other.

        Between any two, more may be published, and viewers may come and go.

        Yields:
            After each what it has cost, in writes of a small event.
        """
        outbox = self._outbox
        end = outbox.end
        for connection in tuple(self._connections):
            if connection.number < outbox.end:
                batch = outbox.after(connection.number)
                self._give(connection, batch)
                yield 1 + batch.size // _BYTES_PER_WRITE
        outbox.forget(end)

    def _give(self, connection: Connection, batch: Batch) -> None:
        connection.number = batch.end
        try:
            connection.take(batch)
        except Exception:
            # A transport's mistake is nobody else's.
            _log.exception("%r: closed: what it should be given it could not take", connection)
            connection.close(CloseCode.INTERNAL_ERROR, "internal error", flush=False)
