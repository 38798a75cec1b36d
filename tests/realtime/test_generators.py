"""Async generators that an agent iterates end inside its task, before it does."""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import pytest
import trio
import trio.testing

from trio_agent_rt.agent import TaskRun
from trio_agent_rt.protocol import Event, Receipt, StepFailed
from trio_agent_rt.realtime import RealtimeAgent

Stages = Callable[[TaskRun], AsyncGenerator[int]]
Agent = Callable[[str, TaskRun], Awaitable[object]]


def stages(order: list[str], seconds: float = 1) -> Stages:
    async def generator(run: TaskRun) -> AsyncGenerator[int]:
        async with run.step("stream"):
            try:
                for number in range(100):
                    yield number
            finally:
                async with run.cleanup():
                    order.append("begins")
                    await trio.sleep(seconds)
                    order.append("ends")

    return generator


async def cancelled(agent: Agent, order: list[str], *, cleanup_timeout: float = 5) -> Receipt:
    """Cancel a task of it when it hangs; `order` is told when the cancel has returned."""
    hooks = sys.get_asyncgen_hooks()
    async with RealtimeAgent(agent, cleanup_timeout=cleanup_timeout) as realtime:
        task = realtime.submit("x")
        await trio.testing.wait_all_tasks_blocked()
        receipt = await task.cancel("test")
        order.append("ended")
        events: list[Event] = [each async for each in task]
        assert [each.error for each in events if isinstance(each, StepFailed)] == ["cancelled"]
    assert sys.get_asyncgen_hooks() == hooks
    assert receipt is not None
    return receipt


async def test_one_that_is_iterated_has_cleaned_up_before_the_task_ends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    order: list[str] = []
    stream = stages(order)

    async def agent(task: str, run: TaskRun) -> object:
        async for _ in stream(run):
            await trio.sleep_forever()
        return None

    receipt = await cancelled(agent, order)
    assert order == ["begins", "ends", "ended"]
    assert (receipt.interrupted, receipt.cleanup) == (("stream",), "clean")


async def test_one_in_a_variable_and_one_in_a_trio_task_of_the_agents_do_so_too(
    autojump_clock: trio.testing.MockClock,
) -> None:
    order: list[str] = []
    stream = stages(order)

    async def agent(task: str, run: TaskRun) -> object:
        kept = stream(run)

        async def child() -> None:
            async for _ in kept:
                await trio.sleep_forever()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
        return None

    assert (await cancelled(agent, order)).interrupted == ("stream",)
    assert order == ["begins", "ends", "ended"]


async def test_its_cleanup_is_cut_off_when_its_time_is_over_and_named(
    autojump_clock: trio.testing.MockClock,
) -> None:
    order: list[str] = []
    stream = stages(order, seconds=100)

    async def agent(task: str, run: TaskRun) -> object:
        async for _ in stream(run):
            await trio.sleep_forever()
        return None

    receipt = await cancelled(agent, order, cleanup_timeout=5)
    assert order == ["begins", "ended"]
    assert (receipt.duration, receipt.cleanup) == (5000, "timed_out")
    assert receipt.cleanup_detail == "stream"


async def test_what_one_raises_when_it_is_closed_is_in_the_receipt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    order: list[str] = []

    async def broken(run: TaskRun) -> AsyncGenerator[int]:
        async with run.step("stream"):
            try:
                yield 1
            finally:
                raise OSError("torn")

    async def agent(task: str, run: TaskRun) -> object:
        async for _ in broken(run):
            await trio.sleep_forever()
        return None

    receipt = await cancelled(agent, order)
    assert receipt.interrupted == ("stream",)
    assert (receipt.cleanup, receipt.cleanup_detail) == ("raised", "stream: OSError: torn")
    assert any("a generator of task" in each.message for each in caplog.records)


async def test_one_that_is_let_go_of_ends_while_the_agent_goes_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    order: list[str] = []
    stream = stages(order)

    async def agent(task: str, run: TaskRun) -> object:
        async for _ in stream(run):
            break
        await trio.sleep(2)
        order.append("goes on")
        return "done"

    async with RealtimeAgent(agent) as realtime:
        assert await realtime.submit("x").result() == "done"
    assert order == ["begins", "ends", "goes on"]


async def test_one_that_is_let_go_of_at_the_very_end_ends_before_the_task(
    autojump_clock: trio.testing.MockClock,
) -> None:
    order: list[str] = []
    stream = stages(order)

    async def agent(task: str, run: TaskRun) -> object:
        async for _ in stream(run):
            break
        return "done"

    async with RealtimeAgent(agent) as realtime:
        assert await realtime.submit("x").result() == "done"
        order.append("ended")
    assert order == ["begins", "ends", "ended"]


async def test_one_that_the_application_keeps_from_task_to_task_lives_on() -> None:
    async def chat() -> AsyncGenerator[int]:
        for number in range(100):
            yield number

    kept = chat()

    async def agent(task: str, run: TaskRun) -> object:
        return await anext(kept)

    async with RealtimeAgent(agent) as realtime:
        assert [await realtime.submit("x").result() for _ in range(3)] == [0, 1, 2]
    await kept.aclose()


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
async def test_one_of_somebody_else_is_left_alone(autojump_clock: trio.testing.MockClock) -> None:
    ended: list[str] = []

    async def ticks() -> AsyncGenerator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.append("ticks")

    async def iterate(ticking: AsyncIterator[int]) -> None:
        async for _ in ticking:
            await trio.sleep_forever()

    async with trio.open_nursery() as outside:

        async def agent(task: str, run: TaskRun) -> object:
            outside.start_soon(iterate, ticks())
            await trio.sleep_forever()
            return None

        async with RealtimeAgent(agent) as realtime:
            task = realtime.submit("x")
            await trio.testing.wait_all_tasks_blocked()
            await task.cancel()
            assert ended == []
        outside.cancel_scope.cancel()
    gc.collect()
    await trio.testing.wait_all_tasks_blocked()
    assert ended == ["ticks"]


async def test_python_is_asked_to_tell_of_them_only_while_an_agent_runs() -> None:
    before = sys.get_asyncgen_hooks()
    seen: list[bool] = []

    async def agent(task: str, run: TaskRun) -> object:
        seen.append(sys.get_asyncgen_hooks() == before)
        await trio.lowlevel.checkpoint()
        return None

    async with RealtimeAgent(agent, busy="parallel") as realtime:
        assert sys.get_asyncgen_hooks() == before
        for each in [realtime.submit("x") for _ in range(3)]:
            await each.result()
        assert sys.get_asyncgen_hooks() == before
    assert seen == [False, False, False]
