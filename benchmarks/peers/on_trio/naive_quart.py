"""Quart-Trio on the Hypercorn that it comes with: a channel per client, one `yield` per event."""

from __future__ import annotations

import math
import socket
from collections.abc import AsyncIterator

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import Response
from quart_trio import QuartTrio

from ..publishing import announce, event_text, read_options
from .pacing import publish_events


async def main() -> None:
    """Serve until standard input is closed."""
    options = read_options()
    clients: set[trio.MemorySendChannel[str]] = set()
    app = QuartTrio(__name__)

    @app.get("/sse")
    async def stream() -> Response:
        # Without a bound, which is a few hundred events where it is not paced.
        send, receive = trio.open_memory_channel[str](math.inf)

        async def events() -> AsyncIterator[str]:
            clients.add(send)
            try:
                yield ": welcome\n\n"
                async for text in receive:
                    yield f"data: {text}\n\n"
            finally:
                clients.discard(send)

        response = Response(events(), content_type="text/event-stream")
        response.timeout = None
        return response

    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        config = Config()
        config.bind = [f"fd://{listener.fileno()}"]
        config.accesslog = None
        async with trio.open_nursery() as nursery:
            await nursery.start(serve, app, config)
            port = listener.getsockname()[1]
            announce(port, "trio", "quart", "quart-trio", "hypercorn")

            def publish(number: int) -> None:
                text = event_text(number)
                for client in clients:
                    client.send_nowait(text)

            await publish_events(options, publish)


if __name__ == "__main__":
    trio.run(main)
