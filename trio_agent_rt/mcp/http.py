"""A server that is somewhere else: the SDK's transport, and a bound for what it receives.

The SDK reads an answer of JSON whole, however long it is, and decompresses what it is sent.
So the body of every response is counted as it comes, message by message, before the SDK has
it; one that is too long, or compressed, is the end of the connection.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import httpx2
import trio
from mcp.client.streamable_http import streamable_http_client

from ..errors import ToolServerFailed
from .outbox import Streams, with_outbox
from .target import Address

__all__ = ["AddressServer", "LongestMessage"]

_TIMEOUT = 30.0
_READ_TIMEOUT = 300.0
"""Seconds between two pieces of an answer, as the SDK has it: calls may take their time."""

_EVENTS = "text/event-stream"
_END_OF_EVENT = re.compile(rb"\n\n|\n\r|\r\r")
"""An empty line, whatever ends lines: `\\r\\n`, `\\n` or `\\r`."""


class AddressServer:
    """The connections to one server."""

    def __init__(self, address: Address, max_message_bytes: int) -> None:
        self._address = address
        self._max_message_bytes = max_message_bytes
        self._fault = ""
        self._over = trio.Event()

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[Streams]:
        """Connect; leaving tells the server that the session is over.

        Raises:
            ToolServerFailed: when it sends what is not taken.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._break_off)
            async with httpx2.AsyncClient(
                headers={"Accept-Encoding": "identity", **self._address.headers},
                timeout=httpx2.Timeout(_TIMEOUT, read=_READ_TIMEOUT),
                event_hooks={"response": [self._bound]},
            ) as client:
                transport = streamable_http_client(
                    self._address.url, http_client=client, max_sse_event_size=None
                )
                async with with_outbox(transport) as streams:
                    yield streams
            nursery.cancel_scope.cancel()

    async def _break_off(self) -> None:
        await self._over.wait()
        raise ToolServerFailed(f"it {self._fault}, and was left")

    async def _bound(self, response: httpx2.Response) -> None:
        """Called with every response, before anything of its body is read."""
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"", "identity"}:
            self._refuse("compresses its messages, which it was asked not to do")
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        size = response.headers.get("content-length", "0")
        if kind == _EVENTS:
            # Always UTF-8; it may name another one, and Python's codecs are no charsets alone.
            response.headers["content-type"] = _EVENTS
        else:
            self._fits(int(size))
        if self._over.is_set():
            await trio.sleep_forever()  # until it is cancelled with the connection
        body = cast("httpx2.AsyncByteStream", response.stream)
        response.stream = _Counted(body, LongestMessage(kind == _EVENTS), self._fits)

    def _fits(self, size: int) -> bool:
        if size > self._max_message_bytes:
            self._refuse(f"sent a message of more than {self._max_message_bytes} bytes")
        return not self._over.is_set()

    def _refuse(self, fault: str) -> None:
        self._fault = self._fault or fault
        self._over.set()


class LongestMessage:
    """How long messages are of which a body is made: each event is one, or all of it."""

    def __init__(self, in_events: bool) -> None:
        self._in_events = in_events
        self._pending = 0
        self._last = b""

    def after(self, chunk: bytes) -> int:
        """The size of the longest message that ends or goes on in the next piece of a body."""
        if not self._in_events:
            self._pending += len(chunk)
            return self._pending
        longest, begin = 0, len(self._last)
        data = self._last + chunk
        for each in _END_OF_EVENT.finditer(data):
            longest = max(longest, self._pending + each.end() - begin)
            self._pending, begin = 0, each.end()
        self._pending += len(data) - begin
        self._last = data[-1:]
        return max(longest, self._pending)


class _Counted(httpx2.AsyncByteStream):
    """A body that is looked at piece by piece."""

    def __init__(
        self,
        body: httpx2.AsyncByteStream,
        longest: LongestMessage,
        fits: Callable[[int], bool],
    ) -> None:
        self._body = body
        self._longest = longest
        self._fits = fits

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = aiter(self._body)
        try:
            async for each in pieces:
                if self._fits(self._longest.after(each)):
                    yield each
                # Else it is cancelled in its next read: what is below is closed in order by
                # an exception that comes from there, and by no other.
            if not self._fits(0):
                await trio.sleep_forever()
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()

    async def aclose(self) -> None:
        await self._body.aclose()
