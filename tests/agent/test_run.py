"""What an agent says of its plan and its steps, and what becomes of it on the wire."""

from __future__ import annotations

import pytest
import trio

from tests.agent.stage import Stage
from trio_agent_rt.agent import TaskRun, Usage
from trio_agent_rt.protocol import (
    PlanCreated,
    PlanStep,
    PlanUpdated,
    StatusChanged,
    StepCompleted,
    StepFailed,
    StepStarted,
)


async def test_a_plan_of_names_gets_ids_and_the_next_one_is_an_update() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        first = run.plan(["Load", "Draw"])
        second = run.plan(["Load"])
        assert first.id == second.id == "plan_t1"
        return None

    await stage.play(agent)
    (created,) = stage.all(PlanCreated)
    (updated,) = stage.all(PlanUpdated)
    assert [(each.id, each.name) for each in created.plan.steps] == [
        ("step_1", "Load"),
        ("step_2", "Draw"),
    ]
    assert [each.id for each in updated.plan.steps] == ["step_1"]
    assert created.task_id == "t1"


async def test_a_new_plan_keeps_where_the_steps_stand_that_it_names() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        run.plan(["Load", "Draw"])
        async with run.step("Load") as step:
            step.result = 1
        new = run.plan(["Check", "Load", PlanStep(id="step_2", name="Paint"), "Send"])
        assert [(each.id, each.name, each.status) for each in new.steps] == [
            ("step_3", "Check", "pending"),
            ("step_1", "Load", "success"),
            ("step_2", "Paint", "pending"),
            ("step_4", "Send", "pending"),
        ]
        return None

    assert (await stage.play(agent)).success


async def test_a_name_twice_in_a_plan_is_two_steps_that_run_one_after_the_other() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        first = run.plan(["Fetch", "Fetch"])
        assert run.plan(each.name for each in first.steps) == first
        for _ in range(2):
            async with run.step("Fetch"):
                pass
        return None

    await stage.play(agent)
    assert [each.step_id for each in stage.all(StepStarted)] == ["step_1", "step_2"]


async def test_a_new_plan_does_not_tell_again_what_steps_came_to() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            step.result = "x" * 10_000
        async with run.step("b"):
            pass
        return None

    await stage.play(agent)
    (updated,) = stage.all(PlanUpdated)
    assert [(each.status, each.result) for each in updated.plan.steps] == [
        ("success", None),
        ("pending", None),
    ]


async def test_a_plan_may_name_its_id() -> None:
    stage = Stage()
    assert stage.run.plan([], plan_id="mine").id == "mine"
    assert stage.run.plan([]).id == "mine"


def test_an_id_twice_in_a_plan_is_refused_and_nothing_is_said() -> None:
    async def refused() -> None:
        stage = Stage()
        with pytest.raises(ValueError, match="two steps of the plan have the id 'a'"):
            stage.run.plan([PlanStep(id="a", name="A"), PlanStep(id="a", name="B")])
        assert stage.events == []

    trio.run(refused)


async def test_a_step_that_the_plan_does_not_have_is_added_to_it() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("Load it", description="from disk") as step:
            assert step.id == "step_1"
        async with run.step("draw", name="Draw"):
            pass
        return None

    await stage.play(agent)
    plans = [*stage.all(PlanCreated), *stage.all(PlanUpdated)]
    assert [(each.id, each.name) for each in plans[-1].plan.steps] == [
        ("step_1", "Load it"),
        ("draw", "Draw"),
    ]
    assert plans[0].plan.steps[0].description == "from disk"
    assert [each.step_index for each in stage.all(StepStarted)] == [0, 1]
    assert [each.total_steps for each in stage.all(StepStarted)] == [1, 2]


async def test_a_name_can_be_run_again_and_again() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        for name in ("fetch", "fetch", "a b", "fetch", "a b"):
            async with run.step(name):
                pass
        return None

    await stage.play(agent)
    started = stage.all(StepStarted)
    assert [each.step_id for each in started] == ["fetch", "fetch_2", "step_3", "fetch_3", "step_5"]
    assert [each.step_name for each in started] == ["fetch", "fetch", "a b", "fetch", "a b"]


