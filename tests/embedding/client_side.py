"""Clients, what is waited for, models, and the network in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import trio

from tests.clients.serving import OVER_SSE, OVER_WEBSOCKET, Over
from tests.llm.openai_server import OPENAI
from tests.llm.provider_server import hang, provider_server
from trio_agent_rt.agent import (
    ChatMessage,
    LLMRequest,
    TaskRun,
)
from trio_agent_rt.clients import AgentClient, ClientTask
from trio_agent_rt.llm import OfflineClient, OpenAIClient
from trio_agent_rt.protocol import Event
from trio_agent_rt.realtime import RealtimeAgent, RunningTask
from trio_agent_rt.testing import MemoryNetwork

from .server_side import STREAM, UPGRADE, works
from .ways_in import Block, Enter, entrance

__all__: list[str] = []

# --- clients, and what they wait for


async def _entered(client: AgentClient, block: Block) -> None:
    async with client:
        await block()


def _client_over(over: Over) -> Callable[[], AbstractAsyncContextManager[Enter]]:
    @asynccontextmanager
    async def around() -> AsyncGenerator[Enter]:
        async with over.served(works) as (_, address):
            yield lambda block: _entered(over.open_client(address.url), block)

    return around


for _over in (OVER_WEBSOCKET, OVER_SSE):
    _name = f"open_{_over.name}_client"
    entrance(_name, holds_block=True, alone=False)(_client_over(_over))


async def _cleans_up_long(task: str, run: TaskRun) -> object:
    """Is in its cleanup, once it is cancelled, until whoever waits for that has gone."""
    try:
        async with run.step("work"):
            await trio.sleep_forever()
    finally:
        async with run.cleanup(timeout=0.1):
            await trio.sleep_forever()


async def _all_of(events: AsyncIterable[Event]) -> None:
    async for _ in events:
        pass


def _waits_for(
    over: Over, wait: Callable[[AgentClient, ClientTask], Awaitable[object]]
) -> Callable[[], AbstractAsyncContextManager[Enter]]:
    @asynccontextmanager
    async def around() -> AsyncGenerator[Enter]:
        async with (
            over.served(_cleans_up_long) as (_, address),
            over.open_client(address.url) as client,
            trio.open_nursery() as nursery,
        ):
            task = await client.submit("a task")

            async def enter(block: Block) -> None:
                nursery.start_soon(block)
                await wait(client, task)

            yield enter
            nursery.cancel_scope.cancel()

    return around


_WAITS: Mapping[str, Callable[[AgentClient, ClientTask], Awaitable[object]]] = {
    "async for event in task": lambda _, task: _all_of(task),
    "client.events()": lambda client, _: _all_of(client.events()),
    "task.result()": lambda _, task: task.result(),
    "task.cancel()": lambda _, task: task.cancel(),
}
for _name, _wait in _WAITS.items():
    for _over in (OVER_WEBSOCKET, OVER_SSE):
        entrance(f"{_name}, {_over.name}", holds_block=False)(_waits_for(_over, _wait))


def _waits_inside(
    wait: Callable[[RunningTask], Awaitable[object]],
) -> Callable[[], AbstractAsyncContextManager[Enter]]:
    @asynccontextmanager
    async def around() -> AsyncGenerator[Enter]:
        async with RealtimeAgent(_cleans_up_long) as realtime, trio.open_nursery() as nursery:
            running = realtime.submit("a task")

            async def enter(block: Block) -> None:
                nursery.start_soon(block)
                await wait(running)

            yield enter
            nursery.cancel_scope.cancel()

    return around


_WAITS_INSIDE: Mapping[str, Callable[[RunningTask], Awaitable[object]]] = {
    "async for event in running": _all_of,
    "running.result()": lambda running: running.result(),
    "running.cancel()": lambda running: running.cancel(),
}
for _name, _wait_inside in _WAITS_INSIDE.items():
    entrance(_name, holds_block=False)(_waits_inside(_wait_inside))


# --- models


@entrance("OfflineClient", holds_block=True)
@asynccontextmanager
async def _() -> AsyncGenerator[Enter]:
    async def enter(block: Block) -> None:
        async with OfflineClient():
            await block()

    yield enter


@entrance("OpenAIClient", holds_block=True)
@asynccontextmanager
async def _() -> AsyncGenerator[Enter]:
    async def enter(block: Block) -> None:
        async with OpenAIClient(api_key="a-key", base_url="http://127.0.0.1:9/v1", model="m"):
            await block()

    yield enter


@entrance("llm.complete()", holds_block=False, alone=False)
@asynccontextmanager
async def _() -> AsyncGenerator[Enter]:
    question = LLMRequest(messages=[ChatMessage(role="user", content="Say it.")])
    async with (
        provider_server(OPENAI) as fake,
        OpenAIClient(api_key="a-key", base_url=fake.url, model="m", max_retries=0) as llm,
        trio.open_nursery() as nursery,
    ):
        fake.answers = [hang]

        async def enter(block: Block) -> None:
            async def notice() -> None:
                await fake.hanging.wait()
                await block()

            nursery.start_soon(notice)
            await llm.complete(question)

        try:
            yield enter
        finally:
            fake.hanging.set()
            nursery.cancel_scope.cancel()


# --- the network in memory


def _memory_server(name: str, request: bytes) -> Callable[[], AbstractAsyncContextManager[Enter]]:
    @asynccontextmanager
    async def around() -> AsyncGenerator[Enter]:
        network = MemoryNetwork()
        async with RealtimeAgent(works) as realtime, trio.open_nursery() as nursery:

            async def enter(block: Block) -> None:
                class Visitor:
                    def started(self, value: None = None) -> None:
                        nursery.start_soon(visit)

                async def visit() -> None:
                    with suppress(OSError, trio.BrokenResourceError):  # it has ended already
                        stream = await network.dial("", 8081 if name == "serve_sse" else 8080)
                        await stream.send_all(request)
                        await stream.receive_some(1)
                        await block()

                await getattr(network, name)(realtime, task_status=Visitor())

            yield enter
            nursery.cancel_scope.cancel()

    return around


def _memory_client(server: str, client: str) -> Callable[[], AbstractAsyncContextManager[Enter]]:
    @asynccontextmanager
    async def around() -> AsyncGenerator[Enter]:
        network = MemoryNetwork()
        async with RealtimeAgent(works) as realtime, trio.open_nursery() as nursery:
            await nursery.start(getattr(network, server), realtime)
            yield lambda block: _entered(getattr(network, client)(), block)
            nursery.cancel_scope.cancel()

    return around


for _name, _request, _client in (
    ("serve_websocket", UPGRADE, "open_websocket_client"),
    ("serve_sse", STREAM, "open_sse_client"),
):
    entrance(f"MemoryNetwork.{_name}", holds_block=False)(_memory_server(_name, _request))
    entrance(f"MemoryNetwork.{_client}", holds_block=True, alone=False)(
        _memory_client(_name, _client)
    )
