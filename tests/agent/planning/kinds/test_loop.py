"""A loop runs its steps again and again, within bounds, and viewers can follow it."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from tests.agent.planning.script import plan, play, step
from trio_agent_rt.agent import Executor
from trio_agent_rt.agent.planning.kinds.loop import SHOWN_ITERATIONS
from trio_agent_rt.protocol import (
    PlanCreated,
    PlanUpdated,
    StepCompleted,
    StepFailed,
    StepProgressed,
    StepStarted,
    encode_event,
)

Clock = trio.testing.MockClock


def loop(*body: dict[str, Any], step_id: str = "l", **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "loop", "body": list(body), **fields}


SAY_ITEM = step("x", "say", text="{{index}}: {{item.name}}")
NAMES = [{"name": "Ann"}, {"name": "Bob"}]


async def test_an_iteration_for_each_item_and_a_list_of_what_they_came_to() -> None:
    stage, _, completed = await play(plan(loop(SAY_ITEM, over=NAMES)))
    assert completed.output == ["0: Ann", "1: Bob"]
    assert [each.step_id for each in stage.all(StepStarted)] == ["l", "x.1", "x.2"]
    assert [each.progress for each in stage.all(StepProgressed)] == [50, 100]


async def test_the_list_may_be_what_a_step_came_to(autojump_clock: Clock) -> None:
    first = loop(step("x", "add", numbers=["{{item}}", 1]), over=[1, 2], step_id="first")
    second = loop(step("y", "add", numbers=["{{item}}", 1]), over="{{first.output}}")
    _, _, completed = await play(plan(first, second))
    assert completed.output == [3, 4]


async def test_steps_of_an_iteration_run_in_order_and_see_each_other_and_what_is_around(
    autojump_clock: Clock,
) -> None:
    body = [step("x", "add", numbers=["{{item}}", "{{a.output}}"]),
            step("y", "say", text="{{x.output}} {{context.unit}}")]  # fmt: skip
    _, _, completed = await play(
        plan(step("a", "add", numbers=[10]), loop(*body, over=[1, 2])), context={"unit": "m"}
    )
    assert completed.output == ["11.0 m", "12.0 m"]


async def test_while_sees_what_the_last_iteration_came_to(autojump_clock: Clock) -> None:
    counting = loop(step("x", "add", numbers=["{{index}}"]), **{"while": "x.output != 3"})
    _, _, completed = await play(plan(counting))
    assert completed.output == [0, 1, 2, 3]


async def test_while_knows_the_index() -> None:
    counting = loop(step("x", "say", text="hi"), **{"while": "index < 2 and x.output.n == null"})
    _, _, completed = await play(plan(counting), max_replans=0)
    assert completed.error == "loop (l): x.output.n: x.output is a text, so it has no field 'n'"
    counting = loop(step("x", "say", text="hi"), **{"while": "index < 2"})
    _, _, completed = await play(plan(counting))
    assert completed.output == ["hi", "hi"]


@pytest.mark.parametrize("fields", [{"over": []}, {"while": "false"}])
async def test_without_an_iteration_it_comes_to_an_empty_list(fields: dict[str, Any]) -> None:
    stage, _, completed = await play(plan(loop(step("x", "say", text="x"), **fields)))
    assert completed.output == []
    (skipped, whole) = stage.all(StepCompleted)
    assert (skipped.step_id, skipped.result.status) == ("x.1", "skipped")
    assert (whole.step_id, whole.result.status) == ("l", "success")


async def test_a_failure_ends_it_and_names_the_iteration() -> None:
    body = [step("x", "say", text="{{item.name}}"), step("y", "say", text="x")]
    stage, _, completed = await play(
        plan(loop(*body, over=[{"name": "a"}, {"nam": "b"}, {"name": "c"}])), max_replans=0
    )
    assert completed.error == (
        "loop (l): iteration 2: X (x): {{item.name}}: item has no field 'name'; it has: nam"
        " — 1 more step did not run to success"
    )
    statuses = {each.id: each.status for each in stage.run.planned_steps}
    assert statuses == {
        "l": "failed",
        "x.1": "success",
        "y.1": "success",
        "x.2": "failed",
        "y.2": "skipped",
        "x.3": "skipped",
        "y.3": "skipped",
    }


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"over": "{{a.output}}"}, "{{a.output}} is a text, not a list"),
        ({"over": [1, 2, 3], "maxIterations": 2}, "the list has 3 items; maxIterations is 2"),
        ({"over": list(range(1001))}, "the list has 1,001 items; maxIterations is 100"),
        ({"while": "true"}, "its condition is still true after 100 iterations"),
        ({"while": "true", "maxIterations": 3}, "its condition is still true after 3 iterations"),
    ],
)
async def test_no_loop_is_without_end(fields: dict[str, Any], error: str) -> None:
    body = step("x", "say", text="x")
    _, _, completed = await play(
        plan(step("a", "say", text="x"), loop(body, dependsOn=["a"], **fields)), max_replans=0
    )
    assert completed.error == f"loop (l): {error}"


async def test_loops_in_loops_have_ids_of_their_own(autojump_clock: Clock) -> None:
    inner = loop(step("x", "say", text="{{item}}{{index}}"), over="{{item}}", step_id="i")
    stage, _, completed = await play(plan(loop(inner, over=[["a", "b"], [], ["c"]])))
    assert completed.output == [["a0", "b1"], [], ["c0"]]
    shown = [(each.id, each.depends_on, each.status) for each in stage.run.planned_steps]
    assert shown == [
        ("l", [], "success"),
        ("i.1", ["l"], "success"),
        ("x.1.1", ["i.1"], "success"),
        ("x.1.2", ["i.1"], "success"),
        ("i.2", ["l"], "success"),
        ("x.2.1", ["i.2"], "skipped"),
        ("i.3", ["l"], "success"),
        ("x.3.1", ["i.3"], "success"),
    ]


async def test_all_loops_together_start_so_many_steps_and_no_more() -> None:
    inner = loop(step("x", "say", text="x"), over=list(range(100)), step_id="i")
    outer = loop(inner, over=list(range(100)))
    stage, _, completed = await play(plan(outer), executor=Executor(max_runs=150), max_replans=0)
    assert completed.error is not None
    assert completed.error.endswith("this task has started 150 steps, the most that it may")
    assert len(stage.all(StepStarted)) == 151, "the one that failed for it included"


@pytest.mark.parametrize("fields", [{"over": list(range(400))}, {"while": "index < 400"}])
async def test_what_a_loop_says_grows_with_its_iterations_and_not_with_their_square(
    fields: dict[str, Any],
) -> None:
    def size(events: list[Any]) -> int:
        return sum(len(encode_event(each)) for each in events)

    body = [step("x", "say", text="{{index}}."), step("y", "say", text="{{x.output}}")]
    stage, _, completed = await play(
        plan(step("a", "say", text="x"), loop(*body, maxIterations=400, **fields)),
        executor=Executor(max_runs=1000),
    )
    assert completed.output is not None
    plans = [*stage.all(PlanCreated), *stage.all(PlanUpdated)]
    assert max(len(each.plan.steps) for each in plans) <= 2 + 2 * (2 * SHOWN_ITERATIONS)
    assert size(plans) < 5000 * 400
    if "over" in fields:
        assert len(plans) == 400 / SHOWN_ITERATIONS + 1


async def test_a_step_in_a_loop_is_tried_again_like_any_other(autojump_clock: Clock) -> None:
    body = {**step("x", "fail", why="no"), "maxRetries": 2}
    stage, _, _ = await play(plan(loop(body, over=[1])), max_replans=0)
    assert [each.will_retry for each in stage.all(StepFailed) if each.step_id == "x.1"] == [
        True,
        True,
        False,
    ]
