"""What a receipt says is so: what ended too late, what was interrupted, what had completed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import trio
import trio.testing

from trio_agent_rt.agent import TaskRun
from trio_agent_rt.protocol import Receipt, TaskCompleted
from trio_agent_rt.realtime import RealtimeAgent

Agent = Callable[[str, TaskRun], Awaitable[object]]


async def cancelled(agent: Agent, *, after: float = 1, cleanup_timeout: float = 5) -> TaskCompleted:
    """How a task of it ends that is cancelled after some seconds."""
    async with RealtimeAgent(agent, cleanup_timeout=cleanup_timeout) as realtime:
        task = realtime.submit("x")
        await trio.sleep(after)
        task.request_cancel("test")
        return await task.wait()


async def receipt(agent: Agent, *, cleanup_timeout: float = 5) -> Receipt:
    completed = await cancelled(agent, cleanup_timeout=cleanup_timeout)
    assert completed.receipt is not None
    return completed.receipt


async def deaf(seconds: float) -> None:
    """Hears no cancel for so long."""
    with trio.CancelScope(shield=True):
        await trio.sleep(seconds)
    await trio.lowlevel.checkpoint()


async def test_a_step_that_hears_no_cancel_in_time_is_named(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("around"), run.step("stubborn"):
            await deaf(1 + 7)

    told = await receipt(agent)
    assert (told.cleanup, told.cleanup_detail) == ("timed_out", "stubborn")
    assert "stubborn ended 2.0 s after its time for cleanup" in caplog.messages


async def test_so_is_the_task_outside_of_its_steps(autojump_clock: trio.testing.MockClock) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        await deaf(1 + 7)
        return None

    told = await receipt(agent)
    assert (told.cleanup, told.cleanup_detail) == ("timed_out", "task")


async def test_every_step_that_ends_too_late_is_named(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async def one(name: str, seconds: float) -> None:
            async with run.step(name):
                await deaf(seconds)

        async with trio.open_nursery() as nursery:
            for name, seconds in (("a", 1 + 4), ("b", 1 + 6), ("c", 1 + 8)):
                nursery.start_soon(one, name, seconds)
        return None

    assert (await receipt(agent)).cleanup_detail == "b, c"


async def test_a_step_that_asked_for_more_time_for_cleanup_may_use_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("slow") as step:
            try:
                await trio.sleep_forever()
            finally:
                async with step.cleanup(60):
                    await trio.sleep(50)

    told = await receipt(agent)
    assert (told.cleanup, told.duration) == ("clean", 50_000)


async def test_a_step_of_the_cleanup_is_neither_completed_before_nor_interrupted(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("first"):
            pass
        try:
            async with run.step("second"):
                await trio.sleep_forever()
        finally:
            async with run.cleanup():
                async with run.step("undo"):
                    await trio.sleep(1)
                with trio.move_on_after(1):
                    async with run.step("say so"):
                        await trio.sleep_forever()

    told = await receipt(agent)
    assert told.completed == ("first",)
    assert told.interrupted == ("second",)
    assert told.cleanup == "clean"


async def test_a_task_that_had_failed_before_its_cancel_has_failed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        try:
            async with run.step("charge"):
                raise ValueError("card declined")
        finally:
            async with run.cleanup():
                await trio.sleep(3)

    completed = await cancelled(agent)
    assert completed.outcome == "failed"
    assert completed.error == "ValueError: card declined"
    assert completed.receipt is None


async def test_a_step_that_had_failed_before_the_cancel_was_not_interrupted(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("charge"):
            try:
                raise ValueError("card declined")
            finally:
                async with run.cleanup():
                    await trio.sleep(3)

    completed = await cancelled(agent)
    assert (completed.outcome, completed.error) == ("failed", "ValueError: card declined")


async def test_an_agent_that_catches_the_cancel_of_its_step_is_cancelled_all_the_same(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        with suppress(trio.Cancelled):
            async with run.step("a"):
                await trio.sleep_forever()
        return "partial"

    told = await receipt(agent)
    assert told.interrupted == ("a",)


async def test_a_step_that_is_left_open_is_interrupted_by_the_cancel(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        await run.step("left").__aenter__()
        await trio.sleep_forever()
        return None

    told = await receipt(agent)
    assert told.interrupted == ("left",)
