"""A small HTTP server that a test plays by hand: h11 over real sockets."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import h11
import trio

from trio_agent_rt.protocol import (
    Acknowledged,
    Event,
    encode_event,
    encode_http_answer,
    sse_event,
)

from .sockets import greeting, listening

__all__ = ["Exchange", "HTTPServer", "Play", "http_server", "streaming"]

Play = Callable[["Exchange"], Awaitable[None]]


@attrs.define
class Exchange:
    """One request, and the way to answer it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: h11.Connection
    stream: trio.abc.Stream

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    async def start(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        fields = list((headers or {}).items())
        await self._send(h11.Response(status_code=status, headers=fields))

    async def write(self, data: bytes) -> None:
        await self._send(h11.Data(data=data))

    async def end(self) -> None:
        await self._send(h11.EndOfMessage())

    async def cut(self) -> None:
        """Close the connection in the middle of whatever it says."""
        await trio.aclose_forcefully(self.stream)

    async def _send(self, event: Any) -> None:
        data = self.connection.send(event)
        if data:
            await self.stream.send_all(data)

    async def answer(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        await self.start(status, {"Content-Length": str(len(body)), **(headers or {})})
        await self.write(body)
        await self.end()

    async def acknowledge(self, outcome: Any, *messages: Event, **fields: Any) -> None:
        answer = Acknowledged(request_id="", outcome=outcome, **fields)
        kind = {"Content-Type": "application/json"}
        await self.answer(200, encode_http_answer(answer, messages), kind)

    async def open_stream(self, *events: Event, **fields: Any) -> None:
        """Begin a stream: its head, the greeting and `events`."""
        await self.start(200, {"Content-Type": "text/event-stream; charset=utf-8"})
        await self.write(b": welcome\nretry: 1000\n\n")
        await self.say(*greeting(**fields), *events)

    async def say(self, *events: Event) -> None:
        for event in events:
            await self.write(sse_event(encode_event(event), event.position))

    async def wait_until_gone(self) -> None:
        """Until the client has closed the connection."""
        try:
            while await self.stream.receive_some():
                pass
        except trio.BrokenResourceError:
            pass


@attrs.define
class HTTPServer:
    """What it is asked, and what it answers: `plays` by path."""

    url: str
    plays: dict[str, Play]
    requests: list[Exchange] = attrs.field(factory=list[Exchange])
    connections: int = 0

    def asked(self, path: str) -> list[Exchange]:
        """The requests for that path."""
        return [each for each in self.requests if each.path == path]

    async def serve(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        try:
            await self._serve(stream, h11.Connection(h11.SERVER))
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError):
            pass
        finally:
            self.connections -= 1
            await trio.aclose_forcefully(stream)

    async def _serve(self, stream: trio.abc.Stream, connection: h11.Connection) -> None:
        while True:
            request = await _next_event(connection, stream)
            if not isinstance(request, h11.Request):
                return
            body = b""
            while isinstance(part := await _next_event(connection, stream), h11.Data):
                body += part.data
            exchange = Exchange(
                method=request.method.decode(),
                target=request.target.decode(),
                headers={name.decode(): value.decode("latin-1") for name, value in request.headers},
                body=body,
                connection=connection,
                stream=stream,
            )
            self.requests.append(exchange)
            await self.plays.get(exchange.path, _not_found)(exchange)
            if connection.our_state is not h11.DONE:
                return
            connection.start_next_cycle()


async def _next_event(connection: h11.Connection, stream: trio.abc.Stream) -> Any:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(bytes(await stream.receive_some()))
    return event


async def _not_found(exchange: Exchange) -> None:
    await exchange.answer(404, b"Not here")


async def streaming(exchange: Exchange) -> None:
    """A stream that greets, and then says nothing as long as the client is there."""
    await exchange.open_stream(resumed="last-event-id" in exchange.headers)
    await exchange.wait_until_gone()


@asynccontextmanager
async def http_server(
    plays: Mapping[str, Play], context: ssl.SSLContext | None = None
) -> AsyncIterator[HTTPServer]:
    """A server whose stream is at `url`."""
    server = HTTPServer("", {"/sse": streaming, **plays})
    async with listening(server.serve, context, dialect="sse") as url:
        server.url = url
        yield server
