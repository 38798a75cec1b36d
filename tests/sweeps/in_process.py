"""Scenarios without a transport: what can become of a task."""

from __future__ import annotations

import contextlib
from typing import Any

import trio

from tests.sweeps.stage import LINGER, staged
from trio_agent_rt import RealtimeAgent, RunningTask, TaskRun, create_agent
from trio_agent_rt.agent import Executor, ToolCall, tool
from trio_agent_rt.errors import ShuttingDown
from trio_agent_rt.events import Encoded
from trio_agent_rt.protocol import ConfirmationRequested
from trio_agent_rt.testing import Asks, Fails, FakeAgent, ScriptedLLM, Sweep, Works

__all__ = ["SCENARIOS"]


async def one_after_the_other(sweep: Sweep) -> None:
    async with staged(FakeAgent(Works(1), Works(2), cleanup=1)) as stage:
        task = stage.realtime.submit("a task")
        with sweep.cancelling(task):
            completed = await task.wait()
        assert sweep.cancelled or completed.success
        await stage.serve_the_next()


async def at_the_same_time(sweep: Sweep) -> None:
    async with staged(FakeAgent((Works(1), Works(2), Works(1)), cleanup=1)) as stage:
        task = stage.realtime.submit("a task")
        with sweep.cancelling(task):
            await task.wait()
        await stage.serve_the_next()


async def one_of_several_fails(sweep: Sweep) -> None:
    agent = FakeAgent((Works(2), Fails(), Works(3)), cleanup=1)
    async with staged(agent) as stage:
        task = stage.realtime.submit("a task")
        # Cancelled while the others clean up: its failure is told of in the receipt.
        with sweep.cancelling(task, clean=False):
            completed = await task.wait()
        assert completed.outcome == "failed" or (
            sweep.cancelled and completed.outcome == "cancelled"
        )


async def _answer(task: RunningTask) -> None:
    async for event in task:
        if isinstance(event, ConfirmationRequested):
            await trio.sleep(0.5)
            task.confirm(event.step_id)


async def asks_first(sweep: Sweep) -> None:
    async with staged(FakeAgent(Asks(), Works(1))) as stage, trio.open_nursery() as nursery:
        task = stage.realtime.submit("a task")
        nursery.start_soon(_answer, task)
        with sweep.cancelling(task):
            completed = await task.wait()
        assert sweep.cancelled or completed.success


async def nobody_answers(sweep: Sweep) -> None:
    async with staged(FakeAgent((Asks(expires_after=3), Works(1)))) as stage:
        task = stage.realtime.submit("a task")
        # Cancelled when it has expired: that is told of in the receipt.
        with sweep.cancelling(task, clean=False):
            completed = await task.wait()
        assert not completed.success


async def tries_again(sweep: Sweep) -> None:
    async with staged(FakeAgent(Works(1, retries=2), cleanup=0.5)) as stage:
        task = stage.realtime.submit("a task")
        with sweep.cancelling(task):
            await task.wait()
        await stage.serve_the_next()


async def cleans_up_too_long(sweep: Sweep) -> None:
    async def agent(task: str, run: TaskRun) -> str:
        try:
            async with run.step("work") as step:
                step.output("begun")
                await trio.sleep(1)
        finally:
            async with run.cleanup():
                await trio.sleep(10)
        return "done"

    async with staged(agent, cleanup_timeout=2) as stage:
        task = stage.realtime.submit("a task")
        with sweep.cancelling(task, clean=False):
            completed = await task.wait()
        if completed.receipt is not None:
            assert completed.receipt.duration <= 2000
            assert completed.receipt.cleanup in {"clean", "timed_out"}


async def cancelled_twice(sweep: Sweep) -> None:
    async with staged(FakeAgent(Works(1), cleanup=1)) as stage, trio.open_nursery() as nursery:
        task = stage.realtime.submit("a task")
        nursery.start_soon(task.cancel, "the first")
        with sweep.cancelling(task):
            completed = await task.wait()
        assert completed.outcome == "cancelled"
        assert completed.receipt is not None
        assert completed.receipt.reason in {"the first", "the sweep"}


async def waits_its_turn(sweep: Sweep) -> None:
    async with staged(FakeAgent(Works(1)), busy="queue") as stage:
        first = stage.realtime.submit("first")
        session = first.session_id
        second = stage.realtime.submit("second", session=session)
        third = stage.realtime.submit("third", session=session)
        with sweep.cancelling(second):
            await third.wait()
        assert first.completed is not None
        assert first.completed.success
        assert (await third.wait()).success


