"""The checker of a task's events finds each way in which panels would be misled."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract import check_task_events
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    Event,
    Plan,
    PlanCreated,
    PlanStep,
    PlanUpdated,
    Pong,
    Receipt,
    StatusChanged,
    StepCompleted,
    StepFailed,
    StepOutput,
    StepProgressed,
    StepResult,
    StepStarted,
    TaskCompleted,
)

STEPS = (PlanStep(id="a", name="A"), PlanStep(id="b", name="B"))


def plan(*steps: PlanStep) -> PlanCreated:
    return PlanCreated(task_id="t", plan=Plan(id="p", steps=steps or STEPS))


def status(state: Any, message: str = "…", *, cancelling: bool | None = None) -> StatusChanged:
    return StatusChanged(task_id="t", state=state, message=message, cancelling=cancelling)


def start(step: str) -> StepStarted:
    return StepStarted(task_id="t", step_id=step, step_name=step, step_index=0, total_steps=2)


def done(step: str, status: Any = "success") -> StepCompleted:
    result = StepResult(status=status, duration=1, output={"id": 1})
    return StepCompleted(task_id="t", step_id=step, step_name=step, result=result)


def failed(step: str, error: str = "no", *, will_retry: bool = False) -> StepFailed:
    return StepFailed(task_id="t", step_id=step, step_name=step, error=error, will_retry=will_retry)


def progress(step: str, value: float) -> StepProgressed:
    return StepProgressed(task_id="t", step_id=step, progress=value)


def asked(step: str) -> ConfirmationRequested:
    return ConfirmationRequested(
        task_id="t", step_id=step, step_name=step, reason="?", expires_at=None
    )


def ended(outcome: Any = "succeeded", **fields: Any) -> TaskCompleted:
    usual: dict[str, Any] = {
        "success": outcome == "succeeded",
        "output": None,
        "summary": None,
        "duration": 1,
        "error": None if outcome == "succeeded" else "why",
        "receipt": receipt() if outcome == "cancelled" else None,
    }
    return TaskCompleted(task_id="t", outcome=outcome, **{**usual, **fields})


def receipt(*interrupted: str, task_id: str = "t") -> Receipt:
    return Receipt(
        task_id=task_id,
        reason="r",
        requested_at=0,
        ended_at=0,
        duration=0,
        interrupted=interrupted,
        completed=(),
        cleanup="clean",
    )


PLANNED = [status("planning"), plan(), status("executing")]
ASKING = [*PLANNED, start("a"), status("waiting"), asked("a")]
ANSWERED = [*ASKING, status("executing")]
RUNNING = [*PLANNED, start("a")]
CANCELLING = status("executing", cancelling=True)


@pytest.mark.parametrize(
    "events",
    [
        [ended()],
        [*RUNNING, progress("a", 5), progress("a", 5), done("a"), done("b", "skipped"), ended()],
        [*RUNNING, progress("a", 90), failed("a", will_retry=True), progress("a", 1), done("a"),
         ended()],
        [*ANSWERED, done("a"), start("b"), failed("b"), status("error"), ended("failed")],
        [*ANSWERED, failed("a", "rejected: no"), ended("failed")],
        [*ASKING, progress("a", 3), status("waiting", cancelling=True), failed("a", "cancelled"),
         ended("cancelled", receipt=receipt("a"))],
        [*ASKING, failed("a", "cancelled"), status("executing"), start("b"), done("b"), ended()],
        [*RUNNING, CANCELLING, done("a"), status("complete"), ended()],
    ],
)  # fmt: skip
def test_what_keeps_the_contract_passes(events: list[Event]) -> None:
    check_task_events(events)


@pytest.mark.parametrize(
    ("complaint", "events"),
    [
        ("there is no task:complete", PLANNED),
        ("follows task:complete", [ended(), status("idle")]),
        ("follows task:complete", [ended(), ended()]),
        ("has no task id", [StatusChanged(state="idle", message="x")]),
        ("is of another task", [status("planning"), StatusChanged(
            task_id="other", state="idle", message="x")]),
        ("is of a catch-up", [StatusChanged(task_id="t", state="idle", message="x", replay=True)]),
        ("is no event of a task", [Pong(task_id="t")]),
        ("with an empty message", [status("planning", "  ")]),
        ("no longer cancelling", [*RUNNING, CANCELLING, status("executing")]),
        ("the first plan is", [PlanUpdated(task_id="t", plan=Plan(id="p"))]),
        ("the first plan is", [plan(), plan()]),
        ("not unique", [plan(STEPS[0], STEPS[0])]),
        ("before a status executing", [status("planning"), plan(), start("a")]),
        ("starts without a plan", [status("executing"), start("a")]),
        ("is not in the plan", [*PLANNED, start("c")]),
        ("starts a second time", [*RUNNING, start("a")]),
        ("starts although it has ended", [*PLANNED, done("a", "skipped"), start("a")]),
        ("which has not started", [*PLANNED, progress("a", 1)]),
        ("which has not started", [*PLANNED, asked("a")]),
        ("which has not started", [*PLANNED, done("a")]),
        ("which has not started", [*PLANNED, failed("a")]),
        ("which has not started", [*PLANNED, StepOutput(task_id="t", step_id="a", text="x")]),
        ("which has ended", [*RUNNING, done("a"), progress("a", 1)]),
        ("which has ended", [*RUNNING, done("a"), failed("a")]),
        ("which has ended", [*RUNNING, failed("a"), failed("a", will_retry=True)]),
        ("ends a second time", [*RUNNING, done("a"), done("a", "skipped")]),
        ("outside 0–100", [*RUNNING, progress("a", 101)]),
        ("outside 0–100", [*RUNNING, progress("a", -1)]),
        ("fell from 50", [*RUNNING, progress("a", 50), progress("a", 49)]),
        ("the error is empty", [*RUNNING, failed("a", "")]),
        ("starts beside the open question", [*ASKING, start("b")]),
        ("beside the open question", [*ASKING, status("planning")]),
        ("beside the open question", [*ASKING, status("waiting")]),
        ("a second question", [*RUNNING, start("b"), asked("a"), asked("b")]),
        ("no status executing after its answer", [*ASKING, failed("a", "rejected: no")]),
        ("ends well beside its open question", [*ASKING, done("a")]),
        ("have not ended: {'a'}", [*RUNNING, ended()]),
        ("success is not outcome", [ended(success=False)]),
        ("an error, or none", [ended(error="?")]),
        ("an error, or none", [ended("failed", error=None)]),
        ("is no text", [ended("failed", error={"message": "?"})]),
        ("is no text", [ended(summary=["?"])]),
        ("a receipt is for a cancelled task", [ended("cancelled", receipt=None)]),
        ("a receipt is for a cancelled task", [ended(receipt=receipt())]),
        ("a receipt of another task", [ended("cancelled", receipt=receipt(task_id="u"))]),
        ("without a step:error 'cancelled': {'a'}", [*RUNNING, failed("a"), ended(
            "cancelled", receipt=receipt("a"))]),
    ],
)  # fmt: skip
def test_what_breaks_it_is_named(complaint: str, events: list[Event]) -> None:
    with pytest.raises(AssertionError) as caught:
        check_task_events(events)
    assert complaint in str(caught.value)


def test_a_task_that_has_not_ended_may_be_checked_so_far() -> None:
    check_task_events(RUNNING, ended=False)
    check_task_events([], ended=False)
