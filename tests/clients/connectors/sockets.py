"""Servers on real sockets, right and wrong ones, for the tests of a connector."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio_websocket
import trustme

from trio_agent_rt.clients import open_sse_client, open_websocket_client
from trio_agent_rt.clients.connectors.url import SSE, WEBSOCKET
from trio_agent_rt.errors import AgentRTError
from trio_agent_rt.protocol import (
    Connected,
    Event,
    Position,
    StatusChanged,
    encode_event,
)

__all__ = [
    "DIALECTS",
    "TOKEN",
    "answering",
    "by_dialect",
    "failure",
    "greeting",
    "listening",
    "say",
    "server_context",
    "take_tls",
    "trusting",
    "websocket",
]

Handler = Callable[[Any], Awaitable[None]]
TOKEN = "the-secret-token"
by_dialect = pytest.mark.parametrize("dialect", ["websocket", "sse"])
"""For what is the same over each transport."""


DIALECTS = {"websocket": WEBSOCKET, "sse": SSE}


@asynccontextmanager
async def listening(
    handler: Handler, context: ssl.SSLContext | None = None, *, dialect: str = "websocket"
) -> AsyncIterator[str]:
    """A TCP (or TLS) server on a free port; the URL to reach it."""
    async with trio.open_nursery() as nursery:
        if context is None:
            listeners: Any = await nursery.start(trio.serve_tcp, handler, 0)
        else:
            listeners = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1")
            await nursery.start(trio.serve_listeners, handler, listeners)
        listener = getattr(listeners[0], "transport_listener", listeners[0])
        port = listener.socket.getsockname()[1]
        spoken = DIALECTS[dialect]
        scheme = spoken.plain if context is None else spoken.secure
        yield f"{scheme}://127.0.0.1:{port}{spoken.path}"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def websocket(
    handler: Callable[[trio_websocket.WebSocketConnection], Awaitable[None]],
) -> AsyncIterator[tuple[str, list[trio_websocket.WebSocketRequest]]]:
    """A WebSocket server that runs `handler`; its URL and the requests that it had."""
    requests: list[trio_websocket.WebSocketRequest] = []

    async def serve(stream: trio.SocketStream) -> None:
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, stream)
            requests.append(request)
            connection = await request.accept()
            try:
                await handler(connection)
                await connection.aclose()
            except trio_websocket.ConnectionClosed:
                pass
            nursery.cancel_scope.cancel()

    async with listening(serve) as url:
        yield url, requests


def answering(*answers: bytes, close: bool = True) -> Handler:
    """A handler that reads a request and answers with these bytes."""

    async def handle(stream: trio.abc.Stream) -> None:
        async with stream:
            await stream.receive_some()
            for answer in answers:
                await stream.send_all(answer)
            if not close:
                await trio.sleep_forever()

    return handle


async def failure(url: str, **options: Any) -> AgentRTError:
    """What keeps a client from connecting; at once, unless it is the time-out itself."""
    options = {"connect_timeout": 20.0, "token": TOKEN} | options
    with trio.fail_after(5), pytest.raises(AgentRTError) as caught:
        open_client = open_sse_client if url.startswith("http") else open_websocket_client
        async with open_client(url, **options):
            raise AssertionError("entered")
    assert TOKEN not in repr(caught.value)
    return caught.value


def greeting(**fields: Any) -> list[Event]:
    values: dict[str, Any] = {
        "client_id": "c",
        "session_id": "s",
        "resumed": False,
        "heartbeat_interval": 15.0,
    }
    return [
        Connected(**(values | fields)),
        StatusChanged(state="idle", message="ready", position=Position("e", 1)),
    ]


async def say(connection: trio_websocket.WebSocketConnection, *events: Event) -> None:
    for event in events:
        await connection.send_message(encode_event(event).decode())


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def take_tls(stream: trio.SSLStream[trio.SocketStream]) -> None:
    try:
        await stream.receive_some()
    except trio.BrokenResourceError:
        pass
    finally:
        await trio.aclose_forcefully(stream)
