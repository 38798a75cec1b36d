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

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, get_args

import attrs

from ..events import Redaction, Redactor, TaskView
from ..protocol import (
    Event,
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
    Usage,
)
from .cleanup import Cleanup, CleanupRecord
from .confirming import Questions
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
        """Ids of the steps that have ended well, in order; not those of a cleanup, which
        have begun after the cancel."""
        self.interrupted_steps: list[str] = []
        """Ids of the steps that the cancel of the task has interrupted, in order."""
        self.usage: Usage = Usage()
        """What models have taken for it; the terminal message tells it."""
        self._emit = emit
        self.redaction: Redaction | None = redaction
        """What viewers and models are never shown, if there is anything."""
        self._redactor = Redactor(redaction) if redaction else None
        self._view = TaskView(task_id)
        self._state: TaskState = "planning"
        self.questions: Questions = Questions(self, wall_clock)
        """What it asks people."""

    @property
    def state(self) -> TaskState:
        """What the task is doing, as its `status` says."""
        return self._state

    @property
    def running_steps(self) -> list[str]:
        """Ids of the steps that run now."""
        return list(self._view.running)

    @property
    def planned_steps(self) -> Sequence[PlanStep]:
        """The steps of its plan, in order, as they stand now."""
        return tuple(self._view.steps.values())

    def add_usage(self, usage: Usage) -> None:
        """Count the tokens that one more answer of a language model took."""
        self.usage += usage

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
            self.end_left_steps(cancelled=event.outcome == "cancelled")
        if event.task_id != self.task_id:
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
        return self.redaction.text(text) if self.redaction else text

    def set_state(self, state: TaskState, message: str) -> None:
        """Publish a `status`; one that tells of work, under a cancel, says so."""
        self._state = state
        cancelling = self.cleanup_record.cancelled_at is not None and state in _AT_WORK
        self.emit(StatusChanged(state=state, message=message, cancelling=cancelling or None))

    def end_left_steps(self, *, cancelled: bool) -> None:
        """End what the agent has left open: a generator that it still keeps, for example.

        Args:
            cancelled: whether its cancel ends them, and so has interrupted them.
        """
        error = "cancelled" if cancelled else _LEFT
        for start in list(self._view.running.values()):
            if cancelled:
                self.interrupted_steps.append(start.step_id)
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
