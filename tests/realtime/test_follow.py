"""Following a task from inside the process."""

from __future__ import annotations

import trio
import trio.testing

from tests.realtime.viewing import asking, of_task, stepping, viewer
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    Event,
    GapOccurred,
    StepProgressed,
    SubmitTask,
    TaskCompleted,
)
from trio_agent_rt.realtime import RealtimeAgent


async def test_it_gives_what_a_viewer_gets_whenever_it_begins() -> None:
    async with RealtimeAgent(stepping, busy="parallel") as realtime, viewer(realtime) as me:
        first = realtime.submit("x", session=me.connection.session_id, task_id="a")
        me.send(SubmitTask(task="y", task_id="b"))
        at_once = [each async for each in first]
        afterwards = [each async for each in first]
        await me.until(TaskCompleted)
        await me.until(TaskCompleted)
        assert at_once == afterwards == of_task(me.events, "a")


async def test_questions_can_be_answered_on_the_way() -> None:
    async with RealtimeAgent(asking) as realtime:
        running = realtime.submit("x")
        async for event in running:
            if isinstance(event, ConfirmationRequested):
                assert running.confirm(event.step_id) == "applied"
                assert running.reject(event.step_id) == "already_decided"
        assert await running.result() == "approved"


async def test_one_that_is_too_slow_is_told_of_the_gap_and_goes_on() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        for number in range(100):
            async with run.step(f"s{number}") as step:
                step.progress(50)
        return "done"

    async with RealtimeAgent(agent, buffer_size=10) as realtime:
        running = realtime.submit("x")
        events: list[Event] = []
        async for event in running:
            if not events:
                await running.wait()
            events.append(event)
        assert any(isinstance(each, GapOccurred) for each in events)
        assert isinstance(events[-1], TaskCompleted)
        assert events[-1].output == "done"


async def test_leaving_it_early_leaves_nothing_behind() -> None:
    async with RealtimeAgent(stepping, buffer_size=5) as realtime:
        running = realtime.submit("hang")
        async for _ in running:
            break
        await running.cancel()
        for _ in range(5):
            again = realtime.submit("x", session=running.session_id)
            await again.wait()


async def test_a_cancelled_read_loses_nothing() -> None:
    async with RealtimeAgent(asking) as realtime:
        running = realtime.submit("x")
        iterator = running.__aiter__()
        events: list[Event] = []
        while not (events and isinstance(events[-1], ConfirmationRequested)):
            events.append(await iterator.__anext__())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(iterator.__anext__)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        running.confirm(events[-1].step_id)
        events += [each async for each in iterator]
        assert events == [each async for each in running]


async def test_progress_is_throttled_and_its_last_value_always_arrives(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("s") as step:
            for percent in range(100):
                step.progress(percent)
                await trio.sleep(0.01)
            step.progress(99.5)
        return None

    async with RealtimeAgent(agent, broadcast_interval=0.1) as realtime:
        running = realtime.submit("x")
        values = [each.progress async for each in running if isinstance(each, StepProgressed)]
    assert values[0] == 0
    assert values[-1] == 99.5
    assert 9 <= len(values) <= 13


async def test_held_back_progress_comes_out_by_itself_when_its_time_is_over(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("s") as step:
            step.progress(1)
            step.progress(2)
            step.output("a")
            step.output("b")
            step.output("c")
            await trio.sleep_forever()

    async with RealtimeAgent(agent, broadcast_interval=0.1) as realtime:
        running = realtime.submit("x")
        start = trio.current_time()
        seen: list[Event] = []
        async for event in running:
            seen.append(event)
            if isinstance(event, StepProgressed) and event.progress == 2:
                break
        assert abs(trio.current_time() - start - 0.1) < 0.001


async def test_an_iterator_that_reads_no_more_is_let_go_of_when_it_is_overtaken() -> None:
    async with RealtimeAgent(stepping, buffer_size=5) as realtime, viewer(realtime) as me:
        first = realtime.submit("x", session=me.connection.session_id)
        kept = aiter(first)
        await anext(kept)
        await first.wait()
        session = first._session
        assert len(first._session._viewers._observers) == 1
        for _ in range(10):
            await realtime.submit("x", session=me.connection.session_id).wait()
            await me.rest()
        assert not session._viewers._observers


async def test_a_task_whose_events_are_long_gone_still_tells_its_end() -> None:
    async with RealtimeAgent(stepping, buffer_size=2) as realtime, viewer(realtime) as me:
        first = realtime.submit("x", session=me.connection.session_id)
        await first.wait()
        await realtime.submit("y", session=me.connection.session_id).wait()
        await me.rest()
        told = [each async for each in first]
        assert isinstance(told[0], GapOccurred)
        assert isinstance(told[-1], TaskCompleted)
        assert told[-1].output == "x"


async def test_one_that_was_let_go_of_is_not_kept() -> None:
    async with RealtimeAgent(stepping) as realtime:
        first = realtime.submit("x")
        await first.wait()
        for _ in range(3):
            running = realtime.submit("x", session=first.session_id)
            async for _each in running:
                break
            await running.wait()
        assert len(first._session._viewers._observers) == 0
