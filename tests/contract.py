"""What panels rely on in the events of one task, as a checker for any test.

`check_task_events(events)` takes the live events of one task, from its submit on, as
values or as a client has decoded them, and raises an AssertionError that names the rule
and the event that broke it. The rules are those of docs/reference/wire-protocol.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from trio_agent_rt.protocol import (
    ConfirmationRequested,
    Event,
    Plan,
    PlanCreated,
    PlanUpdated,
    StatusChanged,
    StepCompleted,
    StepFailed,
    StepOutput,
    StepProgressed,
    StepStarted,
    TaskCompleted,
    encode_event,
)

__all__ = ["check_task_events", "trace"]

FORBIDDEN_IN_RESULTS = {"id", "name", "type", "tool", "description"}
"""Panels merge a result into its step: these would overwrite the step's own."""


def check_task_events(events: Iterable[Event], *, ended: bool = True) -> None:
    """Check the events of one task, in order, without those of a catch-up.

    Args:
        ended: whether the task has ended; if not, what is missing at the end is no fault.
    """
    checker = _Checker()
    for number, event in enumerate(events):
        assert not event.replay, f"event {number} is of a catch-up: {event}"
        try:
            checker.take(event)
        except AssertionError as exc:
            raise AssertionError(f"event {number}: {exc}\n{trace(checker.seen)}") from None
    if ended:
        checker.end()


def trace(events: Sequence[Event]) -> str:
    """The events on one short line each, for the message of a failure."""
    return "\n".join(f"  {number}: {_short(each)}" for number, each in enumerate(events))


def _short(event: Event) -> str:
    told = ("state", "cancelling", "step_id", "progress", "error", "will_retry", "outcome")
    fields = [f"{name}={getattr(event, name)!r}" for name in told if hasattr(event, name)]
    return f"{type(event).__name__}({', '.join(fields)})"


