"""The fake agent does what it was told to, and is over when it says so."""

from __future__ import annotations

import trio
import trio.testing

from tests.contract import check_task_events
from trio_agent_rt import ConfirmationRequested, RealtimeAgent, StepCompleted, StepFailed
from trio_agent_rt.testing import Asks, Fails, FakeAgent, Works


async def test_it_works_asks_and_tries_again(autojump_clock: trio.testing.MockClock) -> None:
    agent = FakeAgent(Works(1, retries=1), (Works(1), Asks()), cleanup=1, output=7)
    async with RealtimeAgent(agent) as realtime:
        task = realtime.submit("a task")
        events = []
        async for event in task:
            events.append(event)
            if isinstance(event, ConfirmationRequested):
                task.confirm(event.step_id)
        check_task_events(events)
        assert await task.result() == 7
        assert [each.step_name for each in events if isinstance(each, StepCompleted)] == [
            "1",
            "2b",
            "2a",
        ]
        assert sum(isinstance(each, StepFailed) for each in events) == 1
    assert agent.started == agent.ended == ["a task"]


async def test_it_fails_when_told_to(autojump_clock: trio.testing.MockClock) -> None:
    async with RealtimeAgent(FakeAgent((Works(5), Fails("broke")))) as realtime:
        completed = await realtime.submit("a task").wait()
    assert completed.outcome == "failed"
    assert "broke" in (completed.error or "")


async def test_it_has_cleaned_up_before_its_task_has_ended(
    autojump_clock: trio.testing.MockClock,
) -> None:
    agent = FakeAgent(cleanup=2)
    async with RealtimeAgent(agent) as realtime:
        task = realtime.submit("a task")
        await trio.testing.wait_all_tasks_blocked()
        receipt = await task.cancel()
        assert agent.ended == ["a task"]
        assert receipt is not None
        assert receipt.duration == 2000
