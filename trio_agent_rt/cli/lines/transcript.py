"""Events as lines of text: what a view keeps, in the terminal and in a file alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import attrs

from ...events import SessionView
from ...protocol import (
    CommandFailed,
    ConfirmationRequested,
    CustomEvent,
    Event,
    GapOccurred,
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
from .activity import Activities
from .words import count, one_line, pretty, span

__all__ = ["Kind", "Line", "Transcript"]

Kind: TypeAlias = Literal[
    "text",
    "verbatim",
    "success",
    "failed",
    "skipped",
    "cancelled",
    "pending",
    "start",
    "question",
    "quoted",
    "retry",
    "more",
    "note",
]
"""What a line says; it decides on its mark and its colour. `verbatim` is not to be wrapped, and
`quoted` has its mark in every row that it takes."""

_PROGRESS_INTERVAL = 1.0
"""Seconds between two lines of one step's progress, where every one of them stays."""

_TAIL = 5
"""Lines of its output that stay below a step that has ended."""


@attrs.frozen
class Line:
    """A line that stays."""

    kind: Kind
    text: str
    task_id: str | None = None
    indent: int = 0


@attrs.define
class Transcript:
    """Turns the events of a session into lines.

    Args:
        each: a line for every event, as where nothing else shows what goes on. Without
            it only what the plan does not tell: that is drawn elsewhere, and questions are
            shown when they are asked.
    """

    each: bool
    activities: Activities = attrs.field(factory=Activities)
    _state: str = ""
    _progress_at: dict[tuple[str | None, str], float] = attrs.field(
        factory=dict[tuple[str | None, str], float]
    )
    _planned: dict[str | None, set[str]] = attrs.field(factory=dict[str | None, set[str]])

    def take(self, event: Event, session: SessionView, now: float) -> list[Line]:
        """The lines of an event that `session` has taken in already."""
        if isinstance(event, StepStarted) and event.replay and self._busy_with(event):
            return []  # told again, for whoever has to know which step asks
        activity, output = self.activities.take(event, now)
        lines = list(self._lines(event, session, now))
        if self.each:
            lines[:0] = [Line("more", each, event.task_id) for each in output]
        elif activity is not None and isinstance(event, StepCompleted | StepFailed):
            tail = activity.tail(_TAIL)
            if tail and not lines:
                lines.append(self._ended(event))
            lines += self._tail(event, tail, activity.lines)
        return lines

    def _busy_with(self, start: StepStarted) -> bool:
        return self.activities.of(start.task_id, start.step_id) is not None

    def _lines(self, event: Event, session: SessionView, now: float) -> Iterator[Line]:
        task_id = event.task_id
        match event:
            case PlanCreated() | PlanUpdated() if self.each:
                yield from self._plan(event)
            case StatusChanged():
                yield from self._status(event)
            case StepStarted() if self.each:
                number = f"{event.step_index + 1} of {event.total_steps}"
                yield Line("start", f"{one_line(event.step_name)} ({number})", task_id)
            case StepProgressed() if self.each:
                yield from self._progress(event, session, now)
            case StepFailed() if event.will_retry:
                text = f"{one_line(event.step_name)}: {one_line(event.error)}; trying again"
                yield Line("retry", text, task_id)
            case StepCompleted() | StepFailed():
                if self.each or not _is_planned(event, session):
                    yield self._ended(event)
            case ConfirmationRequested() if self.each:
                text = f"{one_line(event.step_name, 200)}: {one_line(event.reason)}"
                yield Line("question", text, task_id)
            case TaskCompleted():
                self._planned.pop(task_id, None)
            case GapOccurred():
                missed = "some events" if event.missed is None else count(event.missed, "event")
                yield Line("note", f"missed {missed}; what follows is the present state")
            case CommandFailed():
                yield Line("failed", f"{one_line(event.message)} ({one_line(event.code, 50)})")
            case CustomEvent():
                text = one_line(pretty(event.data)) if event.data is not None else ""
                yield Line("note", f"{one_line(event.type, 100)}: {text}", task_id)
            case _:
                pass

    def _plan(self, event: PlanCreated | PlanUpdated) -> Iterator[Line]:
        steps = event.plan.steps
        known = self._planned.setdefault(event.task_id, set())
        if isinstance(event, PlanCreated):
            known.clear()
        added = [each for each in steps if each.id not in known]
        known.update(each.id for each in added)
        first = isinstance(event, PlanCreated)
        title = f"plan of {count(steps, 'step')}" if first else "added to the plan"
        names = " · ".join(one_line(_planned(each), 100) for each in added)
        if added or first:
            yield Line("text", f"{title}: {one_line(names, 2000)}".rstrip(": "), event.task_id)

    def _status(self, event: StatusChanged) -> Iterator[Line]:
        before, self._state = self._state, event.state
        answered = before == "waiting" and event.state == "executing"
        planning = event.state == "planning" and self.each
        if event.replay and event.task_id is None:
            yield Line("note", f"{event.state}: {one_line(event.message)}")
        elif event.cancelling or answered or planning:
            yield Line("note", one_line(event.message), event.task_id)

    def _progress(self, event: StepProgressed, session: SessionView, now: float) -> Iterator[Line]:
        key = (event.task_id, event.step_id)
        last = self._progress_at.get(key)
        if last is not None and now - last < _PROGRESS_INTERVAL and event.progress < 100:
            return
        self._progress_at[key] = now
        task = session.tasks.get(event.task_id)
        step = task.steps.get(event.step_id) if task else None
        name = one_line(step.name if step else event.step_id)
        text = f"{name}: {event.progress:.0f} % {one_line(event.message)}"
        yield Line("more", text.rstrip(), event.task_id)

    def _ended(self, event: StepCompleted | StepFailed) -> Line:
        self._progress_at.pop((event.task_id, event.step_id), None)
        name = one_line(event.step_name)
        if isinstance(event, StepFailed):
            if event.error == "cancelled":
                return Line("cancelled", f"{name}: cancelled", event.task_id)
            return Line("failed", f"{name}: {one_line(event.error, 2000)}", event.task_id)
        result = event.result
        if result.status == "skipped":
            reason = f": {one_line(result.output)}" if isinstance(result.output, str) else ""
            return Line("skipped", f"{name} (skipped{reason})", event.task_id)
        again = f", {count(result.retries + 1, 'attempt')}" if result.retries else ""
        return Line("success", f"{name} ({span(result.duration / 1000)}{again})", event.task_id)

    def _tail(
        self, event: StepCompleted | StepFailed, tail: Sequence[str], lines: int
    ) -> Iterator[Line]:
        if lines > len(tail):
            yield Line("more", f"({count(lines - len(tail), 'line')} before)", event.task_id, 1)
        for each in tail:
            yield Line("more", each, event.task_id, 1)


def _is_planned(event: StepCompleted | StepFailed, session: SessionView) -> bool:
    """Whether its plan tells how the step ended."""
    task = session.tasks.get(event.task_id)
    return task is not None and event.step_id in task.steps


def _planned(step: PlanStep) -> str:
    return f"{step.name} (asks first)" if step.need_confirmation else step.name
