"""Following a task from inside the process, with the events that its viewers get."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import attrs

from ..events import Encoded, join
from ..protocol import Event, GapOccurred, TaskCompleted, decode_event

if TYPE_CHECKING:
    from .peers import Connection
    from .session import Session
    from .task import RunningTask

__all__ = ["Follower"]


class Follower(AsyncIterator[Event]):
    """The events of one task, in order, up to its `TaskCompleted`.

    It is a viewer like any other: one that is overtaken by the log is attached again,
    and told of what it missed by a `GapOccurred` and the present state.
    """

    def __init__(self, session: Session, task: RunningTask) -> None:
        self._session = session
        self._task = task
        self._task_id = task.id
        self._position = task.start_position
        self._connection: Connection | None = None
        self._waiting: deque[Event] = deque()
        self._done = False

    def __aiter__(self) -> Follower:
        return self

    async def __anext__(self) -> Event:
        """The next event.

        Cancellation: safe, nothing is lost.
        """
        while not self._waiting:
            if self._done:
                raise StopAsyncIteration
            await self._read()
        event = self._waiting.popleft()
        if isinstance(event, TaskCompleted) and event.task_id == self._task_id:
            self._done = True
            self._waiting.clear()
        return event

    async def _read(self) -> None:
        if self._connection is None:
            self._connection = self._session.observe(self._position)
        connection = self._connection
        items: Sequence[Encoded] = ()
        try:
            items = await connection.next_items()
        finally:
            if not items:  # cancelled, or overtaken: the next read attaches anew
                self._session.forget_observer(connection)
                self._connection = None
        self._position = join(self._position, items, ()).last or self._position
        events = [decode_event(each.json) for each in items]
        mine = [each for each in events if each.task_id == self._task_id]
        if any(isinstance(each, GapOccurred) for each in events):
            self._waiting += [each for each in events if isinstance(each, GapOccurred)]
            if self._task.completed is not None and not mine:
                # It ended in the gap, and another task since: only it knows how.
                mine = [attrs.evolve(self._task.completed, replay=True)]
        self._waiting += mine
        if any(isinstance(each, TaskCompleted) for each in mine):
            self._session.forget_observer(connection)
