"""A plan's steps run in order of dependency, so many at a time, each to one end."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from tests.agent.planning.work import Workshop, failing, hang, planned
from tests.agent.stage import NO, Stage
from trio_agent_rt.agent import Executor, TaskRun, ToolCall, ToolSet, ToolStep
from trio_agent_rt.agent.failures import describe_error
from trio_agent_rt.errors import PlanError, ToolError
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    StepCompleted,
    StepFailed,
    StepProgressed,
    StepStarted,
)

Clock = trio.testing.MockClock

# --- order and concurrency


async def test_a_step_starts_when_all_that_it_depends_on_have_ended(autojump_clock: Clock) -> None:
    shop = Workshop()
    steps = [planned("a"), planned("b"), planned("c", "a", "b"), planned("d", "c")]
    completed = await shop.play(steps)
    assert shop.started == ["a", "b", "c", "d"]
    assert trio.current_time() == 3
    assert completed.output == {each: f"{each} done" for each in "abcd"}
    assert shop.errors == {}


async def test_so_many_run_at_once_and_no_more(autojump_clock: Clock) -> None:
    shop = Workshop(max_parallel=3)
    await shop.play([planned(each) for each in "abcdefgh"])
    assert shop.most_at_once == 3
    assert trio.current_time() == 3


async def test_steps_that_are_free_start_in_the_plans_order_every_time(
    autojump_clock: Clock,
) -> None:
    for _ in range(20):
        shop = Workshop(max_parallel=8)
        stage = shop.stage(steps := [planned("z"), *(planned(each, "z") for each in "hgfedcba")])
        await shop.play(steps, stage)
        assert [each.step_id for each in stage.all(StepStarted)] == list("zhgfedcba")


async def test_a_place_that_becomes_free_is_taken_at_once(autojump_clock: Clock) -> None:
    async def long(call: ToolCall) -> object:
        await trio.sleep(10)
        return None

    shop = Workshop({"a": long}, max_parallel=2)
    await shop.play([planned(each) for each in "abcdef"])
    assert trio.current_time() == 10


async def test_a_plan_of_no_steps_is_done() -> None:
    shop = Workshop()
    assert (await shop.play([])).success
    assert shop.outputs == {}


async def test_references_are_replaced_by_outputs(autojump_clock: Clock) -> None:
    async def table(call: ToolCall) -> object:
        await trio.lowlevel.checkpoint()
        return {"rows": [1, 2]}

    shop = Workshop({"a": table})
    await shop.play([planned("a"), planned("b", "a", arguments={"x": "{{a.output.rows[1]}}"})])
    assert shop.arguments["b"] == {"x": 2}


async def test_a_reference_that_leads_nowhere_fails_its_step(autojump_clock: Clock) -> None:
    shop = Workshop()
    stage = shop.stage(
        steps := [planned("a"), planned("b", "a", arguments={"x": "{{a.output.n}}"})]
    )
    await shop.play(steps, stage)
    assert shop.errors == {"b": "{{a.output.n}}: a.output is a text, so it has no field 'n'"}
    assert shop.started == ["a"]


@pytest.mark.parametrize(
    "steps",
    [
        [planned("a"), planned("b", "nothing")],
        [planned("a"), planned("b", "c"), planned("c", "b")],
    ],
)
async def test_steps_that_can_never_start_are_an_error(
    steps: list[ToolStep], autojump_clock: Clock
) -> None:
    shop = Workshop()
    stage = shop.stage(steps)
    await shop.play(steps, stage)
    assert isinstance(stage.error, PlanError)
    assert str(stage.error).startswith("steps that wait for what never comes: b")
    assert shop.started == ["a"]


@pytest.mark.parametrize(
    "options",
    [
        {"max_parallel": 0},
        {"step_timeout": 0},
        {"retry_delay": -1},
        {"max_retry_delay": -0.1},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Executor(**options)


async def test_other_tools_than_the_runs_own_can_be_given(autojump_clock: Clock) -> None:
    shop = Workshop()
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        run.plan([planned("a").shown()])
        tools = ToolSet((shop.tool("a"),))
        return (await shop.executor.execute(run, [planned("a")], tools=tools)).outputs

    assert (await stage.play(agent)).output == {"a": "a done"}


async def test_a_step_that_was_planned_away_before_its_start_is_an_error() -> None:
    shop = Workshop()
    stage = shop.stage(steps := [planned("a", need_confirmation=True), planned("b")])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shop.play, steps, stage)
        await stage.until(ConfirmationRequested)
        await trio.testing.wait_all_tasks_blocked()
        stage.run.plan([steps[0].shown()])
        stage.answer("a")
    assert isinstance(stage.error, RuntimeError)
    assert describe_error(stage.error) == "RuntimeError: step 'b' is no longer in the plan"


# --- failure


async def test_a_failure_skips_what_depends_on_it_and_lets_the_rest_finish(
    autojump_clock: Clock,
) -> None:
    shop = Workshop({"b": failing(ToolError("no"))})
    steps = [
        planned("a"),
        planned("b"),
        planned("c", "a"),
        planned("d", "b"),
        planned("e", "d", "c"),
        planned("f", "c"),
    ]
    stage = shop.stage(steps)
    await shop.play(steps, stage)
    assert set(shop.outputs) == {"a", "c", "f"}
    assert shop.errors == {
        "b": "no",
        "d": "skipped, because b did not succeed",
        "e": "skipped, because d did not succeed",
    }
    skipped = {
        each.step_id: each.result.output
        for each in stage.all(StepCompleted)
        if each.result.status == "skipped"
    }
    assert skipped == {each: shop.errors[each] for each in "de"}
    assert shop.started == ["a", "b", "c", "f"]
    assert stage.run.completed_steps == ["a", "c", "f"]


async def test_a_group_that_a_tool_raises_is_a_failure_like_another(autojump_clock: Clock) -> None:
    group = ExceptionGroup("g", [ExceptionGroup("h", [OSError("disk")]), ValueError("x")])
    shop = Workshop({"a": failing(group)})
    await shop.play([planned("a"), planned("b")])
    assert shop.errors == {"a": "OSError: disk"}
    assert shop.outputs == {"b": "b done"}


@pytest.mark.parametrize("grouped", [False, True])
async def test_what_is_no_exception_of_a_tool_ends_the_whole_plan(
    grouped: bool, autojump_clock: Clock
) -> None:
    error: BaseException = SystemExit(3)
    if grouped:
        error = BaseExceptionGroup("g", [error, ValueError("x")])
    shop = Workshop({"a": failing(error), "b": hang})
    stage = shop.stage(steps := [planned("a"), planned("b")])
    raised = [SystemExit, ValueError] if grouped else [SystemExit]
    with (
        pytest.RaisesGroup(*raised, flatten_subgroups=True)
        if grouped
        else pytest.raises(SystemExit)
    ):
        await shop.play(steps, stage)
    assert {each.step_id: each.error for each in stage.all(StepFailed)} == {
        "a": "SystemExit: 3",
        "b": "cancelled",
    }


# --- time-outs and retries


async def test_a_step_that_takes_too_long_is_cut_off_and_fails(autojump_clock: Clock) -> None:
    shop = Workshop({"a": hang, "b": hang}, step_timeout=7)
    await shop.play([planned("a"), planned("b", timeout=2.5)])
    assert shop.errors == {"b": "took longer than 2.5 s", "a": "took longer than 7 s"}
    assert trio.current_time() == 7


async def test_a_tools_own_time_out_is_not_taken_for_the_steps(autojump_clock: Clock) -> None:
    async def own(call: ToolCall) -> object:
        with trio.fail_after(1):
            await trio.sleep_forever()

    async def quiet(call: ToolCall) -> object:
        with trio.move_on_after(1):
            await trio.sleep_forever()

    shop = Workshop({"a": own, "b": quiet})
    await shop.play([planned("a", timeout=5), planned("b", timeout=5)])
    assert shop.errors == {"a": "TooSlowError"}
    assert shop.outputs == {"b": None}


async def test_each_attempt_has_the_whole_time(autojump_clock: Clock) -> None:
    shop = Workshop({"a": hang}, jitter=lambda least, most: most, retry_delay=1)
    await shop.play([planned("a", timeout=5, max_retries=2)])
    assert shop.errors == {"a": "took longer than 5 s"}
    assert shop.calls["a"] == 3
    assert trio.current_time() == 5 + 1 + 5 + 2 + 5


async def test_retries_wait_longer_each_time_up_to_a_limit(autojump_clock: Clock) -> None:
    asked: list[tuple[float, float]] = []

    def jitter(least: float, most: float) -> float:
        asked.append((least, most))
        return most / 2

    errors = [ToolError(f"attempt {number}") for number in range(6)]
    shop = Workshop({"a": failing(*errors)}, jitter=jitter, retry_delay=1, max_retry_delay=10)
    stage = shop.stage(steps := [planned("a", max_retries=6)])
    await shop.play(steps, stage)
    assert asked == [(0, 1), (0, 2), (0, 4), (0, 8), (0, 10), (0, 10)]
    assert trio.current_time() == 7 + sum(most for _, most in asked) / 2
    failed = stage.all(StepFailed)
    assert [each.error for each in failed] == [f"attempt {number}" for number in range(6)]
    assert all(each.will_retry for each in failed)
    assert [each.progress for each in stage.all(StepProgressed)] == [50] * 7
    (completed,) = stage.all(StepCompleted)
    assert completed.result.retries == 6
    assert shop.outputs == {"a": "done"}


async def test_the_last_failure_is_the_steps(autojump_clock: Clock) -> None:
    shop = Workshop({"a": failing(ToolError("one"), ToolError("two"), ToolError("three"))})
    stage = shop.stage(steps := [planned("a", max_retries=1)])
    await shop.play(steps, stage)
    assert [(each.error, each.will_retry) for each in stage.all(StepFailed)] == [
        ("one", True),
        ("two", False),
    ]
    assert shop.errors == {"a": "two"}


async def test_a_tool_that_may_be_retried_is_twice_whatever_the_plan_says(
    autojump_clock: Clock,
) -> None:
    shop = Workshop({"a": failing(*(ToolError("no") for _ in range(5)))})
    stage = shop.stage(steps := [planned("a")], retryable=True)
    await shop.play(steps, stage)
    assert shop.calls["a"] == 3


async def test_the_delay_stays_finite_after_any_number_of_retries(autojump_clock: Clock) -> None:
    shop = Workshop({"a": failing(*(ToolError("no") for _ in range(1100)))}, max_retry_delay=0)
    await shop.play([planned("a", max_retries=2000)])
    assert shop.outputs == {"a": "done"}


# --- confirmation


async def test_the_time_for_an_answer_is_not_the_steps(autojump_clock: Clock) -> None:
    shop = Workshop(step_timeout=2)
    stage = shop.stage(steps := [planned("a", need_confirmation=True)])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shop.play, steps, stage)
        await stage.until(ConfirmationRequested)
        await trio.sleep(100)
        stage.answer("a")
    assert shop.outputs == {"a": "a done"}


async def test_a_step_that_is_tried_again_does_not_ask_again(autojump_clock: Clock) -> None:
    shop = Workshop({"a": failing(ToolError("no"))})
    stage = shop.stage(steps := [planned("a", need_confirmation=True, max_retries=1)])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shop.play, steps, stage)
        await stage.until(ConfirmationRequested)
        stage.answer("a")
    assert len(stage.all(ConfirmationRequested)) == 1
    assert shop.outputs == {"a": "done"}


async def test_the_question_shows_the_tool_and_its_arguments() -> None:
    shop = Workshop()
    arguments = {"path": "p", "text": "x" * 150 + "y" * 60, "rows": "{{b.output}}", "on": True}
    stage = shop.stage(
        steps := [planned("b"), planned("a", "b", need_confirmation=True, arguments=arguments)]
    )
    shop._work["b"] = failing(then=[{"n": 1}])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shop.play, steps, stage)
        asked = await stage.until(ConfirmationRequested)
        stage.answer("a", NO)
    assert asked.reason.split("\n") == [
        "a —",
        'path: "p"',
        f'text: "{"x" * 99} … {"x" * 39}{"y" * 60}" (210 characters)',
        'rows: [{"n":1}]',
        "on: true",
    ]


async def test_a_tool_that_needs_a_confirmation_gets_one_whatever_the_step_says(
    autojump_clock: Clock,
) -> None:
    shop = Workshop()
    stage = shop.stage(steps := [planned("a")], needs_confirmation=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shop.play, steps, stage)
        asked = await stage.until(ConfirmationRequested)
        assert asked.reason == "a"
        assert shop.started == []
        stage.answer("a")


async def test_a_rejection_fails_its_step_untried_and_the_rest_goes_on(
    autojump_clock: Clock,
) -> None:
    shop = Workshop()
    steps = [planned("a", need_confirmation=True, max_retries=3), planned("b"), planned("c", "a")]
    stage = shop.stage(steps)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shop.play, steps, stage)
        await stage.until(ConfirmationRequested)
        await trio.testing.wait_all_tasks_blocked()
        assert [each.step_id for each in stage.all(StepStarted)] == ["a"]
        stage.answer("a", NO)
    assert shop.started == ["b"]
    assert shop.errors == {
        "a": "rejected: not today",
        "c": "skipped, because a did not succeed",
    }
    assert not any(each.will_retry for each in stage.all(StepFailed))


async def test_a_question_that_nobody_answers_expires_and_fails_its_step(
    autojump_clock: Clock,
) -> None:
    shop = Workshop(confirmation_timeout=30)
    await shop.play([planned("a", need_confirmation=True), planned("b")])
    assert shop.errors == {"a": "expired: nobody answered within 30 s"}
    assert shop.outputs == {"b": "b done"}
    assert trio.current_time() == 31


async def test_steps_that_run_beside_a_question_go_on_and_end(autojump_clock: Clock) -> None:
    shop = Workshop(confirmation_timeout=None)
    steps = [planned("a"), planned("b", need_confirmation=True), planned("c"), planned("d", "a")]
    stage = shop.stage(steps)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shop.play, steps, stage)
        await stage.until(ConfirmationRequested)
        await stage.until(StepCompleted, step_id="a")
        await trio.testing.wait_all_tasks_blocked()
        assert [each.step_id for each in stage.all(StepStarted)] == ["a", "b"]
        stage.answer("b")
    assert set(shop.outputs) == set("abcd")
