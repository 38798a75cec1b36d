"""A question ends once: with an answer, its time, a cancel or its step, whichever is first."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.agent.stage import NO, YES, Stage
from trio_agent_rt.agent import Step, TaskRun
from trio_agent_rt.agent.confirming import Confirmation
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    Event,
    Outcome,
    StatusChanged,
    StepStarted,
)


async def ask(task: str, run: TaskRun) -> object:
    async with run.step("a") as step:
        decision = await step.confirm("May I?", expires_after=60)
        return decision.reason


@pytest.mark.parametrize("early", [1, 0, -1])
async def test_an_answer_at_the_deadline_either_counts_or_is_too_late(
    early: int, mock_clock: trio.testing.MockClock
) -> None:
    """Whichever comes first wins, and what the answer was told is what happens."""
    stage = Stage()
    outcome: Outcome = "unknown"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, ask)
        await stage.until(ConfirmationRequested)
        await trio.testing.wait_all_tasks_blocked()
        if early == 1:
            outcome = stage.answer("a")
            mock_clock.jump(60)
        elif early == 0:
            mock_clock.jump(60)  # it is over, but Trio has not noticed
            outcome = stage.answer("a")
        else:
            async with trio.open_nursery() as other:
                other.start_soon(trio.sleep_until, 60)
                await trio.testing.wait_all_tasks_blocked()
                mock_clock.jump(60)
            outcome = stage.answer("a")
    assert outcome == ("applied" if early >= 0 else "expired")
    assert (stage.error is None) == (outcome == "applied")


async def test_an_answer_in_the_moment_of_a_cancel_is_too_late_and_says_nothing() -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, ask)
        await stage.until(ConfirmationRequested)
        await trio.testing.wait_all_tasks_blocked()
        stage.cancel()
        said = len(stage.events)
        assert stage.answer("a") == "expired"
        assert len(stage.events) == said
    assert stage.run.interrupted_steps == ["a"]


async def test_a_cancel_right_after_an_answer_leaves_it_decided() -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, ask)
        await stage.until(ConfirmationRequested)
        await trio.testing.wait_all_tasks_blocked()
        assert stage.answer("a") == "applied"
        stage.cancel()
    assert stage.answer("a") == "already_decided"
    assert stage.run.completed_steps == ["a"]


async def test_an_answer_from_inside_the_publishing_counts() -> None:
    """Whoever takes the events may answer at once, before anybody waits."""
    stage = Stage()
    take = stage._take

    def answer_at_once(event: Event) -> None:
        take(event)
        if isinstance(event, ConfirmationRequested):
            assert stage.answer("a") == "applied"

    stage.run._emit = answer_at_once
    await stage.play(ask)
    assert stage.run.completed_steps == ["a"]


async def test_a_question_that_is_shielded_from_the_cancel_can_be_answered_in_it() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            try:
                await trio.sleep_forever()
            finally:
                async with run.cleanup():
                    await step.confirm("Keep what there is?")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, agent)
        await stage.until(StepStarted)
        await trio.testing.wait_all_tasks_blocked()
        stage.cancel()
        await stage.until(ConfirmationRequested)
        assert stage.answer("a") == "applied"
    assert [(each.state, each.cancelling) for each in stage.all(StatusChanged)][2:] == [
        ("executing", True),
        ("waiting", True),
        ("executing", True),
    ]


# --- it lives in its step


async def test_a_question_ends_with_its_step() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with trio.open_nursery() as nursery:
            step = run.step("a")
            await step.__aenter__()
            nursery.start_soon(expect_the_end, step)
            await stage.until(ConfirmationRequested)
            await step.__aexit__(None, None, None)
            assert run.state == "executing"
            assert stage.answer("a") == "expired"
            async with run.step("b"):
                pass
        return None

    async def expect_the_end(step: Step) -> None:
        with pytest.raises(RuntimeError, match="step 'a' ended while it asked"):
            await step.confirm("May I?")

    assert (await stage.play(agent)).success


async def test_a_step_that_does_not_run_cannot_ask() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        step = run.step("a")
        with pytest.raises(RuntimeError, match="step 'a' does not run"):
            await step.confirm("Before?")
        async with step:
            pass
        with pytest.raises(RuntimeError, match="step 'a' does not run"):
            await step.confirm("After?")
        return None

    assert (await stage.play(agent)).success
    assert stage.all(ConfirmationRequested) == []


async def test_a_question_left_open_at_the_end_of_the_task_is_told_as_expired() -> None:
    stage = Stage()
    with trio.CancelScope() as beside:
        async with trio.open_nursery() as nursery:

            async def agent(task: str, run: TaskRun) -> object:
                step = run.step("a")
                await step.__aenter__()
                nursery.start_soon(step.confirm, "May I?")
                await stage.until(ConfirmationRequested)
                return None

            await stage.play(agent)
            assert stage.run.questions.late_answers() == {"a": "expired", "t1.1": "expired"}
            beside.cancel()


async def test_a_withdrawn_question_gives_no_decision() -> None:
    question = Confirmation("t1.1", "a", "A", "May I?", 0)
    question.withdraw()
    assert await question.wait(None) is None
    assert question.decide(YES) == "expired"
    question.withdraw()
    assert question.state == "withdrawn"


async def test_a_withdrawal_after_the_decision_changes_nothing() -> None:
    question = Confirmation("t1.1", "a", "A", "May I?", 0)
    assert question.decide(YES) == "applied"
    question.withdraw()
    assert await question.wait(0) == YES
    assert question.state == "decided"


async def test_an_answer_that_names_its_question_answers_no_other_one() -> None:
    async def asks_twice(task: str, run: TaskRun) -> None:
        async with run.step("a") as step:
            await step.confirm("Delete the cache?")
            await step.confirm("Delete the database?")

    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, asks_twice)
        cache = await stage.until(ConfirmationRequested)
        assert stage.run.questions.decide("a", YES, cache.confirmation_id) == "applied"
        database = await stage.until(ConfirmationRequested)
        assert database.confirmation_id not in (None, cache.confirmation_id)
        assert stage.run.questions.decide("a", YES, cache.confirmation_id) == "already_decided"
        assert stage.run.questions.decide("b", YES, database.confirmation_id) == "unknown"
        assert stage.run.questions.decide("a", YES, "t1.7") == "unknown"
        await trio.testing.wait_all_tasks_blocked()
        assert stage.run.state == "waiting"
        assert stage.run.questions.decide("a", NO, database.confirmation_id) == "applied"
    late = stage.run.questions.late_answers()
    assert set(late) == {"a", cache.confirmation_id, database.confirmation_id}
