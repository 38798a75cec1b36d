"""A real server on a real socket, for a client's tests."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from trio_agent_rt.agent import TaskRun
from trio_agent_rt.realtime import RealtimeAgent
from trio_agent_rt.transports import WebSocketAddress, serve_websocket

__all__ = ["served"]


@asynccontextmanager
async def served(
    agent: Callable[[str, TaskRun], Awaitable[object]], **options: Any
) -> AsyncGenerator[tuple[RealtimeAgent, WebSocketAddress]]:
    """`agent` behind a WebSocket server on a free port."""
    websocket = {name: options.pop(name) for name in ("authenticate",) if name in options}
    async with (
        RealtimeAgent(agent, **options) as realtime,
        trio.open_nursery() as nursery,
    ):
        serve = functools.partial(serve_websocket, realtime, port=0, **websocket)
        yield realtime, await nursery.start(serve)
        nursery.cancel_scope.cancel()