async def is_replaced(sweep: Sweep) -> None:
    async with staged(FakeAgent(Works(1), cleanup=1), busy="replace") as stage:
        first = stage.realtime.submit("first")
        second: RunningTask | None = None

        def replace() -> None:
            nonlocal second
            if stage.realtime.phase == "serving" and first.completed is None:
                second = stage.realtime.submit("second", session=first.session_id)

        with sweep.cancelling(replace):
            await first.wait()
        if second is not None:
            assert (await second.wait()).success
            assert first.completed is not None
            assert first.completed.outcome == "cancelled" or first.completed.success


async def side_by_side(sweep: Sweep) -> None:
    async with staged(FakeAgent(Works(1), cleanup=0.5), busy="parallel") as stage:
        first = stage.realtime.submit("first")
        second = stage.realtime.submit("second", session=first.session_id)
        with sweep.cancelling(first):
            await first.wait()
            assert (await second.wait()).success


@tool(retryable=True)
async def fetch(call: ToolCall) -> int:
    """Fetch."""
    call.progress(50)
    await trio.sleep(1)
    return 1


@tool(needs_confirmation=True)
async def send(call: ToolCall) -> int:
    """Send."""
    await trio.sleep(1)
    return 2


async def follows_a_plan(sweep: Sweep) -> None:
    steps = [
        {"id": "a", "tool": "fetch"},
        {"id": "b", "tool": "send", "dependsOn": ["a"]},
        {"id": "c", "tool": "fetch"},
    ]
    plan: dict[str, Any] = {"steps": [{"arguments": {}, "name": "x", **each} for each in steps]}
    agent = create_agent(
        llm=ScriptedLLM(plan, "done"), tools=(fetch, send), executor=Executor(max_parallel=2)
    )
    async with staged(agent) as stage, trio.open_nursery() as nursery:
        task = stage.realtime.submit("a task")
        nursery.start_soon(_answer, task)
        with sweep.cancelling(task):
            completed = await task.wait()
        assert sweep.cancelled or completed.success, completed


async def shuts_down(sweep: Sweep) -> None:
    agent = FakeAgent((Works(1), Works(2)), cleanup=1)
    async with staged(agent, busy="queue", drain_timeout=0.5) as stage:
        first = stage.realtime.submit("first")
        second = stage.realtime.submit("second", session=first.session_id)
        with sweep.cancelling(stage.realtime.begin_shutdown):
            await first.wait()
            await second.wait()
        assert (stage.realtime.phase == "serving") == (not sweep.cancelled)


async def is_cancelled_from_outside() -> None:
    async with staged(FakeAgent((Works(1), Works(30)), Works(30), cleanup=1)) as stage:
        # Refused when the cancel came before anything else.
        with contextlib.suppress(ShuttingDown):
            task = stage.realtime.submit("a task")
            stage.realtime.submit("another")
            await task.wait()
        await trio.lowlevel.checkpoint()


async def a_sibling_fails(sweep: Sweep) -> None:
    failing = trio.Event()
    seen: list[str] = []

    async def fail() -> None:
        await failing.wait()
        raise OSError("a sibling")

    async def use() -> None:
        async with staged(FakeAgent(Works(1), cleanup=1)) as stage:
            with sweep.cancelling(failing.set):
                await stage.realtime.submit("a task").wait()
            if sweep.cancelled:
                await trio.sleep_forever()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)
            await use()
            nursery.cancel_scope.cancel()
    except* OSError as group:
        seen = [str(each) for each in group.exceptions]
    assert seen == (["a sibling"] if sweep.cancelled else [])


async def the_last_viewer_leaves(sweep: Sweep) -> None:
    async with staged(FakeAgent(Works(LINGER + 3), cleanup=1)) as stage:
        realtime: RealtimeAgent = stage.realtime
        async with contextlib.AsyncExitStack() as stack:
            viewer = realtime.connect(framing=Encoded.websocket)
            connection = await stack.enter_async_context(viewer)
            connection.receive(b'{"type":"task:submit","data":{"task":"watched"}}')
            task, began = stage.only_task(), trio.current_time()
            with trio.CancelScope() as viewing, sweep.cancelling(viewing):
                await task.wait()
                await trio.sleep(1)
        left_early = trio.current_time() < began + 3  # its last LINGER seconds nobody watches
        completed = await task.wait()
        assert completed.outcome == ("cancelled" if left_early else "succeeded")
        await trio.sleep(2 * LINGER)
        await stage.serve_the_next()


SCENARIOS = [
    one_after_the_other,
    at_the_same_time,
    one_of_several_fails,
    asks_first,
    nobody_answers,
    tries_again,
    cleans_up_too_long,
    cancelled_twice,
    waits_its_turn,
    is_replaced,
    side_by_side,
    follows_a_plan,
    shuts_down,
    is_cancelled_from_outside,
    a_sibling_fails,
    the_last_viewer_leaves,
]
