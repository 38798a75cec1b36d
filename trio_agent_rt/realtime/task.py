"""The life of one task, from its submit to its terminal message.

```
            submit
              │  the cancel scope exists from here on
   ┌──────────┴─────────┐
 queued ──start──▶ running ──agent returned / raised──▶ ended   task:complete, exactly once,
   │                  │                                 ▲       after every Trio task of the
   │                cancel                              │       agent has exited
   │                  ▼                                 │
   │              cancelling ──the work has ended───────┤
   └──────────────cancel────────────────────────────────┘
```

What decides the outcome is what the agent did, not who asked last: one that returned
before its cancel reached it has succeeded.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import trio
from attrs import frozen

from ..agent import Answer, TaskRun, ToolSet
from ..agent.confirming import Decision
from ..agent.failures import describe_error
from ..agent.isolation import Ending, run_apart
from ..errors import TaskCancelled, TaskError, TaskFailed
from ..events import Redaction, Throttle
from ..protocol import (
    ConfirmationRequested,
    Event,
    Outcome,
    Position,
    Receipt,
    StatusChanged,
    StepOutput,
    StepProgressed,
    TaskCompleted,
    TaskOutcome,
    Usage,
)
from .watchdog import watch

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Agent", "EndedTask", "RunningTask", "WaitsForEnd"]

_log = logging.getLogger(__name__)

Agent: TypeAlias = Callable[[str, TaskRun], Awaitable[object]]
"""Any `async def agent(task, run)`. What it returns is the task's output."""


@frozen
class _Cancel:
    """Who asked for the end of a task, and when."""

    reason: str
    at: float
    """Trio's time."""
    wall_ms: int


@frozen(kw_only=True)
class EndedTask:
    """What a session remembers of a task that has ended."""

    completed: TaskCompleted
    """Its terminal message, as it went over the wire."""
    late_answers: Mapping[str, Outcome]
    """What an answer to the question of a step comes to now, by the step's id."""


class WaitsForEnd(Protocol):
    """Somebody who is told, with a call, that a task has ended."""

    @property
    def gone(self) -> bool:
        """Whether nobody waits any more."""
        ...

    def __call__(self, completed: TaskCompleted) -> None:
        """It has ended, so."""
        ...


