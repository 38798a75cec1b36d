"""A task that goes on after its cancel is named: which step, for how long, where it stands."""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
import trio
import trio.testing

from tests.contract import check_task_events
from tests.realtime.viewing import of_task, viewer
from trio_agent_rt.agent import TaskRun, ToolCall, create_agent, tool
from trio_agent_rt.errors import ConfirmationExpired
from trio_agent_rt.protocol import CancelTask, StatusChanged, SubmitTask, TaskCompleted
from trio_agent_rt.realtime import RealtimeAgent
from trio_agent_rt.testing import ScriptedLLM

Agent = Callable[[str, TaskRun], Any]


async def deaf(seconds: float) -> None:
    """Hears no cancel for so long."""
    with trio.CancelScope(shield=True):
        await trio.sleep(seconds)
    await trio.lowlevel.checkpoint()


LINE = inspect.getsourcelines(deaf)[1] + 3


async def statuses(agent: Agent, *, cleanup_timeout: float = 5) -> list[str]:
    """What viewers are told between the cancel of a task and its end."""
    async with RealtimeAgent(agent, cleanup_timeout=cleanup_timeout) as realtime:
        async with viewer(realtime) as me:
            me.send(SubmitTask(task="x", task_id="t"))
            await me.until(StatusChanged, state="planning")
            await trio.testing.wait_all_tasks_blocked()
            me.send(CancelTask(request_id="c"))
            await me.until(StatusChanged, cancelling=True)
            seen = len(me.events)
            await me.until(TaskCompleted)
            check_task_events(of_task([each for each in me.events if not each.replay], "t"))
            told = [each for each in me.events[seen:] if isinstance(each, StatusChanged)]
            assert all(each.cancelling and each.state != "planning" for each in told)
            return [each.message for each in told]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.message for each in caplog.records if "still runs" in each.message]


async def test_one_that_has_not_started_is_not_watched() -> None:
    async def agent(task: str, run: TaskRun) -> None:
        await trio.sleep_forever()

    async with RealtimeAgent(agent, busy="queue") as realtime:
        first = realtime.submit("x")
        queued = realtime.submit("y", session=first.session_id)
        await trio.testing.wait_all_tasks_blocked()
        before = set(realtime.nursery.child_tasks)
        queued.request_cancel("not wanted")
        assert set(realtime.nursery.child_tasks) == before
        first.request_cancel("nor this")
        assert set(realtime.nursery.child_tasks) > before


