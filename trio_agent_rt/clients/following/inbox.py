"""Events that wait for the application: bounded, and never lost in silence.

One Trio task puts events in and never waits; any number of readers take them out, each
at its own pace. When there are more than `max_events`, the oldest give way, and a reader
that had not come so far is told so by a `GapOccurred` in their place:

```
  put ──▶ [ 3 4 5 6 ]        a reader at 5 takes 5, 6, waits
            ▲                a reader at 1 takes GapOccurred(missed=2), then 3, 4, …
            1 and 2 gave way
```
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import AsyncIterator

import trio

from ...protocol import Event, GapOccurred
from ..afresh import afresh

__all__ = ["EventStream", "Inbox"]


class Inbox:
    """What was said so far, for readers.

    Args:
        max_events: how many to hold.
        keep: whether to hold what every reader has taken, so that a later reader still
            starts at the beginning. Without it, only the first reader does.
    """

    def __init__(self, max_events: int, *, keep: bool) -> None:
        self._max_events = max_events
        self._keep = keep
        self._events: deque[Event] = deque()
        self._start = 0
        self._readers: weakref.WeakSet[EventStream] | None = None
        self._waiting = trio.lowlevel.ParkingLot()
        self._ended = False
        self._error: Exception | None = None

    @property
    def start(self) -> int:
        """The number of the oldest event that is held; the first ever has number 0."""
        return self._start

    @property
    def end(self) -> int:
        """The number that the next event will have."""
        return self._start + len(self._events)

    @property
    def ended(self) -> bool:
        """Whether no event will follow."""
        return self._ended

    @property
    def error(self) -> Exception | None:
        """Why it ended early, or None."""
        return self._error

    def put(self, event: Event) -> None:
        """Add an event at the end; ignored once it has ended."""
        if self._ended:
            return
        self._events.append(event)
        if len(self._events) > self._max_events:
            self._events.popleft()
            self._start += 1
        self._waiting.unpark_all()

    def finish(self, error: Exception | None = None) -> None:
        """Nothing follows: readers end after what is held, with `error` if there is one."""
        if not self._ended:
            self._ended = True
            self._error = error
            self._waiting.unpark_all()

    def read(self) -> EventStream:
        """A new reader; where it starts is said under `keep`."""
        first = self._readers is None
        if self._readers is None:
            self._readers = weakref.WeakSet()
        reader = EventStream(self, 0 if first or self._keep else self.end)
        self._readers.add(reader)
        return reader

    def at(self, number: int) -> Event:
        """The event of a number that is held."""
        return self._events[number - self._start]

    def release(self) -> None:
        """Drop what every reader has taken, unless it is to be kept."""
        if self._keep or self._readers is None:
            return
        needed = min((each.next for each in self._readers), default=self.end)
        while self._start < needed:
            self._events.popleft()
            self._start += 1

    def check(self) -> None:
        """Raise what it ended with, each time with a traceback of its own."""
        if self._error is not None:
            raise afresh(self._error)

    async def wait(self) -> None:
        """Wait until something was put in or it has ended."""
        await self._waiting.park()


class EventStream(AsyncIterator[Event]):
    """An iterator over events, at its reader's pace.

    Leaving a loop and starting another one over the same object goes on where the first
    stopped. Not to be iterated by two Trio tasks at once: ask for a second one.
    """

    def __init__(self, inbox: Inbox, start: int) -> None:
        self._inbox = inbox
        self.next: int = start
        """The number of the event that it takes next."""

    async def __anext__(self) -> Event:
        """The next event.

        Raises:
            ClientError: when the connection has ended for good, after the last event.

        Cancellation: safe to retry, nothing is lost.
        """
        await trio.lowlevel.checkpoint()
        inbox = self._inbox
        while self.next == inbox.end:
            if inbox.ended:
                inbox.check()
                raise StopAsyncIteration
            inbox.release()
            await inbox.wait()
        if self.next < inbox.start:
            missed, self.next = inbox.start - self.next, inbox.start
            return GapOccurred(missed=missed)
        event = inbox.at(self.next)
        self.next += 1
        return event
