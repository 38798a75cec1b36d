"""The present state of a session, folded from its events.

A server tells it to a connection that cannot be given the events themselves (catch-up);
a panel or a terminal draws it. Both use this one fold.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ..protocol import (
    ConfirmationRequested,
    Connected,
    Event,
    GapOccurred,
    Plan,
    PlanCreated,
    PlanStep,
    PlanUpdated,
    StatusChanged,
    StepCompleted,
    StepFailed,
    StepProgressed,
    StepStarted,
    TaskCompleted,
)

__all__ = ["SessionView", "TaskView"]

_IDLE = StatusChanged(state="idle", message="Ready for a task")


@attrs.define
class TaskView:
    """Where one task stands."""

    task_id: str | None
    plan_id: str | None = None
    """None until there is a plan."""
    _steps: dict[str, PlanStep] = attrs.field(factory=dict[str, PlanStep], alias="steps")
    running: dict[str, StepStarted] = attrs.field(factory=dict[str, StepStarted])
    """The start of each step that runs now, in the order in which they were told."""
    confirmation: ConfirmationRequested | None = None
    """What it waits for a person to decide."""
    status: StatusChanged = _IDLE
    completed: TaskCompleted | None = None
    """Its terminal message, once it has ended."""
    # Told again and again, and hardly ever looked at.
    _progress: dict[str, float] = attrs.field(factory=dict[str, float], init=False)

    @property
    def steps(self) -> dict[str, PlanStep]:
        """Its plan's steps by id, in order, as they stand now."""
        told = self._progress
        if not told:
            return self._steps
        # Nothing is changed here: somebody may look from another thread.
        return {
            step_id: attrs.evolve(step, progress=told[step_id]) if step_id in told else step
            for step_id, step in self._steps.items()
        }

    @property
    def step_count(self) -> int:
        """How many steps its plan has."""
        return len(self._steps)

    def _note_progress(self) -> None:
        """Put into the steps what was told of them."""
        self._steps, self._progress = self.steps, {}

    @property
    def plan(self) -> Plan | None:
        """Its plan, with every step's present status, progress and result."""
        if self.plan_id is None:
            return None
        return Plan(id=self.plan_id, steps=tuple(self.steps.values()))

    def apply(self, event: Event) -> None:
        """Take in the next event of this task."""
        match event:
            case PlanCreated() | PlanUpdated():
                self.plan_id = event.plan.id
                self._note_progress()
                known = self._steps
                self._steps = {each.id: _with_result(each, known) for each in event.plan.steps}
            case StatusChanged():
                self.status = event
                if event.state != "waiting" and not event.replay:
                    self.confirmation = None
            case StepStarted():
                self.running.pop(event.step_id, None)
                self.running[event.step_id] = event
                if not event.replay:  # else the plan has told how far it is
                    self._change(event.step_id, status="running", progress=None)
            case StepProgressed():
                if event.step_id in self._steps:
                    self._progress[event.step_id] = event.progress
            case StepCompleted():
                self._end(event.step_id)
                self._change(
                    event.step_id,
                    status=event.result.status,
                    duration=event.result.duration,
                    progress=100.0 if event.result.status == "success" else None,
                    result=event.result,
                    error=None,
                )
            case StepFailed() if event.will_retry:
                self._change(event.step_id, progress=None, error=event.error)
            case StepFailed():
                self._end(event.step_id)
                status = "cancelled" if event.error == "cancelled" else "failed"
                self._change(event.step_id, status=status, error=event.error)
            case ConfirmationRequested():
                self.confirmation = event
            case TaskCompleted():
                self.running.clear()
                self.confirmation = None
                self.completed = event
                self.status = _after(event)
            case _:
                pass

    def _end(self, step_id: str) -> None:
        self.running.pop(step_id, None)
        if self.confirmation is not None and self.confirmation.step_id == step_id:
            self.confirmation = None

    def _change(self, step_id: str, **fields: object) -> None:
        self._note_progress()
        step = self._steps.get(step_id)
        if step is not None:
            self._steps[step_id] = attrs.evolve(step, **fields)

    def catch_up(self) -> list[Event]:
        """Where it stands, told in events; without its status."""
        events: list[Event] = []
        if self.plan is not None:
            events.append(PlanCreated(plan=self.plan, task_id=self.task_id))
        events += self.running.values()
        if self.confirmation is not None:
            events.append(self.confirmation)
        if self.completed is not None:
            events.append(self.completed)
        return events


