"""The record of what a task has asked people."""

from __future__ import annotations

import pytest
import trio

from tests.agent.stage import NO, START, Stage
from trio_agent_rt.agent import Decision, TaskRun
from trio_agent_rt.errors import ConfirmationExpired, ConfirmationRejected
from trio_agent_rt.protocol import ConfirmationRecord, ConfirmationRequested


async def asks_four_times(task: str, run: TaskRun) -> None:
    async with run.step("a") as step:
        await step.confirm("First?")
        with pytest.raises(ConfirmationRejected):
            await step.confirm("Second?")
        with pytest.raises(ConfirmationExpired):
            await step.confirm("Third?", expires_after=7)
        await step.confirm("Fourth?")


async def test_it_says_who_answered_when_and_what(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, asks_four_times)
        await stage.until(ConfirmationRequested)
        await trio.sleep(2)
        stage.answer("a", Decision(approved=True, reason="why not", by="ann"))
        await stage.until(ConfirmationRequested)
        stage.answer("a", NO)
        await stage.until(ConfirmationRequested)
        await stage.until(ConfirmationRequested)
        stage.cancel()

    def at(seconds: float) -> int:
        return int((START + seconds) * 1000)

    assert stage.run.questions.records == [
        ConfirmationRecord(
            step_id="a",
            step_name="a",
            question="First?",
            outcome="approved",
            by="ann",
            reason="why not",
            asked_at=at(0),
            closed_at=at(2),
        ),
        ConfirmationRecord(
            step_id="a",
            step_name="a",
            question="Second?",
            outcome="rejected",
            reason="not today",
            asked_at=at(2),
            closed_at=at(2),
        ),
        ConfirmationRecord(
            step_id="a",
            step_name="a",
            question="Third?",
            outcome="expired",
            asked_at=at(2),
            closed_at=at(9),
        ),
        ConfirmationRecord(
            step_id="a",
            step_name="a",
            question="Fourth?",
            outcome="withdrawn",
            asked_at=at(9),
            closed_at=at(9),
        ),
    ]
