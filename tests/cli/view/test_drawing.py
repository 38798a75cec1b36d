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
    rows = _draw(_running(["Load"], output="".join(f"{n}\n" for n in range(30)), message="half"))
    assert rows[0] == f"  ⠋ Load  {'━' * 8}{'─' * 12}  40 %  9.0 s  half"
    assert rows[1:15] == [f"    │ {n}" for n in range(16, 30)]
    assert rows[15:] == ["⠋ 0 of 1 step · 10 s"]


def test_the_end_of_a_line_that_is_being_written_is_in_sight() -> None:
    rows = _draw(_running(["Write"], output="的" * 800 + "!"), attrs.evolve(FRAME, width=60))
    assert len(rows) == 16
    assert rows[1].strip("│ 的") == ""
    assert rows[14].endswith("的!")


def test_a_narrow_frame_has_the_number_without_the_bar() -> None:
    (row, *_) = _draw(_running(["Load"]), attrs.evolve(FRAME, width=40))
    assert "━" not in row
    assert "40 %" in row


PLAN = [
    PlanStep(id="all", name="All", type="parallel"),
    PlanStep(id="a", name="A", parent_id="all"),
    PlanStep(id="each", name="Each", type="loop", parent_id="all"),
    PlanStep(id="x.1", name="X", parent_id="each", status="success", duration=300),
    PlanStep(id="x.2", name="X", parent_id="each"),
    PlanStep(id="b", name="B", parent_id="all", status="failed", error="no\ndisk"),
    PlanStep(id="end", name="End", need_confirmation=True),
]


def _started(step_id: str) -> StepStarted:
    return StepStarted(step_id=step_id, step_name=step_id, step_index=0, total_steps=9, task_id="t")


def test_the_plan_is_a_tree_with_where_each_step_stands() -> None:
    plan = PlanCreated(plan=Plan(id="p", steps=PLAN), task_id="t")
    output = StepOutput(step_id="a", text="one", task_id="t")
    started = [_started(each) for each in ("all", "a", "each", "x.2")]
    assert _draw([plan, *started, output]) == [
        "  ⠋ All         9.0 s",
        "  ├─ ⠋ A        9.0 s",
        "  │    │ one",
        "  ├─ ⠋ Each     9.0 s",
        "  │  ├─ ✓ 1. X (0.3 s)",
        "  │  └─ ⠋ 2. X  9.0 s",
        "  └─ ✗ B: no disk",
        "  · End (asks first)",
        "⠋ 2 of 7 steps · 10 s",
    ]


def test_what_runs_stays_in_sight_among_200_steps_and_the_rest_is_counted() -> None:
    steps = [PlanStep(id=str(n), name=f"step {n}") for n in range(200)]
    steps[7] = attrs.evolve(steps[7], status="failed", error="broken")
    for n in (*range(7), *range(8, 120)):
        steps[n] = attrs.evolve(steps[n], status="success", duration=0)
    plan = PlanCreated(plan=Plan(id="p", steps=steps), task_id="t")
    rows = _draw([plan, _started("120"), _started("150")], attrs.evolve(FRAME, height=12))
    assert rows[:-1] == [
        "  … 7 done",
        "  ✗ step 7: broken",
        "  … 112 done",
        "  ⠋ step 120  9.0 s",
        "  · step 121",
        "  … 27 to do",
        "  · step 149",
        "  ⠋ step 150  9.0 s",
        "  · step 151",
        "  … 48 to do",
    ]
    assert rows[-1] == "⠋ 120 of 200 steps · 10 s"


def test_in_ten_rows_the_step_that_runs_and_its_last_words_are_left() -> None:
    steps = [PlanStep(id=str(n), name=f"step {n}") for n in range(30)]
    plan = PlanCreated(plan=Plan(id="p", steps=steps), task_id="t")
    output = StepOutput(step_id="20", text="".join(f"{n}\n" for n in range(9)), task_id="t")
    frame = attrs.evolve(FRAME, width=40, height=10)
    rows = _draw([plan, _started("20"), output], frame)
    assert rows == [
        "  … 19 to do",
        "· step 19",
        "⠋ step 20  9.0 s",
        "  │ 5",
        "  │ 6",
        "  │ 7",
        "  │ 8",
        "  … 9 to do",
        "⠋ 0 of 30 steps · 10 s",
    ]


def test_a_step_that_asks_has_a_question_mark() -> None:
    asked = ConfirmationRequested(
        step_id="0", step_name="Load", reason="Sure?", expires_at=None, task_id="t"
    )
    (row, *_) = _draw([*_running(["Load"]), asked])
    assert row.startswith("  ? Load")


def test_the_last_row_says_what_is_wrong_before_anything_else() -> None:
    events = [*_running(["Load"]), StatusChanged(state="executing", message="Running", task_id="t")]
    assert _draw(events)[-1] == "⠋ 0 of 1 step · 10 s"  # the tree says what runs
    assert _draw(events[-1:])[-1].endswith("10 s · Running")
    assert "gone" in _draw(events, attrs.evolve(FRAME, hint="gone"))[-1]
    cancelling = StatusChanged(state="executing", message="Running", task_id="t", cancelling=True)
    assert _draw([*events, cancelling])[-1].endswith("cancelling")