class RunningTask:
    """One task: follow it, answer its questions, cancel it, wait for its end.

    Made by `RealtimeAgent.submit`. Letting go of it leaves the task running.
    """

    def __init__(
        self,
        session: Session,
        task_id: str,
        text: str,
        context: Mapping[str, Any],
        *,
        tools: ToolSet,
        broadcast_interval: float,
        cleanup_timeout: float,
        needs_viewer: bool,
        redaction: Redaction | None = None,
    ) -> None:
        self.id = task_id
        self.text = text
        self.needs_viewer = needs_viewer
        """Whether it ends when the last connection of its session has left for good."""
        self.scope: trio.CancelScope = trio.CancelScope()
        self.completed: TaskCompleted | None = None
        """Its terminal message, once it has ended."""
        self.start_position: Position = session.log.position
        """Where the session's log stood when it was submitted."""
        self.run: TaskRun = TaskRun(
            task_id=task_id,
            task=text,
            context=context,
            emit=self._emit,
            tools=tools,
            cleanup_timeout=cleanup_timeout,
            wall_clock=time.time,
            redaction=redaction,
        )
        self._redaction = redaction
        self._output: object = None
        self.on_ended: list[WaitsForEnd] = []
        """Called, in order, right after the terminal message was published."""
        self.trio_task: trio.lowlevel.Task | None = None
        """The one that all of its Trio tasks descend from, once it has started."""
        self._session = session
        self._context = copy_context()
        self._throttle = Throttle(broadcast_interval)
        self._wake, self._woken = trio.open_memory_channel[None](1)
        self._pump_at = math.inf
        self._cancel: _Cancel | None = None
        self._started_at: float | None = None
        self._ended = trio.Event()

    def __repr__(self) -> str:
        state = self.completed.outcome if self.completed else self.run.state
        return f"<RunningTask {self.id} {state}>"

    @property
    def session_id(self) -> str:
        """The id of the session that it belongs to."""
        return self._session.id

    async def wait(self) -> TaskCompleted:
        """Its terminal message, once it has ended; of a failure too.

        Cancellation: safe, and leaves the task running.
        """
        await self._ended.wait()
        assert self.completed is not None
        return self.completed

    async def result(self) -> Any:
        """Its output, once it has ended well.

        Raises:
            TaskFailed: when it failed.
            TaskCancelled: when it was cancelled; it has the receipt.

        Cancellation: safe, and leaves the task running.
        """
        completed = await self.wait()
        if completed.outcome == "failed":
            raise TaskFailed(completed)
        if completed.outcome == "cancelled":
            raise TaskCancelled(completed)
        return self._output

    async def cancel(self, reason: str = "cancelled by the application") -> Receipt | None:
        """Cancel it, and return when its work has ended.

        Args:
            reason: who asks and why; it stands in the receipt and in `Cancelled.reason`.

        Returns:
            The receipt; None when it had ended, or ended otherwise, before the cancel
            reached it.

        Cancellation: the task stays cancelled; only the waiting ends.
        """
        self.request_cancel(reason)
        return (await self.wait()).receipt

    def confirm(self, step: str | ConfirmationRequested, *, by: str = "the application") -> Outcome:
        """Say yes to the question of a step. Never waits.

        Args:
            step: the question, or the id of its step for the latest that it has asked.
            by: whose answer it is; it stands in the record of the task.
        """
        return self.decide(step, Decision(approved=True, by=by))

    def reject(
        self,
        step: str | ConfirmationRequested,
        reason: str | None = None,
        *,
        by: str = "the application",
    ) -> Outcome:
        """Say no to the question of a step. Never waits.

        Args:
            step: as for `confirm`.
            reason: what people are told.
            by: whose answer it is; it stands in the record of the task.
        """
        return self.decide(step, Decision(approved=False, reason=reason, by=by))

    def __aiter__(self) -> AsyncIterator[Event]:
        """Its events from its submit on; the last is its `TaskCompleted`.

        An iterator so slow that the log has overtaken it is told so by a `GapOccurred`,
        and given the present state. So is one that begins when the log has gone on.
        """
        return self._session.follow(self)

    def decide(
        self,
        step: str | ConfirmationRequested,
        decision: Decision,
        confirmation_id: str | None = None,
    ) -> Outcome:
        """Answer a question of a step; the first answer wins."""
        if isinstance(step, ConfirmationRequested):
            step, confirmation_id = step.step_id, step.confirmation_id
        return self.run.questions.decide(step, decision, confirmation_id)

    def request_cancel(self, reason: str) -> bool:
        """Ask for its end, without waiting for it. False when it has ended already.

        Asking again changes nothing: the first reason stands.
        """
        if self.completed is not None:
            return False
        if self._cancel is None:
            self._cancel = _Cancel(reason, trio.current_time(), int(time.time() * 1000))
            self.run.cleanup_record.cancel(self._cancel.at)
            self.scope.cancel(reason=reason)
            if self._started_at is None:
                self._session.forget_queued(self)
                self._complete(Ending())
            else:
                self._session.watch(self)
                self.run.emit(
                    StatusChanged(
                        state=self.run.state, message=f"Cancelling: {reason}", cancelling=True
                    )
                )
        return True

    def start(self, nursery: trio.Nursery) -> None:
        """Let it run in `nursery`, from now on, with the context variables of its submit."""
        self._started_at = trio.current_time()
        self._context.run(nursery.start_soon, self._run_agent, name=f"task {self.id}")
        nursery.start_soon(self._pump_progress, name=f"progress of task {self.id}")

    async def _run_agent(self) -> None:
        """Run it to its end. Raises nothing of the agent's.

        Cancellation: ends it as cancelled, and goes on.
        """
        ending = Ending()
        self.trio_task = trio.lowlevel.current_task()
        try:
            if not self.scope.cancel_called:
                self.run.set_state("planning", "Planning")
            agent = functools.partial(self._session.agent, self.text, self.run)
            await run_apart(self.scope, agent, ending)
        finally:
            self._wake.close()
            self._complete(ending)

    async def _pump_progress(self) -> None:
        """Publish what the throttle holds back when its time has come."""
        while True:
            self._pump_at = math.inf if (due := self._throttle.due()) is None else due
            with trio.move_on_at(self._pump_at):
                try:
                    await self._woken.receive()
                except trio.EndOfChannel:
                    return
            for event in self._throttle.release(trio.current_time()):
                self._session.publish(event)

    async def watch_cancel(self) -> None:
        """Name it, in the log and to its viewers, if it goes on long after its cancel."""
        assert self._cancel is not None
        await watch(self, self._cancel.at, self._ended)

    def _emit(self, event: Event) -> None:
        if isinstance(event, StepProgressed | StepOutput):
            for each in self._throttle.offer(event, trio.current_time()):
                self._session.publish(each)
            self._wake_pump(event)
            return
        step_id = getattr(event, "step_id", None)
        if step_id is not None or isinstance(event, TaskCompleted):
            for each in self._throttle.flush(step_id):
                self._session.publish(each)
        self._session.publish(event)

    def _wake_pump(self, offered: StepProgressed | StepOutput) -> None:
        due = self._throttle.due(offered)
        if due is not None and due < self._pump_at:
            self._pump_at = due
            with contextlib.suppress(trio.WouldBlock):  # it is awake already
                self._wake.send_nowait(None)

    def _complete(self, ending: Ending) -> None:
        """Decide how it ended, and say so: the one place that does."""
        error = ending.error
        outcome = ending.outcome(
            cancelled=self._cancel is not None, interrupted=bool(self.run.interrupted_steps)
        )
        if outcome == "cancelled":
            self.run.end_left_steps(cancelled=True)
            for each in [*ending.of_generators, *([] if error is None else [error])]:
                self.run.cleanup_record.raised(each, "task")
            self.run.cleanup_record.has_ended("task")
        for each in ending.of_generators:
            _log.error("a generator of task %r raised", self.id, exc_info=each)
        if error is not None and not isinstance(error, TaskError):
            _log.error("task %r raised", self.id, exc_info=error)
        output, summary = ending.output, None
        # Not isinstance: it asks the object, and an agent's may answer with an exception.
        if issubclass(type(output), Answer):
            answer = cast("Answer", output)
            output, summary = answer.output, answer.summary
        text = self._error_text(outcome, error)
        if outcome == "succeeded":
            self.run.set_state("complete", "The task has succeeded")
        elif outcome == "failed":
            self.run.set_state("error", f"The task has failed: {text}")
        completed = TaskCompleted(
            task_id=self.id,
            success=outcome == "succeeded",
            outcome=outcome,
            output=output if outcome == "succeeded" else None,
            summary=summary,
            duration=self._milliseconds_since(self._started_at),
            error=text,
            receipt=self._receipt() if outcome == "cancelled" else None,
            confirmations=tuple(self.run.questions.records) or None,
            usage=self.run.usage if self.run.usage != Usage() else None,
        )
        self._output = completed.output
        if self._redaction:
            completed = cast("TaskCompleted", self._redaction.event(completed))
        self.completed = completed
        self.run.emit(completed)
        self._ended.set()
        self._session.task_ended(self, completed)
        for callback in self.on_ended:
            callback(completed)

    def _error_text(self, outcome: TaskOutcome, error: BaseException | None) -> str | None:
        match outcome:
            case "succeeded":
                return None
            case "cancelled":
                return f"cancelled: {self._cancel.reason if self._cancel else 'the server stopped'}"
            case "failed":
                return describe_error(error) if error is not None else "the agent failed"

    def _receipt(self) -> Receipt:
        now = int(time.time() * 1000)
        asked = self._cancel or _Cancel("the server stopped", trio.current_time(), now)
        duration = self._milliseconds_since(asked.at)
        record = self.run.cleanup_record
        return Receipt(
            task_id=self.id,
            reason=asked.reason,
            requested_at=asked.wall_ms,
            ended_at=asked.wall_ms + duration,
            duration=duration,
            interrupted=tuple(self.run.interrupted_steps),
            completed=tuple(self.run.completed_steps),
            cleanup=record.outcome,
            cleanup_detail=record.detail,
        )

    def _milliseconds_since(self, start: float | None) -> int:
        return 0 if start is None else int((trio.current_time() - start) * 1000)
