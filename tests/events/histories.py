"""Histories of a session as the contract allows them: several tasks, in any interleaving."""

from __future__ import annotations

from typing import Literal

import attrs
from hypothesis import strategies as st

from trio_agent_rt.protocol import (
    ConfirmationRequested,
    Event,
    Plan,
    PlanCreated,
    PlanStep,
    PlanUpdated,
    StatusChanged,
    StepCompleted,
    StepFailed,
    StepOutput,
    StepProgressed,
    StepResult,
    StepStarted,
    TaskCompleted,
    TaskState,
)

__all__ = ["Task", "histories"]

Action = Literal[
    "plan", "add", "start", "progress", "output", "complete", "skip", "retry", "fail", "ask",
    "answer", "cancel", "succeed", "fail task",
]  # fmt: skip
ACTIONS: tuple[Action, ...] = (
    "plan", "add", "start", "start", "progress", "progress", "output", "complete", "skip",
    "retry", "fail", "ask", "ask", "answer", "cancel", "succeed", "fail task",
)  # fmt: skip


@attrs.define
class Task:
    """One task of a history: carries out what is possible, and tells it in events."""

    id: str
    planned: list[str] = attrs.field(factory=list)
    pending: list[str] = attrs.field(factory=list)
    running: list[str] = attrs.field(factory=list)
    asking: str | None = None
    cancelling: bool = False
    over: bool = False

    def begin(self) -> list[Event]:
        return [self.status("planning", "Planning")]

    def status(self, state: TaskState, message: str) -> StatusChanged:
        return StatusChanged(
            state=state, message=message, cancelling=self.cancelling or None, task_id=self.id
        )

    def act(self, action: Action, which: int, number: int) -> list[Event]:
        """The events of one action; none if it is not possible now."""
        match action:
            case "plan" if not self.planned and not self.cancelling:
                return self.plan(1 + which)
            case "add" if self.planned and not self.cancelling:
                return self.add(f"extra {number}")
            case "start" if self.pending and self.asking is None and not self.cancelling:
                return self.start(self.pending.pop(0))
            case "progress" if self.running:
                step = self.pick(which)
                return [StepProgressed(step_id=step, progress=number, task_id=self.id)]
            case "output" if self.running:
                return [StepOutput(step_id=self.pick(which), text="text", task_id=self.id)]
            case "complete" if self.free():
                return self.complete(self.free()[which % len(self.free())], number)
            case "skip" if self.pending and self.asking is None and not self.cancelling:
                return [self.completed(self.pending.pop(0), "skipped", None)]
            case "retry" if self.free():
                return [self.failed(self.free()[which % len(self.free())], "flaky", retry=True)]
            case "fail" if self.free():
                step = self.free()[which % len(self.free())]
                self.running.remove(step)
                return [self.failed(step, "broken")]
            case "ask" if self.running and self.asking is None and not self.cancelling:
                return self.ask(self.pick(which), number)
            case "answer" if self.asking is not None and not self.cancelling:
                return self.answer(approved=bool(which % 2))
            case "cancel":
                return self.end_cancelled() if self.cancelling else self.cancel()
            case "succeed" if not self.running and not self.cancelling:
                return self.end("succeeded", None)
            case "fail task" if not self.running and not self.cancelling:
                return self.end("failed", "broken")
            case _:
                return []

    def pick(self, which: int) -> str:
        return self.running[which % len(self.running)]

    def free(self) -> list[str]:
        """The running steps that do not wait for an answer."""
        return [each for each in self.running if each != self.asking]

    def plan(self, size: int) -> list[Event]:
        self.planned = [f"step {each}" for each in range(size)]
        self.pending = list(self.planned)
        steps = [PlanStep(id=each, name=each.title()) for each in self.planned]
        return [
            PlanCreated(plan=Plan(id=f"plan of {self.id}", steps=steps), task_id=self.id),
            self.status("executing", "Executing"),
        ]

    def add(self, step: str) -> list[Event]:
        """A new plan, of steps that wait alone: what has begun is told by its own events."""
        if len(self.pending) < len(self.planned):
            return []
        self.planned.append(step)
        self.pending.append(step)
        steps = tuple(PlanStep(id=each, name=each.title()) for each in self.planned)
        return [PlanUpdated(plan=Plan(id=f"plan of {self.id}", steps=steps), task_id=self.id)]

    def start(self, step: str) -> list[Event]:
        self.running.append(step)
        return [
            StepStarted(
                step_id=step,
                step_name=step.title(),
                step_index=self.planned.index(step),
                total_steps=len(self.planned),
                task_id=self.id,
            )
        ]

    def completed(
        self, step: str, status: Literal["success", "skipped"], output: object
    ) -> StepCompleted:
        result = StepResult(status=status, duration=5, output=output)
        return StepCompleted(step_id=step, step_name=step.title(), result=result, task_id=self.id)

    def complete(self, step: str, number: int) -> list[Event]:
        self.running.remove(step)
        return [self.completed(step, "success", {"number": number})]

    def failed(self, step: str, error: str, *, retry: bool = False) -> StepFailed:
        return StepFailed(
            step_id=step, step_name=step.title(), error=error, will_retry=retry, task_id=self.id
        )

    def ask(self, step: str, number: int) -> list[Event]:
        self.asking = step
        question = ConfirmationRequested(
            step_id=step,
            step_name=step.title(),
            reason=f"Sure? {number}",
            expires_at=None,
            task_id=self.id,
        )
        # The contract leaves the order of the two open.
        both: list[Event] = [self.status("waiting", "Waiting"), question]
        return both if number % 3 else both[::-1]

    def answer(self, *, approved: bool) -> list[Event]:
        step, self.asking = self.asking, None
        assert step is not None
        events: list[Event] = [self.status("executing", "Answered")]
        if not approved:
            self.running.remove(step)
            events.append(self.failed(step, "rejected: no"))
        return events

    def cancel(self) -> list[Event]:
        self.cancelling = True
        return [self.status("waiting" if self.asking else "executing", "Cancelling")]

    def end_cancelled(self) -> list[Event]:
        events: list[Event] = [self.failed(each, "cancelled") for each in self.running]
        return events + self.end("cancelled", "cancelled")

    def end(
        self, outcome: Literal["succeeded", "failed", "cancelled"], error: str | None
    ) -> list[Event]:
        self.over = True
        last = TaskCompleted(
            success=error is None,
            outcome=outcome,
            output=["out"],
            summary=None,
            duration=9,
            error=error,
            task_id=self.id,
        )
        if outcome == "cancelled":
            return [last]
        state: TaskState = "complete" if error is None else "error"
        return [self.status(state, outcome.title()), last]


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """What a session with up to three tasks at a time has told."""
    events: list[Event] = []
    tasks: list[Task] = []
    moves = draw(
        st.lists(
            st.tuples(st.integers(0, 3), st.sampled_from(ACTIONS), st.integers(0, 3)),
            max_size=60,
        )
    )
    for number, (who, action, which) in enumerate(moves):
        tasks = [each for each in tasks if not each.over]
        if who >= len(tasks):
            if len(tasks) < 3:
                tasks.append(Task(f"task {number}"))
                events += tasks[-1].begin()
            continue
        events += tasks[who].act(action, which, number)
    return events
