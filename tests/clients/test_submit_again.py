"""A submit of a task that is in hand already, which comes to nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio
import trio.testing

from trio_agent_rt import AgentClient, ClientTask, RealtimeAgent
from trio_agent_rt.testing import FakeAgent, MemoryNetwork, Works


@asynccontextmanager
async def one_works_and_one_waits() -> AsyncGenerator[tuple[AgentClient, ClientTask]]:
    """A client, and its task of which nothing can be heard yet."""
    network = MemoryNetwork(delay=0.1)
    async with (
        RealtimeAgent(FakeAgent(Works(1)), busy="queue") as realtime,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(network.serve_websocket, realtime)
        async with network.open_websocket_client() as client:
            await client.submit("the first")
            with trio.fail_after(60):
                yield client, await client.submit("the second", task_id="mine")
        nursery.cancel_scope.cancel()


async def give_up_a_submit(client: AgentClient, task_id: str) -> None:
    with trio.move_on_after(0.05) as scope:  # before an answer can come
        await client.submit("given up", task_id=task_id)
    assert scope.cancelled_caught


async def test_a_task_is_followed_on_when_its_submit_was_given_up_the_second_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with one_works_and_one_waits() as (client, task):
        await give_up_a_submit(client, "mine")
        assert (await task.wait()).success
        assert client.task("mine") is task


async def test_a_task_that_was_asked_for_by_id_is_followed_on_when_its_submit_was_given_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with one_works_and_one_waits() as (client, _):
        watched = client.task("other")
        await give_up_a_submit(client, "other")
        await client.submit("the third", task_id="other")
        assert (await watched.wait()).success
