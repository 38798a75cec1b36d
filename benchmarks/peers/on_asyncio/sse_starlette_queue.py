"""sse-starlette on uvicorn: a queue per client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from ..publishing import NO_HEARTBEAT, event_text, read_options
from .uvicorn_server import serve_app


async def main() -> None:
    """Serve until standard input is closed."""
    clients: set[asyncio.Queue[str]] = set()

    async def stream(request: Request) -> EventSourceResponse:
        # Without a bound, which is a few hundred events where it is not paced.
        queue: asyncio.Queue[str] = asyncio.Queue()

        async def events() -> AsyncIterator[ServerSentEvent]:
            clients.add(queue)
            try:
                while True:
                    yield ServerSentEvent(await queue.get())
            finally:
                clients.discard(queue)

        return EventSourceResponse(events(), ping=int(NO_HEARTBEAT))

    def publish(number: int) -> None:
        text = event_text(number)
        for client in clients:
            client.put_nowait(text)

    app = Starlette(routes=[Route("/sse", stream)])
    await serve_app(app, read_options(), publish, "sse-starlette", "starlette")


if __name__ == "__main__":
    asyncio.run(main())
