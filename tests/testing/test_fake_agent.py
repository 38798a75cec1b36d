"""The fake agent does what it was told to, and is over when it says so."""

from __future__ import annotations

import trio
import trio.testing

from tests.contract import check_task_events
from trio_agent_rt import (
    ConfirmationRequested,
    PlanCreated,
    RealtimeAgent,
    StepCompleted,
    StepFailed,
    TaskRun,
)
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


async def test_each_act_is_a_step_of_its_plan_however_many_and_however_nested(
    autojump_clock: trio.testing.MockClock,
) -> None:
    agent = FakeAgent(Works(), (Works(),) * 28, (Works(), (Works(), Works())))
    async with RealtimeAgent(agent) as realtime:
        task = realtime.submit("a task")
        events = [each async for each in task]
    (plan,) = [each.plan for each in events if isinstance(each, PlanCreated)]
    planned = [each.name for each in plan.steps]
    assert [*planned[:2], *planned[26:]] == ["1", "2a", "2z", "2-27", "2-28", "3a", "3ba", "3bb"]
    done = {each.step_name for each in events if isinstance(each, StepCompleted)}
    assert done == set(planned)


async def test_without_cleanup_it_enters_none(autojump_clock: trio.testing.MockClock) -> None:
    cleanups: list[str] = []

    agent = FakeAgent()

    async def watched(task: str, run: TaskRun) -> object:
        entered = run.cleanup
        run.cleanup = lambda timeout=None: cleanups.append(task) or entered(timeout)
        return await agent(task, run)

    async with RealtimeAgent(watched) as realtime:
        await realtime.submit("none").result()
        agent.cleanup = 1
        await realtime.submit("one").result()
    assert cleanups == ["one"]
    assert agent.ended == ["none", "one"]
