"""Drives a view: events in, answers and cancels out.

```
 events ──▶ SessionView ──▶ screen              draws, ten times a second
               │ a question is open
               ▼
            answers ──▶ task.confirm / reject    taken back when it is no longer open
 Ctrl-C ──▶ task.cancel                          the events go on to the task's end
```
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Protocol, TypeAlias

import trio

from ...errors import AgentRTError
from ...events import SessionView
from ...protocol import ConfirmationRequested, Event, Receipt, TaskCompleted
from ..endings import OutputLost
from .answers import Steerable
from .screen import Screen
from .stage import Stage

__all__ = ["Followable", "follow_session", "follow_task"]

_Key: TypeAlias = tuple[str | None, str]


class Followable(Steerable, AsyncIterable[Event], Protocol):
    """A task to follow: `RunningTask` and `ClientTask` are both one."""

    async def cancel(self, reason: str) -> Receipt | None:
        """Cancel it, and return when it has ended."""
        ...


async def follow_task(task: Followable, *, stage: Stage) -> TaskCompleted:
    """Show a task to its end; a first Ctrl-C cancels it.

    Raises:
        ClientError: when it cannot be followed any further.
    """
    screen = stage.screen
    view = _View(stage, lambda _: task)

    async def cancel(why: str) -> None:
        lost: OutputLost | None = None
        try:
            screen.note(f"{why}: cancelling the task; once more to leave at once")
        except OutputLost as exc:  # it is cancelled although nobody sees it
            lost = exc
        try:
            await task.cancel(why)
        except AgentRTError as exc:
            screen.note(f"the cancel did not arrive: {exc}")
        if lost is not None:
            raise lost

    async def show(nursery: trio.Nursery) -> None:
        def stop(why: str) -> None:
            nursery.start_soon(cancel, why)

        with stage.interrupts.answered_by(stop):
            async for event in task:
                view.take(event, nursery)

    await _run(screen, show)
    ended = view.session.ended
    if ended is None or ended.completed is None:
        raise AgentRTError("the task's events ended before the task did")
    screen.finish(ended.completed, ended)
    return ended.completed


async def follow_session(
    events: AsyncIterable[Event], find: Callable[[str], Steerable], *, stage: Stage
) -> None:
    """Show all tasks of a session, until its events end.

    Args:
        find: gives the task of an id, to answer its questions.

    Raises:
        ClientError: when it cannot be followed any further.
    """
    view = _View(stage, find)

    async def show(nursery: trio.Nursery) -> None:
        async for event in events:
            view.take(event, nursery)
            if isinstance(event, TaskCompleted):
                stage.screen.finish(event, view.session.ended)

    await _run(stage.screen, show)


async def _run(screen: Screen, show: Callable[[trio.Nursery], Awaitable[None]]) -> None:
    failure: Exception | None = None
    screen.begin()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(screen.animate)
        try:
            await show(nursery)
        except Exception as exc:  # raised below, outside of the nursery and so not in a group
            failure = exc
        nursery.cancel_scope.cancel(reason="the view has ended")
    if failure is not None:
        raise failure


class _View:
    """The state of what is shown, and the questions that are open."""

    def __init__(self, stage: Stage, find: Callable[[str], Steerable]) -> None:
        self.session = SessionView()
        self._stage = stage
        self._find = find
        self._open: dict[_Key, trio.CancelScope] = {}
        self._turn = trio.Lock()

    def take(self, event: Event, nursery: trio.Nursery) -> None:
        """Show an event, ask what is newly asked, take back what no longer is."""
        self.session.apply(event)
        self._stage.screen.show(event, self.session)
        asked = {
            (task_id, task.confirmation.step_id): task.confirmation
            for task_id, task in self.session.tasks.items()
            if task.confirmation is not None
        }
        for key in self._open.keys() - asked.keys():
            self._open.pop(key).cancel(reason="the question is no longer open")
        for key, question in asked.items():
            if key not in self._open:
                scope = self._open[key] = trio.CancelScope()
                nursery.start_soon(self._answer, scope, key[0], question)

    async def _answer(
        self, scope: trio.CancelScope, task_id: str | None, question: ConfirmationRequested
    ) -> None:
        with scope:
            task = self._find(task_id or "")
            await self._stage.answers.answer(question, task, self._stage.screen, self._turn)
