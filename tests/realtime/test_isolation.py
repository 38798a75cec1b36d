"""One agent's trouble is nobody else's."""

from __future__ import annotations

import asyncio

import pytest
import trio
import trio.testing

from tests.realtime.viewing import viewer
from trio_agent_rt.agent import Answer, TaskRun
from trio_agent_rt.errors import TaskCancelled, TaskFailed, ToolError
from trio_agent_rt.protocol import SubmitTask, TaskCompleted
from trio_agent_rt.realtime import RealtimeAgent


class Strange(BaseException):
    """Not an Exception: escapes whatever catches only those."""


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text for you")


RAISED: list[BaseException] = [
    ValueError("bad value"),
    ToolError("in words"),
    Unprintable(),
    Strange("strange"),
    SystemExit(3),
    GeneratorExit(),
    asyncio.CancelledError(),
    ExceptionGroup("several", [ValueError("one"), KeyError("two")]),
    BaseExceptionGroup("several", [Strange("one"), ValueError("two")]),
    RecursionError("deep"),
    MemoryError(),
    StopAsyncIteration(),
    ValueError("lone \ud800 surrogate"),
]


@pytest.mark.parametrize("raised", RAISED, ids=lambda each: type(each).__name__)
async def test_whatever_an_agent_raises_fails_its_task_alone(raised: BaseException) -> None:
    going_on = trio.Event()

    async def agent(task: str, run: TaskRun) -> object:
        if task == "bystander":
            async with run.step("work"):
                await going_on.wait()
            return "unharmed"
        async with run.step("break"):
            await trio.lowlevel.checkpoint()
            raise raised

    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        bystander = realtime.submit("bystander")
        me.send(SubmitTask(task="x"))
        completed = await me.until(TaskCompleted)
        assert completed.outcome == "failed"
        assert completed.error
        going_on.set()
        assert await bystander.result() == "unharmed"
        me.send(SubmitTask(task="x"))
        await me.until(TaskCompleted)


async def test_a_failing_task_tells_its_error_and_no_stack() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        raise ValueError("bad value")

    async with RealtimeAgent(agent) as realtime:
        running = realtime.submit("x")
        with pytest.raises(TaskFailed, match="ValueError: bad value") as caught:
            await running.result()
        assert "Traceback" not in str(caught.value.completed)


async def test_an_agent_that_returns_what_json_does_not_know_succeeds() -> None:
    class Handle:
        pass

    async def agent(task: str, run: TaskRun) -> object:
        return {"nan": float("nan"), "handle": Handle(), "bytes": b"\0", "half": "\ud800"}

    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x"))
        completed = await me.until(TaskCompleted)
        assert completed.success
        assert completed.output["nan"] == "NaN"
        assert "Handle" in completed.output["handle"]


async def test_an_answer_carries_a_summary() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        return Answer(output=1, summary="One.")

    async with RealtimeAgent(agent) as realtime:
        completed = await realtime.submit("x").wait()
        assert (completed.output, completed.summary) == (1, "One.")


async def test_a_cancelled_task_raises_its_receipt_to_who_waits() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        await trio.sleep_forever()

    async with RealtimeAgent(agent) as realtime:
        running = realtime.submit("x")
        await trio.testing.wait_all_tasks_blocked()
        running.request_cancel("enough")
        with pytest.raises(TaskCancelled) as caught:
            await running.result()
        assert caught.value.receipt is not None
        assert caught.value.receipt.reason == "enough"


async def test_waiting_for_a_task_can_be_cancelled_without_harm_to_it() -> None:
    go_on = trio.Event()

    async def agent(task: str, run: TaskRun) -> object:
        await go_on.wait()
        return 1

    async with RealtimeAgent(agent) as realtime:
        running = realtime.submit("x")
        await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            scope.cancel()
            await running.result()
        go_on.set()
        assert await running.result() == 1


async def test_a_cancel_that_an_agent_has_kept_and_raises_again_is_its_failure_alone() -> None:
    going_on = trio.Event()

    async def agent(task: str, run: TaskRun) -> object:
        if task == "bystander":
            await going_on.wait()
            return "unharmed"
        kept: list[BaseException] = []
        with trio.move_on_after(0):
            try:
                await trio.sleep_forever()
            except trio.Cancelled as exc:
                kept.append(exc)
                raise
        raise kept[0]

    async with RealtimeAgent(agent) as realtime:
        bystander = realtime.submit("bystander")
        assert (await realtime.submit("x").wait()).outcome == "failed"
        assert realtime.phase == "serving"
        going_on.set()
        assert await bystander.result() == "unharmed"


async def test_a_nursery_that_an_agent_leaves_open_is_its_failure_alone() -> None:
    going_on = trio.Event()

    async def agent(task: str, run: TaskRun) -> object:
        if task == "bystander":
            await going_on.wait()
            return "unharmed"
        await trio.open_nursery().__aenter__()
        return "left it open"

    async with RealtimeAgent(agent) as realtime:
        bystander = realtime.submit("bystander")
        await realtime.submit("x").wait()
        assert realtime.phase == "serving"
        going_on.set()
        assert await bystander.result() == "unharmed"


async def test_an_output_that_answers_every_question_with_an_exception_is_encoded() -> None:
    class Evil:
        @property
        def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]
            raise RuntimeError("ask me not")

    async def agent(task: str, run: TaskRun) -> object:
        return Evil()

    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x"))
        completed = await me.until(TaskCompleted)
        assert completed.success
        assert "not encodable" in completed.output


async def test_an_interrupt_in_an_agents_code_ends_all_and_comes_out() -> None:
    """Ctrl-C reaches whatever code runs: a shutdown that waits for tasks must not hang."""

    async def agent(task: str, run: TaskRun) -> object:
        if task == "busy":
            await trio.lowlevel.checkpoint()
            raise KeyboardInterrupt
        await trio.sleep_forever()

    ended = False
    with pytest.raises(KeyboardInterrupt):
        async with RealtimeAgent(agent) as realtime:
            other = realtime.submit("x")
            await trio.testing.wait_all_tasks_blocked()
            realtime.submit("busy")
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await realtime.wait_tasks_ended()
                    assert (await other.wait()).outcome == "cancelled"
                    ended = True
    assert ended
    assert realtime.phase == "closed"  # pyright: ignore[reportPossiblyUnboundVariable]
