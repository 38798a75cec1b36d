"""What goes between a server and the SDK, so that nobody waits for the server.

Messages to it wait here to be read. Requests that come from it are answered here, at once and
only as long as it reads the answers: the SDK has a Trio task wait for each answer to be sent,
and a server that asks without end would have it start them without end. Schemas of what its
tools give are taken out: the SDK holds results against them in the event loop, and a regular
expression in one may take for ever.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import anyio
import trio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import types
from mcp.client import Transport
from mcp.shared.message import SessionMessage

__all__ = ["OUTBOX_MESSAGES", "Streams", "dealt_with", "with_outbox"]

OUTBOX_MESSAGES = 64
"""What may wait to be read by a server, so that no call waits to tell it of its cancel."""

_ANSWERS = OUTBOX_MESSAGES // 4
"""How full the outbox may be for an answer to go into it: the rest is for calls and cancels."""

Streams = tuple[
    MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]
]
"""What comes from a server, and what goes to it."""


def dealt_with(
    message: types.JSONRPCMessage, outbox: MemoryObjectSendStream[SessionMessage]
) -> bool:
    """Whether it is a request, and nothing for the SDK: a ping is answered, all else is not
    supported. No answer goes to a server that does not read them."""
    if isinstance(message, types.JSONRPCResponse):
        _leave_out_output_schemas(message.result)
    if not isinstance(message, types.JSONRPCRequest):
        return False
    if outbox.statistics().current_buffer_used >= _ANSWERS:
        return True
    answer: types.JSONRPCMessage
    if message.method == "ping":
        answer = types.JSONRPCResponse(jsonrpc="2.0", id=message.id, result={})
    else:
        why = types.ErrorData(code=types.METHOD_NOT_FOUND, message="not supported: tools are all")
        answer = types.JSONRPCError(jsonrpc="2.0", id=message.id, error=why)
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # it is about to end
        outbox.send_nowait(SessionMessage(answer))
    return True


def _leave_out_output_schemas(result: dict[str, Any]) -> None:
    listed: object = result.get("tools")
    for each in cast("list[object]", listed) if isinstance(listed, list) else ():
        if isinstance(each, dict):
            cast("dict[str, object]", each).pop("outputSchema", None)


@asynccontextmanager
async def with_outbox(transport: Transport) -> AsyncGenerator[Streams]:
    """A transport that takes some messages at once, and answers the server's own requests."""
    async with transport as (theirs, real):
        outbox, to_send = anyio.create_memory_object_stream[SessionMessage](OUTBOX_MESSAGES)
        came, inbox = anyio.create_memory_object_stream[SessionMessage | Exception](0)

        async def send_all() -> None:
            with to_send:
                async for each in to_send:
                    try:
                        await real.send(each)
                    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                        return

        async def receive_all() -> None:
            try:
                with came:
                    async for each in theirs:
                        if isinstance(each, Exception) or not dealt_with(each.message, outbox):
                            await came.send(each)
                        else:
                            await trio.lowlevel.checkpoint()
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_all)
            nursery.start_soon(receive_all)
            with inbox, outbox:
                yield inbox, outbox
            nursery.cancel_scope.cancel()
