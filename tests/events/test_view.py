"""The present state, folded from events: what a catch-up tells is what it was made from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.histories import histories
from trio_agent_rt.events import SessionView, TaskView
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    Connected,
    Event,
    GapOccurred,
    Plan,
    PlanCreated,
    PlanStep,
    PlanUpdated,
    Pong,
    Position,
    StatusChanged,
    StepCompleted,
    StepFailed,
    StepOutput,
    StepProgressed,
    StepResult,
    StepStarted,
    TaskCompleted,
    TaskOutcome,
    decode_event,
    encode_event,
)


def view_of(events: Iterable[Event]) -> SessionView:
    view = SessionView()
    for event in events:
        view.apply(event)
    return view


def bare(event: Event | None) -> Event | None:
    """What an event says, whenever and wherever it was said."""
    if event is None:
        return None
    return attrs.evolve(event, replay=False, position=None, timestamp=None)


def state_of_task(task: TaskView) -> dict[str, Any]:
    return {
        "id": task.task_id,
        "plan": task.plan,
        "running": {step: bare(start) for step, start in task.running.items()},
        "confirmation": bare(task.confirmation),
        "status": bare(task.status),
        "completed": bare(task.completed),
    }


def state_of(view: SessionView) -> dict[str, Any]:
    """All that a viewer can tell from a view; while tasks run, that is not what ended before."""
    ended = view.ended if not view.tasks else None
    return {
        "tasks": [state_of_task(each) for each in view.tasks.values()],
        "ended": ended and state_of_task(ended),
        "status": bare(view.status),
    }


@given(histories(), st.data())
def test_a_catch_up_tells_the_whole_state_and_what_follows_continues_it(
    events: list[Event], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(events)), "caught up after")
    original = view_of(events[:cut])
    caught_up = view_of(original.catch_up())
    assert state_of(caught_up) == state_of(original)
    for event in events[cut:]:
        original.apply(event)
        caught_up.apply(event)
        assert state_of(caught_up) == state_of(original)


@given(histories())
def test_a_catch_up_survives_the_wire(events: list[Event]) -> None:
    original = view_of(events)
    sent = [decode_event(encode_event(each)) for each in original.catch_up()]
    assert state_of(view_of(sent)) == state_of(original)


@given(histories())
def test_a_catch_up_of_a_catch_up_is_the_same(events: list[Event]) -> None:
    told = view_of(events).catch_up()
    assert view_of(told).catch_up() == told


@given(histories(), histories())
def test_a_catch_up_after_a_gap_replaces_what_was_known(
    known: list[Event], events: list[Event]
) -> None:
    original = view_of(events)
    for first in (
        GapOccurred(missed=3),
        Connected(client_id="c", session_id="s", resumed=False, heartbeat_interval=15),
    ):
        stale = view_of(known)
        for event in (first, *original.catch_up()):
            stale.apply(event)
        assert state_of(stale) == state_of(original)


@given(histories())
def test_every_message_of_a_catch_up_says_that_it_is_one_and_the_status_is_last(
    events: list[Event],
) -> None:
    positioned = [
        attrs.evolve(each, position=Position("e", at), timestamp=at)
        for at, each in enumerate(events, 1)
    ]
    *_, last = told = view_of(positioned).catch_up()
    assert isinstance(last, StatusChanged)
    for event in told:
        assert event.replay
        assert event.position is None
        assert event.timestamp is None


def test_a_connection_that_resumes_keeps_what_it_knew() -> None:
    view = view_of([StatusChanged(state="planning", message="Planning", task_id="t")])
    before = state_of(view)
    view.apply(Connected(client_id="c", session_id="s", resumed=True, heartbeat_interval=15))
    view.apply(Pong())
    assert state_of(view) == before


# --- one task, step by step


def step_started(step: str = "a", **fields: Any) -> StepStarted:
    return StepStarted(
        step_id=step, step_name=step.upper(), step_index=0, total_steps=2, task_id="t", **fields
    )


def step_failed(error: str, *, will_retry: bool = False) -> StepFailed:
    return StepFailed(step_id="a", step_name="A", error=error, will_retry=will_retry, task_id="t")


def status(state: Any, task_id: str | None = "t") -> StatusChanged:
    return StatusChanged(state=state, message=state.title(), task_id=task_id)


def completed(outcome: TaskOutcome = "succeeded", task_id: str = "t") -> TaskCompleted:
    error = None if outcome == "succeeded" else "why"
    return TaskCompleted(
        success=not error,
        outcome=outcome,
        output=None,
        summary=None,
        duration=1,
        error=error,
        task_id=task_id,
    )


PLANNED = PlanCreated(
    plan=Plan(id="p", steps=[PlanStep(id="a", name="A"), PlanStep(id="b", name="B")]), task_id="t"
)
QUESTION = ConfirmationRequested(
    step_id="a", step_name="A", reason="Sure?", expires_at=None, task_id="t"
)
RESULT = StepResult(status="success", duration=5, output=1)
PROGRESS = StepProgressed(step_id="a", progress=40, task_id="t")


def step_a(*events: Event) -> PlanStep:
    return view_of([PLANNED, *events]).tasks["t"].steps["a"]


def test_a_session_starts_idle_and_says_so() -> None:
    assert SessionView().catch_up() == [
        StatusChanged(state="idle", message="Ready for a task", replay=True)
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], PlanStep(id="a", name="A")),
        ([step_started()], PlanStep(id="a", name="A", status="running")),
        ([step_started(), PROGRESS], PlanStep(id="a", name="A", status="running", progress=40)),
        (
            [step_started(), PROGRESS, StepCompleted(step_id="a", step_name="A", result=RESULT)],
            PlanStep(id="a", name="A", status="success", progress=100, duration=5, result=RESULT),
        ),
        (
            [step_started(), PROGRESS, step_failed("flaky", will_retry=True)],
            PlanStep(id="a", name="A", status="running", error="flaky"),
        ),
        (
            [step_started(), PROGRESS, step_failed("broken")],
            PlanStep(id="a", name="A", status="failed", progress=40, error="broken"),
        ),
        (
            [step_started(), step_failed("cancelled")],
            PlanStep(id="a", name="A", status="cancelled", error="cancelled"),
        ),
        (
            [step_started(), StepOutput(step_id="a", text="x", task_id="t")],
            PlanStep(id="a", name="A", status="running"),
        ),
    ],
)
def test_a_step_of_the_plan_stands_where_its_events_left_it(
    events: list[Event], expected: PlanStep
) -> None:
    assert step_a(*(attrs.evolve(each, task_id="t") for each in events)) == expected


@pytest.mark.parametrize(
    ("event", "running"),
    [
        (PROGRESS, ["a", "b"]),
        (step_failed("flaky", will_retry=True), ["a", "b"]),
        (step_failed("broken"), ["b"]),
        (StepCompleted(step_id="a", step_name="A", result=RESULT, task_id="t"), ["b"]),
        (completed("failed"), []),
    ],
    ids=["progress", "retry", "failure", "completion", "end of the task"],
)
def test_a_step_runs_until_its_last_attempt_or_its_task_ends(
    event: Event, running: list[str]
) -> None:
    view = view_of([PLANNED, step_started("a"), step_started("b")])
    task = view.tasks["t"]
    view.apply(event)
    assert list(task.running) == running
    assert [each for each in task.catch_up() if isinstance(each, StepStarted)] == [
        step_started(each) for each in running
    ]


def test_how_far_a_step_is_stands_in_the_plan_and_in_no_other_plan() -> None:
    task = TaskView("t", steps={"a": PlanStep(id="a", name="A")})
    for event in (
        StepProgressed(step_id="a", progress=1),
        StepProgressed(step_id="b", progress=2),
        StepProgressed(step_id="a", progress=3),
    ):
        task.apply(event)
    assert task.steps == {"a": PlanStep(id="a", name="A", progress=3)}
    task.apply(StepProgressed(step_id="a", progress=4))
    steps = (PlanStep(id="a", name="A again"), PlanStep(id="b", name="B"))
    task.apply(PlanUpdated(plan=Plan(id="p", steps=steps)))
    assert tuple(task.steps.values()) == steps


def test_a_skipped_step_is_done_without_progress() -> None:
    result = StepResult(status="skipped", duration=0, output=None)
    skipped = StepCompleted(step_id="a", step_name="A", result=result, task_id="t")
    assert step_a(skipped) == PlanStep(
        id="a", name="A", status="skipped", duration=0, result=result
    )


def test_a_step_that_succeeds_after_a_retry_has_no_error_left() -> None:
    done = StepCompleted(step_id="a", step_name="A", result=RESULT, task_id="t")
    assert step_a(step_started(), step_failed("flaky", will_retry=True), done).error is None


def test_a_new_plan_replaces_the_old_one() -> None:
    plan = Plan(id="p2", steps=[PlanStep(id="c", name="C", status="running", progress=3)])
    view = view_of([PLANNED, PlanUpdated(plan=plan, task_id="t")])
    assert view.tasks["t"].plan == plan


def test_events_of_steps_that_no_plan_has_are_taken() -> None:
    view = view_of([step_started("z"), StepProgressed(step_id="z", progress=1, task_id="t")])
    assert view.tasks["t"].plan is None
    assert list(view.tasks["t"].running) == ["z"]


@pytest.mark.parametrize(
    "end",
    [
        status("executing"),
        step_failed("rejected: no"),
        StepCompleted(step_id="a", step_name="A", result=RESULT, task_id="t"),
    ],
    ids=["answered", "rejected", "completed"],
)
def test_a_confirmation_is_pending_until_it_is_answered_or_its_step_ends(end: Event) -> None:
    view = view_of([PLANNED, step_started(), status("waiting"), QUESTION])
    assert view.tasks["t"].confirmation == QUESTION
    assert attrs.evolve(QUESTION, replay=True) in view.catch_up()
    view.apply(end)
    assert view.tasks["t"].confirmation is None


def test_the_end_of_another_step_leaves_a_confirmation_pending() -> None:
    other = StepCompleted(step_id="b", step_name="B", result=RESULT, task_id="t")
    view = view_of([PLANNED, step_started(), step_started("b"), QUESTION, other])
    assert view.tasks["t"].confirmation == QUESTION


def test_a_question_told_before_its_status_survives_a_catch_up_between_the_two() -> None:
    view = view_of([PLANNED, status("executing"), step_started(), QUESTION])
    assert state_of(view_of(view.catch_up())) == state_of(view)


def test_a_catch_up_tells_plan_then_running_steps_then_question_then_status() -> None:
    view = view_of(
        [status("executing"), PLANNED, step_started(), PROGRESS, status("waiting"), QUESTION]
    )
    plan, *rest = view.catch_up()
    assert isinstance(plan, PlanCreated)
    assert plan.task_id == "t"
    assert [(each.status, each.progress) for each in plan.plan.steps] == [
        ("running", 40),
        ("pending", None),
    ]
    assert rest == [
        attrs.evolve(each, replay=True) for each in (step_started(), QUESTION, status("waiting"))
    ]


def test_when_no_task_runs_the_last_one_that_ended_is_told() -> None:
    first = [PLANNED, completed()]
    second = [attrs.evolve(each, task_id="u") for each in (PLANNED, completed("failed"))]
    told = view_of([*first, *second]).catch_up()
    assert [(type(each), each.task_id) for each in told] == [
        (PlanCreated, "u"),
        (TaskCompleted, "u"),
        (StatusChanged, None),
    ]


def test_while_a_task_runs_one_that_ended_is_not_told() -> None:
    told = view_of([PLANNED, completed(), status("planning", "u")]).catch_up()
    assert told == [attrs.evolve(status("planning", "u"), replay=True)]


@pytest.mark.parametrize(
    ("outcome", "state", "message"),
    [
        ("succeeded", "complete", "The task has succeeded"),
        ("failed", "error", "why"),
        ("cancelled", "idle", "The task was cancelled"),
    ],
)
def test_a_task_that_ended_leaves_the_status_of_its_outcome(
    outcome: TaskOutcome, state: str, message: str
) -> None:
    view = view_of([status("executing"), completed(outcome)])
    assert (view.status.state, view.status.message) == (state, message)


def test_the_status_of_a_session_is_the_newest_word_of_a_task_that_runs() -> None:
    view = view_of([status("executing", "t"), status("planning", "u")])
    assert view.status == status("planning", "u")
    view.apply(status("waiting", "t"))
    assert view.status == status("waiting", "t")
    view.apply(status("executing", "v"))
    view.apply(completed(task_id="t"))
    assert view.status == status("executing", "v")
    view.apply(completed(task_id="v"))
    assert view.status == status("planning", "u")


def test_nothing_revives_a_task_that_has_ended() -> None:
    view = view_of([PLANNED, completed(), status("executing"), step_started()])
    assert not view.tasks
    assert view.status.state == "complete"
