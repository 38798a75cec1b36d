"""A real server on a real socket, for a client's tests: the same over each transport."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import frozen

from trio_agent_rt.agent import TaskRun
from trio_agent_rt.clients import AgentClient, open_sse_client, open_websocket_client
from trio_agent_rt.realtime import RealtimeAgent
from trio_agent_rt.transports import SSEAddress, WebSocketAddress, serve_sse, serve_websocket

__all__ = ["OVER_SSE", "OVER_WEBSOCKET", "Over"]


@frozen
class Over:
    """A transport: how it is served, and how a client connects."""

    name: str
    _serve: Callable[..., Awaitable[None]]
    open_client: Callable[..., AgentClient]
    _url: str

    def url(self, port: int) -> str:
        """The URL of a server, or of a proxy before it, at a port."""
        return self._url.format(port)

    @asynccontextmanager
    async def served(
        self, agent: Callable[[str, TaskRun], Awaitable[object]], **options: Any
    ) -> AsyncGenerator[tuple[RealtimeAgent, WebSocketAddress | SSEAddress]]:
        """`agent` behind a server on a free port."""
        doors = {name: options.pop(name) for name in ("authenticate",) if name in options}
        async with (
            RealtimeAgent(agent, **options) as realtime,
            trio.open_nursery() as nursery,
        ):
            serve = functools.partial(self._serve, realtime, port=0, **doors)
            yield realtime, await nursery.start(serve)
            nursery.cancel_scope.cancel()


OVER_WEBSOCKET = Over("websocket", serve_websocket, open_websocket_client, "ws://127.0.0.1:{}/ws")
OVER_SSE = Over("sse", serve_sse, open_sse_client, "http://127.0.0.1:{}/sse")
