"""An app to be served, a server of it, and peers that decide about every byte."""

from __future__ import annotations

import functools
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Self

import h11
import trio
from attrs import field, frozen
from quart import Response, request
from quart.wrappers.response import ResponseBody
from quart_trio import QuartTrio

from tests.transports.websocket.peers import RawPeer, quick
from trio_agent_rt.realtime import Limits, RealtimeAgent
from trio_agent_rt.transports import (
    Exchange,
    HTTPAddress,
    SSEAddress,
    current_exchange,
    serve_app,
)

__all__ = [
    "GET",
    "STREAM",
    "Answer",
    "HTTPPeer",
    "TestApp",
    "ask",
    "error_of",
    "http",
    "open_peer",
    "serving",
]


def http(
    target: str = "/hello",
    *,
    method: str = "GET",
    headers: Iterable[str] = (),
    body: bytes = b"",
    host: str = "127.0.0.1",
) -> bytes:
    """The bytes of a request; each header a line of its own."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


GET = http("/hello")
STREAM = http("/stream")


class TestApp:
    """A Quart-Trio app with one resource of each kind, and what became of its handlers."""

    __test__ = False

    def __init__(self) -> None:
        self.quart = QuartTrio("test_app")
        self.streams = 0
        """How many streams are being written."""
        self.waiting = 0
        """How many handlers of /wait are waiting."""
        self.changed = trio.Event()
        self.go_on = trio.Event()
        """What /wait waits for."""
        self.exchange: Exchange | None = None
        """Of the stream that was begun last."""
        quart = self.quart
        quart.get("/hello")(self._hello)
        quart.post("/echo")(self._echo)
        quart.get("/stream")(self._stream)
        quart.get("/flood")(self._flood)
        quart.route("/wait", methods=["GET", "POST"])(self._wait)
        quart.get("/fail")(self._fail)
        quart.get("/facts")(self._facts)

    async def until(self, *, streams: int | None = None, waiting: int | None = None) -> None:
        """Return once that many streams are written, or handlers wait."""
        while (streams is not None and self.streams != streams) or (
            waiting is not None and self.waiting != waiting
        ):
            self.changed = trio.Event()
            await self.changed.wait()

    def _count(self, *, streams: int = 0, waiting: int = 0) -> None:
        self.streams += streams
        self.waiting += waiting
        self.changed.set()

    async def _hello(self) -> dict[str, str]:
        return {"hello": request.args.get("to", "world")}

    async def _echo(self) -> bytes:
        body = await request.get_data()
        assert isinstance(body, bytes)
        return body

    async def _wait(self) -> dict[str, str]:
        self._count(waiting=1)
        try:
            await self.go_on.wait()
        finally:
            self._count(waiting=-1)
        return {"waited": "long enough"}

    async def _fail(self) -> str:
        raise RuntimeError("the handler failed")

    async def _facts(self) -> dict[str, Any]:
        return {"peer": request.scope["client"], "scheme": request.scope["scheme"]}

    async def _stream(self) -> Response:
        return self._streamed(_Events)

    async def _flood(self) -> Response:
        return self._streamed(_Flood)

    def _streamed(self, kind: type[_Streamed]) -> Response:
        exchange = current_exchange()
        assert exchange is not None
        exchange.mark_streaming()
        self.exchange = exchange
        response = Response(b"", content_type="text/event-stream")
        response.response = kind(exchange, self._count)
        response.headers.pop("Content-Length", None)
        response.timeout = None
        return response


class _Streamed(ResponseBody):
    """A body that says when it is begun and over; no generator, since Quart leaks those."""

    def __init__(self, exchange: Exchange, count: Any) -> None:
        self.exchange = exchange
        self._count = count

    async def __aenter__(self) -> Self:
        self._count(streams=1)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._count(streams=-1)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        raise NotImplementedError


class _Events(_Streamed):
    """Two pieces; the last one when the server closes."""

    _sent = 0

    async def __anext__(self) -> bytes:
        self._sent += 1
        if self._sent == 1:
            return b": welcome\n\n"
        if self._sent == 2:
            await self.exchange.wait_closing()
            return b"retry: 1000\n\n"
        raise StopAsyncIteration


class _Flood(_Streamed):
    """As much as is taken, without ever waiting itself."""

    async def __anext__(self) -> bytes:
        if self.exchange.closing:
            raise StopAsyncIteration
        return bytes(65536)


@asynccontextmanager
async def serving(
    *, app: Any = None, limits: Limits | None = None, agent: Any = quick, **options: Any
) -> AsyncGenerator[tuple[TestApp, HTTPAddress]]:
    """A server at a free port, until the block is left; then it is cancelled."""
    held = TestApp()
    realtime = RealtimeAgent(agent, limits=limits, linger=0)
    async with realtime, trio.open_nursery() as nursery:
        serve = functools.partial(serve_app, app or held.quart, realtime, port=0, **options)
        address: HTTPAddress = await nursery.start(serve)
        yield held, address
        nursery.cancel_scope.cancel()


@frozen(kw_only=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """What the body says."""
        assert self.headers["content-type"] == "application/json", self
        return json.loads(self.body)


def error_of(answer: Answer) -> tuple[int, str]:
    """Status and code of a refusal, whose shape is that of every failure."""
    assert answer.json["success"] is False
    assert answer.json["error"]["message"]
    return answer.status, answer.json["error"]["code"]


class HTTPPeer(RawPeer):
    """A peer that decides about every byte, and reads answers."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        super().__init__(stream)
        self._bytes = b""

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next answer; its body is still to be read."""
        while b"\r\n\r\n" not in self._bytes:
            data = await self.stream.receive_some()
            assert data, f"closed before it answered: {self._bytes!r}"
            self._bytes += data
        head, _, self._bytes = self._bytes.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        return int(first.split(" ")[1]), {name.lower(): value for name, _, value in pairs}

    async def answered(self, method: str = "GET") -> Answer:
        """The next answer, which must be whole."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        parser.send(h11.EndOfMessage())
        if self._bytes:
            parser.receive_data(self._bytes)
        head: h11.Response | None = None
        body = b""
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                parser.receive_data(bytes(await self.stream.receive_some()))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
        self._bytes = parser.trailing_data[0]
        assert head is not None
        headers = {name.decode(): value.decode() for name, value in head.headers}
        return Answer(status=head.status_code, headers=headers, body=body)

    async def piece(self, size: int) -> bytes:
        """The next bytes of a body."""
        while len(self._bytes) < size:
            data = await self.stream.receive_some()
            assert data, f"closed after {self._bytes!r}"
            self._bytes += data
        taken, self._bytes = self._bytes[:size], self._bytes[size:]
        return taken

    async def closed(self) -> None:
        """The server closes in order, and sends nothing more."""
        assert not self._bytes + await self.until_end()

    async def begun_stream(self) -> None:
        """The first bytes of a stream are here."""
        status, headers = await self.head()
        assert (status, headers["connection"]) == (200, "close")
        while b"welcome" not in self._bytes:
            self._bytes += await self.stream.receive_some()

    async def rest(self) -> bytes:
        """Whatever is still sent, to the end."""
        taken, self._bytes = self._bytes, b""
        return taken + await self.until_end()


@asynccontextmanager
async def open_peer(
    address: HTTPAddress | SSEAddress, *, ssl_context: ssl.SSLContext | None = None
) -> AsyncGenerator[HTTPPeer]:
    """A TCP connection to the server, or TLS over it."""
    stream: trio.abc.Stream = await trio.open_tcp_stream(address.host, address.port)
    if ssl_context is not None:
        stream = trio.SSLStream(
            stream, ssl_context, server_hostname=address.host, https_compatible=True
        )
    try:
        yield HTTPPeer(stream)
    finally:
        await trio.aclose_forcefully(stream)


async def ask(address: HTTPAddress | SSEAddress, sent: bytes = GET) -> Answer:
    """The answer to a request over a connection of its own."""
    async with open_peer(address) as peer:
        await peer.send(sent)
        return await peer.answered(sent.partition(b" ")[0].decode())
