"""Code for asyncio is cancelled in its own way and waited for; what goes on is told."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable

import pytest
import trio

from tests.agent.stage import Stage
from trio_agent_rt.agent import Tool, ToolCall, run_asyncio, tool
from trio_agent_rt.errors import ToolError
from trio_agent_rt.protocol import StepOutput, StepProgressed, TaskCompleted
from trio_agent_rt.testing import assert_no_leaks

from .left_threads import an_end

Function = Callable[[ToolCall], Awaitable[object]]


async def played(
    function: Function, *, cancelled: bool = False, cleanup_timeout: float = 5.0
) -> tuple[Stage, TaskCompleted]:
    """A step that runs a function for asyncio; cancelled when that has put something out."""
    stage = Stage(cleanup_timeout=cleanup_timeout)

    async def agent(task: str, run: object) -> object:
        async with stage.run.step("a") as step:
            return await run_asyncio(step, function)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:

            async def cancel() -> None:
                await stage.until(StepOutput)
                stage.cancel()

            if cancelled:
                nursery.start_soon(cancel)
            completed = await stage.play(agent)
    return stage, completed


async def test_it_gives_what_the_function_returns_and_its_arguments_pass() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("kept")

    async def add(call: ToolCall, a: int, *, b: int) -> tuple[int, str]:
        await asyncio.sleep(0)
        return a + b, variable.get()

    with assert_no_leaks():
        tools: list[Tool] = []

        @tool(cancellation="thread")
        async def summing(call: ToolCall) -> object:
            """Add."""
            return await run_asyncio(call, add, 1, b=2)

        tools.append(summing)

        class Call:
            def progress(self, percent: float, message: str = "") -> None: ...
            def output(self, text: str) -> None: ...

        assert await tools[0].run(Call(), {}) == (3, "kept")


async def test_what_it_raises_comes_out_as_it_is() -> None:
    async def fail(call: ToolCall) -> None:
        raise KeyError("mine")

    stage, completed = await played(fail)
    assert isinstance(stage.error, KeyError)
    assert completed.outcome == "failed"


async def test_progress_and_output_are_shown() -> None:
    async def stream(call: ToolCall) -> str:
        for number, word in enumerate(["one ", "two "]):
            await asyncio.sleep(0)
            call.output(word)
            call.progress(50 * (number + 1), word)
        return "done"

    stage, completed = await played(stream)
    assert completed.output == "done"
    assert [each.text for each in stage.all(StepOutput)] == ["one ", "two "]
    assert [each.progress for each in stage.all(StepProgressed)] == [50, 100]


async def test_a_cancel_waits_until_it_and_what_it_has_started_have_ended() -> None:
    ended: list[str] = []

    async def child() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            ended.append("child")

    async def parent(call: ToolCall) -> None:
        running = asyncio.create_task(child())
        await asyncio.sleep(0)
        call.output("begun")
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            ended.append("parent")
            assert not running.done()  # closing the loop ends it

    with assert_no_leaks():
        _, completed = await played(parent, cancelled=True)
    assert ended == ["parent", "child"]
    assert completed.receipt is not None
    assert (completed.receipt.interrupted, completed.receipt.cleanup) == (("a",), "clean")


async def test_one_that_swallows_its_cancel_is_left_behind_and_named() -> None:
    go = threading.Event()

    async def stubborn(call: ToolCall) -> None:
        call.output("begun")
        while not go.is_set():
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                continue

    with an_end() as ended:
        try:
            _, completed = await played(stubborn, cancelled=True, cleanup_timeout=0.2)
            assert completed.receipt is not None
            assert completed.receipt.cleanup == "timed_out"
            assert completed.receipt.cleanup_detail == "a (its thread was left behind)"
        finally:
            go.set()
        with trio.fail_after(10):
            await ended.wait()


async def test_what_it_raises_in_place_of_ending_is_told() -> None:
    async def worse(call: ToolCall) -> None:
        call.output("begun")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise OSError("the disk is full") from None

    _, completed = await played(worse, cancelled=True)
    assert completed.receipt is not None
    assert completed.receipt.cleanup == "raised"
    assert "the disk is full" in (completed.receipt.cleanup_detail or "")


async def test_one_that_cancels_itself_fails_and_cancels_nobody() -> None:
    async def gives_up(call: ToolCall) -> None:
        raise asyncio.CancelledError

    stage, completed = await played(gives_up)
    assert completed.outcome == "failed"
    assert isinstance(stage.error, ToolError)


async def test_a_tool_that_has_promised_more_may_not() -> None:
    @tool()
    async def swift(call: ToolCall) -> object:
        """Be swift."""

        async def nothing(call: ToolCall) -> None: ...

        return await run_asyncio(call, nothing)

    async def agent(task: str, run: object) -> object:
        async with stage.run.step("a") as step:
            return await swift.run(step, {})

    stage = Stage()
    await stage.play(agent)
    assert isinstance(stage.error, RuntimeError)
    assert "declare cancellation='thread'" in str(stage.error)


@pytest.mark.parametrize("seconds", [0.001, 60.0])
async def test_a_cancel_finds_it_at_any_moment_of_its_life(seconds: float) -> None:
    async def wait(call: ToolCall) -> None:
        await asyncio.sleep(seconds)

    class Call:
        def progress(self, percent: float, message: str = "") -> None: ...
        def output(self, text: str) -> None: ...

    begun = trio.current_time()
    for number in range(40):
        with trio.move_on_after(number * 0.0001):
            await run_asyncio(Call(), wait)
    # A cancel that was missed would have cost the 5 s that a cleanup may take.
    assert trio.current_time() - begun < 4
