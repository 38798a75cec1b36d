"""A step starts once and ends once, however it is left."""

from __future__ import annotations

import math

import pytest
import trio
import trio.testing

from tests.agent.stage import Stage
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.agent.cleanup import Cleanup
from trio_agent_rt.errors import ToolError
from trio_agent_rt.protocol import (
    StepCompleted,
    StepFailed,
    StepOutput,
    StepProgressed,
    StepStarted,
    encode_event,
)


async def test_a_step_that_ends_well_tells_its_result_and_how_long_it_took(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            await trio.sleep(1.5)
            step.result = {"answer": 42, "odd": math.nan}
        return None

    await stage.play(agent)
    (completed,) = stage.all(StepCompleted)
    assert completed.result.status == "success"
    assert completed.result.duration == 1500
    assert completed.result.retries == 0
    assert b'"output":{"answer":42,"odd":"NaN"}' in encode_event(completed)


async def test_a_result_is_what_it_was_when_the_step_ended() -> None:
    stage = Stage()
    table = [1]

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            step.result = table
        table.append(2)
        return None

    await stage.play(agent)
    (completed,) = stage.all(StepCompleted)
    assert b'"output":[1]' in encode_event(completed)


async def test_an_exception_fails_the_step_and_goes_on() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a"):
            raise ValueError("no such luck")

    await stage.play(agent)
    (failed,) = stage.all(StepFailed)
    assert failed.error == "ValueError: no such luck"
    assert not failed.will_retry
    assert isinstance(stage.error, ValueError)
    assert stage.run.completed_steps == []


async def test_a_step_can_end_as_skipped() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            step.skip("nothing to do")
        async with run.step("b") as step:
            step.skip()
        return None

    await stage.play(agent)
    results = [each.result for each in stage.all(StepCompleted)]
    assert [(each.status, each.output) for each in results] == [
        ("skipped", "nothing to do"),
        ("skipped", None),
    ]
    assert stage.run.completed_steps == []


async def test_progress_stays_within_its_bounds_and_never_falls() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            for each in (-5, 10, 5, math.nan, 50.5, 10**400, -(10**400), math.inf):
                step.progress(each)
        return None

    await stage.play(agent)
    told = [each.progress for each in stage.all(StepProgressed)]
    assert told == [0, 10, 10, 10, 50.5, 100, 100, 100]
    assert all(type(each) is float for each in told)


async def test_a_retry_is_told_and_progress_begins_anew() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            step.progress(80)
            step.retry(ToolError("busy"))
            step.progress(10)
        return None

    await stage.play(agent)
    assert [each.progress for each in stage.all(StepProgressed)] == [80, 10]
    (failed,) = stage.all(StepFailed)
    assert (failed.error, failed.will_retry) == ("busy", True)
    (completed,) = stage.all(StepCompleted)
    assert completed.result.retries == 1


async def test_output_is_told_piece_by_piece_and_nothing_is_no_piece() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            for each in ("one", "", "two"):
                step.output(each)
        return None

    await stage.play(agent)
    assert [each.text for each in stage.all(StepOutput)] == ["one", "two"]


async def test_a_step_that_has_ended_says_nothing_more() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            pass
        said = len(stage.events)
        step.progress(50)
        step.output("late")
        step.retry(ValueError())
        assert len(stage.events) == said
        return None

    assert (await stage.play(agent)).success


async def test_a_step_object_runs_once() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        step = run.step("a")
        async with step:
            with pytest.raises(RuntimeError, match="step 'a' is running already"):
                async with step:
                    pass
        with pytest.raises(RuntimeError, match="step 'a' is success already"):
            async with step:
                pass
        return None

    assert (await stage.play(agent)).success


async def test_a_step_that_a_new_plan_dropped_does_not_start() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        step = run.step("a")
        run.plan(["b"])
        with pytest.raises(RuntimeError, match="step 'a' is no longer in the plan"):
            async with step:
                pass
        return None

    assert (await stage.play(agent)).success
    assert stage.all(StepStarted) == []


async def test_a_new_plan_without_a_running_step_lets_it_end_all_the_same() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            run.plan(["b"])
            async with trio.open_nursery() as nursery:
                nursery.start_soon(step.confirm, "Go on?")
                await trio.testing.wait_all_tasks_blocked()
                assert stage.answer("a") == "applied"
        return None

    assert (await stage.play(agent)).success
    assert [each.step_id for each in stage.all(StepCompleted)] == ["a"]


async def test_under_a_cancel_a_step_does_not_start() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        run.plan(["a"])
        stage.cancel()
        async with run.step("a"):
            raise AssertionError("it has started")

    completed = await stage.play(agent)
    assert completed.outcome == "cancelled"
    assert stage.all(StepStarted) == []
    assert stage.run.interrupted_steps == []


async def test_a_cancel_interrupts_every_step_that_runs() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        run.plan(["a", "b", "c", "d"])

        async def hang(name: str) -> None:
            async with run.step(name):
                await trio.sleep_forever()

        async with run.step("a"):
            pass
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hang, "b")
            nursery.start_soon(hang, "c")
            await trio.testing.wait_all_tasks_blocked()
            stage.cancel()

    completed = await stage.play(agent)
    assert stage.error is None
    assert {(each.step_name, each.error) for each in stage.all(StepFailed)} == {
        ("b", "cancelled"),
        ("c", "cancelled"),
    }
    assert completed.receipt is not None
    assert set(completed.receipt.interrupted) == {"step_2", "step_3"}
    assert completed.receipt.completed == ("step_1",)


