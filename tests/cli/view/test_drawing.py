"""A frame fits its place, whatever runs."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.cli.lines import Activities
from trio_agent_rt.cli.lines.words import UNICODE
from trio_agent_rt.cli.view.drawing import Frame, draw
from trio_agent_rt.events import SessionView
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    Event,
    Plan,
    PlanCreated,
    PlanStep,
    StatusChanged,
    StepOutput,
    StepProgressed,
    StepStarted,
)

FRAME = Frame(now=12.0, since=2.0, width=100, height=30, marks=UNICODE)


def _draw(events: list[Event], frame: Frame = FRAME) -> list[str]:
    session, activities = SessionView(), Activities()
    for event in events:
        session.apply(event)
        activities.take(event, 3.0)
    return [row.plain for row in draw(session, activities, frame)]


def _running(names: list[str], output: str = "", message: str = "") -> list[Event]:
    steps = [PlanStep(id=str(n), name=name) for n, name in enumerate(names)]
    events: list[Event] = [PlanCreated(plan=Plan(id="p", steps=steps), task_id="t")]
    for n, name in enumerate(names):
        step_id = str(n)
        events += [
            StepStarted(step_id=step_id, step_name=name, step_index=n, total_steps=9, task_id="t"),
            StepOutput(step_id=step_id, text=output, task_id="t"),
            StepProgressed(step_id=step_id, progress=40.0, message=message, task_id="t"),
        ]
    return events


names = st.text(st.sampled_from("ab 长名字é\x1b[\n😀"), max_size=80)


@given(
    st.lists(names, max_size=20),
    names,
    st.integers(1, 150),
    st.integers(1, 40),
)
def test_a_frame_is_never_wider_or_higher_than_its_place(
    steps: list[str], text: str, width: int, height: int
) -> None:
    frame = attrs.evolve(FRAME, width=width, height=height)
    session, activities = SessionView(), Activities()
    for event in _running(steps, output=text * 5, message=text):
        session.apply(event)
        activities.take(event, 3.0)
    rows = draw(session, activities, frame)
    assert len(rows) <= max(height - 1, 1)
    assert all(row.cell_len <= width for row in rows)
    assert all("\n" not in row.plain and "\x1b" not in row.plain for row in rows)


def test_a_running_step_shows_progress_time_message_and_the_end_of_its_output() -> None:
    rows = _draw(_running(["Load"], output="".join(f"{n}\n" for n in range(9)), message="half"))
    assert rows[0] == f"  ⠋ Load  {'━' * 8}{'─' * 12}  40 %  9.0 s  half"
    assert rows[1:6] == [f"    │ {n}" for n in range(4, 9)]
    assert "0 of 1 step · 10 s" in rows[6]


def test_a_narrow_frame_has_the_number_without_the_bar() -> None:
    (row, *_) = _draw(_running(["Load"]), attrs.evolve(FRAME, width=40))
    assert "━" not in row
    assert "40 %" in row


def test_steps_beyond_the_eighth_are_counted() -> None:
    rows = _draw(_running([str(n) for n in range(20)]))
    assert rows[-2] == "  │ and 12 more steps"


def test_a_step_that_asks_has_a_question_mark() -> None:
    asked = ConfirmationRequested(
        step_id="0", step_name="Load", reason="Sure?", expires_at=None, task_id="t"
    )
    (row, *_) = _draw([*_running(["Load"]), asked])
    assert row.startswith("  ? Load")


def test_the_last_row_says_what_is_wrong_before_anything_else() -> None:
    events = [*_running(["Load"]), StatusChanged(state="executing", message="Running", task_id="t")]
    assert _draw(events)[-1].endswith("10 s · Running")
    assert "gone" in _draw(events, attrs.evolve(FRAME, hint="gone"))[-1]
    cancelling = StatusChanged(state="executing", message="Running", task_id="t", cancelling=True)
    assert _draw([*events, cancelling])[-1].endswith("cancelling")
