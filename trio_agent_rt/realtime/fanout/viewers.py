"""Who watches a session, and how what it publishes reaches them.

```
 publish ──▶ outbox ──flusher, once per scheduler pass─┬▶ cohorts: each as a whole
                │                                        └▶ each of the others: written at once
                │                                           if it waits for nothing else, and
                │                                           in a cohort from then on; or into
                │                                           its channel
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

import trio

from ...protocol import CloseCode
from .cohort import Cohort
from .outbox import Batch, Outbox

if TYPE_CHECKING:
    from ...events import Encoded
    from ..peers import Connection, Form
    from .flusher import Flusher

__all__ = ["Viewers"]

_log = logging.getLogger(__name__)

# A pass may do so much before others have their turn: to write to a socket is some 5 µs, and
# some 4 kB more cost as much again. That makes a millisecond or two.
_BYTES_PER_WRITE = 4096

# A whole cohort is written to between two turns of everybody else's: not more than this.
_MAX_COHORT_BATCH_BYTES = 4 * _BYTES_PER_WRITE


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
        self._alone: dict[Connection, None] = {}
        self._cohorts: list[Cohort] = []
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
        self._connections[connection] = self._alone[connection] = None

    @trio.lowlevel.enable_ki_protection
    def remove(self, connection: Connection) -> None:
        """It has gone; what it was not given is not for it any more."""
        connection.leave_cohort()
        self._connections.pop(connection, None)
        self._alone.pop(connection, None)

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
        connection.leave_cohort()
        outbox = self._outbox
        if connection.number < outbox.end and connection in self._connections:
            self._give(connection, outbox.after(connection.number))

    def spill(self) -> None:
        """Give all of them now what they have not got yet, in one go."""
        for _ in self.flush():
            pass

    def flush(self) -> Iterator[int]:
        """Give all of them what they have not got yet, one after the other.

        Between any two yields, more may be published, and viewers may come and go.

        Yields:
            Again and again what it has cost since, in writes of a small event.
        """
        end = self._outbox.end
        self._tidy()
        for cohort in tuple(self._cohorts):
            yield self._give_cohort(cohort)
        for connection in tuple(self._alone):
            if connection.cohort is None and connection.number < self._outbox.end:
                batch = self._outbox.after(connection.number)
                self._give(connection, batch)
                yield _cost(batch) + self._settle(connection)
        self._outbox.forget(end)

    def _tidy(self) -> None:
        """Let go of cohorts that hardly anybody is left of, but for one of each form."""
        kept: list[Cohort] = []
        small: set[Form] = set()
        for cohort in self._cohorts:
            if cohort.small and cohort.form in small:
                cohort.dissolve()
            elif cohort:
                kept.append(cohort)
                if cohort.small:
                    small.add(cohort.form)
        self._cohorts = kept

    @trio.lowlevel.enable_ki_protection
    def _give_cohort(self, cohort: Cohort) -> int:
        """Give a cohort what it has not got yet; gives what that has cost."""
        if not cohort or cohort.number >= self._outbox.end:
            return 0
        batch = self._outbox.after(cohort.number)
        data = b"" if batch.size > _MAX_COHORT_BATCH_BYTES else self._framed(batch, cohort)
        if not data:
            cohort.dissolve()
            return 0
        cost = len(cohort) * _cost(batch)
        for connection, taken in cohort.write(data):
            connection.leave_cohort()
            self._give(connection, batch, taken)
        cohort.advance(batch)
        return cost

    @staticmethod
    def _framed(batch: Batch, cohort: Cohort) -> bytes:
        """What a cohort is written; nothing if that cannot be made: each is told so by itself."""
        try:
            return batch.to_bytes(cohort.form)
        except Exception:
            return b""

    @trio.lowlevel.enable_ki_protection
    def _settle(self, connection: Connection) -> int:
        """Have it in a cohort if it keeps up; gives what that has cost."""
        try:
            write = connection.lend()
        except Exception as mistake:
            self._close(connection, mistake)
            return 0
        if write is None:
            return 0
        cost = 0
        for cohort in reversed(self._cohorts):
            if cohort.form == connection.form and not cohort.full:
                cost += self._give_cohort(cohort)
                if cohort.admits(connection):
                    break
        else:
            cohort = Cohort(connection.form, connection.number, connection.last, self._alone)
            self._cohorts.append(cohort)
        cohort.add(connection, write)
        return cost

    @trio.lowlevel.enable_ki_protection
    def _give(self, connection: Connection, batch: Batch, taken: int | None = None) -> None:
        connection.number = batch.end
        try:
            connection.take(batch, taken)
        except Exception as mistake:
            self._close(connection, mistake)

    @staticmethod
    def _close(connection: Connection, mistake: Exception) -> None:
        """A transport's mistake is nobody else's."""
        what = "%r: closed: what it should be given it could not take"
        _log.error(what, connection, exc_info=mistake)
        connection.close(CloseCode.INTERNAL_ERROR, "internal error", flush=False)


def _cost(batch: Batch) -> int:
    return 1 + batch.size // _BYTES_PER_WRITE
