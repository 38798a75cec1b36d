"""Scenarios over a network in memory, with the real servers and clients of both transports."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio

from tests.sweeps.stage import LINGER, Kind, Stage, staged
from tests.sweeps.wires import WatchedNetwork
from trio_agent_rt import AgentClient, ClientTask, Reconnect
from trio_agent_rt.errors import AgentRTError, ClientError
from trio_agent_rt.protocol import ConfirmationRequested, TaskCompleted
from trio_agent_rt.testing import Asks, FakeAgent, Fault, Sweep, Works

__all__ = ["SCENARIOS", "submit_until_taken"]

Over: TypeAlias = Callable[[Kind, Sweep], Awaitable[None]]

FAST = Reconnect(base=0.2, cap=1)
BRIEF = Reconnect(base=0.2, cap=1, give_up_after=3)


def agent() -> FakeAgent:
    return FakeAgent(Works(1), (Works(1), Works(2)), cleanup=0.5)


async def the_task_is_cancelled(kind: Kind, sweep: Sweep) -> None:
    async with staged(agent(), kind) as stage:
        async with stage.client(kind) as client:
            task = await client.submit("a task")
            with sweep.cancelling(stage.only_task()):
                completed = await task.wait()
            assert completed == [each async for each in task][-1]
            assert sweep.cancelled or completed.success
        await stage.serve_the_next(kind)


async def the_client_asks_for_the_cancel(kind: Kind, sweep: Sweep) -> None:
    answered = trio.Event()
    async with staged(agent(), kind) as stage, trio.open_nursery() as nursery:
        async with stage.client(kind) as client:
            task = await client.submit("a task")

            async def ask() -> None:
                receipt = await task.cancel("not needed")
                completed = await task.wait()
                assert completed.receipt == receipt
                assert (receipt is None) == completed.success
                answered.set()

            with sweep.cancelling(lambda: nursery.start_soon(ask)):
                await task.wait()
            if sweep.cancelled:  # the receipt is on its way
                await answered.wait()


async def a_call_of_the_client_is_cancelled(kind: Kind, sweep: Sweep) -> None:
    async with staged(agent(), kind) as stage:
        async with stage.client(kind) as client:
            with trio.CancelScope() as calling, sweep.cancelling(calling):
                task = await client.submit("a task", task_id="mine")
                await task.cancel()
            again = await client.submit("a task", task_id="mine")
            completed = await again.wait()
            assert completed.task_id == "mine"
        await stage.serve_the_next(kind)


async def everything_is_cancelled(kind: Kind) -> None:
    async with staged(agent(), kind) as stage:
        async with stage.client(kind) as client:
            await (await client.submit("a task")).wait()


async def the_client_is_cancelled_and_nobody_comes_back(kind: Kind, sweep: Sweep) -> None:
    async with staged(agent(), kind, linger=0) as stage:
        with trio.CancelScope() as using, sweep.cancelling(using):
            async with stage.client(kind) as client:
                await (await client.submit("a task")).wait()
        await trio.sleep(1)
        assert stage.realtime.tasks == []
        await stage.serve_the_next(kind)


async def another_client_goes_on(kind: Kind, sweep: Sweep) -> None:
    async with staged(agent(), kind) as stage:
        session, seen = "", False
        with trio.CancelScope() as using, sweep.cancelling(using):
            async with stage.client(kind) as client:
                session = client.session_id
                task = await client.submit("a task", task_id="mine")
                seen = True
                await task.wait()
        if session:
            async with stage.client(kind, session=session) as client:
                task = client.task("mine") if seen else await client.submit("x", task_id="mine")
                if "mine" in {each.id for each in stage.realtime.tasks}:
                    assert (await task.wait()).success


async def the_server_shuts_down(kind: Kind, sweep: Sweep) -> None:
    async with staged(agent(), kind, drain_timeout=1) as stage:
        try:
            async with stage.client(kind, reconnect=FAST) as client:
                with sweep.cancelling(stage.realtime.begin_shutdown):
                    task = await client.submit("a task")
                    await task.wait()
        except AgentRTError:  # refused, or gone before the answer came
            assert sweep.cancelled


async def the_line_is_cut_and_the_task_cancelled(kind: Kind, sweep: Sweep) -> None:
    faults = (Fault(kind="cut", after_messages=6), Fault(kind="reset", after_messages=1))
    async with staged(agent(), kind, faults=faults) as stage:
        async with stage.client(kind, reconnect=FAST) as client:
            with sweep.cancelling(
                lambda: [each.request_cancel("x") for each in stage.realtime.tasks]
            ):
                task = await client.submit("a task", task_id="mine")
                completed = await task.wait()
            assert [each async for each in task][-1] == completed
        await stage.serve_the_next()


async def the_line_is_cut_at_any_moment(kind: Kind, sweep: Sweep) -> None:
    async with staged(agent(), kind) as stage:
        async with stage.client(kind, reconnect=FAST) as client:

            def cut() -> None:
                for line in stage.network.lines:
                    line.reset()

            with sweep.cancelling(cut):
                task = await client.submit("a task")
                completed = await task.wait()
            assert completed.success
            assert await ends_heard(client, task) == [completed]


async def ends_heard(client: AgentClient, task: ClientTask) -> list[TaskCompleted]:
    heard: list[TaskCompleted] = []
    events = client.events()
    with trio.move_on_after(0.1):
        while True:
            event = await anext(events)
            if isinstance(event, TaskCompleted) and event.task_id == task.id:
                heard.append(event)
    return heard


async def two_watch_one_session(kind: Kind, sweep: Sweep) -> None:
    other: Kind = "sse" if kind == "websocket" else "websocket"
    async with staged(agent(), kind, other) as stage:
        async with stage.client(kind) as one:
            async with stage.client(other, session=one.session_id) as two:
                task = await one.submit("a task")
                seen = two.task(task.id)
                with sweep.cancelling(stage.only_task()):
                    assert await task.wait() == await seen.wait()


async def a_question_is_answered(kind: Kind, sweep: Sweep) -> None:
    async with staged(FakeAgent(Asks(), Works(1)), kind) as stage:
        async with stage.client(kind) as client:
            task = await client.submit("a task")
            with sweep.cancelling(stage.only_task()):
                async for event in task:
                    if isinstance(event, ConfirmationRequested):
                        outcome = await task.confirm(event.step_id)
                        assert outcome == "applied" or sweep.cancelled
            assert sweep.cancelled or (await task.wait()).success


async def tasks_wait_their_turn(kind: Kind, sweep: Sweep) -> None:
    async with staged(FakeAgent(Works(1)), kind, busy="queue") as stage:
        async with stage.client(kind) as client:
            first = await client.submit("first")
            second = await client.submit("second")
            with sweep.cancelling(stage.realtime.tasks[0]):
                await first.wait()
                assert (await second.wait()).success


async def the_client_leaves_a_stalled_line(kind: Kind, sweep: Sweep) -> None:
    await _stalled(kind, sweep, lambda _: None)


async def the_server_leaves_a_stalled_line(kind: Kind, sweep: Sweep) -> None:
    await _stalled(kind, sweep, lambda stage: stage.realtime.begin_shutdown())


async def _stalled(kind: Kind, sweep: Sweep, leave: Callable[[Stage], None]) -> None:
    """Neither side reads any more, and what is written gets stuck half-way."""
    network = WatchedNetwork(capacity=80)
    async with staged(agent(), kind, network=network, drain_timeout=1) as stage:

        def stall() -> None:
            for line in network.lines:
                line.stall("to_client")
                line.stall("to_server")

        with contextlib.suppress(AgentRTError):
            async with stage.client(kind, reconnect=BRIEF, command_timeout=5) as client:
                with sweep.cancelling(stall):
                    task = await client.submit("a task")
                    await trio.sleep(1.5)
                leave(stage)
                if stage.realtime.phase != "serving":
                    await task.wait()
        await stage.serve_the_next()


async def submit_until_taken(client: AgentClient, task_id: str) -> ClientTask:
    """Submit, however often the line breaks."""
    while True:
        try:
            return await client.submit("a task", task_id=task_id)
        except ClientError:
            await trio.sleep(LINGER / 10)


def _over(kind: Kind, scenario: Over) -> Callable[..., Awaitable[None]]:
    async def swept(sweep: Sweep) -> None:
        await scenario(kind, sweep)

    swept.__name__ = f"{scenario.__name__}_over_{kind}"
    return swept


def _whole(kind: Kind) -> Callable[[], Awaitable[None]]:
    async def whole() -> None:
        await everything_is_cancelled(kind)

    whole.__name__ = f"everything_is_cancelled_over_{kind}"
    return whole


KINDS: tuple[Kind, ...] = ("websocket", "sse")

SCENARIOS = [
    _over(kind, scenario)
    for scenario in (
        the_task_is_cancelled,
        the_client_asks_for_the_cancel,
        a_call_of_the_client_is_cancelled,
        the_client_is_cancelled_and_nobody_comes_back,
        another_client_goes_on,
        the_server_shuts_down,
        the_line_is_cut_and_the_task_cancelled,
        the_line_is_cut_at_any_moment,
        two_watch_one_session,
        a_question_is_answered,
        tasks_wait_their_turn,
        the_client_leaves_a_stalled_line,
        the_server_leaves_a_stalled_line,
    )
    for kind in KINDS
] + [_whole(kind) for kind in KINDS]
