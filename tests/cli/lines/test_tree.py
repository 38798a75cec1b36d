"""Steps below the one around them, whatever a server says of its plan."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.cli.lines import came_to, ending, plan_lines, title, tree_of
from trio_agent_rt.events import TaskView
from trio_agent_rt.protocol import PlanStep, StepResult, TaskCompleted


def _step(step_id: str, parent: str | None = None, kind: str = "tool") -> PlanStep:
    return PlanStep(id=step_id, name=step_id.upper(), parent_id=parent, type=kind)


def test_a_step_stands_below_the_one_around_it_also_when_it_comes_later() -> None:
    nodes = tree_of([_step("a"), _step("b"), _step("c", "a"), _step("d", "c")])
    assert [(each.step.id, each.depth) for each in nodes] == [
        ("a", 0),
        ("c", 1),
        ("d", 2),
        ("b", 0),
    ]


def test_rails_say_whether_others_follow_at_each_level() -> None:
    nodes = tree_of([_step("a"), _step("b", "a"), _step("c", "b"), _step("d", "a")])
    assert [each.rails for each in nodes] == [(), (True,), (True, False), (False,)]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdefg")), max_size=12))
def test_every_step_is_drawn_once_whatever_its_parent_is(pairs: list[tuple[str, str]]) -> None:
    steps = {step_id: _step(step_id, parent) for step_id, parent in pairs}
    nodes = tree_of(steps.values())
    assert sorted(each.step.id for each in nodes) == sorted(steps)


def test_a_plan_that_is_deeper_than_any_stays_narrow() -> None:
    steps = [_step("0"), *(_step(str(n), str(n - 1)) for n in range(1, 5000))]
    assert max(each.depth for each in tree_of(steps)) == 8


def test_steps_of_a_loop_say_which_iteration_they_are_of() -> None:
    nodes = tree_of([_step("l", kind="loop"), _step("x.12", "l"), _step("p"), _step("y.3", "p")])
    assert [title(each) for each in nodes] == ["L", "12. X.12", "P", "Y.3"]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (PlanStep(id="a", name="A"), ""),
        (PlanStep(id="a", name="A", need_confirmation=True), " (asks first)"),
        (PlanStep(id="a", name="A", status="success", duration=1500), " (1.5 s)"),
        (
            PlanStep(
                id="a",
                name="A",
                status="success",
                duration=1500,
                result=StepResult(status="success", duration=1500, output=None, retries=2),
            ),
            " (1.5 s, 3 attempts)",
        ),
        (
            PlanStep(
                id="a",
                name="A",
                status="skipped",
                result=StepResult(status="skipped", duration=0, output="not\nneeded"),
            ),
            " (skipped: not needed)",
        ),
        (PlanStep(id="a", name="A", status="failed", error="no\x1b[1m disk"), ": no disk"),
        (PlanStep(id="a", name="A", status="cancelled"), ": cancelled"),
    ],
)
def test_what_a_step_came_to_stands_behind_its_name(step: PlanStep, said: str) -> None:
    assert came_to(step) == said


def test_a_plan_that_stays_is_indented_and_bounded() -> None:
    steps = [_step("a"), _step("b", "a"), *(_step(f"c{n}") for n in range(9))]
    task = TaskView("t", steps={each.id: each for each in steps})
    lines = list(plan_lines(task, max_lines=3))
    assert [(each.kind, each.text, each.indent) for each in lines] == [
        ("pending", "A", 1),
        ("pending", "B", 2),
        ("pending", "C0", 1),
        ("note", "and 8 more steps", 1),
    ]
    completed = TaskCompleted(
        success=True, outcome="succeeded", output=None, summary=None, duration=1, error=None
    )
    assert not any("A" in each.text for each in ending(completed, task))
