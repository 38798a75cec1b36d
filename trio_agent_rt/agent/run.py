"""What an agent sees of the task that it runs: plan, steps, tools, cleanup.

```python
async def agent(task: str, run: TaskRun) -> object:
    run.plan(["Load", "Draw"])
    async with run.step("Load") as step:
        step.progress(50, "half way")
        await step.confirm("Overwrite the chart?")
    async with run.step("Draw") as step:
        step.result = "chart.png"
    return "done"
```
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, get_args

import attrs
import trio

from ..errors import ConfirmationExpired, ConfirmationRejected
from ..events import Redaction, Redactor, TaskView
from ..protocol import (
    ConfirmationRequested,
    Event,
    Outcome,
    Plan,
    PlanCreated,
    PlanStep,
    PlanUpdated,
    StatusChanged,
    StepCompleted,
    StepFailed,
    StepResult,
    StepStatus,
    TaskCompleted,
    TaskState,
)
from .cleanup import Cleanup, CleanupRecord
from .confirmation import Confirmation, Decision
from .step import Step, current_step
from .tool import ToolSet

__all__ = ["Answer", "TaskRun"]

_AT_WORK = frozenset[TaskState]({"planning", "executing", "waiting"})
_LEFT = "the agent ended without ending this step"
_ID = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


@attrs.frozen(kw_only=True)
class Answer:
    """What an agent may return instead of a plain output: the output with closing words."""

    output: object
    summary: str | None = None


class TaskRun:
    """One run of an agent: how it speaks to whoever watches.

    An agent is given one; the runtime and tests make them. Nothing here waits for a
    viewer: publishing is never slower because somebody watches, or does not.

    Args:
        task_id: the task's id on the wire.
        task: the text of the task.
        context: what the client sent along.
        emit: takes each event, at once and without waiting.
        tools: what the agent can run.
        cleanup_timeout: how long cleanup may take after a cancel, in seconds.
        wall_clock: Unix time in seconds, for `expiresAt`.
        redaction: what viewers and models are never shown, or None for nothing.
    """

    def __init__(
        self,
        *,
        task_id: str,
        task: str,
        context: Mapping[str, Any],
        emit: Callable[[Event], None],
        tools: ToolSet,
        cleanup_timeout: float,
        wall_clock: Callable[[], float],
        redaction: Redaction | None = None,
    ) -> None:
        self.task_id = task_id
        self.task = task
        self.context = context
        self.tools = tools
        self.cleanup_record: CleanupRecord = CleanupRecord(cleanup_timeout)
        self.completed_steps: list[str] = []
        """Ids of the steps that have ended well, in order."""
        self.interrupted_steps: list[str] = []
        """Ids of the steps that the cancel of the task has interrupted, in order."""
        self._emit = emit
        self._redaction = redaction
        self._redactor = Redactor(redaction) if redaction else None
        self._wall_clock = wall_clock
        self._view = TaskView(task_id)
        self._state: TaskState = "planning"
        self._confirmations: dict[str, Confirmation] = {}
        self._asking = trio.Lock()
        self._pending: Confirmation | None = None
        self._gate = trio.lowlevel.ParkingLot()

    @property
    def state(self) -> TaskState:
        """What the task is doing, as its `status` says."""
        return self._state

    @property
    def running_steps(self) -> list[str]:
        """Ids of the steps that run now."""
        return list(self._view.running)

    def plan(self, steps: Iterable[PlanStep | str], *, plan_id: str | None = None) -> Plan:
        """Say what the task is going to do, or going to do instead.

        Steps that have begun already keep where they stand if the new plan names them.

        Args:
            steps: `PlanStep`s, or plain names. A name that the present plan has stands
                for that step; each other one gets the next free id of step_1, step_2, ….
            plan_id: or None for the present one, or one made of the task's id.

        Raises:
            ValueError: when two steps have the same id.
        """
        known = self._view.steps
        steps = list(steps)
        taken = set(known).union(each.id for each in steps if not isinstance(each, str))
        planned: dict[str, PlanStep] = {}
        for each in steps:
            step = self._named(each, planned, taken) if isinstance(each, str) else each
            if step.status not in get_args(StepStatus):
                raise ValueError(f"step {step.id!r}: {step.status!r} is no status of a step")
            if step.id in planned:
                raise ValueError(f"two steps of the plan have the id {step.id!r}")
            begun = known.get(step.id)
            if begun is not None and begun.status != "pending":
                # Viewers have its result already; a catch-up tells it to those who come.
                step = attrs.evolve(begun, result=None)
            planned[step.id] = step
        first = self._view.plan is None
        plan = Plan(
            id=plan_id or self._view.plan_id or f"plan_{self.task_id}",
            steps=tuple(planned.values()),
        )
        self.emit(PlanCreated(plan=plan) if first else PlanUpdated(plan=plan))
        return plan

    def _named(self, name: str, planned: Container[str], taken: set[str]) -> PlanStep:
        """The step of that name in the present plan, or a new one."""
        for each in self._view.steps.values():
            if each.name == name and each.id not in planned:
                return each
        number = 1
        while f"step_{number}" in taken:
            number += 1
        taken.add(f"step_{number}")
        return PlanStep(id=f"step_{number}", name=name)

    def step(self, step: str, *, name: str | None = None, description: str = "") -> Step:
        """A step, to be run with `async with`; it starts on entering and ends on leaving.

        An exception that leaves the block fails the step and goes on. Entering waits
        while a confirmation of the task is open.

        Args:
            step: the id or the name of a step of the plan. One that the plan does not
                have, or that has run already, is added to it.
            name: its name, if it is added; or None for `step` itself.
            description: its description, if it is added.
        """
        return Step(self, self._find_or_add(step, name, description))

    def _find_or_add(self, key: str, name: str | None, description: str) -> PlanStep:
        steps = self._view.steps
        named = [each for each in steps.values() if each.name == key]
        for each in [steps[key], *named] if key in steps else named:
            if each.status == "pending":
                return each
        step_id, stem, number = key, key, 2
        if not _ID.fullmatch(key):
            stem, number = "step", len(steps) + 1
            step_id = f"step_{number}"
        while step_id in steps:
            step_id, number = f"{stem}_{number}", number + 1
        added = PlanStep(id=step_id, name=name or key, description=description, type="step")
        self.plan([*steps.values(), added])
        return added

    def skip(self, step: str, reason: str = "") -> None:
        """End a step of the plan that has not started, without running it.

        Args:
            step: its id.
            reason: why, for people; it stands as the step's output.

        Raises:
            KeyError: when the plan has no such step.
            RuntimeError: when it has started, or was skipped before.
        """
        planned = self._view.steps[step]
        if planned.status != "pending":
            raise RuntimeError(f"step {step!r} is {planned.status}; it cannot be skipped any more")
        result = StepResult(status="skipped", duration=0, output=reason or None)
        self.emit(StepCompleted(step_id=step, step_name=planned.name, result=result))

    def cleanup(self, timeout: float | None = None) -> Cleanup:
        """`async with run.cleanup():` — a place to await in although the task is cancelled.

        Args:
            timeout: seconds, counted from the cancel (from its beginning, if there was
                none then), or None for the task's `cleanup_timeout`. What is not done by
                then is cut off and named in the receipt.
        """
        step = current_step.get(None)
        if step is None or step.run is not self:  # it may be of the task that submitted this one
            return Cleanup(self.cleanup_record, "task", timeout)
        return step.cleanup(timeout)

    def emit(self, event: Event) -> None:
        """Publish an event of this task. Once it has ended, nothing is said any more."""
        if self._view.completed is not None:
            return
        if isinstance(event, TaskCompleted):
            self._end_left_steps("cancelled" if event.outcome == "cancelled" else _LEFT)
        event = attrs.evolve(event, task_id=self.task_id)
        self._view.apply(event)
        if self._redactor is None:
            self._emit(event)
        else:
            for each in self._redactor.events(event):
                self._emit(each)

    def redact(self, text: str) -> str:
        """`text` as a viewer or a model may see it; for the prompts that an agent writes.

        What is published is redacted anyway. What flows from step to step is not.
        """
        return self._redaction.text(text) if self._redaction else text

    def set_state(self, state: TaskState, message: str) -> None:
        """Publish a `status`; one that tells of work, under a cancel, says so."""
        self._state = state
        cancelling = self.cleanup_record.cancelled_at is not None and state in _AT_WORK
        self.emit(StatusChanged(state=state, message=message, cancelling=cancelling or None))

    def _end_left_steps(self, error: str) -> None:
        """End what the agent has left open: a generator that nobody closed, for example."""
        for start in list(self._view.running.values()):
            self.emit(
                StepFailed(
                    step_id=start.step_id, step_name=start.step_name, error=error, will_retry=False
                )
            )

    def index_of(self, step_id: str) -> tuple[int, int]:
        """Where a step stands in the plan, from 0, and how many steps there are."""
        ids = list(self._view.steps)
        return ids.index(step_id), len(ids)

    def step_status(self, step_id: str) -> str | None:
        """Where a step stands, or None when the plan has none of that id."""
        step = self._view.steps.get(step_id)
        return None if step is None else step.status

    async def wait_for_no_question(self) -> None:
        """Wait until no confirmation is open: no step starts beside a question.

        Cancellation: safe, nothing has happened.
        """
        await trio.lowlevel.checkpoint()
        while self._pending is not None:
            await self._gate.park()
            # It may have been cancelled after it was let go and before it ran again.
            await trio.lowlevel.checkpoint_if_cancelled()

    async def ask(self, step: Step, reason: str, expires_after: float | None) -> Decision:
        """Ask for a confirmation, one at a time, and wait for the answer."""
        if expires_after is not None and not expires_after >= 0:
            raise ValueError(f"expires_after must be 0 or more seconds, not {expires_after}")
        async with self._asking:
            await trio.lowlevel.checkpoint_if_cancelled()  # taking a lock shields its checkpoint
            if not step.running:
                raise RuntimeError(f"step {step.id!r} does not run, so it cannot ask")
            question = Confirmation(step.id, step.name)
            self._pending = self._confirmations[step.id] = question
            try:
                self.set_state("waiting", f"Waiting for a confirmation: {step.name}")
                self.emit(
                    ConfirmationRequested(
                        step_id=step.id,
                        step_name=step.name,
                        reason=str(reason),
                        expires_at=self._expiry(expires_after),
                    )
                )
                decision = await question.wait(expires_after)
            finally:
                self._close_question(question)
        if decision is None:
            if question.state == "expired" and expires_after is not None:
                raise ConfirmationExpired(expires_after)
            raise RuntimeError(f"step {step.id!r} ended while it asked")
        if not decision.approved:
            raise ConfirmationRejected(decision.reason)
        return decision

    def decide(self, step_id: str, decision: Decision) -> Outcome:
        """Answer the question of a step; the first answer wins."""
        question = self._confirmations.get(step_id)
        if question is None:
            return "unknown"
        outcome = question.decide(decision)
        if outcome == "applied":
            self._close_question(question)
        return outcome

    def withdraw_question(self, step_id: str) -> None:
        """The step ends: if it still asks, nobody is to answer."""
        question = self._pending
        if question is not None and question.step_id == step_id:
            question.withdraw()
            self._close_question(question)

    def _close_question(self, question: Confirmation) -> None:
        """Let steps start again, and say so, once; under a cancel nothing goes on."""
        if self._pending is not question:
            return
        self._pending = None
        self._gate.unpark_all()
        decided, name = question.decision, question.step_name
        if decided is not None:
            self.set_state("executing", f"{'Approved' if decided.approved else 'Rejected'}: {name}")
        elif question.state == "expired":
            self.set_state("executing", f"Nobody confirmed in time: {name}")
        elif self.cleanup_record.cancelled_at is None:
            self.set_state("executing", f"No longer asking: {name}")

    def _expiry(self, expires_after: float | None) -> int | None:
        if expires_after is None or math.isinf(expires_after):
            return None
        return int((self._wall_clock() + expires_after) * 1000)

    def late_answers(self) -> dict[str, Outcome]:
        """What an answer to each question comes to, now that the task has ended."""
        return {each.step_id: each.outcome_of_late_answer for each in self._confirmations.values()}