class _Checker:
    def __init__(self) -> None:
        self.seen: list[Event] = []
        self.task_id: str | None = None
        self.executing = False
        """Whether `executing` was said before any step."""
        self.planned: set[str] | None = None
        self.started: set[str] = set()
        self.over: set[str] = set()
        """Steps that have ended, skipped ones included."""
        self.interrupted: set[str] = set()
        self.progress: dict[str, float] = {}
        self.question: str | None = None
        """The step whose confirmation is open."""
        self.cancelling = False
        self.completed: TaskCompleted | None = None

    def take(self, event: Event) -> None:
        self.seen.append(event)
        assert self.completed is None, f"follows task:complete: {event}"
        if self.task_id is None:
            self.task_id = event.task_id
        assert event.task_id is not None, f"has no task id: {event}"
        assert event.task_id == self.task_id, f"is of another task: {event}"
        data = json.loads(encode_event(event))["data"]
        match event:
            case StatusChanged():
                self._status(event)
            case PlanCreated() | PlanUpdated():
                self._plan(event, event.plan, data["plan"])
            case StepStarted():
                self._start(event)
            case StepProgressed():
                self._is_running(event.step_id)
                assert 0 <= event.progress <= 100, f"progress outside 0–100: {event}"
                before = self.progress.get(event.step_id, 0)
                assert event.progress >= before, f"progress fell from {before}: {event}"
                self.progress[event.step_id] = event.progress
            case StepOutput():
                self._is_running(event.step_id)
                assert isinstance(event.text, str), f"output is no text: {event}"
            case ConfirmationRequested():
                self._is_running(event.step_id)
                assert self.question is None, f"a second question beside {self.question}: {event}"
                self.question = event.step_id
            case StepCompleted():
                self._complete(event, data["result"])
            case StepFailed():
                self._fail(event)
            case TaskCompleted():
                self._task_complete(event, data)
            case _:
                raise AssertionError(f"is no event of a task: {event}")

    def end(self) -> None:
        assert self.completed is not None, f"there is no task:complete\n{trace(self.seen)}"

    def _status(self, event: StatusChanged) -> None:
        assert isinstance(event.message, str), f"a status without a message: {event}"
        assert event.message.strip(), f"a status with an empty message: {event}"
        if event.state in {"planning", "executing", "waiting"}:
            assert event.cancelling or not self.cancelling, f"no longer cancelling: {event}"
            self.cancelling = bool(event.cancelling)
        if event.state == "executing":
            self.executing = True
        if self.question is None or (event.state == "waiting" and event.cancelling):
            return
        assert event.state == "executing", f"beside the open question of {self.question}: {event}"
        self.question = None

    def _plan(self, event: Event, plan: Plan, data: dict[str, Any]) -> None:
        assert isinstance(event, PlanUpdated) == (self.planned is not None), (
            f"the first plan is plan:created, each other one plan:updated: {event}"
        )
        assert isinstance(data["steps"], list), f"plan.steps is no list: {event}"
        ids = [each.id for each in plan.steps]
        assert len(ids) == len(set(ids)), f"ids of steps are not unique: {ids}"
        self.planned = set(ids)

    def _start(self, event: StepStarted) -> None:
        step = event.step_id
        assert self.executing, f"starts before a status executing: {event}"
        assert self.question is None, f"starts beside the open question of {self.question}: {event}"
        assert step not in self.started, f"starts a second time: {event}"
        assert step not in self.over, f"starts although it has ended: {event}"
        assert self.planned is not None, f"starts without a plan: {event}"
        assert step in self.planned, f"is not in the plan: {event}"
        assert 0 <= event.step_index < event.total_steps, f"index outside of the plan: {event}"
        self.started.add(step)

    def _is_running(self, step: str) -> None:
        assert step in self.started, f"of step {step}, which has not started"
        assert step not in self.over, f"of step {step}, which has ended"

    def _complete(self, event: StepCompleted, result: dict[str, Any]) -> None:
        if event.result.status != "skipped":
            self._is_running(event.step_id)
        assert event.result.status in {"success", "skipped"}, f"no such status: {event}"
        overwritten = FORBIDDEN_IN_RESULTS & result.keys()
        assert not overwritten, f"the result would overwrite {overwritten} of its step: {event}"
        assert event.result.duration >= 0, f"took negative time: {event}"
        assert self.question != event.step_id, f"ends well beside its open question: {event}"
        self._step_over(event.step_id)

    def _fail(self, event: StepFailed) -> None:
        self._is_running(event.step_id)
        assert isinstance(event.error, str), f"the error is no text: {event}"
        assert event.error, f"the error is empty: {event}"
        if event.will_retry:
            self.progress.pop(event.step_id, None)
            return
        answered = event.error.startswith(("rejected: ", "expired: "))
        assert not answered or self.question != event.step_id, (
            f"no status executing after its answer: {event}"
        )
        if event.error == "cancelled":
            self.interrupted.add(event.step_id)
        self._step_over(event.step_id)

    def _step_over(self, step: str) -> None:
        assert step not in self.over, f"step {step} ends a second time"
        self.over.add(step)
        if self.question == step:
            self.question = None

    def _task_complete(self, event: TaskCompleted, data: dict[str, Any]) -> None:
        self.completed = event
        running = self.started - self.over
        assert not running, f"the task is complete, but these steps have not ended: {running}"
        assert event.success == (event.outcome == "succeeded"), f"success is not outcome: {event}"
        for text in (event.error, event.summary, data["error"], data["summary"]):
            assert text is None or isinstance(text, str), f"{text!r} is no text: {event}"
        assert (event.error is None) == event.success, f"an error, or none, says so: {event}"
        assert (event.receipt is not None) == (event.outcome == "cancelled"), (
            f"a receipt is for a cancelled task: {event}"
        )
        if event.receipt is not None:
            told = set(event.receipt.interrupted)
            assert told <= self.interrupted, (
                f"interrupted, but without a step:error 'cancelled': {told - self.interrupted}"
            )
            assert event.receipt.task_id == event.task_id, f"a receipt of another task: {event}"