async def test_a_made_up_id_is_never_that_of_another_step() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        run.plan([PlanStep(id="step_3", name="A"), PlanStep(id="b", name="B")])
        async with run.step("another one"):
            pass
        return None

    await stage.play(agent)
    assert [each.step_id for each in stage.all(StepStarted)] == ["step_4"]


async def test_an_id_is_found_before_a_name() -> None:
    stage = Stage()
    stage.run.plan([PlanStep(id="a", name="b"), PlanStep(id="b", name="a")])
    assert stage.run.step("b").id == "b"


async def test_executing_is_said_once_before_the_first_step() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a"):
            pass
        async with run.step("b"):
            pass
        return None

    await stage.play(agent)
    assert [each.state for each in stage.all(StatusChanged)] == ["planning", "executing"]


async def test_a_skipped_step_ends_without_a_start() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        run.plan(["a", "b"])
        run.skip("step_1", "not needed")
        run.skip("step_2")
        return None

    await stage.play(agent)
    results = [each.result for each in stage.all(StepCompleted)]
    assert [each.status for each in results] == ["skipped", "skipped"]
    assert [each.output for each in results] == ["not needed", None]
    assert stage.run.completed_steps == []


async def test_a_step_that_runs_or_has_ended_cannot_be_skipped() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a"):
            with pytest.raises(RuntimeError, match="'a' is running"):
                run.skip("a")
        with pytest.raises(RuntimeError, match="'a' is success"):
            run.skip("a")
        with pytest.raises(KeyError):
            run.skip("nothing")
        return None

    assert (await stage.play(agent)).success


async def test_running_steps_are_those_between_start_and_end() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        assert run.running_steps == []
        async with run.step("a"), run.step("b"):
            assert run.running_steps == ["a", "b"]
            assert run.state == "executing"
        assert run.running_steps == []
        return None

    assert (await stage.play(agent)).success
    assert stage.run.completed_steps == ["b", "a"]


async def test_after_the_terminal_message_a_leaked_run_says_nothing() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        run.plan(["a"])
        return None

    await stage.play(agent)
    said = len(stage.events)
    stage.run.plan(["a", "b"])
    stage.run.set_state("executing", "still at it")
    async with stage.run.step("a") as step:
        step.progress(5)
    assert len(stage.events) == said


@pytest.mark.parametrize(
    ("cancel", "error"),
    [(False, "the agent ended without ending this step"), (True, "cancelled")],
)
async def test_a_step_that_the_agent_left_open_is_ended_with_the_task(
    cancel: bool, error: str
) -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        left = run.step("left")
        await left.__aenter__()
        if cancel:
            stage.cancel()
            await trio.sleep_forever()
        return None

    await stage.play(agent)
    (failed,) = stage.all(StepFailed)
    assert (failed.step_id, failed.error, failed.will_retry) == ("left", error, False)


async def test_a_status_under_a_cancel_says_so_until_the_end_is_decided() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        stage.cancel()
        async with run.cleanup(), run.step("undo"):
            pass
        run.set_state("complete", "It has succeeded after all")
        return None

    await stage.play(agent)
    assert [(each.state, each.cancelling) for each in stage.all(StatusChanged)] == [
        ("planning", None),
        ("planning", True),
        ("executing", True),
        ("complete", None),
    ]


async def test_the_tokens_of_several_answers_are_added_up() -> None:
    run = Stage().run
    assert run.usage == Usage()
    run.add_usage(Usage(input_tokens=3, output_tokens=1))
    run.add_usage(Usage(input_tokens=4))
    assert run.usage == Usage(input_tokens=7, output_tokens=1)


async def test_the_steps_of_the_plan_can_be_seen_as_they_stand() -> None:
    run = Stage().run
    assert run.planned_steps == ()
    run.set_state("executing", "Running")
    run.plan(["a", "b"])
    async with run.step("a"):
        assert [each.status for each in run.planned_steps] == ["running", "pending"]
    assert [(each.name, each.status) for each in run.planned_steps] == [
        ("a", "success"),
        ("b", "pending"),
    ]
