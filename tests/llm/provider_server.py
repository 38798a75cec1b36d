"""A server on loopback that speaks a provider's format, as a script tells it to.

It is HTTP/1.1 by h11 over real sockets (or over any stream, see `ProviderServer.serve`). What
it answers is a list of `Answer`s, used in order, the last one again and again; each format
makes its own (`openai_server`, `anthropic_server`):

```python
async with provider_server(OPENAI) as server:
    server.answers = [OPENAI.streamed("Hel", "lo"), OPENAI.failure(429, "slow down")]
    async with OpenAIClient(base_url=server.url, api_key="k") as llm: ...
    assert server.asked[0]["stream"]
```

Between the pieces of a stream a script may say what goes wrong: `HANG`, `CUT`, `STOP`, an
`Event` to wait for, an `ErrorEvent`, or bytes to be sent as they are.
"""

from __future__ import annotations

import enum
import json
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import trio
from attrs import define, field, frozen

from ..clients.connectors.http_server import Exchange, HTTPServer, Play
from ..clients.connectors.sockets import listening

__all__ = [
    "CUT",
    "HANG",
    "STOP",
    "Answer",
    "Asks",
    "ErrorEvent",
    "Part",
    "ProviderServer",
    "ServerFormat",
    "cut_body",
    "hang",
    "provider_server",
    "raw",
]


class Special(enum.Enum):
    """What happens in place of the next piece."""

    HANG = "say nothing until the client is gone"
    CUT = "close the connection in the middle of the body"
    STOP = "end the body, as if all had been said"


HANG, CUT, STOP = Special.HANG, Special.CUT, Special.STOP


@frozen
class ErrorEvent:
    """An error that is told inside a stream."""

    message: str = "Overloaded"


@frozen
class Asks:
    """A tool that the model wants to have run; the arguments are sent as they are."""

    id: str
    name: str
    arguments: str = "{}"


Part: TypeAlias = "str | bytes | Asks | Special | trio.Event | ErrorEvent"
Answer: TypeAlias = "Callable[[ProviderServer, Exchange], Awaitable[None]]"


