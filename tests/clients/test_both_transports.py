"""Clients of one session, one over each transport."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from trio_agent_rt.agent import TaskRun
from trio_agent_rt.clients import AgentClient, open_sse_client, open_websocket_client
from trio_agent_rt.protocol import ConfirmationRequested, Event, Position, TaskCompleted
from trio_agent_rt.realtime import RealtimeAgent
from trio_agent_rt.transports import (
    ServerAddresses,
    SSEOptions,
    WebSocketOptions,
    serve,
)


async def agent(task: str, run: TaskRun) -> object:
    run.plan(["Talk", "Ask"])
    async with run.step("Talk") as step:
        for number in range(20):
            step.output(f"{number} 早\u2028")
            await trio.sleep(0.001)
    async with run.step("Ask") as step:
        await step.confirm("Go on?")
    return task


@asynccontextmanager
async def both_served() -> AsyncIterator[tuple[str, str]]:
    """One agent behind both; the URLs over WebSocket and over SSE."""
    async with (
        RealtimeAgent(agent, broadcast_interval=0) as realtime,
        trio.open_nursery() as nursery,
    ):
        options = {"websocket": WebSocketOptions(port=0), "sse": SSEOptions(port=0)}
        addresses: ServerAddresses = await nursery.start(
            functools.partial(serve, realtime, **options)
        )
        assert addresses.websocket is not None
        assert addresses.sse is not None
        yield addresses.websocket.url, addresses.sse.url
        nursery.cancel_scope.cancel()


def open_client(url: str, session: str | None = None, last: Position | None = None) -> AgentClient:
    opens = open_sse_client if url.startswith("http") else open_websocket_client
    return opens(url, session=session, last_position=last)


async def until_completed(client: AgentClient, found: list[Event]) -> None:
    async for event in client.events():
        found.append(event)
        if isinstance(event, TaskCompleted):
            return


@pytest.mark.parametrize("first", [0, 1], ids=["websocket", "sse"])
async def test_they_are_told_the_same_in_the_same_order(first: int) -> None:
    told: list[list[Event]] = [[], []]
    with trio.fail_after(10):
        async with (
            both_served() as urls,
            open_client(urls[first]) as one,
            open_client(urls[1 - first], one.session_id, one.position) as two,
        ):
            for submits, confirms in ((one, two), (two, one)):
                async with trio.open_nursery() as nursery:
                    for client, found in zip((one, two), told, strict=True):
                        nursery.start_soon(until_completed, client, found)
                    task = await submits.submit("x")
                    async for event in confirms.task(task.id):
                        if isinstance(event, ConfirmationRequested):
                            assert await confirms.task(task.id).confirm(event.step_id) == "applied"
                assert await task.result() == "x"
    assert told[0][1:] == told[1], "the second was given the position of the first event"
    assert len(told[1]) > 50


@pytest.mark.parametrize("first", [0, 1], ids=["websocket", "sse"])
async def test_a_position_of_one_resumes_over_the_other(first: int) -> None:
    with trio.fail_after(10):
        async with both_served() as urls:
            async with open_client(urls[first]) as one:
                task = await one.submit("x")
                told: list[Event] = []
                async for event in task:
                    told.append(event)
                    if isinstance(event, ConfirmationRequested):
                        break
                half = told[len(told) // 2]
                session = one.session_id
            async with open_client(urls[1 - first], session, half.position) as two:
                events = two.events()
                rest = [await anext(events) for _ in told[len(told) // 2 + 1 :]]
                assert rest == told[len(told) // 2 + 1 :]
                asked = rest[-1]
                assert isinstance(asked, ConfirmationRequested)
                await two.task(task.id).confirm(asked.step_id)
                assert await two.task(task.id).result() == "x"
