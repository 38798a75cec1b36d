"""A question is asked in a step's scope, decided once, and gone with the step."""

from __future__ import annotations

import math

import pytest
import trio
import trio.testing

from tests.agent.stage import NO, START, YES, Stage
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.agent.confirming import Decision
from trio_agent_rt.errors import ConfirmationExpired, ConfirmationRejected
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    StatusChanged,
    StepCompleted,
    StepFailed,
    StepStarted,
)


async def ask(task: str, run: TaskRun) -> object:
    async with run.step("a") as step:
        decision = await step.confirm("May I?", expires_after=60)
        return decision.reason


async def test_approved() -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, ask)
        asked = await stage.until(ConfirmationRequested)
        assert stage.run.state == "waiting"
        assert stage.answer("a", Decision(approved=True, reason="of course")) == "applied"
        assert stage.all(StatusChanged)[-1].message == "Approved: a"
    assert (asked.step_id, asked.reason) == ("a", "May I?")
    assert stage.told() == [
        "StatusChanged planning",
        "PlanCreated",
        "StatusChanged executing",
        "StepStarted a",
        "StatusChanged waiting",
        "ConfirmationRequested a",
        "StatusChanged executing",
        "StepCompleted a",
        "TaskCompleted",
    ]
    assert stage.all(StatusChanged)[-1].message == "Approved: a"


async def test_the_answer_says_why() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(decide)
                decision = await step.confirm("May I?")
            return decision.reason

    async def decide() -> None:
        await stage.until(ConfirmationRequested)
        stage.answer("a", Decision(approved=True, reason="of course"))

    assert (await stage.play(agent)).output == "of course"


@pytest.mark.parametrize(
    ("reason", "error"), [("not today", "rejected: not today"), (None, "rejected: no reason given")]
)
async def test_rejected(reason: str | None, error: str) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, ask)
        await stage.until(ConfirmationRequested)
        assert stage.answer("a", Decision(approved=False, reason=reason)) == "applied"
    assert [each.error for each in stage.all(StepFailed)] == [error]
    assert isinstance(stage.error, ConfirmationRejected)
    assert stage.error.reason == reason
    assert stage.all(StatusChanged)[-1].message == "Rejected: a"


async def test_an_agent_may_handle_a_rejection_and_go_on() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            try:
                await step.confirm("May I?")
            except ConfirmationRejected:
                step.skip("not allowed")
        return "done without"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, agent)
        await stage.until(ConfirmationRequested)
        stage.answer("a", NO)
    assert [each.result.status for each in stage.all(StepCompleted)] == ["skipped"]


async def test_expired(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage()
    await stage.play(ask)
    (asked,) = stage.all(ConfirmationRequested)
    assert asked.expires_at == (START + 60) * 1000
    assert trio.current_time() == 60
    assert isinstance(stage.error, ConfirmationExpired)
    assert [each.error for each in stage.all(StepFailed)] == [
        "expired: nobody answered within 60 s"
    ]
    assert stage.all(StatusChanged)[-1].message == "Nobody confirmed in time: a"
    assert stage.answer("a") == "expired"


@pytest.mark.parametrize("never", [None, math.inf])
async def test_a_question_may_stay_open_for_ever(
    never: float | None, autojump_clock: trio.testing.MockClock
) -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            await step.confirm("May I?", expires_after=never)
        return None

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, agent)
        asked = await stage.until(ConfirmationRequested)
        assert asked.expires_at is None
        await trio.sleep(80_000)
        assert stage.answer("a") == "applied"


@pytest.mark.parametrize("seconds", [-1, math.nan])
async def test_a_time_that_is_none_is_refused_before_anything_is_asked(seconds: float) -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            with pytest.raises(ValueError, match="expires_after must be 0 or more"):
                await step.confirm("May I?", expires_after=seconds)
        async with run.step("b"):
            pass
        return None

    assert (await stage.play(agent)).success
    assert stage.all(ConfirmationRequested) == []


async def test_cancelled_while_it_is_open() -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, ask)
        await stage.until(ConfirmationRequested)
        stage.cancel()
    assert [each.error for each in stage.all(StepFailed)] == ["cancelled"]
    assert [(each.state, each.cancelling) for each in stage.all(StatusChanged)][2:] == [
        ("waiting", None),
        ("waiting", True),
    ]
    assert stage.run.interrupted_steps == ["a"]
    assert stage.answer("a") == "expired"


async def test_a_question_that_a_scope_of_the_agent_ends_lets_the_task_go_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            with trio.move_on_after(5):
                await step.confirm("May I?")
            assert run.state == "executing"
            assert stage.answer("a") == "expired"
        async with run.step("b"):
            pass
        return None

    assert (await stage.play(agent)).success
    assert stage.all(StatusChanged)[-1].message == "No longer asking: a"


async def test_two_steps_that_ask_at_once_ask_one_after_the_other() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async def one(name: str) -> None:
            async with run.step(name) as step:
                await step.confirm(f"{name}?")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, "a")
            nursery.start_soon(one, "b")
        return None

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, agent)
        first = (await stage.until(ConfirmationRequested)).step_id
        await trio.testing.wait_all_tasks_blocked()
        second = "b" if first == "a" else "a"
        assert len(stage.all(ConfirmationRequested)) == 1
        assert stage.answer(second) == "unknown"
        assert stage.answer(first) == "applied"
        await stage.until(ConfirmationRequested, step_id=second)
        assert stage.answer(first) == "already_decided"
        assert stage.answer(second) == "applied"


async def test_no_step_starts_beside_an_open_question_and_all_do_after_it() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async def later(name: str) -> None:
            await trio.testing.wait_all_tasks_blocked()
            assert run.state == "waiting"
            async with run.step(name):
                pass

        async with trio.open_nursery() as nursery, run.step("a") as step:
            for name in "bcd":
                nursery.start_soon(later, name)
            await step.confirm("May I?")
        return None

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, agent)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert [each.step_id for each in stage.all(StepStarted)] == ["a"]
        stage.answer("a")
    assert {each.step_id for each in stage.all(StepStarted)} == {"a", "b", "c", "d"}


async def test_a_step_that_waits_for_an_answer_to_another_is_cancelled_without_a_start() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async def late() -> None:
            await stage.until(ConfirmationRequested)
            async with run.step("b"):
                raise AssertionError("it has started")

        async with trio.open_nursery() as nursery, run.step("a") as step:
            nursery.start_soon(late)
            await step.confirm("May I?")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, agent)
        await trio.testing.wait_all_tasks_blocked()
        stage.cancel()
    assert stage.run.interrupted_steps == ["a"]


async def test_a_step_may_ask_again() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            await step.confirm("May I?")
            await step.confirm("Really?")
        return None

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, agent)
        for reason in ("May I?", "Really?"):
            await stage.until(ConfirmationRequested, reason=reason)
            assert stage.answer("a") == "applied"


async def test_a_step_that_never_asked_is_unknown() -> None:
    assert Stage().answer("a") == "unknown"


@pytest.mark.parametrize("second", [YES, NO])
async def test_a_second_answer_changes_nothing(second: Decision) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, ask)
        await stage.until(ConfirmationRequested)
        assert stage.answer("a", NO) == "applied"
        said = len(stage.events)
        assert stage.answer("a", second) == "already_decided"
        assert len(stage.events) == said
    assert isinstance(stage.error, ConfirmationRejected)
    assert stage.answer("a", YES) == "already_decided"
    assert stage.run.questions.late_answers()["a"] == "already_decided"