class ServerFormat(ABC):
    """How one provider says things."""

    path: str
    """Where questions go, below the URL that a client is given."""
    base: str
    """What that path stands below on the server."""
    client_base: str
    """What of it belongs to the URL that a client is given."""

    @abstractmethod
    def whole(
        self,
        text: str | None,
        *asks: Asks,
        finish: str | None = None,
        usage: tuple[int, int] | None = (12, 3),
        **more: Any,
    ) -> Answer:
        """A usual answer."""

    @abstractmethod
    def begin(self, usage: tuple[int, int] | None) -> Iterator[bytes]:
        """How a stream begins."""

    @abstractmethod
    def piece(self, part: str | Asks | ErrorEvent, index: int, asked: int) -> Iterator[bytes]:
        """The events for a piece of text, a tool, or an error.

        Args:
            index: how many pieces came before.
            asked: how many of them were tools.
        """

    @abstractmethod
    def end(
        self, finish: str | None, usage: tuple[int, int] | None, *, asks: bool
    ) -> Iterator[bytes]:
        """How a stream ends."""

    @abstractmethod
    def failure(
        self, status: int, message: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Answer:
        """An error as the provider tells it."""

    def streamed(
        self,
        *parts: Part,
        finish: str | None = None,
        usage: tuple[int, int] | None = (12, 3),
    ) -> Answer:
        """An answer as a stream; nothing of what comes after `CUT`, `STOP` or `HANG` is sent."""
        asks = any(isinstance(each, Asks) for each in parts)

        def frames() -> Iterator[bytes | Special | trio.Event]:
            yield from self.begin(usage)
            index = asked = 0
            for part in parts:
                if isinstance(part, str | Asks | ErrorEvent):
                    yield from self.piece(part, index, asked)
                    index, asked = index + 1, asked + isinstance(part, Asks)
                else:
                    yield part
            yield from self.end(finish, usage, asks=asks)

        async def answer(server: ProviderServer, exchange: Exchange) -> None:
            await _play(server, exchange, list(frames()))

        return answer


async def _play(
    server: ProviderServer, exchange: Exchange, frames: Sequence[bytes | Special | trio.Event]
) -> None:
    await exchange.start(200, {"Content-Type": "text/event-stream; charset=utf-8"})
    for frame in frames:
        match frame:
            case bytes():
                await exchange.write(frame)
                server.written += 1
            case trio.Event():
                await frame.wait()
            case Special.HANG:
                await server.wait_until_left(exchange)
                return
            case Special.CUT:
                await exchange.cut()
                return
            case Special.STOP:
                break
    await exchange.end()


@define
class ProviderServer:
    """What the server was asked, and what it answers."""

    url: str
    format: ServerFormat
    answers: list[Answer] = field(factory=list[Answer])
    asked: list[dict[str, Any]] = field(factory=list[dict[str, Any]])
    """The questions, oldest first."""
    headers: list[dict[str, str]] = field(factory=list[dict[str, str]])
    """The headers of each question."""
    models: list[str] = field(factory=list[str])
    """What `GET /models` lists."""
    models_asked: int = 0
    written: int = 0
    """How many events of streams it has sent."""
    hanging: trio.Event = field(factory=trio.Event)
    """Set when it waits for the client to go."""
    left: trio.Event = field(factory=trio.Event)
    """Set when the client has closed the connection that it was waiting on."""
    left_at: float = 0.0
    """When that was, on Trio's clock."""
    http: HTTPServer = field(init=False)

    def __attrs_post_init__(self) -> None:
        base = self.format.base
        plays: dict[str, Play] = {
            base + self.format.path: self._answer,
            f"{base}/models": self._list_models,
        }
        self.http = HTTPServer(self.url, plays)

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one connection."""
        await self.http.serve(stream)

    async def wait_until_left(self, exchange: Exchange) -> None:
        """Wait for the client to close the connection, and note when it did."""
        self.hanging.set()
        await exchange.wait_until_gone()
        self.left_at = trio.current_time()
        self.left.set()

    async def _answer(self, exchange: Exchange) -> None:
        self.asked.append(exchange.json)
        self.headers.append(exchange.headers)
        await self.answers[min(len(self.asked), len(self.answers)) - 1](self, exchange)

    async def _list_models(self, exchange: Exchange) -> None:
        self.models_asked += 1
        self.headers.append(exchange.headers)
        listed = {
            "object": "list",
            "data": [{"id": each, "object": "model"} for each in self.models],
        }
        await exchange.answer(200, json.dumps(listed).encode(), {"Content-Type": JSON})


JSON = "application/json"


def raw(
    status: int,
    body: bytes | str | Mapping[str, Any],
    content_type: str = JSON,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Any bytes, or JSON."""
    if not isinstance(body, bytes):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()

    async def answer(server: ProviderServer, exchange: Exchange) -> None:
        await exchange.answer(status, body, {"Content-Type": content_type, **(headers or {})})

    return answer


async def hang(server: ProviderServer, exchange: Exchange) -> None:
    """Never answer; notice when the client goes."""
    await server.wait_until_left(exchange)


def cut_body(status: int = 200) -> Answer:
    """Promise more than is sent."""

    async def answer(server: ProviderServer, exchange: Exchange) -> None:
        await exchange.start(status, {"Content-Type": JSON, "Content-Length": "1000"})
        await exchange.write(b"{")
        await exchange.cut()

    return answer


@asynccontextmanager
async def provider_server(
    spoken: ServerFormat, context: ssl.SSLContext | None = None
) -> AsyncIterator[ProviderServer]:
    """A server that runs while the `async with` lasts."""
    server = ProviderServer("", spoken)
    async with listening(server.serve, context, dialect="sse") as url:
        server.url = url.removesuffix("/sse") + spoken.client_base
        yield server
