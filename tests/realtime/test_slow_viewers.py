"""Who is too slow, and who is not: what a viewer may hold back."""

from __future__ import annotations

import trio

from tests.realtime.viewing import quick, viewer
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.protocol import (
    Acknowledged,
    CloseCode,
    CustomEvent,
    Event,
    GetState,
    StepOutput,
    StepStarted,
    SubmitTask,
    TaskCompleted,
)
from trio_agent_rt.realtime import Limits, RealtimeAgent


def offsets(events: list[Event]) -> list[int]:
    return [each.position.offset for each in events if each.position is not None]


async def test_a_viewer_that_reads_nothing_is_overtaken_and_holds_nobody_up() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        for number in range(60):
            async with run.step(f"s{number}"):
                pass
        return None

    async with RealtimeAgent(agent, buffer_size=5) as realtime, viewer(realtime) as me:
        async with viewer(realtime, session=me.connection.session_id) as asleep:
            await asleep.read()
            me.send(SubmitTask(task="x"))
            await me.until(TaskCompleted)
            assert asleep.connection.closing is not None
            assert asleep.connection.closing[0] is CloseCode.TOO_SLOW
            assert await asleep.read() == []
            await asleep.connection.wait_closing()
        assert offsets(me.events) == list(range(1, len(offsets(me.events)) + 1))


async def test_what_a_viewer_holds_back_is_bounded_in_bytes_too() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        for number in range(10):
            async with run.step(f"s{number}") as step:
                step.result = "x" * 1000
        return None

    limits = Limits(log_bytes=5000)
    async with (
        RealtimeAgent(agent, buffer_size=1000, limits=limits) as realtime,
        viewer(realtime) as asleep,
    ):
        await asleep.read()
        running = realtime.submit("x", session=asleep.connection.session_id)
        await running.wait()
        assert asleep.connection.closing is not None
        assert asleep.connection.closing[0] is CloseCode.TOO_SLOW


async def test_a_burst_bigger_than_one_batch_arrives_whole_and_in_order() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("big") as step:
            for _ in range(30):
                step.output("y" * 40_000)
        return None

    async with (
        RealtimeAgent(agent, broadcast_interval=0, buffer_size=200) as realtime,
        viewer(realtime) as me,
    ):
        me.send(SubmitTask(task="x"))
        await me.until(TaskCompleted)
        text = "".join(each.text for each in me.events if isinstance(each, StepOutput))
        assert len(text) == 30 * 40_000
        assert offsets(me.events) == list(range(1, len(offsets(me.events)) + 1))


async def test_a_viewer_that_keeps_up_is_never_too_slow_however_much_it_has_read() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        for number in range(50):
            async with run.step(f"s{number}") as step:
                step.result = "x" * 1000
            await trio.testing.wait_all_tasks_blocked()
        return None

    limits = Limits(log_bytes=20_000)
    async with RealtimeAgent(agent, limits=limits) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x"))
        await me.until(TaskCompleted)
        assert me.connection.closing is None


async def test_a_burst_before_any_writer_runs_is_not_a_slow_viewer() -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime) as me:
        for number in range(900):
            realtime.broadcast("custom", number)
        heard = [(await me.until(CustomEvent)).data for _ in range(900)]
        assert heard == list(range(900))


async def test_answers_do_not_count_as_events_that_are_held_back() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        run.plan([f"s{number}" for number in range(10)])
        async with run.step("s0"):
            await trio.sleep_forever()

    async with RealtimeAgent(agent, busy="parallel", buffer_size=5) as realtime:
        async with viewer(realtime) as me:
            for number in range(40):
                me.send(SubmitTask(task="x", task_id=f"{number}"))
                await me.until(StepStarted)
            answer = await me.answer(GetState(request_id="s"))
            assert isinstance(answer, Acknowledged)
