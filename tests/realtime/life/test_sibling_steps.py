"""A step that raises beside others: not a cancel of the task, and nothing is left of it."""

from __future__ import annotations

import trio
import trio.testing

from tests.contract import check_task_events
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.protocol import Event, StepFailed, TaskCompleted
from trio_agent_rt.realtime import RealtimeAgent


async def test_in_an_agents_own_nursery_the_others_are_cancelled_and_the_task_has_failed() -> None:
    others = trio.Event()
    cleaned: list[str] = []

    async def agent(task: str, run: TaskRun) -> object:
        if task == "the next":
            return "served"

        async def branch(name: str) -> None:
            async with run.step(name):
                try:
                    if name == "b":
                        await others.wait()
                        raise OSError("no disk")
                    if {"a", "b", "c"} <= set(run.running_steps):
                        others.set()
                    await trio.sleep_forever()
                finally:
                    async with run.cleanup():
                        await trio.lowlevel.checkpoint()
                        cleaned.append(name)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(branch, "a")
            nursery.start_soon(branch, "b")
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(branch, "c")
        return "never"

    async with RealtimeAgent(agent) as realtime:
        running = realtime.submit("held")
        events: list[Event] = [each async for each in running]
        check_task_events(events)
        assert sorted(cleaned) == ["a", "b", "c"]
        completed = events[-1]
        assert isinstance(completed, TaskCompleted)
        assert (completed.outcome, completed.error) == ("failed", "OSError: no disk")
        assert completed.receipt is None
        told = {each.step_id: each.error for each in events if isinstance(each, StepFailed)}
        assert told == {"a": "cancelled", "b": "OSError: no disk", "c": "cancelled"}
        assert await realtime.submit("the next", session=running.session_id).result() == "served"
