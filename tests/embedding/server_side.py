"""What an application serves with: the agent with what it runs, and the servers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from quart_trio import QuartTrio

from trio_agent_rt.agent import (
    Command,
    TaskRun,
    check_cancelled,
    run_abandoned,
    run_in_thread,
    run_process,
    stopping,
)
from trio_agent_rt.events import Encoded
from trio_agent_rt.protocol import StepOutput, StepStarted
from trio_agent_rt.realtime import RealtimeAgent
from trio_agent_rt.transports import (
    SSEOptions,
    WebSocketOptions,
    serve,
    serve_app,
    serve_sse,
    serve_websocket,
    sse_blueprint,
)

from .ways_in import Block, Enter, entrance

__all__ = ["STREAM", "UPGRADE", "works"]

# --- a RealtimeAgent, and what its agents run


async def works(task: str, run: TaskRun) -> object:
    """Works until it is cancelled, and cleans up."""
    try:
        async with run.step("work"):
            await trio.sleep_forever()
    finally:
        async with run.cleanup():
            for _ in range(3):
                await trio.lowlevel.checkpoint()


async def runs_a_program(task: str, run: TaskRun) -> object:
    async with run.step("work") as step:
        return await run_process(
            step, Command(["sh", "-c", "echo x; sleep 60 & wait"], stream=True)
        )


async def polls_in_a_thread(task: str, run: TaskRun) -> object:
    async with run.step("work") as step:

        def poll() -> None:
            trio.from_thread.run_sync(step.output, "x")
            while True:
                check_cancelled()
                time.sleep(0.001)

        return await run_in_thread(step, poll)


def _with_a_task(agent: Callable[[str, TaskRun], Awaitable[object]]) -> Enter:
    async def enter(block: Block) -> None:
        async with RealtimeAgent(agent) as realtime:
            running = realtime.submit("a task")
            async for event in running:
                if isinstance(event, StepStarted if agent is works else StepOutput):
                    break
            await block()

    return enter


@entrance("RealtimeAgent", holds_block=True)
@asynccontextmanager
async def _() -> AsyncGenerator[Enter]:
    yield _with_a_task(works)


@entrance("run_process", holds_block=True)
@asynccontextmanager
async def _() -> AsyncGenerator[Enter]:
    yield _with_a_task(runs_a_program)


@entrance("run_in_thread", holds_block=True)
@asynccontextmanager
async def _() -> AsyncGenerator[Enter]:
    yield _with_a_task(polls_in_a_thread)


@entrance("run_abandoned", holds_block=True, alone=False)
@asynccontextmanager
async def _() -> AsyncGenerator[Enter]:
    free = threading.Event()
    threads: list[threading.Thread] = []

    async def leaves_a_thread_behind(task: str, run: TaskRun) -> object:
        async with run.step("work") as step:

            def wait() -> None:
                threads.append(threading.current_thread())
                trio.from_thread.run_sync(step.output, "x")
                free.wait()

            return await run_abandoned(step, wait)

    try:
        yield _with_a_task(leaves_a_thread_behind)
    finally:
        free.set()
        with trio.CancelScope(shield=True):
            await _all_have_ended()
            for each in threads:
                await _has_returned(each)


async def _all_have_ended() -> None:
    """Who was left behind is known until then, even if its thread has not begun yet."""
    for _ in range(5000):
        if not stopping.threads._left.get([]):
            return
        await trio.sleep(0.001)


async def _has_returned(thread: threading.Thread) -> None:
    """Trio names a thread for its work, and gives it back its name after that."""
    for _ in range(5000):
        if thread.name.startswith("Trio thread "):
            return
        await trio.sleep(0.001)


@entrance("connect", holds_block=True)
@asynccontextmanager
async def _() -> AsyncGenerator[Enter]:
    async with RealtimeAgent(works) as realtime:

        async def enter(block: Block) -> None:
            async with realtime.connect(framing=Encoded.websocket):
                await block()

        yield enter


# --- servers, with somebody who is connected


class _Visitor:
    """What a server tells where it listens: somebody who connects at once."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._socket: socket.socket | None = None
        self._connected = trio.Event()

    def started(self, address: Any) -> None:
        port = getattr(address, "port", None) or address.websocket.port
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(self._request)
        self._connected.set()

    async def wait_answered(self) -> None:
        await self._connected.wait()
        assert self._socket is not None
        await trio.lowlevel.wait_readable(self._socket)

    def leave(self) -> None:
        if self._socket is not None:
            self._socket.close()


UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
STREAM = b"GET /sse HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@asynccontextmanager
async def _served(
    request: bytes, server: Callable[..., Awaitable[None]], *more: Any, **options: Any
) -> AsyncGenerator[Enter]:
    async with RealtimeAgent(works) as realtime, trio.open_nursery() as nursery:
        realtime.submit("a task")

        async def enter(block: Block) -> None:
            visitor = _Visitor(request)

            async def notice() -> None:
                await visitor.wait_answered()
                await block()

            nursery.start_soon(notice)
            try:
                await server(*more, realtime, task_status=visitor, **options)
            finally:
                visitor.leave()

        yield enter
        nursery.cancel_scope.cancel()


@entrance("serve", holds_block=False)
@asynccontextmanager
async def _() -> AsyncGenerator[Enter]:
    doors = {"websocket": WebSocketOptions(port=0), "sse": SSEOptions(port=0)}
    async with _served(UPGRADE, serve, **doors) as enter:
        yield enter


@entrance("serve_websocket", holds_block=False)
@asynccontextmanager
async def _() -> AsyncGenerator[Enter]:
    async with _served(UPGRADE, serve_websocket, port=0) as enter:
        yield enter


@entrance("serve_sse", holds_block=False)
@asynccontextmanager
async def _() -> AsyncGenerator[Enter]:
    async with _served(STREAM, serve_sse, port=0) as enter:
        yield enter


@entrance("serve_app", holds_block=False)
@asynccontextmanager
async def _() -> AsyncGenerator[Enter]:
    async def serve_my_app(realtime: RealtimeAgent, **options: Any) -> None:
        app = QuartTrio("my_app")
        app.register_blueprint(sse_blueprint(realtime))
        await serve_app(app, realtime, port=0, **options)

    async with _served(STREAM, serve_my_app) as enter:
        yield enter
