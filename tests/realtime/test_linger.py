"""A session without connections: its clock, and what ends it."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.realtime.viewing import Viewer, stepping, viewer
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.errors import SessionEnded, UnknownSession
from trio_agent_rt.protocol import PlanCreated, StepStarted, SubmitTask, TaskCompleted
from trio_agent_rt.realtime import ANONYMOUS, RealtimeAgent


async def _leave(me: Viewer) -> str:
    me.send(SubmitTask(task="hang", task_id="t"))
    await me.until(StepStarted)
    return me.connection.session_id


async def test_zero_ends_its_tasks_with_the_last_connection() -> None:
    reasons: list[str] = []

    async def agent(task: str, run: TaskRun) -> object:
        try:
            async with run.step("work"):
                await trio.sleep_forever()
        except trio.Cancelled as exc:
            reasons.append(exc.reason or "")
            raise

    async with RealtimeAgent(agent, linger=0) as realtime:
        async with viewer(realtime) as me:
            session = await _leave(me)
            async with viewer(realtime, session=session):
                pass
            await trio.testing.wait_all_tasks_blocked()
            assert reasons == []
        await trio.testing.wait_all_tasks_blocked()
        assert reasons == ["the last connection left and did not come back"]
        with pytest.raises(UnknownSession):
            async with viewer(realtime, session=session):
                pass


async def test_some_seconds_are_given_to_come_back(autojump_clock: trio.testing.MockClock) -> None:
    async with RealtimeAgent(stepping, linger=30) as realtime:
        async with viewer(realtime) as me:
            session = await _leave(me)
        await trio.sleep(29)
        async with viewer(realtime, session=session) as again:
            await again.until(StepStarted)
            await trio.sleep(100)
            assert again.connection.closing is None
        await trio.sleep(29)
        async with viewer(realtime, session=session) as again:
            await again.until(StepStarted)
        await trio.sleep(31)
        with pytest.raises(UnknownSession):
            async with viewer(realtime, session=session):
                pass


async def test_who_comes_back_while_the_tasks_are_ending_is_told_how_they_ended(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def slow_to_end(task: str, run: TaskRun) -> object:
        try:
            async with run.step("work"):
                await trio.sleep_forever()
        finally:
            async with run.cleanup():
                await trio.sleep(3)
        return None

    async with RealtimeAgent(slow_to_end, linger=10) as realtime:
        async with viewer(realtime) as me:
            session = await _leave(me)
        await trio.sleep(11)
        async with viewer(realtime, session=session) as again:
            completed = await again.until(TaskCompleted)
            assert completed.receipt is not None
            assert "did not come back" in completed.receipt.reason
            await trio.sleep(60)
            assert again.connection.closing is None


async def test_none_lets_the_task_finish_and_keeps_its_result_for_a_while(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def long(task: str, run: TaskRun) -> object:
        async with run.step("work") as step:
            await trio.sleep(1000)
            step.result = 1
        return "finished"

    async with RealtimeAgent(long, linger=None) as realtime:
        async with viewer(realtime) as me:
            session = await _leave(me)
        await trio.sleep(1010)
        async with viewer(realtime, session=session) as again:
            completed = await again.until(TaskCompleted)
            assert completed.output == "finished"
            assert any(isinstance(each, PlanCreated) for each in again.events)
        await trio.sleep(31)
        with pytest.raises(UnknownSession):
            async with viewer(realtime, session=session):
                pass


async def test_a_session_of_the_application_needs_no_viewer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def long(task: str, run: TaskRun) -> object:
        await trio.sleep(1000)
        return "finished"

    async with RealtimeAgent(long, linger=0) as realtime:
        running = realtime.submit("x")
        assert await running.result() == "finished"
        with pytest.raises(UnknownSession):
            realtime.submit("y", session=running.session_id)


async def test_looking_at_a_task_of_the_application_and_leaving_does_not_end_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def long(task: str, run: TaskRun) -> object:
        await trio.sleep(1000)
        return "finished"

    async with RealtimeAgent(long, linger=1, busy="parallel") as realtime:
        running = realtime.submit("x")
        async with viewer(realtime, session=running.session_id) as me:
            me.send(SubmitTask(task="y", task_id="of the viewer"))
            await me.read()
        await trio.sleep(10)
        with pytest.raises(ValueError, match="has ended already"):
            realtime.submit("y", session=running.session_id, task_id="of the viewer")
        assert await running.result() == "finished"


async def test_a_command_beside_a_connection_that_has_gone_stops_no_clock(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with RealtimeAgent(stepping, linger=30) as realtime:
        async with viewer(realtime) as me:
            client_id = me.connection.client_id
        await trio.sleep(20)
        submit = SubmitTask(task="hang")
        answer = await realtime.ask(submit, client_id=client_id, principal=ANONYMOUS, size=1).wait()
        task = realtime.submit("x", session=me.connection.session_id, task_id=answer.task_id)
        await trio.sleep(9)
        assert task.completed is None
        await trio.sleep(2)
        assert task.completed is not None
        assert task.completed.outcome == "cancelled"
        with pytest.raises(UnknownSession):
            realtime.ask(submit, client_id=client_id, principal=ANONYMOUS, size=1)


async def test_nothing_is_added_to_a_session_whose_time_is_over() -> None:
    ending = trio.Event()

    async def agent(task: str, run: TaskRun) -> None:
        try:
            await trio.sleep_forever()
        finally:
            async with run.cleanup():
                await ending.wait()

    async with RealtimeAgent(agent, linger=0, busy="parallel") as realtime:
        async with viewer(realtime) as me:
            me.send(SubmitTask(task="x"))
            await trio.testing.wait_all_tasks_blocked()
        client_id = me.connection.client_id
        inquiry = realtime.ask(
            SubmitTask(task="y"), client_id=client_id, principal=ANONYMOUS, size=1
        )
        with pytest.raises(SessionEnded):
            await inquiry.wait()
        ending.set()
