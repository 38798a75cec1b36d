"""A server of streams and commands, and a peer that sees every byte of them.

Nothing of our client: h11 takes HTTP apart, and what is in a stream is taken apart here as
the HTML standard says (9.2.6), except that a stream which ends in the middle of a block, or
without the last chunk, is told from one that ends in order.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import h11
import trio
from attrs import frozen
from quart import Blueprint
from quart_trio import QuartTrio

from tests.transports.http.peers import Answer, HTTPPeer, ask, error_of, http
from tests.transports.websocket.peers import quick
from trio_agent_rt.agent import Tool, ToolCall
from trio_agent_rt.protocol import ToolInfo
from trio_agent_rt.realtime import Limits, RealtimeAgent
from trio_agent_rt.transports import HTTPAddress, SSEAddress, serve_app, serve_sse

__all__ = [
    "BROKEN_TOOL",
    "Address",
    "Answer",
    "Block",
    "Stream",
    "asked",
    "error_of",
    "get",
    "heard_by",
    "http",
    "mounted",
    "open_stream",
    "post",
    "serving",
    "started",
    "until",
]

Address = SSEAddress | HTTPAddress

# For all that a test does with a server; they take a tenth of it at most.
TIMEOUT = 15.0


class _BrokenTool(Tool):
    """A tool of a user's that cannot be told of: whoever asks for the tools meets it."""

    @property
    def info(self) -> ToolInfo:
        raise LookupError("a secret of ours")


async def _do_nothing(call: ToolCall, arguments: Mapping[str, Any]) -> None:
    await trio.lowlevel.checkpoint()


BROKEN_TOOL = _BrokenTool(name="broken", description="Broken.", parameters={}, function=_do_nothing)


