"""Runs an agent without the runtime, and keeps what it says for a look at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

import trio

from tests.contract import check_task_events
from trio_agent_rt.agent import Answer, TaskRun, Tool, ToolSet
from trio_agent_rt.agent.confirming import Decision
from trio_agent_rt.agent.failures import describe_error
from trio_agent_rt.agent.isolation import Ending
from trio_agent_rt.protocol import Event, Outcome, Receipt, StatusChanged, TaskCompleted

__all__ = ["NO", "YES", "Stage"]

E = TypeVar("E", bound=Event)

YES = Decision(approved=True)
NO = Decision(approved=False, reason="not today")

START = 1_000_000.0
"""The Unix time at which Trio's clock stands at 0."""


class Stage:
    """One run of an agent, and its events."""

    def __init__(
        self,
        *,
        tools: Iterable[Tool] = (),
        context: Mapping[str, Any] | None = None,
        cleanup_timeout: float = 5.0,
    ) -> None:
        self.events: list[Event] = []
        self.error: Exception | None = None
        """What came out of the agent, if it was no cancel."""
        self.run = TaskRun(
            task_id="t1",
            task="a task",
            context=context or {},
            emit=self._take,
            tools=ToolSet(tuple(tools)),
            cleanup_timeout=cleanup_timeout,
            wall_clock=lambda: START + trio.current_time(),
        )
        self._scope = trio.CancelScope()
        self._changed = trio.Event()
        self._unread = 0

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()
        self._changed = trio.Event()

    def all(self, kind: type[E]) -> list[E]:
        return [each for each in self.events if isinstance(each, kind)]

    def told(self) -> list[str]:
        """The events in short: their kind, and the step or the state they tell of."""
        return [
            f"{type(each).__name__} {getattr(each, 'step_id', getattr(each, 'state', ''))}".strip()
            for each in self.events
        ]

    async def until(self, kind: type[E], **fields: Any) -> E:
        """The next event of that kind with these fields, waiting for it if need be."""
        while True:
            while self._unread < len(self.events):
                event = self.events[self._unread]
                self._unread += 1
                if isinstance(event, kind) and all(
                    getattr(event, name) == value for name, value in fields.items()
                ):
                    return event
            await self._changed.wait()

    def answer(self, step_id: str, decision: Decision = YES) -> Outcome:
        return self.run.questions.decide(step_id, decision)

    def cancel(self) -> None:
        """Cancel the task, in the order in which the runtime does it."""
        self.run.cleanup_record.cancel(trio.current_time())
        self._scope.cancel(reason="test")
        self.run.emit(
            StatusChanged(state=self.run.state, message="Cancelling: test", cancelling=True)
        )

    async def play(self, agent: Callable[[str, TaskRun], Awaitable[object]]) -> TaskCompleted:
        """Run it to its end, and see whether its events keep the contract."""
        started, output, returned = trio.current_time(), None, False
        self.run.set_state("planning", "Planning")
        try:
            with self._scope:
                output = await agent(self.run.task, self.run)
                returned = True
        except Exception as exc:
            self.error = exc
        return self._complete(started, output, returned=returned)

    def _complete(self, started: float, output: object, *, returned: bool) -> TaskCompleted:
        record = self.run.cleanup_record
        ending = Ending(output, returned, self.error)
        outcome = ending.outcome(
            cancelled=record.cancelled_at is not None, interrupted=bool(self.run.interrupted_steps)
        )
        cancelled = outcome == "cancelled"
        if cancelled:
            self.run.end_left_steps(cancelled=True)
            if self.error is not None:
                record.raised(self.error, "task")
            record.has_ended("task")
        answer = output if isinstance(output, Answer) else Answer(output=output)
        error = describe_error(self.error) if self.error else None
        completed = TaskCompleted(
            task_id="t1",
            success=returned and not cancelled,
            outcome=outcome,
            output=answer.output if returned and not cancelled else None,
            summary=answer.summary,
            duration=int((trio.current_time() - started) * 1000),
            error="cancelled: test" if cancelled else error,
            receipt=self._receipt() if cancelled else None,
        )
        self.run.emit(completed)
        check_task_events(self.events)
        return completed

    def _receipt(self) -> Receipt:
        record = self.run.cleanup_record
        asked = record.cancelled_at or 0.0
        return Receipt(
            task_id="t1",
            reason="test",
            requested_at=int(asked * 1000),
            ended_at=int(trio.current_time() * 1000),
            duration=int((trio.current_time() - asked) * 1000),
            interrupted=tuple(self.run.interrupted_steps),
            completed=tuple(self.run.completed_steps),
            cleanup=record.outcome,
            cleanup_detail=record.detail,
        )
