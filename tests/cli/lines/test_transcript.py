"""What is kept of each event: everything in a file, what is over in a terminal."""

from __future__ import annotations

import attrs
import pytest

from trio_agent_rt.cli.lines import Line, Transcript
from trio_agent_rt.events import SessionView
from trio_agent_rt.protocol import (
    CommandFailed,
    ConfirmationRequested,
    CustomEvent,
    Event,
    GapOccurred,
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
    TaskState,
)


def _lines(*events: Event, each: bool, now: float = 0.0) -> list[tuple[str, str]]:
    transcript, session = Transcript(each), SessionView()
    lines: list[Line] = []
    for event in events:
        session.apply(event)
        lines += transcript.take(event, session, now)
    return [(line.kind, line.text) for line in lines]


STEPS = (PlanStep(id="a", name="Load"), PlanStep(id="b", name="Save", need_confirmation=True))
PLAN = PlanCreated(plan=Plan(id="p", steps=STEPS), task_id="t")
START = StepStarted(step_id="a", step_name="Load", step_index=0, total_steps=2, task_id="t")
DONE = StepCompleted(
    step_id="a",
    step_name="Load",
    result=StepResult(status="success", duration=1500, output=None, retries=2),
    task_id="t",
)


def _progress(percent: float) -> StepProgressed:
    return StepProgressed(step_id="a", progress=percent, message="m", task_id="t")


def _failed(error: str, *, will_retry: bool = False) -> StepFailed:
    return StepFailed(
        step_id="a", step_name="Load", error=error, will_retry=will_retry, task_id="t"
    )


def _status(state: TaskState, message: str, *, cancelling: bool | None = None) -> StatusChanged:
    return StatusChanged(state=state, message=message, task_id="t", cancelling=cancelling)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (DONE, ("success", "Load (1.5 s, 3 attempts)")),
        (_failed("no\n\x1b[1mdisk"), ("failed", "Load: no disk")),
        (_failed("cancelled"), ("cancelled", "Load: cancelled")),
    ],
)
def test_how_a_step_ended_is_a_line_where_no_plan_is_drawn(
    event: Event, line: tuple[str, str]
) -> None:
    assert _lines(PLAN, START, event, each=True)[-1] == line
    assert _lines(PLAN, START, event, each=False) == []
    assert _lines(START, event, each=False) == [line]  # it is in no plan


@pytest.mark.parametrize(
    ("event", "kept"),
    [
        (_failed("busy", will_retry=True), ("retry", "Load: busy; trying again")),
        (_status("executing", "Cancelling: x", cancelling=True), ("note", "Cancelling: x")),
        (GapOccurred(missed=3), ("note", "missed 3 events; what follows is the present state")),
        (
            GapOccurred(missed=None),
            ("note", "missed some events; what follows is the present state"),
        ),
        (CommandFailed(message="no", code="busy"), ("failed", "no (busy)")),
        (CustomEvent(type="news", data={"a": "[b]"}), ("note", 'news: { "a": "[b]" }')),
    ],
)
@pytest.mark.parametrize("each", [True, False])
def test_what_the_plan_does_not_tell_is_kept_in_both(
    event: Event, kept: tuple[str, str], each: bool
) -> None:
    assert _lines(PLAN, START, event, each=each)[-1] == kept


def test_a_file_gets_a_line_for_everything_that_goes_on() -> None:
    output = StepOutput(step_id="a", text="one\ntwo", task_id="t")
    assert _lines(PLAN, START, _progress(40), output, DONE, each=True) == [
        ("text", "plan of 2 steps: Load · Save (asks first)"),
        ("start", "Load (1 of 2)"),
        ("more", "Load: 40 % m"),
        ("more", "one"),
        ("more", "two"),
        ("success", "Load (1.5 s, 3 attempts)"),
    ]


def test_a_terminal_keeps_the_end_of_the_output_of_a_step() -> None:
    output = StepOutput(step_id="a", text="".join(f"{n}\n" for n in range(9)), task_id="t")
    assert _lines(PLAN, START, _progress(40), output, DONE, each=False) == [
        ("success", "Load (1.5 s, 3 attempts)"),
        ("more", "(4 lines before)"),
        *(("more", str(n)) for n in range(4, 9)),
    ]


def test_a_file_gets_progress_once_a_second_and_the_last() -> None:
    transcript, session = Transcript(each=True), SessionView()
    session.apply(PLAN)
    kept: list[str] = []
    for tenth in range(25):
        event = _progress(min(100.0, tenth * 4 + 4))
        kept += [line.text for line in transcript.take(event, session, tenth / 10)]
    assert kept == [f"Load: {n} % m" for n in (4, 44, 84, 100)]


def test_a_plan_that_grows_tells_what_was_added() -> None:
    more = (*STEPS, PlanStep(id="c", name="Send"), PlanStep(id="d", name="Tell"))
    grown = PlanUpdated(plan=Plan(id="p", steps=more), task_id="t")
    assert _lines(PLAN, grown, grown, each=True)[1:] == [("text", "added to the plan: Send · Tell")]
    assert _lines(PLAN, grown, each=False) == []  # it is drawn


def test_the_answer_to_a_question_is_told() -> None:
    asked = ConfirmationRequested(
        step_id="a", step_name="Load", reason="Sure?\nReally?", expires_at=None, task_id="t"
    )
    waiting, answered = _status("waiting", "Waiting"), _status("executing", "Approved: Load")
    assert _lines(PLAN, START, waiting, asked, answered, each=True)[2:] == [
        ("question", "Load: Sure? Really?"),
        ("note", "Approved: Load"),
    ]
    # In a terminal it is shown when somebody is asked.
    assert _lines(PLAN, START, waiting, asked, answered, each=False) == [
        ("note", "Approved: Load"),
    ]


def test_a_giant_plan_and_a_giant_question_are_one_line_each_in_a_file() -> None:
    steps = tuple(PlanStep(id=str(n), name=str(n)) for n in range(1000))
    plan = PlanCreated(plan=Plan(id="p", steps=steps), task_id="t")
    asked = ConfirmationRequested(
        step_id="0", step_name="0", reason="\n".join("x" * 900), expires_at=None, task_id="t"
    )
    lines = _lines(plan, asked, each=True)
    assert len(lines) == 2
    assert all(len(text) < 2100 for _, text in lines)


def test_a_start_that_is_told_again_beside_a_question_is_no_line_of_its_own() -> None:
    again = attrs.evolve(START, replay=True)
    kinds = [kind for kind, _ in _lines(PLAN, START, again, each=True)]
    assert kinds.count("start") == 1
    kinds = [kind for kind, _ in _lines(PLAN, again, each=True)]
    assert kinds.count("start") == 1, "but in a catch-up it is"
