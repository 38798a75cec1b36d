"""A server that is somewhere else: the SDK's transport, and room for what is to be sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import httpx2
import trio
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp.client import Transport
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage

from .stdio import OUTBOX_MESSAGES
from .target import Address

__all__ = ["over_http", "with_outbox"]

_TIMEOUT = 30.0
_READ_TIMEOUT = 300.0
"""Seconds between two pieces of an answer, as the SDK has it: calls may take their time."""


@asynccontextmanager
async def over_http(address: Address) -> AsyncGenerator[tuple[object, object]]:
    """Connect; leaving tells the server that the session is over."""
    timeout = httpx2.Timeout(_TIMEOUT, read=_READ_TIMEOUT)
    async with httpx2.AsyncClient(headers=dict(address.headers), timeout=timeout) as client:
        transport = streamable_http_client(address.url, http_client=client)
        async with with_outbox(transport) as streams:
            yield streams


@asynccontextmanager
async def with_outbox(transport: Transport) -> AsyncGenerator[tuple[object, object]]:
    """A transport that takes some messages at once, so that no cancel waits for its turn."""
    async with transport as (inbox, real):
        outbox, to_send = anyio.create_memory_object_stream[SessionMessage](OUTBOX_MESSAGES)

        async def send_all(to_send: MemoryObjectReceiveStream[SessionMessage]) -> None:
            with to_send:
                async for each in to_send:
                    try:
                        await real.send(each)
                    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                        return

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_all, to_send)
            with outbox:
                yield inbox, outbox
            nursery.cancel_scope.cancel()