@asynccontextmanager
async def serving(
    *,
    agent: Any = quick,
    limits: Limits | None = None,
    linger: float = 0.0,
    of_agent: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncGenerator[tuple[RealtimeAgent, SSEAddress]]:
    """A server at a free port, until the block is left; then it is cancelled."""
    of_agent = {"busy": "parallel", **(of_agent or {})}
    realtime = RealtimeAgent(agent, limits=limits, linger=linger, **of_agent)
    with trio.fail_after(TIMEOUT):
        async with realtime, trio.open_nursery() as nursery:
            serve = functools.partial(serve_sse, realtime, port=0, **options)
            address: SSEAddress = await nursery.start(serve)
            yield realtime, address
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def mounted(
    app: QuartTrio, realtime: RealtimeAgent, *blueprints: Blueprint, prefix: str | None = None
) -> AsyncGenerator[HTTPAddress]:
    """An app of a user's with `blueprints` in it, at a free port; `realtime` is entered."""
    for each in blueprints:
        app.register_blueprint(each, url_prefix=prefix)
    with trio.fail_after(TIMEOUT):
        async with trio.open_nursery() as nursery:
            serve = functools.partial(serve_app, app, realtime, port=0)
            address: HTTPAddress = await nursery.start(serve)
            yield address
            nursery.cancel_scope.cancel()


async def get(address: Address, path: str, headers: Iterable[str] = ()) -> Answer:
    """The answer to a GET."""
    return await ask(address, http(path, headers=headers))


async def post(
    address: Address, path: str, body: object = b"", headers: Iterable[str] = ()
) -> Answer:
    """The answer to a POST of bytes, or of something as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = headers if data else [*headers, "Content-Length: 0"]
    return await ask(address, http(path, method="POST", headers=headers, body=data))


@frozen
class Block:
    """What stands between two empty lines of a stream."""

    lines: tuple[str, ...]

    def field(self, name: str) -> str | None:
        """The value of the one line of that name, or None if there is none."""
        found = [line.partition(": ")[2] for line in self.lines if line.startswith(f"{name}:")]
        assert len(found) < 2, self
        return found[0] if found else None

    @property
    def comment(self) -> bool:
        """Whether it says nothing to the application."""
        return all(line.startswith(":") for line in self.lines)

    @property
    def message(self) -> Any:
        """What an `onmessage` would be given, out of JSON."""
        data = self.field("data")
        assert data is not None, self
        return json.loads(data)


class Stream:
    """An answer that is being read."""

    def __init__(self, transport: trio.SocketStream, request: bytes) -> None:
        self.transport = transport
        self.status = 0
        self.headers: dict[str, str] = {}
        self.raw = b""
        """The body as it came, without the framing of chunks."""
        self.ended = False
        """Whether the last chunk has come."""
        self._parser = h11.Connection(h11.CLIENT)
        method, target, _ = request.decode("latin-1").split(" ", 2)
        self._parser.send(h11.Request(method=method, target=target, headers=[("host", "x")]))
        self._parser.send(h11.EndOfMessage())
        self._request = request
        self._taken = 0

    async def begin(self) -> None:
        """Send the request, and read the head of its answer."""
        await self.transport.send_all(self._request)
        while not self.status:
            await self._advance()

    async def read(self) -> Block | None:
        """The next block; None once the stream has ended, which it must do in order."""
        while True:
            block, separator, _ = self.raw[self._taken :].partition(b"\n\n")
            if separator:
                self._taken += len(block) + 2
                return Block(tuple(block.decode().split("\n")))
            if self.ended:
                assert not block, f"ended in the middle of {block!r}"
                return None
            await self._advance()

    async def event(self, kind: str | None = None) -> Block:
        """The next event, or the next one of that type."""
        while block := await self.read():
            if block.field("data") is not None and kind in (None, block.message["type"]):
                return block
        raise AssertionError(f"no such event: {self.raw!r}")

    async def rest(self) -> list[Block]:
        """All blocks that still come, up to an end that is in order."""
        found: list[Block] = []
        while block := await self.read():
            found.append(block)
        return found

    async def comments(self, count: int) -> None:
        """Wait for that many."""
        while count:
            block = await self.read()
            assert block is not None
            count -= block.comment

    async def _advance(self) -> None:
        event = self._parser.next_event()
        if event is h11.NEED_DATA:
            self._parser.receive_data(await self.transport.receive_some())
        elif isinstance(event, h11.Response):
            self.status = event.status_code
            self.headers = {name.decode(): value.decode() for name, value in event.headers}
        elif isinstance(event, h11.Data):
            self.raw += event.data
        elif isinstance(event, h11.EndOfMessage):
            self.ended = True


@asynccontextmanager
async def open_stream(
    address: Address, path: str = "/sse", headers: Iterable[str] = (), *, method: str = "GET"
) -> AsyncGenerator[Stream]:
    """The answer to a request for a stream, its head read; left without a word."""
    transport = await trio.open_tcp_stream(address.host, address.port)
    try:
        stream = Stream(transport, http(path, method=method, headers=headers))
        await stream.begin()
        yield stream
    finally:
        await trio.aclose_forcefully(transport)


async def until(condition: Callable[[], object]) -> None:
    """Return once it holds; it is looked at whenever something may have happened."""
    holds = condition()
    while not holds:
        await trio.lowlevel.checkpoint()
        holds = condition()


async def started(stream: Stream) -> tuple[str, str]:
    """The ids of the client and of the session, out of a stream that has just begun."""
    data = (await stream.event("connected")).message["data"]
    return data["clientId"], data["sessionId"]


def asked(
    target: str = "/sse", *headers: str, host: str = "127.0.0.1", method: str = "GET"
) -> bytes:
    """A request of one's own."""
    return http(target, method=method, headers=headers, host=host)


_HEAD_END = b"\r\n\r\n"


def _whole(sent: bytes, heard: bytes) -> bool:
    """Whether the answer is there, or as much of a stream as comes by itself."""
    head, end, body = heard.partition(_HEAD_END)
    if not end:
        return False
    if head.startswith(b"HTTP/1.1 100 "):
        return _whole(sent, body)
    if sent.startswith(b"HEAD ") or b" 204 " in head:
        return True
    if b"event-stream" in head:
        return b'"type":"status"' in body and body.endswith((b"\n\n", b"\n\n\r\n"))
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert length is not None, head
    return len(body) >= int(length[1])


async def heard_by(peer: HTTPPeer, sent: bytes) -> bytes:
    """What a peer is answered."""
    await peer.send(sent)
    heard = b""
    while not _whole(sent, heard):
        data = await peer.stream.receive_some()
        if not data:
            break
        heard += data
    return heard
