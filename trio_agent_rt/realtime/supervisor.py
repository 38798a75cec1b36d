"""The life of a server: an end that always has the same order, and a bound.

```
 your nursery
 ├── sentry           begins the shutdown: the block was left, or is cancelled from outside
 └── supervisor       shielded: ends in order, whatever is cancelled around it
     └── nursery      tasks, their throttles, the clocks of sessions

 serving ──begin / left / cancel──▶ draining ──drain time over──▶ cancelling
                                       └──no task left──▶ closed ◀──┘
```

Tasks live in a nursery of their own, shielded from the world: no new work; time to
finish; cancel; every terminal message queued for every viewer; only then are the viewers
closed, by their transports.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Literal, TypeAlias

import trio

from ..errors import ShuttingDown
from ..ungrouping import errors_in, raise_ungrouped
from .task import RunningTask

__all__ = ["Phase", "Supervisor"]

Phase: TypeAlias = Literal["serving", "draining", "cancelling", "closed"]
"""Where a server stands in its life."""


class Supervisor:
    """Opens the nursery that tasks live in, and ends them in order.

    Args:
        tasks: gives the tasks that have not ended.
        on_end: called when the block is left or cancelled from outside; is to `begin`.
        on_tasks_ended: called, in a shutdown, when every task has ended and said so.
        cleanup_timeout: seconds for the cleanup of tasks that a shutdown cancels.
    """

    def __init__(
        self,
        tasks: Callable[[], Sequence[RunningTask]],
        on_end: Callable[[], None],
        on_tasks_ended: Callable[[], None],
        *,
        cleanup_timeout: float,
    ) -> None:
        self.phase: Phase = "closed"
        self.draining: trio.Event = trio.Event()
        """Set once a shutdown has begun."""
        self.tasks_ended: trio.Event = trio.Event()
        """Set once, in a shutdown, every task has ended and said so to every viewer."""
        self._tasks = tasks
        self._on_end = on_end
        self._on_tasks_ended = on_tasks_ended
        self._cleanup_timeout = cleanup_timeout
        self._outer: AbstractAsyncContextManager[trio.Nursery] | None = None
        self._inner: trio.Nursery | None = None
        self._opened = trio.Event()
        self._sentry = trio.CancelScope()
        self._changed = trio.Event()
        self._drain_until = math.inf

    @property
    def nursery(self) -> trio.Nursery:
        """Where tasks run.

        Raises:
            ShuttingDown: when it was not opened.
        """
        if self._inner is None:
            raise ShuttingDown("the RealtimeAgent is not open; use `async with`")
        return self._inner

    async def open(self) -> None:
        """Open it, once; `close` must follow in the same Trio task.

        Cancellation: raises when all of it has ended again; one that comes later is for
        the block to notice.
        """
        if self._outer is not None:
            raise RuntimeError("a RealtimeAgent can be opened once only; make another")
        self._outer = trio.open_nursery()
        nursery = await self._outer.__aenter__()
        self.phase = "serving"
        nursery.start_soon(self._supervise)
        nursery.start_soon(self._watch_for_end)
        async with AsyncExitStack() as on_failure:
            on_failure.push_async_exit(self.close)
            with trio.CancelScope(shield=True):
                await self._opened.wait()
            # The sentry has noticed it too: the block would be given what takes no work.
            await trio.lowlevel.checkpoint_if_cancelled()
            on_failure.pop_all()

    async def close(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Return when nothing of it runs any more, as an `__aexit__`.

        The exception of the block goes on as it is, beside a cancel too; what broke the
        supervisor itself is raised, ungrouped.

        Cancellation: begins the shutdown, and waits for its end all the same.
        """
        assert self._outer is not None
        self._sentry.cancel(reason="the RealtimeAgent is being closed")
        try:
            return await self._outer.__aexit__(exc_type, exc, traceback)
        except BaseExceptionGroup as group:
            # By their leaves: splitting a group makes new ones of those inside it.
            if exc is not None and errors_in(group) == errors_in(exc):
                return False
            raise_ungrouped(group)
            raise

    def begin(self, drain_timeout: float) -> bool:
        """Begin the shutdown; whether it had not begun. Asking again can only shorten it."""
        first = self.phase == "serving"
        if first:
            self.phase = "draining"
        if self.phase == "draining":
            self._drain_until = min(self._drain_until, trio.current_time() + drain_timeout)
            self.draining.set()
            self.note_change()
        return first

    def note_change(self) -> None:
        """A task has ended, or the time to drain has changed."""
        self._changed.set()
        self._changed = trio.Event()

    async def _watch_for_end(self) -> None:
        """A cancel from outside reaches this Trio task, and no task of an agent.

        It may never reach the block itself, which can be shielded, or wait for a thread.
        """
        with self._sentry:
            try:
                await trio.sleep_forever()
            finally:
                self._on_end()

    async def _supervise(self) -> None:
        with trio.CancelScope(shield=True):
            try:
                async with trio.open_nursery() as nursery:
                    self._inner = nursery
                    self._opened.set()
                    await self.draining.wait()
                    await self._drain()
                    self._cancel_all()
                    while self._tasks():
                        await self._changed.wait()
                    self.phase = "closed"
                    nursery.cancel_scope.cancel(reason="the server has shut down")
            finally:
                # Also when Ctrl-C came in the middle of an agent's code, and ended all.
                self.phase = "closed"
                self.draining.set()
                self.tasks_ended.set()
                self._on_tasks_ended()

    async def _drain(self) -> None:
        while self._tasks() and trio.current_time() < self._drain_until:
            with trio.move_on_at(self._drain_until):
                await self._changed.wait()

    def _cancel_all(self) -> None:
        self.phase = "cancelling"
        latest = trio.current_time() + self._cleanup_timeout
        for task in self._tasks():
            task.run.cleanup_record.bound(latest)
            task.request_cancel("the server is shutting down")