def _with_result(step: PlanStep, known: Mapping[str, PlanStep]) -> PlanStep:
    """A step of a new plan with what it came to: live plans do not repeat results."""
    before = known.get(step.id)
    if before is None or before.status != step.status or step.result is not None:
        return step
    return attrs.evolve(step, result=before.result)


@attrs.define
class SessionView:
    """Where a session stands: its running tasks, and the last one that ended."""

    tasks: dict[str | None, TaskView] = attrs.field(factory=dict[str | None, TaskView])
    """Tasks that run, by id, in the order of their start."""
    ended: TaskView | None = None
    """The last task that ended."""
    status: StatusChanged = _IDLE
    """What the session is doing, all tasks together: the newest word of a running one."""
    _told_last: StepStarted | None = None
    """The last start of a step, whether or not that step still runs."""

    def apply(self, event: Event) -> None:
        """Take in the next event of the session.

        After a gap, and on a connection that does not resume, the catch-up that follows
        tells everything: what was known before is forgotten.
        """
        if event.task_id is None:
            match event:
                case StatusChanged():
                    self.status = event
                case GapOccurred() | Connected(resumed=False):
                    self.tasks.clear()
                    self.ended, self.status = None, _IDLE
                case _:
                    pass
            return
        task = self.tasks.get(event.task_id)
        if task is None:
            if self.ended is not None and self.ended.task_id == event.task_id:
                return
            task = self.tasks[event.task_id] = TaskView(event.task_id)
        task.apply(event)
        if isinstance(event, StatusChanged):
            self.status = event
        elif isinstance(event, StepStarted):
            self._told_last = event
        elif isinstance(event, TaskCompleted):
            self.ended = self.tasks.pop(event.task_id)
            others = list(self.tasks.values())
            self.status = others[-1].status if others else self.ended.status

    def start_to_repeat(self, question: ConfirmationRequested) -> StepStarted | None:
        """The start of the step that asks, to be told again before its question.

        Panels answer for the step whose start they were told last. None if that is it.
        """
        task, last = self.tasks.get(question.task_id), self._told_last
        start = None if task is None else task.running.get(question.step_id)
        if start is None or last is None:
            return None
        if (last.task_id, last.step_id) == (start.task_id, start.step_id):
            return None
        return attrs.evolve(start, replay=True, position=None, timestamp=None)

    @property
    def size(self) -> int:
        """About how many events it takes to tell all of it, without making them."""
        told = [*self.tasks.values()] or ([self.ended] if self.ended else [])
        return 1 + sum(2 + len(each.running) + each.step_count // 10 for each in told)

    def catch_up(self) -> list[Event]:
        """The present state, told in events: what a connection without a past is given."""
        events: list[Event] = []
        for task in self.tasks.values():
            events += task.catch_up()
            if len(self.tasks) > 1 and task.status is not _IDLE:
                events.append(task.status)
        if not self.tasks and self.ended is not None:
            events += self.ended.catch_up()
        return [
            attrs.evolve(each, replay=True, position=None, timestamp=None)
            for each in (*events, self.status)
        ]


def _after(completed: TaskCompleted) -> StatusChanged:
    """What holds when a task has ended and no other runs."""
    match completed.outcome:
        case "succeeded":
            return StatusChanged(state="complete", message="The task has succeeded")
        case "failed":
            return StatusChanged(state="error", message=completed.error or "The task has failed")
        case "cancelled":
            return StatusChanged(state="idle", message="The task was cancelled")