async def test_a_step_that_a_scope_of_the_agent_cancels_is_no_interruption_of_the_task(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        with trio.move_on_after(1):
            async with run.step("a"):
                await trio.sleep_forever()
        async with run.step("b"):
            pass
        return "fine"

    completed = await stage.play(agent)
    assert completed.success
    assert [each.error for each in stage.all(StepFailed)] == ["cancelled"]
    assert stage.run.interrupted_steps == []


async def test_cancelled_in_a_group_is_cancelled_and_an_error_beside_it_is_not_lost() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async def fails_while_cancelled() -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("could not close")

        async with run.step("a"), trio.open_nursery() as nursery:
            nursery.start_soon(fails_while_cancelled)
            nursery.start_soon(trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked()
            stage.cancel()

    completed = await stage.play(agent)
    assert completed.outcome == "cancelled"
    assert [each.error for each in stage.all(StepFailed)] == ["cancelled"]
    assert completed.receipt is not None
    assert completed.receipt.interrupted == ("a",)
    assert completed.receipt.cleanup == "raised"
    assert completed.receipt.cleanup_detail == "a: ValueError: could not close"


async def test_an_error_raised_in_place_of_the_cancel_is_an_interruption() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a"):
            try:
                await trio.lowlevel.checkpoint()
                stage.cancel()
                await trio.sleep_forever()
            finally:
                raise ToolError("stopped")

    completed = await stage.play(agent)
    assert [each.error for each in stage.all(StepFailed)] == ["cancelled"]
    assert completed.receipt is not None
    assert completed.receipt.interrupted == ("a",)
    assert completed.receipt.cleanup_detail == "a: stopped"


async def test_a_step_that_fails_by_itself_after_the_cancel_was_asked_for_has_failed() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a"):
            stage.cancel()
            raise ValueError("by itself")

    await stage.play(agent)
    assert [each.error for each in stage.all(StepFailed)] == ["ValueError: by itself"]
    assert stage.run.interrupted_steps == []


async def test_a_step_left_in_another_trio_task_than_entered_ends_all_the_same() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        step = run.step("a")
        await step.__aenter__()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(step.__aexit__, None, None, None)
            await trio.lowlevel.checkpoint()
        return None

    assert (await stage.play(agent)).success
    assert [each.step_id for each in stage.all(StepCompleted)] == ["a"]


async def test_two_steps_may_end_in_any_order() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        first, second = run.step("a"), run.step("b")
        await first.__aenter__()
        await second.__aenter__()
        await first.__aexit__(None, None, None)
        await second.__aexit__(None, None, None)
        return None

    assert (await stage.play(agent)).success
    assert [each.step_id for each in stage.all(StepCompleted)] == ["a", "b"]


async def test_it_is_named_after_the_step_that_it_is_in(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()
    names: list[str] = []

    async def note(cleanup: Cleanup) -> None:
        names.append(cleanup.name)

    async def agent(task: str, run: TaskRun) -> object:
        names.append(run.cleanup().name)
        async with run.step("a") as a:
            names.append(run.cleanup().name)
            async with run.step("b") as b:
                names.extend([run.cleanup().name, a.cleanup().name, b.cleanup().name])
            names.append(run.cleanup().name)
        names.append(run.cleanup().name)
        return None

    await stage.play(agent)
    assert names == ["task", "a", "b", "a", "b", "a", "task"]


async def test_a_task_that_a_step_of_another_started_is_not_named_after_that_step(
    autojump_clock: trio.testing.MockClock,
) -> None:
    outer, inner = Stage(), Stage()
    names: list[str] = []

    async def second(task: str, run: TaskRun) -> object:
        names.append(run.cleanup().name)
        return None

    async def first(task: str, run: TaskRun) -> object:
        async with run.step("a"), trio.open_nursery() as nursery:
            nursery.start_soon(inner.play, second)
            await trio.lowlevel.checkpoint()
        return None

    await outer.play(first)
    assert names == ["task"]