async def test_a_step_is_named_with_where_it_stands_to_the_viewers_and_in_the_log(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("stubborn"):
            await deaf(10)

    (told,) = await statuses(agent)
    where = f"it stands: stubborn at test_watchdog.py:{LINE} in deaf"
    assert told == f"stubborn still runs, 6.0 s after the cancel; {where}"
    (logged,) = warnings(caplog)
    assert logged.startswith("task 't' still runs stubborn, 6.0 s after its cancel; it stands: ")
    assert logged.endswith(f"stubborn at {__file__}:{LINE} in deaf")


async def test_one_that_ends_within_its_time_for_cleanup_is_not(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("slow"):
            await deaf(5.9)

    assert await statuses(agent) == []
    assert warnings(caplog) == []


async def test_it_is_named_again_whenever_the_wait_has_doubled(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("stubborn"):
            await deaf(20)
            await trio.lowlevel.checkpoint()

    told = await statuses(agent, cleanup_timeout=1)
    after = [re.findall(r"runs, (\d+\.\d) s", each) for each in told]
    assert after == [["2.0"], ["4.0"], ["8.0"], ["16.0"]]
    assert len(warnings(caplog)) == 4


async def test_trio_tasks_that_it_started_are_looked_into_and_who_only_waits_is_not_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("parent"):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(one, run)
                nursery.start_soon(trio.sleep_forever)
                await trio.sleep_forever()

    async def one(run: TaskRun) -> None:
        async with run.step("child"), trio.open_nursery() as nursery:
            nursery.start_soon(deaf, 10)
            nursery.start_soon(trio.sleep_forever)

    (told,) = await statuses(agent)
    assert told.startswith("parent, child still runs")
    assert told.endswith(f"it stands: child at test_watchdog.py:{LINE} in deaf")


async def test_a_stack_goes_through_generators_and_stops_before_the_library(
    autojump_clock: trio.testing.MockClock,
) -> None:
    @tool(name="deaf")
    async def hears_nothing(call: ToolCall) -> None:
        """Hear nothing."""
        async for _ in pieces():
            pass

    async def pieces() -> AsyncGenerator[int]:
        with trio.CancelScope(shield=True):
            await trio.sleep(10)
        yield 1

    plan = {"steps": [{"id": "s1", "name": "Hear", "tool": "deaf"}]}
    agent = create_agent(llm=ScriptedLLM(plan, "done"), tools=[hears_nothing])
    (told,) = await statuses(agent)
    assert re.search(r"it stands: s1 at test_watchdog\.py:\d+ in pieces$", told)


async def test_a_wait_for_a_thread_says_so() -> None:
    go, begun = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        go.wait(20)

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("blocked"):
            await trio.to_thread.run_sync(block)
            await trio.lowlevel.checkpoint()

    with trio.fail_after(10):
        async with RealtimeAgent(agent, cleanup_timeout=0) as realtime, viewer(realtime) as me:
            me.send(SubmitTask(task="x", task_id="t"))
            await trio.to_thread.run_sync(begun.wait, 10)
            me.send(CancelTask())
            await me.until(StatusChanged, cancelling=True)
            told = await me.until(StatusChanged, cancelling=True)
            go.set()
            await me.until(TaskCompleted)
    assert re.search(r"in agent, in a thread, which nothing can end from outside$", told.message)


async def test_no_status_follows_the_error_of_a_step_but_the_log_goes_on(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async def one(name: str, seconds: float) -> None:
            async with run.step(name):
                await deaf(seconds)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, "a", 7)
            nursery.start_soon(one, "b", 30)

    told = await statuses(agent)
    assert [each[:18] for each in told] in (["a, b still runs, 6"], ["b, a still runs, 6"])
    logged = warnings(caplog)
    assert len(logged) == 3
    assert "still runs b, 24.0 s" in logged[2]


async def test_what_lives_on_outside_of_steps_is_named_too(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        run.set_state("executing", "at work")
        await deaf(10)

    (told,) = await statuses(agent)
    where = f"it stands: test_watchdog.py:{LINE} in deaf"
    assert told == f"the task still runs, 6.0 s after the cancel; {where}"


async def test_many_places_are_counted_and_not_all_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async def one(name: str) -> None:
            async with run.step(name):
                await deaf(10)

        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(one, f"s{number}")

    (told,) = await statuses(agent)
    assert told.count("in deaf") == 5
    assert told.endswith("; and 3 more")


async def test_a_stack_that_cannot_be_read_disturbs_nothing(
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(task: object) -> object:
        raise TypeError("this is no coroutine")

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("stubborn"):
            await deaf(10)

    monkeypatch.setattr(trio.lowlevel.Task, "iter_await_frames", broken)
    assert await statuses(agent) == ["stubborn still runs, 6.0 s after the cancel"]
    assert "where task 't' stands cannot be told" in caplog.text


async def test_the_step_of_a_task_that_has_submitted_it_is_not_taken_for_its_own(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        if task == "inner":
            run.set_state("executing", "at work")
            await deaf(10)
        async with run.step("around"):
            inner = realtime.submit("inner")
            await trio.testing.wait_all_tasks_blocked()
            await inner.cancel()

    async with RealtimeAgent(agent) as realtime:
        await realtime.submit("outer").wait()
    (told,) = warnings(caplog)
    assert "around" not in told


async def test_what_the_agent_has_called_in_the_library_is_not_where_it_stands(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("stubborn"):
            with trio.move_on_after(10, shield=True):
                await RealtimeAgent(agent).wait_draining()
            await trio.lowlevel.checkpoint()

    (told,) = await statuses(agent)
    assert re.search(r"it stands: stubborn at test_watchdog\.py:\d+ in agent$", told)


async def test_one_whose_step_has_asked_for_more_time_is_not_named_within_it(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("slow") as step:
            try:
                await trio.sleep_forever()
            finally:
                async with step.cleanup(60):
                    await trio.sleep(50)
                await deaf(12)

    assert len(await statuses(agent)) == 1
    (logged,) = warnings(caplog)
    assert "still runs slow, 61.0 s after its cancel" in logged


async def test_viewers_are_told_nothing_while_a_question_is_open(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("deploy") as step:
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True), pytest.raises(ConfirmationExpired):
                    await step.confirm("Roll back?", expires_after=8)

    asked, closed = await statuses(agent)
    assert asked == "Waiting for a confirmation: deploy"
    assert closed == "Nobody confirmed in time: deploy"
    assert len(warnings(caplog)) == 1
