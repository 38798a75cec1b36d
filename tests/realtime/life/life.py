"""A task that is brought to a point in its life, and held there while something happens.

```
 the test ──┬── looks on: what came of it, and when
            └── program ── outer scope ── nursery ──┬── sibling
                                                    └── server ── viewer ── the task
```

Whoever looks on stands outside of all that a cell may cancel.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import trio
import trio.testing

from tests.realtime.life.points import Point
from tests.realtime.viewing import Viewer, viewer
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.protocol import (
    CancelTask,
    CloseCode,
    Event,
    Position,
    SubmitTask,
    TaskCompleted,
    decode_event,
)
from trio_agent_rt.realtime import BusyPolicy, Connection, RealtimeAgent, RunningTask

__all__ = ["CLEANUP_TIMEOUT", "LINGER", "Life", "SiblingFailed"]

LINGER = 30.0
DRAIN = 2000.0
CLEANUP_TIMEOUT = 5.0


class SiblingFailed(Exception):
    """Something of the user's own, beside the server."""


class Life:
    """One cell: a point, something that happens there, and what is seen of it.

    Args:
        point: where the task is brought to.
        column: what happens then.
        clock: what time is told by; it moves when it is told to.
        folder: for files.
    """

    realtime: RealtimeAgent
    me: Viewer
    task: RunningTask
    others: Sequence[RunningTask] = ()
    """The tasks that were broken beside it."""
    _observer: Connection

    def __init__(
        self, point: Point, column: str, clock: trio.testing.MockClock, folder: Path
    ) -> None:
        self.point = point
        self.column = column
        self.clock = clock
        self.folder = folder
        self.here: int = 0
        """How many parts of the agent's code have come to the point."""
        self.at: trio.Event = trio.Event()
        """All of them have."""
        self.go: trio.Event = trio.Event()
        """They may go on."""
        self.thread_begun: threading.Event = threading.Event()
        self.thread_go: threading.Event = threading.Event()
        self.acted: trio.Event = trio.Event()
        self.called: bool = False
        self.alive: int = 0
        """How much of the agent's code is still running."""
        self.alive_at_its_end: list[int] = []
        """How much of it was, at each terminal message."""
        self.session_of_program: int = 0
        """The session that its program leads, if it runs one."""
        self.newer_came_after: bool = False
        self.events: list[Event] = []
        """All that was told in its session, in order."""
        self.raised: BaseExceptionGroup[SiblingFailed] | None = None
        self.one_before_go: trio.Event = trio.Event()
        self._outer = trio.CancelScope()
        self._fail = trio.Event()
        # A cancel from outside that does not reach the block itself is to be noticed too.
        self._block = trio.CancelScope(shield=True)
        self._viewing = AsyncExitStack()

    # --- the agent

    async def __call__(self, task: str, run: TaskRun) -> object:
        """The agent of all tasks: one is held, one breaks, the others end at once."""
        if task == "held":
            self.called = True
            with self.counted():
                return await self.point.agent(self, run)
        if task == "the one before":
            return await self._the_one_before(run)
        if task == "break":
            raise OSError("another task's trouble")
        if task == "the newer":
            self.newer_came_after = self.task.completed is not None
        return f"done: {task}"

    async def _the_one_before(self, run: TaskRun) -> None:
        try:
            await self.one_before_go.wait()
        finally:
            if self.column == "replace":
                async with run.cleanup(1000):
                    await self.one_before_go.wait()
        if self.column == "other task":
            raise OSError("the trouble of the one before")

    @contextmanager
    def counted(self) -> Generator[None]:
        """Code that must be over when the terminal message is sent."""
        self.alive += 1
        try:
            yield
        finally:
            self.alive -= 1

    async def hold(self, parts: int = 1) -> None:
        """The point: wait here until it may go on."""
        with self.counted():
            self.here += 1
            if self.here == parts:
                self.at.set()
            await self.go.wait()

    def let_all_go(self) -> None:
        """Nothing is held any more, whatever has become of the cell; the program may end."""
        self._block.cancel(reason="whoever looks on has seen enough")
        for each in (self.go, self.one_before_go, self.thread_go):
            each.set()

    # --- the program

    async def program(self) -> None:
        """A user's program, to its end; the exception of its own is kept."""
        try:
            with self._outer:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._sibling)
                    await self._serve()
                    nursery.cancel_scope.cancel()
        except* SiblingFailed as group:
            self.raised = group
        self._observer.close(CloseCode.NORMAL)
        while items := await self._observer.next_items():
            self.events += [decode_event(each.json) for each in items]

    async def _sibling(self) -> None:
        await self._fail.wait()
        raise SiblingFailed

    async def _serve(self) -> None:
        lingers = {"linger=0": 0.0, "linger=None": None}
        server = RealtimeAgent(
            self,
            tools=self.point.tools(self),
            busy=self._busy(),
            linger=lingers.get(self.column, LINGER),
            cleanup_timeout=CLEANUP_TIMEOUT,
            broadcast_interval=0,
        )
        async with server as self.realtime, self._viewing:
            self.me = await self._viewing.enter_async_context(viewer(server))
            (session,) = server._registry.sessions
            self._observer = session.observe(Position(session.log.position.epoch, 0))
            with self._block:
                await self.point.bring(self)
                if not self.acted.is_set():
                    self.act()
                await trio.sleep_forever()

    def _busy(self) -> BusyPolicy:
        if self.column == "replace":
            return "replace"
        return "parallel" if self.column == "other task" and not self.point.queues else "queue"

    def submit(self, text: str = "held", task_id: str = "held") -> RunningTask:
        """Submit a task of the viewer's, at once."""
        self.me.send(SubmitTask(task=text, task_id=task_id))
        (task,) = [each for each in self.realtime.tasks if each.id == task_id]
        if text == "held":
            self.task = task
            task.on_ended.append(_Told(self._has_ended))
        return task

    def _has_ended(self) -> None:
        self.alive_at_its_end.append(self.alive + self.point.left(self))

    # --- what happens

    def act(self) -> None:
        """Let it happen: at once, without a checkpoint."""
        if self.acted.is_set():
            return
        _ACTIONS[self.column](self)
        self.acted.set()

    def leave(self) -> None:
        """The viewer goes."""
        _at_once(self._viewing.aclose())

    def cancel(self) -> None:
        """The viewer cancels it."""
        self.me.send(CancelTask(task_id="held", reason="enough", request_id="cancel"))

    def break_another(self) -> None:
        """Another session's task raises, and one of its own: beside it, or the one before."""
        self.others = [self.realtime.submit("break")]
        if not self.point.queues:
            self.others.append(self.submit("break", "beside"))

    def fail_beside(self) -> None:
        """What runs beside the server raises."""
        self._fail.set()

    def cancel_around(self) -> None:
        """The user cancels all that is around the server."""
        self._outer.cancel(reason="the user's own")


class _Told:
    gone = False

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function

    def __call__(self, completed: TaskCompleted) -> None:
        self._function()


_ACTIONS: dict[str, Callable[[Life], object]] = {
    "cancel": Life.cancel,
    "linger=0": Life.leave,
    "linger=N": Life.leave,
    "linger=None": Life.leave,
    "replace": lambda life: life.submit("the newer", "newer"),
    "shutdown": lambda life: life.realtime.begin_shutdown(),
    "drain": lambda life: life.realtime.begin_shutdown(DRAIN),
    "outer cancel": Life.cancel_around,
    "sibling": Life.fail_beside,
    "other task": Life.break_another,
}


def _at_once(waiting: Coroutine[Any, Any, object]) -> None:
    """Run what is async in name only."""
    try:
        waiting.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits")
