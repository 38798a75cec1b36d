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
    "answer", "cancel", "end cancelled", "succeed", "fail task",
]  # fmt: skip


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

    def possible(self) -> list[Action]:
        """What it may do now; the usual more often than its end."""
        quiet = self.asking is None and not self.cancelling
        options: list[tuple[bool, list[Action]]] = [
            (not self.planned and not self.cancelling, ["plan", "plan", "plan"]),
            (bool(self.planned) and self.pending == self.planned, ["add"]),
            (bool(self.pending) and quiet, ["start", "start", "start", "skip"]),
            (bool(self.running), ["progress", "progress", "progress", "output"]),
            (bool(self.free()), ["complete", "retry", "fail"]),
            (bool(self.running) and quiet, ["ask", "ask"]),
            (self.asking is not None and not self.cancelling, ["answer"]),
            (not self.cancelling, ["cancel"]),
            (self.cancelling, ["end cancelled"]),
            (not self.running and not self.cancelling, ["succeed", "fail task"]),
        ]
        return [action for holds, actions in options if holds for action in actions]

    def act(self, action: Action, which: int, number: int) -> list[Event]:
        """The events of one action that is possible now."""
        match action:
            case "plan":
                return self.plan(1 + which)
            case "add":
                return self.add(f"extra {number}")
            case "start":
                return self.start(self.pending.pop(0))
            case "progress":
                step = self.running[which % len(self.running)]
                return [StepProgressed(step_id=step, progress=number, task_id=self.id)]
            case "output":
                step = self.running[which % len(self.running)]
                return [StepOutput(step_id=step, text="text", task_id=self.id)]
            case "complete" | "retry" | "fail":
                return self.end_attempt(self.free()[which % len(self.free())], action, number)
            case "skip":
                return [self.completed(self.pending.pop(0), "skipped", None)]
            case "ask":
                return self.ask(self.running[which % len(self.running)], number)
            case "answer":
                return self.answer(approved=bool(which % 2))
            case "cancel":
                return self.cancel()
            case "end cancelled":
                return self.end_cancelled()
            case "succeed":
                return self.end("succeeded", None)
            case "fail task":
                return self.end("failed", "broken")

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

    def end_attempt(
        self, step: str, how: Literal["complete", "retry", "fail"], number: int
    ) -> list[Event]:
        if how == "retry":
            return [self.failed(step, "flaky", retry=True)]
        self.running.remove(step)
        if how == "fail":
            return [self.failed(step, "broken")]
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
    for number in range(draw(st.integers(0, 30), "moves")):
        tasks = [each for each in tasks if not each.over]
        who = draw(st.integers(0, 2), "who")
        if who >= len(tasks):
            tasks.append(Task(f"task {number}"))
            events += tasks[-1].begin()
        else:
            action = draw(st.sampled_from(tasks[who].possible()))
            events += tasks[who].act(action, draw(st.integers(0, 3)), number)
    return events
